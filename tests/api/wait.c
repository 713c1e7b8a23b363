/*
 * The public API: what waits, for what, and what ends the wait: keys, room, signals, and a lock that is not to be had.
 *
 * The other side of each wait is a child process.  The test sees by workq_iterate_workers() that it waits.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_api.h"

#include <sched.h>
#include <signal.h>
#include <time.h>

#include "support/calls.h"
#include "support/in_lock.h"

static int64_t real_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * S + now.tv_nsec;
}

/* A child that waits for a key, finishes it, and asserts what the wait ended with. */
static pid_t fork_getter(int expected) {
  pid_t child = process_fork();
  if (child > 0) return child;
  workq *own = open_again();
  workq_item item;
  ck_assert_int_eq(workq_get(own, &item, WORKQ_FOREVER), expected);
  if (expected == 0) ok(workq_done(own, &item));
  ok(workq_close(own));
  process_done();
}

/* A child that waits for room for the key. */
static pid_t fork_adder(const char *key, int expected) {
  pid_t child = process_fork();
  if (child > 0) return child;
  workq *own = open_again();
  ck_assert_int_eq(workq_add_wait(own, key, strlen(key), WORKQ_FOREVER), expected);
  ok(workq_close(own));
  process_done();
}

/* ---- For a key ---- */

START_TEST(get_looks_once_with_a_timeout_of_zero) {
  create();
  workq_item item;
  ck_assert_int_eq(workq_get(q, &item, 0), -ETIMEDOUT);
  ck_assert_int_eq(workq_lock_owner(q), 0);
}
END_TEST

START_TEST(get_waits_as_long_as_its_timeout_and_not_less) {
  create();
  workq_item item;
  int64_t start_ns = real_now_ns();
  ck_assert_int_eq(workq_get(q, &item, 20 * MS), -ETIMEDOUT);
  ck_assert_int_ge(real_now_ns() - start_ns, 20 * MS);
  ck_assert_int_eq(workq_lock_owner(q), 0);
  ck_assert_uint_eq(stats().waiting, 0);
}
END_TEST

START_TEST(an_add_ends_the_wait) {
  create();
  pid_t child = fork_getter(0);
  await_waiting(1, 1);
  ck_assert_uint_eq(stats().waiting, 1);
  add("a");
  process_join(child);
  ck_assert_uint_eq(stats().waiting, 0);
}
END_TEST

START_TEST(each_add_ends_the_wait_of_one) {
  create();
  enum { GETTERS = 8 };
  pid_t children[GETTERS];
  for (int i = 0; i < GETTERS; i++) children[i] = fork_getter(0);
  await_waiting(1, GETTERS);
  char key[16];
  for (int i = 0; i < GETTERS; i++) {
    snprintf(key, sizeof key, "%d", i);
    add(key);
  }
  for (int i = 0; i < GETTERS; i++) process_join(children[i]);
  ck_assert_uint_eq(stats().gets, GETTERS);
}
END_TEST

static int done_of_a_dirty_key(void) {
  workq_item item;
  add("a");
  item = take("a");
  add("a");
  shared->steps[0] = 1;
  await_waiting(1, 1);
  return workq_done(q, &item);
}

static int release_of_a_key(void) {
  add("a");
  workq_item item = take("a");
  shared->steps[0] = 1;
  await_waiting(1, 1);
  return workq_release(q, &item);
}

static int kick_of_a_key(void) {
  add("a");
  bury("a");
  shared->steps[0] = 1;
  await_waiting(1, 1);
  return workq_kick(q, "a", 1);
}

static int unpause(void) {
  workq_pause(q);
  add("a");
  shared->steps[0] = 1;
  await_waiting(1, 1);
  return workq_unpause(q);
}

static int close_of_a_holder(void) {
  workq *other = open_again();
  add("a");
  take_by(other, "a");
  shared->steps[0] = 1;
  await_waiting(1, 1);
  return workq_close(other);
}

static int add_brings_forward(void) {
  add_after("a", S);
  shared->steps[0] = 1;
  await_waiting(1, 1);
  return add("a");
}

