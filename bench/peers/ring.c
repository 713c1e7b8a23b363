/*
 * A ring of keys under a mutex and two condition variables that processes share: what people write themselves.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "peer.h"

const char *const bench_who = "ring";
const size_t peer_keys = 200000;

struct peer {
  pthread_mutex_t mutex;
  pthread_cond_t filled;
  pthread_cond_t emptied;
  size_t room;
  size_t first;
  size_t count;
  bench_key keys[];
};

static size_t size_for(size_t room) {
  return sizeof(peer) + room * sizeof(bench_key);
}

static void make_cond(pthread_cond_t *cond) {
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  pthread_cond_init(cond, &attr);
  pthread_condattr_destroy(&attr);
}

peer *peer_open(size_t keys) {
  pthread_mutexattr_t attr;
  peer *p = bench_share(size_for(keys));
  p->room = keys;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(&p->mutex, &attr);
  pthread_mutexattr_destroy(&attr);
  make_cond(&p->filled);
  make_cond(&p->emptied);
  return p;
}

void peer_close(peer *p) {
  munmap(p, size_for(p->room));
}

void peer_join(peer *p) {
  (void)p;
}

void peer_add(peer *p, const bench_key *key) {
  pthread_mutex_lock(&p->mutex);
  while (p->count == p->room) pthread_cond_wait(&p->emptied, &p->mutex);
  size_t at = p->first + p->count++;
  p->keys[at < p->room ? at : at - p->room] = *key;
  pthread_cond_signal(&p->filled);
  pthread_mutex_unlock(&p->mutex);
}

void peer_get(peer *p, bench_key *key) {
  pthread_mutex_lock(&p->mutex);
  while (p->count == 0) pthread_cond_wait(&p->filled, &p->mutex);
  *key = p->keys[p->first];
  p->first = p->first + 1 < p->room ? p->first + 1 : 0;
  p->count--;
  pthread_cond_signal(&p->emptied);
  pthread_mutex_unlock(&p->mutex);
}

void peer_done(peer *p, const bench_key *key) {
  (void)p;
  (void)key;
}

const bench_case bench_cases[] = {PEER_CYCLE("cycle/0", 0, peer_set),
                                  PEER_CYCLE("depth/1k", 1000, peer_set),
                                  PEER_CYCLE("depth/10k", 10000, peer_set),
                                  PEER_CYCLE("cycle/100k", 100000, peer_set),
                                  PEER_CYCLE("cycle/1m", 1000000, peer_set),
                                  PEER_PAIR(true),
                                  PEER_FAN,
                                  PEER_PINGPONG(true),
                                  {0}};
