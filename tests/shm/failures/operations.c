/*
 * What the system refuses to whoever uses a queue: each call, growth, waiting, waking, repair and reaping.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_failures.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "shm/layout.h"
#include "support/calls.h"
#include "support/in_lock.h"

/* ---- Every call ---- */

static size_t chosen; /* index of the call */

/* The queue as the calls before the chosen one leave it; a pool has its own test. */
static void prepare_call(void) {
  create();
  for (size_t i = 0; i < chosen; i++)
    if (strcmp(calls[i].name, "run") != 0) (void)calls[i].run(q);
}

static int run_call(void) {
  char *before = picture(q);
  refusals_arm();
  int rc = refusals_disarm(calls[chosen].run(q));
  char *after = picture(q);
  if (rc < 0 && rc != -ETIMEDOUT) ck_assert_str_eq(before, after);
  free(before);
  free(after);
  return rc;
}

static void end_queue(int rc) {
  (void)rc;
  (void)workq_resume(q);
  (void)workq_unpause(q);
  assert_usable(q);
  ok(workq_close(q));
  ok(workq_unlink(name));
  q = NULL;
}

START_TEST(each_call_on_a_small_queue) {
  chosen = (size_t)_i;
  if (strcmp(calls[_i].name, "run") == 0) return;
  options.handles = 2;
  refusals_plan(UINT32_MAX, 0, REFUSE_ONCE);
  prepare_call();
  int expected = run_call();
  end_queue(0);
  const struct scenario calling = {calls[_i].name, prepare_call, run_call, expected, end_queue};
  (void)refuse_each(&calling);
}
END_TEST

/* ---- Growth ---- */

static unsigned keys_added;
static int64_t delay_ns;

/* One after another, until the queue has grown. */
static int run_add_until_grown(void) {
  uint64_t committed = stats().committed;
  for (;;) {
    char key[16];
    int len = snprintf(key, sizeof key, "%u", keys_added);
    refusals_arm();
    int rc = refusals_disarm(workq_add_after(q, key, (size_t)len, delay_ns));
    if (rc < 0) return rc;
    keys_added++;
    if (stats().committed != committed) return rc;
  }
}

static void finish_growth(int rc) {
  (void)rc;
  assert_usable(q);
  ck_assert_uint_eq(stats().keys, keys_added);
}

static const struct scenario growing = {"add_after", NULL, run_add_until_grown, 1, finish_growth};

START_TEST(adds_that_make_the_queue_grow) {
  options.key_max = 960;
  delay_ns = _i ? S : 0;
  keys_added = 0;
  create();
  refusals->only = "posix_fallocate"; /* each add takes the lock, and only some make it grow */
  while (keys_added < 2000) ck_assert_uint_gt(refuse_each(&growing), 0); /* items, buckets and the heap */
  for (unsigned i = 0; i < keys_added; i++) {
    char key[16];
    snprintf(key, sizeof key, "%u", i);
    ck_assert_int_eq(state_of(key), _i ? WORKQ_STATE_DELAYED : WORKQ_STATE_READY);
  }
}
END_TEST

/* A retry needs room in the heap, and there is none yet. */
static void prepare_retry(void) {
  create();
  add("a");
}

static int run_retry(void) {
  workq_item item = take("a");
  refusals_arm();
  return refusals_disarm(workq_retry(q, &item));
}

static void finish_retry(int rc) {
  ck_assert_int_eq(rc, 1);
  int state = state_of("a");
  ck_assert(state == WORKQ_STATE_DELAYED || state == WORKQ_STATE_READY);
  ck_assert_int_eq(requeues("a"), 1);
  end_queue(rc);
}

static const struct scenario retrying = {"retry", prepare_retry, run_retry, 1, finish_retry};

START_TEST(a_retry_that_makes_the_queue_grow_never_fails) {
  ck_assert_uint_gt(refuse_each(&retrying), 1);
}
END_TEST

/* ---- Waiting ---- */

static int run_get(void) {
  workq_item item;
  refusals_arm();
  return refusals_disarm(workq_get(q, &item, 2 * MS));
}

static int run_add_wait(void) {
  refusals_arm();
  return refusals_disarm(workq_add_wait(q, "b", 1, 2 * MS));
}

static int run_drain(void) {
  refusals_arm();
  return refusals_disarm(workq_shutdown_drain(q, 2 * MS));
}

static workq_item in_hand;

static void prepare_full(void) {
  create();
  add("a");
  in_hand = take("a");
}

