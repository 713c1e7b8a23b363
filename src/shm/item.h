/*
 * item.h: items: creating one for a new key, and destroying it.
 *
 * In a transaction, under the lock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_ITEM_H
#define WORKQ_SHM_ITEM_H

#include "table.h"

/* Takes an item that was never used: 0 with its line saved, -ENOSPC if /dev/shm is full,
 * -EUCLEAN. */
COLD int item_take_fresh(workq *q, uint32_t *index, struct item **item);

/* The crashes of an item (or of a copy) that still count. */
static inline uint32_t item_crashes(const workq *q, const struct item *item, int64_t now_ns) {
  int64_t forget_ns = q->header.crash_forget_ns;
  if (!item->crashes || forget_ns == WORKQ_FOREVER) return item->crashes;
  /* Never longer than 9 years, and negative where that clock was ahead of this one. */
  int64_t age_ns = (int64_t)(int32_t)(crash_time(now_ns) - item->crash_time) * CRASH_TIME_UNIT_NS;
  return age_ns >= forget_ns ? 0 : item->crashes;
}

/* Starts to load the item of that index, if it is known to have memory, and the beginning of its
 * key. */
static inline void item_prefetch(const workq *q, uint32_t index) {
  if (unlikely(index - 1u >= q->regions.items.units)) return;
  struct item *item = item_at(q, index);
  prefetch_to_write(item);
  prefetch_to_write(item_key(item));
}

static inline int item_take_free(workq *q, uint32_t *index, struct item **item) {
  struct hot_line *hot = &q->control->hot;
  *index = hot->free_head;
  *item = item_at(q, *index);
  if (unlikely(!*item || (*item)->place != PLACE_FREE)) return -EUCLEAN;
  journal_save(q, *item);
  hot->free_head = (*item)->next;
  item_prefetch(q, (*item)->prefetch_hint ? (*item)->prefetch_hint : hot->free_head);
  return 0;
}

/*
 * Creates an item for a key that is not in the table: entered in the bucket for its hash, in
 * PLACE_NOWHERE, all counts zero; the caller has checked the capacity.  Returns 0; -ENOSPC if
 * /dev/shm is full, -EUCLEAN.
 */
static inline int item_create(workq *q, struct bucket *bucket, uint32_t hash, const void *key, size_t len,
                              uint32_t *index, struct item **item) {
  struct hot_line *hot = &q->control->hot;
  int rc = likely(hot->free_head) ? item_take_free(q, index, item) : item_take_fresh(q, index, item);
  if (unlikely(rc < 0)) return rc;
  struct item *it = *item;
  memcpy(item_key(it), key, len); /* the bytes of a free item are unused, and not journaled */
  *it = (struct item){.hash = hash, .key_len = (uint16_t)len, .place = PLACE_NOWHERE, .ticket = it->ticket};
  hot->used++;
  table_insert(q, bucket, *index, it);
  return 0;
}

/* Frees an item that is in no list and not in the heap, and whose line is saved.  Returns 0 or
 * -EUCLEAN. */
static inline int item_destroy(workq *q, uint32_t index, struct item *item) {
  struct hot_line *hot = &q->control->hot;
  int rc = table_remove(q, index, item);
  if (unlikely(rc < 0)) return rc;
  item->place = PLACE_FREE;
  item->pending = PENDING_NONE;
  item->next = hot->free_head;
  item->prefetch_hint = recent_push(&q->recent_freed, index);
  hot->free_head = index;
  hot->used--;
  return 0;
}

#endif
