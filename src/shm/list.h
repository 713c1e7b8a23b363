/*
 * list.h: lists of items: a band of ready keys, the keys in flight of a slot, the idle, the buried.
 *
 * First in, first out, doubly linked by item.next and item.prev; an item is in one list at most.
 * The head's prev is undefined, so that taking the head does not touch the item behind it.  In a
 * transaction, under the lock, the lines of the list and of the item itself being saved.  Results:
 * 0, or -EUCLEAN where the segment is damaged.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_LIST_H
#define WORKQ_SHM_LIST_H

#include "journal.h"

/* Links the item before this one (not the head) to the one behind it. */
int list_bypass(workq *q, struct list *list, uint32_t index, const struct item *item);

/* Links the last of a list that is not empty to a new last. */
static inline int list_extend(workq *q, struct list *list, uint32_t index, const struct item *item) {
  struct item *last = item_at(q, list->tail);
  if (unlikely(!last || last == item)) return -EUCLEAN;
  journal_save(q, last);
  last->next = index;
  return 0;
}

/* list_append() where the list's line is saved. */
static inline int list_link(workq *q, struct list *list, uint32_t index, struct item *item) {
  if (!list->tail) {
    list->head = index;
  } else if (unlikely(list_extend(q, list, index, item) < 0)) {
    return -EUCLEAN;
  }
  item->prev = list->tail;
  item->next = 0;
  list->tail = index;
  list->count++;
  return 0;
}

/* list_remove() where the list's line is saved. */
static inline int list_unlink(workq *q, struct list *list, uint32_t index, struct item *item) {
  if (unlikely(list->count == 0)) return -EUCLEAN;
  if (likely(list->head == index)) {
    list->head = item->next;
    if (!item->next) list->tail = 0;
  } else {
    int rc = list_bypass(q, list, index, item);
    if (unlikely(rc < 0)) return rc;
  }
  list->count--;
  return 0;
}

static inline int list_append(workq *q, struct list *list, uint32_t index, struct item *item) {
  journal_save(q, list);
  return list_link(q, list, index, item);
}

static inline int list_remove(workq *q, struct list *list, uint32_t index, struct item *item) {
  journal_save(q, list);
  return list_unlink(q, list, index, item);
}

#endif
