/*
 * The limiters: each kind, their combination, and properties over random settings (WORKQ_SEED gives the seed back).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "limiter.h"

#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "support/random.h"

#define US INT64_C(1000)
#define MS INT64_C(1000000)
#define S  INT64_C(1000000000)

static uint64_t seed;

static uint64_t draw(void) {
  return random_next(&seed);
}

static void start_random(void) {
  seed = random_seed(NULL);
}

/* A limiter of one preset, or of the fields that a test sets, in normal form. */
static workq_limiter normal(workq_limiter limiter) {
  ck_assert_int_eq(limiter_normalize(&limiter), 0);
  return limiter;
}

static int64_t when(const workq_limiter *limiter, uint32_t failures) {
  int64_t bucket = 0;
  return limiter_when(limiter, failures, S, &bucket, 0);
}

static void assert_refused(workq_limiter limiter) {
  workq_limiter before = limiter;
  ck_assert_int_eq(limiter_normalize(&limiter), -EINVAL);
  ck_assert_mem_eq(&limiter, &before, sizeof before);
}

START_TEST(all_zero_is_the_default) {
  workq_limiter limiter = normal((workq_limiter){0}), preset;
  ck_assert_int_eq(workq_limiter_preset(&preset, WORKQ_PRESET_DEFAULT), 0);
  ck_assert_mem_eq(&limiter, &preset, sizeof preset);
  ck_assert_uint_eq(limiter.kinds, WORKQ_LIMIT_EXPONENTIAL);
  static const int64_t expected_ms[] = {5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000};
  for (uint32_t i = 0; i < sizeof expected_ms / sizeof *expected_ms; i++)
    ck_assert_int_eq(when(&limiter, i), expected_ms[i] * MS);
  ck_assert_int_eq(when(&limiter, UINT32_MAX), S);
}
END_TEST

START_TEST(default_keeps_what_is_set) {
  workq_limiter limiter = normal((workq_limiter){.exp_initial_ns = MS, .max_wait_ns = 3 * MS});
  ck_assert_int_eq(when(&limiter, 0), MS);
  ck_assert_int_eq(when(&limiter, 1), 2 * MS);
  ck_assert_int_eq(when(&limiter, 2), 3 * MS);
  assert_refused((workq_limiter){.exp_initial_ns = 2 * S}); /* above the default's longest */
}
END_TEST

START_TEST(presets) {
  workq_limiter limiter;
  ck_assert_int_eq(workq_limiter_preset(&limiter, WORKQ_PRESET_CONTROLLER), 0);
  workq_limiter again = normal(limiter);
  ck_assert_mem_eq(&again, &limiter, sizeof limiter);
  ck_assert_int_eq(when(&limiter, 0), 5 * MS);
  ck_assert_int_eq(when(&limiter, 40), 1000 * S);

  ck_assert_int_eq(workq_limiter_preset(&limiter, WORKQ_PRESET_NONE), 0);
  again = normal(limiter);
  ck_assert_mem_eq(&again, &limiter, sizeof limiter);
  ck_assert_int_eq(when(&limiter, 0), 0);
  ck_assert_int_eq(when(&limiter, UINT32_MAX), 0);

  ck_assert_int_eq(workq_limiter_preset(&limiter, 3), -EINVAL);
  ck_assert_int_eq(workq_limiter_preset(&limiter, -1), -EINVAL);
}
END_TEST

