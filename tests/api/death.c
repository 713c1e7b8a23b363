/*
 * The public API: what becomes of the keys of a worker that dies, and of the operation that it dies in.
 *
 * Deaths are real: children killed with SIGKILL; those inside an operation are of in_lock.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_api.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "support/in_lock.h"

START_TEST(each_key_of_a_dead_worker_goes_back_through_the_limiter) {
  create();
  add("a");
  add_priority("b", 3);
  pid_t child = process_fork();
  if (child == 0) {
    workq *own = open_again();
    take_by(own, "b");
    take_by(own, "a");
    shared->steps[0] = 1;
    for (;;) pause();
  }
  await(&shared->steps[0], 1);
  process_kill(child);
  ck_assert_int_eq(workq_reap(q), 1);
  ck_assert_int_eq(workq_reap(q), 0);
  for (int i = 0; i < 2; i++) {
    workq_info info = info_of(i ? "b" : "a");
    ck_assert_int_eq(info.state, WORKQ_STATE_DELAYED);
    ck_assert_int_eq(info.due_in_ns, 5 * MS);
    ck_assert_uint_eq(info.failures, 1);
    ck_assert_uint_eq(info.crashes, 1);
    ck_assert_int_eq(info.pid, 0);
  }
  ck_assert_uint_eq(stats().crashes, 2);
  ck_assert_uint_eq(stats().reaped, 1);
  ck_assert_uint_eq(stats().attached, 1);
  pass(5 * MS);
  assert_ready("b a");
}
END_TEST

START_TEST(a_crash_of_a_dirty_key_makes_it_ready_at_once) {
  create();
  add("a");
  pid_t child = fork_worker_with("a");
  add("a");
  process_kill(child);
  ck_assert_int_eq(workq_reap(q), 1);
  ck_assert_int_eq(requeues("a"), 1);
  assert_ready("a");
}
END_TEST

START_TEST(a_key_is_never_taken_from_the_living) {
  create();
  add("a");
  pid_t child = fork_worker_with("a");
  pass(WORKQ_DURATION_MAX / 4); /* years */
  workq_item item;
  for (int i = 0; i < 3; i++) {
    ck_assert_int_eq(workq_get(q, &item, 0), -ETIMEDOUT);
    ck_assert_int_eq(workq_reap(q), 0);
  }
  process_stop(child);
  ck_assert_int_eq(workq_reap(q), 0);
  ck_assert_int_eq(info_of("a").pid, child);
  process_kill(child);
  ck_assert_int_eq(workq_reap(q), 1);
}
END_TEST

START_TEST(a_key_is_buried_after_max_crashes) {
  options.max_crashes = 3;
  create();
  add("a");
  for (unsigned i = 1; i <= 3; i++) {
    die_with("a");
    ck_assert_int_eq(workq_reap(q), 1);
    ck_assert_uint_eq(info_of("a").crashes, i);
    ck_assert_int_eq(state_of("a"), i < 3 ? WORKQ_STATE_DELAYED : WORKQ_STATE_BURIED);
    pass(S);
  }
  ck_assert_uint_eq(stats().crashes, 3);
  ck_assert_uint_eq(stats().crash_buried, 1);
  ck_assert_uint_eq(stats().buried, 1);
  assert_ready("");
  ck_assert_int_eq(workq_kick(q, "a", 1), 1);
  ck_assert_uint_eq(info_of("a").crashes, 0);
  assert_ready("a");
}
END_TEST

START_TEST(max_crashes_is_5_by_default) {
  create();
  ck_assert_int_eq(stats().max_crashes, 5);
  add("a");
  for (int i = 1; i <= 5; i++) {
    die_with("a");
    ok(workq_reap(q));
    pass(S);
  }
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_BURIED);
}
END_TEST

START_TEST(max_crashes_never_means_no_limit) {
  options.max_crashes = WORKQ_NEVER;
  create();
  ck_assert_int_eq(stats().max_crashes, WORKQ_NEVER);
  add("a");
  for (int i = 1; i <= 12; i++) {
    die_with("a");
    ok(workq_reap(q));
    pass(S);
  }
  ck_assert_uint_eq(info_of("a").crashes, 12);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_READY);
}
END_TEST

static void destroy(void) {
  ok(workq_close(q));
  q = NULL;
  ok(workq_unlink(name));
}

