/*
 * Delayed keys: adding them, making them ready when they are due, and what they cost keys that are not delayed.
 *
 * By the true clock, since reading it is a part of the cost: keys are delayed by longer than adding them all takes.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <unistd.h>

#include "steady.h"

const char *const bench_who = "workq";

enum { CYCLES = 100000 };

#define GUESS_NS 1500.0 /* what adding a key takes, at first */
#define HOUR_NS  INT64_C(3600000000000)

typedef struct delayed {
  workq *q;
  size_t count;
  bench_key *keys;
  double shortest_ns; /* delays are as long as this to twice as long */
} delayed;

static void strike(const bench_case *c, void *state) {
  delayed *d = state;
  (void)c;
  bench_close(d->q);
  free(d->keys);
  free(d);
}

/* Returns how long it took. */
static double add_all(delayed *d) {
  int64_t *delays = bench_alloc(d->count * sizeof *delays);
  uint64_t random = 1;
  for (size_t i = 0; i < d->count; i++)
    delays[i] = (int64_t)(d->shortest_ns * (1 + (double)bench_below(&random, 1u << 31) / (1u << 31)));
  double start_ns = bench_now_ns();
  for (size_t i = 0; i < d->count; i++)
    if (workq_add_after(d->q, d->keys[i].text, d->keys[i].len, delays[i]) != 1) bench_die("a key was there");
  double took_ns = bench_now_ns() - start_ns;
  free(delays);
  return took_ns;
}

static void sleep_ns(double ns) {
  usleep((useconds_t)(ns / 1e3) + 1);
}

/* Each call makes a block of what is due ready. */
static double promote_all(delayed *d) {
  double start_ns = bench_now_ns();
  while ((size_t)bench_ok(workq_len(d->q), "workq_len") < d->count) continue;
  return bench_now_ns() - start_ns;
}

/* Where a key came due while others were being added, the delays were too short; they are made longer. */
static double run(const bench_case *c, void *state, double *extra) {
  delayed *d = state;
  workq_stats_data stats;
  double count = (double)d->count;
  (void)c;
  for (;;) {
    double added_ns = add_all(d);
    bench_ok(workq_stats(d->q, &stats), "workq_stats");
    sleep_ns(d->shortest_ns * 2);
    double promoted_ns = promote_all(d);
    bench_drain(d->q);
    bool good = stats.delayed == d->count && added_ns < d->shortest_ns;
    d->shortest_ns = added_ns * (good ? 1.5 : 3);
    if (!good) continue;
    extra[0] = added_ns / count;
    extra[1] = promoted_ns / count;
    return (added_ns + promoted_ns) / count;
  }
}

/* The first time the queue grows. */
static void *set(const bench_case *c) {
  delayed *d = bench_alloc(sizeof *d);
  double extra[BENCH_EXTRAS];
  *d = (delayed){bench_queue(c->size, NULL), c->size, bench_keys(0, c->size), (double)c->size * GUESS_NS};
  run(c, d, extra);
  return d;
}

static const bench_extra extras[] = {{"add", NULL}, {"promote", NULL}, {0}};

/* ---- With delayed keys ---- */

static void *set_beside(const bench_case *c) {
  static const workq_add_options later = {.after_ns = HOUR_NS};
  steady *s = bench_alloc(sizeof *s);
  *s = (steady){.q = bench_queue(c->size + STEADY_NAMES, NULL), .made = c->size};
  bench_add_numbers(s->q, NULL, c->size, &later);
  return s;
}

static void strike_beside(const bench_case *c, void *state) {
  steady *s = state;
  (void)c;
  bench_close(s->q);
  free(s);
}

static double run_beside(const bench_case *c, void *state, double *extra) {
  (void)c;
  (void)extra;
  return steady_cycles(state, CYCLES);
}

#define NONE                                                                                                           \
  { 0 }
#define LOCK                                                                                                           \
  { "lock", floor_lock, 0 }

const bench_case bench_cases[] = {{"delay/10k", "ns",
                                   "add of so many keys with random delays, and their becoming ready, for each", NONE,
                                   10000, set, run, strike, extras},
                                  {"delay/100k", "ns", "the same", NONE, 100000, set, run, strike, extras},
                                  {"delay/1m", "ns", "the same", NONE, 1000000, set, run, strike, extras},
                                  {"cycle-delayed/1m", "ns", "add, get, done of one key while a million are delayed",
                                   LOCK, 1000000, set_beside, run_beside, strike_beside, NULL},
                                  {0}};
