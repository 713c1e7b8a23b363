/*
 * The public API: the queue as a whole: shutdown, drain, resume, pause; a full queue.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_api.h"

/* ---- Shutdown ---- */

START_TEST(after_shutdown_gets_hand_out_what_is_ready_and_then_say_shut_down) {
  create();
  add("a");
  add("b");
  ck_assert_int_eq(workq_shutting_down(q), 0);
  ck_assert_int_eq(workq_shutdown(q), 0);
  ck_assert_int_eq(workq_shutting_down(q), 1);
  ck_assert_uint_eq(stats().shut_down, 1);
  finish("a");
  finish("b");
  workq_item item;
  ck_assert_int_eq(workq_get(q, &item, 0), -ESHUTDOWN);
  ck_assert_int_eq(workq_get(q, &item, WORKQ_FOREVER), -ESHUTDOWN);
  ck_assert_int_eq(workq_get(q, &item, S), -ESHUTDOWN);
}
END_TEST

START_TEST(shutdown_may_be_called_again) {
  create();
  ck_assert_int_eq(workq_shutdown(q), 0);
  ck_assert_int_eq(workq_shutdown(q), 0);
  ck_assert_int_eq(workq_shutting_down(q), 1);
}
END_TEST

START_TEST(a_key_that_was_dirty_at_shutdown_runs_again) {
  create();
  add("a");
  workq_item item = take("a");
  add("a");
  ok(workq_shutdown(q));
  ck_assert_int_eq(workq_done(q, &item), 1);
  assert_ready("a");
}
END_TEST

START_TEST(delayed_keys_stay_and_do_not_become_ready_after_shutdown) {
  create();
  add_after("a", S);
  ok(workq_shutdown(q));
  pass(2 * S);
  assert_ready("");
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DELAYED);
  ck_assert_int_eq(info_of("a").due_in_ns, 0);
  ck_assert_int_eq(stats().next_due_in_ns, 0);
  ck_assert_int_eq(workq_resume(q), 1);
  assert_ready("a");
}
END_TEST

START_TEST(resume_opens_the_queue_again) {
  create();
  ck_assert_int_eq(workq_resume(q), 0);
  ok(workq_shutdown(q));
  ck_assert_int_eq(workq_resume(q), 1);
  ck_assert_int_eq(workq_resume(q), 0);
  ck_assert_int_eq(workq_shutting_down(q), 0);
  ck_assert_int_eq(add("a"), 1);
  assert_ready("a");
}
END_TEST

START_TEST(shutdown_outlives_the_process_that_asked_for_it) {
  create();
  pid_t child = process_fork();
  if (child == 0) {
    ok(workq_shutdown(q));
    ok(workq_close(q));
    process_done();
  }
  process_join(child);
  ck_assert_int_eq(workq_add(q, "a", 1), -ESHUTDOWN);
}
END_TEST

/* ---- Drain ---- */

START_TEST(drain_of_an_empty_queue_is_over_at_once) {
  create();
  add_after("late", S);
  ck_assert_int_eq(workq_shutdown_drain(q, WORKQ_FOREVER), 0);
  ck_assert_int_eq(workq_shutdown_drain(q, 0), 0);
  ck_assert_int_eq(workq_shutting_down(q), 1);
  ck_assert_int_eq(state_of("late"), WORKQ_STATE_DELAYED);
}
END_TEST

/* A child that drains and asserts the result. */
static pid_t fork_drainer(int expected) {
  pid_t child = process_fork();
  if (child > 0) return child;
  workq *own = open_again();
  ck_assert_int_eq(workq_shutdown_drain(own, WORKQ_FOREVER), expected);
  shared->steps[0]++;
  ok(workq_close(own));
  process_done();
}

START_TEST(drain_waits_until_nothing_is_ready_or_processing) {
  create();
  add("a");
  add("b");
  workq_item a = take("a");
  pid_t child = fork_drainer(0);
  await_waiting(3, 1);
  ck_assert_int_eq(workq_shutting_down(q), 1);
  workq_item b = take("b");
  ck_assert_int_eq(workq_done(q, &a), 0);
  await_waiting(3, 1);
  ck_assert_int_eq(shared->steps[0], 0);
  ck_assert_int_eq(workq_done(q, &b), 0);
  process_join(child);
}
END_TEST

START_TEST(drain_waits_for_dirty_keys_to_run_again) {
  create();
  add("a");
  workq_item item = take("a");
  add("a");
  pid_t child = fork_drainer(0);
  await_waiting(3, 1);
  ck_assert_int_eq(workq_done(q, &item), 1);
  await_waiting(3, 1);
  finish("a");
  process_join(child);
}
END_TEST

