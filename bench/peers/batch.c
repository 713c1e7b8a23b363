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

static void cycle_batch(void *arg, size_t first, size_t count) {
  peer_state *s = arg;
  (void)first;
  for (size_t done = 0; done < count; done += PEER_BATCH) {
    bench_key *keys = s->keys + done % (PEER_NAMES - PEER_BATCH);
    peer_add_batch(s->p, keys, PEER_BATCH);
    for (size_t got = 0; got < PEER_BATCH;) {
      size_t n = peer_get_batch(s->p, keys + got, PEER_BATCH - got);
      peer_done_batch(s->p, keys + got, n);
      got += n;
    }
  }
}

/* The parts are of whole batches. */
double peer_cycle_batch(const bench_case *c, void *state, double *extra) {
  size_t least = (size_t)BENCH_PARTS * PEER_BATCH;
  (void)c;
  (void)extra;
  return bench_in_parts(cycle_batch, state, peer_keys < least ? least : peer_keys / least * least);
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
