/*
 * How long the death of a process is felt: inside the lock by the next caller, by a key that the dead one processed.
 *
 * Links the library's inner parts: a victim must be known to be in the middle of a transaction when it is killed.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "queue.h"
#include "shm/lock.h"
#include "shm/state.h"

const char *const bench_who = "workq";

enum { DEATHS = 15, SUPERVISED = 20, UNSUPERVISED = 6, WORKERS = 3, SPARE = 16 };

#define US 1e3

static void die_now(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* The child's end by SIGKILL is what was wanted. */
static void bury(int pid) {
  int status;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) bench_die("waitpid: %s", strerror(errno));
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) bench_die("a victim ended with status %d", status);
}

static void await_flag(const atomic_int *flag) {
  while (!atomic_load(flag)) usleep(20);
}

/* ---- Death inside the lock ---- */

typedef struct victim {
  workq *q;
  atomic_int ready;
} victim;

/* A process inside the lock does not sleep there. */
static void run_on(victim *v) {
  atomic_store(&v->ready, 1);
  for (;;) cpu_relax();
}

/* A get that has changed everything and committed nothing. */
static void stay_inside(void *arg) {
  victim *v = arg;
  workq *q = v->q;
  uint32_t index = 0;
  if (workq_len(q) <= 0 || lock_acquire(q, CLOCK_NEVER) != 0 || ready_first(q, &index) != 0)
    bench_die("the victim has no lock");
  struct item *item = item_at(q, index);
  journal_begin_item(q, item);
  if (state_start_run(q, index, item) != 0) bench_die("the victim has no key");
  run_on(v);
}

static void stay_outside(void *arg) {
  run_on(arg);
}

static void *set_recover(const bench_case *c) {
  victim *v = bench_share(sizeof *v);
  v->q = bench_queue(c->size + SPARE, NULL);
  bench_fill(v->q, c->size);
  return v;
}

static void strike_recover(const bench_case *c, void *state) {
  victim *v = state;
  (void)c;
  workq_close(v->q);
}

static int start_victim(victim *v, void (*run)(void *arg)) {
  atomic_store(&v->ready, 0);
  int pid = bench_fork(run, v);
  await_flag(&v->ready);
  return pid;
}

static workq_stats_data stats_of(workq *q) {
  workq_stats_data stats;
  bench_ok(workq_stats(q, &stats), "workq_stats");
  return stats;
}

/* From the kill, or (dead) from when the victim is known to be dead, until an add has succeeded; ns. */
static double recover_once(const bench_case *c, victim *v, bool dead) {
  static const char key[] = "after the death";
  siginfo_t info;
  uint64_t recoveries = stats_of(v->q).recoveries;
  int pid = start_victim(v, stay_inside);
  double start_ns = bench_now_ns();
  kill(pid, SIGKILL);
  if (dead) {
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    start_ns = bench_now_ns();
  }
  int rc = workq_add(v->q, key, sizeof key);
  double took_ns = bench_now_ns() - start_ns;
  bury(pid);
  workq_stats_data stats = stats_of(v->q);
  if (rc != 1 || stats.recoveries != recoveries + 1 || stats.ready != c->size + 1)
    bench_die("no recovery: the victim was not in a transaction");
  bench_ok(workq_remove(v->q, key, sizeof key), "workq_remove");
  bench_ok(workq_reap(v->q), "workq_reap");
  return took_ns;
}

/* What the kernel needs for the death of a process that has nothing; ns. */
static double die_once(victim *v) {
  siginfo_t info;
  int pid = start_victim(v, stay_outside);
  double start_ns = bench_now_ns();
  kill(pid, SIGKILL);
  waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
  double took_ns = bench_now_ns() - start_ns;
  bury(pid);
  return took_ns;
}

static double run_recover(const bench_case *c, void *state, double *extra) {
  double whole[DEATHS], repair[DEATHS], kernel[DEATHS];
  for (int i = 0; i < DEATHS; i++) {
    whole[i] = recover_once(c, state, false);
    repair[i] = recover_once(c, state, true);
    kernel[i] = die_once(state);
  }
  extra[0] = bench_quantile(repair, DEATHS, 0.5) / US;
  extra[1] = bench_quantile(kernel, DEATHS, 0.5) / US;
  return bench_quantile(whole, DEATHS, 0.5) / US;
}

static const bench_extra recover_extras[] = {{"repair", NULL}, {"kernel", NULL}, {0}};

/* ---- Death while a key is processed ---- */

typedef struct claim {
  workq *q;
  double died_ns; /* written by the victim just before */
  double got_ns;
  atomic_int got;
  int pids[WORKERS];
} claim;

