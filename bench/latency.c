/*
 * How long one operation takes while two producers and two consumers are at work.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "crew.h"
#include "queue.h"

const char *const bench_who = "workq";

enum { SIDE = 2, PARTIES = 2 * SIDE, ADDS = 100000, ALL = SIDE * ADDS, STOCK = 10000 };

#define US 1e-3 /* ns */

typedef struct party {
  uint32_t adds, gets; /* how many were timed */
  double add_ns[ADDS], get_ns[ALL];
} party;

typedef struct load {
  _Atomic uint32_t producing;
  party parties[PARTIES];
} load;

static workq *shared, *own[PARTIES];
static bench_key *keys;

static void timed_add(workq *q, party *me, const bench_key *key) {
  double start_ns = bench_now_ns();
  int rc = workq_add(q, key->text, key->len);
  me->add_ns[me->adds++] = bench_now_ns() - start_ns;
  if (rc != 1) bench_die("an add failed");
}

/* Is there something else to be done? */
static bool timed_get(workq *q, party *me, bool timed) {
  workq_item item;
  double start_ns = bench_now_ns();
  int rc = workq_get(q, &item, WORKQ_FOREVER);
  double took_ns = bench_now_ns() - start_ns;
  if (rc == -ESHUTDOWN) return false;
  bench_ok(rc, "workq_get");
  if (timed) me->get_ns[me->gets++] = took_ns;
  bench_ok(workq_done(q, &item), "workq_done");
  return true;
}

/* Producers come first; gets count as long as there are producers. */
static void work(bench_crew *crew, void *arg, unsigned number) {
  load *l = arg;
  party *me = &l->parties[number];
  bench_ok(workq_len(shared), "workq_len");
  (void)bench_crew_ready(crew);
  if (number >= SIDE) {
    while (timed_get(shared, me, atomic_load_explicit(&l->producing, memory_order_relaxed) > 0)) continue;
    return;
  }
  for (size_t i = 0; i < ADDS; i++) timed_add(shared, me, &keys[number * ADDS + i]);
  if (atomic_fetch_sub(&l->producing, 1) == 1) bench_ok(workq_shutdown(shared), "workq_shutdown");
}

/* As many processes, but each at a queue of its own. */
static void work_apart(bench_crew *crew, void *arg, unsigned number) {
  load *l = arg;
  bench_ok(workq_len(own[number]), "workq_len");
  (void)bench_crew_ready(crew);
  for (size_t i = 0; i < ADDS; i++) {
    timed_add(own[number], &l->parties[number], &keys[i % STOCK]);
    (void)timed_get(own[number], &l->parties[number], true);
  }
}

/* Percentiles of all that was timed, us.  Returns the 99.9th. */
static double judge(const load *l, bool gets, double *median, double *p99, double *longest) {
  static double all_ns[PARTIES * ALL];
  size_t count = 0;
  for (const party *p = l->parties; p < l->parties + PARTIES; p++) {
    const double *from = gets ? p->get_ns : p->add_ns;
    for (uint32_t i = 0, n = gets ? p->gets : p->adds; i < n; i++) all_ns[count++] = from[i];
  }
  *median = bench_quantile(all_ns, count, 0.5) * US;
  *p99 = bench_quantile(all_ns, count, 0.99) * US;
  *longest = bench_quantile(all_ns, count, 1) * US;
  return bench_quantile(all_ns, count, 0.999) * US;
}

static double run(const bench_case *c, void *state, double *extra) {
  bool gets = c->size != 0;
  load *l = bench_share(sizeof *l);
  double ignored;
  (void)state;
  bench_crew_join(bench_crew_start(PARTIES, work_apart, l));
  extra[3] = judge(l, gets, &ignored, &ignored, &extra[4]);
  memset(l, 0, sizeof *l);
  l->producing = SIDE;
  for (size_t i = ALL; i < ALL + STOCK; i++) bench_ok(workq_add(shared, keys[i].text, keys[i].len), "workq_add");
  bench_crew_join(bench_crew_start(PARTIES, work, l));
  bench_ok(workq_resume(shared), "workq_resume");
  double p999 = judge(l, gets, &extra[0], &extra[1], &extra[2]);
  munmap(l, sizeof *l);
  return p999;
}

static void *set(const bench_case *c) {
  (void)c;
  if (shared) return NULL;
  shared = bench_queue(ALL + STOCK, NULL);
  for (int i = 0; i < PARTIES; i++) own[i] = bench_queue(0, NULL);
  keys = bench_keys(0, ALL + STOCK);
  return NULL;
}

static const bench_extra extras[] = {{"median", NULL},      {"p99", NULL},           {"longest", NULL},
                                     {"apart/p99.9", NULL}, {"apart/longest", NULL}, {0}};

const bench_case bench_cases[] = {
    {"latency/add",
     "us",
     "99.9th percentile of adds with 2 producers and 2 consumers; apart: 4 that share nothing",
     {0},
     0,
     set,
     run,
     NULL,
     extras},
    {"latency/get", "us", "the same of gets", {0}, 1, set, run, NULL, extras},
    {0}};