static int reap_of_a_holder(void) {
  add("a");
  pid_t worker = fork_worker_with("a"); /* raises steps[0] */
  add("a");
  await_waiting(1, 1);
  process_kill(worker);
  return workq_reap(q);
}

static int add_batch(void) {
  shared->steps[0] = 1;
  await_waiting(1, 1);
  return workq_add_batch(q, &(workq_key){"a", 1}, 1, NULL, NULL);
}

static int (*const wakers[])(void) = {done_of_a_dirty_key, release_of_a_key,   kick_of_a_key,    unpause,
                                      close_of_a_holder,   add_brings_forward, reap_of_a_holder, add_batch};

START_TEST(whatever_makes_a_key_ready_ends_the_wait) {
  create();
  pid_t child = process_fork();
  if (child == 0) {
    await(&shared->steps[0], 1);
    workq *own = open_again();
    workq_item item;
    ck_assert_int_eq(workq_get(own, &item, WORKQ_FOREVER), 0);
    ok(workq_done(own, &item));
    ok(workq_close(own));
    process_done();
  }
  ok(wakers[_i]());
  process_join(child);
}
END_TEST

START_TEST(the_wait_ends_when_a_delayed_key_is_due) {
  options.clock = NULL;
  options.reap_interval_ns = WORKQ_REAP_INTERVAL_MAX;
  alarm(WORKQ_REAP_INTERVAL_MAX / S - 10); /* before the tick that would help */
  create();
  pid_t child = fork_getter(0);
  await_waiting(1, 1);
  add_after("a", 5 * MS);
  process_join(child);
}
END_TEST

START_TEST(a_waiting_worker_goes_on_when_another_that_was_told_dies) {
  options.reap_interval_ns = MS;
  options.clock = NULL;
  ok(workq_limiter_preset(&options.limiter, WORKQ_PRESET_NONE));
  options.max_crashes = WORKQ_NEVER;
  create();
  for (unsigned i = 0; i < plain_scaled(50); i++) {
    pid_t first = fork_getter(0), second = fork_getter(0);
    await_waiting(1, 2);
    process_stop(second); /* it may be told of the key, and cannot take it */
    add("a");
    process_kill(second);
    process_join(first);
  }
  ck_assert_uint_eq(stats().ready, 0);
}
END_TEST

START_TEST(a_worker_that_was_stopped_and_continued_still_waits) {
  create();
  pid_t child = fork_getter(0);
  await_waiting(1, 1);
  process_stop(child);
  process_resume(child);
  add("a");
  process_join(child);
}
END_TEST

/* ---- For room ---- */

START_TEST(add_wait_waits_for_room) {
  options.capacity = 2;
  create();
  add("a");
  add("b");
  pid_t child = fork_adder("c", 1);
  await_waiting(2, 1);
  ck_assert_int_eq(state_of("c"), -ENOENT);
  ck_assert_uint_eq(stats().waiting, 0); /* that counts those who wait for a key */
  finish("a");
  process_join(child);
  assert_ready("b c");
}
END_TEST

START_TEST(each_room_ends_the_wait_of_one) {
  options.capacity = 4;
  create();
  for (int i = 0; i < 4; i++) add((const char *const[]){"a", "b", "c", "d"}[i]);
  pid_t children[4];
  for (int i = 0; i < 4; i++) children[i] = fork_adder((const char *const[]){"e", "f", "g", "h"}[i], 1);
  await_waiting(2, 4);
  for (int i = 0; i < 4; i++) finish((const char *const[]){"a", "b", "c", "d"}[i]);
  for (int i = 0; i < 4; i++) process_join(children[i]);
  ck_assert_uint_eq(stats().ready, 4);
}
END_TEST

START_TEST(remove_makes_room) {
  options.capacity = 1;
  create();
  add("a");
  pid_t child = fork_adder("b", 1);
  await_waiting(2, 1);
  ok(workq_remove(q, "a", 1));
  process_join(child);
  assert_ready("b");
}
END_TEST

