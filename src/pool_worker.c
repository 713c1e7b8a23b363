/*
 * The worker's side of a pool; see pool.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "clock.h"
#include "pool.h"

/* A stop request that comes just before a worker falls asleep is noticed after this long. */
#define SLICE_NS (200 * NS_PER_MS)

/* In a worker process only. */
static volatile sig_atomic_t stop_requested;

static void request_stop(int signal) {
  (void)signal;
  stop_requested = 1;
}

int workq_pool_stopping(void) {
  return stop_requested != 0;
}

/* A key in flight must be finished, however long the lock is not available. */
static int finish(workq *q, const workq_item *item, int verdict) {
  for (;;) {
    int result;
    switch (verdict) {
    case WORKQ_OK:
      result = workq_complete(q, item);
      break;
    case WORKQ_GIVE_UP:
      result = workq_give_up(q, item);
      break;
    case WORKQ_RELEASE:
      result = workq_release(q, item);
      break;
    default:
      result = workq_retry(q, item);
      break;
    }
    if (result != -ETIMEDOUT) return result;
  }
}

/* Before each key: reserves one of max_keys.  Returns whether there is one left. */
static bool reserve(const struct workq_supervisor *pool, const struct pool_worker *worker) {
  uint64_t max = pool->options.max_keys;
  if (max == 0 || atomic_load(&worker->report->reserved) != 0) return true;
  uint64_t reserved = atomic_load(&pool->shared->reserved);
  do {
    if (reserved >= max) return false;
  } while (!atomic_compare_exchange_weak(&pool->shared->reserved, &reserved, reserved + 1));
  atomic_store(&worker->report->reserved, 1);
  return true;
}

/* Returns 0 or the error that ends the worker. */
static int work_on(const struct workq_supervisor *pool, const struct pool_worker *worker, const workq_item *item) {
  int verdict = pool->handler(pool->q, item, worker->number, pool->options.arg);
  int result = finish(pool->q, item, verdict);
  if (verdict != WORKQ_RELEASE) atomic_store(&worker->report->reserved, 0);
  if (pool->options.finished) pool->options.finished(pool->q, verdict, result, worker->number, pool->options.arg);
  return result < 0 && result != -ESTALE ? result : 0;
}

/* Returns the outcome. */
static int work(const struct workq_supervisor *pool, const struct pool_worker *worker) {
  const workq_pool *options = &pool->options;
  while (!stop_requested) {
    workq_item item;
    if (options->before_get && options->before_get(pool->q, worker->number, options->arg) != 0) return POOL_ENOUGH;
    if (stop_requested) break;
    if (!reserve(pool, worker)) return POOL_ENOUGH;
    int result = workq_get(pool->q, &item, SLICE_NS);
    if (result == -ETIMEDOUT || result == -EINTR) continue;
    if (result == -ESHUTDOWN) return POOL_DRAINED;
    if (result == 0) result = work_on(pool, worker, &item);
    if (result < 0) return result;
  }
  return POOL_TOLD;
}

/* All signals are still blocked here. */
static void take_signals(const struct workq_supervisor *pool) {
  struct sigaction action = {.sa_handler = request_stop}; /* no SA_RESTART: it ends a sleep */
  sigemptyset(&action.sa_mask);
  sigaction(SIGTERM, &action, NULL);
  action.sa_handler = SIG_IGN;
  sigaction(SIGINT, &action, NULL);
  if (pool->signal_fd >= 0) {
    if (sigismember(&pool->signals, SIGHUP) == 1) sigaction(SIGHUP, &action, NULL);
    sigaction(SIGCHLD, &pool->old_child_action, NULL);
  }

  /* The supervisor may have died before prctl() asked the kernel to report its death. */
  stop_requested = 0;
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != pool->supervisor) stop_requested = 1;

  sigset_t mask = pool->worker_mask;
  sigdelset(&mask, SIGTERM);
  pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

/* None of the first workers runs before all are started: if a fork fails, nothing has happened. */
static void wait_at_gate(const struct workq_supervisor *pool) {
  char byte;
  if (pool->gate[0] < 0) return;
  close(pool->gate[1]);
  while (read(pool->gate[0], &byte, 1) < 0 && errno == EINTR) continue;
  close(pool->gate[0]);
}

static void close_descriptors(const struct workq_supervisor *pool) {
  if (pool->signal_fd >= 0) close(pool->signal_fd);
  if (pool->timer_fd >= 0) close(pool->timer_fd);
  if (pool->poll_fd >= 0) close(pool->poll_fd);
  for (unsigned i = 0; i < pool->options.workers; i++)
    if (pool->workers[i].pid_fd >= 0) close(pool->workers[i].pid_fd);
}

static int run(const struct workq_supervisor *pool, const struct pool_worker *worker) {
  int attached = workq_len(pool->q);
  if (attached < 0) return attached;
  atomic_store(&worker->report->attached, 1);
  if (pool->options.worker_start && pool->options.worker_start(pool->q, worker->number, pool->options.arg) != 0)
    return POOL_DIED;
  return work(pool, worker);
}

_Noreturn void pool_worker_main(const struct workq_supervisor *pool, const struct pool_worker *worker) {
  close_descriptors(pool);
  wait_at_gate(pool);
  take_signals(pool);
  if (pool->options.after_fork) pool->options.after_fork(pool->options.arg, 0);
  int outcome = run(pool, worker);
  fflush(stdout);
  fflush(stderr);
  workq_close(pool->q);
  atomic_store(&worker->report->outcome, outcome);
  _exit(outcome > 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}
