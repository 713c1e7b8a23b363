/*
 * slot.h: a handle's place in the segment: taking one, giving it back, and reaping those of the dead.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_SLOT_H
#define WORKQ_SHM_SLOT_H

#include "handle.h"

/*
 * Finds a slot, locks its byte and its life mutex, and enters the thread in the segment.  The queue lock is not held.
 * Returns 0; -EUSERS if all are taken by the living, -ENOSPC, -ETIMEDOUT, -EBADFD, -EUCLEAN.
 */
int slot_attach(workq *q);

/* Puts the keys in hand back and frees the slot.  Returns 0; -ESTALE if it is not the handle's any more: then the life mutex,
 * too, is not; -EDEADLK, and nothing was done; or another -errno: then the slot is left to be reaped. */
int slot_detach(workq *q);

/* In a forked child, at its first call: attaches again.  Returns 0 or as workq_open(). */
int slot_reattach(workq *q);

/* Under the lock, not in a transaction: is the slot still this handle's? */
static inline bool slot_is_own(const workq *q) {
  return q->slot->who.generation == q->generation; /* changed whenever it is vacated */
}

/*
 * Under the lock, not in a transaction: looks for slots from number *next on whose thread has died, and reaps them: as many as
 * one hold of the lock may.  *next is where to go on in another one, *over whether all have been looked at.  Returns how
 * many were found.
 */
int slot_reap(workq *q, uint32_t *next, bool *over);

/* A look of bounded length, which goes on where the last one ended, if that is older than the reap interval. */
int slot_reap_if_due(workq *q, int64_t now_ns);

/* When the oldest waiter in get must wake: at the next look for the dead, or when the earliest delayed key is due. */
int64_t slot_leader_wake_ns(const workq *q, int64_t now_ns);

#endif
