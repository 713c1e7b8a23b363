/*
 * state.h: a key's state machine: the transitions between the states that docs/architecture.md
 * shows.
 *
 * Each function runs in a transaction, under the lock; the caller has saved the item's line and, if
 * the key leaves a slot, that slot's own line.  It updates every list and count together with the
 * item's place, and signals the waiters for the new state.  Results: >= 0 as documented, -EUCLEAN
 * if the segment is damaged.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_STATE_H
#define WORKQ_SHM_STATE_H

#include "item.h"
#include "ready.h"
#include "stamp.h"
#include "times.h"
#include "wait.h"

/* A due time that means "at once". */
#define DUE_NOW INT64_MIN

/* The most keys that one hold of the lock makes ready when many are due. */
#define PROMOTE_MAX 256u

/* Evicts the oldest idle item.  Returns 0; -ENOSPC if there is none. */
COLD int state_evict(workq *q);

/*
 * Creates an item for a new key; evicts the oldest idle one if the queue is full.  The caller must
 * give it a state in the same transaction.  Returns 0; -ENOSPC.
 */
static inline int state_create(workq *q, struct bucket *bucket, uint32_t hash, const void *key, size_t len,
                               uint32_t *index, struct item **item) {
  const struct control *control = q->control;
  /* A waiter for space for this key need not wait any longer. */
  if (unlikely(wait_anyone(q, WAIT_SPACE))) {
    int signalled = wait_signal_key(q, hash);
    if (signalled < 0) return signalled;
  }
  if (likely(control->hot.used < q->geometry.capacity)) return item_create(q, bucket, hash, key, len, index, item);
  if (control->cold.idle.count == 0) return -ENOSPC;
  /* The new key first: into an item that was free before, since the evicted key's bytes must
   * survive a roll-back. */
  int rc = item_create(q, bucket, hash, key, len, index, item);
  return rc < 0 ? rc : state_evict(q);
}

/* One key became ready: signals a waiter, unless the queue is paused or this handle is about to
 * take the key. */
COLD int state_signal_ready(workq *q);

/* The item is in no list. */
static inline int state_enter_ready(workq *q, uint32_t index, struct item *item) {
  int rc = ready_push(q, index, item);
  if (unlikely(rc < 0)) return rc;
  item->place = PLACE_READY;
  item->pending = PENDING_NOW;
  return likely(!wait_anyone(q, WAIT_GET)) ? 0 : state_signal_ready(q);
}

/* The number of new keys that have space: an idle item can be evicted for one. */
static inline int64_t state_space(const workq *q) {
  return (int64_t)q->geometry.capacity - q->control->hot.used + q->control->cold.idle.count;
}

/* Grants space to a waiter if there is more than has been granted. */
COLD int state_grant_space(workq *q);

/* There may be space for a key again, beyond what has been granted. */
static inline int state_signal_space(workq *q) {
  return likely(!wait_anyone(q, WAIT_SPACE)) ? 0 : state_grant_space(q);
}

/* If the queue is empty, signals a waiter for the drain. */
static inline int state_signal_drained(workq *q) {
  const struct hot_line *hot = &q->control->hot;
  if (likely(!wait_anyone(q, WAIT_DRAIN)) || hot->processing || hot->ready) return 0;
  int rc = wait_signal(q, WAIT_DRAIN);
  return rc < 0 ? rc : 0;
}

/* Has the key counts?  Forgets its crashes if they no longer count. */
static inline bool state_has_counts(workq *q, struct item *item) {
  if (unlikely(item->crashes)) item->crashes = (uint16_t)item_crashes(q, item, handle_now_ns(q));
  return item->failures || item->crashes;
}

/* The key is neither pending nor processed: keeps the item for its counts, or destroys it. */
static inline int state_retire(workq *q, uint32_t index, struct item *item) {
  int rc;
  item->pending = PENDING_NONE;
  if (unlikely(state_has_counts(q, item))) {
    rc = list_append(q, &q->control->cold.idle, index, item);
    item->place = PLACE_IDLE;
    item->since_ns = q->stamp_ns;
  } else {
    rc = item_destroy(q, index, item);
  }
  return rc < 0 ? rc : state_signal_space(q);
}

/* Buries an item that is in no list. */
int state_enter_buried(workq *q, uint32_t index, struct item *item);

/* Has the known key no pending run, no counts, and is it not buried either?  Then it is in
 * flight. */
static inline bool state_is_settled(workq *q, struct item *item) {
  return item->place == PLACE_PROCESSING && item->pending == PENDING_NONE && !state_has_counts(q, item);
}

/* state_add() of a known key, or for a later time. */
int state_add_known(workq *q, uint32_t index, struct item *item, int64_t due_ns, int priority);

/*
 * An add: gives the key a pending run at due_ns (or DUE_NOW), or makes the pending run earlier, or
 * raises its priority.  Returns 1 if the run is new or earlier, 0 if the add was coalesced; -ENOSPC
 * if the heap gets no memory.
 */
