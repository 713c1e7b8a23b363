/*
 * What the system refuses around fork(): the first call in a child, and a pool's supervisor and workers.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_failures.h"

#include <poll.h>
#include <signal.h>

/* ---- The first call after a fork ---- */

static void prepare_fork(void) {
  options.handles = 2;
  create();
  add("a");
  add("b");
  take("a");
}

/* The child says in steps[0] how its first call ended; the second, of which nothing is refused, attaches. */
static int run_first_call(void) {
  pid_t child = process_fork();
  if (child == 0) {
    refusals_arm();
    int rc = refusals_disarm(workq_len(q));
    shared->steps[0] = rc;
    if (rc < 0) assert_error("open", rc);
    ck_assert_int_eq(workq_len(q), 1);
    take("b");
    ok(workq_close(q));
    process_done();
  }
  process_join(child);
  return shared->steps[0];
}

static void finish_fork(int rc) {
  (void)rc;
  ck_assert_uint_eq(stats().attached, 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_PROCESSING); /* the parent's stay the parent's */
  ck_assert_int_eq(state_of("b"), WORKQ_STATE_READY);
  assert_usable(q);
  ok(workq_close(q));
  ok(workq_unlink(name));
  q = NULL;
}

static const struct scenario forking = {"open", prepare_fork, run_first_call, 1, finish_fork};

START_TEST(the_first_call_after_a_fork) {
  ck_assert_uint_gt(refuse_each(&forking), 10);
}
END_TEST

/* ---- A pool ---- */

static int handle_key(workq *own, const workq_item *item, unsigned worker, void *arg) {
  (void)own;
  (void)item;
  (void)worker;
  (void)arg;
  shared->steps[1]++;
  return WORKQ_OK;
}

static void prepare_pool(void) {
  options.handles = 4;
  create();
  add("a");
  add("b");
  ok(workq_shutdown(q)); /* the workers end when both are done */
  shared->steps[1] = 0;
}

static const workq_pool pool = {.workers = 2, .restart_initial_ns = 1, .restart_max_ns = MS};

static int run_pool(void) {
  refusals_arm();
  return refusals_disarm(workq_run(q, &pool, handle_key));
}

/* Both keys were processed, or they are there as before; the signals are as before, too. */
static void finish_pool(int rc) {
  struct sigaction action;
  sigset_t mask;
  ck_assert_int_eq(sigaction(SIGCHLD, NULL, &action), 0);
  ck_assert(action.sa_handler == SIG_DFL);
  ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
  ck_assert(!sigismember(&mask, SIGCHLD) && !sigismember(&mask, SIGTERM) && !sigismember(&mask, SIGINT));
  ck_assert_uint_eq(stats().attached, 1);
  ck_assert_uint_eq(stats().processing, 0);
  if (rc == 0) ck_assert_int_ge(shared->steps[1], 2);
  else ck_assert_int_eq(shared->steps[1] + (int)stats().keys, 2);
  if (rc == 0) ck_assert_uint_eq(stats().keys, 0);
  ok(workq_resume(q));
  assert_usable(q);
  ok(workq_close(q));
  ok(workq_unlink(name));
  q = NULL;
}

static const struct scenario supervising = {"run", prepare_pool, run_pool, 0, finish_pool};

START_TEST(a_pools_supervisor) {
  ck_assert_uint_gt(refuse_each(&supervising), 10);
}
END_TEST

static const struct scenario working = {"run", prepare_pool, run_pool, 0, finish_pool};

START_TEST(a_pools_workers) {
  refusals->in_children = true;
  refusals->most = 3; /* each costs a worker */
  ck_assert_uint_gt(refuse_each(&working), 20);
}
END_TEST

static int drive_pool(void) {
  workq_supervisor *supervisor;
  refusals_arm();
  int result = workq_pool_start(q, &pool, handle_key, &supervisor);
  if (result < 0) return refusals_disarm(result);
  while (workq_pool_step(supervisor) == 1) {
    struct pollfd due = {.fd = workq_pool_fd(supervisor), .events = POLLIN};
    poll(&due, 1, -1);
  }
  return refusals_disarm(workq_pool_end(supervisor));
}

static const struct scenario driving = {"pool_start", prepare_pool, drive_pool, 0, finish_pool};

START_TEST(a_pool_in_the_callers_loop) {
  ck_assert_uint_gt(refuse_each(&driving), 10);
}
END_TEST

Suite *processes_suite(void) {
  Suite *suite = suite_create("processes");
  TCase *tcase = failures_case(suite, "each call in");
  tcase_add_test(tcase, the_first_call_after_a_fork);
  tcase_add_test(tcase, a_pools_supervisor);
  tcase_add_test(tcase, a_pools_workers);
  tcase_add_test(tcase, a_pool_in_the_callers_loop);
  return suite;
}