START_TEST(a_key_that_becomes_idle_makes_room) {
  options.capacity = 1;
  create();
  add("a");
  add_rate_limited("a");
  pid_t child = fork_adder("b", 1);
  await_waiting(2, 1);
  finish("a");
  process_join(child);
  ck_assert_uint_eq(stats().evictions, 1);
  assert_ready("b");
}
END_TEST

START_TEST(add_wait_gives_up_after_its_timeout) {
  options.capacity = 1;
  create();
  add("a");
  int64_t start_ns = real_now_ns();
  ck_assert_int_eq(workq_add_wait(q, "b", 1, 20 * MS), -ETIMEDOUT);
  ck_assert_int_ge(real_now_ns() - start_ns, 20 * MS);
  const workq_add_options waiting = {.wait_ns = MS};
  ck_assert_int_eq(workq_add_opts(q, "b", 1, &waiting), -ETIMEDOUT);
  ck_assert_int_eq(workq_lock_owner(q), 0);
  ck_assert_int_eq(workq_add_wait(q, "b", 1, 0), -ENOSPC);
  ck_assert_int_eq(workq_add_opts(q, "b", 1, NULL), -ENOSPC);
}
END_TEST

START_TEST(add_wait_does_not_wait_for_a_key_that_has_its_room) {
  options.capacity = 1;
  create();
  add("a");
  ck_assert_int_eq(workq_add_wait(q, "a", 1, WORKQ_FOREVER), 0);
  workq_item item = take("a");
  ck_assert_int_eq(workq_add_wait(q, "a", 1, WORKQ_FOREVER), 1);
  ck_assert_int_eq(workq_done(q, &item), 1);
}
END_TEST

START_TEST(shutdown_ends_every_wait) {
  options.capacity = 1;
  create();
  add("a");
  workq_item item = take("a");
  pid_t getter = fork_getter(-ESHUTDOWN), adder = fork_adder("b", -ESHUTDOWN);
  await_waiting(1, 1);
  await_waiting(2, 1);
  ok(workq_shutdown(q));
  process_join(getter);
  process_join(adder);
  ck_assert_int_eq(workq_done(q, &item), 0);
}
END_TEST

/* ---- Signals ---- */

static void do_nothing(int number) {
  (void)number;
}

static int wait_for_a_key(workq *own) {
  workq_item item;
  return workq_get(own, &item, WORKQ_FOREVER);
}

static int wait_for_keys(workq *own) {
  workq_item items[2];
  return workq_get_batch(own, items, 2, 3600 * S);
}

static int wait_for_room(workq *own) {
  return workq_add_wait(own, "b", 1, WORKQ_FOREVER);
}

static int wait_for_room_by_options(workq *own) {
  return workq_add_opts(own, "b", 1, &(workq_add_options){.wait_ns = 3600 * S});
}

static int wait_for_a_drain(workq *own) {
  return workq_shutdown_drain(own, WORKQ_FOREVER);
}

static const struct {
  int (*wait)(workq *own);
  uint32_t kind;
} waits[] = {
    {wait_for_a_key, 1}, {wait_for_keys, 1}, {wait_for_room, 2}, {wait_for_room_by_options, 2}, {wait_for_a_drain, 3}};
enum { WAITS = sizeof waits / sizeof *waits };

START_TEST(a_signal_handler_ends_the_wait_with_eintr) {
  options.capacity = 1;
  create();
  add("a");
  workq_item item = take("a");
  pid_t child = process_fork();
  if (child == 0) {
    workq *own = open_again();
    /* SA_RESTART, too, must not hide the signal. */
    struct sigaction action = {.sa_handler = do_nothing, .sa_flags = _i >= WAITS ? SA_RESTART : 0};
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    ck_assert_int_eq(waits[_i % WAITS].wait(own), -EINTR);
    shared->steps[0] = 1;
    ok(workq_close(own));
    process_done();
  }
  await_waiting(waits[_i % WAITS].kind, 1);
  /* The first may come while it does not sleep yet. */
  while (shared->steps[0] == 0) {
    kill(child, SIGUSR1);
    sched_yield();
  }
  process_join(child);
  ck_assert_uint_eq(stats().waiting, 0);
  ck_assert_int_eq(workq_done(q, &item), 0);
}
END_TEST

/* ---- For the lock ---- */

