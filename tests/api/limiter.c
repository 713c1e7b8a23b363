/*
 * The public API: failures, and how long a failed key waits.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_api.h"

#include <math.h>

/* Fails the key again and again; each delay, in ms, must be as listed (until a -1). */
static void assert_delays_ms(const char *key, const int *delays_ms) {
  ok(workq_add(q, key, strlen(key)));
  for (int i = 0; delays_ms[i] >= 0; i++) {
    ck_assert_int_eq(requeues(key), i);
    retry(key);
    int64_t due_in_ns = info_of(key).due_in_ns;
    ck_assert_msg(due_in_ns == (delays_ms[i] ? delays_ms[i] * MS : -1), "failure %d: %lld ns", i, (long long)due_in_ns);
    pass(delays_ms[i] * MS);
  }
}

START_TEST(add_rate_limited_is_add_after_with_the_limiters_delay) {
  create();
  ck_assert_int_eq(add_rate_limited("a"), 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DELAYED);
  ck_assert_int_eq(info_of("a").due_in_ns, 5 * MS);
  pass(5 * MS);
  workq_item item = take("a");
  ck_assert_int_eq(add_rate_limited("a"), 1);
  ck_assert_int_eq(info_of("a").due_in_ns, 10 * MS);
  ok(workq_done(q, &item));
  pass(10 * MS);
  assert_ready("a");
}
END_TEST

START_TEST(add_rate_limited_counts_a_failure_even_where_it_is_coalesced) {
  create();
  add("a");
  ck_assert_int_eq(add_rate_limited("a"), 0);
  ck_assert_int_eq(add_rate_limited("a"), 0);
  ck_assert_int_eq(requeues("a"), 2);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_READY);
  workq_item item = take("a");
  ck_assert_uint_eq(item.failures, 2);
}
END_TEST

START_TEST(forget_zeroes_the_count) {
  create();
  add("a");
  retry("a");
  ck_assert_int_eq(requeues("a"), 1);
  ck_assert_int_eq(workq_forget(q, "a", 1), 1);
  ck_assert_int_eq(requeues("a"), 0);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DELAYED);
  ck_assert_int_eq(workq_forget(q, "a", 1), 0);
  ck_assert_int_eq(workq_forget(q, "unknown", 7), 0);
  pass(S);
  retry("a");
  ck_assert_int_eq(info_of("a").due_in_ns, 5 * MS); /* as the first */
}
END_TEST

START_TEST(forget_ends_an_idle_record) {
  create();
  add("a");
  add_rate_limited("a");
  finish("a");
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_IDLE);
  ck_assert_int_eq(workq_forget(q, "a", 1), 1);
  ck_assert_int_eq(state_of("a"), -ENOENT);
  ck_assert_uint_eq(stats().keys, 0);
}
END_TEST

START_TEST(forget_zeroes_the_crashes_too) {
  options.max_crashes = 2;
  create();
  add("a");
  die_with("a");
  ok(workq_reap(q));
  ck_assert_uint_eq(info_of("a").crashes, 1);
  ck_assert_int_eq(workq_forget(q, "a", 1), 1);
  ck_assert_uint_eq(info_of("a").crashes, 0);
  pass(S);
  die_with("a");
  ok(workq_reap(q));
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DELAYED);
}
END_TEST

START_TEST(forget_does_not_replace_done) {
  create();
  add("a");
  workq_item item = take("a");
  add_rate_limited("a");
  ck_assert_int_eq(workq_forget(q, "a", 1), 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_PROCESSING);
  ck_assert_int_eq(workq_done(q, &item), 0);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DELAYED);
}
END_TEST

START_TEST(forget_leaves_a_buried_key_buried) {
  options.max_retries = 1;
  create();
  add("a");
  retry("a");
  pass(S);
  workq_item item = take("a");
  ck_assert_int_eq(workq_retry(q, &item), 0);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_BURIED);
  ck_assert_int_eq(workq_forget(q, "a", 1), 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_BURIED);
}
END_TEST

