/*
 * lock.h: the queue lock, and the life mutexes of slots.  lock.c is the only file that touches pthread mutexes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_LOCK_H
#define WORKQ_LOCK_H

#include "handle.h"

/* Initializes every mutex of a segment that has no name yet.  Returns 0 or -errno. */
int lock_init_all(workq *q);

/*
 * Takes the queue lock.  If its last owner died, rolls back what it left first.
 * deadline_ns is on CLOCK_MONOTONIC; a negative one is that far from now.  At least one slice (50 ms) is waited.
 * Returns 0; 1 if a death was repaired; -ETIMEDOUT (q->lock_owner is then set); -EUCLEAN.
 */
int lock_acquire(workq *q, int64_t deadline_ns);
void lock_release(workq *q);

/*
 * The life mutex of a slot.  life_try() takes it if nobody living has it: 0, or 1 if its last owner died holding it;
 * -EBUSY otherwise.
 */
int life_try(workq *q, uint32_t slot);
void life_release(workq *q, uint32_t slot);
/* Makes anew a life mutex that nobody can unlock any more.  The queue lock is held. */
void life_renew(workq *q, uint32_t slot);

#endif
