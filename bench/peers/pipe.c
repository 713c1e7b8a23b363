/*
 * A pipe: keys are records of one size, which are written and read whole.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"

const char *const bench_who = "pipe";
const size_t peer_keys = 100000;

enum { RECORD = BENCH_KEY_SIZE, ROOM = 1 << 20, TAKEN_AT_ONCE = PIPE_BUF / RECORD };

struct peer {
  int ends[2];
};

/* What was left of the last key in a record is not cleared: it costs nothing to send. */
typedef char record[RECORD];

peer *peer_open(size_t keys) {
  peer *p = bench_alloc(sizeof *p);
  (void)keys;
  if (pipe2(p->ends, O_CLOEXEC) != 0) bench_die("pipe2: %s", strerror(errno));
  fcntl(p->ends[1], F_SETPIPE_SZ, ROOM);
  return p;
}

void peer_close(peer *p) {
  close(p->ends[0]);
  close(p->ends[1]);
  free(p);
}

void peer_join(peer *p) {
  (void)p;
}

void peer_add(peer *p, const bench_key *key) {
  if (write(p->ends[1], key->text, RECORD) != RECORD) bench_die("write: %s", strerror(errno));
}

void peer_get(peer *p, bench_key *key) {
  if (read(p->ends[0], key->text, RECORD) != RECORD) bench_die("read: %s", strerror(errno));
  key->len = strlen(key->text);
}

void peer_done(peer *p, const bench_key *key) {
  (void)p;
  (void)key;
}

void peer_add_batch(peer *p, const bench_key *keys, size_t count) {
  record records[PEER_BATCH];
  for (size_t i = 0; i < count; i++) memcpy(records[i], keys[i].text, RECORD);
  for (size_t at = 0; at < count; at += TAKEN_AT_ONCE) {
    size_t size = (count - at < TAKEN_AT_ONCE ? count - at : TAKEN_AT_ONCE) * RECORD;
    if (write(p->ends[1], records[at], size) != (ssize_t)size) bench_die("write: %s", strerror(errno));
  }
}

/* What is written in whole records of a size that divides a page is read in such. */
size_t peer_get_batch(peer *p, bench_key *keys, size_t count) {
  record records[PEER_BATCH];
  ssize_t size = read(p->ends[0], records, count * RECORD);
  if (size <= 0 || size % RECORD != 0) bench_die("read: %s", strerror(errno));
  size_t n = (size_t)size / RECORD;
  for (size_t i = 0; i < n; i++) {
    memcpy(keys[i].text, records[i], RECORD);
    keys[i].len = strlen(keys[i].text);
  }
  return n;
}

void peer_done_batch(peer *p, const bench_key *keys, size_t count) {
  (void)p;
  (void)keys;
  (void)count;
}

const bench_case bench_cases[] = {PEER_CYCLE("cycle/0", 0, peer_set),
                                  PEER_CYCLE_BATCH("cycle-batch/0", 0),
                                  PEER_PAIR(true),
                                  PEER_FAN,
                                  PEER_PAIR_BATCH(true),
                                  PEER_PINGPONG(true),
                                  {0}};