START_TEST(num_requeues_reads_the_count) {
  create();
  ck_assert_int_eq(requeues("a"), 0);
  add("a");
  ck_assert_int_eq(requeues("a"), 0);
  for (int i = 1; i <= 20; i++) {
    retry("a");
    ck_assert_int_eq(requeues("a"), i);
    pass(S);
  }
}
END_TEST

/* ---- Each kind ---- */

START_TEST(by_default_exponential_5_ms_doubling_at_most_1000_ms) {
  create();
  assert_delays_ms("a", (const int[]){5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000, -1});
}
END_TEST

START_TEST(each_key_has_its_own_count) {
  create();
  assert_delays_ms("a", (const int[]){5, 10, 20, -1});
  finish("a");
  assert_delays_ms("b", (const int[]){5, 10, 20, -1});
}
END_TEST

START_TEST(exponential_is_initial_times_factor_to_the_failures_up_to_max) {
  options.limiter = (workq_limiter){
      .kinds = WORKQ_LIMIT_EXPONENTIAL, .exp_initial_ns = 2 * MS, .exp_max_ns = 100 * MS, .exp_factor = 3};
  create();
  assert_delays_ms("a", (const int[]){2, 6, 18, 54, 100, 100, -1});
}
END_TEST

START_TEST(exponential_never_overflows) {
  options.limiter = (workq_limiter){
      .kinds = WORKQ_LIMIT_EXPONENTIAL, .exp_initial_ns = 1, .exp_max_ns = INT64_MAX, .exp_factor = 1e300};
  create();
  for (int i = 0; i < 10000; i++) add_rate_limited("a");
  ck_assert_int_eq(workq_remove(q, "a", 1), 1);
  add("a");
  retry("a");
  ck_assert_int_eq(info_of("a").due_in_ns, 1);
  pass(1);
  for (int i = 0; i < 10; i++) {
    workq_item item = take("a");
    ck_assert_int_eq(workq_retry(q, &item), 1);
    ck_assert_int_eq(info_of("a").due_in_ns, WORKQ_DURATION_MAX);
    add("a");
  }
}
END_TEST

START_TEST(fast_for_the_first_attempts_then_slow) {
  options.limiter =
      (workq_limiter){.kinds = WORKQ_LIMIT_FAST_SLOW, .fast_attempts = 3, .fast_ns = 5 * MS, .slow_ns = 700 * MS};
  create();
  assert_delays_ms("a", (const int[]){5, 5, 5, 700, 700, -1});
}
END_TEST

START_TEST(a_token_bucket_is_shared_by_the_queue) {
  options.limiter = (workq_limiter){.kinds = WORKQ_LIMIT_BUCKET, .bucket_rate = 10, .bucket_burst = 2};
  create();
  workq *other = open_again();
  ck_assert_int_eq(add_rate_limited("a"), 1); /* a token: no delay */
  ck_assert_int_eq(ok(workq_add_rate_limited(other, "b", 1)), 1);
  ck_assert_int_eq(workq_len(q), 2);
  add_rate_limited("c");
  ok(workq_add_rate_limited(other, "d", 1));
  ck_assert_int_eq(info_of("c").due_in_ns, 100 * MS);
  ck_assert_int_eq(info_of("d").due_in_ns, 200 * MS);
  pass(10 * S); /* full again, not fuller */
  ck_assert_int_eq(workq_len(q), 4);
  for (int i = 0; i < 3; i++) add_rate_limited((const char *const[]){"e", "f", "g"}[i]);
  ck_assert_int_eq(workq_len(q), 6);
  ck_assert_int_eq(info_of("g").due_in_ns, 100 * MS);
  ok(workq_close(other));
}
END_TEST

START_TEST(limiters_combine_by_the_maximum) {
  options.limiter = (workq_limiter){.kinds = WORKQ_LIMIT_EXPONENTIAL | WORKQ_LIMIT_FAST_SLOW | WORKQ_LIMIT_BUCKET,
                                    .exp_initial_ns = 10 * MS,
                                    .exp_max_ns = S,
                                    .exp_factor = 2,
                                    .fast_attempts = 2,
                                    .fast_ns = 15 * MS,
                                    .slow_ns = 50 * MS,
                                    .bucket_rate = 1000,
                                    .bucket_burst = 1};
  create();
  /* exponential 10 20 40 80; fast/slow 15 15 50 50 */
  assert_delays_ms("a", (const int[]){15, 20, 50, 80, 160, -1});
  finish("a");
  add("b");
  for (int i = 0; i < 50; i++) {
    char key[16];
    snprintf(key, sizeof key, "drain %d", i);
    add_rate_limited(key);
  }
  workq_item item = take("b");
  ck_assert_int_eq(workq_retry(q, &item), 1);
  ck_assert_int_ge(info_of("b").due_in_ns, 49 * MS); /* the bucket's */
}
END_TEST

