/*
 * delay.h: the delayed keys: a 4-ary heap by due time, and among equal times by order of insertion.
 *
 * The four children of an entry share a cache line.  An item knows its place.  In a transaction,
 * under the lock, the line of the item given being saved.  Results: 0, or -EUCLEAN where the
 * segment is damaged.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_DELAY_H
#define WORKQ_SHM_DELAY_H

#include "handle.h"

/* The places of parent and first child: the root is at HEAP_FIRST, so that siblings share a
 * line. */
static inline uint32_t delay_parent(uint32_t place) {
  return (place - HEAP_FIRST - 1) / HEAP_ARITY + HEAP_FIRST;
}
static inline uint32_t delay_first_child(uint32_t place) {
  return (place - HEAP_FIRST) * HEAP_ARITY + HEAP_FIRST + 1;
}

/* Does a come before b? */
static inline bool delay_before(const struct heap_entry *a, const struct heap_entry *b) {
  if (a->due_ns != b->due_ns) return a->due_ns < b->due_ns;
  return (int32_t)(a->round - b->round) < 0;
}

/* Also -ENOSPC if /dev/shm is full. */
int delay_push(workq *q, uint32_t index, struct item *item, int64_t due_ns);
/* The item is in the heap, and due later than due_ns. */
int delay_bring_forward(workq *q, struct item *item, int64_t due_ns);
int delay_remove(workq *q, struct item *item);

/* When the item, which is in the heap, is due: CLOCK_NEVER if the heap is damaged.  And when the
 * earliest item is due: CLOCK_NEVER if there is none; INT64_MIN if the heap is damaged, so that the
 * caller removes it and finds the damage. */
int64_t delay_due_ns(const workq *q, const struct item *item);
int64_t delay_next_ns(const workq *q);
/* As delay_due_ns(), of the item of that index, whose heap_place is that place.  Needs no lock. */
int64_t delay_read_due_ns(const workq *q, uint32_t index, uint32_t place);
/* The number of delayed keys: entries from HEAP_FIRST on, which have memory; 0 if the heap is
 * damaged. */
uint32_t delay_count(const workq *q);
/* The index of the item that is due first, 0 for none. */
uint32_t delay_first(const workq *q);

#endif