START_TEST(ranges_are_checked) {
  workq_limiter exponential = {.kinds = WORKQ_LIMIT_EXPONENTIAL, .exp_initial_ns = MS, .exp_max_ns = S};
  workq_limiter fast_slow = {.kinds = WORKQ_LIMIT_FAST_SLOW, .fast_attempts = 3, .fast_ns = MS, .slow_ns = S};
  workq_limiter bucket = {.kinds = WORKQ_LIMIT_BUCKET, .bucket_rate = 10, .bucket_burst = 1};
  workq_limiter bad;

#define REFUSE(base, field, value) (bad = (base), bad.field = (value), assert_refused(bad))
  REFUSE(exponential, kinds, 16);
  REFUSE(exponential, kinds, WORKQ_LIMIT_EXPONENTIAL | 0x80000000u);
  REFUSE(exponential, kinds, WORKQ_LIMIT_EXPONENTIAL | WORKQ_LIMIT_NONE);
  REFUSE(exponential, reserved, 1);
  REFUSE(exponential, exp_initial_ns, 0);
  REFUSE(exponential, exp_initial_ns, -1);
  REFUSE(exponential, exp_initial_ns, S + 1);
  REFUSE(exponential, exp_max_ns, 0);
  REFUSE(exponential, exp_factor, 0.999);
  REFUSE(exponential, exp_factor, -2);
  REFUSE(exponential, exp_factor, (double)NAN);
  REFUSE(exponential, exp_factor, (double)INFINITY);
  REFUSE(exponential, max_wait_ns, -1);
  REFUSE(exponential, jitter, -0.1);
  REFUSE(exponential, jitter, 10.1);
  REFUSE(exponential, jitter, (double)NAN);
  REFUSE(exponential, jitter, (double)INFINITY);
  REFUSE(fast_slow, fast_ns, -1);
  REFUSE(fast_slow, slow_ns, -1);
  REFUSE(bucket, bucket_rate, 0);
  REFUSE(bucket, bucket_rate, 0.9e-6);
  REFUSE(bucket, bucket_rate, 1.1e9);
  REFUSE(bucket, bucket_rate, -1);
  REFUSE(bucket, bucket_rate, (double)NAN);
  REFUSE(bucket, bucket_rate, (double)INFINITY);
  REFUSE(bucket, bucket_burst, 0);
#undef REFUSE

  (void)normal(exponential);
  (void)normal(fast_slow);
  (void)normal(bucket);
}
END_TEST

START_TEST(normal_form_is_canonical) {
  /* Fields of kinds that are off are not looked at, and do not survive. */
  workq_limiter limiter = normal((workq_limiter){.kinds = WORKQ_LIMIT_FAST_SLOW,
                                                 .slow_ns = INT64_MAX,
                                                 .exp_initial_ns = -7,
                                                 .exp_factor = (double)NAN,
                                                 .bucket_rate = (double)NAN});
  ck_assert_int_eq(limiter.exp_initial_ns, 0);
  ck_assert(limiter.exp_factor == 0 && limiter.bucket_rate == 0);
  ck_assert_int_eq(limiter.slow_ns, WORKQ_DURATION_MAX); /* longer ones count as this one */
  workq_limiter again = normal(limiter);
  ck_assert_mem_eq(&again, &limiter, sizeof limiter);
}
END_TEST

START_TEST(exponential_factors) {
  workq_limiter limiter = normal((workq_limiter){
      .kinds = WORKQ_LIMIT_EXPONENTIAL, .exp_initial_ns = 1000, .exp_max_ns = WORKQ_DURATION_MAX, .exp_factor = 1.5});
  ck_assert_int_eq(when(&limiter, 3), 3375);
  ck_assert_int_eq(when(&limiter, 1000), WORKQ_DURATION_MAX);
  limiter.exp_factor = 1;
  ck_assert_int_eq(when(&limiter, UINT32_MAX), 1000);
  limiter.exp_factor = 1e300;
  ck_assert_int_eq(when(&limiter, 0), 1000);
  ck_assert_int_eq(when(&limiter, 1), WORKQ_DURATION_MAX);
  ck_assert_int_eq(when(&limiter, 2), WORKQ_DURATION_MAX);
  limiter.exp_factor = 2;
  limiter.exp_initial_ns = 1;
  for (uint32_t i = 0; i < 61; i++) ck_assert_int_eq(when(&limiter, i), INT64_C(1) << i);
  ck_assert_int_eq(when(&limiter, 61), WORKQ_DURATION_MAX);
}
END_TEST

