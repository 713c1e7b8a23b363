/*
 * ready.h: the ready keys: a list for each priority (a band), and a bitmap of the bands that are
 * not empty.
 *
 * In a transaction, under the lock, the item's line being saved.  Results: 0, or -EUCLEAN where the
 * segment is damaged.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_READY_H
#define WORKQ_SHM_READY_H

#include "list.h"
#include "read.h"

/* With more keys ready than this, the one queued PREFETCH_DISTANCE before is likely to be still in
 * its band, and not in use by another process. */
#define PREFETCH_MIN_READY 16u

/*
 * Stores a prefetch hint to this item in the one queued PREFETCH_DISTANCE before, so that the get
 * of that one can start to load this: a queue is a linked list, in which each item must be loaded
 * before the next is known.
 */
static inline void ready_leave_hint(workq *q, uint32_t index) {
  uint32_t before = recent_push(&q->recent_queued, index);
  if (q->control->hot.ready <= PREFETCH_MIN_READY || unlikely(before - 1u >= q->regions.items.units)) return;
  item_at(q, before)->prefetch_hint = index;
}

/* In a transaction: metrics distinguish this priority from now on, if there is a place left. */
COLD void ready_export_priority(workq *q, int priority);

static inline void ready_note_priority(workq *q, int priority) {
  uint32_t number = (uint32_t)(band_of(q, priority) - q->control->bands);
  if (likely(priority == 0 || q->control->exported.noted[number / 64] >> number % 64 & 1)) return;
  ready_export_priority(q, priority);
}

/* Appends an item to the band of its priority. */
static inline int ready_push(workq *q, uint32_t index, struct item *item) {
  struct hot_line *hot = &q->control->hot;
  struct band *band = band_of(q, item->priority);
  journal_save_once_in_group(q, band);
  int rc = list_link(q, &band->keys, index, item);
  if (unlikely(rc < 0)) return rc;
  uint32_t number = (uint32_t)(band - q->control->bands);
  hot->bitmap[number / 64] |= UINT64_C(1) << number % 64;
  hot->ready++;
  ready_note_priority(q, item->priority);
  item->prefetch_hint = 0; /* of an earlier place */
  ready_leave_hint(q, index);
  return 0;
}

static inline int ready_remove(workq *q, uint32_t index, struct item *item) {
  struct hot_line *hot = &q->control->hot;
  struct band *band = band_of(q, item->priority);
  journal_save_once_in_group(q, band);
  int rc = list_unlink(q, &band->keys, index, item);
  if (unlikely(rc < 0)) return rc;
  if (band->keys.head == 0) {
    uint32_t number = (uint32_t)(band - q->control->bands);
    hot->bitmap[number / 64] &= ~(UINT64_C(1) << number % 64);
  }
  hot->ready--;
  return 0;
}

/* The number of the highest band that is not empty; false where there is none. */
static inline bool ready_band(const workq *q, uint32_t *number) {
  const struct hot_line *hot = &q->control->hot;
  for (uint32_t word = 0; word < BANDS / 64; word++) {
    /* Once: some callers do not hold the lock. */
    uint64_t bits = __atomic_load_n(&hot->bitmap[word], __ATOMIC_RELAXED);
    if (!bits) continue;
    *number = word * 64 + (uint32_t)__builtin_ctzll(bits);
    return true;
  }
  return false;
}

/* Sets *index to the head of the highest band that is not empty, 0 if there is none. */
static inline int ready_first(const workq *q, uint32_t *index) {
  uint32_t number;
  *index = 0;
  if (!ready_band(q, &number)) return 0;
  *index = read_u32(&q->control->bands[number].keys.head);
  return *index ? 0 : -EUCLEAN;
}

#endif
