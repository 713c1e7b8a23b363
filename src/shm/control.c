/*
 * control.c: the queue as a whole: shut down, pause, drain, reap.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "operation.h"
#include "shm.h"

/* ---- The queue's flags ---- */

/* Under the lock: signals up to count waiters of a kind, each as a transaction. */
static int signal_many(workq *q, uint32_t kind, uint32_t count) {
  int rc = 1;
  while (count-- > 0 && rc == 1) {
    journal_begin(q);
    rc = journal_end(q, wait_signal(q, kind));
  }
  return rc < 0 ? rc : 0;
}

static int signal_everyone(workq *q) {
  int rc = 0;
  for (uint32_t kind = WAIT_GET; kind < WAIT_KINDS && rc == 0; kind++) rc = signal_many(q, kind, UINT32_MAX);
  return rc;
}

/* Sets and clears flags, as a transaction.  Returns the previous flags. */
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

int shmq_shutdown(workq *q) {
  int rc = op_begin_all_due(q, CLOCK_NEVER, false);
  if (rc < 0) return rc;
  change_flags(q, QUEUE_SHUT_DOWN, 0, true);
  rc = signal_everyone(q);
  op_end(q);
  return rc;
}

/* From this transaction on delayed keys become ready again: so it also advances the leader's
 * wake-up time. */
static int reopen(workq *q) {
  struct hot_line *hot = &q->control->hot;
  journal_begin(q);
  journal_save(q, &q->control->cold);
  hot->flags &= ~(uint32_t)QUEUE_SHUT_DOWN;
  q->control->cold.drain_round++;
  return journal_end(q, wait_advance_leader(q, slot_leader_wake_ns(q, handle_now_ns(q))));
}

int shmq_resume(workq *q) {
  int rc = op_begin(q, CLOCK_NEVER);
  if (rc < 0) return rc;
  uint32_t before = q->control->hot.flags;
  rc = reopen(q);
  if (rc == 0) rc = signal_everyone(q);
  op_end(q);
  return rc < 0 ? rc : (before & QUEUE_SHUT_DOWN) != 0;
}

int shmq_pause(workq *q) {
  int rc = op_begin(q, CLOCK_NEVER);
  if (rc < 0) return rc;
  uint32_t before = change_flags(q, QUEUE_PAUSED, 0, false);
  op_end(q);
  return (before & QUEUE_PAUSED) == 0;
}

int shmq_unpause(workq *q) {
  int rc = op_begin(q, CLOCK_NEVER);
  if (rc < 0) return rc;
  uint32_t before = change_flags(q, 0, QUEUE_PAUSED, false);
  rc = signal_many(q, WAIT_GET, q->control->hot.ready);
  op_end(q);
  return rc < 0 ? rc : (before & QUEUE_PAUSED) != 0;
}

int shmq_shutting_down(workq *q) {
  int rc = op_begin(q, CLOCK_NEVER);
  if (rc < 0) return rc;
  bool shut_down = q->control->hot.flags & QUEUE_SHUT_DOWN;
  op_end(q);
  return shut_down;
}

int shmq_reap(workq *q) {
  int found = 0;
  uint32_t next = 0;
  for (bool over = false; !over;) {
    int rc = op_begin(q, CLOCK_NEVER);
    if (rc < 0) return rc;
    rc = slot_reap(q, &next, &over);
    op_end(q);
    if (rc < 0) return rc;
    found += rc;
  }
  return found;
}

int shmq_expect_exit(workq *q, int pid) {
  int found = 0;
  int rc = op_begin(q, CLOCK_NEVER);
  if (rc < 0) return rc;
  for (uint32_t i = 0; i < q->geometry.handles; i++) found += slot_expect_exit(q, i, pid);
  op_end(q);
  return found;
}

int shmq_lock_owner(const workq *q) {
  return q->flags & WORKQ_RAW ? lock_owner_now(q) : q->lock_owner;
}

/* ---- Drain ---- */

/* Starts a drain.  Returns the number of its round. */
static uint32_t drain_start(workq *q, int *rc) {
  change_flags(q, QUEUE_SHUT_DOWN, 0, false);
  *rc = signal_many(q, WAIT_GET, UINT32_MAX);
  if (*rc == 0) *rc = signal_many(q, WAIT_SPACE, UINT32_MAX);
  return q->control->cold.drain_round;
}

/* Under the lock.  0: drained, -EAGAIN: not yet, or -ECANCELED. */
static int attempt_drain(workq *q, void *arg, bool slept) {
  const uint32_t *round = arg;
  (void)slept;
  int rc = slot_reap_if_due(q, handle_now_ns(q));
  if (rc < 0) return rc;
  if (q->control->cold.drain_round != *round) return -ECANCELED;
  return q->control->hot.ready == 0 && q->control->hot.processing == 0 ? 0 : -EAGAIN;
}

static int stop_draining(workq *q, void *arg, int result) {
  (void)arg;
  return op_stop_waiting(q, WAIT_DRAIN, result);
}

int shmq_shutdown_drain(workq *q, int64_t timeout_ns) {
  uint32_t round;
  struct op_wait wait = {.kind = WAIT_DRAIN,
                         .timeout_ns = timeout_ns,
                         .deadline_ns = op_relative_deadline_ns(q, timeout_ns),
                         .attempt = attempt_drain,
                         .stop = stop_draining,
                         .arg = &round};
  int rc = op_begin_all_due(q, wait.deadline_ns, false);
  if (rc < 0) return rc;
  round = drain_start(q, &rc);
  if (rc < 0) return op_fail(q, rc);
  rc = attempt_drain(q, &round, false);
  return rc == -EAGAIN ? op_wait(q, &wait) : stop_draining(q, &round, rc);
}
