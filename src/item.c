/*
 * item.c: the records of keys; see item.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "item.h"

#include "grow.h"
#include "journal.h"
#include "table.h"

static int take_free(workq *q, uint32_t *index, struct item **item) {
  struct hot_line *hot = &q->control->hot;
  *index = hot->free_head;
  *item = item_at(q, *index);
  if (unlikely(!*item || (*item)->place != PLACE_FREE)) return -EUCLEAN;
  journal_save(q, *item);
  hot->free_head = (*item)->next;
  return 0;
}

static int take_fresh(workq *q, uint32_t *index, struct item **item) {
  struct hot_line *hot = &q->control->hot;
  if (unlikely(hot->fresh >= q->geometry.capacity)) return -EUCLEAN; /* all records used, none free, yet not full */
  struct region region = {q->geometry.items_off, q->geometry.item_size, q->geometry.capacity,
                          &q->control->cold.items_committed};
  int rc = grow_to(q, &region, hot->fresh + 1);
  if (unlikely(rc < 0)) return rc;
  *index = hot->fresh + 1;
  *item = item_at(q, *index);
  journal_save(q, *item);
  hot->fresh++;
  return 0;
}

int item_create(workq *q, uint32_t hash, const void *key, size_t len, uint32_t *index, struct item **item) {
  struct hot_line *hot = &q->control->hot;
  if (hot->used >= q->geometry.capacity) return -ENOSPC;
  int rc = hot->free_head ? take_free(q, index, item) : take_fresh(q, index, item);
  if (unlikely(rc < 0)) return rc;
  struct item *it = *item;
  memcpy(item_key(it), key, len); /* of a free record: nobody's, and not journaled */
  it->next = it->prev = it->heap_place = 0;
  it->hash = hash;
  it->key_len = (uint16_t)len;
  it->place = PLACE_NOWHERE;
  it->pending = PENDING_NONE;
  it->failures = it->crashes = 0;
  it->owner = 0;
  it->priority = it->run_priority = 0;
  hot->used++;
  return table_insert(q, *index, it);
}

int item_destroy(workq *q, uint32_t index, struct item *item) {
  struct hot_line *hot = &q->control->hot;
  int rc = table_remove(q, index, item);
  if (unlikely(rc < 0)) return rc;
  item->place = PLACE_FREE;
  item->pending = PENDING_NONE;
  item->prev = 0;
  item->next = hot->free_head;
  hot->free_head = index;
  hot->used--;
  return 0;
}
