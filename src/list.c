/*
 * list.c: lists of items; see list.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "list.h"

#include "journal.h"

int list_append(workq *q, struct list *list, uint32_t index, struct item *item) {
  journal_save(q, list);
  journal_save(q, item);
  if (list->tail) {
    struct item *last = item_at(q, list->tail);
    if (unlikely(!last || last == item)) return -EUCLEAN;
    journal_save(q, last);
    last->next = index;
  } else {
    list->head = index;
  }
  item->prev = list->tail;
  item->next = 0;
  list->tail = index;
  list->count++;
  return 0;
}

/* Links what is before item (not the head) to what is behind it. */
static int list_bypass(workq *q, struct list *list, uint32_t index, const struct item *item) {
  struct item *before = item_at(q, item->prev);
  if (unlikely(!before || before->next != index)) return -EUCLEAN;
  journal_save(q, before);
  before->next = item->next;
  if (!item->next) {
    list->tail = item->prev;
    return 0;
  }
  struct item *after = item_at(q, item->next);
  if (unlikely(!after || after->prev != index)) return -EUCLEAN;
  journal_save(q, after);
  after->prev = item->prev;
  return 0;
}

int list_remove(workq *q, struct list *list, uint32_t index, struct item *item) {
  if (unlikely(list->count == 0)) return -EUCLEAN;
  journal_save(q, list);
  journal_save(q, item);
  if (list->head == index) {
    list->head = item->next;
    if (!item->next) list->tail = 0;
  } else {
    int rc = list_bypass(q, list, index, item);
    if (unlikely(rc < 0)) return rc;
  }
  list->count--;
  item->next = item->prev = 0;
  return 0;
}
