/*
 * slot.h: a handle's slot in the segment: attaching, detaching, and reaping the slots of dead
 * owners.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_SLOT_H
#define WORKQ_SHM_SLOT_H

#include "handle.h"

/*
 * Finds a slot, locks its byte and its life mutex, and makes the thread its owner.  The queue lock
 * is not held.  Returns 0; -EUSERS if living owners have all slots, -ENOSPC, -ETIMEDOUT, -EBADFD,
 * -EUCLEAN.
 */
int slot_attach(workq *q);

/*
 * Under the lock: notes that the death of the slot's handle, if it is of that process, is no crash.
 * Returns whether it is.
 */
bool slot_expect_exit(workq *q, uint32_t i, pid_t pid);

/* Releases the keys in flight and frees the slot.  Returns 0; -ESTALE if the slot, and so its life
 * mutex, is no longer the handle's; -EDEADLK, and nothing was done; or another -errno: then the
 * slot is left to be reaped. */
int slot_detach(workq *q);

/* In a forked child, at its first call: attaches again.  Returns 0 or as workq_open(). */
int slot_reattach(workq *q);

/* Under the lock, not in a transaction: is the slot still this handle's? */
static inline bool slot_is_own(const workq *q) {
  return q->slot->attachment.generation == q->generation; /* every vacating raises it */
}

/*
 * Under the lock, not in a transaction: reaps the slots from number *next on whose thread has died,
 * as many as one hold of the lock may.  *next is where another hold goes on; *over is set once all
 * slots have been checked.  Returns how many were reaped.
 */
int slot_reap(workq *q, uint32_t *next, bool *over);

/* One reap pass of bounded length, which goes on where the last one ended, if that is older than
 * the reap interval.  Returns how many slots were reaped, or -errno. */
int slot_reap_if_due(workq *q, int64_t now_ns);

/* When the leader must wake: for the next reap pass, or when the earliest delayed key is due. */
int64_t slot_leader_wake_ns(const workq *q, int64_t now_ns);

#endif
