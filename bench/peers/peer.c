/*
 * The cases that every peer can be asked for; see peer.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "peer.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "crew.h"

enum { TURNS = 1000, WARM = 100 };

/* In random order, as keys come in life. */
static bench_key *shuffled_keys(size_t first, size_t count) {
  bench_key *keys = bench_keys(first, count);
  uint64_t random = 1;
  for (size_t i = count; i > 1; i--) {
    size_t other = bench_below(&random, i);
    bench_key key = keys[i - 1];
    keys[i - 1] = keys[other];
    keys[other] = key;
  }
  return keys;
}

peer_state *peer_set_up(size_t depth, peer_side *fill) {
  peer_state *s = bench_alloc(sizeof *s);
  s->p = peer_open(depth + PEER_NAMES);
  peer_join(s->p);
  s->keys = bench_keys(depth, PEER_NAMES);
  s->made = depth + PEER_NAMES;
  bench_key *deep = shuffled_keys(0, depth);
  fill(s->p, deep, depth);
  free(deep);
  return s;
}

static void produce(peer *p, const bench_key *keys, size_t count) {
  for (size_t i = 0; i < count; i++) peer_add(p, &keys[i]);
}

void *peer_set(const bench_case *c) {
  return peer_set_up(c->size, produce);
}

void peer_strike(const bench_case *c, void *state) {
  peer_state *s = state;
  (void)c;
  peer_close(s->p);
  free(s->keys);
  free(s);
}

typedef struct stretch {
  peer *p;
  const bench_key *keys;
  size_t wrap; /* numbers of keys are cut to these bits */
} stretch;

static void cycle(void *arg, size_t first, size_t count) {
  const stretch *s = arg;
  bench_key got;
  for (size_t i = first; i < first + count; i++) {
    peer_add(s->p, &s->keys[i & s->wrap]);
    peer_get(s->p, &got);
    peer_done(s->p, &got);
  }
}

/* A deep queue meets keys only that it does not know, as workq does (steady.h). */
double peer_cycle(const bench_case *c, void *state, double *extra) {
  peer_state *s = state;
  (void)extra;
  if (c->size == 0) return bench_in_parts(cycle, &(stretch){s->p, s->keys, PEER_NAMES - 1}, peer_keys);
  bench_key *keys = bench_keys(s->made, peer_keys);
  s->made += peer_keys;
  double cycle_ns = bench_in_parts(cycle, &(stretch){s->p, keys, SIZE_MAX}, peer_keys);
  free(keys);
  return cycle_ns;
}

/* ---- Two processes ---- */

typedef struct game {
  peer *there;
  peer *back;
  peer_side *sides[2];
  const bench_key *keys;
  bool bound; /* each to a processor of its own */
  double start_ns;
  double end_ns;
  double took_ns[TURNS];
} game;

static void play_side(bench_crew *crew, void *arg, unsigned number) {
  game *g = arg;
  if (g->bound) bench_on_cpu(number);
  peer_join(g->there);
  double start_ns = bench_crew_ready(crew);
  g->sides[number](g->there, g->keys, peer_keys);
  if (number == 0) g->start_ns = start_ns;
  else g->end_ns = bench_now_ns();
}

double peer_run_pair(const bench_case *c, peer_side *add_all, peer_side *take_all) {
  bench_key *keys = bench_keys(0, peer_keys);
  game *g = bench_share(sizeof *g);
  *g = (game){.there = peer_open(PEER_NAMES), .sides = {add_all, take_all}, .keys = keys, .bound = c->size > 0};
  bench_crew_join(bench_crew_start(2, play_side, g));
  double took_ns = g->end_ns - g->start_ns;
  peer_close(g->there);
  free(keys);
  munmap(g, sizeof *g);
  return took_ns / (double)peer_keys;
}

static void consume(peer *p, const bench_key *keys, size_t count) {
  bench_key key;
  (void)keys;
  for (size_t i = 0; i < count; i++) {
    peer_get(p, &key);
    peer_done(p, &key);
  }
}

double peer_pair(const bench_case *c, void *state, double *extra) {
  (void)state;
  (void)extra;
  return peer_run_pair(c, produce, consume);
}

const bench_extra peer_percentiles[] = {{"p99", NULL}, {"p99.9", NULL}, {0}};

static void play(bench_crew *crew, void *arg, unsigned number) {
  game *g = arg;
  bench_key key = g->keys[0];
  if (g->bound) bench_on_cpu(number);
  peer_join(g->there);
  peer_join(g->back);
  double before_ns = bench_crew_ready(crew);
  for (int i = -WARM; i < TURNS; i++) {
    if (number == 0) peer_add(g->there, &key);
    peer_get(number == 0 ? g->back : g->there, &key);
    peer_done(number == 0 ? g->back : g->there, &key);
    if (number == 1) peer_add(g->back, &key);
    double now_ns = bench_now_ns();
    if (number == 0 && i >= 0) g->took_ns[i] = now_ns - before_ns;
    before_ns = now_ns;
  }
}

double peer_pingpong(const bench_case *c, void *state, double *extra) {
  bench_key *key = bench_keys(0, 1);
  game *g = bench_share(sizeof *g);
  (void)state;
  *g = (game){.there = peer_open(1), .back = peer_open(1), .keys = key, .bound = c->size > 0};
  bench_crew_join(bench_crew_start(2, play, g));
  extra[0] = bench_quantile(g->took_ns, TURNS, 0.99);
  extra[1] = bench_quantile(g->took_ns, TURNS, 0.999);
  double median_ns = bench_quantile(g->took_ns, TURNS, 0.5);
  peer_close(g->there);
  peer_close(g->back);
  free(key);
  munmap(g, sizeof *g);
  return median_ns;
}