START_TEST(max_wait_caps_them_all) {
  options.limiter = (workq_limiter){.kinds = WORKQ_LIMIT_EXPONENTIAL | WORKQ_LIMIT_FAST_SLOW,
                                    .exp_initial_ns = 10 * MS,
                                    .exp_max_ns = S,
                                    .fast_ns = 1,
                                    .slow_ns = 500 * MS,
                                    .max_wait_ns = 30 * MS,
                                    .jitter = 10};
  create();
  assert_delays_ms("a", (const int[]){30, 30, 30, -1});
}
END_TEST

START_TEST(jitter_adds_a_random_part) {
  options.limiter = (workq_limiter){
      .kinds = WORKQ_LIMIT_EXPONENTIAL, .exp_initial_ns = 100 * MS, .exp_max_ns = 100 * MS, .jitter = 0.5};
  create();
  int64_t least = INT64_MAX, most = 0;
  for (int i = 0; i < 200; i++) {
    add_rate_limited("a");
    int64_t due_in_ns = info_of("a").due_in_ns;
    ck_assert_int_ge(due_in_ns, 100 * MS);
    ck_assert_int_le(due_in_ns, 150 * MS);
    if (due_in_ns < least) least = due_in_ns;
    if (due_in_ns > most) most = due_in_ns;
    ok(workq_remove(q, "a", 1));
  }
  ck_assert_int_gt(most - least, 10 * MS); /* fails once in more than 10^100 runs */
}
END_TEST

START_TEST(without_a_limit_a_retry_is_ready_at_once) {
  ok(workq_limiter_preset(&options.limiter, WORKQ_PRESET_NONE));
  create();
  assert_delays_ms("a", (const int[]){0, 0, 0, -1});
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_READY);
}
END_TEST

START_TEST(the_preset_controller_is_client_gos_own) {
  ok(workq_limiter_preset(&options.limiter, WORKQ_PRESET_CONTROLLER));
  ck_assert_uint_eq(options.limiter.kinds, WORKQ_LIMIT_EXPONENTIAL | WORKQ_LIMIT_BUCKET);
  ck_assert_int_eq(options.limiter.exp_max_ns, 1000 * S);
  ck_assert_double_eq(options.limiter.bucket_rate, 10);
  ck_assert_uint_eq(options.limiter.bucket_burst, 100);
  create();
  assert_delays_ms("a", (const int[]){5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, -1});
}
END_TEST

START_TEST(the_preset_default_is_what_all_zero_means) {
  workq_limiter preset, in_force;
  ok(workq_limiter_preset(&preset, WORKQ_PRESET_DEFAULT));
  create();
  ck_assert_int_eq(workq_get_limiter(q, &in_force), 0);
  ck_assert_uint_eq(in_force.kinds, WORKQ_LIMIT_EXPONENTIAL);
  ck_assert_int_eq(in_force.exp_initial_ns, 5 * MS);
  ck_assert_int_eq(in_force.exp_max_ns, S);
  ck_assert_double_eq(in_force.exp_factor, 2);
  ck_assert_mem_eq(&preset, &in_force, sizeof preset);
  ck_assert_int_eq(workq_limiter_preset(&preset, 3), -EINVAL);
  ck_assert_int_eq(workq_limiter_preset(&preset, -1), -EINVAL);
}
END_TEST

