/*
 * The public API: what add does with a key in each of its states; priorities; the order of gets.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_api.h"

/* ---- Add, by the state of the key ---- */

START_TEST(add_of_an_unknown_key_makes_it_ready_at_the_tail) {
  create();
  ck_assert_int_eq(add("a"), 1);
  ck_assert_int_eq(add("b"), 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_READY);
  assert_ready("a b");
}
END_TEST

START_TEST(add_of_an_idle_key_makes_it_ready_at_the_tail) {
  create();
  add("idle");
  ck_assert_int_eq(add_rate_limited("idle"), 0); /* coalesced, but counted */
  finish("idle");
  ck_assert_int_eq(state_of("idle"), WORKQ_STATE_IDLE);
  add("other");
  ck_assert_int_eq(add("idle"), 1);
  ck_assert_int_eq(state_of("idle"), WORKQ_STATE_READY);
  ck_assert_int_eq(requeues("idle"), 1);
  assert_ready("other idle");
}
END_TEST

START_TEST(add_of_a_delayed_key_makes_it_ready_at_the_tail) {
  create();
  ck_assert_int_eq(add_after("late", 3600 * S), 1);
  add("other");
  ck_assert_int_eq(add("late"), 1);
  ck_assert_int_eq(state_of("late"), WORKQ_STATE_READY);
  ck_assert_uint_eq(stats().delayed, 0);
  assert_ready("other late");
}
END_TEST

START_TEST(add_of_a_ready_key_is_coalesced) {
  create();
  add("a");
  add("b");
  ck_assert_int_eq(add("a"), 0);
  ck_assert_int_eq(workq_len(q), 2);
  assert_ready("a b");
}
END_TEST

START_TEST(add_of_a_key_being_processed_makes_it_dirty) {
  create();
  add("a");
  workq_item item = take("a");
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_PROCESSING);
  ck_assert_int_eq(add("a"), 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DIRTY);
  ck_assert_int_eq(workq_len(q), 0);
  ck_assert_int_eq(workq_done(q, &item), 1);
  assert_ready("a");
}
END_TEST

START_TEST(add_of_a_dirty_key_is_coalesced) {
  create();
  add("a");
  workq_item item = take("a");
  add("a");
  ck_assert_int_eq(add("a"), 0);
  ck_assert_int_eq(workq_done(q, &item), 1);
  assert_ready("a");
  ck_assert_int_eq(state_of("a"), -ENOENT);
}
END_TEST

START_TEST(an_add_of_a_buried_key_brings_it_back_with_its_counts) {
  options.max_retries = 1;
  create();
  for (int way = 0; way < 4; way++) {
    char key[2] = {(char)('a' + way)};
    add(key);
    retry(key);
    pass(S);
    workq_item item = take(key);
    ck_assert_int_eq(workq_retry(q, &item), 0);
    ck_assert_int_eq(state_of(key), WORKQ_STATE_BURIED);
    if (way == 0) ck_assert_int_eq(add(key), 1);
    if (way == 1) ck_assert_int_eq(add_after(key, S), 1);
    if (way == 2) ck_assert_int_eq(add_rate_limited(key), 1);
    if (way == 3) ck_assert_int_eq(add_priority(key, 5), 1);
    ck_assert_int_eq(state_of(key), way == 1 || way == 2 ? WORKQ_STATE_DELAYED : WORKQ_STATE_READY);
    ck_assert_int_eq(requeues(key), way == 2 ? 2 : 1);
    ck_assert_int_eq(info_of(key).priority, way == 3 ? 5 : 0);
    pass(S);
    item = take(key); /* the next failure buries it at once */
    ck_assert_int_eq(workq_retry(q, &item), 0);
    ck_assert_int_eq(state_of(key), WORKQ_STATE_BURIED);
  }
}
END_TEST

static int keep(const char *key, int64_t after_ns) {
  const workq_add_options how = {.when = WORKQ_KEEP, .after_ns = after_ns, .priority = 9};
  return workq_add_opts(q, key, strlen(key), &how);
}