START_TEST(crashes_are_forgotten_after_a_time) {
  static const struct {
    int64_t option, forget_ns;
  } ways[] = {{0, 3600 * S},
              {10 * S, 10 * S},
              {WORKQ_FOREVER, 1000000 * S},
              {INT64_C(1) << 59, 1000000 * S}, /* a multiple of what an item's time wraps at */
              {INT64_MAX, 1000000 * S}};
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    bool for_ever = i >= 2;
    options.max_crashes = 3;
    options.crash_forget_ns = ways[i].option;
    create();
    ck_assert_int_eq(stats().crash_forget_ns, ways[i].option ? ways[i].option : ways[i].forget_ns);
    for (unsigned n = 1; n <= 2; n++) {
      add("a");
      die_with("a");
      ok(workq_reap(q));
      pass(n == 1 ? ways[i].forget_ns - S : S);
      ck_assert_uint_eq(info_of("a").crashes, n); /* the last counts, and so do those before it */
    }
    pass(ways[i].forget_ns);
    ck_assert_uint_eq(info_of("a").crashes, for_ever ? 2 : 0);
    die_with("a");
    ok(workq_reap(q));
    ck_assert_int_eq(state_of("a"), for_ever ? WORKQ_STATE_BURIED : WORKQ_STATE_DELAYED);
    ck_assert_uint_eq(info_of("a").crashes, for_ever ? 3 : 1);
    ok(workq_forget(q, "a", 1) - 1);
    workq_remove(q, "a", 1);
    /* Crashes that are forgotten do not keep a key. */
    add("b");
    die_with("b");
    ok(workq_reap(q));
    ok(workq_forget(q, "none", 4));
    pass(ways[i].forget_ns + S);
    workq_item item = take("b");
    ck_assert_uint_eq(item.crashes, for_ever);
    destroy();
  }
}
END_TEST

START_TEST(a_crash_gives_up_a_key_that_has_no_retry_left) {
  for (int i = 0; i < 4; i++) {
    bool drop = i & 1, added = i & 2;
    options.give_up = drop ? WORKQ_DROP : WORKQ_BURY;
    options.max_retries = WORKQ_NEVER;
    create();
    add("a");
    pid_t child = fork_worker_with("a");
    if (added) add("a");
    process_kill(child);
    ok(workq_reap(q) - 1);
    ck_assert_int_eq(state_of("a"), added ? WORKQ_STATE_READY : drop ? -ENOENT : WORKQ_STATE_BURIED);
    ck_assert_uint_eq(stats().gave_up, 1);
    ck_assert_uint_eq(stats().crashes, 1);
    destroy();
  }
}
END_TEST

START_TEST(a_key_added_during_the_run_of_its_last_crash_becomes_ready) {
  options.max_crashes = 1;
  create();
  add("a");
  pid_t child = fork_worker_with("a");
  add("a");
  process_kill(child);
  ok(workq_reap(q) - 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_READY);
  ck_assert_uint_eq(stats().crash_buried, 0);
  die_with("a"); /* its counts were kept */
  ok(workq_reap(q) - 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_BURIED);
}
END_TEST

START_TEST(a_key_removed_while_its_worker_had_it_does_not_run_again_after_its_death) {
  for (int added = 0; added < 2; added++) {
    create();
    add("a");
    pid_t child = fork_worker_with("a");
    ck_assert_int_eq(workq_remove(q, "a", 1), 1);
    if (added) add("a");
    process_kill(child);
    ok(workq_reap(q) - 1);
    ck_assert_int_eq(state_of("a"), added ? WORKQ_STATE_READY : -ENOENT);
    destroy();
  }
}
END_TEST

START_TEST(the_death_of_a_worker_that_was_announced_is_no_crash) {
  options.max_crashes = 1;
  create();
  add("a");
  pid_t child = fork_worker_with("a");
  ck_assert_int_eq(workq_expect_exit(q, child), 1);
  ck_assert_int_eq(workq_expect_exit(q, 1), 0);
  ck_assert_int_eq(workq_expect_exit(q, 0), -EINVAL);
  ck_assert_int_eq(workq_expect_exit(q, -1), -EINVAL);
  process_kill(child);
  ok(workq_reap(q) - 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_READY);
  ck_assert_uint_eq(stats().crashes, 0);
  ck_assert_int_eq(requeues("a"), 0);
  die_with("a"); /* in the same slot, perhaps: this one was not */
  ok(workq_reap(q) - 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_BURIED);
}
END_TEST

