/*
 * A SysV message queue, as large as the system lets it be.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>

#include "peer.h"

const char *const bench_who = "sysv-mq";
const size_t peer_keys = 50000;

enum { ROOM = 1 << 20 };

struct peer {
  int id;
};

peer *peer_open(size_t keys) {
  peer *p = bench_alloc(sizeof *p);
  struct msqid_ds ds;
  (void)keys;
  p->id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
  if (p->id < 0) bench_skip("msgget: %s", strerror(errno));
  if (msgctl(p->id, IPC_STAT, &ds) == 0) {
    ds.msg_qbytes = ROOM;
    msgctl(p->id, IPC_SET, &ds); /* root alone may: others have the 16 KiB that it begins with */
  }
  return p;
}

void peer_close(peer *p) {
  msgctl(p->id, IPC_RMID, NULL);
  free(p);
}

void peer_join(peer *p) {
  (void)p;
}

typedef struct message {
  long type;
  char text[BENCH_KEY_SIZE];
} message;

void peer_add(peer *p, const bench_key *key) {
  message m = {.type = 1};
  memcpy(m.text, key->text, key->len + 1);
  if (msgsnd(p->id, &m, key->len + 1, 0) != 0) bench_die("msgsnd: %s", strerror(errno));
}

void peer_get(peer *p, bench_key *key) {
  message m;
  ssize_t size = msgrcv(p->id, &m, sizeof m.text, 0, 0);
  if (size <= 0) bench_die("msgrcv: %s", strerror(errno));
  memcpy(key->text, m.text, (size_t)size);
  key->len = (size_t)size - 1;
}

void peer_done(peer *p, const bench_key *key) {
  (void)p;
  (void)key;
}

const bench_case bench_cases[] = {
    PEER_CYCLE("cycle/0", 0, peer_set), PEER_PAIR(true), PEER_FAN, PEER_PINGPONG(true), {0}};
