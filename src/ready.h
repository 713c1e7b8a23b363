/*
 * ready.h: the ready keys: a list for each priority, and a bitmap of those that hold a key.
 *
 * In a transaction, under the lock, the item's line being saved.  Results: 0, or -EUCLEAN where the segment is damaged.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_READY_H
#define WORKQ_READY_H

#include "list.h"

/* Appends an item to the band of its priority. */
static inline int ready_push(workq *q, uint32_t index, struct item *item) {
  struct hot_line *hot = &q->control->hot;
  struct band *band = band_of(q, item->priority);
  journal_add(q, band);
  int rc = list_link(q, &band->keys, index, item);
  if (unlikely(rc < 0)) return rc;
  uint32_t number = (uint32_t)(band - q->control->bands);
  hot->bitmap[number / 64] |= UINT64_C(1) << number % 64;
  hot->ready++;
  return 0;
}

static inline int ready_remove(workq *q, uint32_t index, struct item *item) {
  struct hot_line *hot = &q->control->hot;
  struct band *band = band_of(q, item->priority);
  journal_add(q, band);
  int rc = list_unlink(q, &band->keys, index, item);
  if (unlikely(rc < 0)) return rc;
  if (band->keys.head == 0) {
    uint32_t number = (uint32_t)(band - q->control->bands);
    hot->bitmap[number / 64] &= ~(UINT64_C(1) << number % 64);
  }
  hot->ready--;
  return 0;
}

/* Sets *index to the head of the highest band that is not empty, 0 if there is none. */
static inline int ready_first(const workq *q, uint32_t *index) {
  const struct hot_line *hot = &q->control->hot;
  *index = 0;
  for (uint32_t word = 0; word < BANDS / 64; word++) {
    uint64_t bits = hot->bitmap[word];
    if (!bits) continue;
    *index = q->control->bands[word * 64 + (uint32_t)__builtin_ctzll(bits)].keys.head;
    return *index ? 0 : -EUCLEAN;
  }
  return 0;
}

#endif
