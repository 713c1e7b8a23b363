/*
 * Who waits longest goes first: producers that wait for room in a full queue, whoever waits for a drain; and of the workers that
 * wait for keys, where the newest goes first on purpose, the oldest does not wait for ever.
 *
 * Nobody wakes by itself here, since the reap interval is as long as may be; apart from the tests of what becomes of room that
 * was kept for somebody who does not come.
 *
 * fair [TEST]...
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/plain.h"
#include "support/process.h"
#include "support/waiting.h"

#include "workq.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* An interval that never passes here. */
#define NEVER_NS INT64_C(60000000000)
#define SOON_NS  10000000

enum {
  PRODUCERS = 4,
  RUNS = 2000,
  SHARE = 4, /* of what the one with the most has, the one with the least has this part at least */
  LINE = 5,
  GETTERS_MAX = 4,
  KEYS_A_GETTER = 64 /* within so many keys for each that waits, the oldest has one */
};

static struct {
  _Atomic bool stop;
  _Atomic uint64_t got[GETTERS_MAX];
} * shared;

static char name[64];
static workq *q, *probe;

/* ---- Helpers ------------------------------------------------------------------------------------------------- */

static void open_queue(uint32_t capacity, int64_t interval_ns) {
  workq_options options = {.capacity = capacity, .key_max = 16, .handles = 16, .reap_interval_ns = interval_ns};
  plain_ok(workq_create(name, &options, &q), "workq_create");
  probe = waiting_open(name);
}

static void close_queue(void) {
  plain_check(q, "at the end");
  plain_ok(workq_close(probe), "workq_close");
  plain_ok(workq_close(q), "workq_close");
  plain_ok(workq_unlink(name), "workq_unlink");
}

/* A child that adds one key, its number, waiting for room; it stands in line when this returns. */
static pid_t add_in_line(uint32_t key) {
  pid_t pid = process_fork();
  if (pid == 0) {
    plain_ok(workq_add_wait(q, &key, sizeof key, WORKQ_FOREVER), "workq_add_wait");
    plain_ok(workq_close(q), "workq_close");
    _exit(PLAIN_PASS);
  }
  waiting_await(q, pid, WAITING_SPACE);
  return pid;
}

static void add(uint32_t key) {
  plain_ok(workq_add(q, &key, sizeof key), "workq_add");
}

/* Makes room for one. */
static uint32_t take(const char *what) {
  workq_item item;
  uint32_t key;
  int rc = workq_get(q, &item, WAITING_EVENT_NS);
  if (rc < 0) plain_fail("%s: nobody took the room: %s", what, workq_strerror(rc));
  memcpy(&key, item.key, sizeof key);
  plain_ok(workq_complete(q, &item), "workq_complete");
  return key;
}

static void expect_next(const char *what, uint32_t want) {
  uint32_t key = take(what);
  if (key != want) plain_fail("%s: the room was number %u's, not number %u's", what, key, want);
}

/* ---- Room ----------------------------------------------------------------------------------------------------- */

static void produce(uint32_t number) {
  uint32_t key[2] = {number, 0};
  while (!atomic_load(&shared->stop)) {
    key[1]++;
    int rc = workq_add_wait(q, key, sizeof key, WORKQ_FOREVER);
    if (rc == -ESHUTDOWN) break;
    plain_ok(rc, "workq_add_wait");
  }
  plain_ok(workq_close(q), "workq_close");
  _exit(PLAIN_PASS);
}

/* Several who add as fast as they can, and room for one key: a share is so far below the fair one that chance does not do it. */
static void producers_have_equal_shares(void) {
  unsigned runs = plain_scaled(RUNS);
  uint64_t keys[PRODUCERS] = {0}, least = UINT64_MAX, most = 0;
  pid_t pids[PRODUCERS];
  open_queue(1, NEVER_NS);
  atomic_store(&shared->stop, false);
  for (uint32_t i = 0; i < PRODUCERS; i++)
    if ((pids[i] = process_fork()) == 0) produce(i);
  /* From when all are there. */
  for (unsigned n = 0; n < runs;) {
    workq_stats_data stats;
    keys[take("producers") % PRODUCERS]++;
    plain_ok(workq_stats(q, &stats), "workq_stats");
    if (n > 0 || stats.attached == PRODUCERS + 2) n++;
    else memset(keys, 0, sizeof keys);
  }
  atomic_store(&shared->stop, true);
  plain_ok(workq_shutdown(q), "workq_shutdown");
  for (int i = 0; i < PRODUCERS; i++) process_wait_pass(pids[i], "producer");
  for (int i = 0; i < PRODUCERS; i++) {
    if (keys[i] < least) least = keys[i];
    if (keys[i] > most) most = keys[i];
  }
  printf("producers: of %u keys %u, %u, %u and %u\n", runs, (unsigned)keys[0], (unsigned)keys[1], (unsigned)keys[2],
         (unsigned)keys[3]);
  if (least * SHARE < most) plain_fail("one producer starves");
  close_queue();
}

