/*
 * The public API: keys that are to run later.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_api.h"

START_TEST(a_delay_of_zero_or_less_is_add) {
  create();
  ck_assert_int_eq(add_after("a", 0), 1);
  ck_assert_int_eq(add_after("b", -1), 1);
  ck_assert_int_eq(add_after("c", INT64_MIN), 1);
  ck_assert_int_eq(add_after("a", 0), 0);
  assert_ready("a b c");
}
END_TEST

START_TEST(a_delayed_key_is_ready_when_its_time_has_come_and_not_before) {
  create();
  ck_assert_int_eq(add_after("a", S), 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DELAYED);
  ck_assert_int_eq(info_of("a").due_in_ns, S);
  ck_assert_int_eq(stats().next_due_in_ns, S);
  assert_ready("");
  pass(S - 1);
  ck_assert_int_eq(info_of("a").due_in_ns, 1);
  assert_ready("");
  pass(1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_READY);
  ck_assert_int_eq(stats().next_due_in_ns, -1);
  assert_ready("a");
}
END_TEST

START_TEST(when_its_time_has_come_a_key_is_ready_at_the_tail_of_its_priority) {
  create();
  const workq_add_options high = {.priority = 5, .after_ns = S};
  ck_assert_int_eq(ok(workq_add_opts(q, "high", 4, &high)), 1);
  add_after("a", S);
  add("b");
  pass(S);
  assert_ready("high b a");
}
END_TEST

START_TEST(when_its_time_has_come_a_key_being_processed_becomes_dirty) {
  create();
  add("a");
  workq_item item = take("a");
  ck_assert_int_eq(add_after("a", S), 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_PROCESSING);
  ck_assert_int_eq(info_of("a").due_in_ns, S);
  ck_assert_uint_eq(stats().delayed, 1);
  pass(S);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DIRTY);
  ck_assert_int_eq(info_of("a").due_in_ns, -1);
  ck_assert_uint_eq(stats().delayed, 0);
  ck_assert_int_eq(workq_done(q, &item), 1);
  assert_ready("a");
}
END_TEST

START_TEST(the_earliest_time_asked_for_counts) {
  create();
  ck_assert_int_eq(add_after("a", 10 * S), 1);
  ck_assert_int_eq(add_after("a", 20 * S), 0);
  ck_assert_int_eq(add_after("a", 10 * S), 0);
  ck_assert_int_eq(info_of("a").due_in_ns, 10 * S);
  ck_assert_int_eq(add_after("a", 5 * S), 1);
  ck_assert_int_eq(info_of("a").due_in_ns, 5 * S);
  pass(4 * S);
  ck_assert_int_eq(add_after("a", 2 * S), 0);
  ck_assert_int_eq(info_of("a").due_in_ns, S);
  ck_assert_uint_eq(stats().delayed, 1);
}
END_TEST

START_TEST(the_earliest_time_counts_for_a_key_being_processed_too) {
  create();
  add("a");
  workq_item item = take("a");
  ck_assert_int_eq(add_after("a", 10 * S), 1);
  ck_assert_int_eq(add_after("a", 5 * S), 1);
  ck_assert_int_eq(add_after("a", 6 * S), 0);
  ck_assert_int_eq(info_of("a").due_in_ns, 5 * S);
  ck_assert_int_eq(add("a"), 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DIRTY);
  ck_assert_int_eq(add_after("a", S), 0);
  ck_assert_int_eq(workq_done(q, &item), 1);
  assert_ready("a");
}
END_TEST

START_TEST(a_delay_does_not_put_off_a_key_that_is_ready) {
  create();
  add("a");
  ck_assert_int_eq(add_after("a", S), 0);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_READY);
  ck_assert_uint_eq(stats().delayed, 0);
  assert_ready("a");
  pass(2 * S);
  assert_ready("");
}
END_TEST

START_TEST(a_key_has_one_pending_run) {
  create();
  add_after("a", S);
  add("a");
  assert_ready("a");
  pass(2 * S);
  assert_ready("");
  ck_assert_int_eq(state_of("a"), -ENOENT);
}
END_TEST

START_TEST(done_of_a_delayed_key_leaves_it_delayed) {
  create();
  add("a");
  workq_item item = take("a");
  add_after("a", S);
  ck_assert_int_eq(workq_done(q, &item), 0);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DELAYED);
  ck_assert_int_eq(info_of("a").due_in_ns, S);
  pass(S);
  assert_ready("a");
}
END_TEST

START_TEST(an_add_with_a_time_and_a_limit_waits_for_the_earlier_of_the_two) {
  create(); /* the limiter's first delay: 5 ms */
  const workq_add_options sooner = {.rate_limited = 1, .after_ns = MS};
  const workq_add_options later = {.rate_limited = 1, .after_ns = S};
  ok(workq_add_opts(q, "a", 1, &sooner));
  ok(workq_add_opts(q, "b", 1, &later));
  ck_assert_int_eq(info_of("a").due_in_ns, MS);
  ck_assert_int_eq(info_of("b").due_in_ns, 5 * MS);
  ck_assert_int_eq(requeues("a"), 1);
  ck_assert_int_eq(requeues("b"), 1);
}
END_TEST

/* More keys than one hold of the lock makes ready: each kind of call that depends on what is ready sees all. */
enum { MANY_DUE = 700 };

static void remove_queue(void) {
  ok(workq_close(q));
  q = NULL;
  ok(workq_unlink(name));
}

static void many_are_due(void) {
  options.capacity = 2 * MANY_DUE;
  create();
  for (int i = 0; i < MANY_DUE; i++) {
    char key[16];
    snprintf(key, sizeof key, "low %d", i);
    add_after(key, S);
  }
  const workq_add_options high = {.priority = 10, .after_ns = S};
  ok(workq_add_opts(q, "high", 4, &high) - 1);
  pass(S);
}

