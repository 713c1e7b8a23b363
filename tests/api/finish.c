/*
 * The public API: how a key leaves a worker's hands, tickets, and keys by name (remove, kick).
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_api.h"

typedef int finisher(workq *handle, const workq_item *item);
static finisher *const finishers[] = {workq_done, workq_complete, workq_retry, workq_give_up, workq_release};
enum { FINISHERS = sizeof finishers / sizeof *finishers };

/* ---- Done ---- */

START_TEST(done_ends_the_processing_and_the_key_is_gone) {
  create();
  add("a");
  workq_item item = take("a");
  ck_assert_int_eq(workq_done(q, &item), 0);
  ck_assert_int_eq(state_of("a"), -ENOENT);
  ck_assert_uint_eq(stats().keys, 0);
}
END_TEST

START_TEST(done_of_a_dirty_key_makes_it_ready_at_the_tail) {
  create();
  add("a");
  workq_item item = take("a");
  add("a");
  add("b");
  ck_assert_int_eq(workq_done(q, &item), 1);
  assert_ready("b a");
}
END_TEST

START_TEST(done_leaves_a_key_with_failures_idle) {
  create();
  add("a");
  add_rate_limited("a");
  workq_item item = take("a");
  ck_assert_int_eq(workq_done(q, &item), 0);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_IDLE);
  ck_assert_int_eq(requeues("a"), 1);
}
END_TEST

START_TEST(done_of_a_key_that_is_not_processing_is_an_error_and_changes_nothing) {
  create();
  add("a");
  add_after("late", S);
  ck_assert_int_eq(workq_done_key(q, "a", 1), -ENOENT);
  ck_assert_int_eq(workq_done_key(q, "late", 4), -ENOENT);
  ck_assert_int_eq(workq_done_key(q, "unknown", 7), -ENOENT);
  for (int i = 0; i < FINISHERS; i++) {
    ck_assert_int_eq(finishers[i](q, &(workq_item){0}), -ESTALE);
    ck_assert_int_eq(finishers[i](q, &(workq_item){.ticket = UINT64_MAX}), -ESTALE);
    ck_assert_int_eq(finishers[i](q, &(workq_item){.ticket = UINT64_C(1) << 32}), -ESTALE);
  }
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_READY);
  ck_assert_int_eq(state_of("late"), WORKQ_STATE_DELAYED);
  ck_assert_uint_eq(stats().dones, 0);
  assert_ready("a");
}
END_TEST

START_TEST(done_key_is_done_by_name) {
  create();
  workq *other = open_again();
  add("a");
  add("b");
  take("a");
  add("a");
  take_by(other, "b");
  ck_assert_int_eq(workq_done_key(q, "b", 1), -ESTALE);
  ck_assert_int_eq(workq_done_key(q, "a", 1), 1);
  ck_assert_int_eq(workq_done_key(q, "a", 1), -ENOENT);
  ck_assert_int_eq(workq_done_key(other, "b", 1), 0);
  ck_assert_int_eq(workq_done_key(q, "", 0), -EINVAL);
  ck_assert_int_eq(workq_done_key(q, NULL, 1), -EINVAL);
  char longer[257] = {0};
  ck_assert_int_eq(workq_done_key(q, longer, sizeof longer), -EMSGSIZE);
  ok(workq_close(other));
  assert_ready("a");
}
END_TEST

/* ---- Outcomes in one step ---- */

START_TEST(complete_is_forget_and_done) {
  create();
  add("a");
  retry("a");
  pass(S);
  workq_item item = take("a");
  ck_assert_int_eq(workq_complete(q, &item), 0);
  ck_assert_int_eq(state_of("a"), -ENOENT);

  add("a");
  item = take("a");
  add("a");
  add_rate_limited("a");
  ck_assert_int_eq(workq_complete(q, &item), 1);
  ck_assert_int_eq(requeues("a"), 0);
  assert_ready("a");
}
END_TEST

