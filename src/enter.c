/*
 * enter.c: entering the queue, and waiting in line there: what the public operations share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "queue.h"

/*
 * Sleepers that are not the leader wake by themselves, too: the leader may die, and so may whoever was about to wake one of
 * them.  A few do it every reap interval; the more sleep, the longer each, up to so many intervals, for the sake of an
 * idle machine.
 */
#define FEW_FOLLOWERS          16
#define FOLLOWER_INTERVALS_MAX 4

int queue_prepare(workq *q) {
  if (q->flags & WORKQ_RAW) return -EBADF;
  return q->fork_page->tid ? -ESTALE : slot_reattach(q);
}

/* One of the sleepers may have been about to be told. */
static int signal_ready(workq *q) {
  const struct hot_line *hot = &q->control->hot;
  if (!hot->ready || hot->flags & QUEUE_PAUSED) return 0;
  int rc = wait_signal(q, WAIT_GET);
  return rc < 0 ? rc : 0;
}

int queue_after_repair(workq *q) {
  journal_begin(q);
  return journal_end(q, signal_ready(q));
}

static uint32_t follower_intervals(const workq *q) {
  uint32_t intervals = 1 + q->control->wait.list[WAIT_GET].count / FEW_FOLLOWERS;
  return intervals < FOLLOWER_INTERVALS_MAX ? intervals : FOLLOWER_INTERVALS_MAX;
}

/* When this handle must look again by itself. */
static int64_t plan_wake_ns(const workq *q, uint32_t kind, int64_t now_ns) {
  int64_t interval_ns = q->header.reap_interval_ns;
  if (kind != WAIT_GET) return clock_add_ns(now_ns, interval_ns);
  if (wait_anyone(q, WAIT_GET) && !wait_is_leader(q))
    return clock_add_ns(now_ns, clock_times(interval_ns, follower_intervals(q)));
  return slot_leader_wake_ns(q, now_ns);
}

int queue_sleep(workq *q, uint32_t kind, int64_t deadline_ns) {
  int64_t now_ns = handle_now_ns(q);
  journal_begin(q);
  int rc = wait_prune(q);
  int64_t wake_ns = plan_wake_ns(q, kind, now_ns);
  if (rc == 0) rc = wait_enter(q, kind, wake_ns);
  if (unlikely(rc < 0)) return queue_finish(q, rc);
  journal_commit(q);
  wait_arm(q);
  queue_leave(q);
  int64_t duration_ns = wake_ns - now_ns;
  if (deadline_ns != CLOCK_NEVER) {
    int64_t left_ns = deadline_ns - clock_monotonic_ns();
    if (left_ns < duration_ns) duration_ns = left_ns;
  }
  return wait_sleep(q, kind, duration_ns);
}

int queue_leave_line(workq *q) {
  uint32_t kind = q->slot->wait.kind;
  if (likely(kind == WAIT_NONE)) return 0;
  bool led = kind == WAIT_GET && wait_is_leader(q);
  int rc = wait_leave(q, q->slot);
  if (rc < 0 || !led || !wait_anyone(q, WAIT_GET)) return rc;
  return wait_lead(q, slot_leader_wake_ns(q, handle_now_ns(q)));
}

/* In a transaction: another one of the line may find what it waits for. */
static int pass_on(workq *q, uint32_t kind) {
  const struct control *control = q->control;
  if (kind == WAIT_GET) return signal_ready(q);
  if (kind == WAIT_ROOM && control->hot.used >= q->geometry.capacity && control->cold.idle.count == 0) return 0;
  return wait_signal(q, kind);
}

int queue_stop_waiting(workq *q, uint32_t kind, int result) {
  journal_begin(q);
  int rc = queue_leave_line(q);
  if (rc >= 0) rc = pass_on(q, kind);
  rc = queue_finish(q, rc);
  return rc < 0 ? rc : result;
}

int queue_waiting_over(workq *q, int64_t timeout_ns, int64_t *deadline_ns, int woken_by) {
  q->lock_owner = 0; /* a timeout is not the lock's */
  if (timeout_ns == 0) return -ETIMEDOUT;
  if (woken_by == EINTR) return -EINTR;
  if (timeout_ns < 0) return 0;
  if (*deadline_ns < 0) *deadline_ns = clock_deadline_ns(timeout_ns);
  return clock_monotonic_ns() >= *deadline_ns ? -ETIMEDOUT : 0;
}