START_TEST(get_does_not_wait_longer_for_the_lock_than_its_timeout_and_names_the_holder) {
  create();
  add("a");
  pid_t child = fork_stopped_inside();
  workq_item item;
  ck_assert_int_eq(workq_get(q, &item, 0), -ETIMEDOUT);
  ck_assert_int_eq(workq_lock_owner(q), child);
  ck_assert_int_eq(workq_get(q, &item, MS), -ETIMEDOUT);
  ck_assert_int_eq(workq_lock_owner(q), child);
  ck_assert_int_eq(workq_add_wait(q, "b", 1, MS), -ETIMEDOUT);
  ck_assert_int_eq(workq_shutdown_drain(q, MS), -ETIMEDOUT);
  ck_assert_int_eq(workq_lock_owner(q), child);
  process_resume(child);
  process_join(child);
  assert_ready("a");
  ck_assert_int_eq(workq_get(q, &item, 0), -ETIMEDOUT);
  ck_assert_int_eq(workq_lock_owner(q), 0);  /* that was not the lock's */
  ck_assert_uint_eq(stats().lock_losses, 0); /* who is stopped is not dead */
}
END_TEST

START_TEST(no_call_waits_longer_for_the_lock_than_lock_timeout) {
  create();
  add(CALLS_KEY);
  options.lock_timeout_ns = 1;
  workq *impatient = open_again();
  options.lock_timeout_ns = 0;
  pid_t child = fork_stopped_inside();
  for (size_t i = 0; i < calls_count; i++) {
    if (!calls[i].enters) continue;
    int rc = calls[i].run(impatient);
    ck_assert_msg(rc == -ETIMEDOUT, "%s: %d", calls[i].name, rc);
    ck_assert_msg(workq_lock_owner(impatient) == child, "%s", calls[i].name);
  }
  process_resume(child);
  process_join(child);
  ck_assert_uint_eq(stats().shut_down + stats().paused, 0);
  ck_assert_int_eq(workq_len(impatient), 1);
  ok(workq_close(impatient));
}
END_TEST

START_TEST(open_does_not_wait_longer_for_the_lock_than_lock_timeout) {
  create();
  options.lock_timeout_ns = 1;
  pid_t child = fork_stopped_inside();
  workq *other = NULL;
  ck_assert_int_eq(workq_open(name, &options, &other), -ETIMEDOUT);
  ck_assert_int_eq(workq_open_or_create(name, &options, &other), -ETIMEDOUT);
  ck_assert_ptr_null(other);
  process_resume(child);
  process_join(child);
  ck_assert_uint_eq(stats().attached, 1);
}
END_TEST

START_TEST(close_frees_the_handle_though_the_lock_is_not_to_be_had) {
  create();
  add("a");
  options.lock_timeout_ns = 1;
  workq *impatient = open_again();
  take_by(impatient, "a");
  pid_t child = fork_stopped_inside();
  ck_assert_int_eq(workq_close(impatient), 0);
  process_resume(child);
  process_join(child);
  ck_assert_int_eq(workq_reap(q), 1);
  ck_assert_uint_eq(info_of("a").crashes, 1);
}
END_TEST

START_TEST(without_a_limit_the_lock_is_waited_for) {
  create();
  pid_t child = fork_stopped_inside();
  pid_t adder = process_fork();
  if (adder == 0) {
    workq *own;
    ok(workq_open(name, &options, &own));
    ok(workq_add(own, "a", 1));
    ok(workq_close(own));
    process_done();
  }
  process_resume(child);
  process_join(child);
  process_join(adder);
  assert_ready("a");
}
END_TEST

START_TEST(a_raw_handle_names_the_holder_of_the_moment) {
  create();
  add("a");
  options.flags = WORKQ_RAW;
  workq *raw = open_again();
  ck_assert_int_eq(workq_lock_owner(raw), 0);
  options.flags = 0;
  pid_t child = fork_stopped_inside();
  ck_assert_int_eq(workq_lock_owner(raw), child);
  options.flags = WORKQ_RAW;
  workq *raw_too = open_again(); /* does not wait for the lock */
  ck_assert_int_eq(workq_lock_owner(raw_too), child);
  ck_assert_int_eq(workq_len(raw_too), 1);
  process_resume(child);
  process_join(child);
  ck_assert_int_eq(workq_lock_owner(raw), 0);
  ok(workq_close(raw));
  ok(workq_close(raw_too));
}
END_TEST