START_TEST(an_add_that_keeps_changes_nothing_that_will_run_failed_or_was_given_up) {
  create();
  ck_assert_int_eq(keep("ready", 0), 1);
  ck_assert_int_eq(keep("ready", 0), 0);
  ck_assert_int_eq(info_of("ready").priority, 9);
  workq_remove(q, "ready", 5);
  ck_assert_int_eq(keep("delayed", 5 * S), 1);
  ck_assert_int_eq(keep("delayed", 0), 0);
  ck_assert_int_eq(info_of("delayed").due_in_ns, 5 * S);
  add("low");
  ck_assert_int_eq(keep("low", 0), 0);
  ck_assert_int_eq(info_of("low").priority, 0);
  finish("low");
  add("bad");
  bury("bad");
  ck_assert_int_eq(keep("bad", 0), 0);
  ck_assert_int_eq(state_of("bad"), WORKQ_STATE_BURIED);
  add("failing");
  retry("failing");
  ck_assert_int_eq(keep("failing", 0), 0);
  ck_assert_int_eq(info_of("failing").due_in_ns, 5 * MS);
  pass(5 * MS);
  workq_item item = take("failing"), fine;
  ck_assert_int_eq(keep("failing", 0), 0); /* it runs, and has failed before */
  ck_assert_int_eq(state_of("failing"), WORKQ_STATE_PROCESSING);
  ck_assert_int_eq(workq_done(q, &item), 0);
  ck_assert_int_eq(state_of("failing"), WORKQ_STATE_IDLE);
  ck_assert_int_eq(keep("failing", 0), 0);
  ck_assert_int_eq(state_of("failing"), WORKQ_STATE_IDLE);
  add("fine");
  fine = take("fine");
  ck_assert_int_eq(keep("fine", 0), 1); /* nothing of it is pending, and it has not failed */
  ck_assert_int_eq(keep("fine", 0), 0);
  ck_assert_int_eq(workq_done(q, &fine), 1);
  ck_assert_uint_eq(stats().coalesced, 8);
  const workq_add_options wrong[] = {{.when = 1}, {.when = 3}, {.reserved = 1}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    ck_assert_int_eq(workq_add_opts(q, "x", 1, &wrong[i]), -EINVAL);
  size_t marked;
  const workq_key keys[] = {{"bad", 3}, {"fine", 4}, {"new", 3}};
  const workq_add_options how = {.when = WORKQ_KEEP};
  ck_assert_int_eq(workq_add_batch(q, keys, 3, &how, &marked), 3);
  ck_assert_uint_eq(marked, 1);
}
END_TEST

START_TEST(add_after_shutdown_is_refused) {
  create();
  add("ready");
  add("taken");
  finish("ready");
  workq_item item = take("taken");
  ok(workq_shutdown(q));
  const workq_key keys[] = {{"taken", 5}};
  const workq_add_options waiting = {.wait_ns = WORKQ_FOREVER};
  const char *const words[] = {"new", "taken"};
  for (size_t i = 0; i < 2; i++) {
    const char *key = words[i];
    size_t len = strlen(key);
    ck_assert_int_eq(workq_add(q, key, len), -ESHUTDOWN);
    ck_assert_int_eq(workq_add_after(q, key, len, S), -ESHUTDOWN);
    ck_assert_int_eq(workq_add_rate_limited(q, key, len), -ESHUTDOWN);
    ck_assert_int_eq(workq_add_opts(q, key, len, NULL), -ESHUTDOWN);
    ck_assert_int_eq(workq_add_opts(q, key, len, &waiting), -ESHUTDOWN);
    ck_assert_int_eq(workq_add_wait(q, key, len, WORKQ_FOREVER), -ESHUTDOWN);
  }
  ck_assert_int_eq(workq_add_batch(q, keys, 1, NULL, NULL), -ESHUTDOWN);
  ck_assert_int_eq(state_of("new"), -ENOENT);
  ck_assert_int_eq(state_of("taken"), WORKQ_STATE_PROCESSING);
  ck_assert_int_eq(requeues("taken"), 0);
  ck_assert_int_eq(workq_done(q, &item), 0);
}
END_TEST

START_TEST(add_copies_the_key) {
  create();
  char key[] = "key";
  ok(workq_add(q, key, 3));
  memset(key, 'x', 3);
  assert_ready("key");
}
END_TEST

/* ---- Get ---- */

START_TEST(get_takes_the_head_of_the_highest_priority) {
  create();
  add_priority("low", -1);
  add("middle");
  add_priority("high 1", 7);
  add_priority("high 2", 7);
  ck_assert_int_eq(take("high 1").priority, 7);
  ck_assert_int_eq(take("high 2").priority, 7);
  ck_assert_int_eq(take("middle").priority, 0);
  ck_assert_int_eq(take("low").priority, -1);
}
END_TEST

START_TEST(a_key_is_never_in_two_hands) {
  create();
  workq *other = open_again();
  add("a");
  workq_item item = take("a"), second;
  add("a");
  ck_assert_int_eq(workq_get(other, &second, 0), -ETIMEDOUT);
  ck_assert_int_eq(workq_get(q, &second, 0), -ETIMEDOUT);
  ck_assert_int_eq(workq_done(q, &item), 1);
  second = take_by(other, "a");
  ck_assert_int_eq(workq_done(other, &second), 0);
  ok(workq_close(other));
}
END_TEST

START_TEST(get_tells_failures_crashes_and_priority) {
  create();
  add_priority("a", 3);
  retry("a");
  pass(S);
  die_with("a");
  ck_assert_int_eq(workq_reap(q), 1);
  pass(S);
  workq_item item = take("a");
  ck_assert_int_eq(item.priority, 3);
  ck_assert_uint_eq(item.failures, 2);
  ck_assert_uint_eq(item.crashes, 1);
}
END_TEST

/* ---- Priorities ---- */

START_TEST(a_pending_key_takes_the_highest_priority_asked_for) {
  create();
  add_priority("a", 1);
  add_priority("other", 5);
  ck_assert_int_eq(add_priority("a", 5), 0);
  ck_assert_int_eq(info_of("a").priority, 5);
  assert_ready("other a"); /* at the tail of its new band */
}
END_TEST

START_TEST(a_pending_key_never_sinks) {
  create();
  add_priority("a", 5);
  add_priority("b", 5);
  ck_assert_int_eq(add_priority("a", -7), 0);
  ck_assert_int_eq(add_priority("a", 5), 0);
  ck_assert_int_eq(info_of("a").priority, 5);
  assert_ready("a b"); /* and keeps its place */
}
END_TEST

START_TEST(a_raise_does_not_make_a_delayed_key_ready) {
  create();
  add_after("a", S);
  const workq_add_options later = {.priority = 9, .after_ns = 2 * S};
  ck_assert_int_eq(ok(workq_add_opts(q, "a", 1, &later)), 0);
  workq_info info = info_of("a");
  ck_assert_int_eq(info.state, WORKQ_STATE_DELAYED);
  ck_assert_int_eq(info.priority, 9);
  ck_assert_int_eq(info.due_in_ns, S);
  add("b");
  pass(S);
  assert_ready("a b");
}
END_TEST

START_TEST(a_dirty_key_takes_the_highest_priority_asked_for) {
  create();
  add_priority("a", 9);
  workq_item item = take("a");
  add_priority("a", 2);
  add_priority("a", 4);
  add_priority("a", 3);
  ck_assert_int_eq(info_of("a").priority, 4);
  ck_assert_int_eq(workq_done(q, &item), 1);
  ck_assert_int_eq(take("a").priority, 4);
}
END_TEST

START_TEST(a_key_that_was_not_pending_has_the_priority_asked_for) {
  create();
  add_priority("a", 9);
  add_rate_limited("a");
  finish("a");
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_IDLE);
  add_priority("a", -3);
  ck_assert_int_eq(take("a").priority, -3);
}
END_TEST

