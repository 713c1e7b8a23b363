/*
 * finish.h: ending the run of a key that is in flight with this handle.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_FINISH_H
#define WORKQ_SHM_FINISH_H

#include "operation.h"

/* Sets the key's next state; in a transaction. */
typedef int finish(workq *q, uint32_t index, struct item *item);

/* The item of that ticket, null if it is not in flight with this handle. */
static inline struct item *item_in_flight(workq *q, const workq_item *handed) {
  struct item *item = item_at(q, (uint32_t)(handed->ticket >> 32));
  if (unlikely(!item || (uint32_t)(handed->ticket >> 32) > q->control->hot.fresh)) return NULL;
  if (item->place != PLACE_PROCESSING || item->owner != q->slot_id + 1) return NULL;
  return item->ticket == (uint32_t)handed->ticket ? item : NULL;
}

/* In a transaction. */
static inline int finish_locked(workq *q, uint32_t index, struct item *item, finish *how) {
  if (q->measure) times_observe(q, MEASURE_WORK, item->run_ns, q->stamp_ns);
  int rc = how(q, index, item);
  if (likely(rc >= 0)) q->slot->own.dones++;
  return rc;
}

static inline int finish_complete(workq *q, uint32_t index, struct item *item) {
  item->failures = item->crashes = 0;
  return state_end_run(q, q->slot, index, item);
}

#endif
