/*
 * How the cost of a cycle grows: with the queue's depth, the batch, the key's length, the number of queues and of handles.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "steady.h"

const char *const bench_who = "workq";

enum { CYCLES = 50000, BATCH_DEPTH = 100000, KEYS = 256, KEY_MIN = 64, NAME_SIZE = 64, FILES_SPARE = 64 };

/* ---- Depths and batches ---- */

static void *set_depth(const bench_case *c) {
  return steady_open(c->size, false);
}

static void *set_batch(const bench_case *c) {
  (void)c;
  return steady_open(BATCH_DEPTH, false);
}

static void strike_steady(const bench_case *c, void *state) {
  (void)c;
  steady_close(state);
}

static double run_depth(const bench_case *c, void *state, double *extra) {
  (void)c;
  (void)extra;
  return steady_cycles(state, CYCLES);
}

static double run_batch(const bench_case *c, void *state, double *extra) {
  (void)extra;
  return steady_batches(state, CYCLES, c->size);
}

/* ---- Keys of several lengths ---- */

typedef struct sized {
  workq *q;
  char *keys; /* KEYS of them */
  size_t len;
} sized;

static void *set_key(const bench_case *c) {
  workq_options options = {.key_max = (uint32_t)(c->size < KEY_MIN ? KEY_MIN : c->size)};
  sized *s = bench_alloc(sizeof *s);
  *s = (sized){bench_queue(KEYS, &options), bench_alloc(KEYS * c->size), c->size};
  for (int i = 0; i < KEYS; i++) memset(s->keys + (size_t)i * c->size, i, c->size);
  return s;
}

static void strike_key(const bench_case *c, void *state) {
  sized *s = state;
  (void)c;
  bench_close(s->q);
  free(s->keys);
  free(s);
}

static void cycle(workq *q, const void *key, size_t len) {
  workq_item item;
  if (workq_add(q, key, len) != 1 || workq_get(q, &item, 0) != 0 || workq_done(q, &item) != 0)
    bench_die("a cycle failed");
}

static void cycle_sized(void *arg, size_t first, size_t count) {
  const sized *s = arg;
  for (size_t i = first; i < first + count; i++) cycle(s->q, s->keys + i % KEYS * s->len, s->len);
}

static double run_key(const bench_case *c, void *state, double *extra) {
  (void)c;
  (void)extra;
  return bench_in_parts(cycle_sized, state, CYCLES);
}

/* ---- Many queues, and many handles on one ---- */

typedef struct many {
  workq **q;
  bench_key *keys;
  size_t count;
} many;

/* Each handle has a descriptor. */
static void allow_files(size_t count) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) bench_die("getrlimit failed");
  rlim_t wanted = count + FILES_SPARE;
  if (limit.rlim_cur >= wanted) return;
  if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < wanted) bench_skip("no %zu descriptors are allowed", count);
  limit.rlim_cur = wanted;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) bench_die("setrlimit failed");
}

static many *set_many(const bench_case *c) {
  many *m = bench_alloc(sizeof *m);
  *m = (many){bench_alloc(c->size * sizeof(workq *)), bench_keys(0, STEADY_NAMES), c->size};
  allow_files(c->size);
  return m;
}

static void *set_queues(const bench_case *c) {
  static const workq_options options = {0};
  many *m = set_many(c);
  for (size_t i = 0; i < c->size; i++) m->q[i] = bench_queue(0, &options);
  return m;
}

static void *set_handles(const bench_case *c) {
  char name[NAME_SIZE];
  int rc = 0;
  many *m = set_many(c);
  m->q[0] = bench_queue_named(0, NULL, name, sizeof name);
  for (size_t i = 1; i < c->size && rc == 0; i++) rc = workq_open(name, NULL, &m->q[i]);
  bench_ok(rc, "workq_open");
  return m;
}

static void strike_many(const bench_case *c, void *state) {
  many *m = state;
  for (size_t i = 0; i < c->size; i++) bench_close(m->q[i]);
  free(m->q);
  free(m->keys);
  free(m);
}

/* Each in turn. */
static void cycle_many(void *arg, size_t first, size_t count) {
  const many *m = arg;
  for (size_t i = first; i < first + count; i++) {
    const bench_key *key = &m->keys[i % STEADY_NAMES];
    cycle(m->q[i % m->count], key->text, key->len);
  }
}

static double run_many(const bench_case *c, void *state, double *extra) {
  (void)c;
  (void)extra;
  return bench_in_parts(cycle_many, state, CYCLES);
}

#define LOCK                                                                                                           \
  { "lock", floor_lock, 0 }
#define DEPTH(text, keys)                                                                                              \
  {                                                                                                                    \
    "depth/" text, "ns", "add, get, done of one key while so many stay queued",                                        \
        {"load", floor_load, STEADY_FOOTPRINT(keys)}, keys, set_depth, run_depth, strike_steady, NULL                  \
  }
#define BATCH(keys)                                                                                                    \
  {                                                                                                                    \
    "batch/" #keys, "ns", "add, get, done of so many keys at a time while 100,000 stay queued, for each",              \
        {"load", floor_load, STEADY_FOOTPRINT(BATCH_DEPTH)}, keys, set_batch, run_batch, strike_steady, NULL           \
  }
#define KEY(text, bytes)                                                                                               \
  { "key/" text, "ns", "add, get, done of a key of so many bytes", LOCK, bytes, set_key, run_key, strike_key, NULL }
#define QUEUES(count)                                                                                                  \
  {                                                                                                                    \
    "queues/" #count, "ns", "add, get, done on so many queues in turn", LOCK, count, set_queues, run_many,             \
        strike_many, NULL                                                                                              \
  }
#define HANDLES(count)                                                                                                 \
  {                                                                                                                    \
    "handles/" #count, "ns", "the same by so many handles of one queue in turn", LOCK, count, set_handles, run_many,   \
        strike_many, NULL                                                                                              \
  }

const bench_case bench_cases[] = {DEPTH("1k", 1000),
                                  DEPTH("3k", 3000),
                                  DEPTH("10k", 10000),
                                  DEPTH("30k", 30000),
                                  DEPTH("100k", 100000),
                                  DEPTH("300k", 300000),
                                  DEPTH("1m", 1000000),
                                  DEPTH("3m", 3000000),
                                  BATCH(1),
                                  BATCH(4),
                                  BATCH(16),
                                  BATCH(64),
                                  BATCH(256),
                                  BATCH(1024),
                                  KEY("1", 1),
                                  KEY("16", 16),
                                  KEY("64", 64),
                                  KEY("256", 256),
                                  KEY("1k", 1024),
                                  KEY("4k", 4096),
                                  QUEUES(1),
                                  QUEUES(10),
                                  QUEUES(100),
                                  QUEUES(1000),
                                  HANDLES(1),
                                  HANDLES(8),
                                  HANDLES(32),
                                  HANDLES(128),
                                  {0}};
