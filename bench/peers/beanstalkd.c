/*
 * beanstalkd, over its Unix socket.  A queue is a tube; a key is a job's body, and the job has a number, by which it is
 * deleted.  It does not know keys: what is added twice is there twice.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "peer.h"

const char *const bench_who = "beanstalkd";
const size_t peer_keys = 2000;

enum { LINE = 128, BUFFER = 16384 };

struct peer {
  char tube[LINE];
  uint64_t jobs[PEER_BATCH]; /* what was got last */
  int fd;
  size_t begin; /* what has come and was not read yet */
  size_t end;
  char buffer[BUFFER];
  char commands[PEER_BATCH * LINE];
};

/* ---- Its protocol: lines, and bodies of a size that the line before tells ---- */

static void send_all(peer *p, const char *text, size_t size) {
  while (size > 0) {
    ssize_t sent = send(p->fd, text, size, MSG_NOSIGNAL);
    if (sent <= 0) bench_die("beanstalkd: %s", strerror(errno));
    text += sent;
    size -= (size_t)sent;
  }
}

static void fill(peer *p) {
  memmove(p->buffer, p->buffer + p->begin, p->end - p->begin);
  p->end -= p->begin;
  p->begin = 0;
  ssize_t came = recv(p->fd, p->buffer + p->end, BUFFER - p->end, 0);
  if (came <= 0) bench_die("beanstalkd: %s", came == 0 ? "it hung up" : strerror(errno));
  p->end += (size_t)came;
}

/* A line of the answer, without its end. */
static const char *line(peer *p) {
  char *end;
  while (!(end = memchr(p->buffer + p->begin, '\n', p->end - p->begin))) fill(p);
  const char *text = p->buffer + p->begin;
  end[-1] = '\0';
  p->begin = (size_t)(end + 1 - p->buffer);
  return text;
}

static void expect(peer *p, const char *word) {
  const char *answer = line(p);
  if (strncmp(answer, word, strlen(word)) != 0) bench_die("beanstalkd: %s where %s was expected", answer, word);
}

/* ---- Connections ---- */

peer *peer_open(size_t keys) {
  static unsigned number;
  peer *p = bench_alloc(sizeof *p);
  (void)keys;
  p->fd = -1;
  snprintf(p->tube, sizeof p->tube, "bench%u-%d", number++, (int)getpid());
  return p;
}

void peer_join(peer *p) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char text[3 * LINE];
  snprintf(address.sun_path, sizeof address.sun_path, "%s", peer_socket("WORKQ_BENCH_BEANSTALKD"));
  p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&address, sizeof address) != 0)
    bench_die("beanstalkd: %s", strerror(errno));
  p->begin = p->end = 0;
  int size = snprintf(text, sizeof text, "use %s\r\nwatch %s\r\nignore default\r\n", p->tube, p->tube);
  send_all(p, text, (size_t)size);
  expect(p, "USING");
  expect(p, "WATCHING");
  expect(p, "WATCHING");
}

void peer_close(peer *p) {
  if (p->fd >= 0) close(p->fd);
  free(p);
}

/* ---- Operations ---- */

void peer_add_batch(peer *p, const bench_key *keys, size_t count) {
  size_t size = 0;
  for (size_t i = 0; i < count; i++)
    size += (size_t)snprintf(p->commands + size, LINE, "put 1 0 60 %zu\r\n%s\r\n", keys[i].len, keys[i].text);
  send_all(p, p->commands, size);
  for (size_t i = 0; i < count; i++) expect(p, "INSERTED");
}

static void receive_job(peer *p, uint64_t *job, bench_key *key) {
  const char *answer = line(p);
  if (sscanf(answer, "RESERVED %" SCNu64 " %zu", job, &key->len) != 2 || key->len >= sizeof key->text)
    bench_die("beanstalkd: %s", answer);
  snprintf(key->text, sizeof key->text, "%s", line(p));
}

/* Each of the commands waits for a job: so there must be as many to come. */
size_t peer_get_batch(peer *p, bench_key *keys, size_t count) {
  size_t size = 0;
  for (size_t i = 0; i < count; i++) size += (size_t)snprintf(p->commands + size, LINE, "reserve\r\n");
  send_all(p, p->commands, size);
  for (size_t i = 0; i < count; i++) receive_job(p, &p->jobs[i], &keys[i]);
  return count;
}

void peer_done_batch(peer *p, const bench_key *keys, size_t count) {
  size_t size = 0;
  (void)keys;
  for (size_t i = 0; i < count; i++)
    size += (size_t)snprintf(p->commands + size, LINE, "delete %" PRIu64 "\r\n", p->jobs[i]);
  send_all(p, p->commands, size);
  for (size_t i = 0; i < count; i++) expect(p, "DELETED");
}

void peer_add(peer *p, const bench_key *key) {
  peer_add_batch(p, key, 1);
}

void peer_get(peer *p, bench_key *key) {
  peer_get_batch(p, key, 1);
}

void peer_done(peer *p, const bench_key *key) {
  peer_done_batch(p, key, 1);
}

void peer_retry(peer *p, const bench_key *key) {
  char text[LINE];
  (void)key;
  int size = snprintf(text, sizeof text, "release %" PRIu64 " 1 0\r\n", p->jobs[0]);
  send_all(p, text, (size_t)size);
  expect(p, "RELEASED");
}

const bench_case bench_cases[] = {PEER_CYCLE("cycle/0", 0, peer_set),
                                  PEER_CYCLE("depth/1k", 1000, peer_set_batch),
                                  PEER_CYCLE("depth/10k", 10000, peer_set_batch),
                                  PEER_CYCLE("cycle/100k", 100000, peer_set_batch),
                                  PEER_CYCLE("cycle/1m", 1000000, peer_set_batch),
                                  PEER_CYCLE_BATCH("cycle-batch/0", 0),
                                  PEER_FAIL_ONCE,
                                  PEER_PAIR(false),
                                  PEER_PAIR_BATCH(false),
                                  PEER_PINGPONG(false),
                                  {0}};