static void room_goes_to_the_oldest(void) {
  pid_t pids[LINE];
  open_queue(1, NEVER_NS);
  add(100);
  for (uint32_t i = 0; i < LINE; i++) pids[i] = add_in_line(i);
  expect_next("a full queue", 100);
  for (uint32_t i = 0; i < LINE; i++) expect_next("room for those in line", i);
  for (int i = 0; i < LINE; i++) process_wait_pass(pids[i], "producer");
  close_queue();
}

/* Room for several at once: all of them come, in whatever order they run. */
static void much_room_goes_to_all(void) {
  pid_t pids[LINE];
  unsigned seen = 0;
  open_queue(LINE, NEVER_NS);
  for (uint32_t i = 0; i < LINE; i++) add(100 + i);
  for (uint32_t i = 0; i < LINE; i++) pids[i] = add_in_line(i);
  for (uint32_t i = 0; i < LINE; i++) expect_next("a full queue", 100 + i);
  for (uint32_t i = 0; i < LINE; i++) seen |= 1u << take("room for all in line");
  if (seen != (1u << LINE) - 1) plain_fail("not all in line have added: %x", seen);
  for (int i = 0; i < LINE; i++) process_wait_pass(pids[i], "producer");
  close_queue();
}

/* The first in line has the room, and is stopped before it takes it: one who comes now must not be there before it. */
static void newcomer_does_not_overtake(void) {
  open_queue(1, NEVER_NS);
  add(100);
  pid_t first = add_in_line(1);
  waiting_stop(probe, first);
  expect_next("a full queue", 100);
  pid_t second = process_fork();
  if (second == 0) {
    uint32_t key = 2;
    plain_ok(workq_add_wait(q, &key, sizeof key, WORKQ_FOREVER), "workq_add_wait");
    plain_ok(workq_close(q), "workq_close");
    _exit(PLAIN_PASS);
  }
  for (;;) { /* it stands in line, or has overtaken */
    int len = plain_ok(workq_len(q), "workq_len");
    if (len > 0) plain_fail("a newcomer has taken the room of one who has waited before it");
    if (waiting_for(q, second) == WAITING_SPACE) break;
    waiting_moment();
  }
  kill(first, SIGCONT);
  expect_next("the first in line goes on", 1);
  expect_next("the newcomer", 2);
  process_wait_pass(first, "producer");
  process_wait_pass(second, "producer");
  close_queue();
}

/* Of those in line all but one are stopped, or killed then, just before there is room for one. */
static void room_is_not_kept_from_the_living(bool killed) {
  for (uint32_t lives = 0; lives < LINE; lives++) {
    pid_t pids[LINE];
    open_queue(1, SOON_NS);
    add(100);
    for (uint32_t i = 0; i < LINE; i++) pids[i] = add_in_line(i);
    for (uint32_t i = 0; i < LINE; i++)
      if (i != lives) waiting_stop(probe, pids[i]);
    expect_next("a full queue", 100);
    for (uint32_t i = 0; i < LINE && killed; i++)
      if (i != lives) process_kill(pids[i]);
    expect_next("others in line are stopped or dead", lives);
    process_wait_pass(pids[lives], "producer");
    for (uint32_t i = 0; i < LINE && !killed; i++)
      if (i != lives) kill(pids[i], SIGCONT);
    for (uint32_t n = 0; n + 1 < LINE && !killed; n++) take("those who were stopped");
    for (uint32_t i = 0; i < LINE && !killed; i++)
      if (i != lives) process_wait_pass(pids[i], "producer");
    plain_ok(workq_reap(q), "workq_reap");
    close_queue();
  }
}

static void stopped_producer_keeps_no_room(void) {
  room_is_not_kept_from_the_living(false);
}

static void dead_producer_keeps_no_room(void) {
  room_is_not_kept_from_the_living(true);
}

/* Plain adds take what room there is; whoever waits keeps its place for the next. */
static void plain_add_leaves_the_line_as_it_is(void) {
  pid_t pids[2];
  open_queue(1, NEVER_NS);
  add(100);
  for (uint32_t i = 0; i < 2; i++) waiting_stop(probe, pids[i] = add_in_line(i));
  expect_next("a full queue", 100);
  add(101);
  for (uint32_t i = 0; i < 2; i++) kill(pids[i], SIGCONT);
  waiting_await(q, pids[0], WAITING_SPACE);
  waiting_await(q, pids[1], WAITING_SPACE);
  expect_next("a plain add", 101);
  for (uint32_t i = 0; i < 2; i++) expect_next("room after a plain add", i);
  for (uint32_t i = 0; i < 2; i++) process_wait_pass(pids[i], "producer");
  close_queue();
}

