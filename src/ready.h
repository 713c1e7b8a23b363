/*
 * ready.h: the ready keys: a list for each priority, and a bitmap of those that hold a key.
 *
 * In a transaction, under the lock.  Results: 0, or -EUCLEAN where the segment is damaged.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_READY_H
#define WORKQ_READY_H

#include "handle.h"

/* Appends an item to the band of its priority. */
int ready_push(workq *q, uint32_t index, struct item *item);
int ready_remove(workq *q, uint32_t index, struct item *item);

/* Sets *index to the head of the highest band that is not empty, 0 if there is none. */
int ready_first(const workq *q, uint32_t *index);

#endif