static void finish_wait(int rc) {
  ck_assert_int_lt(rc, 0);
  ck_assert_uint_eq(stats().waiting, 0);
  ck_assert_int_eq(workq_complete(q, &in_hand), 0);
  end_queue(rc);
}

static const struct scenario waits[] = {{"get", prepare_full, run_get, -ETIMEDOUT, finish_wait},
                                        {"add_wait", prepare_full, run_add_wait, -ETIMEDOUT, finish_wait},
                                        {"shutdown_drain", prepare_full, run_drain, -ETIMEDOUT, finish_wait}};

START_TEST(waiting) {
  options.capacity = 1;
  options.flags = WORKQ_NO_SPIN;
  ck_assert_uint_gt(refuse_each(&waits[_i]), 2);
}
END_TEST

/* A worker that is asleep in get, and the add that shall wake it: at the next tick at the latest it has the key. */
static pid_t sleeper;

static void prepare_sleeper(void) {
  create();
  shared->steps[0] = 0;
  sleeper = process_fork();
  if (sleeper > 0) {
    await_waiting(1, 1);
    return;
  }
  workq_item item;
  ck_assert_int_eq(workq_get(q, &item, WORKQ_FOREVER), 0);
  ck_assert_int_eq(workq_complete(q, &item), 0);
  ok(workq_close(q));
  process_done();
}

static int run_add(void) {
  refusals_arm();
  return refusals_disarm(workq_add(q, "a", 1));
}

static void finish_sleeper(int rc) {
  if (rc < 0) add("a");
  process_join(sleeper);
  ck_assert_uint_eq(stats().keys, 0);
  end_queue(rc);
}

static const struct scenario waking = {"add", prepare_sleeper, run_add, 1, finish_sleeper};

START_TEST(a_sleeper_gets_the_key_though_it_cannot_be_woken) {
  options.flags = WORKQ_NO_SPIN;
  options.reap_interval_ns = 5 * MS;
  ck_assert_uint_gt(refuse_each(&waking), 1);
}
END_TEST

/* ---- The lock ---- */

static pid_t holder;

static void prepare_holder(void) {
  create();
  add("a");
  holder = fork_stopped_inside();
}

static int run_len(void) {
  refusals_arm();
  return refusals_disarm(workq_len(q));
}

/* Whatever could not be found out: it was not taken from the living. */
static void finish_holder(int rc) {
  ck_assert(rc == -ETIMEDOUT || rc == -EUCLEAN);
  process_resume(holder);
  process_join(holder);
  ck_assert_uint_eq(stats().lock_losses, 0);
  ck_assert_uint_eq(stats().recoveries, 0);
  ck_assert_int_eq(state_of("stopped inside"), WORKQ_STATE_DELAYED);
  end_queue(rc);
}

static const struct scenario locking = {"len", prepare_holder, run_len, -ETIMEDOUT, finish_holder};

START_TEST(a_lock_that_a_stopped_process_holds) {
  options.flags = WORKQ_NO_SPIN; /* no naps, each of which would be refused in turn */
  options.lock_timeout_ns = 1;
  ck_assert_uint_gt(refuse_each(&locking), 2);
}
END_TEST

static int add_b_later(workq *handle) {
  return workq_add_after(handle, "b", 1, S);
}

/* The owner died inside: its changes are undone first. */
static void prepare_dead_owner(void) {
  create();
  add("a");
  die_inside(add_b_later);
}

static void finish_dead_owner(int rc) {
  ck_assert_int_eq(rc, 1);
  ck_assert_int_eq(workq_reap(q), 1);
  ck_assert_int_eq(state_of("b"), -ENOENT);
  end_queue(rc);
}

static const struct scenario repairing = {"len", prepare_dead_owner, run_len, 1, finish_dead_owner};

START_TEST(a_lock_whose_owner_died_inside) {
  ck_assert_uint_gt(refuse_each(&repairing), 0);
}
END_TEST

/* Somebody has abandoned the mutex in force: the next to come repairs, and makes the spare behind it anew. */
static void prepare_lost_lock(void) {
  create();
  add("a");
  int fd = open(engine_path(name), O_RDWR | O_CLOEXEC);
  struct control *control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, REGION_ALIGN);
  ck_assert_ptr_ne(control, MAP_FAILED);
  close(fd);
  atomic_store(&control->lock.settled, 2 * LOCK_MUTEXES);
  atomic_store(&control->lock.epoch, 2 * LOCK_MUTEXES + 1);
  munmap(control, sizeof *control);
}