START_TEST(next_is_complete_and_get) {
  create();
  add("a");
  retry("a");
  pass(S);
  add("b");
  workq_item item = take("a");
  ck_assert_int_eq(workq_next(q, &item, 0), 0);
  ck_assert(is_key(item.key, item.key_len, "b"));
  ck_assert_int_eq(state_of("a"), -ENOENT);
  ck_assert_int_eq(state_of("b"), WORKQ_STATE_PROCESSING);
  ck_assert_int_eq(workq_next(q, &item, 0), -ETIMEDOUT);
  ck_assert_ptr_null(item.key);
  ck_assert_int_eq(state_of("b"), -ENOENT);
  ck_assert_int_eq(workq_next(q, &item, 0), -ESTALE);
  ck_assert_int_eq(workq_done(q, &item), -ESTALE);
}
END_TEST

START_TEST(next_of_a_dirty_key_may_be_the_same_again) {
  create();
  add("a");
  workq_item item = take("a"), first = item;
  add("a");
  ck_assert_int_eq(workq_next(q, &item, 0), 0);
  ck_assert(is_key(item.key, item.key_len, "a"));
  ck_assert_int_eq(workq_done(q, &first), -ESTALE);
  ck_assert_int_eq(workq_complete(q, &item), 0);
}
END_TEST

START_TEST(next_of_a_stale_item_changes_nothing_and_takes_nothing) {
  create();
  add("a");
  add("b");
  workq_item item = take("a"), old = item;
  ok(workq_release(q, &item));
  ck_assert_int_eq(workq_next(q, &item, 0), -ESTALE);
  ck_assert_mem_eq(&item, &old, sizeof item);
  assert_ready("b a");
}
END_TEST

START_TEST(next_completes_while_nothing_is_handed_out) {
  create();
  add("a");
  add("b");
  workq_item item = take("a");
  ok(workq_pause(q));
  ck_assert_int_eq(workq_next(q, &item, 0), -ETIMEDOUT);
  ck_assert_ptr_null(item.key);
  ck_assert_int_eq(state_of("a"), -ENOENT);
  ok(workq_unpause(q));
  item = take("b");
  ok(workq_shutdown(q));
  ck_assert_int_eq(workq_next(q, &item, WORKQ_FOREVER), -ESHUTDOWN);
  ck_assert_ptr_null(item.key);
  ck_assert_int_eq(state_of("b"), -ENOENT);
}
END_TEST

START_TEST(next_waits_for_another_key) {
  create();
  add("a");
  pid_t child = process_fork();
  if (child == 0) {
    workq *own = open_again();
    workq_item item;
    ok(workq_get(own, &item, 0));
    ok(workq_next(own, &item, WORKQ_FOREVER));
    ck_assert(is_key(item.key, item.key_len, "b"));
    ck_assert_int_eq(workq_complete(own, &item), 0);
    process_done();
  }
  await_waiting(1, 1);
  ck_assert_int_eq(state_of("a"), -ENOENT);
  add("b");
  process_join(child);
  ck_assert_int_eq(state_of("b"), -ENOENT);
}
END_TEST

START_TEST(retry_is_add_rate_limited_and_done) {
  create();
  add("a");
  workq_item item = take("a");
  ck_assert_int_eq(workq_retry(q, &item), 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DELAYED);
  ck_assert_int_eq(info_of("a").due_in_ns, 5 * MS);
  ck_assert_int_eq(requeues("a"), 1);
  ck_assert_uint_eq(stats().retries, 1);
  ck_assert_uint_eq(stats().dones, 1);
}
END_TEST

START_TEST(retry_of_a_dirty_key_makes_it_ready_at_once) {
  create();
  add("a");
  workq_item item = take("a");
  add("a");
  ck_assert_int_eq(workq_retry(q, &item), 1);
  ck_assert_int_eq(requeues("a"), 1);
  assert_ready("a");
}
END_TEST

START_TEST(retry_keeps_an_earlier_delayed_run) {
  create();
  add("a");
  workq_item item = take("a");
  add_after("a", MS);
  ck_assert_int_eq(workq_retry(q, &item), 1);
  ck_assert_int_eq(info_of("a").due_in_ns, MS);
}
END_TEST

START_TEST(retry_after_shutdown_leaves_the_key_delayed) {
  create();
  add("a");
  workq_item item = take("a");
  ok(workq_shutdown(q));
  ck_assert_int_eq(workq_retry(q, &item), 1);
  pass(S);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DELAYED);
  assert_ready("");
  ck_assert_int_eq(workq_resume(q), 1);
  assert_ready("a");
}
END_TEST

