/*
 * delay.h: the delayed keys: a 4-ary heap by time, and among equal times by order of coming.
 *
 * The four children of an entry share a cache line.  An item knows its place.  In a transaction, under the lock, the line
 * of the item given being saved.
 * Results: 0, or -EUCLEAN where the segment is damaged.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_DELAY_H
#define WORKQ_SHM_DELAY_H

#include "handle.h"

/* The place of parent and first child, as lines of memory have it: the root is at HEAP_FIRST. */
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

/* Also -ENOSPC, where /dev/shm is full. */
int delay_push(workq *q, uint32_t index, struct item *item, int64_t due_ns);
/* The item is in the heap, and due later than due_ns. */
int delay_bring_forward(workq *q, struct item *item, int64_t due_ns);
int delay_remove(workq *q, struct item *item);

/* When the item, which is in the heap, is due: CLOCK_NEVER by damage; or when the earliest is: CLOCK_NEVER if there is none,
 * and at once by damage, which whoever takes it out then finds. */
int64_t delay_due_ns(const workq *q, const struct item *item);
int64_t delay_next_ns(const workq *q);
/* As delay_due_ns(), of the item of that index which says that it is at that place.  Needs no lock. */
int64_t delay_read_due_ns(const workq *q, uint32_t index, uint32_t place);
/* How many are delayed: entries from HEAP_FIRST on, which have memory; 0 by damage. */
uint32_t delay_count(const workq *q);
/* The item that is due first, 0 for none. */
uint32_t delay_first(const workq *q);

#endif
