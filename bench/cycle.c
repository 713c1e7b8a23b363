/*
 * One process alone: add, get and done of keys, at several depths of the queue.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "steady.h"

const char *const bench_who = "workq";

enum { CYCLES = 200000, BATCH = 32, KNOWN = 1024 };

/* ---- Cycles ---- */

static void *set(const bench_case *c) {
  return steady_open(c->size, false);
}

static void *set_unmeasured(const bench_case *c) {
  return steady_open(c->size, true);
}

static void strike(const bench_case *c, void *state) {
  (void)c;
  steady_close(state);
}

static double run(const bench_case *c, void *state, double *extra) {
  (void)c;
  (void)extra;
  return steady_cycles(state, CYCLES);
}

static double run_by_next(const bench_case *c, void *state, double *extra) {
  (void)c;
  (void)extra;
  return steady_cycles_by_next(state, CYCLES);
}

static double run_batches(const bench_case *c, void *state, double *extra) {
  (void)c;
  (void)extra;
  return steady_batches(state, CYCLES, BATCH);
}

/* ---- Adds of keys that are queued ---- */

typedef struct dedup {
  workq *q;
  bench_key *keys;
  size_t wrap; /* few keys are those of a small array, as in cycle/0 */
} dedup;

static void *set_dedup(const bench_case *c) {
  dedup *d = bench_alloc(sizeof *d);
  uint64_t random = 1;
  d->q = bench_queue(c->size, NULL);
  d->wrap = c->size == KNOWN ? KNOWN - 1 : SIZE_MAX;
  bench_fill(d->q, c->size);
  bench_key *all = bench_keys(0, c->size);
  d->keys = bench_alloc(CYCLES * sizeof *d->keys);
  for (int i = 0; i < CYCLES; i++) d->keys[i] = all[bench_below(&random, c->size)];
  free(all);
  return d;
}

static void strike_dedup(const bench_case *c, void *state) {
  dedup *d = state;
  (void)c;
  bench_close(d->q);
  free(d->keys);
  free(d);
}

static void add_known(void *arg, size_t first, size_t count) {
  const dedup *d = arg;
  for (size_t i = first; i < first + count; i++) {
    const bench_key *key = &d->keys[i & d->wrap];
    if (workq_add(d->q, key->text, key->len) != 0) bench_die("a queued key was added");
  }
}

static double run_dedup(const bench_case *c, void *state, double *extra) {
  (void)c;
  (void)extra;
  return bench_in_parts(add_known, state, CYCLES);
}

/* ---- A failure, then success ---- */

typedef struct failing {
  workq *q;
  bench_key *keys;
} failing;

static void *set_fail_once(const bench_case *c) {
  static const workq_options options = {.limiter = {.kinds = WORKQ_LIMIT_NONE}};
  failing *f = bench_alloc(sizeof *f);
  (void)c;
  *f = (failing){bench_queue(STEADY_NAMES, &options), bench_keys(0, STEADY_NAMES)};
  return f;
}

static void strike_fail_once(const bench_case *c, void *state) {
  failing *f = state;
  (void)c;
  bench_close(f->q);
  free(f->keys);
  free(f);
}

static void fail_once(void *arg, size_t first, size_t count) {
  const failing *f = arg;
  workq *q = f->q;
  workq_item item;
  for (size_t i = first; i < first + count; i++) {
    const bench_key *key = &f->keys[i % STEADY_NAMES];
    if (workq_add(q, key->text, key->len) != 1 || workq_get(q, &item, 0) != 0 || workq_retry(q, &item) != 1 ||
        workq_get(q, &item, 0) != 0 || workq_complete(q, &item) != 0)
      bench_die("a failure failed");
  }
}

static double run_fail_once(const bench_case *c, void *state, double *extra) {
  (void)c;
  (void)extra;
  return bench_in_parts(fail_once, state, CYCLES);
}

#define LOCK                                                                                                           \
  { "lock", floor_lock, 0 }
#define LOAD(keys)                                                                                                     \
  { "load", floor_load, STEADY_FOOTPRINT(keys) }

enum { K100 = 100000, M1 = 1000000, M10 = 10000000 };

const bench_case bench_cases[] = {
    {"cycle/0", "ns", "add, get, done of one key in an empty queue", LOCK, 0, set, run, strike, NULL},
    {"cycle/100k", "ns", "the same while so many stay queued", LOAD(K100), K100, set, run, strike, NULL},
    {"cycle/1m", "ns", "the same", LOAD(M1), M1, set, run, strike, NULL},
    {"cycle/10m", "ns", "the same", LOAD(M10), M10, set, run, strike, NULL},
    {"cycle-unmeasured/0", "ns", "add, get, done where no times are measured", LOCK, 0, set_unmeasured, run, strike,
     NULL},
    {"cycle-unmeasured/1m", "ns", "the same", LOAD(M1), M1, set_unmeasured, run, strike, NULL},
    {"cycle-next/0", "ns", "add, then done and the next get in one call", LOCK, 0, set, run_by_next, strike, NULL},
    {"cycle-next/1m", "ns", "the same", LOAD(M1), M1, set, run_by_next, strike, NULL},
    {"cycle-batch/0", "ns", "add, get, done of 32 keys at a time, for each", LOCK, 0, set, run_batches, strike, NULL},
    {"cycle-batch/100k", "ns", "the same", LOAD(K100), K100, set, run_batches, strike, NULL},
    {"cycle-batch/1m", "ns", "the same", LOAD(M1), M1, set, run_batches, strike, NULL},
    {"cycle-batch/10m", "ns", "the same", LOAD(M10), M10, set, run_batches, strike, NULL},
    {"dedup", "ns", "add of one of 1,024 keys, which all are queued", LOCK, KNOWN, set_dedup, run_dedup, strike_dedup,
     NULL},
    {"dedup/1m", "ns", "add of one of a million keys, which all are queued", LOAD(M1), M1, set_dedup, run_dedup,
     strike_dedup, NULL},
    {"fail-once", "ns", "add, get, retry, get, complete, without a delay", LOCK, 0, set_fail_once, run_fail_once,
     strike_fail_once, NULL},
    {0}};
