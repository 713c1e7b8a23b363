/*
 * wait.h: sleeping and waking: a robust condition variable.  Only wait.c sleeps for a key, for
 * space or for a drain.
 *
 * A slot that waits is in a list (journaled, newest at the head), and its owner sleeps on the
 * slot's futex word.  A thread that signals it removes it from the list inside the transaction,
 * sets its word after the commit and still under the lock, and wakes it after the unlock if it is
 * asleep.  So a wake-up costs no second adder anything, and a killed waiter costs one adder one
 * useless system call, once.
 *
 * Keys go to the newest waiter, whose caches are warm, but every WAIT_OLDEST_EVERY-th to the
 * oldest, so that none waits for ever while keys come.  Space and drains go to the waiter that
 * arrived first, even if it was out of the list for a while.  A waiter that is signalled for space
 * moves to the list of granted waiters (WAIT_GRANTED) until it takes the lock: meanwhile no other
 * waiter takes that space; an add that does not wait may.
 *
 * The oldest waiter in WAIT_GET is the leader: it wakes at every reap interval and when the
 * earliest delayed key is due.  If many sleep, the others sleep longer.  No sleep is unbounded, so
 * a wake-up that was lost with a dead process, or behind more cancelled waiters than are skipped at
 * a time, is made up for by the next of these ticks.  A leader that does not wake in time (it is
 * stopped, say) loses the lead to the next waiter whose sleep times out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_WAIT_H
#define WORKQ_SHM_WAIT_H

#include "handle.h"

#define WAIT_OLDEST_EVERY 16u

/*
 * Puts this handle into a list, as the newest, or (again: in a call that was in it before) by its
 * order of arrival; or changes the time at which its sleep times out.  In a transaction.
 */
int wait_enter(workq *q, uint32_t kind, int64_t wake_ns, bool again);

/* Removes a slot from its list of waiters, if it is in one.  In a transaction. */
int wait_leave(workq *q, struct slot *slot);

/* Signals a waiter: removes it from a list, to be woken.  In a transaction.  Returns 1; 0 if there
 * is none, or only cancelled ones were found, which are removed then. */
int wait_signal(workq *q, uint32_t kind);

/* Wakes a waiter for space whose key has that hash, since another handle has added the key.  It
 * stays in the list, for the key may be gone again before it takes the lock.  Returns 1, 0 if there
 * is none, or -EUCLEAN. */
int wait_signal_key(workq *q, uint32_t hash);

/* How many waiters have been granted space and have not taken it. */
static inline uint32_t wait_grants(const workq *q) {
  return q->control->wait.list[WAIT_GRANTED].count;
}

/* Is this handle, which waits for space or is about to, the first of all that do? */
bool wait_is_next_for_space(const workq *q);

/* Is this handle the leader of WAIT_GET? */
bool wait_is_leader(const workq *q);

/* Removes the oldest waiters of a list that are cancelled, or that should have woken before
 * late_ns, so that the oldest is one that sleeps.  In a transaction. */
int wait_prune(workq *q, uint32_t kind, int64_t late_ns);

/* Advances the leader's wake-up time to wake_ns if it is later.  In a transaction. */
int wait_advance_leader(workq *q, int64_t wake_ns);

/* Wakes the leader, which then computes its wake-up time again: after a death, since the dead
 * process may have advanced that time without signalling. */
int wait_wake_leader(workq *q);

/* Under the lock, after the commit: sets the words of the slots to be woken. */
COLD void wait_publish(workq *q);
/* After the unlock: wakes those of them that sleep. */
COLD void wait_wake(workq *q);
/* Clears the list of slots to be woken. */
void wait_forget(workq *q);

/* Under the lock, after wait_enter() was committed: from now on this handle can be signalled. */
void wait_arm(workq *q);
/* After the unlock: sleeps until signalled, at most duration_ns.  Returns 0, ETIMEDOUT or EINTR. */
int wait_sleep(workq *q, uint32_t kind, int64_t duration_ns);

/*
 * When a get finds no key: how long to poll for one before it enters the list, which costs adders
 * nothing; 0 for not at all.  wait_poll() then polls, without the lock, until a key is ready, for
 * budget_ns or until the deadline.
 */
int64_t wait_poll_ns(workq *q);
void wait_poll(workq *q, int64_t budget_ns, int64_t deadline_ns);

/*
 * Without the lock: cancels this handle's waiter, which is in a list, because the lock was not
 * available in time.  The next waker, or the handle's own next call, removes it from the list.
 */
void wait_cancel(workq *q);

static inline bool wait_anyone(const workq *q, uint32_t kind) {
  return q->control->wait.list[kind].head != 0;
}

#endif
