/*
 * The public API: arguments that are out of their range are refused, and change nothing.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_api.h"

#include "support/in_lock.h"

/* What "deadline - now" gives for a deadline that has passed, and what other faults of arithmetic give. */
static const int64_t negative[] = {-2, -US, -S, INT64_MIN + 1, INT64_MIN};
enum { NEGATIVES = sizeof negative / sizeof *negative };

/* ---- Durations ---- */

/* On an empty queue a get that took them for "for ever" would never end. */
START_TEST(a_get_with_a_negative_timeout_is_einval) {
  create();
  workq_item items[2];
  ck_assert_int_eq(workq_get(q, items, negative[_i]), -EINVAL);
  ck_assert_int_eq(workq_get_batch(q, items, 2, negative[_i]), -EINVAL);
  add("a");
  ck_assert_int_eq(workq_get(q, items, negative[_i]), -EINVAL);
  ck_assert_int_eq(workq_get_batch(q, items, 2, negative[_i]), -EINVAL);
  assert_ready("a");
}
END_TEST

START_TEST(next_with_a_negative_timeout_changes_nothing) {
  create();
  add("a");
  add("b");
  workq_item item = take("a"), before = item;
  ck_assert_int_eq(workq_next(q, &item, negative[_i]), -EINVAL);
  ck_assert_int_eq(memcmp(&item, &before, sizeof item), 0);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_PROCESSING);
  ck_assert_int_eq(state_of("b"), WORKQ_STATE_READY);
  ck_assert_int_eq(workq_next(q, &item, 0), 0);
  ck_assert(is_key(item.key, item.key_len, "b"));
}
END_TEST

START_TEST(an_add_with_a_negative_wait_is_einval) {
  options.capacity = 1;
  create();
  const workq_add_options how = {.wait_ns = negative[_i]};
  const workq_key key = {"a", 1};
  ck_assert_int_eq(workq_add_wait(q, "a", 1, negative[_i]), -EINVAL);
  ck_assert_int_eq(workq_add_opts(q, "a", 1, &how), -EINVAL);
  ck_assert_int_eq(workq_add_batch(q, &key, 1, &how, NULL), -EINVAL);
  ck_assert_uint_eq(stats().keys, 0);
  add("full");
  ck_assert_int_eq(workq_add_wait(q, "a", 1, negative[_i]), -EINVAL);
  ck_assert_int_eq(workq_add_opts(q, "a", 1, &how), -EINVAL);
}
END_TEST

START_TEST(a_drain_with_a_negative_timeout_does_not_shut_down) {
  create();
  add("a");
  ck_assert_int_eq(workq_shutdown_drain(q, negative[_i]), -EINVAL);
  ck_assert_int_eq(workq_shutting_down(q), 0);
}
END_TEST

START_TEST(a_delay_that_is_not_positive_means_now) {
  create();
  ck_assert_int_eq(add_after("a", negative[_i]), 1);
  ck_assert_int_eq(workq_add_opts(q, "b", 1, &(workq_add_options){.after_ns = negative[_i]}), 1);
  assert_ready("a b");
}
END_TEST

START_TEST(options_with_a_negative_duration_are_einval) {
  const workq_options wrong[] = {{.lock_timeout_ns = negative[_i]}, {.reap_interval_ns = negative[_i]}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    ck_assert_int_eq(workq_create(name, &wrong[i], &q), -EINVAL);
    ck_assert_ptr_null(q);
  }
  create();
  workq *other = NULL;
  ck_assert_int_eq(workq_open(name, &wrong[0], &other), -EINVAL);
  ck_assert_ptr_null(other);
}
END_TEST

START_TEST(a_lock_timeout_for_ever_is_no_limit) {
  create();
  options.lock_timeout_ns = WORKQ_FOREVER;
  workq *other = open_again();
  pid_t holder = fork_stopped_inside();
  pid_t waiter = process_fork();
  if (waiter == 0) {
    shared->steps[0] = 1;
    ck_assert_int_eq(workq_add(other, "a", 1), 1);
    process_done();
  }
  await(&shared->steps[0], 1);
  process_resume(holder);
  process_join(waiter);
  process_join(holder);
  ok(workq_close(other));
}
END_TEST

