/*
 * admin.c: keys by name, and the queue as a whole: forget, remove, kick, shut down, pause, reap.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <limits.h>

#include "queue.h"
#include "table.h"

/* Keys kicked under one hold of the lock. */
#define KICK_CHUNK 64u

typedef int by_name(workq *q, uint32_t index, struct item *item);

/* Runs one step on a key, as a transaction; 0 for an unknown one. */
static int on_key(workq *q, const void *key, size_t len, by_name *step) {
  int rc = queue_check_key(q, key, len);
  if (rc < 0) return rc;
  uint32_t index, hash = table_hash(q, key, len);
  struct item *item;
  table_prefetch(q, hash);
  rc = queue_enter(q, CLOCK_NEVER);
  if (rc < 0) return rc;
  rc = queue_find(q, hash, key, len, &index, &item);
  if (rc < 0 || !item) return queue_fail(q, rc);
  journal_begin(q);
  journal_save(q, item);
  return queue_finish(q, step(q, index, item));
}

static int count_failures(workq *q, uint32_t index, struct item *item) {
  (void)q;
  (void)index;
  return item->failures < INT_MAX ? (int)item->failures : INT_MAX;
}

int workq_forget(workq *q, const void *key, size_t len) {
  return on_key(q, key, len, lifecycle_forget);
}
int workq_remove(workq *q, const void *key, size_t len) {
  return on_key(q, key, len, lifecycle_remove);
}
int workq_num_requeues(workq *q, const void *key, size_t len) {
  return on_key(q, key, len, count_failures);
}

/* Under the lock.  Returns how many keys were kicked. */
static int kick_some(workq *q) {
  int kicked = 0;
  while (kicked < (int)KICK_CHUNK && q->control->cold.buried.head) {
    uint32_t index = q->control->cold.buried.head;
    struct item *item = item_at(q, index);
    if (!item) return -EUCLEAN;
    journal_begin(q);
    journal_save(q, item);
    int rc = lifecycle_kick(q, index, item);
    if (rc <= 0) {
      journal_abort(q);
      return rc < 0 ? rc : -EUCLEAN;
    }
    journal_commit(q);
    kicked++;
  }
  return kicked;
}

int workq_kick(workq *q, const void *key, size_t len) {
  if (key || len) return on_key(q, key, len, lifecycle_kick);
  int total = 0, kicked;
  do {
    int rc = queue_enter(q, CLOCK_NEVER);
    if (rc < 0) return rc;
    kicked = kick_some(q);
    queue_leave(q);
    if (kicked < 0) return kicked;
    total += kicked;
  } while (kicked == (int)KICK_CHUNK);
  return total;
}

/* ---- The queue's flags ---- */

/* Under the lock: tells up to count sleepers of a kind, each as a transaction. */
static int signal_many(workq *q, uint32_t kind, uint32_t count) {
  int rc = 1;
  while (count-- > 0 && rc == 1) {
    journal_begin(q);
    rc = wait_signal(q, kind);
    if (rc < 0) journal_abort(q);
    else journal_commit(q);
  }
  return rc < 0 ? rc : 0;
}

static int signal_everyone(workq *q) {
  int rc = 0;
  for (uint32_t kind = WAIT_GET; kind < WAIT_KINDS && rc == 0; kind++) rc = signal_many(q, kind, UINT32_MAX);
  return rc;
}

/* Sets and clears flags, as a transaction.  Returns the flags from before. */
static uint32_t change_flags(workq *q, uint32_t set, uint32_t clear, bool new_round) {
  struct hot_line *hot = &q->control->hot;
  uint32_t before = hot->flags;
  journal_begin(q);
  hot->flags = (before | set) & ~clear;
  if (new_round) {
    journal_save(q, &q->control->cold);
    q->control->cold.drain_round++;
  }
  journal_commit(q);
  return before;
}

int workq_shutdown(workq *q) {
  int rc = queue_enter(q, CLOCK_NEVER);
  if (rc < 0) return rc;
  change_flags(q, QUEUE_SHUT_DOWN, 0, true);
  rc = signal_everyone(q);
  queue_leave(q);
  return rc;
}

