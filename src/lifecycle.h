/*
 * lifecycle.h: what can happen to a key, as steps between the states of DESIGN's section on semantics.
 *
 * Each function runs in a transaction, under the lock, with the item's line saved by whoever brought the item in; it keeps every list and count in step with the item's place, and
 * signals whoever waits for what it brought about.  Results: >= 0 as said, -EUCLEAN where the segment is damaged.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_LIFECYCLE_H
#define WORKQ_LIFECYCLE_H

#include "handle.h"

/* A due time that means "at once". */
#define DUE_NOW INT64_MIN

/* Keys made ready in one hold of the lock, at most, when many are due. */
#define PROMOTE_MAX 256u

/*
 * A record for a new key, after dropping the oldest idle one if the queue is full.  It must be marked in the same
 * transaction.  Returns 0; -ENOSPC.
 */
int lifecycle_create(workq *q, uint32_t hash, const void *key, size_t len, uint32_t *index, struct item **item);

/*
 * An add: gives the key a pending run at due_ns (or DUE_NOW), or brings it forward, or raises its priority.
 * Returns 1 if it was newly marked or brought forward, 0 if coalesced; -ENOSPC where the heap gets no memory.
 */
int lifecycle_mark(workq *q, uint32_t index, struct item *item, int64_t due_ns, int priority);

/* A get: the ready key goes into this handle's hands. */
int lifecycle_start(workq *q, uint32_t index, struct item *item);

/*
 * A done: takes the key out of slot's hands; it becomes ready, delayed, idle or is gone, as its pending run and counts
 * say.  Returns 1 if it became ready.
 */
int lifecycle_finish(workq *q, struct slot *slot, uint32_t index, struct item *item);

/* The limiter's delay for a failure of the item, which is counted.  Returns the due time, DUE_NOW for none. */
int64_t lifecycle_fail(workq *q, struct item *item, int64_t now_ns);

/* A retry by its worker: returns 1 if it will run again, 0 if it was given up. */
int lifecycle_retry(workq *q, struct slot *slot, uint32_t index, struct item *item, int64_t now_ns);

/* Sets the processed key aside or forgets it, as the queue's options say.  Returns 1 if it will run again. */
int lifecycle_give_up(workq *q, struct slot *slot, uint32_t index, struct item *item);

/* Puts the processed key back, ready, untried. */
int lifecycle_release(workq *q, struct slot *slot, uint32_t index, struct item *item);

/* slot's worker died with the key in hand.  Returns 0. */
int lifecycle_crash(workq *q, struct slot *slot, uint32_t index, struct item *item, int64_t now_ns);

/* Zeroes the counts.  Returns 1 if there were any; an idle record is gone then. */
int lifecycle_forget(workq *q, uint32_t index, struct item *item);

/* Cancels the pending run and the counts.  Returns 1 if there was something to cancel. */
int lifecycle_remove(workq *q, uint32_t index, struct item *item);

/* Makes a buried key ready, its counts zero.  Returns 1, or 0 if it is not buried. */
int lifecycle_kick(workq *q, uint32_t index, struct item *item);

/*
 * Makes ready (or dirty) what is due, up to PROMOTE_MAX keys, each as a transaction of its own: not to be called
 * inside one.
 */
int lifecycle_promote(workq *q, int64_t now_ns);

#endif
