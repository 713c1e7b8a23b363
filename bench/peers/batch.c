/*
 * The cases of peers that can take many keys at a time; see peer.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "peer.h"

static void produce(peer *p, const bench_key *keys, size_t count) {
  for (size_t at = 0; at < count; at += PEER_BATCH)
    peer_add_batch(p, keys + at, count - at < PEER_BATCH ? count - at : PEER_BATCH);
}

void *peer_set_batch(const bench_case *c) {
  return peer_set_up(c->size, produce);
}

double peer_cycle_batch(const bench_case *c, void *state, double *extra) {
  peer_state *s = state;
  size_t cycled = 0;
  (void)c;
  (void)extra;
  double start_ns = bench_now_ns();
  for (size_t at = 0; cycled < peer_keys; at = (at + PEER_BATCH) % (PEER_NAMES - PEER_BATCH)) {
    peer_add_batch(s->p, s->keys + at, PEER_BATCH);
    for (size_t got = 0; got < PEER_BATCH;) {
      size_t n = peer_get_batch(s->p, s->keys + at + got, PEER_BATCH - got);
      peer_done_batch(s->p, s->keys + at + got, n);
      got += n;
    }
    cycled += PEER_BATCH;
  }
  return (bench_now_ns() - start_ns) / (double)cycled;
}

static void consume(peer *p, const bench_key *keys, size_t count) {
  bench_key got[PEER_BATCH];
  (void)keys;
  while (count > 0) {
    size_t n = peer_get_batch(p, got, count < PEER_BATCH ? count : PEER_BATCH);
    peer_done_batch(p, got, n);
    count -= n;
  }
}

double peer_pair_batch(const bench_case *c, void *state, double *extra) {
  (void)state;
  (void)extra;
  return peer_run_pair(c, produce, consume);
}
