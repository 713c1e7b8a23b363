/*
 * One process alone: add, get and done of keys, at several depths of the queue.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "queue.h"

const char *const bench_who = "workq";

enum { NAMES = 1024, CYCLES = 200000 };

typedef struct cycle {
  workq *q;
  bench_key *keys;
  size_t next;
} cycle;

/* Deep queues are kept so: each key goes in at the end and comes out at the front. */
static void *set_up(const bench_case *c, const workq_options *options) {
  cycle *s = bench_alloc(sizeof *s);
  s->q = bench_queue(c->size + NAMES, options);
  bench_fill(s->q, c->size);
  s->keys = bench_keys(c->size, NAMES);
  return s;
}

static void *set(const bench_case *c) {
  return set_up(c, NULL);
}

static void *set_unmeasured(const bench_case *c) {
  static const workq_options options = {.no_metrics = 1};
  return set_up(c, &options);
}

static void strike(const bench_case *c, void *state) {
  cycle *s = state;
  (void)c;
  workq_close(s->q);
  free(s->keys);
  free(s);
}

static double run(const bench_case *c, void *state, double *extra) {
  (void)c;
  cycle *s = state;
  workq_item item;
  (void)extra;
  double start_ns = bench_now_ns();
  for (int i = 0; i < CYCLES; i++) {
    const bench_key *key = &s->keys[s->next++ % NAMES];
    if (workq_add(s->q, key->text, key->len) != 1 || workq_get(s->q, &item, 0) != 0 || workq_done(s->q, &item) != 0)
      bench_die("a cycle failed");
  }
  return (bench_now_ns() - start_ns) / CYCLES;
}

#define LOCK                                                                                                           \
  { "lock", floor_lock, 0 }

const bench_case bench_cases[] = {
    {"cycle/0", "ns", "add, get, done of one key in an empty queue", LOCK, 0, set, run, strike, NULL},
    {"cycle-unmeasured/0", "ns", "the same where no times are measured", LOCK, 0, set_unmeasured, run, strike, NULL},
    {0}};