/* Delayed keys count again from this transaction on: in it, too, the leader's waking is brought forward. */
static int reopen(workq *q) {
  struct hot_line *hot = &q->control->hot;
  journal_begin(q);
  journal_save(q, &q->control->cold);
  hot->flags &= ~(uint32_t)QUEUE_SHUT_DOWN;
  q->control->cold.drain_round++;
  int rc = wait_lead(q, slot_leader_wake_ns(q, handle_now_ns(q)));
  if (rc < 0) journal_abort(q);
  else journal_commit(q);
  return rc;
}

int workq_resume(workq *q) {
  int rc = queue_enter(q, CLOCK_NEVER);
  if (rc < 0) return rc;
  uint32_t before = q->control->hot.flags;
  rc = reopen(q);
  if (rc == 0) rc = signal_everyone(q);
  queue_leave(q);
  return rc < 0 ? rc : (before & QUEUE_SHUT_DOWN) != 0;
}

int workq_pause(workq *q) {
  int rc = queue_enter(q, CLOCK_NEVER);
  if (rc < 0) return rc;
  uint32_t before = change_flags(q, QUEUE_PAUSED, 0, false);
  queue_leave(q);
  return (before & QUEUE_PAUSED) == 0;
}

int workq_unpause(workq *q) {
  int rc = queue_enter(q, CLOCK_NEVER);
  if (rc < 0) return rc;
  uint32_t before = change_flags(q, 0, QUEUE_PAUSED, false);
  rc = signal_many(q, WAIT_GET, q->control->hot.ready);
  queue_leave(q);
  return rc < 0 ? rc : (before & QUEUE_PAUSED) != 0;
}

int workq_shutting_down(workq *q) {
  int rc = queue_enter(q, CLOCK_NEVER);
  if (rc < 0) return rc;
  bool shut_down = q->control->hot.flags & QUEUE_SHUT_DOWN;
  queue_leave(q);
  return shut_down;
}

int workq_reap(workq *q) {
  int found = 0;
  uint32_t next = 0;
  for (bool over = false; !over;) {
    int rc = queue_enter(q, CLOCK_NEVER);
    if (rc < 0) return rc;
    rc = slot_reap(q, &next, &over);
    queue_leave(q);
    if (rc < 0) return rc;
    found += rc;
  }
  return found;
}

int workq_lock_owner(const workq *q) {
  return q->flags & WORKQ_RAW ? lock_owner_now(q) : q->lock_owner;
}

/* ---- Drain ---- */

/* Starts a drain.  Returns its round's number. */
static uint32_t drain_start(workq *q, int *rc) {
  change_flags(q, QUEUE_SHUT_DOWN, 0, false);
  *rc = signal_many(q, WAIT_GET, UINT32_MAX);
  if (*rc == 0) *rc = signal_many(q, WAIT_ROOM, UINT32_MAX);
  return q->control->cold.drain_round;
}

/* Under the lock.  1: drained, 0: not yet, or -ECANCELED. */
static int drain_look(workq *q, uint32_t round) {
  int rc = slot_reap_if_due(q, handle_now_ns(q));
  if (rc < 0) return rc;
  if (q->control->cold.drain_round != round) return -ECANCELED;
  return q->control->hot.ready == 0 && q->control->hot.processing == 0;
}

int workq_shutdown_drain(workq *q, int64_t timeout_ns) {
  int64_t deadline_ns = queue_first_deadline_ns(q, timeout_ns);
  int rc = queue_check_timeout(timeout_ns);
  if (rc == 0) rc = queue_enter(q, deadline_ns);
  if (rc < 0) return rc;
  uint32_t round = drain_start(q, &rc);
  bool signalled = false;
  for (int woken_by = 0; rc >= 0;) {
    rc = drain_look(q, round);
    if (rc == 0) rc = queue_waiting_over(q, timeout_ns, &deadline_ns, woken_by);
    if (rc != 0) return queue_stop_waiting(q, WAIT_DRAIN, rc > 0 ? 0 : rc);
    woken_by = queue_sleep(q, WAIT_DRAIN, signalled, deadline_ns);
    rc = woken_by < 0 ? woken_by : queue_lock(q, deadline_ns, false);
    if (rc < 0) return queue_cancel_waiting(q, rc);
    signalled = q->slot->wait.kind == WAIT_NONE;
  }
  return queue_fail(q, rc);
}
