/*
 * The watch: a queue in which no key runs for too long, a call that does not return, or a producer that is passed over
 * ends the soak.
 *
 * Time counts in which this process ran, too: of the time between two looks at most a moment.  On a machine that is so
 * busy that this process seldom runs, the others have more of it.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "soak.h"

#include <stdio.h>

enum { MOMENT_MS = 50 };

static int64_t watched_ns;

int64_t watch_now_ns(void) {
  return watched_ns;
}

void dump_queues(void) {
  workq_options options = {.flags = WORKQ_RAW};
  for (unsigned i = 0; i < QUEUES; i++) {
    workq *q;
    if (!queue_is_used(i) || workq_open(queue_names[i], &options, &q) < 0) continue;
    fprintf(stderr, "---- %s, its lock held by %d\n", queue_names[i], workq_lock_owner(q));
    workq_dump(q, stderr);
    workq_close(q);
  }
}

static bool must_return(uint32_t inside) {
  return inside != CALL_NONE && inside != CALL_GET && inside != CALL_ADD_WAIT && inside != CALL_DRAIN;
}

static void watch_players(void) {
  for (unsigned i = 0; i < parts_count; i++) {
    part *p = &parts[i];
    const life_record *record = life_of(p->life);
    uint32_t calls = record->calls;
    if (calls != p->calls || p->stopped_until_ns != 0 || !must_return(record->inside)) {
      p->calls = calls;
      p->calls_ns = watched_ns;
    } else if (watched_ns - p->calls_ns > soak.stall_ns) {
      dump_queues();
      plain_fail("%s %d has been in '%s' for %lld s", role_names[p->role], (int)p->pid, call_names[record->inside],
                 (long long)(soak.stall_ns / SECOND));
    }
  }
}

/* Producers never end, so there is always work; nobody stops all of it for more than a moment. */
static void watch_queues(void) {
  static uint64_t runs[QUEUES];
  static int64_t moved_ns[QUEUES];
  for (unsigned i = 0; i < QUEUES; i++) {
    if (!queue_is_used(i)) continue;
    uint64_t now = atomic_load(&shared->runs[i]);
    int64_t pause_ns = watched_ns - moved_ns[i];
    if (pause_ns > report.longest_ns[i]) report.longest_ns[i] = pause_ns;
    if (now != runs[i]) {
      runs[i] = now;
      moved_ns[i] = watched_ns;
    } else if (pause_ns > soak.stall_ns) {
      dump_queues();
      plain_fail("no key of %s has run for %lld s", queue_names[i], (long long)(pause_ns / SECOND));
    }
  }
}

void watch(int64_t now_ns) {
  static int64_t last_ns;
  int64_t passed_ns = last_ns == 0 ? 0 : now_ns - last_ns;
  last_ns = now_ns;
  watched_ns += passed_ns < MOMENT_MS * MILLISECOND ? passed_ns : MOMENT_MS * MILLISECOND;
  watch_queues();
  watch_players();
  watch_waiters();
}