START_TEST(retry_gives_up_after_max_retries_and_buries) {
  options.max_retries = 3;
  create();
  add("a");
  for (int i = 0; i < 3; i++) {
    retry("a");
    pass(S);
  }
  workq_item item = take("a");
  ck_assert_uint_eq(item.failures, 3);
  ck_assert_int_eq(workq_retry(q, &item), 0);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_BURIED);
  ck_assert_uint_eq(stats().buried, 1);
  ck_assert_uint_eq(stats().gave_up, 1);
  ck_assert_uint_eq(stats().retries, 3);
  pass(S);
  assert_ready("");
}
END_TEST

START_TEST(retry_gives_up_after_max_retries_and_drops) {
  options.max_retries = 1;
  options.give_up = WORKQ_DROP;
  create();
  add("a");
  retry("a");
  pass(S);
  workq_item item = take("a");
  ck_assert_int_eq(workq_retry(q, &item), 0);
  ck_assert_int_eq(state_of("a"), -ENOENT);
  ck_assert_uint_eq(stats().keys, 0);
  ck_assert_uint_eq(stats().gave_up, 1);
}
END_TEST

START_TEST(forgetting_gives_all_retries_back) {
  options.max_retries = 1;
  create();
  add("a");
  for (int i = 0; i < 5; i++) {
    retry("a");
    ck_assert_int_eq(workq_forget(q, "a", 1), 1);
    pass(S);
  }
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_READY);
}
END_TEST

START_TEST(without_max_retries_there_is_no_limit) {
  create();
  add("a");
  for (int i = 0; i < 1000; i++) {
    retry("a");
    pass(S);
  }
  ck_assert_int_eq(requeues("a"), 1000);
}
END_TEST

START_TEST(release_puts_the_key_back_untried) {
  create();
  add("a");
  add("b");
  workq_item item = take("a");
  ck_assert_int_eq(workq_release(q, &item), 0);
  ck_assert_int_eq(requeues("a"), 0);
  ck_assert_uint_eq(stats().retries, 0);
  assert_ready("b a");
}
END_TEST

START_TEST(release_after_shutdown_hands_the_key_out_again) {
  create();
  add("a");
  workq_item item = take("a");
  ok(workq_shutdown(q));
  ck_assert_int_eq(workq_release(q, &item), 0);
  assert_ready("a");
}
END_TEST

START_TEST(give_up_buries_whatever_the_count) {
  create();
  add("a");
  workq_item item = take("a");
  ck_assert_int_eq(workq_give_up(q, &item), 0);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_BURIED);
  ck_assert_uint_eq(stats().gave_up, 1);
  pass(2 * S);
  assert_ready("");
}
END_TEST

START_TEST(a_key_that_was_added_during_its_last_run_runs_again) {
  options.max_retries = 1;
  create();
  add("a");
  retry("a");
  pass(S);
  workq_item item = take("a");
  add("a");
  ck_assert_int_eq(workq_retry(q, &item), 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_READY);
  ck_assert_int_eq(requeues("a"), 1); /* as it was: the next failure buries it */
  item = take("a");
  add_after("a", S);
  ck_assert_int_eq(workq_give_up(q, &item), 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DELAYED);
  pass(S);
  item = take("a");
  ck_assert_int_eq(workq_retry(q, &item), 0);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_BURIED);
  ck_assert_uint_eq(stats().gave_up, 3);
  ck_assert_uint_eq(stats().retries, 1);
}
END_TEST

START_TEST(without_retries_the_first_failure_buries) {
  options.max_retries = WORKQ_NEVER;
  create();
  ck_assert_int_eq(stats().max_retries, WORKQ_NEVER);
  add("a");
  workq_item item = take("a");
  ck_assert_int_eq(workq_retry(q, &item), 0);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_BURIED);
}
END_TEST

/* The ways in which a run ends, but for death. */
enum { BY_DONE, BY_COMPLETE, BY_RETRY, BY_GIVE_UP, BY_RELEASE, BY_NEXT, BY_CLOSE, ENDS };

static void end_run(workq *worker, workq_item *item, int how) {
  static int (*const ends[])(workq *, const workq_item *) = {workq_done, workq_complete, workq_retry, workq_give_up,
                                                             workq_release};
  if (how <= BY_RELEASE) ck_assert_int_ge(ends[how](worker, item), 0);
  if (how == BY_NEXT) (void)workq_next(worker, item, 0);
}

