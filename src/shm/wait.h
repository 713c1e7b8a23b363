/*
 * wait.h: sleeping and waking: the project's own robust condition variable.  wait.c is the only file that sleeps for a
 * key, for space or for a drain.
 *
 * A slot that waits is in a list (journaled, newest at the head) and sleeps on a futex word of its own.  A thread that
 * has something for it takes it out of the list inside the transaction, sets its word after the commit and still under the
 * lock, and wakes it after the unlock if it is asleep.  So a wake-up never costs a second adder anything, and a waiter that
 * was killed costs one adder one futile system call, once.
 *
 * Keys go to the newest waiter, whose caches are warm, but every WAIT_OLDEST_EVERY-th to the oldest, so that none waits for
 * ever while keys come.  Space and drains go to who came first, also where a waiter was out of the list for a while.  A waiter that was signalled for space goes to a list of those
 * who have been granted some, until it comes: others do not take that space meanwhile, unless by an add that does not wait.
 *
 * The oldest waiter in WAIT_GET is the leader: it wakes at the reap interval and when the earliest delayed key is due.
 * Where many sleep, the others sleep longer.  No sleep is unbounded, so a wake-up that got lost with a dead process, or
 * behind more cancelled waiters than are passed over at a time, is made good by the next of these ticks.  A leader that does
 * not wake in time (it is stopped, say) loses the lead to the next waiter that wakes by itself.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_WAIT_H
#define WORKQ_SHM_WAIT_H

#include "handle.h"

#define WAIT_OLDEST_EVERY 16u

/*
 * Puts this handle into a list, as the newest, or (again: in a call that was in it before) where it was among those who came
 * earlier and later; or changes the time at which it will wake by itself.
 * In a transaction.
 */
int wait_enter(workq *q, uint32_t kind, int64_t wake_ns, bool again);

/* Takes a slot out of the list that it is in, if any.  In a transaction. */
int wait_leave(workq *q, struct slot *slot);

/* Takes a waiter out of a list, to be woken.  In a transaction.  Returns 1; 0 if there is none, or only cancelled ones were
 * found, which are out then. */
int wait_signal(workq *q, uint32_t kind);

/* Wakes one that waits for space for a key of that hash, since another has added the key.  It keeps its place, for the key may
 * be gone again before it comes.  Returns 1, 0 if there is none, or -EUCLEAN. */
int wait_signal_key(workq *q, uint32_t hash);

/* How many waiters have been granted space and have not come. */
static inline uint32_t wait_grants(const workq *q) {
  return q->control->wait.list[WAIT_GRANTED].count;
}

/* May this handle, which waits for space or is about to, take some before all others that do? */
bool wait_is_next_for_space(const workq *q);

/* Is this handle the leader of WAIT_GET? */
bool wait_is_leader(const workq *q);

/* Takes the oldest waiters out of a list whose calls are cancelled, or that should have woken before late_ns, so that the
 * oldest is one that sleeps.  In a transaction. */
int wait_prune(workq *q, uint32_t kind, int64_t late_ns);

/* Sees to it that the leader wakes not later than wake_ns.  In a transaction. */
int wait_advance_leader(workq *q, int64_t wake_ns);

/* Wakes the leader, which then plans again: after a death, since its waking may have been brought forward without a signal. */
int wait_wake_leader(workq *q);

/* Under the lock, after the commit: signals those who are to be woken. */
COLD void wait_publish(workq *q);
/* After the unlock: wakes those of them who sleep. */
COLD void wait_wake(workq *q);
/* Nobody is to be woken. */
void wait_forget(workq *q);

/* Under the lock, after wait_enter() was committed: from now on this handle can be signalled. */
void wait_arm(workq *q);
/* After the unlock: sleeps until signalled, at most duration_ns.  Returns 0, ETIMEDOUT or EINTR. */
int wait_sleep(workq *q, uint32_t kind, int64_t duration_ns);

/*
 * Where a get finds no key: how long to poll for one before it enters the list, which costs adders nothing; 0 for not at all.
 * Then, without the lock, polls until something is ready, for so long or until the deadline.
 */
int64_t wait_poll_ns(workq *q);
void wait_poll(workq *q, int64_t budget_ns, int64_t deadline_ns);

/*
 * Without the lock: the call of this handle, which is in a list, has ended because the lock was not available in time.  The next
 * waker takes it out of the list, or its own next call.
 */
void wait_cancel(workq *q);

static inline bool wait_anyone(const workq *q, uint32_t kind) {
  return q->control->wait.list[kind].head != 0;
}

#endif