START_TEST(a_retry_keeps_the_priority) {
  create();
  add_priority("a", 9);
  retry("a");
  ck_assert_int_eq(info_of("a").priority, 9);
  pass(S);
  workq_item item = take("a");
  ck_assert_int_eq(item.priority, 9);
  add("a"); /* a pending run at 0 does not drag the retry down */
  ck_assert_int_eq(workq_retry(q, &item), 1);
  ck_assert_int_eq(take("a").priority, 9);
}
END_TEST

START_TEST(a_rate_limited_add_of_a_key_being_processed_keeps_the_priority) {
  create();
  add_priority("a", 9);
  workq_item item = take("a");
  ck_assert_int_eq(add_rate_limited("a"), 1);
  ok(workq_done(q, &item));
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DELAYED);
  pass(S);
  ck_assert_int_eq(take("a").priority, 9);
}
END_TEST

START_TEST(release_and_close_and_death_keep_the_priority) {
  create();
  add_priority("a", 9);
  workq_item item = take("a");
  ck_assert_int_eq(workq_release(q, &item), 0);
  workq *other = open_again();
  ck_assert_int_eq(take_by(other, "a").priority, 9);
  ok(workq_close(other));
  ck_assert_int_eq(info_of("a").priority, 9);
  die_with("a");
  ok(workq_reap(q));
  pass(S);
  ck_assert_int_eq(take("a").priority, 9);
}
END_TEST

START_TEST(a_kicked_key_keeps_its_priority) {
  create();
  add_priority("a", 9);
  bury("a");
  ck_assert_int_eq(info_of("a").priority, 9);
  ck_assert_int_eq(workq_kick(q, "a", 1), 1);
  ck_assert_int_eq(take("a").priority, 9);
}
END_TEST

START_TEST(priorities_are_minus_128_to_127_and_0_by_default) {
  create();
  char key[16];
  for (int priority = -128; priority <= 127; priority++) {
    snprintf(key, sizeof key, "%d", priority);
    ck_assert_int_eq(add_priority(key, priority), 1);
  }
  for (int priority = 127; priority >= -128; priority--) {
    snprintf(key, sizeof key, "%d", priority);
    workq_item item = take(key);
    ck_assert_int_eq(item.priority, priority);
    ok(workq_done(q, &item));
  }
  const int wild[] = {-129, 128, INT32_MIN, INT32_MAX};
  for (size_t i = 0; i < 4; i++)
    ck_assert_int_eq(workq_add_opts(q, "a", 1, &(workq_add_options){.priority = wild[i]}), -EINVAL);
  ck_assert_int_eq(state_of("a"), -ENOENT);
  add("a");
  ck_assert_int_eq(take("a").priority, 0);
}
END_TEST