START_TEST(a_key_removed_while_it_is_processed_does_not_run_again_however_its_run_ends) {
  create();
  for (int i = 0; i < 2 * ENDS; i++) {
    bool again = i & 1; /* it is added again after the remove */
    workq *worker;
    workq_item item;
    add("a");
    ok(workq_open(name, &options, &worker));
    ok(workq_get(worker, &item, 0));
    ck_assert_int_eq(workq_remove(q, "a", 1), 1);
    ck_assert_int_eq(workq_remove(q, "a", 1), 0);
    ck_assert_uint_eq(info_of("a").removed, 1);
    if (again) ck_assert_int_eq(add("a"), 1);
    end_run(worker, &item, i / 2);
    ok(workq_close(worker));
    pass(10 * S);
    ck_assert_int_eq(state_of("a"), again ? WORKQ_STATE_READY : -ENOENT);
    if (!again) continue;
    ck_assert_int_eq(requeues("a"), 0);
    item = take("a"); /* this run is like any other */
    ck_assert_uint_eq(info_of("a").removed, 0);
    ck_assert_int_eq(workq_retry(q, &item), 1);
    ok(workq_remove(q, "a", 1) - 1);
  }
  ck_assert_uint_eq(stats().gave_up, 0);
  ck_assert_uint_eq(stats().buried, 0);
}
END_TEST

START_TEST(give_up_drops_what_was_not_added_meanwhile) {
  options.give_up = WORKQ_DROP;
  create();
  add("a");
  add("b");
  workq_item item = take("a");
  add_rate_limited("a");
  workq_remove(q, "a", 1);
  ck_assert_int_eq(workq_give_up(q, &item), 0);
  ck_assert_int_eq(state_of("a"), -ENOENT);
  item = take("b");
  add("b");
  ck_assert_int_eq(workq_give_up(q, &item), 1);
  ck_assert_int_eq(requeues("b"), 0);
  assert_ready("b");
}
END_TEST

/* ---- Tickets ---- */

START_TEST(a_ticket_is_good_once) {
  create();
  for (int i = 0; i < FINISHERS; i++) {
    add("a");
    workq_item item = take("a");
    ok(finishers[i](q, &item));
    int state = state_of("a");
    for (int j = 0; j < FINISHERS; j++) ck_assert_int_eq(finishers[j](q, &item), -ESTALE);
    ck_assert_int_eq(state_of("a"), state);
    workq_remove(q, "a", 1);
  }
}
END_TEST

START_TEST(an_old_ticket_is_not_good_for_a_new_handing_out) {
  create();
  add("a");
  workq_item old = take("a");
  ok(workq_release(q, &old));
  workq_item item = take("a");
  for (int i = 0; i < FINISHERS; i++) ck_assert_int_eq(finishers[i](q, &old), -ESTALE);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_PROCESSING);
  ck_assert_int_eq(workq_done(q, &item), 0);
}
END_TEST

START_TEST(an_old_ticket_is_not_good_for_another_key_in_the_same_record) {
  options.capacity = 1; /* there is one record only */
  create();
  add("a");
  workq_item old = take("a");
  ok(workq_done(q, &old));
  add("b");
  workq_item item = take("b");
  ck_assert_ptr_eq(item.key, old.key);
  for (int i = 0; i < FINISHERS; i++) ck_assert_int_eq(finishers[i](q, &old), -ESTALE);
  ck_assert_int_eq(workq_done_batch(q, &old, 1), -ESTALE);
  ck_assert_int_eq(state_of("b"), WORKQ_STATE_PROCESSING);
  ck_assert_int_eq(workq_done(q, &item), 0);
}
END_TEST

START_TEST(a_ticket_is_good_on_its_own_handle_only) {
  create();
  workq *other = open_again();
  add("a");
  workq_item item = take("a");
  for (int i = 0; i < FINISHERS; i++) ck_assert_int_eq(finishers[i](other, &item), -ESTALE);
  ck_assert_int_eq(workq_done_batch(other, &item, 1), -ESTALE);
  ck_assert_int_eq(workq_done(q, &item), 0);
  ok(workq_close(other));
}
END_TEST