START_TEST(fast_then_slow) {
  workq_limiter limiter =
      normal((workq_limiter){.kinds = WORKQ_LIMIT_FAST_SLOW, .fast_attempts = 3, .fast_ns = 5 * MS, .slow_ns = 10 * S});
  static const int64_t expected_ms[] = {5, 5, 5, 10000, 10000};
  for (uint32_t i = 0; i < 5; i++) ck_assert_int_eq(when(&limiter, i), expected_ms[i] * MS);
  limiter.fast_attempts = 0;
  ck_assert_int_eq(when(&limiter, 0), 10 * S);
  limiter.fast_attempts = UINT32_MAX;
  ck_assert_int_eq(when(&limiter, UINT32_MAX - 1), 5 * MS);
}
END_TEST

START_TEST(bucket_burst_and_rate) {
  workq_limiter limiter = normal((workq_limiter){.kinds = WORKQ_LIMIT_BUCKET, .bucket_rate = 10, .bucket_burst = 100});
  int64_t bucket = 0, now = 77 * S;
  for (int i = 0; i < 100; i++) ck_assert_int_eq(limiter_when(&limiter, 0, now, &bucket, 0), 0);
  /* Each further one is a reservation, a tenth of a second after the one before. */
  for (int i = 1; i <= 1000; i++) ck_assert_int_eq(limiter_when(&limiter, 0, now, &bucket, 0), i * 100 * MS);
  /* Time pays it back. */
  ck_assert_int_eq(limiter_when(&limiter, 0, now + 100 * S, &bucket, 0), 100 * MS);
  ck_assert_int_eq(limiter_when(&limiter, 0, now + 100 * S + 350 * MS, &bucket, 0), 0);
  ck_assert_int_eq(limiter_when(&limiter, 0, now + 100 * S + 350 * MS, &bucket, 0), 0);
  ck_assert_int_eq(limiter_when(&limiter, 0, now + 100 * S + 350 * MS, &bucket, 0), 50 * MS);
  /* Never more than burst is saved up. */
  now += 100000 * S;
  for (int i = 0; i < 100; i++) ck_assert_int_eq(limiter_when(&limiter, 0, now, &bucket, 0), 0);
  ck_assert_int_eq(limiter_when(&limiter, 0, now, &bucket, 0), 100 * MS);
}
END_TEST

START_TEST(bucket_is_untouched_where_it_is_off) {
  workq_limiter limiter = normal((workq_limiter){0});
  int64_t bucket = 12345;
  (void)limiter_when(&limiter, 3, S, &bucket, 1);
  ck_assert_int_eq(bucket, 12345);
}
END_TEST

START_TEST(bucket_extremes) {
  workq_limiter slow = normal((workq_limiter){.kinds = WORKQ_LIMIT_BUCKET, .bucket_rate = 1e-6, .bucket_burst = 1});
  int64_t bucket = 0;
  ck_assert_int_eq(limiter_when(&slow, 0, S, &bucket, 0), 0);
  int64_t before = 0;
  for (int i = 0; i < 10000; i++) { /* ten million seconds each: runs into the cap, and stays there */
    int64_t delay = limiter_when(&slow, 0, S, &bucket, 0);
    ck_assert_int_ge(delay, before);
    ck_assert_int_le(delay, WORKQ_DURATION_MAX);
    before = delay;
  }
  ck_assert_int_eq(before, WORKQ_DURATION_MAX);

  workq_limiter vast =
      normal((workq_limiter){.kinds = WORKQ_LIMIT_BUCKET, .bucket_rate = 1e-6, .bucket_burst = UINT32_MAX});
  bucket = 0;
  for (int i = 0; i < 10000; i++) ck_assert_int_eq(limiter_when(&vast, 0, S, &bucket, 0), 0);

  workq_limiter quick = normal((workq_limiter){.kinds = WORKQ_LIMIT_BUCKET, .bucket_rate = 1e9, .bucket_burst = 2});
  bucket = 0;
  for (int i = 0; i < 10; i++) ck_assert_int_eq(limiter_when(&quick, 0, S, &bucket, 0), i < 2 ? 0 : i - 1);
}
END_TEST