START_TEST(drain_does_not_wait_for_what_is_retried_or_buried) {
  create();
  add("a");
  add("b");
  workq_item a = take("a"), b = take("b");
  pid_t child = fork_drainer(0);
  await_waiting(3, 1);
  ck_assert_int_eq(workq_retry(q, &a), 1);
  ck_assert_int_eq(workq_give_up(q, &b), 0);
  process_join(child);
}
END_TEST

START_TEST(drain_ends_when_the_last_ready_key_is_removed) {
  create();
  add("a");
  pid_t child = fork_drainer(0);
  await_waiting(3, 1);
  ck_assert_int_eq(workq_remove(q, "a", 1), 1);
  process_join(child);
}
END_TEST

START_TEST(drain_ends_when_the_last_worker_has_died) {
  create();
  add("a");
  pid_t worker = fork_worker_with("a");
  pid_t child = fork_drainer(0);
  await_waiting(3, 1);
  process_kill(worker);
  ck_assert_int_eq(workq_reap(q), 1);
  process_join(child);
}
END_TEST

START_TEST(drain_finds_a_dead_worker_by_itself) {
  options.clock = NULL;
  options.reap_interval_ns = MS;
  create();
  add("a");
  pid_t worker = fork_worker_with("a");
  pid_t child = fork_drainer(0);
  await_waiting(3, 1);
  process_kill(worker);
  process_join(child);
}
END_TEST

START_TEST(drain_gives_up_after_its_timeout_and_the_queue_stays_shut_down) {
  create();
  add("a");
  ck_assert_int_eq(workq_shutdown_drain(q, 0), -ETIMEDOUT);
  ck_assert_int_eq(workq_shutdown_drain(q, 10 * MS), -ETIMEDOUT);
  ck_assert_int_eq(workq_lock_owner(q), 0);
  ck_assert_int_eq(workq_shutting_down(q), 1);
  assert_ready("a");
}
END_TEST

START_TEST(a_plain_shutdown_ends_a_drain) {
  create();
  add("a");
  pid_t first = fork_drainer(-ECANCELED), second = fork_drainer(-ECANCELED);
  await_waiting(3, 2);
  ok(workq_shutdown(q));
  process_join(first);
  process_join(second);
}
END_TEST

START_TEST(resume_ends_a_drain) {
  create();
  add("a");
  pid_t child = fork_drainer(-ECANCELED);
  await_waiting(3, 1);
  ck_assert_int_eq(workq_resume(q), 1);
  process_join(child);
  ck_assert_int_eq(workq_shutting_down(q), 0);
}
END_TEST

/* ---- Pause ---- */

START_TEST(pause_lets_gets_wait_and_adds_go_on) {
  create();
  add("a");
  workq_item in_hand = take("a"), item;
  add("b");
  ck_assert_int_eq(workq_pause(q), 1);
  ck_assert_int_eq(workq_pause(q), 0);
  ck_assert_uint_eq(stats().paused, 1);
  ck_assert_int_eq(workq_get(q, &item, 0), -ETIMEDOUT);
  ck_assert_int_eq(workq_get(q, &item, MS), -ETIMEDOUT);
  ck_assert_int_eq(workq_get_batch(q, &item, 1, 0), -ETIMEDOUT);
  ck_assert_int_eq(workq_peek(q, NULL), 0);
  ck_assert_int_eq(add("c"), 1);
  ck_assert_int_eq(add_after("d", S), 1);
  pass(S);
  ck_assert_int_eq(workq_len(q), 3);
  ck_assert_int_eq(workq_done(q, &in_hand), 0);
  ck_assert_int_eq(workq_unpause(q), 1);
  ck_assert_int_eq(workq_unpause(q), 0);
  assert_ready("b c d");
}
END_TEST

START_TEST(unpause_wakes_as_many_as_there_are_keys) {
  create();
  ck_assert_int_eq(workq_pause(q), 1);
  pid_t children[3];
  for (int i = 0; i < 3; i++) {
    children[i] = process_fork();
    if (children[i] > 0) continue;
    workq *own = open_again();
    workq_item item;
    ck_assert_int_eq(workq_get(own, &item, WORKQ_FOREVER), 0);
    ok(workq_done(own, &item));
    ok(workq_close(own));
    process_done();
  }
  await_waiting(1, 3);
  add("a");
  add("b");
  add("c");
  ck_assert_uint_eq(stats().waiting, 3);
  ck_assert_int_eq(workq_unpause(q), 1);
  for (int i = 0; i < 3; i++) process_join(children[i]);
}
END_TEST

/* ---- A full queue ---- */

