/*
 * What another kind of queue is asked to do.  Each peer is one file, which implements these functions and lists the
 * cases that it can be asked for; the cases are written once.  A failure ends the program.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PEER_H
#define PEER_H

#include "bench.h"

/* ---- The peer's part ---- */

typedef struct peer peer;

/* How many keys a round takes: about 0.1 s of work. */
extern const size_t peer_keys;

/* An empty queue with room for so many keys, or for as many as it can have. */
peer *peer_open(size_t keys);
void peer_close(peer *p);

/* In each process that is to use the queue, once nothing is forked any more: its own connection. */
void peer_join(peer *p);

void peer_add(peer *p, const bench_key *key);
/* Waits for a key. */
void peer_get(peer *p, bench_key *key);
/* The key that was got last is done with.  Nothing, where a message is gone when it is received. */
void peer_done(peer *p, const bench_key *key);

/* For batch.c: all of them; at least one, at most so many, and how many it was; those that were got last. */
enum { PEER_BATCH = 100 };
void peer_add_batch(peer *p, const bench_key *keys, size_t count);
size_t peer_get_batch(peer *p, bench_key *keys, size_t count);
void peer_done_batch(peer *p, const bench_key *keys, size_t count);

/* For keys.c: the key that was got last failed, and is ready again at once. */
void peer_retry(peer *p, const bench_key *key);

/* ---- Cases: peer.c ---- */

void *peer_set(const bench_case *c); /* c->size: how many keys are queued all the time */
void peer_strike(const bench_case *c, void *state);
double peer_cycle(const bench_case *c, void *state, double *extra);
double peer_pair(const bench_case *c, void *state, double *extra);
double peer_pingpong(const bench_case *c, void *state, double *extra);
extern const bench_extra peer_percentiles[];

#define PEER_CYCLE(name, depth, set)                                                                                   \
  { name, "ns", "add, get, done of one key", {NULL, NULL, 0}, depth, set, peer_cycle, peer_strike, NULL }
/* Bound: each process to a processor of its own.  Not where there is a server, which needs one, too. */
#define PEER_PAIR(bound)                                                                                               \
  { "pair", "ns", "a key from one process to another", {NULL, NULL, 0}, bound, NULL, peer_pair, NULL, NULL }
#define PEER_FAN                                                                                                       \
  { "fan/1.1", "ns", "the same, not bound to processors", {NULL, NULL, 0}, false, NULL, peer_pair, NULL, NULL }
#define PEER_PINGPONG(bound)                                                                                           \
  { "pingpong/sleep", "ns", "a key to and fro", {NULL, NULL, 0}, bound, NULL, peer_pingpong, NULL, peer_percentiles }

/* ---- batch.c ---- */

void *peer_set_batch(const bench_case *c); /* fills it by many at a time */
double peer_cycle_batch(const bench_case *c, void *state, double *extra);
double peer_pair_batch(const bench_case *c, void *state, double *extra);

#define PEER_CYCLE_BATCH(name, depth)                                                                                  \
  {                                                                                                                    \
    name, "ns", "the same by many at a time, per key", {NULL, NULL, 0}, depth, peer_set_batch, peer_cycle_batch,       \
        peer_strike, NULL                                                                                              \
  }
#define PEER_PAIR_BATCH(bound)                                                                                         \
  { "pair-batch", "ns", "the same by many at a time", {NULL, NULL, 0}, bound, NULL, peer_pair_batch, NULL, NULL }

/* ---- keys.c ---- */

double peer_dedup(const bench_case *c, void *state, double *extra);
double peer_fail_once(const bench_case *c, void *state, double *extra);

#define PEER_DEDUP                                                                                                     \
  { "dedup", "ns", "add of a key that is queued already", {NULL, NULL, 0}, 0, peer_set, peer_dedup, peer_strike, NULL }
#define PEER_FAIL_ONCE                                                                                                 \
  {                                                                                                                    \
    "fail-once", "ns", "add, get, retry, get, complete", {NULL, NULL, 0}, 0, peer_set, peer_fail_once, peer_strike,    \
        NULL                                                                                                           \
  }

/* ---- What the files of cases share ---- */

typedef struct peer_state {
  peer *p;
  bench_key *keys; /* PEER_NAMES of them, none of which is queued */
  size_t made;     /* numbers of keys that were used */
} peer_state;

enum { PEER_NAMES = 1024 };

/* What is done with these keys, or with so many that come. */
typedef void peer_side(peer *p, const bench_key *keys, size_t count);

peer_state *peer_set_up(size_t depth, peer_side *fill);

/* Runs the two sides in a process each, over a new queue: ns per key, from the first add to the last done. */
double peer_run_pair(const bench_case *c, peer_side *produce, peer_side *consume);

/* ---- Servers: server.c ---- */

/* The Unix socket that this variable of the environment names; bench/run starts servers.  If none: ends the program. */
const char *peer_socket(const char *variable);

#endif
