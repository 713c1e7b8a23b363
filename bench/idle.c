/*
 * What workers cost that have nothing to do.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "crew.h"
#include "preempt.h"
#include "queue.h"

const char *const bench_who = "workq";

enum { WORKERS = 64, MOMENT_NS = 10000000 };

static const struct timespec round_time = {.tv_sec = 1};

typedef struct idle {
  workq *q;
  bench_crew *crew;
  int fds[WORKERS];
} idle;

static void sleep_for_ever(bench_crew *crew, void *arg, unsigned number) {
  const idle *s = arg;
  workq_item item;
  (void)crew;
  (void)number;
  bench_ok(workq_get(s->q, &item, WORKQ_FOREVER), "workq_get");
}

static void *set(const bench_case *c) {
  const struct timespec moment = {.tv_nsec = MOMENT_NS};
  idle *s = bench_alloc(sizeof *s);
  workq_stats_data stats;
  (void)c;
  s->q = bench_queue(0, NULL);
  s->crew = bench_crew_start(WORKERS, sleep_for_ever, s);
  for (unsigned i = 0; i < WORKERS; i++) s->fds[i] = preempt_open(bench_crew_pid(s->crew, i));
  do {
    nanosleep(&moment, NULL);
    bench_ok(workq_stats(s->q, &stats), "workq_stats");
  } while (stats.waiting < WORKERS);
  return s;
}

static preempt_times read_all(const idle *s) {
  preempt_times sum = {0};
  for (unsigned i = 0; i < WORKERS; i++) {
    preempt_times one = preempt_read(s->fds[i]);
    sum.ran_ns += one.ran_ns;
    sum.runs += one.runs;
  }
  return sum;
}

static double run(const bench_case *c, void *state, double *extra) {
  const idle *s = state;
  (void)c;
  preempt_times before = read_all(s);
  double start_ns = bench_now_ns();
  nanosleep(&round_time, NULL);
  preempt_times after = read_all(s);
  double took_ns = bench_now_ns() - start_ns;
  extra[0] = (double)(after.runs - before.runs) / took_ns * 1e9;
  return (double)(after.ran_ns - before.ran_ns) / took_ns * 100;
}

static void strike(const bench_case *c, void *state) {
  idle *s = state;
  (void)c;
  bench_crew_kill(s->crew);
  for (unsigned i = 0; i < WORKERS; i++) close(s->fds[i]);
  bench_close(s->q);
  free(s);
}

static const bench_extra extras[] = {{"wakes", "/s"}, {0}};

const bench_case bench_cases[] = {
    {"idle", "%", "of a processor, for 64 workers asleep on one queue", {0}, 0, set, run, strike, extras}, {0}};
