/*
 * wait.h: sleeping and waking: the project's own robust condition variable.  wait.c is the only file that sleeps for a
 * key, for room or for a drain.
 *
 * A slot that waits stands in a list (journaled, newest at the head) and sleeps on a futex word of its own.  Whoever
 * has something for it takes it out of the list inside the transaction, sets its word after the commit and
 * still under the lock, and wakes it after the unlock if it is asleep.  So a wake-up never costs a second adder
 * anything, and a sleeper that was killed costs one adder one futile system call, once.
 *
 * The oldest sleeper in WAIT_GET is the leader: it wakes at the reap interval and when the earliest delayed key is due.
 * Where many sleep, the others sleep longer.  No sleep is unbounded, so a wake-up that got lost with a dead process, or
 * behind more deserters than are passed over at a time, is made good by the next of these ticks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_WAIT_H
#define WORKQ_WAIT_H

#include "handle.h"

/* Enters this handle into a list, or changes the time at which it will wake by itself.  In a transaction. */
int wait_enter(workq *q, uint32_t kind, int64_t wake_ns);

/* Takes a slot out of the list that it is in, if any.  In a transaction. */
int wait_leave(workq *q, struct slot *slot);

/* Takes the newest sleeper out of a list, to be woken.  In a transaction.  Returns 1; 0 if there is none, or only deserters were
 * found, which are out then. */
int wait_signal(workq *q, uint32_t kind);

/* Is this handle the leader of WAIT_GET? */
bool wait_is_leader(const workq *q);

/* Takes oldest sleepers who have deserted out of WAIT_GET, so that somebody who sleeps leads.  In a transaction. */
int wait_prune(workq *q);

/* Sees to it that the leader wakes not later than wake_ns.  In a transaction. */
int wait_lead(workq *q, int64_t wake_ns);

/* Wakes the leader, who then plans anew: after a death, since its waking may have been brought forward without a word to it. */
int wait_rouse(workq *q);

/* Under the lock, after the commit: tells those who are to be woken. */
COLD void wait_publish(workq *q);
/* After the unlock: wakes those of them who sleep. */
COLD void wait_wake(workq *q);

/* Under the lock, after wait_enter() was committed: from now on this handle can be told. */
void wait_arm(workq *q);
/* After the unlock: sleeps until told, at most duration_ns.  Returns 0, ETIMEDOUT or EINTR. */
int wait_sleep(workq *q, uint32_t kind, int64_t duration_ns);

/*
 * For whoever found no key: how long to look for one without standing in line, which costs those nothing who add; 0 for not at all.
 * Then, without the lock, looks until something is ready (or somebody else took it), for so long or until the deadline.
 */
int64_t wait_poll_ns(workq *q);
void wait_poll(workq *q, int64_t budget_ns, int64_t deadline_ns);

/*
 * Without the lock: this handle stands in line, but will not sleep; its call has ended because the lock was not to be had.
 * Whoever comes by takes it out of the line.
 */
void wait_desert(workq *q);

static inline bool wait_anyone(const workq *q, uint32_t kind) {
  return q->control->wait.list[kind].head != 0;
}

#endif