START_TEST(limiters_out_of_range_are_refused) {
  static const workq_limiter wrong[] = {
      {.kinds = 16},
      {.kinds = WORKQ_LIMIT_NONE | WORKQ_LIMIT_BUCKET, .bucket_rate = 1, .bucket_burst = 1},
      {.kinds = WORKQ_LIMIT_EXPONENTIAL},
      {.kinds = WORKQ_LIMIT_EXPONENTIAL, .exp_initial_ns = -1, .exp_max_ns = 1},
      {.kinds = WORKQ_LIMIT_EXPONENTIAL, .exp_initial_ns = 2, .exp_max_ns = 1},
      {.kinds = WORKQ_LIMIT_EXPONENTIAL, .exp_initial_ns = 1, .exp_max_ns = 1, .exp_factor = 0.5},
      {.kinds = WORKQ_LIMIT_EXPONENTIAL, .exp_initial_ns = 1, .exp_max_ns = 1, .exp_factor = NAN},
      {.kinds = WORKQ_LIMIT_EXPONENTIAL, .exp_initial_ns = 1, .exp_max_ns = 1, .exp_factor = INFINITY},
      {.kinds = WORKQ_LIMIT_FAST_SLOW, .fast_ns = -1},
      {.kinds = WORKQ_LIMIT_FAST_SLOW, .slow_ns = -1},
      {.kinds = WORKQ_LIMIT_BUCKET, .bucket_rate = 1},
      {.kinds = WORKQ_LIMIT_BUCKET, .bucket_burst = 1},
      {.kinds = WORKQ_LIMIT_BUCKET, .bucket_rate = 1e10, .bucket_burst = 1},
      {.kinds = WORKQ_LIMIT_BUCKET, .bucket_rate = -1, .bucket_burst = 1},
      {.kinds = WORKQ_LIMIT_BUCKET, .bucket_rate = NAN, .bucket_burst = 1},
      {.kinds = WORKQ_LIMIT_NONE, .max_wait_ns = -1},
      {.kinds = WORKQ_LIMIT_NONE, .jitter = -1},
      {.kinds = WORKQ_LIMIT_NONE, .jitter = 11},
      {.kinds = WORKQ_LIMIT_NONE, .jitter = NAN},
      {.kinds = WORKQ_LIMIT_NONE, .reserved = 1},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    options.limiter = wrong[i];
    ck_assert_msg(workq_create(name, &options, &q) == -EINVAL, "limiter %zu", i);
    ck_assert_ptr_null(q);
  }
}
END_TEST

Suite *limiter_suite(void) {
  Suite *suite = suite_create("limiters");
  TCase *tcase = fixture_case(suite, "counts");
  tcase_add_test(tcase, add_rate_limited_is_add_after_with_the_limiters_delay);
  tcase_add_test(tcase, add_rate_limited_counts_a_failure_even_where_it_is_coalesced);
  tcase_add_test(tcase, forget_zeroes_the_count);
  tcase_add_test(tcase, forget_ends_an_idle_record);
  tcase_add_test(tcase, forget_zeroes_the_crashes_too);
  tcase_add_test(tcase, forget_does_not_replace_done);
  tcase_add_test(tcase, forget_leaves_a_buried_key_buried);
  tcase_add_test(tcase, num_requeues_reads_the_count);

  tcase = fixture_case(suite, "kinds");
  tcase_add_test(tcase, by_default_exponential_5_ms_doubling_at_most_1000_ms);
  tcase_add_test(tcase, each_key_has_its_own_count);
  tcase_add_test(tcase, exponential_is_initial_times_factor_to_the_failures_up_to_max);
  tcase_add_test(tcase, exponential_never_overflows);
  tcase_add_test(tcase, fast_for_the_first_attempts_then_slow);
  tcase_add_test(tcase, a_token_bucket_is_shared_by_the_queue);
  tcase_add_test(tcase, limiters_combine_by_the_maximum);
  tcase_add_test(tcase, max_wait_caps_them_all);
  tcase_add_test(tcase, jitter_adds_a_random_part);
  tcase_add_test(tcase, without_a_limit_a_retry_is_ready_at_once);
  tcase_add_test(tcase, the_preset_controller_is_client_gos_own);
  tcase_add_test(tcase, the_preset_default_is_what_all_zero_means);
  tcase_add_test(tcase, limiters_out_of_range_are_refused);
  return suite;
}