START_TEST(complete_ends_a_row_of_crashes) {
  options.max_crashes = 2;
  create();
  for (int i = 0; i < 4; i++) {
    add("a");
    die_with("a");
    ok(workq_reap(q));
    pass(S);
    workq_item item = take("a");
    ck_assert_uint_eq(item.crashes, 1);
    ck_assert_int_eq(workq_complete(q, &item), 0);
  }
}
END_TEST

START_TEST(a_crash_counts_as_a_failure_for_max_retries) {
  options.max_retries = 2;
  create();
  add("a");
  for (int i = 0; i < 2; i++) {
    die_with("a");
    ok(workq_reap(q));
    pass(S);
  }
  workq_item item = take("a");
  ck_assert_uint_eq(item.failures, 2);
  ck_assert_int_eq(workq_retry(q, &item), 0);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_BURIED);
}
END_TEST

START_TEST(an_item_of_a_reaped_handle_is_stale) {
  create();
  add("a");
  pid_t child = process_fork();
  if (child == 0) {
    workq *own = open_again();
    workq_item item = take_by(own, "a");
    shared->ticket = item.ticket;
    shared->steps[0] = 1;
    for (;;) pause();
  }
  await(&shared->steps[0], 1);
  workq_item item = {.ticket = shared->ticket};
  process_kill(child);
  ok(workq_reap(q));
  ck_assert_int_eq(workq_done(q, &item), -ESTALE);
  pass(S);
  workq_item again = take("a");
  ck_assert_int_eq(workq_done(q, &item), -ESTALE);
  ck_assert_int_eq(workq_done(q, &again), 0);
}
END_TEST

START_TEST(get_looks_for_the_dead_after_the_reap_interval) {
  options.reap_interval_ns = S;
  ok(workq_limiter_preset(&options.limiter, WORKQ_PRESET_NONE));
  create();
  add("a");
  die_with("a");
  workq_item item;
  ck_assert_int_eq(workq_reap(q), 1); /* from now on the interval runs */
  finish("a");
  add("b");
  die_with("b");
  ck_assert_int_eq(workq_get(q, &item, 0), -ETIMEDOUT);
  pass(S);
  take("b");
  ck_assert_uint_eq(stats().reaped, 2);
}
END_TEST

/* get looks for the dead by a coarse clock, which may be some milliseconds behind: not to be taken for the delay's start. */
START_TEST(a_crashed_key_waits_its_whole_delay) {
  options.clock = NULL;
  options.reap_interval_ns = MS;
  options.limiter = (workq_limiter){.kinds = WORKQ_LIMIT_EXPONENTIAL, .exp_initial_ns = 3 * MS, .exp_max_ns = 3 * MS};
  create();
  for (int i = 0; i < 10; i++) {
    workq_item item;
    add("a");
    pid_t child = fork_worker_with("a");
    int64_t alive_ns = plain_now_ns();
    process_kill(child);
    ok(workq_get(q, &item, WORKQ_FOREVER));
    ck_assert_int_ge(plain_now_ns(), alive_ns + 3 * MS);
    ck_assert_int_eq(item.crashes, 1);
    ok(workq_complete(q, &item));
  }
}
END_TEST

START_TEST(a_waiting_worker_finds_the_dead_by_itself) {
  options.reap_interval_ns = MS;
  options.clock = NULL; /* real time: it ends with the event, however long that takes */
  ok(workq_limiter_preset(&options.limiter, WORKQ_PRESET_NONE));
  create();
  add("a");
  pid_t worker = fork_worker_with("a");
  pid_t waiter = process_fork();
  if (waiter == 0) {
    workq *own = open_again();
    workq_item item;
    ck_assert_int_eq(workq_get(own, &item, WORKQ_FOREVER), 0);
    ck_assert(is_key(item.key, item.key_len, "a"));
    ok(workq_done(own, &item));
    ok(workq_close(own));
    process_done();
  }
  await_waiting(1, 1);
  process_kill(worker);
  process_join(waiter);
  ck_assert_uint_eq(stats().reaped, 1);
}
END_TEST

/* ---- Deaths that the kernel does not tell of by a mutex ---- */

static int gone[2]; /* a pipe into which the new program writes */

/* The new program says that it runs: only then has the kernel closed all that the old one had open. */
static void exec_away_now(void) {
  if (dup2(gone[1], 9) == 9) execl("/bin/sh", "sh", "-c", "echo >&9; exec 9>&-; exec sleep 100000", (char *)NULL);
  _exit(EXIT_FAILURE);
}

