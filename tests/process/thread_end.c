/*
 * Threads that end without closing their handles, in a process that lives on: their keys come back, and their slots are others',
 * one after the other, although the process still has the handles and their descriptors; which another thread may close later,
 * whoever has the slots by then.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/plain.h"
#include "support/process.h"

#include "workq.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HANDLES = 4, THREADS = 10, CAPACITY = 64 };

static char name[64];
static workq *q;
static workq *left[THREADS]; /* handles whose threads have ended */

static void open_queue(void) {
  workq_options options = {.capacity = CAPACITY,
                           .key_max = 16,
                           .handles = HANDLES,
                           .max_crashes = WORKQ_NEVER,
                           .limiter = {.kinds = WORKQ_LIMIT_NONE}};
  plain_ok(workq_create(name, &options, &q), "workq_create");
}

/* Opens a handle, and takes a key if there is one; *arg is the handle. */
static void *open_and_end(void *arg) {
  workq **mine = arg;
  workq_item item;
  int rc = workq_open(name, NULL, mine);
  if (rc == -EUSERS) plain_fail("no room for another handle, but the others' threads have ended");
  plain_ok(rc, "workq_open");
  rc = workq_get(*mine, &item, 0);
  if (rc != -ETIMEDOUT) plain_ok(rc, "workq_get");
  return NULL;
}

static void run_thread(void *(*run)(void *arg), void *arg) {
  pthread_t thread;
  int rc = pthread_create(&thread, NULL, run, arg);
  if (rc == 0) rc = pthread_join(thread, NULL);
  if (rc != 0) plain_fail("a thread: %s", strerror(rc));
}

static void expect_key(const char *text) {
  workq_item item;
  plain_ok(workq_reap(q), "workq_reap");
  int rc = workq_get(q, &item, 0);
  if (rc < 0) plain_fail("the key that an ended thread had in hand: %s", workq_strerror(rc));
  if (item.key_len != strlen(text) || memcmp(item.key, text, item.key_len) != 0) plain_fail("not the key %s", text);
  plain_ok(workq_complete(q, &item), "workq_complete");
}

static void slots_are_used_again(void) {
  for (int i = 0; i < THREADS; i++) {
    plain_ok(workq_add(q, "key", 3), "workq_add");
    run_thread(open_and_end, &left[i]);
    if (i % 2 == 0) expect_key("key"); /* else it comes back when the next one takes the slot, or now and then */
  }
  workq_stats_data stats;
  plain_ok(workq_reap(q), "workq_reap");
  plain_ok(workq_stats(q, &stats), "workq_stats");
  if (stats.attached != 1 || stats.processing != 0)
    plain_fail("%u handles, %u keys in hand, but all threads have ended", stats.attached, stats.processing);
}

/* Others have the slots: closing what is left of those before them must not touch them. */
static void what_is_left_can_be_closed(void) {
  workq *others[HANDLES - 1];
  workq_item item[HANDLES - 1];
  for (int i = 0; i < HANDLES - 1; i++) {
    plain_ok(workq_open(name, NULL, &others[i]), "workq_open");
    plain_ok(workq_add(others[i], &i, sizeof i), "workq_add");
    plain_ok(workq_get(others[i], &item[i], 0), "workq_get");
  }
  for (int i = 0; i < THREADS; i++) plain_ok(workq_close(left[i]), "workq_close of what an ended thread left");
  if (plain_ok(workq_reap(q), "workq_reap") != 0) plain_fail("a living handle was taken for dead");
  for (int i = 0; i < HANDLES - 1; i++) {
    plain_ok(workq_complete(others[i], &item[i]), "workq_complete");
    plain_ok(workq_close(others[i]), "workq_close");
  }
}

/* In a forked child, too, what is left can be closed. */
static void child_closes_what_is_left(void) {
  pid_t pid = process_fork();
  if (pid == 0) {
    for (int i = 0; i < THREADS; i++) plain_ok(workq_close(left[i]), "workq_close in a forked child");
    plain_ok(workq_close(q), "workq_close in a forked child");
    _exit(PLAIN_PASS);
  }
  process_wait_pass(pid, "forked child");
}

int main(int argc, char **argv) {
  plain_begin(&argc, argv);
  plain_own(name, sizeof name, "thread_end");
  plain_watchdog(1800, name);
  open_queue();
  slots_are_used_again();
  child_closes_what_is_left();
  what_is_left_can_be_closed();
  workq_item item;
  while (workq_get(q, &item, 0) == 0) plain_ok(workq_complete(q, &item), "workq_complete");
  plain_check(q, "at the end");
  plain_ok(workq_close(q), "workq_close");
  return PLAIN_PASS;
}
