/*
 * Retry delays (client-go's ItemExponentialFailureRateLimiter, ItemFastSlowRateLimiter,
 * BucketRateLimiter, MaxOfRateLimiter and WithMaxWaitRateLimiter in one structure).  All arithmetic
 * saturates: no setting, count, clock or bucket, not even one from a damaged segment, makes it
 * overflow.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "limiter.h"

#include <errno.h>
#include <math.h>

#include "clock.h"

#define ALL_KINDS (WORKQ_LIMIT_EXPONENTIAL | WORKQ_LIMIT_FAST_SLOW | WORKQ_LIMIT_BUCKET | WORKQ_LIMIT_NONE)

/* Debts of the bucket stay below this, so that a debt and a duration can be added. */
#define DEBT_MAX (INT64_MAX / 2)

int workq_limiter_preset(workq_limiter *limiter, int preset) {
  if (!limiter) return -EINVAL;
  switch (preset) {
  case WORKQ_PRESET_DEFAULT:
    *limiter = (workq_limiter){
        .kinds = WORKQ_LIMIT_EXPONENTIAL,
        .exp_initial_ns = 5 * NS_PER_MS,
        .exp_max_ns = NS_PER_S,
        .exp_factor = 2,
    };
    return 0;
  case WORKQ_PRESET_CONTROLLER:
    *limiter = (workq_limiter){
        .kinds = WORKQ_LIMIT_EXPONENTIAL | WORKQ_LIMIT_BUCKET,
        .exp_initial_ns = 5 * NS_PER_MS,
        .exp_max_ns = 1000 * NS_PER_S,
        .exp_factor = 2,
        .bucket_rate = 10,
        .bucket_burst = 100,
    };
    return 0;
  case WORKQ_PRESET_NONE:
    *limiter = (workq_limiter){.kinds = WORKQ_LIMIT_NONE};
    return 0;
  default:
    return -EINVAL;
  }
}

static int64_t duration_cap(int64_t ns) {
  return ns > WORKQ_DURATION_MAX ? WORKQ_DURATION_MAX : ns;
}

static int normalize_exponential(workq_limiter *out, const workq_limiter *in) {
  if (in->exp_initial_ns <= 0 || in->exp_max_ns < in->exp_initial_ns) return -EINVAL;
  double factor = in->exp_factor == 0 ? 2 : in->exp_factor;
  if (!isfinite(factor) || factor < 1) return -EINVAL;
  out->exp_initial_ns = duration_cap(in->exp_initial_ns);
  out->exp_max_ns = duration_cap(in->exp_max_ns);
  out->exp_factor = factor;
  return 0;
}

static int normalize_fast_slow(workq_limiter *out, const workq_limiter *in) {
  if (in->fast_ns < 0 || in->slow_ns < 0) return -EINVAL;
  out->fast_attempts = in->fast_attempts;
  out->fast_ns = duration_cap(in->fast_ns);
  out->slow_ns = duration_cap(in->slow_ns);
  return 0;
}

static int normalize_bucket(workq_limiter *out, const workq_limiter *in) {
  /* Written so that NaN fails. */
  if (!(in->bucket_rate >= 1e-6 && in->bucket_rate <= 1e9) || in->bucket_burst < 1) return -EINVAL;
  out->bucket_rate = in->bucket_rate;
  out->bucket_burst = in->bucket_burst;
  return 0;
}

/* No kind named: the default's.  Fields of the default that are set all the same are kept. */
static void fill_default(workq_limiter *limiter) {
  workq_limiter preset;
  (void)workq_limiter_preset(&preset, WORKQ_PRESET_DEFAULT);
  limiter->kinds = preset.kinds;
  if (limiter->exp_initial_ns == 0) limiter->exp_initial_ns = preset.exp_initial_ns;
  if (limiter->exp_max_ns == 0) limiter->exp_max_ns = preset.exp_max_ns;
}

int limiter_normalize(workq_limiter *limiter) {
  workq_limiter in = *limiter;
  if (in.kinds == 0) fill_default(&in);

  if ((in.kinds & ~(uint32_t)ALL_KINDS) != 0 || in.reserved != 0) return -EINVAL;
  if ((in.kinds & WORKQ_LIMIT_NONE) && in.kinds != WORKQ_LIMIT_NONE) return -EINVAL;
  if (in.max_wait_ns < 0 || !(in.jitter >= 0 && in.jitter <= 10)) return -EINVAL;

  workq_limiter out = {
      .kinds = in.kinds,
      .max_wait_ns = duration_cap(in.max_wait_ns),
      .jitter = in.jitter,
  };
  if ((in.kinds & WORKQ_LIMIT_EXPONENTIAL) && normalize_exponential(&out, &in) < 0) return -EINVAL;
  if ((in.kinds & WORKQ_LIMIT_FAST_SLOW) && normalize_fast_slow(&out, &in) < 0) return -EINVAL;
  if ((in.kinds & WORKQ_LIMIT_BUCKET) && normalize_bucket(&out, &in) < 0) return -EINVAL;
  *limiter = out;
  return 0;
}

