/*
 * operation.c: what the public operations share: checks before the lock, and the parts of waiting.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "operation.h"

#include "ready.h"
#include "segment.h"

#include <unistd.h>

/*
 * The sleep of waiters that are not the leader times out, too: the leader may die, and so may a
 * process that was about to wake one of them.  Up to FEW_FOLLOWERS wake at every reap interval; the
 * more sleep, the longer each sleeps, to keep an idle machine idle: some FEW_FOLLOWERS of them wake
 * in each interval.
 */
#define FEW_FOLLOWERS          16
#define FOLLOWER_INTERVALS_MAX 64

int op_prepare(workq *q) {
  if (q->flags & WORKQ_RAW) return -EBADF;
  /* A second sign of a fork, where the kernel only claims that it empties the page: the process
   * id. */
  if (q->fork_page->tid && q->fork_page->pid == getpid()) return -ESTALE;
  return slot_reattach(q);
}

int call_begin_nested(workq *q) {
  /* A copy whose call was running in another thread of the parent may be used in the child.  If the
   * call's own thread called fork(3), in a signal handler, the call goes on after the handler. */
  bool copy = (q->fork_page->tid == 0 || q->fork_page->pid != getpid()) && thread_forked_by() != q->thread;
  return copy ? 0 : -EDEADLK;
}

static bool is_anything_ready(const workq *q) {
  const struct hot_line *hot = &q->control->hot;
  return hot->ready && !(hot->flags & QUEUE_PAUSED);
}

/* In a transaction: signals another waiter of that kind if its condition may hold. */
static int signal_next(workq *q, uint32_t kind) {
  switch (kind) {
  case WAIT_GET:
    return is_anything_ready(q) ? wait_signal(q, WAIT_GET) : 0;
  case WAIT_SPACE:
  case WAIT_GRANTED:
    return state_signal_space(q);
  default:
    return wait_signal(q, kind);
  }
}

int op_after_repair(workq *q) {
  journal_begin(q);
  int rc = signal_next(q, WAIT_GET);
  return journal_end(q, rc < 0 ? rc : 0);
}

int op_leave_cancelled(workq *q) {
  uint32_t kind = q->waiter.cancelled; /* even if it was signalled: the wake-up is passed on */
  q->waiter.cancelled = WAIT_NONE;
  journal_begin(q);
  int rc = op_leave_list(q);
  if (rc >= 0) rc = signal_next(q, kind);
  return journal_end(q, rc < 0 ? rc : 0);
}

int op_signal_many(workq *q, uint32_t kind, uint32_t count) {
  int rc = 1;
  while (count-- > 0 && rc == 1) {
    journal_begin(q);
    rc = journal_end(q, wait_signal(q, kind));
  }
  return rc < 0 ? rc : 0;
}

int op_signal_everyone(workq *q) {
  int rc = 0;
  for (uint32_t kind = WAIT_GET; kind < WAIT_KINDS && rc == 0; kind++) rc = op_signal_many(q, kind, UINT32_MAX);
  return rc;
}

int op_ask_removed(workq *q) {
  _Atomic uint32_t *removed = &q->control->lock.removed;
  q->removal.asked_ns = q->stamp_ns;
  if (!q->removal.seen) {
    int rc = segment_is_removed(q);
    /* Without a descriptor, what others say is all there is. */
    if (rc < 0) rc = atomic_load(removed) != REMOVED_NOT;
    if (rc == 0) {
      atomic_store(removed, REMOVED_NOT);
      return 0;
    }
    q->removal.seen = true;
  }
  if (atomic_exchange(removed, REMOVED_SIGNALLED) == REMOVED_SIGNALLED) return -EIDRM;
  int rc = op_signal_everyone(q);
  return rc < 0 ? rc : -EIDRM;
}

/* The wake-up time of a waiter that is not the leader: a part of all in each interval, spread by
 * the slots' numbers. */
static int64_t follower_wake_ns(const workq *q, int64_t now_ns) {
  int64_t interval_ns = q->header.reap_interval_ns, wake_ns = clock_add_ns(now_ns, interval_ns);
  uint32_t intervals = 1 + q->control->wait.list[WAIT_GET].count / FEW_FOLLOWERS;
  if (intervals > FOLLOWER_INTERVALS_MAX) intervals = FOLLOWER_INTERVALS_MAX;
  if (intervals == 1 || wake_ns < 0) return wake_ns;
  int64_t phase = (wake_ns / interval_ns) % intervals, own = q->slot_id % intervals;
  return clock_add_ns(wake_ns, clock_times(interval_ns, (own - phase + intervals) % intervals));
}

/* When this handle's sleep must time out. */
static int64_t plan_wake_ns(const workq *q, uint32_t kind, int64_t now_ns) {
  if (kind != WAIT_GET) return clock_add_ns(now_ns, q->header.reap_interval_ns);
  return wait_anyone(q, WAIT_GET) && !wait_is_leader(q) ? follower_wake_ns(q, now_ns) : slot_leader_wake_ns(q, now_ns);
}

/* In a transaction: enters the list.  Sets *wake_ns. */
static int enter_list(workq *q, uint32_t kind, bool again, int64_t now_ns, int64_t *wake_ns) {
  int rc = wait_prune(q, WAIT_GET, clock_add_ns(now_ns, -WAIT_LATE_NS));
  *wake_ns = plan_wake_ns(q, kind, now_ns);
  if (rc == 0) rc = wait_enter(q, kind, *wake_ns, again);
  /* Another waiter may lead from now on, because those before it were removed. */
  return rc < 0 ? rc : wait_advance_leader(q, slot_leader_wake_ns(q, now_ns));
}

