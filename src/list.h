/*
 * list.h: lists of items: a band of ready keys, the keys in a slot's hands, the idle, the buried.
 *
 * First in, first out, doubly linked by item.next and item.prev; an item is in one list at most.  The head's prev
 * is left as it was, so that taking the head does not touch the item behind it.  In a transaction, under the lock.
 * Results: 0, or -EUCLEAN where the segment is damaged.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_LIST_H
#define WORKQ_LIST_H

#include "handle.h"

int list_append(workq *q, struct list *list, uint32_t index, struct item *item);
int list_remove(workq *q, struct list *list, uint32_t index, struct item *item);

#endif