static inline int state_add(workq *q, uint32_t index, struct item *item, int64_t due_ns, int priority) {
  if (item->place != PLACE_NOWHERE || due_ns != DUE_NOW) return state_add_known(q, index, item, due_ns, priority);
  item->priority = (int8_t)priority;
  item->since_ns = q->stamp_ns;
  int rc = state_enter_ready(q, index, item);
  return unlikely(rc < 0) ? rc : 1;
}

/* Removes the key from the slot's list of keys in flight; the slot's own line is saved.  The caller
 * sets the next state. */
static inline int state_leave_in_flight(workq *q, struct slot *slot, uint32_t index, struct item *item) {
  struct hot_line *hot = &q->control->hot;
  if (unlikely(item->place != PLACE_PROCESSING || hot->processing == 0)) return -EUCLEAN;
  int rc = list_unlink(q, &slot->own.processing, index, item);
  if (unlikely(rc < 0)) return rc;
  hot->processing--;
  if (q->measure) slot->own.started_ns -= (uint64_t)item->run_ns;
  item->owner = 0;
  return state_signal_drained(q);
}

/* A get: the ready key is in flight with this handle from now on. */
static inline int state_start_run(workq *q, uint32_t index, struct item *item) {
  struct hot_line *hot = &q->control->hot;
  if (unlikely(item->place != PLACE_READY)) return -EUCLEAN;
  int rc = ready_remove(q, index, item);
  if (rc == 0) rc = list_link(q, &q->slot->own.processing, index, item);
  if (unlikely(rc < 0)) return rc;
  hot->processing++;
  item->place = PLACE_PROCESSING;
  item->pending = PENDING_NONE;
  item->run_priority = item->priority;
  item->removed = 0;
  item->owner = (uint16_t)(q->slot_id + 1);
  item->ticket++;
  q->slot->own.gets++;
  if (q->measure) {
    item->run_ns = q->stamp_ns;
    q->slot->own.started_ns += (uint64_t)q->stamp_ns;
    times_observe(q, MEASURE_QUEUE, item->since_ns, q->stamp_ns);
  }
  return 0;
}

/* Sets the next state of a key that is no longer in flight. */
static inline int state_place_by_pending(workq *q, uint32_t index, struct item *item) {
  int rc;
  switch (item->pending) {
  case PENDING_NOW:
    rc = state_enter_ready(q, index, item);
    band_of(q, item->priority)->dirty--; /* state_enter_ready() has saved its line */
    return rc < 0 ? rc : 1;
  case PENDING_AT:
    item->place = PLACE_DELAYED;
    return 0;
  case PENDING_NONE:
    return state_retire(q, index, item);
  default:
    return -EUCLEAN;
  }
}

/*
 * Ends a run: the key leaves the slot; by its pending run and counts it becomes ready, delayed or
 * idle, or is destroyed.  Returns 1 if it became ready.
 */
static inline int state_end_run(workq *q, struct slot *slot, uint32_t index, struct item *item) {
  int rc = state_leave_in_flight(q, slot, index, item);
  return unlikely(rc < 0) ? rc : state_place_by_pending(q, index, item);
}

/* Counts a failure of the item and computes the limiter's delay for it.  Returns the due time,
 * DUE_NOW for no delay.  Sets *bucket_ns for state_take_token(), for a run that is new or earlier:
 * one that joins the pending run takes no token of the bucket. */
int64_t state_count_failure(workq *q, struct item *item, int64_t now_ns, int64_t *bucket_ns);
void state_take_token(workq *q, int64_t bucket_ns);

/* Has the key had all its retries? */
static inline bool state_is_last_run(const workq *q, const struct item *item) {
  int32_t max_retries = q->header.max_retries;
  return max_retries && (max_retries < 0 || item->failures >= (uint32_t)max_retries);
}

/* A retry by its worker.  Returns 1 if it will run again, 0 if it was given up or removed. */
int state_retry(workq *q, struct slot *slot, uint32_t index, struct item *item, int64_t now_ns);

/* Buries or forgets the processed key, by the queue's options, unless it was added during the run.
 * Returns 1 if it will run again. */
int state_give_up(workq *q, struct slot *slot, uint32_t index, struct item *item);

/* Makes the processed key ready again; the run does not count. */
int state_release(workq *q, struct slot *slot, uint32_t index, struct item *item);

/* The slot's worker died with the key in flight.  Returns 0. */
int state_crash(workq *q, struct slot *slot, uint32_t index, struct item *item, int64_t now_ns);

/* Zeroes the counts.  Returns 1 if there were any; an idle item is then destroyed. */
int state_forget(workq *q, uint32_t index, struct item *item);

/* Cancels the pending run and the counts.  Returns 1 if there was something to cancel. */
int state_remove(workq *q, uint32_t index, struct item *item);

/* Makes a buried key ready, its counts zero.  Returns 1, or 0 if it is not buried. */
int state_kick(workq *q, uint32_t index, struct item *item);

/*
 * Makes keys that are due ready (or dirty), up to PROMOTE_MAX, each as a transaction of its own:
 * must not be called inside one.  Returns 1 if more are due, else 0.
 */
int state_promote(workq *q, int64_t now_ns);

#endif