START_TEST(a_copied_item_is_as_good_as_the_first) {
  create();
  add("a");
  workq_item copy = take("a");
  workq_item again = copy;
  memset(&copy, 0, sizeof copy);
  ck_assert_int_eq(workq_done(q, &again), 0);
}
END_TEST

START_TEST(the_key_in_hand_is_not_disturbed_by_what_others_do) {
  options.capacity = 4;
  create();
  add("a key in hand");
  workq_item item = take("a key in hand");
  add("a key in hand");
  ok(workq_remove(q, "a key in hand", 13));
  char key[16];
  for (int i = 0; i < 100; i++) {
    snprintf(key, sizeof key, "%d", i);
    add(key);
    finish(key);
  }
  ck_assert(is_key(item.key, item.key_len, "a key in hand"));
  ck_assert_int_eq(workq_done(q, &item), 0);
}
END_TEST

/* ---- Remove and kick ---- */

START_TEST(remove_cancels_what_is_pending_and_the_count) {
  create();
  add("ready");
  add_after("late", S);
  add_rate_limited("failed");
  ck_assert_int_eq(workq_remove(q, "ready", 5), 1);
  ck_assert_int_eq(workq_remove(q, "late", 4), 1);
  ck_assert_int_eq(workq_remove(q, "failed", 6), 1);
  ck_assert_int_eq(workq_remove(q, "unknown", 7), 0);
  ck_assert_uint_eq(stats().keys, 0);
  ck_assert_int_eq(requeues("failed"), 0);
  pass(2 * S);
  assert_ready("");
}
END_TEST

START_TEST(remove_takes_idle_and_buried_keys_too) {
  create();
  add("buried");
  bury("buried");
  add("idle");
  add_rate_limited("idle");
  finish("idle");
  ck_assert_int_eq(workq_remove(q, "buried", 6), 1);
  ck_assert_int_eq(workq_remove(q, "idle", 4), 1);
  ck_assert_uint_eq(stats().keys, 0);
  ck_assert_int_eq(add("buried"), 1);
}
END_TEST

START_TEST(remove_leaves_a_key_with_its_worker_and_it_will_not_run_again) {
  create();
  add("dirty");
  add("late");
  workq_item dirty = take("dirty"), late = take("late");
  add("dirty");
  add_rate_limited("late");
  ck_assert_int_eq(workq_remove(q, "dirty", 5), 1);
  ck_assert_int_eq(workq_remove(q, "late", 4), 1);
  ck_assert_int_eq(workq_remove(q, "late", 4), 0);
  ck_assert_int_eq(state_of("dirty"), WORKQ_STATE_PROCESSING);
  ck_assert_int_eq(info_of("late").due_in_ns, -1);
  ck_assert_int_eq(workq_done(q, &dirty), 0);
  ck_assert_int_eq(workq_done(q, &late), 0);
  ck_assert_uint_eq(stats().keys, 0);
}
END_TEST

START_TEST(remove_works_in_the_middle_of_a_band) {
  create();
  for (int i = 0; i < 5; i++) add((const char *const[]){"a", "b", "c", "d", "e"}[i]);
  ck_assert_int_eq(workq_remove(q, "c", 1), 1);
  ck_assert_int_eq(workq_remove(q, "e", 1), 1);
  add("f");
  ck_assert_int_eq(workq_remove(q, "a", 1), 1);
  assert_sound(q);
  assert_ready("b d f");
}
END_TEST

START_TEST(kick_makes_a_buried_key_ready_with_its_counts_at_zero) {
  options.max_retries = 1;
  create();
  add("a");
  retry("a");
  pass(S);
  workq_item item = take("a");
  ck_assert_int_eq(workq_retry(q, &item), 0);
  ck_assert_int_eq(requeues("a"), 1);
  add("b");
  ck_assert_int_eq(workq_kick(q, "a", 1), 1);
  ck_assert_int_eq(requeues("a"), 0);
  ck_assert_int_eq(workq_kick(q, "a", 1), 0);
  ck_assert_int_eq(workq_kick(q, "unknown", 7), 0);
  ck_assert_uint_eq(stats().buried, 0);
  assert_ready("b a");
}
END_TEST

