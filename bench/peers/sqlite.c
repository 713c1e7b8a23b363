/*
 * A table of SQLite as a queue, in a file in /dev/shm: write-ahead log, nothing is waited for on a disk.  What workq
 * does is here a prepared statement each, which is a transaction; a batch is one transaction.  A key's row number is
 * its place in the queue, so that there is one index besides it, that of keys.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "peer.h"

const char *const bench_who = "sqlite";
const size_t peer_keys = 5000;

/* States: queued, processing, processing and added again. */
static const char schema[] = "CREATE TABLE queue (place INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, state INT)";

typedef enum statement { ADD, GET, DONE, AGAIN, BEGIN, COMMIT, STATEMENTS } statement;

static const char *const sources[STATEMENTS] = {
    [ADD] = "INSERT INTO queue (key, state) VALUES (?1, 0) "
            "ON CONFLICT (key) DO UPDATE SET state = 2 WHERE state = 1",
    [GET] = "UPDATE queue SET state = 1 WHERE place = "
            "(SELECT place FROM queue WHERE state = 0 ORDER BY place LIMIT 1) RETURNING key",
    [DONE] = "DELETE FROM queue WHERE key = ?1 AND state = 1",
    [AGAIN] = "UPDATE queue SET state = 0, place = (SELECT max(place) + 1 FROM queue) WHERE key = ?1",
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
};

enum { PATH = 256 };

struct peer {
  char path[PATH];
  sqlite3 *db;
  sqlite3_stmt *prepared[STATEMENTS];
};

static void check(const peer *p, int rc) {
  if (rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_ROW) bench_die("SQLite: %s", sqlite3_errmsg(p->db));
}

/* SQLite's own waits are milliseconds long; what is waited for here takes microseconds. */
static int look_again(void *arg, int times) {
  (void)arg;
  (void)times;
  sched_yield();
  return 1;
}

static void connect_to(peer *p, const char *first) {
  static const char settings[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY; "
                                 "PRAGMA mmap_size = 1073741824; PRAGMA cache_size = -262144";
  check(p, sqlite3_open(p->path, &p->db));
  check(p, sqlite3_busy_handler(p->db, look_again, NULL));
  check(p, sqlite3_exec(p->db, settings, NULL, NULL, NULL));
  check(p, sqlite3_exec(p->db, first, NULL, NULL, NULL));
}

static void unlink_all(const char *path) {
  static const char *const ends[] = {"", "-wal", "-shm"};
  char name[PATH + 8];
  for (int i = 0; i < 3; i++) {
    snprintf(name, sizeof name, "%s%s", path, ends[i]);
    unlink(name);
  }
}

/* A connection must not live through a fork, not even unused. */
peer *peer_open(size_t keys) {
  static unsigned number;
  const char *directory = getenv("WORKQ_BENCH_DIR");
  peer *p = bench_alloc(sizeof *p);
  (void)keys;
  snprintf(p->path, PATH, "%s/bench%u-%d.sqlite", directory ? directory : "/dev/shm", number++, (int)getpid());
  unlink_all(p->path);
  connect_to(p, schema);
  check(p, sqlite3_close(p->db));
  p->db = NULL;
  return p;
}

void peer_join(peer *p) {
  connect_to(p, "");
  for (int i = 0; i < STATEMENTS; i++)
    check(p, sqlite3_prepare_v3(p->db, sources[i], -1, SQLITE_PREPARE_PERSISTENT, &p->prepared[i], NULL));
}

void peer_close(peer *p) {
  for (int i = 0; i < STATEMENTS; i++) sqlite3_finalize(p->prepared[i]);
  sqlite3_close(p->db);
  unlink_all(p->path);
  free(p);
}

/* ---- Operations ---- */

/* Whether there was a row; its key. */
static bool run(peer *p, statement which, const bench_key *key, bench_key *got) {
  sqlite3_stmt *s = p->prepared[which];
  if (key) check(p, sqlite3_bind_text(s, 1, key->text, (int)key->len, SQLITE_STATIC));
  int rc = sqlite3_step(s);
  check(p, rc);
  if (rc == SQLITE_ROW) {
    got->len = (size_t)sqlite3_column_bytes(s, 0);
    memcpy(got->text, sqlite3_column_text(s, 0), got->len + 1);
    check(p, sqlite3_step(s));
  }
  check(p, sqlite3_reset(s));
  return rc == SQLITE_ROW;
}

void peer_add(peer *p, const bench_key *key) {
  run(p, ADD, key, NULL);
}

void peer_get(peer *p, bench_key *key) {
  while (!run(p, GET, NULL, key)) sched_yield();
}

void peer_done(peer *p, const bench_key *key) {
  run(p, DONE, key, NULL);
  if (sqlite3_changes(p->db) == 0) run(p, AGAIN, key, NULL);
}

void peer_retry(peer *p, const bench_key *key) {
  run(p, AGAIN, key, NULL);
}

void peer_add_batch(peer *p, const bench_key *keys, size_t count) {
  run(p, BEGIN, NULL, NULL);
  for (size_t i = 0; i < count; i++) peer_add(p, &keys[i]);
  run(p, COMMIT, NULL, NULL);
}

size_t peer_get_batch(peer *p, bench_key *keys, size_t count) {
  for (;;) {
    size_t got = 0;
    run(p, BEGIN, NULL, NULL);
    while (got < count && run(p, GET, NULL, &keys[got])) got++;
    run(p, COMMIT, NULL, NULL);
    if (got > 0) return got;
    sched_yield();
  }
}

void peer_done_batch(peer *p, const bench_key *keys, size_t count) {
  run(p, BEGIN, NULL, NULL);
  for (size_t i = 0; i < count; i++) peer_done(p, &keys[i]);
  run(p, COMMIT, NULL, NULL);
}

const bench_case bench_cases[] = {PEER_CYCLE("cycle/0", 0, peer_set),
                                  PEER_CYCLE("depth/1k", 1000, peer_set_batch),
                                  PEER_CYCLE("depth/10k", 10000, peer_set_batch),
                                  PEER_CYCLE("cycle/100k", 100000, peer_set_batch),
                                  PEER_CYCLE("cycle/1m", 1000000, peer_set_batch),
                                  PEER_CYCLE_BATCH("cycle-batch/0", 0),
                                  PEER_DEDUP,
                                  PEER_FAIL_ONCE,
                                  PEER_PAIR(true),
                                  PEER_FAN,
                                  PEER_PAIR_BATCH(true),
                                  {0}};
