/*
 * Workers that are stopped while they wait: by SIGSTOP, as a frozen control group would.  The one that wakes for delayed keys
 * delays the first of them at most, for another takes that over; a key that one was woken for is got by another.
 *
 * A key is late, or it is not, by half a reap interval; of many keys most must not be, so that nothing depends on how busy the
 * machine is now and then.
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
#include <unistd.h>

enum { GETTERS_MAX = 5, KEYS = 12, ROUNDS = 4 };

#define INTERVAL_NS INT64_C(1000000000)
#define DELAY_NS    5000000
#define SHORT_NS    20000000

static struct {
  _Atomic uint32_t got; /* keys so far */
  _Atomic int64_t got_ns;
} * shared;

static char name[64];
static workq *q, *probe;
static workq *look; /* takes no lock, and so makes nothing ready */
static pid_t pids[GETTERS_MAX];

static void work(void) {
  workq_options options = {.flags = WORKQ_NO_SPIN};
  workq *mine;
  workq_item item;
  int rc;
  plain_ok(workq_open(name, &options, &mine), "workq_open");
  while ((rc = workq_get(mine, &item, WORKQ_FOREVER)) == 0) {
    plain_ok(workq_complete(mine, &item), "workq_complete");
    atomic_store(&shared->got_ns, plain_now_ns());
    atomic_fetch_add(&shared->got, 1);
  }
  if (rc != -ESHUTDOWN) plain_fail("workq_get: %s", workq_strerror(rc));
  plain_ok(workq_close(mine), "workq_close");
  _exit(PLAIN_PASS);
}

/* Getters stand in line in the order of their numbers: number 0 leads. */
static void open_queue(int64_t interval_ns, unsigned getters) {
  workq_options options = {.capacity = 100, .key_max = 16, .handles = 16, .reap_interval_ns = interval_ns};
  workq_options raw = {.flags = WORKQ_RAW};
  plain_ok(workq_create(name, &options, &q), "workq_create");
  plain_ok(workq_open(name, &raw, &look), "workq_open of a raw handle");
  probe = waiting_open(name);
  atomic_store(&shared->got, 0);
  for (unsigned i = 0; i < getters; i++) {
    if ((pids[i] = process_fork()) == 0) work();
    waiting_await(look, pids[i], WAITING_GET);
  }
}

/* Those who were stopped go on as if nothing had been. */
static void close_queue(unsigned getters) {
  for (unsigned i = 0; i < getters; i++) kill(pids[i], SIGCONT);
  plain_ok(workq_shutdown(q), "workq_shutdown");
  for (unsigned i = 0; i < getters; i++) process_wait_pass(pids[i], "getter");
  workq_stats_data stats;
  plain_ok(workq_stats(q, &stats), "workq_stats");
  if (stats.keys != 0 || stats.attached != 2) plain_fail("%u keys and %u handles are left", stats.keys, stats.attached);
  plain_check(q, "at the end");
  plain_ok(workq_close(probe), "workq_close");
  plain_ok(workq_close(look), "workq_close");
  plain_ok(workq_close(q), "workq_close");
  plain_ok(workq_unlink(name), "workq_unlink");
}

/* Returns when one more key has been got, or fails. */
static void await_got(uint32_t count, const char *what) {
  int64_t end_ns = plain_now_ns() + WAITING_EVENT_NS;
  while (atomic_load(&shared->got) < count) {
    if (plain_now_ns() > end_ns) plain_fail("%s: nobody gets key %u", what, count);
    waiting_moment();
  }
}

/* ---- Delayed keys ------------------------------------------------------------------------------------------------ */

/* Keys with a delay, each added when the one before has been got.  Returns how many of them were late. */
static unsigned count_late(uint32_t keys, const char *what) {
  unsigned late = 0;
  uint32_t before = atomic_load(&shared->got);
  for (uint32_t n = 1; n <= keys; n++) {
    uint32_t key = before + n;
    int64_t due_ns = plain_now_ns() + DELAY_NS;
    plain_ok(workq_add_after(q, &key, sizeof key, DELAY_NS), "workq_add_after");
    await_got(key, what);
    late += atomic_load(&shared->got_ns) - due_ns > INTERVAL_NS / 2;
  }
  return late;
}

/* stopped: a bit for each getter.  One getter at least goes on. */
static void stop_some(unsigned getters, unsigned stopped) {
  char what[64];
  snprintf(what, sizeof what, "%u getters, stopped: %x", getters, stopped);
  open_queue(INTERVAL_NS, getters);
  for (unsigned i = 0; i < getters; i++)
    if (stopped & 1u << i) waiting_stop(probe, pids[i]);
  unsigned late = count_late(KEYS, what);
  printf("%s; late: %u of %u delayed keys\n", what, late, KEYS);
  fflush(stdout);
  if (late > KEYS / 2) plain_fail("%s: of %u delayed keys %u were late", what, KEYS, late);
  close_queue(getters);
}

/* Whoever has taken over is stopped, too, and another takes over from it. */
static void stop_one_after_the_other(void) {
  enum { GETTERS = 4 };
  unsigned late = 0;
  open_queue(INTERVAL_NS, GETTERS);
  for (unsigned i = 0; i + 1 < GETTERS; i++) {
    waiting_await(look, pids[i], WAITING_GET);
    waiting_stop(probe, pids[i]);
    late += count_late(KEYS, "one after the other is stopped");
  }
  printf("stopped one after the other; late: %u of %u delayed keys\n", late, (GETTERS - 1) * KEYS);
  if (late > (GETTERS - 1) * KEYS / 2) plain_fail("stopped one after the other: %u keys were late", late);
  close_queue(GETTERS);
}

/* ---- Keys that a stopped one was woken for -------------------------------------------------------------------------- */

/* All but one are stopped: the keys are its, whoever was woken for them. */
static void woken_ones_keep_no_key(void) {
  enum { GETTERS = 4 };
  for (unsigned lives = 0; lives < GETTERS; lives++) {
    open_queue(SHORT_NS, GETTERS);
    for (unsigned i = 0; i < GETTERS; i++)
      if (i != lives) waiting_stop(probe, pids[i]);
    for (uint32_t n = 1; n <= ROUNDS; n++) {
      plain_ok(workq_add(q, &n, sizeof n), "workq_add");
      await_got(n, "others in line are stopped");
    }
    close_queue(GETTERS);
  }
}

int main(int argc, char **argv) {
  plain_begin(&argc, argv);
  shared = process_share(sizeof *shared);
  plain_own(name, sizeof name, "stopped");
  plain_watchdog(1800, name);
  woken_ones_keep_no_key();
  stop_some(2, 1);          /* the one that leads */
  stop_some(3, 1 | 2);      /* and the next */
  stop_some(5, 1 | 2 | 16); /* and the newest */
  stop_one_after_the_other();
  return PLAIN_PASS;
}