START_TEST(kick_without_a_key_kicks_all_the_oldest_first) {
  create();
  char key[16];
  for (int i = 0; i < 200; i++) {
    snprintf(key, sizeof key, "%d", i);
    add(key);
    bury(key);
  }
  ck_assert_int_eq(workq_kick(q, NULL, 0), 200);
  ck_assert_int_eq(workq_kick(q, NULL, 0), 0);
  for (int i = 0; i < 200; i++) {
    snprintf(key, sizeof key, "%d", i);
    finish(key);
  }
  assert_ready("");
}
END_TEST

START_TEST(kick_works_after_shutdown) {
  create();
  add("a");
  bury("a");
  ok(workq_shutdown(q));
  ck_assert_int_eq(workq_kick(q, "a", 1), 1);
  assert_ready("a");
}
END_TEST

Suite *finish_suite(void) {
  Suite *suite = suite_create("finishing");
  TCase *tcase = fixture_case(suite, "done");
  tcase_add_test(tcase, done_ends_the_processing_and_the_key_is_gone);
  tcase_add_test(tcase, done_of_a_dirty_key_makes_it_ready_at_the_tail);
  tcase_add_test(tcase, done_leaves_a_key_with_failures_idle);
  tcase_add_test(tcase, done_of_a_key_that_is_not_processing_is_an_error_and_changes_nothing);
  tcase_add_test(tcase, done_key_is_done_by_name);

  tcase = fixture_case(suite, "outcomes");
  tcase_add_test(tcase, complete_is_forget_and_done);
  tcase_add_test(tcase, next_is_complete_and_get);
  tcase_add_test(tcase, next_of_a_dirty_key_may_be_the_same_again);
  tcase_add_test(tcase, next_of_a_stale_item_changes_nothing_and_takes_nothing);
  tcase_add_test(tcase, next_completes_while_nothing_is_handed_out);
  tcase_add_test(tcase, next_waits_for_another_key);
  tcase_add_test(tcase, retry_is_add_rate_limited_and_done);
  tcase_add_test(tcase, retry_of_a_dirty_key_makes_it_ready_at_once);
  tcase_add_test(tcase, retry_keeps_an_earlier_delayed_run);
  tcase_add_test(tcase, retry_after_shutdown_leaves_the_key_delayed);
  tcase_add_test(tcase, retry_gives_up_after_max_retries_and_buries);
  tcase_add_test(tcase, retry_gives_up_after_max_retries_and_drops);
  tcase_add_test(tcase, forgetting_gives_all_retries_back);
  tcase_add_test(tcase, without_max_retries_there_is_no_limit);
  tcase_add_test(tcase, release_puts_the_key_back_untried);
  tcase_add_test(tcase, release_after_shutdown_hands_the_key_out_again);
  tcase_add_test(tcase, give_up_buries_whatever_the_count);
  tcase_add_test(tcase, a_key_that_was_added_during_its_last_run_runs_again);
  tcase_add_test(tcase, without_retries_the_first_failure_buries);
  tcase_add_test(tcase, give_up_drops_what_was_not_added_meanwhile);

  tcase = fixture_case(suite, "tickets");
  tcase_add_test(tcase, a_ticket_is_good_once);
  tcase_add_test(tcase, an_old_ticket_is_not_good_for_a_new_handing_out);
  tcase_add_test(tcase, an_old_ticket_is_not_good_for_another_key_in_the_same_record);
  tcase_add_test(tcase, a_ticket_is_good_on_its_own_handle_only);
  tcase_add_test(tcase, a_copied_item_is_as_good_as_the_first);
  tcase_add_test(tcase, the_key_in_hand_is_not_disturbed_by_what_others_do);

  tcase = fixture_case(suite, "remove and kick");
  tcase_add_test(tcase, remove_cancels_what_is_pending_and_the_count);
  tcase_add_test(tcase, remove_takes_idle_and_buried_keys_too);
  tcase_add_test(tcase, remove_leaves_a_key_with_its_worker_and_it_will_not_run_again);
  tcase_add_test(tcase, a_key_removed_while_it_is_processed_does_not_run_again_however_its_run_ends);
  tcase_add_test(tcase, remove_works_in_the_middle_of_a_band);
  tcase_add_test(tcase, kick_makes_a_buried_key_ready_with_its_counts_at_zero);
  tcase_add_test(tcase, kick_without_a_key_kicks_all_the_oldest_first);
  tcase_add_test(tcase, kick_works_after_shutdown);
  return suite;
}
