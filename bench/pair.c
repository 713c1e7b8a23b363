/*
 * Processes that add and processes that get, at the same time.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "crew.h"
#include "queue.h"

const char *const bench_who = "workq";

enum { KEYS = 200000, CYCLES = 192000, CHUNK = 64, BATCH = 32, PARTIES_MAX = 16, NAMES = 1024, LINE = 64 };

/* What a process has done. */
typedef struct party {
  _Alignas(LINE) double start_ns;
  double end_ns;
  uint32_t served; /* keys */
} party;

typedef struct score {
  _Alignas(LINE) _Atomic uint32_t begun; /* keys or cycles that somebody has taken on */
  _Alignas(LINE) _Atomic uint32_t producing;
  party parties[PARTIES_MAX];
} score;

/* How keys go through a consumer: get and done of one, workq_next, or batches (of adds, too). */
typedef enum way { SINGLY, BY_NEXT, BATCHED } way;

typedef struct fan {
  unsigned producers, consumers;
  way way;
  bool bound; /* each to a processor of its own */
} fan;

static const fan fans[] = {{1, 1, SINGLY, true},   {1, 1, BATCHED, true},  {1, 1, SINGLY, false},
                           {2, 2, SINGLY, false},  {4, 4, SINGLY, false},  {8, 8, SINGLY, false},
                           {1, 15, SINGLY, false}, {15, 1, SINGLY, false}, {1, 1, BY_NEXT, true}};

static workq *queue; /* for all cases, so that its memory is taken once */
static workq_key *keys;

/* One chunk of the work; false where none is left. */
static bool take_on(score *s, uint32_t all, uint32_t *first) {
  *first = atomic_fetch_add(&s->begun, CHUNK);
  return *first < all;
}

/* The whole by the time from the first start to the last end. */
static double took_ns(const score *s, unsigned parties) {
  double start_ns = BENCH_NEVER, end_ns = 0;
  for (unsigned i = 0; i < parties; i++) {
    if (s->parties[i].start_ns < start_ns) start_ns = s->parties[i].start_ns;
    if (s->parties[i].end_ns > end_ns) end_ns = s->parties[i].end_ns;
  }
  return end_ns - start_ns;
}

/* ---- Producers and consumers ---- */

typedef struct play {
  const fan *f;
  score *s;
} play;

static void produce(score *s, party *me, bool batched) {
  for (uint32_t first; take_on(s, KEYS, &first);) {
    if (!batched) {
      for (uint32_t i = first; i < first + CHUNK; i++)
        if (workq_add(queue, keys[i].data, keys[i].len) != 1) bench_die("an add failed");
    } else {
      for (uint32_t i = first; i < first + CHUNK; i += BATCH)
        if (workq_add_batch(queue, &keys[i], BATCH, NULL, NULL) != BATCH) bench_die("an add of a batch failed");
    }
    me->served += CHUNK;
  }
  if (atomic_fetch_sub(&s->producing, 1) == 1) bench_ok(workq_shutdown(queue), "workq_shutdown");
}

/* Until all is done, which the shutdown tells. */
static void consume(party *me, bool batched) {
  workq_item items[BATCH];
  int rc;
  do {
    rc = batched ? workq_get_batch(queue, items, BATCH, WORKQ_FOREVER) : workq_get(queue, items, WORKQ_FOREVER);
    if (rc < 0) break;
    int got = batched ? rc : 1;
    if ((batched ? workq_done_batch(queue, items, (size_t)got) != got : workq_done(queue, items) != 0))
      bench_die("a done failed");
    me->served += (uint32_t)got;
  } while (true);
  if (rc != -ESHUTDOWN) bench_ok(rc, "get");
}

static void consume_by_next(party *me) {
  workq_item item;
  int rc = workq_get(queue, &item, WORKQ_FOREVER);
  for (; rc == 0; rc = workq_next(queue, &item, WORKQ_FOREVER)) me->served++;
  if (rc != -ESHUTDOWN) bench_ok(rc, "next");
}

static void work(bench_crew *crew, void *arg, unsigned number) {
  const play *p = arg;
  party *me = &p->s->parties[number];
  if (p->f->bound) bench_on_cpu(number);
  bench_ok(workq_len(queue), "workq_len");
  me->start_ns = bench_crew_ready(crew);
  if (number < p->f->producers) produce(p->s, me, p->f->way == BATCHED);
  else if (p->f->way == BY_NEXT) consume_by_next(me);
  else consume(me, p->f->way == BATCHED);
  me->end_ns = bench_now_ns();
}

/* Of all on one side: the least and the most that one of them has done, relative to the mean. */
static void judge(const party *parties, unsigned count, double *least, double *most) {
  double sum = 0;
  *least = BENCH_NEVER;
  *most = 0;
  for (unsigned i = 0; i < count; i++) sum += parties[i].served;
  if ((uint32_t)sum != KEYS) bench_die("%.0f keys instead of %d", sum, KEYS);
  for (unsigned i = 0; i < count; i++) {
    double share = parties[i].served * count / sum;
    if (share < *least) *least = share;
    if (share > *most) *most = share;
  }
}