/* ---- Order ---- */

START_TEST(first_in_first_out_within_a_priority_by_when_a_key_became_ready) {
  create();
  add("processed");
  workq_item item = take("processed");
  add("processed"); /* dirty now, ready only at done */
  add("a");
  add_after("delayed", S);
  add("b");
  ck_assert_int_eq(workq_done(q, &item), 1);
  add("c");
  pass(S);
  add("d"); /* the delayed key became ready before this */
  assert_ready("a b processed c delayed d");
}
END_TEST

START_TEST(delayed_keys_become_ready_in_the_order_of_their_times) {
  create();
  add_after("3", 3 * S);
  add_after("1", 1 * S);
  add_after("2a", 2 * S);
  add_after("2b", 2 * S);
  pass(10 * S);
  assert_ready("1 2a 2b 3");
}
END_TEST

START_TEST(many_delayed_keys_become_ready_in_the_order_of_their_times) {
  create();
  uint64_t random = random_seed(NULL);
  enum { KEYS = 2000 };
  char key[16];
  for (int i = 0; i < KEYS; i++) {
    int64_t due = (int64_t)random_below(&random, 1000) + 1;
    snprintf(key, sizeof key, "%d %d", (int)due, i);
    ck_assert_int_eq(add_after(key, due * MS), 1);
  }
  pass(1000 * MS);
  workq_item item;
  for (int n = 0, due = 0, i = -1; n < KEYS; n++) {
    char text[16] = "";
    int next_due, next_i;
    ok(workq_get(q, &item, 0));
    memcpy(text, item.key, item.key_len);
    ck_assert_int_eq(sscanf(text, "%d %d", &next_due, &next_i), 2);
    ck_assert(next_due > due || (next_due == due && next_i > i));
    due = next_due;
    i = next_i;
    ok(workq_done(q, &item));
  }
  ck_assert_int_eq(workq_get(q, &item, 0), -ETIMEDOUT);
}
END_TEST

Suite *adding_suite(void) {
  Suite *suite = suite_create("adding");
  TCase *tcase = fixture_case(suite, "add");
  tcase_add_test(tcase, add_of_an_unknown_key_makes_it_ready_at_the_tail);
  tcase_add_test(tcase, add_of_an_idle_key_makes_it_ready_at_the_tail);
  tcase_add_test(tcase, add_of_a_delayed_key_makes_it_ready_at_the_tail);
  tcase_add_test(tcase, add_of_a_ready_key_is_coalesced);
  tcase_add_test(tcase, add_of_a_key_being_processed_makes_it_dirty);
  tcase_add_test(tcase, add_of_a_dirty_key_is_coalesced);
  tcase_add_test(tcase, an_add_of_a_buried_key_brings_it_back_with_its_counts);
  tcase_add_test(tcase, an_add_that_keeps_changes_nothing_that_will_run_failed_or_was_given_up);
  tcase_add_test(tcase, add_after_shutdown_is_refused);
  tcase_add_test(tcase, add_copies_the_key);

  tcase = fixture_case(suite, "get");
  tcase_add_test(tcase, get_takes_the_head_of_the_highest_priority);
  tcase_add_test(tcase, a_key_is_never_in_two_hands);
  tcase_add_test(tcase, get_tells_failures_crashes_and_priority);

  tcase = fixture_case(suite, "priorities");
  tcase_add_test(tcase, a_pending_key_takes_the_highest_priority_asked_for);
  tcase_add_test(tcase, a_pending_key_never_sinks);
  tcase_add_test(tcase, a_raise_does_not_make_a_delayed_key_ready);
  tcase_add_test(tcase, a_dirty_key_takes_the_highest_priority_asked_for);
  tcase_add_test(tcase, a_key_that_was_not_pending_has_the_priority_asked_for);
  tcase_add_test(tcase, a_retry_keeps_the_priority);
  tcase_add_test(tcase, a_rate_limited_add_of_a_key_being_processed_keeps_the_priority);
  tcase_add_test(tcase, release_and_close_and_death_keep_the_priority);
  tcase_add_test(tcase, a_kicked_key_keeps_its_priority);
  tcase_add_test(tcase, priorities_are_minus_128_to_127_and_0_by_default);

  tcase = fixture_case(suite, "order");
  tcase_add_test(tcase, first_in_first_out_within_a_priority_by_when_a_key_became_ready);
  tcase_add_test(tcase, delayed_keys_become_ready_in_the_order_of_their_times);
  tcase_add_test(tcase, many_delayed_keys_become_ready_in_the_order_of_their_times);
  return suite;
}