START_TEST(a_full_queue_says_so) {
  options.capacity = 3;
  create();
  add("ready");
  add_after("late", S);
  add("buried");
  finish("ready");
  bury("buried");
  add("ready");
  ck_assert_int_eq(workq_add(q, "d", 1), -ENOSPC);
  ck_assert_int_eq(workq_add_after(q, "d", 1, S), -ENOSPC);
  ck_assert_int_eq(workq_add_rate_limited(q, "d", 1), -ENOSPC);
  ck_assert_int_eq(workq_add_opts(q, "d", 1, NULL), -ENOSPC);
  ck_assert_int_eq(workq_add_batch(q, &(workq_key){"d", 1}, 1, NULL, NULL), -ENOSPC);
  ck_assert_int_eq(state_of("d"), -ENOENT);
  ck_assert_uint_eq(stats().evictions, 0);
  assert_sound(q);
}
END_TEST

START_TEST(a_full_queue_takes_the_keys_that_it_has) {
  options.capacity = 2;
  create();
  add("a");
  add("b");
  ck_assert_int_eq(add("a"), 0);
  ck_assert_int_eq(add_priority("b", 1), 0);
  workq_item item = take("b");
  ck_assert_int_eq(add("b"), 1);
  ck_assert_int_eq(workq_done(q, &item), 1);
  ck_assert_int_eq(workq_add(q, "c", 1), -ENOSPC);
  assert_ready("a b");
  ck_assert_int_eq(add("c"), 1);
}
END_TEST

START_TEST(idle_records_make_room_the_oldest_first) {
  options.capacity = 3;
  create();
  for (int i = 0; i < 3; i++) {
    const char *key = (const char *const[]){"1", "2", "3"}[i];
    add(key);
    add_rate_limited(key);
    finish(key);
  }
  ck_assert_uint_eq(stats().idle, 3);
  ck_assert_int_eq(add("1"), 1); /* no longer idle: 2 is the oldest now */
  add("new");
  ck_assert_int_eq(state_of("2"), -ENOENT);
  ck_assert_int_eq(state_of("3"), WORKQ_STATE_IDLE);
  ck_assert_int_eq(requeues("1"), 1);
  ck_assert_uint_eq(stats().evictions, 1);
  add_after("newer", S);
  ck_assert_int_eq(state_of("3"), -ENOENT);
  ck_assert_uint_eq(stats().evictions, 2);
  ck_assert_int_eq(workq_add(q, "newest", 6), -ENOSPC);
  ck_assert_uint_eq(stats().evictions, 2);
}
END_TEST

Suite *whole_suite(void) {
  Suite *suite = suite_create("the queue as a whole");
  TCase *tcase = fixture_case(suite, "shutdown");
  tcase_add_test(tcase, after_shutdown_gets_hand_out_what_is_ready_and_then_say_shut_down);
  tcase_add_test(tcase, shutdown_may_be_called_again);
  tcase_add_test(tcase, a_key_that_was_dirty_at_shutdown_runs_again);
  tcase_add_test(tcase, delayed_keys_stay_and_do_not_become_ready_after_shutdown);
  tcase_add_test(tcase, resume_opens_the_queue_again);
  tcase_add_test(tcase, shutdown_outlives_the_process_that_asked_for_it);

  tcase = fixture_case(suite, "drain");
  tcase_add_test(tcase, drain_of_an_empty_queue_is_over_at_once);
  tcase_add_test(tcase, drain_waits_until_nothing_is_ready_or_processing);
  tcase_add_test(tcase, drain_waits_for_dirty_keys_to_run_again);
  tcase_add_test(tcase, drain_does_not_wait_for_what_is_retried_or_buried);
  tcase_add_test(tcase, drain_ends_when_the_last_ready_key_is_removed);
  tcase_add_test(tcase, drain_ends_when_the_last_worker_has_died);
  tcase_add_test(tcase, drain_finds_a_dead_worker_by_itself);
  tcase_add_test(tcase, drain_gives_up_after_its_timeout_and_the_queue_stays_shut_down);
  tcase_add_test(tcase, a_plain_shutdown_ends_a_drain);
  tcase_add_test(tcase, resume_ends_a_drain);

  tcase = fixture_case(suite, "pause");
  tcase_add_test(tcase, pause_lets_gets_wait_and_adds_go_on);
  tcase_add_test(tcase, unpause_wakes_as_many_as_there_are_keys);

  tcase = fixture_case(suite, "full");
  tcase_add_test(tcase, a_full_queue_says_so);
  tcase_add_test(tcase, a_full_queue_takes_the_keys_that_it_has);
  tcase_add_test(tcase, idle_records_make_room_the_oldest_first);
  return suite;
}