START_TEST(damaged_bucket_is_harmless) {
  static const int64_t values[] = {INT64_MIN,         INT64_MIN + 1, -1,       0, 1, S, INT64_MAX / 2,
                                   INT64_MAX / 2 + 1, INT64_MAX - 1, INT64_MAX};
  workq_limiter limiter = normal((workq_limiter){.kinds = WORKQ_LIMIT_BUCKET, .bucket_rate = 0.5, .bucket_burst = 3});
  for (size_t i = 0; i < sizeof values / sizeof *values; i++)
    for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
      int64_t bucket = values[i];
      int64_t delay = limiter_when(&limiter, 0, values[j], &bucket, 0);
      ck_assert_int_ge(delay, 0);
      ck_assert_int_le(delay, WORKQ_DURATION_MAX);
    }
  int64_t bucket = INT64_MAX; /* no retry waits for ever because of it */
  ck_assert_int_eq(limiter_when(&limiter, 0, S, &bucket, 0), 0);
}
END_TEST

START_TEST(maximum_then_jitter_then_cap) {
  workq_limiter limiter = normal((workq_limiter){
      .kinds = WORKQ_LIMIT_EXPONENTIAL | WORKQ_LIMIT_FAST_SLOW | WORKQ_LIMIT_BUCKET,
      .exp_initial_ns = MS,
      .exp_max_ns = S,
      .fast_attempts = 2,
      .fast_ns = 3 * MS,
      .slow_ns = 4 * MS,
      .bucket_rate = 100,
      .bucket_burst = 4,
  });
  static const int64_t expected_ms[] = {3, 3, 4, 8, 16, 32, 64};
  int64_t bucket = 0;
  for (uint32_t i = 0; i < 7; i++) ck_assert_int_eq(limiter_when(&limiter, i, S, &bucket, 0), expected_ms[i] * MS);
  ck_assert_int_eq(limiter_when(&limiter, 0, S, &bucket, 0), 40 * MS); /* the eighth token of four */

  limiter.jitter = 0.5;
  bucket = 0;
  ck_assert_int_eq(limiter_when(&limiter, 6, S, &bucket, 0), 64 * MS);
  ck_assert_int_eq(limiter_when(&limiter, 6, S, &bucket, UINT64_C(1) << 63), 80 * MS);
  int64_t most = limiter_when(&limiter, 6, S, &bucket, UINT64_MAX);
  ck_assert(most > 95 * MS && most <= 96 * MS);
  limiter.max_wait_ns = 70 * MS;
  ck_assert_int_eq(limiter_when(&limiter, 6, S, &bucket, UINT64_MAX), 70 * MS);
}
END_TEST

static int64_t draw_duration(void) {
  uint64_t z = draw();
  int64_t ns = (int64_t)(z >> (1 + draw() % 62));
  return ns > 0 ? ns : 1;
}

static workq_limiter draw_limiter(uint32_t kinds) {
  static const double factors[] = {0, 1, 1.0000001, 1.5, 2, 10, 1e9, 1e308};
  workq_limiter limiter = {
      .kinds = kinds,
      .fast_attempts = (uint32_t)(draw() >> (32 + draw() % 32)),
      .exp_initial_ns = draw_duration(),
      .exp_factor = factors[draw() % 8],
      .fast_ns = draw_duration(),
      .slow_ns = draw_duration(),
      .bucket_rate = 1e-6 * (double)(1 + draw() % UINT64_C(1000000000000)),
      .bucket_burst = 1 + (uint32_t)(draw() >> (33 + draw() % 31)),
      .max_wait_ns = draw() % 2 ? draw_duration() : 0,
      .jitter = draw() % 2 ? (double)(draw() % 1001) / 100 : 0,
  };
  int64_t more = draw_duration();
  limiter.exp_max_ns = limiter.exp_initial_ns > INT64_MAX - more ? INT64_MAX : limiter.exp_initial_ns + more;
  return normal(limiter);
}

static uint32_t draw_failures(void) {
  return (uint32_t)(draw() >> (32 + draw() % 32));
}

