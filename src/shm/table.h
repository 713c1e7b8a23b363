/*
 * table.h: from a key to its item: linear hashing over buckets of one cache line.
 *
 * A bucket holds (hash, item) pairs, so that a lookup reads one line and no item whose hash
 * differs.  Items that find no free entry are chained.  The table grows by one bucket at a time:
 * bucket s is split into s and s + 2^level.  In a transaction, under the lock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_TABLE_H
#define WORKQ_SHM_TABLE_H

#include "journal.h"
#include "read.h"

uint32_t table_hash(const workq *q, const void *key, size_t len);

/* The number of the bucket for a hash, in a table of so many buckets. */
static inline uint32_t table_bucket_number(uint32_t hash, uint32_t buckets) {
  uint32_t mask = (UINT32_C(2) << (31 - __builtin_clz(buckets))) - 1;
  uint32_t number = hash & mask;
  return number < buckets ? number : number & (mask >> 1);
}

/* Does the bucket of that number have memory, and is the number of buckets valid? */
static inline bool table_has_bucket(const workq *q, uint32_t number, uint32_t buckets) {
  return likely(buckets <= q->regions.buckets.units) ||
         (buckets <= q->geometry.buckets_max &&
          (number < q->regions.buckets.units || region_probe(&q->regions.buckets, number)));
}

/* The bucket for a hash; null if the number of buckets is damaged. */
static inline struct bucket *table_bucket(const workq *q, uint32_t hash) {
  /* Once: some callers do not hold the lock. */
  uint32_t buckets = read_u32(&q->control->hot.buckets);
  if (unlikely(buckets < BUCKETS_MIN)) return NULL;
  uint32_t number = table_bucket_number(hash, buckets);
  return likely(table_has_bucket(q, number, buckets)) ? &q->table[number] : NULL;
}

/* Starts to load the line that a lookup of hash will read.  No lock needed. */
static inline void table_prefetch(const workq *q, uint32_t hash) {
  const struct bucket *bucket = table_bucket(q, hash);
  if (likely(bucket)) prefetch_to_write(bucket);
}

/* Sets *index to the key's item, 0 if there is none.  Returns 0 or -EUCLEAN. */
int table_find_chained(const workq *q, uint32_t first, uint32_t hash, const void *key, size_t len, uint32_t *index);

static inline bool table_item_has_key(struct item *item, const void *key, size_t len) {
  return item->key_len == len && memcmp(item_key(item), key, len) == 0;
}

/* bucket is the one for hash. */
static inline int table_find(const workq *q, const struct bucket *bucket, uint32_t hash, const void *key, size_t len,
                             uint32_t *index) {
  *index = 0;
  if (unlikely(!bucket)) return -EUCLEAN;
  for (uint32_t i = 0; i < BUCKET_ENTRIES && bucket->item[i]; i++) {
    if (bucket->hash[i] != hash) continue;
    struct item *item = item_at(q, bucket->item[i]);
    if (unlikely(!item)) return -EUCLEAN;
    if (!table_item_has_key(item, key, len)) continue;
    *index = bucket->item[i];
    return 0;
  }
  return likely(!bucket->chain) ? 0 : table_find_chained(q, bucket->chain, hash, key, len, index);
}

/* Puts an item into the first free entry or the chain.  The bucket's line and the item's are
 * saved. */
static inline void table_put(struct bucket *bucket, uint32_t index, struct item *item, uint32_t hash) {
  for (uint32_t i = 0; i < BUCKET_ENTRIES; i++) {
    if (bucket->item[i]) continue;
    bucket->hash[i] = hash;
    bucket->item[i] = index;
    return;
  }
  item->chain = bucket->chain;
  bucket->chain = index;
}

/* The item's line is saved, its hash is set, bucket is the one for it, and the key is not in the
 * table. */
static inline void table_insert(workq *q, struct bucket *bucket, uint32_t index, struct item *item) {
  journal_save_always(q, bucket);
  item->chain = 0;
  table_put(bucket, index, item, item->hash);
}

/* Takes an item out of the chain of its bucket, whose line is saved. */
int table_remove_chained(workq *q, struct bucket *bucket, uint32_t index, struct item *item);
/* Closes the gap at entry i by the chain's first item. */
int table_fill_from_chain(workq *q, struct bucket *bucket, uint32_t i);

/* The item's line is saved. */
static inline int table_remove(workq *q, uint32_t index, struct item *item) {
  struct bucket *bucket = table_bucket(q, item->hash);
  if (unlikely(!bucket)) return -EUCLEAN;
  journal_save_always(q, bucket);
  uint32_t i = 0;
  while (i < BUCKET_ENTRIES && bucket->item[i] != index) i++;
  if (unlikely(i == BUCKET_ENTRIES)) return table_remove_chained(q, bucket, index, item);
  if (unlikely(bucket->chain)) return table_fill_from_chain(q, bucket, i);
  uint32_t last = i;
  while (last + 1 < BUCKET_ENTRIES && bucket->item[last + 1]) last++;
  bucket->hash[i] = bucket->hash[last];
  bucket->item[i] = bucket->item[last];
  bucket->hash[last] = 0;
  bucket->item[last] = 0;
  return 0;
}

/* Should the table grow? */
static inline bool table_is_crowded(const workq *q) {
  const struct hot_line *hot = &q->control->hot;
  return unlikely(hot->used >= (uint64_t)hot->buckets * BUCKET_LOAD) && hot->buckets < q->geometry.buckets_max;
}

/*
 * Adds a bucket, as a transaction of its own.  It is no error if that is impossible now (no memory,
 * or a chain that is too long for the journal): lookups are only slower.  Returns 0 or -EUCLEAN.
 */
COLD int table_grow(workq *q);

#endif
