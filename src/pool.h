/*
 * A pool of worker processes: what its files share.
 *
 * Which process does what, and which signal is whose:
 *
 *   supervisor  The caller's thread.  Forks the workers, waits for these children only, reaps their
 *               handles when they die, and starts others.  It works in steps (pool.c): the caller
 *               polls one descriptor and takes a step when that is readable, or workq_run()
 *               (pool_run.c) does both until the end.  workq_run() reads SIGINT, SIGTERM and SIGHUP
 *               from a signalfd, those that the caller had not ignored (SIGHUP: nor handled); a
 *               caller with a loop of its own keeps all signals, and calls workq_pool_stop().
 *   worker      A forked process with a handle of its own (pool_worker.c): asks for a key, calls the
 *               handler, finishes the key.  SIGTERM, from the supervisor, from the kernel when the
 *               supervisor has died, or from anyone, ends it after the key in flight.  SIGINT is
 *               ignored: a terminal sends it to the whole group, and it is the supervisor's.
 *               So is SIGHUP where workq_run() has it.
 *
 * A worker reports how it ended in a few bytes that it shares with the supervisor, so that a
 * handler that calls exit() or abort() is distinguished from a worker that ended on request.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_POOL_H
#define WORKQ_POOL_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "workq.h"

/* How a worker ended; a negative value is the error that ended it. */
enum { POOL_DIED = 0, POOL_TOLD = 1, POOL_DRAINED = 2, POOL_ENOUGH = 3 };

/* Shared with the worker.  Written by it, reset by the supervisor while it does not run. */
struct pool_report {
  atomic_int outcome;
  atomic_int attached; /* this worker had a slot before: there are enough for all */
  atomic_int reserved; /* one of max_keys is this worker's; a worker that replaces it inherits it */
};

/* Shared with all workers. */
struct pool_shared {
  _Atomic uint64_t reserved; /* of max_keys */
  struct pool_report reports[];
};

struct pool_worker {
  pid_t pid;  /* 0: not running */
  int pid_fd; /* -1: there is none */
  unsigned number;
  unsigned crashes; /* in a row */
  bool drained;     /* has ended because the queue is shut down and nothing is ready */
  int64_t started_ns;
  int64_t start_at_ns; /* while it does not run: when to start it; CLOCK_NEVER: not */
  struct pool_report *report;
};

enum pool_phase { POOL_RUN, POOL_FINISH, POOL_KILL };

struct workq_supervisor {
  workq *q;
  workq_pool options; /* defaults filled in */
  workq_handler handler;
  struct pool_worker *workers;
  struct pool_shared *shared;
  enum pool_phase phase;
  int error;   /* what ended it, or 0 */
  int gate[2]; /* start barrier: a pipe whose closing releases the first workers; -1 afterwards */
  pid_t supervisor;
  sigset_t worker_mask; /* of the workers, but for SIGTERM */

  /* A caller's own loop polls one descriptor, which is readable when a step is due; -1 otherwise. */
  int poll_fd;  /* epoll, of the timer and of the workers' pidfds */
  int timer_fd; /* readable at the latest time of the next step */

  /* workq_run() only; else signal_fd is -1. */
  int signal_fd;
  sigset_t signals; /* what is read from signal_fd */
  struct sigaction old_child_action;
};

/* pool.c */

/* Fills in a pool that has no workers yet.  0 or an error; then nothing is to be undone. */
int pool_prepare(struct workq_supervisor *pool, workq *q, const workq_pool *options, size_t size,
                 workq_handler handler);
/* Starts the workers; what fails is in pool->error, and ends it. */
void pool_start_workers(struct workq_supervisor *pool);
/* Does what is due.  Returns how many workers run or wait for their start. */
unsigned pool_step(struct workq_supervisor *pool);
/* How long until the next step is due without an event, ns. */
int64_t pool_next_step_ns(const struct workq_supervisor *pool);
/* No worker is started from now on; the running ones finish their key (or not, in POOL_KILL). */
void pool_enter_phase(struct workq_supervisor *pool, enum pool_phase phase);
void pool_release(struct workq_supervisor *pool);

/* pool_worker.c */

/* Does not run the caller's atexit functions, nor write its buffers. */
_Noreturn void pool_worker_main(const struct workq_supervisor *pool, const struct pool_worker *worker);

#endif
