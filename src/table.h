/*
 * table.h: from a key to its item: linear hashing over buckets of one cache line.
 *
 * A bucket holds (hash, item) pairs, so that a lookup reads one line and no item whose hash differs.  What finds no place is
 * chained through the items.  The table grows by one bucket at a time: bucket s is split into s and s + 2^level.
 * In a transaction, under the lock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_TABLE_H
#define WORKQ_TABLE_H

#include "handle.h"

uint32_t table_hash(const workq *q, const void *key, size_t len);

/* Starts to load the line that a lookup of hash will read.  No lock needed. */
void table_prefetch(const workq *q, uint32_t hash);

/* Sets *index to the key's item, 0 if there is none.  Returns 0 or -EUCLEAN. */
int table_find(const workq *q, uint32_t hash, const void *key, size_t len, uint32_t *index);

/* The item's line is saved.  For table_insert(), item->hash is set and the key is not in the table. */
int table_insert(workq *q, uint32_t index, struct item *item);
int table_remove(workq *q, uint32_t index, struct item *item);

/* Is it time to grow? */
bool table_is_crowded(const workq *q);

/*
 * Adds a bucket, as a transaction of its own.  It is no fault if that cannot be done now (no memory, or a chain that is
 * too long for the journal): lookups are only slower.  Returns 0 or -EUCLEAN.
 */
COLD int table_grow(workq *q);

#endif