START_TEST(random_limiters_stay_in_bounds) {
  start_random();
  for (int i = 0; i < 200000; i++) {
    workq_limiter limiter = draw_limiter((uint32_t)(draw() % 8)), again = normal(limiter);
    ck_assert_mem_eq(&again, &limiter, sizeof limiter);
    int64_t now = draw_duration(), bucket = draw() % 2 ? (int64_t)draw() : now;
    uint32_t failures = draw() % 8 ? draw_failures() : UINT32_MAX;
    int64_t delay = limiter_when(&limiter, failures, now, &bucket, draw());
    ck_assert_int_ge(delay, 0);
    ck_assert_int_le(delay, limiter.max_wait_ns ? limiter.max_wait_ns : WORKQ_DURATION_MAX);
  }
}
END_TEST

START_TEST(random_exponentials_never_sink) {
  start_random();
  for (int i = 0; i < 100000; i++) {
    workq_limiter limiter = draw_limiter(WORKQ_LIMIT_EXPONENTIAL);
    limiter.jitter = 0;
    limiter.max_wait_ns = 0;
    uint32_t a = draw_failures(), b = draw_failures();
    int64_t less = when(&limiter, a < b ? a : b), more = when(&limiter, a < b ? b : a);
    ck_assert_int_le(less, more);
    ck_assert_int_ge(less, limiter.exp_initial_ns);
    ck_assert_int_le(more, limiter.exp_max_ns);
  }
}
END_TEST

/* The token bucket as golang.org/x/time/rate keeps it: a count of tokens, and when it was true. */
struct tokens {
  double count;
  int64_t at_ns;
};

static int64_t reserve(struct tokens *tokens, double rate, uint32_t burst, int64_t now_ns) {
  tokens->count += (double)(now_ns - tokens->at_ns) * rate / 1e9;
  if (tokens->count > burst) tokens->count = burst;
  tokens->count -= 1;
  tokens->at_ns = now_ns;
  return tokens->count < 0 ? (int64_t)(-tokens->count / rate * 1e9) : 0;
}

START_TEST(random_buckets_agree_with_counting_tokens) {
  start_random();
  for (int i = 0; i < 300; i++) {
    workq_limiter limiter = normal((workq_limiter){.kinds = WORKQ_LIMIT_BUCKET,
                                                   .bucket_rate = (double)(1 + draw() % 1000000) / 100,
                                                   .bucket_burst = 1 + (uint32_t)(draw() % 200)});
    struct tokens tokens = {.count = limiter.bucket_burst, .at_ns = S};
    int64_t bucket = 0, now = S;
    int64_t step = (int64_t)(1e9 / limiter.bucket_rate * 2) + 1;
    for (int k = 0; k < 1000; k++) {
      if (draw() % 3) now += (int64_t)(draw() % (uint64_t)step);
      int64_t expected = reserve(&tokens, limiter.bucket_rate, limiter.bucket_burst, now);
      int64_t got = limiter_when(&limiter, 0, now, &bucket, 0);
      /* Half a nanosecond for each token since the bucket was full, and the floating point of the other. */
      ck_assert_int_le(llabs(got - expected), 2 * US);
    }
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("limiter");
  TCase *rules = tcase_create("rules");
  tcase_add_test(rules, all_zero_is_the_default);
  tcase_add_test(rules, default_keeps_what_is_set);
  tcase_add_test(rules, presets);
  tcase_add_test(rules, ranges_are_checked);
  tcase_add_test(rules, normal_form_is_canonical);
  tcase_add_test(rules, exponential_factors);
  tcase_add_test(rules, fast_then_slow);
  tcase_add_test(rules, bucket_burst_and_rate);
  tcase_add_test(rules, bucket_is_untouched_where_it_is_off);
  tcase_add_test(rules, bucket_extremes);
  tcase_add_test(rules, damaged_bucket_is_harmless);
  tcase_add_test(rules, maximum_then_jitter_then_cap);
  suite_add_tcase(suite, rules);

  TCase *properties = tcase_create("properties");
  tcase_set_timeout(properties, 900);
  tcase_add_test(properties, random_limiters_stay_in_bounds);
  tcase_add_test(properties, random_exponentials_never_sink);
  tcase_add_test(properties, random_buckets_agree_with_counting_tokens);
  suite_add_tcase(suite, properties);

  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? 0 : 1;
}
