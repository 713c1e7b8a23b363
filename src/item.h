/*
 * item.h: the records of keys: taking one for a new key, and giving it back.
 *
 * In a transaction, under the lock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_ITEM_H
#define WORKQ_ITEM_H

#include "handle.h"

/*
 * A record for a key that the table does not have: entered there, in PLACE_NOWHERE, all counts zero.  Returns 0; -ENOSPC if capacity is reached or /dev/shm is full, -EUCLEAN.
 */
int item_create(workq *q, uint32_t hash, const void *key, size_t len, uint32_t *index, struct item **item);

/* The record is in no list and not in the heap, and its line is saved.  Returns 0 or -EUCLEAN. */
int item_destroy(workq *q, uint32_t index, struct item *item);

#endif
