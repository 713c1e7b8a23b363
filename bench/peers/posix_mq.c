/*
 * A POSIX message queue, with as many messages as the system lets it have.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"

const char *const bench_who = "posix-mq";
const size_t peer_keys = 50000;

/* 10 is what everybody may have. */
static const long rooms[] = {8192, 1024, 10};

struct peer {
  mqd_t mq;
};

peer *peer_open(size_t keys) {
  static unsigned number;
  peer *p = bench_alloc(sizeof *p);
  char name[64];
  (void)keys;
  snprintf(name, sizeof name, "/bench%u-%d", number++, (int)getpid());
  p->mq = -1;
  for (size_t i = 0; p->mq < 0 && i < sizeof rooms / sizeof *rooms; i++) {
    struct mq_attr attr = {.mq_maxmsg = rooms[i], .mq_msgsize = BENCH_KEY_SIZE};
    p->mq = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
  }
  if (p->mq < 0) bench_skip("mq_open: %s", strerror(errno));
  mq_unlink(name);
  return p;
}

void peer_close(peer *p) {
  mq_close(p->mq);
  free(p);
}

void peer_join(peer *p) {
  (void)p;
}

void peer_add(peer *p, const bench_key *key) {
  if (mq_send(p->mq, key->text, key->len + 1, 0) != 0) bench_die("mq_send: %s", strerror(errno));
}

void peer_get(peer *p, bench_key *key) {
  ssize_t size = mq_receive(p->mq, key->text, sizeof key->text, NULL);
  if (size <= 0) bench_die("mq_receive: %s", strerror(errno));
  key->len = (size_t)size - 1;
}

void peer_done(peer *p, const bench_key *key) {
  (void)p;
  (void)key;
}

const bench_case bench_cases[] = {
    PEER_CYCLE("cycle/0", 0, peer_set), PEER_PAIR(true), PEER_FAN, PEER_PINGPONG(true), {0}};
