/*
 * ready.c: the ready keys; see ready.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ready.h"

#include "journal.h"
#include "list.h"

static uint32_t band_number(const workq *q, const struct band *band) {
  return (uint32_t)(band - q->control->bands);
}

int ready_push(workq *q, uint32_t index, struct item *item) {
  struct hot_line *hot = &q->control->hot;
  struct band *band = band_of(q, item->priority);
  int rc = list_append(q, &band->keys, index, item);
  if (unlikely(rc < 0)) return rc;
  uint32_t number = band_number(q, band);
  hot->bitmap[number / 64] |= UINT64_C(1) << number % 64;
  hot->ready++;
  return 0;
}

int ready_remove(workq *q, uint32_t index, struct item *item) {
  struct hot_line *hot = &q->control->hot;
  struct band *band = band_of(q, item->priority);
  int rc = list_remove(q, &band->keys, index, item);
  if (unlikely(rc < 0)) return rc;
  if (band->keys.head == 0) {
    uint32_t number = band_number(q, band);
    hot->bitmap[number / 64] &= ~(UINT64_C(1) << number % 64);
  }
  hot->ready--;
  return 0;
}

int ready_first(const workq *q, uint32_t *index) {
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