/* Under the lock: enters the list of that kind, again: as wait_enter() has it, and sleeps without the lock.  Returns 0, ETIMEDOUT,
 * EINTR or -EUCLEAN. */
static int sleep_in_list(workq *q, uint32_t kind, bool again, int64_t deadline_ns) {
  int64_t now_ns = handle_now_ns(q), wake_ns;
  q->waiter.kind = kind;
  journal_begin(q);
  int rc = journal_end(q, enter_list(q, kind, again, now_ns, &wake_ns));
  if (rc == 0) wait_arm(q);
  op_unlock(q);
  if (unlikely(rc < 0)) return rc;
  int64_t duration_ns = wake_ns - now_ns;
  if (deadline_ns != CLOCK_NEVER) {
    int64_t left_ns = deadline_ns - clock_monotonic_ns();
    if (left_ns < duration_ns) duration_ns = left_ns;
  }
  q->sleeping = true;
  rc = wait_sleep(q, kind, duration_ns);
  q->sleeping = false;
  return rc;
}

/* Under the lock, after a sleep that nobody ended: takes the lead over if the oldest waiter has not woken in time.  0 or
 * -EUCLEAN. */
static int take_lead(workq *q) {
  int64_t now_ns = handle_now_ns(q);
  if (wait_is_leader(q)) return 0;
  journal_begin(q);
  int rc = wait_prune(q, WAIT_GET, clock_add_ns(now_ns, -WAIT_LATE_NS));
  if (rc == 0) rc = wait_advance_leader(q, slot_leader_wake_ns(q, now_ns));
  return journal_end(q, rc);
}

int op_leave_list(workq *q) {
  uint32_t kind = q->slot->wait.kind;
  if (likely(kind == WAIT_NONE)) return 0;
  bool led = kind == WAIT_GET && wait_is_leader(q);
  int rc = wait_leave(q, q->slot);
  if (rc < 0 || !led || !wait_anyone(q, WAIT_GET)) return rc;
  return wait_advance_leader(q, slot_leader_wake_ns(q, handle_now_ns(q)));
}

int op_stop_waiting(workq *q, uint32_t kind, int result) {
  journal_begin(q);
  int rc = op_leave_list(q);
  if (rc >= 0) rc = signal_next(q, kind);
  rc = journal_end(q, rc);
  op_end(q);
  return rc < 0 ? rc : result;
}

/* Without the lock: ends the call with a result, its slot being in a list perhaps. */
static int cancel_waiting(workq *q, int result) {
  wait_cancel(q);
  call_end(q);
  return result;
}

/* Returns 0 to sleep (on), -ETIMEDOUT, or -EINTR if that is what the last sleep said.  Makes the deadline absolute. */
static int is_waiting_over(workq *q, int64_t timeout_ns, int64_t *deadline_ns, int woken_by) {
  q->lock_owner = 0; /* a timeout is not the lock's */
  if (timeout_ns == 0) return -ETIMEDOUT;
  if (woken_by == EINTR) return -EINTR;
  if (timeout_ns < 0) return 0;
  if (*deadline_ns < 0)
    *deadline_ns = clock_add_ns(q->waiter.lock_since_ns ? q->waiter.lock_since_ns : clock_monotonic_ns(), timeout_ns);
  return clock_monotonic_ns() >= *deadline_ns ? -ETIMEDOUT : 0;
}

/* Without the lock: starts to load what a get will touch first, all at once. */
static void prefetch_get(const workq *q) {
  uint32_t number;
  if (!ready_band(q, &number)) return;
  prefetch_to_write(lock_mutex_of(q, atomic_load_explicit(&q->control->lock.epoch, memory_order_relaxed)));
  prefetch_to_write(&q->control->bands[number]);
}

/* Under the lock, nothing being ready: releases it and polls for a key without, if one is likely to come soon. */
static bool poll_for_key(workq *q, int64_t deadline_ns) {
  int64_t budget_ns = wait_poll_ns(q);
  if (budget_ns == 0) return false;
  op_unlock(q);
  q->sleeping = true;
  wait_poll(q, budget_ns, deadline_ns);
  q->sleeping = false;
  prefetch_get(q);
  return true;
}

int op_wait(workq *q, const struct op_wait *w) {
  int64_t deadline_ns = w->deadline_ns;
  int woken_by = 0;
  bool may_poll = w->kind == WAIT_GET, slept = false, again = false;
  for (;;) {
    int rc = is_waiting_over(q, w->timeout_ns, &deadline_ns, woken_by);
    if (rc < 0) return w->stop(q, w->arg, rc);
    if (!may_poll || !poll_for_key(q, deadline_ns)) {
      slept = true;
      woken_by = sleep_in_list(q, w->kind, again, deadline_ns);
      if (unlikely(woken_by < 0)) return cancel_waiting(q, woken_by);
    }
    may_poll = false;
    rc = op_lock(q, deadline_ns, w->kind == WAIT_GET);
    if (unlikely(rc < 0)) {
      if (slept) return cancel_waiting(q, rc);
      call_end(q);
      return rc;
    }
    /* A waiter that was signalled, and finds that another took what it was signalled for, has its place again. */
    again = again || q->slot->wait.kind != w->kind;
    /* A tick: asks the kernel at each, for a waiter has no stamps of other calls. */
    if (woken_by == ETIMEDOUT) q->removal.asked_ns = q->stamp_ns - q->header.reap_interval_ns;
    if (woken_by == ETIMEDOUT && w->kind == WAIT_GET) rc = take_lead(q);
    if (rc == 0) rc = w->attempt(q, w->arg, slept);
    if (rc != -EAGAIN) return w->stop(q, w->arg, rc);
  }
}