/* The first worker that has the key dies of it. */
static int handle(workq *q, const workq_item *item, unsigned worker, void *arg) {
  claim *cl = arg;
  double now_ns = bench_now_ns();
  (void)q;
  (void)worker;
  if (item->crashes == 0) {
    cl->died_ns = now_ns;
    die_now();
  }
  cl->got_ns = now_ns;
  atomic_store(&cl->got, 1);
  return WORKQ_OK;
}

static void supervise(void *arg) {
  claim *cl = arg;
  workq_pool pool = {.workers = WORKERS, .restart_initial_ns = 1000000, .restart_max_ns = 1000000, .arg = arg};
  if (workq_run(cl->q, &pool, handle) != 0) bench_die("workq_run failed");
}

static void work(void *arg) {
  claim *cl = arg;
  workq_item item;
  while (workq_get(cl->q, &item, WORKQ_FOREVER) == 0) {
    handle(cl->q, &item, 0, arg);
    workq_complete(cl->q, &item);
  }
}

static void *set_reclaim(const bench_case *c) {
  static const workq_options options = {.limiter = {.kinds = WORKQ_LIMIT_NONE}, .max_crashes = WORKQ_NEVER};
  claim *cl = bench_share(sizeof *cl);
  (void)c;
  cl->q = bench_queue(SPARE, &options);
  return cl;
}

static void strike_reclaim(const bench_case *c, void *state) {
  claim *cl = state;
  (void)c;
  workq_close(cl->q);
}

/* One key, when all workers are waiting: ns from the first's death until another has it. */
static double reclaim_once(claim *cl) {
  atomic_store(&cl->got, 0);
  while (stats_of(cl->q).waiting < WORKERS) usleep(200);
  bench_ok(workq_add(cl->q, "key", 3), "workq_add");
  await_flag(&cl->got);
  return cl->got_ns - cl->died_ns;
}

static double run_supervised(const bench_case *c, void *state, double *extra) {
  claim *cl = state;
  double times[SUPERVISED];
  (void)c;
  int pid = bench_fork(supervise, cl);
  for (int i = 0; i < SUPERVISED; i++) times[i] = reclaim_once(cl);
  bench_ok(workq_shutdown(cl->q), "workq_shutdown");
  bench_join(pid);
  bench_ok(workq_resume(cl->q), "workq_resume");
  extra[0] = bench_quantile(times, SUPERVISED, 1) / US;
  return bench_quantile(times, SUPERVISED, 0.5) / US;
}

/* Whichever worker it was that died gives its place to another. */
static void replace_dead(claim *cl) {
  int status, pid = waitpid(-1, &status, 0);
  for (int i = 0; i < WORKERS; i++)
    if (cl->pids[i] == pid) cl->pids[i] = bench_fork(work, cl);
}

static double run_unsupervised(const bench_case *c, void *state, double *extra) {
  claim *cl = state;
  double times[UNSUPERVISED];
  (void)c;
  for (int i = 0; i < WORKERS; i++) cl->pids[i] = bench_fork(work, cl);
  for (int i = 0; i < UNSUPERVISED; i++) {
    /* At any point of the interval in which live handles check for dead ones. */
    usleep((useconds_t)(100000 * i / UNSUPERVISED));
    times[i] = reclaim_once(cl);
    replace_dead(cl);
  }
  bench_ok(workq_shutdown(cl->q), "workq_shutdown");
  for (int i = 0; i < WORKERS; i++) bench_join(cl->pids[i]);
  bench_ok(workq_resume(cl->q), "workq_resume");
  extra[0] = bench_quantile(times, UNSUPERVISED, 0.5) / US;
  return bench_quantile(times, UNSUPERVISED, 1) / US;
}

static const bench_extra supervised_extras[] = {{"most", NULL}, {0}};
static const bench_extra unsupervised_extras[] = {{"median", NULL}, {0}};

#define NONE                                                                                                           \
  { 0 }
#define RECOVER(text, what, keys)                                                                                      \
  { "recover/" text, "us", what, NONE, keys, set_recover, run_recover, strike_recover, recover_extras }

const bench_case bench_cases[] = {
    RECOVER("10", "kill of a process inside the lock until an add of another has succeeded, 10 keys queued", 10),
    RECOVER("1m", "the same, a million keys", 1000000),
    RECOVER("10m", "the same, ten million keys", 10000000),
    {"reclaim/supervised", "us", "death of a worker of workq_run until another has its key", NONE, 0, set_reclaim,
     run_supervised, strike_reclaim, supervised_extras},
    {"reclaim/unsupervised", "us", "the longest of the same without a supervisor, reap_interval being 100 ms", NONE, 0,
     set_reclaim, run_unsupervised, strike_reclaim, unsupervised_extras},
    {0}};
