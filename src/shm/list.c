/*
 * list.c: lists of items; see list.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "list.h"

int list_bypass(workq *q, struct list *list, uint32_t index, const struct item *item) {
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