/* The longest that a caller can say, and what is longer than the library keeps. */
START_TEST(a_huge_timeout_is_waited_for) {
  static const int64_t huge[] = {WORKQ_DURATION_MAX, WORKQ_DURATION_MAX + 1, INT64_MAX - 1, INT64_MAX};
  options.clock = NULL;
  create();
  pid_t child = process_fork();
  if (child == 0) {
    workq *own = open_again();
    workq_item item;
    for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
      ok(workq_get(own, &item, huge[i]));
      ok(workq_done(own, &item));
    }
    process_done();
  }
  for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
    await_waiting(1, 1);
    add("a");
    while (state_of("a") != -ENOENT) continue;
  }
  process_join(child);
}
END_TEST

/* ---- Fields ---- */

START_TEST(what_is_reserved_must_be_0) {
  static const workq_options wrong[] = {{.limiter.reserved = 1}, {.limiter = {.kinds = 8, .reserved = 1}}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    ck_assert_msg(workq_create(name, &wrong[i], &q) == -EINVAL, "options %zu", i);
    ck_assert_ptr_null(q);
  }
}
END_TEST

START_TEST(a_group_needs_a_mode_in_which_it_may_write) {
  static const workq_options wrong[] = {
      {.group = UINT32_MAX}, {.group = 1, .mode = 0600}, {.group = 1, .mode = 0606}, {.group = 1, .mode = 0640}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    ck_assert_msg(workq_create(name, &wrong[i], &q) == -EINVAL, "options %zu", i);
    ck_assert_ptr_null(q);
  }
}
END_TEST

START_TEST(what_is_0_or_1_is_nothing_else) {
  const workq_options no_metrics = {.no_metrics = 2};
  ck_assert_int_eq(workq_create(name, &no_metrics, &q), -EINVAL);
  create();
  const workq_add_options wrong[] = {
      {.rate_limited = 2}, {.rate_limited = UINT32_MAX}, {.priority = 128}, {.priority = -129}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    workq_add_options how = wrong[i];
    const workq_key key = {"a", 1};
    size_t marked = 9;
    ck_assert_msg(workq_add_opts(q, "a", 1, &how) == -EINVAL, "options %zu", i);
    ck_assert_msg(workq_add_batch(q, &key, 1, &how, &marked) == -EINVAL, "options %zu", i);
    ck_assert_uint_eq(marked, 0);
    how.wait_ns = S;
    ck_assert_msg(workq_add_opts(q, "a", 1, &how) == -EINVAL, "options %zu", i);
  }
  ck_assert_uint_eq(stats().keys, 0);
}
END_TEST

START_TEST(a_key_to_restore_with_a_negative_time_is_einval) {
  create();
  workq_info info = {.key = "a", .key_len = 1, .state = WORKQ_STATE_DELAYED, .due_in_ns = negative[_i]};
  ck_assert_int_eq(workq_restore(q, &info), -EINVAL);
  ck_assert_uint_eq(stats().keys, 0);
  info.due_in_ns = -1; /* of one that is not delayed */
  info.state = WORKQ_STATE_READY;
  ck_assert_int_eq(workq_restore(q, &info), 1);
}
END_TEST

/* ---- Null pointers ---- */

/* An empty variable of the caller's is not "every key". */
START_TEST(kick_of_a_null_key_with_a_length_kicks_nothing) {
  create();
  add("a");
  bury("a");
  ck_assert_int_eq(workq_kick(q, NULL, 1), -EINVAL);
  ck_assert_int_eq(workq_kick(q, NULL, SIZE_MAX), -EINVAL);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_BURIED);
  ck_assert_int_eq(workq_kick(q, NULL, 0), 1);
}
END_TEST

static int see_key(void *arg, const workq_info *info) {
  (void)arg;
  (void)info;
  return 1;
}

