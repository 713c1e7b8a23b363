/*
 * operation.h: how every operation begins, waits and ends.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_OPERATION_H
#define WORKQ_SHM_OPERATION_H

#include "handle.h"
#include "journal.h"
#include "lock.h"
#include "slot.h"
#include "stamp.h"
#include "state.h"
#include "table.h"
#include "times.h"
#include "wait.h"

/* A waiter that is this late is taken for stopped. */
#define WAIT_LATE_NS (5 * NS_PER_MS)

/* For op_lock(): the thread is not the handle's.  Attaches in a forked child.  0 or -errno. */
COLD int op_prepare(workq *q);

/* For call_begin(): the handle is inside a call already.  Returns 0 if this is a forked child's own
 * copy, else -EDEADLK. */
COLD int call_begin_nested(workq *q);

/* After a repair: signals again, since a wake-up may have been lost with the dead process. */
COLD int op_after_repair(workq *q);

/* The last call was cancelled while the handle was in a list of waiters: leaves the list, and
 * passes a signal that it got on to the next waiter. */
COLD int op_leave_cancelled(workq *q);

/* Begins and ends a call.  A signal handler that makes another call on the same handle meanwhile
 * gets -EDEADLK. */
static inline int call_begin(workq *q) {
  if (unlikely(q->in_call) && call_begin_nested(q) < 0) return -EDEADLK;
  q->in_call = true;
  compiler_fence();
  q->outer = thread_calling;
  thread_calling = q;
  compiler_fence();
  return 0;
}

static inline void call_end(workq *q) {
  compiler_fence();
  thread_calling = q->outer;
  compiler_fence();
  q->in_call = false;
}

/* Releases the lock; wakes the slots that were signalled. */
static inline void op_unlock(workq *q) {
  if (unlikely(q->wakes.count)) wait_publish(q);
  lock_release(q);
  if (unlikely(q->wakes.count)) wait_wake(q);
}

static inline void op_end(workq *q) {
  op_unlock(q);
  call_end(q);
}

static inline int op_fail(workq *q, int rc) {
  op_end(q);
  return rc;
}

/*
 * Within a call: checks the handle, takes the lock, makes keys that are due ready.  getting: this
 * handle takes the first key that this makes ready, no waiter needs to be signalled for it.
 * Returns 0; 1 if more keys are due than one hold of the lock makes ready; or -errno, and then the
 * lock is not held.
 */
static inline int op_lock(workq *q, int64_t deadline_ns, bool getting) {
  int rc;
  if (unlikely(q->fork_page->tid != thread_id()))
    if ((rc = op_prepare(q)) < 0) return rc;
  stamp_take(q);
  rc = lock_acquire(q, deadline_ns);
  if (unlikely(rc < 0)) return rc;
  if (unlikely(!slot_is_own(q))) {
    op_unlock(q);
    return -ESTALE;
  }
  if (unlikely(rc > 0)) rc = op_after_repair(q); /* 0 or -errno */
  if (unlikely(q->waiter.cancelled) && rc >= 0) rc = op_leave_cancelled(q);
  const struct hot_line *hot = &q->control->hot;
  if (unlikely(hot->delayed) && !(hot->flags & QUEUE_SHUT_DOWN) && rc >= 0) {
    q->wakes.keeps_next = getting && hot->ready == 0; /* else this handle takes another key */
    rc = state_promote(q, handle_now_ns(q));
    q->wakes.keeps_next = false;
  }
  if (unlikely(rc < 0)) op_unlock(q);
  return rc;
}

/* Continues what op_lock() began, in as many holds of the lock as it takes; rc: what it returned.
 * Returns 0; or -errno, and then the lock is not held. */
COLD int op_lock_rest(workq *q, int64_t deadline_ns, bool getting, int rc);

/* As op_lock(), and makes all keys ready that are due. */
static inline int op_lock_all_due(workq *q, int64_t deadline_ns, bool getting) {
  int rc = op_lock(q, deadline_ns, getting);
  return likely(rc == 0) ? 0 : op_lock_rest(q, deadline_ns, getting, rc);
}