/* ---- Drain ---------------------------------------------------------------------------------------------------- */

static pid_t drain_in_line(void) {
  pid_t pid = process_fork();
  if (pid == 0) {
    plain_ok(workq_shutdown_drain(q, WORKQ_FOREVER), "workq_shutdown_drain");
    plain_ok(workq_close(q), "workq_close");
    _exit(PLAIN_PASS);
  }
  waiting_await(q, pid, WAITING_DRAIN);
  return pid;
}

/* The one who has waited for longest learns of it, whatever those do who came later. */
static void drain_ends_for_the_oldest(void) {
  pid_t pids[3];
  open_queue(4, NEVER_NS);
  add(1);
  for (int i = 0; i < 3; i++) pids[i] = drain_in_line();
  for (int i = 1; i < 3; i++) waiting_stop(probe, pids[i]);
  expect_next("the last key", 1);
  waiting_await_end(pids[0], "the oldest is not told that the queue is drained");
  for (int i = 1; i < 3; i++) kill(pids[i], SIGCONT);
  for (int i = 1; i < 3; i++) waiting_await_end(pids[i], "not all are told that the queue is drained");
  close_queue();
}

/* ---- Keys ----------------------------------------------------------------------------------------------------- */

static void work(unsigned number) {
  workq_options options = {.flags = WORKQ_NO_SPIN};
  workq *mine;
  workq_item item;
  int rc;
  plain_ok(workq_close(q), "workq_close");
  plain_ok(workq_open(name, &options, &mine), "workq_open");
  while ((rc = workq_get(mine, &item, WORKQ_FOREVER)) == 0) {
    plain_ok(workq_complete(mine, &item), "workq_complete");
    atomic_fetch_add(&shared->got[number], 1);
  }
  if (rc != -ESHUTDOWN) plain_fail("workq_get: %s", workq_strerror(rc));
  plain_ok(workq_close(mine), "workq_close");
  _exit(PLAIN_PASS);
}

static uint64_t all_got(unsigned getters) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < getters; i++) sum += atomic_load(&shared->got[i]);
  return sum;
}

/* Keys come one at a time, to workers of which all wait. */
static void trickle(unsigned getters) {
  pid_t pids[GETTERS_MAX];
  open_queue(4, NEVER_NS);
  for (unsigned i = 0; i < getters; i++) {
    atomic_store(&shared->got[i], 0);
    if ((pids[i] = process_fork()) == 0) work(i);
    waiting_await(q, pids[i], WAITING_GET);
  }
  for (uint32_t n = 0; n < getters * KEYS_A_GETTER; n++) {
    int64_t end_ns = plain_now_ns() + WAITING_EVENT_NS;
    add(n);
    while (all_got(getters) != n + 1) {
      if (plain_now_ns() > end_ns) plain_fail("nobody gets key %u although %u wait", n, getters);
      waiting_moment();
    }
    for (unsigned i = 0; i < getters; i++) waiting_await(q, pids[i], WAITING_GET);
  }
  for (unsigned i = 0; i < getters; i++)
    if (atomic_load(&shared->got[i]) == 0)
      plain_fail("getter %u of %u has none of %u keys", i, getters, getters * KEYS_A_GETTER);
  plain_ok(workq_shutdown(q), "workq_shutdown");
  for (unsigned i = 0; i < getters; i++) process_wait_pass(pids[i], "getter");
  close_queue();
}

static void oldest_getter_does_not_starve(void) {
  for (unsigned getters = 2; getters <= GETTERS_MAX; getters++) trickle(getters);
}

/* ---- All ------------------------------------------------------------------------------------------------------ */

#define TEST(function)                                                                                                 \
  { #function, function }
static const struct {
  const char *name;
  void (*run)(void);
} tests[] = {TEST(producers_have_equal_shares),
             TEST(room_goes_to_the_oldest),
             TEST(much_room_goes_to_all),
             TEST(newcomer_does_not_overtake),
             TEST(stopped_producer_keeps_no_room),
             TEST(dead_producer_keeps_no_room),
             TEST(plain_add_leaves_the_line_as_it_is),
             TEST(drain_ends_for_the_oldest),
             TEST(oldest_getter_does_not_starve)};

static bool wanted(const char *test, char **names) {
  if (!*names) return true;
  for (; *names; names++)
    if (strcmp(*names, test) == 0) return true;
  return false;
}

int main(int argc, char **argv) {
  plain_begin(&argc, argv);
  shared = process_share(sizeof *shared);
  plain_own(name, sizeof name, "fair");
  plain_watchdog(1800, name);
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    if (!wanted(tests[i].name, argv + 1)) continue;
    printf("%s\n", tests[i].name);
    tests[i].run();
  }
  return PLAIN_PASS;
}
