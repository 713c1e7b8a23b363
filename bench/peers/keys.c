/*
 * The cases of peers that know keys, and do more with them than pass them on; see peer.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "peer.h"

/* The keys are queued in the first round, and stay. */
double peer_dedup(const bench_case *c, void *state, double *extra) {
  peer_state *s = state;
  (void)c;
  (void)extra;
  for (size_t i = 0; i < PEER_NAMES; i++) peer_add(s->p, &s->keys[i]);
  double start_ns = bench_now_ns();
  for (size_t i = 0; i < peer_keys; i++) peer_add(s->p, &s->keys[i % PEER_NAMES]);
  return (bench_now_ns() - start_ns) / (double)peer_keys;
}

double peer_fail_once(const bench_case *c, void *state, double *extra) {
  peer_state *s = state;
  (void)c;
  (void)extra;
  double start_ns = bench_now_ns();
  for (size_t i = 0; i < peer_keys; i++) {
    bench_key *key = &s->keys[i % PEER_NAMES];
    peer_add(s->p, key);
    peer_get(s->p, key);
    peer_retry(s->p, key);
    peer_get(s->p, key);
    peer_done(s->p, key);
  }
  return (bench_now_ns() - start_ns) / (double)peer_keys;
}
