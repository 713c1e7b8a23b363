/*
 * The cases of peers that know keys, and do more with them than pass them on; see peer.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "peer.h"

static void add_again(void *arg, size_t first, size_t count) {
  peer_state *s = arg;
  for (size_t i = first; i < first + count; i++) peer_add(s->p, &s->keys[i % PEER_NAMES]);
}

/* The keys are queued in the first round, and stay. */
double peer_dedup(const bench_case *c, void *state, double *extra) {
  (void)c;
  (void)extra;
  add_again(state, 0, PEER_NAMES);
  return bench_in_parts(add_again, state, peer_keys);
}

static void fail_and_succeed(void *arg, size_t first, size_t count) {
  peer_state *s = arg;
  for (size_t i = first; i < first + count; i++) {
    bench_key *key = &s->keys[i % PEER_NAMES];
    peer_add(s->p, key);
    peer_get(s->p, key);
    peer_retry(s->p, key);
    peer_get(s->p, key);
    peer_done(s->p, key);
  }
}

double peer_fail_once(const bench_case *c, void *state, double *extra) {
  (void)c;
  (void)extra;
  return bench_in_parts(fail_and_succeed, state, peer_keys);
}