/* A child that runs the function, which calls execve, in a thread other than the main one; returns when it has. */
static pid_t exec_in_thread(void *(*run)(void *), void *arg) {
  ck_assert_int_eq(pipe2(gone, O_CLOEXEC), 0);
  pid_t child = process_fork();
  if (child == 0) {
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, run, arg), 0);
    for (;;) pause();
  }
  close(gone[1]);
  char byte;
  ck_assert_int_eq(read(gone[0], &byte, 1), 1);
  close(gone[0]);
  return child;
}

static pid_t fork_heir(workq *inherited) {
  pid_t heir = process_fork();
  if (heir > 0) return heir;
  prctl(PR_SET_PDEATHSIG, 0); /* the exec ends the thread that forked it */
  ok(workq_len(inherited));
  close(gone[1]);
  shared->steps[0] = getpid();
  for (;;) pause();
}

static void *exec_with_a_key(void *with_heir) {
  workq *own = open_again();
  take_by(own, "a");
  if (with_heir) {
    fork_heir(own);
    await(&shared->steps[0], 1);
  }
  exec_away_now();
  return NULL;
}

/*
 * A child in which a thread other than the main one has the key "a" in hand and calls execve: the process lives on, with the
 * main thread's id, and the thread's mutex stays held by nobody.  with_heir: a forked child of it uses the handle, too,
 * and lives on.
 */
static pid_t exec_away(bool with_heir) {
  return exec_in_thread(exec_with_a_key, with_heir ? gone : NULL);
}

START_TEST(the_keys_of_a_thread_that_was_lost_by_an_exec_go_back) {
  create();
  add("a");
  pid_t child = exec_away(false);
  ck_assert_int_eq(workq_reap(q), 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DELAYED);
  process_kill(child);
}
END_TEST

START_TEST(they_go_back_although_a_forked_child_goes_on_using_the_queue) {
  create();
  add("a");
  pid_t child = exec_away(true);
  int found = workq_reap(q);
  kill(shared->steps[0], SIGKILL);
  process_kill(child);
  ck_assert_int_eq(found, 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DELAYED);
}
END_TEST

static int64_t exec_clock(void *arg) {
  (void)arg;
  if (clock_is_inside()) exec_away_now();
  return shared->now_ns;
}

static void *exec_inside(void *arg) {
  (void)arg;
  workq_options inside = options;
  workq *own;
  inside.clock = exec_clock;
  ok(workq_open(name, &inside, &own));
  arm_clock(SIGKILL);
  (void)workq_add_after(own, "new", 3, S);
  _exit(EXIT_FAILURE);
}

/* A child in which a thread calls execve with the queue's lock in hand, in the middle of an add. */
static pid_t exec_away_inside(void) {
  pid_t child = exec_in_thread(exec_inside, NULL);
  arm_clock(0);
  return child;
}

START_TEST(a_lock_that_nobody_holds_is_abandoned_and_the_operation_undone) {
  create();
  add("a");
  for (unsigned i = 1; i <= 3; i++) {
    pid_t child = exec_away_inside();
    ck_assert_int_eq(state_of("new"), -ENOENT);
    ck_assert_uint_eq(stats().lock_losses, i);
    ck_assert_uint_eq(stats().recoveries, i);
    ck_assert_int_eq(workq_reap(q), 1);
    assert_sound(q);
    process_kill(child);
  }
  ck_assert_int_eq(add("new"), 1);
  assert_ready("a new");
}
END_TEST

START_TEST(more_locks_can_be_lost_than_there_are_spare_ones) {
  create();
  unsigned losses = plain_scaled(80);
  for (unsigned i = 1; i <= losses; i++) {
    pid_t child = exec_away_inside();
    ck_assert_int_eq(ok(workq_add(q, "a", 1)), i == 1);
    process_kill(child);
  }
  ck_assert_uint_eq(stats().lock_losses, losses);
  ck_assert_int_ge(workq_reap(q), 1);
  assert_ready("a");
}
END_TEST

/* ---- Death inside an operation ---- */

static int add_new_after(workq *handle) {
  return workq_add_after(handle, "new", 3, S);
}

START_TEST(an_add_that_dies_half_way_has_not_happened) {
  create();
  add("a");
  die_inside(add_new_after);
  ck_assert_int_eq(state_of("new"), -ENOENT);
  ck_assert_uint_eq(stats().recoveries, 1);
  ck_assert_uint_eq(stats().keys, 1);
  ck_assert_uint_eq(stats().adds, 1);
  assert_sound(q);
  ck_assert_int_eq(workq_reap(q), 1);
  ck_assert_int_eq(workq_add(q, "new", 3), 1);
  assert_ready("a new");
}
END_TEST

