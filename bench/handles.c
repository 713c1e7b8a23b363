/*
 * What very many handles of one queue cost: how long the lock is held to look for the dead among them, and what a thousand
 * getters take that have nothing to do.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "queue.h"

const char *const bench_who = "workq";

enum {
  HANDLES = WORKQ_HANDLES_MAX,
  CROWD = 4000,
  GETTERS = 1000,
  OWN_FDS = 64,
  LOOKS = 200,
  STACK = 65536,
  NAME_SIZE = 64
};

static const struct timespec moment = {.tv_nsec = 10000000}, round_time = {.tv_sec = 2};

#define HOUR_NS (3600 * INT64_C(1000000000))

typedef struct state {
  workq *q;
  int64_t now_ns; /* of its clock, if that jumps */
  int pid;        /* the crowd's */
  unsigned count;
  char name[NAME_SIZE];
} state;

/* ---- The crowd ---- */

static workq *open_one(const state *s) {
  workq *handle;
  bench_ok(workq_open(s->name, NULL, &handle), "workq_open");
  return handle;
}

/* Opens them all; the first processes a key, so that others check for dead owners. */
static void stand_still(void *arg) {
  const state *s = arg;
  workq_item item;
  for (unsigned i = 0; i < s->count; i++) {
    workq *handle = open_one(s);
    if (i == 0) bench_ok(workq_get(handle, &item, 0), "workq_get");
  }
  for (;;) pause();
}

static void *get_for_ever(void *arg) {
  workq_item item;
  bench_ok(workq_get(open_one(arg), &item, WORKQ_FOREVER), "workq_get");
  return NULL;
}

static void start_getters(void *arg) {
  const state *s = arg;
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, STACK);
  for (unsigned i = 0; i < s->count; i++) {
    pthread_t thread;
    int rc = pthread_create(&thread, &attr, get_for_ever, arg);
    if (rc != 0) bench_die("pthread_create: %s", strerror(rc));
  }
  for (;;) pause();
}

static void need_descriptors(unsigned count) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) bench_die("getrlimit: %s", strerror(errno));
  files.rlim_cur = count + OWN_FDS;
  if (files.rlim_max < files.rlim_cur) files.rlim_max = files.rlim_cur;
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) bench_skip("%u descriptors are not available", count + OWN_FDS);
}

/* Goes on by an hour whenever it is read: the last check is always long ago. */
static int64_t clock_that_jumps(void *now_ns) {
  return *(int64_t *)now_ns += HOUR_NS;
}

static state *start(unsigned count, void (*run)(void *arg)) {
  workq_stats_data stats;
  state *s = bench_alloc(sizeof *s);
  need_descriptors(count);
  s->count = count;
  s->now_ns = (int64_t)bench_now_ns();
  workq_options options = {
      .handles = HANDLES, .clock = run == stand_still ? clock_that_jumps : NULL, .clock_arg = &s->now_ns};
  s->q = bench_queue_named(0, &options, s->name, sizeof s->name);
  if (run == stand_still) bench_fill(s->q, 1);
  s->pid = bench_fork(run, s);
  do {
    nanosleep(&moment, NULL);
    if (waitpid(s->pid, NULL, WNOHANG) != 0) bench_die("the crowd has ended");
    bench_ok(workq_stats(s->q, &stats), "workq_stats");
  } while (stats.attached < count + 1 || (run == start_getters && stats.waiting < count));
  bench_ok(workq_unlink(s->name), "workq_unlink");
  return s;
}

static void strike(const bench_case *c, void *arg) {
  state *s = arg;
  (void)c;
  kill(s->pid, SIGKILL);
  while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR) continue;
  workq_close(s->q);
  free(s);
}

/* ---- A check for dead owners ---- */

static void *set_look(const bench_case *c) {
  (void)c;
  return start(CROWD, stand_still);
}

/* Each get looks for the dead, and is as long as its hold of the lock.  Those in which the processor was taken away are few. */
static double run_look(const bench_case *c, void *arg, double *extra) {
  static double took_ns[LOOKS];
  state *s = arg;
  (void)c;
  for (int i = 0; i < LOOKS; i++) {
    workq_item item;
    double start_ns = bench_now_ns();
    int rc = workq_get(s->q, &item, 0);
    took_ns[i] = bench_now_ns() - start_ns;
    if (rc != -ETIMEDOUT) bench_die("there was a key, or %s", workq_strerror(rc));
  }
  extra[0] = bench_quantile(took_ns, LOOKS, 0.9) * 1e-3;
  return bench_quantile(took_ns, LOOKS, 0.5) * 1e-3;
}

/* ---- Getters with nothing to do ---- */

static void *set_idle(const bench_case *c) {
  (void)c;
  return start(GETTERS, start_getters);
}

static double cpu_ns(const state *s) {
  clockid_t clock;
  struct timespec time;
  if (clock_getcpuclockid(s->pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
    bench_die("the processor time of process %d", s->pid);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static double run_idle(const bench_case *c, void *arg, double *extra) {
  const state *s = arg;
  (void)c;
  (void)extra;
  double before_ns = cpu_ns(s), start_ns = bench_now_ns();
  nanosleep(&round_time, NULL);
  double ran_ns = cpu_ns(s) - before_ns;
  return ran_ns / (bench_now_ns() - start_ns) * 100;
}

static const bench_extra looks[] = {{"p90", NULL}, {0}};

const bench_case bench_cases[] = {{"handles-look",
                                   "us",
                                   "a check for dead owners, under the lock, with 4,000 handles",
                                   {0},
                                   0,
                                   set_look,
                                   run_look,
                                   strike,
                                   looks},
                                  {"handles-idle",
                                   "%",
                                   "of a processor, for 1,000 getters asleep on one queue",
                                   {0},
                                   0,
                                   set_idle,
                                   run_idle,
                                   strike,
                                   NULL},
                                  {0}};
