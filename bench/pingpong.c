/*
 * How soon another process has a key.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "crew.h"
#include "queue.h"

const char *const bench_who = "workq";

enum { SPUN = 20000, SLEPT = 1000, WAKES = 500, WARM = 100, PAUSE_NS = 200000 };

#define KEY "default/configmap-1"

static const bench_extra extras[] = {{"p99", NULL}, {"p99.9", NULL}, {0}};

/* Each turn's time is kept. */
typedef struct game {
  workq *there, *back;
  uint32_t turns;
  double *took_ns; /* shared */
} game;

static void *set_game(const workq_options *options, uint32_t turns) {
  game *g = bench_alloc(sizeof *g);
  g->there = bench_queue(0, options);
  g->back = bench_queue(0, options);
  g->turns = turns;
  g->took_ns = bench_share(turns * sizeof *g->took_ns);
  return g;
}

static void strike(const bench_case *c, void *state) {
  game *g = state;
  (void)c;
  bench_close(g->there);
  bench_close(g->back);
  munmap(g->took_ns, g->turns * sizeof *g->took_ns);
  free(g);
}

static double judge(game *g, double *extra) {
  extra[0] = bench_quantile(g->took_ns, g->turns, 0.99);
  extra[1] = bench_quantile(g->took_ns, g->turns, 0.999);
  return bench_quantile(g->took_ns, g->turns, 0.5);
}

static void send_key(workq *q) {
  if (workq_add(q, KEY, sizeof KEY - 1) != 1) bench_die("an add failed");
}

static void take_key(workq *q) {
  workq_item item;
  bench_ok(workq_get(q, &item, WORKQ_FOREVER), "workq_get");
  if (workq_done(q, &item) != 0) bench_die("a done failed");
}

/* ---- To and fro ---- */

static void play(bench_crew *crew, void *arg, unsigned number) {
  const game *g = arg;
  bench_on_cpu(number);
  bench_ok(workq_len(g->there), "workq_len");
  bench_ok(workq_len(g->back), "workq_len");
  double before_ns = bench_crew_ready(crew);
  for (uint32_t i = 0; i < g->turns + WARM; i++) {
    if (number == 0) send_key(g->there);
    take_key(number == 0 ? g->back : g->there);
    if (number == 1) send_key(g->back);
    double now_ns = bench_now_ns();
    if (number == 0 && i >= WARM) g->took_ns[i - WARM] = now_ns - before_ns;
    before_ns = now_ns;
  }
}

static void *set_spin(const bench_case *c) {
  (void)c;
  return set_game(NULL, SPUN);
}

static void *set_sleep(const bench_case *c) {
  static const workq_options options = {.flags = WORKQ_NO_SPIN};
  (void)c;
  return set_game(&options, SLEPT);
}

static double run_pingpong(const bench_case *c, void *state, double *extra) {
  (void)c;
  bench_crew_join(bench_crew_start(2, play, state));
  return judge(state, extra);
}

/* ---- To one that sleeps ---- */

static void *set_wake(const bench_case *c) {
  (void)c;
  return set_game(NULL, WAKES);
}

/* Until the other one waits, and has had the time to fall asleep. */
static void let_sleep(workq *q) {
  const struct timespec pause = {.tv_nsec = PAUSE_NS};
  workq_stats_data stats;
  do {
    nanosleep(&pause, NULL);
    bench_ok(workq_stats(q, &stats), "workq_stats");
  } while (!stats.waiting);
  nanosleep(&pause, NULL);
}

/* The one that adds notes when, the one that is woken makes that a duration. */
static void wake(bench_crew *crew, void *arg, unsigned number) {
  const game *g = arg;
  workq_item item;
  bench_on_cpu(number);
  bench_ok(workq_len(g->there), "workq_len");
  (void)bench_crew_ready(crew);
  for (uint32_t i = 0; i < g->turns; i++) {
    if (number == 0) {
      let_sleep(g->there);
      g->took_ns[i] = bench_now_ns();
      send_key(g->there);
    } else {
      bench_ok(workq_get(g->there, &item, WORKQ_FOREVER), "workq_get");
      g->took_ns[i] = bench_now_ns() - g->took_ns[i];
      if (workq_done(g->there, &item) != 0) bench_die("a done failed");
    }
  }
}

static double run_wake(const bench_case *c, void *state, double *extra) {
  (void)c;
  bench_crew_join(bench_crew_start(2, wake, state));
  return judge(state, extra);
}

const bench_case bench_cases[] = {{"pingpong/spin",
                                   "ns",
                                   "a key to and fro by two queues, spinning allowed",
                                   {"cache line", floor_cache_line, 0},
                                   0,
                                   set_spin,
                                   run_pingpong,
                                   strike,
                                   extras},
                                  {"pingpong/sleep",
                                   "ns",
                                   "the same without spinning",
                                   {"futex", floor_futex, 0},
                                   0,
                                   set_sleep,
                                   run_pingpong,
                                   strike,
                                   extras},
                                  {"wake",
                                   "ns",
                                   "from an add until a sleeper has the key: half of what the floor does",
                                   {"futex", floor_futex, 0},
                                   0,
                                   set_wake,
                                   run_wake,
                                   strike,
                                   extras},
                                  {0}};
