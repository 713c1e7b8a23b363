/*
 * Waiters that nobody thinks of: one whose call ended because the lock was not to be had, so that it could not leave the line that
 * it stood in, and who then does something else; and one who waits for room for a key that another has added meanwhile.
 *
 * Nobody wakes by itself here, since the reap interval is as long as may be: who is not woken sleeps on.
 *
 * cancelled [TEST]...
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
#define SOON_NS  1000000
#define LATE_NS  INT64_C(1000000000)
#define HOUR_NS  INT64_C(3600000000000)
#define LOCK_NS  100000000

static struct {
  _Atomic pid_t holder; /* once it has the lock */
  _Atomic bool gave_up, go;
  _Atomic int results[2];
} * shared;

static char name[64];
static workq *q, *probe;
static workq *look; /* takes no lock, and so moves nothing */

static void open_queue(uint32_t capacity) {
  workq_options options = {.capacity = capacity, .key_max = 16, .handles = 8, .reap_interval_ns = NEVER_NS};
  workq_options raw = {.flags = WORKQ_RAW};
  plain_ok(workq_create(name, &options, &q), "workq_create");
  probe = waiting_open(name);
  plain_ok(workq_open(name, &raw, &look), "workq_open of a raw handle");
  atomic_store(&shared->holder, 0);
  atomic_store(&shared->gave_up, false);
  atomic_store(&shared->go, false);
}

static void close_queue(void) {
  plain_ok(workq_reap(q), "workq_reap");
  plain_check(q, "at the end");
  plain_ok(workq_close(probe), "workq_close");
  plain_ok(workq_close(q), "workq_close");
  plain_ok(workq_close(look), "workq_close");
  plain_ok(workq_unlink(name), "workq_unlink");
}

/* ---- A call that ends because the lock is not to be had ----------------------------------------------------------- */

static void ignore(int signal) {
  (void)signal;
}

/* Read inside the lock, too, where something is delayed, or is going to be. */
static int64_t clock_that_stops(void *armed) {
  if (*(bool *)armed && workq_lock_owner(look) == getpid()) {
    atomic_store(&shared->holder, getpid());
    for (;;) pause();
  }
  return plain_now_ns();
}

/* A child that has the lock until it is killed, and leaves the queue as it was. */
static pid_t start_holder(void) {
  pid_t pid = process_fork();
  if (pid == 0) {
    bool armed = false;
    workq_options options = {.clock = clock_that_stops, .clock_arg = &armed};
    workq *mine;
    plain_ok(workq_open(name, &options, &mine), "workq_open");
    armed = true;
    plain_ok(workq_add_after(mine, "held", 4, HOUR_NS), "workq_add_after");
    plain_fail("the holder did not stop in the lock");
  }
  while (!atomic_load(&shared->holder)) waiting_moment();
  return pid;
}

/* A child that waits for a key, gives up because of the lock, and then makes that call. */
static pid_t start_cancelled(void (*then)(workq *mine)) {
  pid_t pid = process_fork();
  if (pid == 0) {
    struct sigaction action = {.sa_handler = ignore};
    workq_options options = {.flags = WORKQ_NO_SPIN, .lock_timeout_ns = LOCK_NS};
    workq *mine;
    workq_item item;
    sigaction(SIGUSR1, &action, NULL);
    plain_ok(workq_open(name, &options, &mine), "workq_open");
    int rc = workq_get(mine, &item, WORKQ_FOREVER);
    if (rc != -ETIMEDOUT) plain_fail("workq_get, its lock being held: %d, not -ETIMEDOUT", rc);
    if (workq_lock_owner(mine) != atomic_load(&shared->holder)) plain_fail("not the holder was in the way");
    atomic_store(&shared->gave_up, true);
    while (!atomic_load(&shared->go)) waiting_moment();
    then(mine);
    for (;;) pause();
  }
  waiting_await(look, pid, WAITING_GET);
  return pid;
}

/* A child that waits for the key with this text, and ends. */
static pid_t start_getter(const char *text) {
  pid_t pid = process_fork();
  if (pid == 0) {
    workq_options options = {.flags = WORKQ_NO_SPIN};
    workq *mine;
    workq_item item;
    plain_ok(workq_open(name, &options, &mine), "workq_open");
    plain_ok(workq_get(mine, &item, WORKQ_FOREVER), "workq_get");
    if (item.key_len != strlen(text) || memcmp(item.key, text, item.key_len) != 0) plain_fail("not the key %s", text);
    plain_ok(workq_complete(mine, &item), "workq_complete");
    plain_ok(workq_close(mine), "workq_close");
    _exit(PLAIN_PASS);
  }
  waiting_await(look, pid, WAITING_GET);
  return pid;
}

/* Who leads the line has given up, and does something else; the one behind it must have the key in time. */
static void give_up_and(void (*then)(workq *mine), const char *text) {
  pid_t first = start_cancelled(then);
  pid_t second = start_getter(text);
  pid_t holder = start_holder();
  while (!atomic_load(&shared->gave_up)) {
    kill(first, SIGUSR1); /* again, since the handler may run just before the sleep */
    waiting_moment();
  }
  process_kill(holder);
  atomic_store(&shared->go, true);
  waiting_await_end(second, "nobody is woken for the delayed key: the one that led the line has given up");
  process_kill(first);
}