/*
 * Begins a call and takes the lock as op_lock() does.  Afterwards the caller runs transactions and
 * then calls op_end().  Returns 0; or -errno, and then the call is over.
 */
static inline int op_begin(workq *q, int64_t deadline_ns) {
  int rc = call_begin(q);
  if (unlikely(rc < 0)) return rc;
  rc = op_lock(q, deadline_ns, false);
  if (likely(rc >= 0)) return 0;
  call_end(q);
  return rc;
}

/* The same, for a call whose result depends on which keys are ready: it makes all ready that are
 * due. */
static inline int op_begin_all_due(workq *q, int64_t deadline_ns, bool getting) {
  int rc = call_begin(q);
  if (unlikely(rc < 0)) return rc;
  rc = op_lock_all_due(q, deadline_ns, getting);
  if (unlikely(rc < 0)) call_end(q);
  return rc;
}

/* Ends a transaction: commits it if rc is a success, else undoes it; then ends the call.  Returns
 * rc. */
static inline int op_commit(workq *q, int rc) {
  (void)journal_end(q, rc);
  op_end(q);
  return rc;
}

/* Looks a key up: *item is null if it is unknown.  Returns 0 or -EUCLEAN. */
static inline int op_find(workq *q, uint32_t hash, const void *key, size_t len, uint32_t *index, struct item **item) {
  const struct bucket *bucket = table_bucket(q, hash);
  int rc = likely(bucket) ? table_find(q, bucket, hash, key, len, index) : -EUCLEAN;
  *item = rc == 0 && *index ? item_at(q, *index) : NULL;
  return rc;
}

/* Begins a call as op_begin(), on a key, which it looks up as op_find().  Returns 0 or -errno, and
 * then the call is over. */
static inline int op_begin_on_key(workq *q, const void *key, size_t len, uint32_t *index, struct item **item) {
  uint32_t hash = table_hash(q, key, len);
  table_prefetch(q, hash);
  int rc = op_begin_all_due(q, CLOCK_NEVER, false);
  if (rc < 0) return rc;
  rc = op_find(q, hash, key, len, index, item);
  return rc < 0 ? op_fail(q, rc) : 0;
}

/*
 * A call that may wait.  It begins with deadline_ns, which is relative, so that a call which need
 * not wait reads no clock, and makes its first attempt by itself; where that is -EAGAIN, op_wait()
 * does the rest.
 */
struct op_wait {
  uint32_t kind; /* WAIT_* */
  int64_t timeout_ns;
  int64_t deadline_ns; /* of op_relative_deadline_ns() */
  /* Under the lock: the call's result; -EAGAIN to wait (on).  slept: the call has slept since it
   * began. */
  int (*attempt)(workq *q, void *arg, bool slept);
  /* Under the lock: ends the call with a result, as op_stop_waiting(). */
  int (*stop)(workq *q, void *arg, int result);
  void *arg;
};

static inline int64_t op_relative_deadline_ns(workq *q, int64_t timeout_ns) {
  q->waiter.lock_since_ns = 0;
  return timeout_ns < 0 ? CLOCK_NEVER : timeout_ns == 0 ? -1 : -timeout_ns;
}

/*
 * Under the lock, an attempt having been -EAGAIN: polls, sleeps and tries again until there is
 * another result, the time is over (-ETIMEDOUT) or a signal handler has run (-EINTR), and ends the
 * call.  Returns what stop() returns; -errno where the lock cannot be acquired again.
 */
int op_wait(workq *q, const struct op_wait *w);

/* Under the lock: ends waiting with a result, passes on what it may have been signalled for, and
 * ends the call. */
int op_stop_waiting(workq *q, uint32_t kind, int result);

/*
 * In a transaction: this handle no longer waits.  If it was the leader, the next oldest must wake
 * in time.
 */
int op_leave_list(workq *q);

#endif
