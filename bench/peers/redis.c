/*
 * Redis, over its Unix socket.  What workq does is here three scripts over a list and two sets, since each must be done
 * as a whole: the dirty set has what is queued or was added again, the processing set what somebody works on (as in
 * client-go).  Batches are pipelined: all commands are sent, then all replies are read.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "peer.h"

const char *const bench_who = "redis";
const size_t peer_keys = 2000;

typedef enum script { ADD, GET, DONE, RETRY, SCRIPTS } script;

static const char *const sources[SCRIPTS] = {
    [ADD] = "if redis.call('SADD', KEYS[2], ARGV[1]) == 0 then return 0 end "
            "if redis.call('SISMEMBER', KEYS[3], ARGV[1]) == 0 then redis.call('RPUSH', KEYS[1], ARGV[1]) end "
            "return 1",
    [GET] = "local key = redis.call('LPOP', KEYS[1]) "
            "if key then redis.call('SADD', KEYS[3], key) redis.call('SREM', KEYS[2], key) end "
            "return key",
    [DONE] = "redis.call('SREM', KEYS[3], ARGV[1]) "
             "if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then redis.call('RPUSH', KEYS[1], ARGV[1]) end "
             "return 1",
    [RETRY] = "redis.call('SREM', KEYS[3], ARGV[1]) redis.call('SADD', KEYS[2], ARGV[1]) "
              "redis.call('RPUSH', KEYS[1], ARGV[1]) "
              "return 1",
};

enum { NAME = 32, SHA1 = 41 };

struct peer {
  redisContext *redis;
  char names[3][NAME]; /* of the list and the sets */
  char scripts[SCRIPTS][SHA1];
};

static void check(const peer *p, const redisReply *reply) {
  if (!reply) bench_die("Redis: %s", p->redis->errstr);
  if (reply->type == REDIS_REPLY_ERROR) bench_die("Redis: %s", reply->str);
}

static void load(peer *p, script which) {
  redisReply *reply = redisCommand(p->redis, "SCRIPT LOAD %s", sources[which]);
  check(p, reply);
  snprintf(p->scripts[which], SHA1, "%s", reply->str);
  freeReplyObject(reply);
}

peer *peer_open(size_t keys) {
  static unsigned number;
  static const char *const parts[] = {"list", "dirty", "processing"};
  peer *p = bench_alloc(sizeof *p);
  (void)keys;
  for (int i = 0; i < 3; i++) snprintf(p->names[i], NAME, "%s%u", parts[i], number);
  number++;
  return p;
}

void peer_join(peer *p) {
  p->redis = redisConnectUnix(peer_socket("WORKQ_BENCH_REDIS"));
  if (!p->redis || p->redis->err) bench_die("Redis: %s", p->redis ? p->redis->errstr : "no memory");
  for (int which = 0; which < SCRIPTS; which++) load(p, (script)which);
}

/* What is left in the server goes with the server. */
void peer_close(peer *p) {
  if (p->redis) redisFree(p->redis);
  free(p);
}

/* ---- Commands ---- */

static void send(peer *p, script which, const bench_key *key) {
  const char *words[] = {"EVALSHA",   p->scripts[which],   "3", p->names[0], p->names[1],
                         p->names[2], key ? key->text : ""};
  size_t sizes[] = {7, SHA1 - 1, 1, strlen(words[3]), strlen(words[4]), strlen(words[5]), key ? key->len : 0};
  if (redisAppendCommandArgv(p->redis, key ? 7 : 6, words, sizes) != REDIS_OK) bench_die("Redis: %s", p->redis->errstr);
}

/* Whether there was a key in the answer. */
static bool receive(peer *p, bench_key *key) {
  redisReply *reply = NULL;
  redisGetReply(p->redis, (void **)&reply);
  check(p, reply);
  bool got = key && reply->type == REDIS_REPLY_STRING && reply->len < sizeof key->text;
  if (got) {
    memcpy(key->text, reply->str, reply->len + 1);
    key->len = reply->len;
  }
  freeReplyObject(reply);
  return got;
}

static void do_all(peer *p, script which, const bench_key *keys, size_t count) {
  for (size_t i = 0; i < count; i++) send(p, which, &keys[i]);
  for (size_t i = 0; i < count; i++) receive(p, NULL);
}

void peer_add(peer *p, const bench_key *key) {
  do_all(p, ADD, key, 1);
}

void peer_done(peer *p, const bench_key *key) {
  do_all(p, DONE, key, 1);
}

void peer_retry(peer *p, const bench_key *key) {
  do_all(p, RETRY, key, 1);
}

void peer_get(peer *p, bench_key *key) {
  peer_get_batch(p, key, 1);
}

void peer_add_batch(peer *p, const bench_key *keys, size_t count) {
  do_all(p, ADD, keys, count);
}

void peer_done_batch(peer *p, const bench_key *keys, size_t count) {
  do_all(p, DONE, keys, count);
}

/* A script cannot wait: who finds nothing asks again. */
size_t peer_get_batch(peer *p, bench_key *keys, size_t count) {
  for (;;) {
    size_t got = 0;
    for (size_t i = 0; i < count; i++) send(p, GET, NULL);
    for (size_t i = 0; i < count; i++) got += receive(p, &keys[got]);
    if (got > 0) return got;
    sched_yield();
  }
}

const bench_case bench_cases[] = {PEER_CYCLE("cycle/0", 0, peer_set),
                                  PEER_CYCLE("depth/1k", 1000, peer_set_batch),
                                  PEER_CYCLE("depth/10k", 10000, peer_set_batch),
                                  PEER_CYCLE("cycle/100k", 100000, peer_set_batch),
                                  PEER_CYCLE("cycle/1m", 1000000, peer_set_batch),
                                  PEER_CYCLE_BATCH("cycle-batch/0", 0),
                                  PEER_DEDUP,
                                  PEER_FAIL_ONCE,
                                  PEER_PAIR(false),
                                  PEER_PAIR_BATCH(false),
                                  {0}};