static void add_delayed(workq *mine) {
  plain_ok(workq_add_after(mine, "late", 4, SOON_NS), "workq_add_after");
}

static void leader_adds_a_delayed_key(void) {
  open_queue(8);
  give_up_and(add_delayed, "late");
  close_queue();
}

static void add_and_wait_for_room(workq *mine) {
  plain_ok(workq_add_wait(mine, "more", 4, WORKQ_FOREVER), "workq_add_wait");
}

/* It goes over to the line of those who wait for room, with a key that is delayed already. */
static void leader_goes_to_another_line(void) {
  workq_item item;
  open_queue(2);
  plain_ok(workq_add(q, "in hand", 7), "workq_add");
  plain_ok(workq_get(q, &item, 0), "workq_get");
  plain_ok(workq_add_after(q, "late", 4, LATE_NS), "workq_add_after");
  give_up_and(add_and_wait_for_room, "late");
  plain_ok(workq_done(q, &item), "workq_done");
  close_queue();
}

static void look_at_it(workq *mine) {
  plain_ok(workq_len(mine), "workq_len");
}

/* It comes by, and leaves the line: whoever leads now must know of the delayed key. */
static void leader_only_looks(void) {
  open_queue(2);
  plain_ok(workq_add_after(q, "late", 4, LATE_NS), "workq_add_after");
  give_up_and(look_at_it, "late");
  close_queue();
}

static void close_it(workq *mine) {
  plain_ok(workq_close(mine), "workq_close");
}

static void leader_closes(void) {
  open_queue(2);
  plain_ok(workq_add_after(q, "late", 4, LATE_NS), "workq_add_after");
  give_up_and(close_it, "late");
  close_queue();
}

/* ---- A key that another has added --------------------------------------------------------------------------------- */

static pid_t start_adder(int number, const char *text) {
  pid_t pid = process_fork();
  if (pid == 0) {
    workq_options options = {.flags = WORKQ_NO_SPIN};
    workq *mine;
    plain_ok(workq_open(name, &options, &mine), "workq_open");
    int rc = plain_ok(workq_add_wait(mine, text, strlen(text), WORKQ_FOREVER), "workq_add_wait");
    atomic_store(&shared->results[number], rc);
    _exit(PLAIN_PASS); /* without a call of the library, which would tell others */
  }
  waiting_await(look, pid, WAITING_SPACE);
  return pid;
}

static void make_room(void) {
  workq_item item;
  plain_ok(workq_get(q, &item, 0), "workq_get");
  plain_ok(workq_complete(q, &item), "workq_complete");
}

/* Two wait with the same key; there is room for one, and so for both. */
static void two_add_one_key(void) {
  open_queue(2);
  plain_ok(workq_add(q, "a", 1) + workq_add(q, "b", 1), "workq_add");
  pid_t first = start_adder(0, "same"), second = start_adder(1, "same");
  make_room();
  waiting_await_end(first, "the first of two who wait with one key sleeps on");
  waiting_await_end(second, "the second of two who wait with one key sleeps on");
  if (atomic_load(&shared->results[0]) + atomic_load(&shared->results[1]) != 1)
    plain_fail("of two adds of one key not exactly one was the first");
  close_queue();
}

/* The room is another's, who is stopped; the key comes by a plain add, which leaves no room. */
static void key_comes_by_another(void) {
  open_queue(2);
  plain_ok(workq_add(q, "a", 1) + workq_add(q, "b", 1), "workq_add");
  pid_t first = start_adder(0, "other"), second = start_adder(1, "same");
  waiting_stop(probe, first);
  make_room();
  plain_ok(workq_add(q, "same", 4), "workq_add");
  waiting_await_end(second, "who waits for room for a key that is there sleeps on");
  kill(first, SIGCONT);
  make_room();
  waiting_await_end(first, "the first in line sleeps on");
  close_queue();
}

/* ---- All -------------------------------------------------------------------------------------------------------- */

#define TEST(function)                                                                                                 \
  { #function, function }
static const struct {
  const char *name;
  void (*run)(void);
} tests[] = {TEST(leader_adds_a_delayed_key), TEST(leader_goes_to_another_line),
             TEST(leader_only_looks),         TEST(leader_closes),
             TEST(two_add_one_key),           TEST(key_comes_by_another)};

static bool wanted(const char *test, char **names) {
  if (!*names) return true;
  for (; *names; names++)
    if (strcmp(*names, test) == 0) return true;
  return false;
}

int main(int argc, char **argv) {
  plain_begin(&argc, argv);
  shared = process_share(sizeof *shared);
  plain_own(name, sizeof name, "cancelled");
  plain_watchdog(1800, name);
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    if (!wanted(tests[i].name, argv + 1)) continue;
    printf("%s\n", tests[i].name);
    tests[i].run();
  }
  return PLAIN_PASS;
}