START_TEST(a_null_pointer_that_stands_for_nothing_is_einval) {
  ck_assert_int_eq(workq_create(name, &options, NULL), -EINVAL);
  ck_assert_int_eq(workq_open_or_create(name, &options, NULL), -EINVAL);
  ck_assert_int_eq(workq_open(name, &options, NULL), -EINVAL);
  create();
  add("a");
  workq *copy;
  ok(workq_snapshot(q, &copy));
  ck_assert_int_eq(workq_get(q, NULL, 0), -EINVAL);
  ck_assert_int_eq(workq_get_batch(q, NULL, 1, 0), -EINVAL);
  ck_assert_int_eq(workq_next(q, NULL, 0), -EINVAL);
  ck_assert_int_eq(workq_add_batch(q, NULL, 1, NULL, NULL), -EINVAL);
  ck_assert_int_eq(workq_done(q, NULL), -EINVAL);
  ck_assert_int_eq(workq_done_batch(q, NULL, 1), -EINVAL);
  ck_assert_int_eq(workq_complete(q, NULL), -EINVAL);
  ck_assert_int_eq(workq_retry(q, NULL), -EINVAL);
  ck_assert_int_eq(workq_give_up(q, NULL), -EINVAL);
  ck_assert_int_eq(workq_release(q, NULL), -EINVAL);
  ck_assert_int_eq(workq_restore(q, NULL), -EINVAL);
  ck_assert_int_eq(workq_restore(q, &(workq_info){.key_len = 1, .state = WORKQ_STATE_READY}), -EINVAL);
  ck_assert_int_eq(workq_stats(q, NULL), -EINVAL);
  ck_assert_int_eq(workq_measure(q, NULL), -EINVAL);
  ck_assert_int_eq(workq_metrics(q, NULL), -EINVAL);
  ck_assert_int_eq(workq_metrics_print(NULL, 0, NULL), -EINVAL);
  ck_assert_int_eq(workq_metrics_print(NULL, 1, stdout), -EINVAL);
  ck_assert_int_eq(workq_get_limiter(q, NULL), -EINVAL);
  ck_assert_int_eq(workq_limiter_preset(NULL, WORKQ_PRESET_DEFAULT), -EINVAL);
  ck_assert_int_eq(workq_iterate(q, NULL, NULL), -EINVAL);
  ck_assert_int_eq(workq_iterate_workers(q, NULL, NULL), -EINVAL);
  ck_assert_int_eq(workq_iterate_order(copy, NULL, NULL), -EINVAL);
  ck_assert_int_eq(workq_iterate_state(copy, WORKQ_STATE_READY, NULL, NULL), -EINVAL);
  ck_assert_int_eq(workq_snapshot(q, NULL), -EINVAL);
  ck_assert_int_eq(workq_dump(q, NULL), -EINVAL);
  ck_assert_int_eq(workq_run(q, NULL, NULL), -EINVAL);
  ck_assert_int_eq(workq_describe_mismatch(name, NULL, 1), -EINVAL);
  ck_assert_int_eq(workq_iterate_order(copy, see_key, NULL), 1);
  ok(workq_close(copy));
  assert_ready("a");
}
END_TEST

START_TEST(a_null_pointer_that_may_be_null_is_not) {
  create();
  add("a");
  ck_assert_int_eq(workq_peek(q, NULL), 1);
  ck_assert_int_eq(workq_state(q, "a", 1, NULL), WORKQ_STATE_READY);
  ck_assert_int_eq(workq_check(q, NULL, NULL), 0);
  ck_assert_int_eq(workq_describe_mismatch(name, NULL, 0), 0);
  ck_assert_int_eq(workq_close(NULL), 0);
}
END_TEST

Suite *arguments_suite(void) {
  Suite *suite = suite_create("arguments");
  TCase *tcase = fixture_case(suite, "durations");
  tcase_add_loop_test(tcase, a_get_with_a_negative_timeout_is_einval, 0, NEGATIVES);
  tcase_add_loop_test(tcase, next_with_a_negative_timeout_changes_nothing, 0, NEGATIVES);
  tcase_add_loop_test(tcase, an_add_with_a_negative_wait_is_einval, 0, NEGATIVES);
  tcase_add_loop_test(tcase, a_drain_with_a_negative_timeout_does_not_shut_down, 0, NEGATIVES);
  tcase_add_loop_test(tcase, a_delay_that_is_not_positive_means_now, 0, NEGATIVES);
  tcase_add_loop_test(tcase, options_with_a_negative_duration_are_einval, 0, NEGATIVES);
  tcase_add_test(tcase, a_huge_timeout_is_waited_for);

  tcase = fixture_case_with(suite, "durations, for the lock", ENGINE_LOCK);
  tcase_add_test(tcase, a_lock_timeout_for_ever_is_no_limit);

  tcase = fixture_case(suite, "fields");
  tcase_add_test(tcase, what_is_reserved_must_be_0);
  tcase_add_test(tcase, a_group_needs_a_mode_in_which_it_may_write);
  tcase_add_test(tcase, what_is_0_or_1_is_nothing_else);
  tcase_add_loop_test(tcase, a_key_to_restore_with_a_negative_time_is_einval, 0, NEGATIVES);

  tcase = fixture_case(suite, "null pointers");
  tcase_add_test(tcase, kick_of_a_null_key_with_a_length_kicks_nothing);
  tcase_add_test(tcase, a_null_pointer_that_stands_for_nothing_is_einval);
  tcase_add_test(tcase, a_null_pointer_that_may_be_null_is_not);
  return suite;
}