static void finish_lost_lock(int rc) {
  ck_assert_int_eq(rc, 1);
  ck_assert_uint_eq(stats().lock_losses, 1);
  end_queue(rc);
}

static const struct scenario abandoned = {"len", prepare_lost_lock, run_len, 1, finish_lost_lock};

START_TEST(a_lock_that_was_abandoned) {
  ck_assert_uint_gt(refuse_each(&abandoned), 4);
}
END_TEST

/* ---- Reaping ---- */

/* A worker died with a key, whose delay needs room in the heap; there is none yet. */
static void prepare_dead_worker(void) {
  create();
  add("a");
  die_with("a");
}

static int run_reap(void) {
  refusals_arm();
  return refusals_disarm(workq_reap(q));
}

static void finish_dead_worker(int rc) {
  ck_assert(rc == 1 || rc == 0);
  if (rc == 0) ck_assert_int_eq(workq_reap(q), 1); /* what could not be known was taken for alive */
  int state = state_of("a");
  ck_assert(state == WORKQ_STATE_DELAYED || state == WORKQ_STATE_READY);
  ck_assert_uint_eq(info_of("a").crashes, 1);
  ck_assert_uint_eq(stats().attached, 1);
  end_queue(rc);
}

static const struct scenario reaping = {"reap", prepare_dead_worker, run_reap, 1, finish_dead_worker};

START_TEST(reaping_the_dead) {
  ck_assert_uint_gt(refuse_each(&reaping), 1);
}
END_TEST

static void prepare_living_worker(void) {
  create();
  add("a");
  sleeper = fork_worker_with("a");
}

static void finish_living_worker(int rc) {
  ck_assert_int_eq(rc, 0);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_PROCESSING);
  process_kill(sleeper);
  ck_assert_int_eq(workq_reap(q), 1);
  end_queue(rc);
}

static const struct scenario sparing = {"reap", prepare_living_worker, run_reap, 0, finish_living_worker};

START_TEST(reaping_takes_nothing_from_the_living) {
  ck_assert_uint_gt(refuse_each(&sparing), 1);
}
END_TEST

/* ---- Output ---- */

static unsigned writes_left;

static ssize_t write_until_refused(void *cookie, const char *bytes, size_t len) {
  (void)bytes;
  if (writes_left-- > 0) return (ssize_t)len;
  writes_left = 0;
  errno = *(int *)cookie;
  return -1;
}

START_TEST(a_dump_that_cannot_be_written_is_eio) {
  static int errors[] = {ENOSPC, EIO, EPIPE, EINTR};
  create();
  add("a");
  add_after("b", S);
  char *before = picture(q);
  int rc = -EIO;
  for (unsigned n = 0; rc < 0; n++) {
    ck_assert_uint_lt(n, 1000);
    FILE *out = fopencookie(&errors[n % 4], "w", (cookie_io_functions_t){.write = write_until_refused});
    ck_assert_ptr_nonnull(out);
    if (_i) setvbuf(out, NULL, _IONBF, 0);
    writes_left = n;
    rc = workq_dump(q, out);
    ck_assert(rc == -EIO || (rc == 0 && n > 0));
    fclose(out);
  }
  char *after = picture(q);
  ck_assert_str_eq(before, after);
  free(before);
  free(after);
}
END_TEST

Suite *operations_suite(void) {
  Suite *suite = suite_create("operations");
  TCase *tcase = failures_case(suite, "each call in");
  tcase_add_loop_test(tcase, each_call_on_a_small_queue, 0, (int)calls_count);
  tcase_add_loop_test(tcase, adds_that_make_the_queue_grow, 0, 2);
  tcase_add_test(tcase, a_retry_that_makes_the_queue_grow_never_fails);
  tcase_add_loop_test(tcase, waiting, 0, (int)(sizeof waits / sizeof *waits));
  tcase_add_test(tcase, a_sleeper_gets_the_key_though_it_cannot_be_woken);
  tcase_add_test(tcase, a_lock_that_a_stopped_process_holds);
  tcase_add_test(tcase, a_lock_whose_owner_died_inside);
  tcase_add_test(tcase, a_lock_that_was_abandoned);
  tcase_add_test(tcase, reaping_the_dead);
  tcase_add_test(tcase, reaping_takes_nothing_from_the_living);
  tcase_add_loop_test(tcase, a_dump_that_cannot_be_written_is_eio, 0, 2);
  return suite;
}
