/*
 * The model's own limiter: delays computed step by step in whole nanoseconds, as their definitions read.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model.h"

static const int64_t second_ns = 1000000000;

void model_limiter_init(model *m, const workq_limiter *limiter) {
  m->limiter = *limiter;
  if (m->limiter.kinds == 0) {
    m->limiter.kinds = WORKQ_LIMIT_EXPONENTIAL;
    m->limiter.exp_initial_ns = second_ns / 200;
    m->limiter.exp_max_ns = second_ns;
  }
  if (m->limiter.exp_factor == 0) m->limiter.exp_factor = 2;
  m->bucket_next_ns = INT64_MIN / 2;
}

static int64_t exponential(const workq_limiter *l, uint32_t failures) {
  double delay = (double)l->exp_initial_ns;
  for (uint32_t i = 0; i < failures && delay < (double)l->exp_max_ns && l->exp_factor > 1; i++) delay *= l->exp_factor;
  return delay < (double)l->exp_max_ns ? (int64_t)delay : l->exp_max_ns;
}

/*
 * bucket_next_ns is when the bucket would have been empty: each token moves it on by one token's time, and it is never
 * more than a burst's time behind the present.  A token taken before its time has to be waited for.
 */
static int64_t bucket(model *m) {
  int64_t token_ns = (int64_t)((double)second_ns / m->limiter.bucket_rate);
  uint32_t burst = m->limiter.bucket_burst;
  if (m->mutant == MUTANT_BUCKET_BURST) burst++;
  int64_t full_ns = m->now_ns - (int64_t)burst * token_ns;
  if (m->bucket_next_ns < full_ns) m->bucket_next_ns = full_ns;
  m->bucket_next_ns += token_ns;
  return m->bucket_next_ns > m->now_ns ? m->bucket_next_ns - m->now_ns : 0;
}

int64_t model_limiter_delay(model *m, uint32_t failures) {
  const workq_limiter *l = &m->limiter;
  int64_t longest = 0;
  if (l->kinds & WORKQ_LIMIT_EXPONENTIAL) longest = exponential(l, failures);
  if (l->kinds & WORKQ_LIMIT_FAST_SLOW) {
    int64_t delay = failures < l->fast_attempts ? l->fast_ns : l->slow_ns;
    if (delay > longest) longest = delay;
  }
  if (l->kinds & WORKQ_LIMIT_BUCKET) {
    int64_t delay = bucket(m);
    if (delay > longest) longest = delay;
  }
  bool capped = l->max_wait_ns > 0 && m->mutant != MUTANT_MAX_WAIT_IGNORED;
  return capped && longest > l->max_wait_ns ? l->max_wait_ns : longest;
}