START_TEST(of_many_keys_due_at_a_time_the_highest_priority_is_first) {
  many_are_due();
  workq_item item;
  ok(workq_get(q, &item, 0));
  ck_assert_int_eq(item.priority, 10);
  remove_queue();
  many_are_due();
  workq_info info;
  ck_assert_int_eq(workq_peek(q, &info), 1);
  ck_assert_int_eq(info.priority, 10);
  remove_queue();
  many_are_due();
  ck_assert_int_eq(workq_len(q), MANY_DUE + 1);
  remove_queue();
  many_are_due();
  ck_assert_uint_eq(stats().ready, MANY_DUE + 1);
  remove_queue();
  many_are_due();
  ck_assert_int_eq(state_of("high"), WORKQ_STATE_READY);
  remove_queue();
  many_are_due(); /* keys that were due before a shutdown are handed out after it */
  ok(workq_shutdown(q));
  ck_assert_int_eq(workq_len(q), MANY_DUE + 1);
  remove_queue();
  many_are_due();
  add("now");
  for (int i = 0; i < 2; i++) ok(workq_get(q, &item, 0));
  ck_assert_int_eq(workq_next(q, &item, 0), 0);
}
END_TEST

START_TEST(an_add_that_is_coalesced_takes_no_token) {
  options.limiter = (workq_limiter){.kinds = WORKQ_LIMIT_BUCKET, .bucket_rate = 10, .bucket_burst = 10};
  create();
  for (int i = 0; i < 300; i++) add_rate_limited("same");
  ck_assert_int_eq(requeues("same"), 300);
  for (int i = 0; i < 9; i++) {
    char key[2] = {(char)('a' + i)};
    add_rate_limited(key);
    ck_assert_int_eq(state_of(key), WORKQ_STATE_READY);
  }
  add_rate_limited("late");
  ck_assert_int_eq(info_of("late").due_in_ns, 100 * MS);
}
END_TEST

START_TEST(the_longest_delays_never_come_and_never_overflow) {
  create();
  ck_assert_int_eq(add_after("a", INT64_MAX), 1);
  ck_assert_int_eq(add_after("b", WORKQ_DURATION_MAX), 1);
  ck_assert_int_eq(info_of("a").due_in_ns, WORKQ_DURATION_MAX);
  ck_assert_int_eq(info_of("b").due_in_ns, WORKQ_DURATION_MAX);
  shared->now_ns = INT64_MAX - 1; /* a clock near its end */
  ck_assert_int_eq(add_after("c", INT64_MAX), 1);
  ck_assert_int_ge(info_of("c").due_in_ns, 0);
  assert_ready("a b");
}
END_TEST

START_TEST(a_clock_that_is_set_back_does_no_harm) {
  create();
  add_after("a", S);
  shared->now_ns = 0;
  ck_assert_int_eq(info_of("a").due_in_ns, 1001 * S);
  add_after("b", S);
  shared->now_ns = -1000 * S;
  assert_ready("");
  shared->now_ns = 1001 * S;
  assert_ready("b a");
}
END_TEST

START_TEST(a_removed_delayed_key_does_not_run) {
  create();
  add_after("a", S);
  add_after("b", 2 * S);
  ck_assert_int_eq(workq_remove(q, "a", 1), 1);
  ck_assert_int_eq(state_of("a"), -ENOENT);
  ck_assert_int_eq(stats().next_due_in_ns, 2 * S);
  pass(3 * S);
  assert_ready("b");
}
END_TEST

START_TEST(more_keys_than_one_look_takes_become_ready_all_the_same) {
  create();
  enum { KEYS = 3000 };
  char key[16];
  for (int i = 0; i < KEYS; i++) {
    snprintf(key, sizeof key, "%d", i);
    add_after(key, S);
  }
  pass(S);
  for (int i = 0; i < KEYS; i++) {
    snprintf(key, sizeof key, "%d", i);
    finish(key);
  }
  ck_assert_uint_eq(stats().keys, 0);
}
END_TEST

Suite *delay_suite(void) {
  Suite *suite = suite_create("delays");
  TCase *tcase = fixture_case(suite, "add_after");
  tcase_add_test(tcase, a_delay_of_zero_or_less_is_add);
  tcase_add_test(tcase, a_delayed_key_is_ready_when_its_time_has_come_and_not_before);
  tcase_add_test(tcase, when_its_time_has_come_a_key_is_ready_at_the_tail_of_its_priority);
  tcase_add_test(tcase, when_its_time_has_come_a_key_being_processed_becomes_dirty);
  tcase_add_test(tcase, the_earliest_time_asked_for_counts);
  tcase_add_test(tcase, the_earliest_time_counts_for_a_key_being_processed_too);
  tcase_add_test(tcase, a_delay_does_not_put_off_a_key_that_is_ready);
  tcase_add_test(tcase, a_key_has_one_pending_run);
  tcase_add_test(tcase, done_of_a_delayed_key_leaves_it_delayed);
  tcase_add_test(tcase, an_add_with_a_time_and_a_limit_waits_for_the_earlier_of_the_two);
  tcase_add_test(tcase, the_longest_delays_never_come_and_never_overflow);
  tcase_add_test(tcase, of_many_keys_due_at_a_time_the_highest_priority_is_first);
  tcase_add_test(tcase, an_add_that_is_coalesced_takes_no_token);
  tcase_add_test(tcase, a_clock_that_is_set_back_does_no_harm);
  tcase_add_test(tcase, a_removed_delayed_key_does_not_run);
  tcase_add_test(tcase, more_keys_than_one_look_takes_become_ready_all_the_same);
  return suite;
}