static int retry_a(workq *handle) {
  workq_item item = take_by(handle, "a");
  return workq_retry(handle, &item);
}

START_TEST(a_retry_that_dies_half_way_leaves_the_key_in_dead_hands) {
  create();
  add("a");
  /* The clock is also read by get when it looks for the dead; nothing is processed yet, so it does not. */
  die_inside(retry_a);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_PROCESSING);
  ck_assert_int_eq(requeues("a"), 0);
  ck_assert_int_eq(workq_reap(q), 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DELAYED);
  ck_assert_int_eq(requeues("a"), 1);
}
END_TEST

START_TEST(many_deaths_inside_are_all_undone) {
  create();
  for (unsigned i = 1; i <= 100; i++) { /* more than there are spare mutexes */
    die_inside(add_new_after);
    ck_assert_int_eq(state_of("new"), -ENOENT);
    ck_assert_uint_eq(stats().recoveries, i);
  }
  ck_assert_int_ge(ok(workq_reap(q)), 1);
  ck_assert_uint_eq(stats().reaped, 100);
}
END_TEST

START_TEST(a_worker_that_waits_goes_on_after_a_death_inside) {
  create();
  pid_t waiter = process_fork();
  if (waiter == 0) {
    workq *own = open_again();
    workq_item item;
    ck_assert_int_eq(workq_get(own, &item, WORKQ_FOREVER), 0);
    ok(workq_done(own, &item));
    ok(workq_close(own));
    process_done();
  }
  await_waiting(1, 1);
  die_inside(add_new_after);
  add("a");
  process_join(waiter);
}
END_TEST

Suite *death_suite(void) {
  Suite *suite = suite_create("death");
  TCase *tcase = fixture_case(suite, "with keys in hand");
  tcase_add_test(tcase, each_key_of_a_dead_worker_goes_back_through_the_limiter);
  tcase_add_test(tcase, a_crash_of_a_dirty_key_makes_it_ready_at_once);
  tcase_add_test(tcase, a_key_is_never_taken_from_the_living);
  tcase_add_test(tcase, a_key_is_buried_after_max_crashes);
  tcase_add_test(tcase, max_crashes_is_5_by_default);
  tcase_add_test(tcase, max_crashes_never_means_no_limit);
  tcase_add_test(tcase, crashes_are_forgotten_after_a_time);
  tcase_add_test(tcase, a_crash_gives_up_a_key_that_has_no_retry_left);
  tcase_add_test(tcase, a_key_added_during_the_run_of_its_last_crash_becomes_ready);
  tcase_add_test(tcase, a_key_removed_while_its_worker_had_it_does_not_run_again_after_its_death);
  tcase_add_test(tcase, the_death_of_a_worker_that_was_announced_is_no_crash);
  tcase_add_test(tcase, complete_ends_a_row_of_crashes);
  tcase_add_test(tcase, a_crash_counts_as_a_failure_for_max_retries);
  tcase_add_test(tcase, an_item_of_a_reaped_handle_is_stale);
  tcase_add_test(tcase, get_looks_for_the_dead_after_the_reap_interval);
  tcase_add_test(tcase, a_crashed_key_waits_its_whole_delay);
  tcase_add_test(tcase, a_waiting_worker_finds_the_dead_by_itself);

  tcase = fixture_case(suite, "without a word");
  tcase_add_test(tcase, the_keys_of_a_thread_that_was_lost_by_an_exec_go_back);
  tcase_add_test(tcase, they_go_back_although_a_forked_child_goes_on_using_the_queue);

  tcase = fixture_case_with(suite, "without a word, with the lock", ENGINE_LOCK);
  tcase_add_test(tcase, a_lock_that_nobody_holds_is_abandoned_and_the_operation_undone);
  tcase_add_test(tcase, more_locks_can_be_lost_than_there_are_spare_ones);

  tcase = fixture_case_with(suite, "inside an operation", ENGINE_LOCK);
  tcase_add_test(tcase, an_add_that_dies_half_way_has_not_happened);
  tcase_add_test(tcase, a_retry_that_dies_half_way_leaves_the_key_in_dead_hands);
  tcase_add_test(tcase, many_deaths_inside_are_all_undone);
  tcase_add_test(tcase, a_worker_that_waits_goes_on_after_a_death_inside);
  return suite;
}