/* Any operation may be the one that is stopped inside. */
START_TEST(a_holder_stopped_at_a_random_moment_is_named) {
  options.lock_timeout_ns = 1;
  create();
  add("a"); /* another's: get here must not find nothing */
  take("a");
  pid_t child = process_fork();
  if (child == 0) {
    options.lock_timeout_ns = 0;
    workq *own = open_again();
    workq_item item;
    for (;;) {
      ok(workq_add(own, "b", 1));
      ok(workq_get(own, &item, 0));
      ok(workq_retry(own, &item));
      ok(workq_forget(own, "b", 1));
    }
  }
  for (bool seen = false; !seen;) {
    process_stop(child);
    int rc = workq_num_requeues(q, "b", 1);
    if (rc < 0) ck_assert_int_eq(rc, -ETIMEDOUT);
    /* Between taking the mutex and writing itself down as its holder it is not known. */
    seen = rc == -ETIMEDOUT && workq_lock_owner(q) != 0;
    if (seen) ck_assert_int_eq(workq_lock_owner(q), child);
    process_resume(child);
    sched_yield();
  }
  process_kill(child);
  ck_assert_int_eq(workq_reap(q), 1);
}
END_TEST

Suite *wait_suite(void) {
  Suite *suite = suite_create("waiting");
  TCase *tcase = fixture_case(suite, "for a key");
  tcase_add_test(tcase, get_looks_once_with_a_timeout_of_zero);
  tcase_add_test(tcase, get_waits_as_long_as_its_timeout_and_not_less);
  tcase_add_test(tcase, an_add_ends_the_wait);
  tcase_add_test(tcase, each_add_ends_the_wait_of_one);
  tcase_add_loop_test(tcase, whatever_makes_a_key_ready_ends_the_wait, 0, (int)(sizeof wakers / sizeof *wakers));
  tcase_add_test(tcase, the_wait_ends_when_a_delayed_key_is_due);
  tcase_add_test(tcase, a_waiting_worker_goes_on_when_another_that_was_told_dies);
  tcase_add_test(tcase, a_worker_that_was_stopped_and_continued_still_waits);

  tcase = fixture_case(suite, "for room");
  tcase_add_test(tcase, add_wait_waits_for_room);
  tcase_add_test(tcase, each_room_ends_the_wait_of_one);
  tcase_add_test(tcase, remove_makes_room);
  tcase_add_test(tcase, a_key_that_becomes_idle_makes_room);
  tcase_add_test(tcase, add_wait_gives_up_after_its_timeout);
  tcase_add_test(tcase, add_wait_does_not_wait_for_a_key_that_has_its_room);
  tcase_add_test(tcase, shutdown_ends_every_wait);

  tcase = fixture_case(suite, "signals");
  tcase_add_loop_test(tcase, a_signal_handler_ends_the_wait_with_eintr, 0, 2 * WAITS);

  tcase = fixture_case_with(suite, "for the lock", ENGINE_LOCK);
  tcase_add_test(tcase, get_does_not_wait_longer_for_the_lock_than_its_timeout_and_names_the_holder);
  tcase_add_test(tcase, no_call_waits_longer_for_the_lock_than_lock_timeout);
  tcase_add_test(tcase, open_does_not_wait_longer_for_the_lock_than_lock_timeout);
  tcase_add_test(tcase, close_frees_the_handle_though_the_lock_is_not_to_be_had);
  tcase_add_test(tcase, without_a_limit_the_lock_is_waited_for);
  tcase_add_test(tcase, a_holder_stopped_at_a_random_moment_is_named);

  tcase = fixture_case_with(suite, "for the lock, raw", ENGINE_LOCK | ENGINE_READ_ONLY);
  tcase_add_test(tcase, a_raw_handle_names_the_holder_of_the_moment);
  return suite;
}
