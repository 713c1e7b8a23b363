/*
 * inspect.h: looking at a queue without changing it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_INSPECT_H
#define WORKQ_INSPECT_H

#include "queue.h"

/*
 * Around a look: takes the lock, or nothing for a handle that is only for reading (WORKQ_RAW), in which case all that
 * is read may be torn.  look_begin() returns 0 or -errno.
 */
static inline int look_begin(workq *q) {
  if (!(q->flags & WORKQ_RAW)) return queue_enter(q, CLOCK_NEVER);
  measure_stamp(q);
  return 0;
}

static inline void look_end(workq *q) {
  if (!(q->flags & WORKQ_RAW)) queue_leave(q);
}

/* workq_measure() under the lock. */
void inspect_measure(workq *q, workq_measures *measures);

/*
 * Copies what there is to say of an item (or null), its key to key_copy, which has room for key_max bytes.  Returns its state,
 * WORKQ_STATE_*; 0 for a free record.
 */
int inspect_item(workq *q, struct item *item, int64_t now_ns, unsigned char *key_copy, workq_info *info);

/*
 * For tests: visits the ready keys in the order in which gets would hand them out, under the lock.  Stops where visit does
 * not return 0.  Returns what visit returned last, or -EUCLEAN.
 */
int inspect_ready_order(workq *q, int (*visit)(void *arg, const void *key, size_t len, int priority), void *arg);

#endif