static double run_fan(const bench_case *c, void *state, double *extra) {
  (void)state;
  const fan *f = &fans[c->size];
  play p = {f, bench_share(sizeof *p.s)};
  p.s->producing = f->producers;
  bench_crew_join(bench_crew_start(f->producers + f->consumers, work, &p));
  bench_ok(workq_resume(queue), "workq_resume");
  double all_ns = took_ns(p.s, f->producers + f->consumers);
  judge(p.s->parties + f->producers, f->consumers, &extra[0], &extra[1]);
  judge(p.s->parties, f->producers, &extra[2], &extra[3]);
  munmap(p.s, sizeof *p.s);
  return all_ns / KEYS;
}

/* ---- Many that do both ---- */

/* A key may be still pending, since the process that has been processing it was preempted: then the next one is added,
 * so that there is one for each get. */
static void cycle(bench_crew *crew, void *arg, unsigned number) {
  score *s = arg;
  party *me = &s->parties[number];
  const workq_key *own = keys + number * NAMES;
  workq_item item;
  bench_ok(workq_len(queue), "workq_len");
  me->start_ns = bench_crew_ready(crew);
  for (uint32_t first, next = 0; take_on(s, CYCLES, &first);) {
    for (int i = 0; i < CHUNK; i++) {
      const workq_key *key;
      do key = &own[next++ % NAMES];
      while (bench_ok(workq_add(queue, key->data, key->len), "workq_add") == 0);
      bench_ok(workq_get(queue, &item, WORKQ_FOREVER), "workq_get");
      bench_ok(workq_done(queue, &item), "workq_done");
    }
  }
  me->end_ns = bench_now_ns();
}

static double cycles_per_s(unsigned processes) {
  score *s = bench_share(sizeof *s);
  bench_crew_join(bench_crew_start(processes, cycle, s));
  double all_ns = took_ns(s, processes);
  munmap(s, sizeof *s);
  return CYCLES / all_ns * 1e9;
}

static const bench_extra oversubscribed_extras[] = {{"1", "keys/s"}, {"2", "keys/s"},  {"4", "keys/s"},
                                                    {"8", "keys/s"}, {"16", "keys/s"}, {0}};

static double run_oversubscribed(const bench_case *c, void *state, double *extra) {
  (void)c;
  (void)state;
  for (unsigned i = 0; oversubscribed_extras[i].name; i++) extra[i] = cycles_per_s(1u << i);
  return extra[4] / extra[1];
}

/* ---- Cases ---- */

static void drain(size_t count) {
  workq_item items[BATCH];
  while (count > 0) {
    int got = bench_ok(workq_get_batch(queue, items, BATCH, 0), "workq_get_batch");
    if (workq_done_batch(queue, items, (size_t)got) != got) bench_die("a done failed");
    count -= (size_t)got;
  }
}

static void *set(const bench_case *c) {
  (void)c;
  if (queue) return NULL;
  queue = bench_queue(KEYS, NULL);
  bench_fill(queue, KEYS);
  drain(KEYS);
  const bench_key *texts = bench_keys(0, KEYS);
  keys = bench_alloc(KEYS * sizeof *keys);
  for (size_t i = 0; i < KEYS; i++) keys[i] = (workq_key){texts[i].text, texts[i].len};
  return NULL;
}

#define LINE_FLOOR                                                                                                     \
  { "cache line", floor_cache_line, 0 }

#define OF_MEAN "of the mean"

static const bench_extra fan_extras[] = {
    {"least-served", OF_MEAN}, {"most-served", OF_MEAN}, {"least-adding", OF_MEAN}, {"most-adding", OF_MEAN}, {0}};

const bench_case bench_cases[] = {
    {"pair", "ns", "a key from one process to another", LINE_FLOOR, 0, set, run_fan, NULL, NULL},
    {"pair-next", "ns", "the same, done and the next get in one call", LINE_FLOOR, 8, set, run_fan, NULL, NULL},
    {"pair-batch", "ns", "the same, 32 keys a call", LINE_FLOOR, 1, set, run_fan, NULL, NULL},
    {"fan/1.1", "ns", "a key from 1 producer to 1 consumer, not bound", LINE_FLOOR, 2, set, run_fan, NULL, fan_extras},
    {"fan/2.2", "ns", "from 2 producers to 2 consumers", LINE_FLOOR, 3, set, run_fan, NULL, fan_extras},
    {"fan/4.4", "ns", "from 4 to 4", LINE_FLOOR, 4, set, run_fan, NULL, fan_extras},
    {"fan/8.8", "ns", "from 8 to 8", LINE_FLOOR, 5, set, run_fan, NULL, fan_extras},
    {"fan/1.15", "ns", "from 1 to 15", LINE_FLOOR, 6, set, run_fan, NULL, fan_extras},
    {"fan/15.1", "ns", "from 15 to 1", LINE_FLOOR, 7, set, run_fan, NULL, fan_extras},
    {"oversubscribed", "x", "throughput of cycles of 16 processes to that of 2", .set = set, .run = run_oversubscribed,
     .extras = oversubscribed_extras},
    {0}};