/* Whole nanoseconds of x: 0 ... WORKQ_DURATION_MAX, whatever x is (infinity and NaN are the
 * maximum). */
static int64_t duration_from_double(double x) {
  if (!(x < (double)WORKQ_DURATION_MAX)) return WORKQ_DURATION_MAX;
  return x > 0 ? (int64_t)x : 0;
}

/* base^exponent by squaring: at most 32 rounds, no libm, infinity rather than overflow. */
static double power(double base, uint32_t exponent) {
  double result = 1;
  for (; exponent != 0; exponent >>= 1) {
    if (exponent & 1) result *= base;
    base *= base;
  }
  return result;
}

static int64_t longer(int64_t a, int64_t b) {
  return a > b ? a : b;
}

static int64_t exponential_delay(const workq_limiter *limiter, uint32_t failures) {
  double delay = (double)limiter->exp_initial_ns * power(limiter->exp_factor, failures);
  /* Compared as a double: a large delay may not fit an int64_t. */
  if (!(delay < (double)limiter->exp_max_ns)) return limiter->exp_max_ns;
  /* Beyond 2^53 ns a double is inexact, and could come out a little below where it started. */
  return longer(duration_from_double(delay), limiter->exp_initial_ns);
}

/*
 * What is owed to the bucket now, in ns of refilling: 0 where it is full.  More than most_ns can
 * only be damage; it counts as a full bucket, because the other reading would put off every retry
 * for ever.
 */
static int64_t bucket_debt(int64_t bucket_ns, int64_t now_ns, int64_t most_ns) {
  int64_t debt;
  if (bucket_ns <= 0 || __builtin_sub_overflow(bucket_ns, now_ns, &debt)) return 0;
  return debt < 0 || debt > most_ns ? 0 : debt;
}

/*
 * Takes one token, on credit where there is none, and gives the time until that token exists: what
 * Reserve().Delay() of golang.org/x/time/rate gives.  Kept as a theoretical arrival time (GCRA),
 * which is one word where a token count would need two.  A token's time is rounded to whole
 * nanoseconds, so the rate is exact to half a nanosecond a token.  (A bucket that takes longer than
 * DEBT_MAX, some 146 years, to fill counts as never empty.)
 */
static int64_t bucket_delay(const workq_limiter *limiter, int64_t now_ns, int64_t *bucket_ns) {
  int64_t token_ns = duration_from_double((double)NS_PER_S / limiter->bucket_rate + 0.5);
  int64_t full_ns;
  if (__builtin_mul_overflow(token_ns, (int64_t)limiter->bucket_burst, &full_ns) || full_ns > DEBT_MAX)
    full_ns = DEBT_MAX;
  int64_t most_ns = full_ns < DEBT_MAX - WORKQ_DURATION_MAX ? full_ns + WORKQ_DURATION_MAX : DEBT_MAX;

  int64_t debt = bucket_debt(*bucket_ns, now_ns, most_ns) + token_ns;
  if (debt > most_ns) debt = most_ns;
  *bucket_ns = clock_add_ns(now_ns, debt);
  return debt > full_ns ? duration_cap(debt - full_ns) : 0;
}

int64_t limiter_when(const workq_limiter *limiter, uint32_t failures, int64_t now_ns, int64_t *bucket_ns,
                     uint64_t random) {
  int64_t delay = 0;
  if (limiter->kinds & WORKQ_LIMIT_EXPONENTIAL) delay = exponential_delay(limiter, failures);
  if (limiter->kinds & WORKQ_LIMIT_FAST_SLOW)
    delay = longer(delay, failures < limiter->fast_attempts ? limiter->fast_ns : limiter->slow_ns);
  if (limiter->kinds & WORKQ_LIMIT_BUCKET) delay = longer(delay, bucket_delay(limiter, now_ns, bucket_ns));

  if (limiter->jitter > 0) {
    double uniform = (double)(random >> 11) * 0x1p-53; /* 0 <= uniform < 1 */
    delay = duration_cap(delay + duration_from_double((double)delay * limiter->jitter * uniform));
  }
  if (limiter->max_wait_ns > 0 && delay > limiter->max_wait_ns) delay = limiter->max_wait_ns;
  return delay;
}
