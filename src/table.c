/*
 * table.c: from a key to its item; see table.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define XXH_INLINE_ALL
#include "table.h"

#include <xxhash.h>

#include "grow.h"
#include "journal.h"

/* Items of a chain that one split can move: each is a line of the journal. */
#define SPLIT_CHAIN_MAX 40u

uint32_t table_hash(const workq *q, const void *key, size_t len) {
  return (uint32_t)XXH3_64bits_withSeed(key, len, q->header.seed);
}

/* buckets lies in BUCKETS_MIN ... buckets_max, or the segment is damaged. */
static bool buckets_valid(const workq *q, uint32_t buckets) {
  return buckets >= BUCKETS_MIN && buckets <= q->geometry.buckets_max;
}

static uint32_t level_mask(uint32_t buckets) {
  return (UINT32_C(2) << (31 - __builtin_clz(buckets))) - 1;
}

static uint32_t bucket_number(uint32_t hash, uint32_t buckets) {
  uint32_t mask = level_mask(buckets);
  uint32_t number = hash & mask;
  return number < buckets ? number : number & (mask >> 1);
}

static struct bucket *bucket_of(const workq *q, uint32_t hash) {
  uint32_t buckets = q->control->hot.buckets;
  if (unlikely(!buckets_valid(q, buckets))) return NULL;
  return &q->table[bucket_number(hash, buckets)];
}

void table_prefetch(const workq *q, uint32_t hash) {
  const struct bucket *bucket = bucket_of(q, hash);
  if (bucket) __builtin_prefetch(bucket, 1);
}

static bool item_has_key(const workq *q, struct item *item, const void *key, size_t len) {
  return item->key_len == len && len <= q->geometry.key_max && memcmp(item_key(item), key, len) == 0;
}

int table_find(const workq *q, uint32_t hash, const void *key, size_t len, uint32_t *index) {
  const struct bucket *bucket = bucket_of(q, hash);
  *index = 0;
  if (unlikely(!bucket)) return -EUCLEAN;
  for (uint32_t i = 0; i < BUCKET_ENTRIES && bucket->item[i]; i++) {
    if (bucket->hash[i] != hash) continue;
    struct item *item = item_at(q, bucket->item[i]);
    if (unlikely(!item)) return -EUCLEAN;
    if (item_has_key(q, item, key, len)) {
      *index = bucket->item[i];
      return 0;
    }
  }
  uint32_t steps = 0;
  for (uint32_t at = bucket->chain; at;) {
    struct item *item = item_at(q, at);
    if (unlikely(!item || ++steps > q->geometry.capacity)) return -EUCLEAN;
    if (item->hash == hash && item_has_key(q, item, key, len)) {
      *index = at;
      return 0;
    }
    at = item->chain;
  }
  return 0;
}

/* Puts an item into the first free entry or the chain.  The bucket's line and the item's are saved. */
static void bucket_put(struct bucket *bucket, uint32_t index, struct item *item, uint32_t hash) {
  for (uint32_t i = 0; i < BUCKET_ENTRIES; i++) {
    if (bucket->item[i]) continue;
    bucket->hash[i] = hash;
    bucket->item[i] = index;
    return;
  }
  item->chain = bucket->chain;
  bucket->chain = index;
}

int table_insert(workq *q, uint32_t index, struct item *item) {
  struct bucket *bucket = bucket_of(q, item->hash);
  if (unlikely(!bucket)) return -EUCLEAN;
  journal_save(q, bucket);
  item->chain = 0;
  bucket_put(bucket, index, item, item->hash);
  return 0;
}

/* Closes the gap at entry i: by the chain's first item, else by the last entry. */
static int bucket_fill_gap(workq *q, struct bucket *bucket, uint32_t i) {
  if (bucket->chain) {
    struct item *first = item_at(q, bucket->chain);
    if (unlikely(!first)) return -EUCLEAN;
    journal_save(q, first);
    bucket->hash[i] = first->hash;
    bucket->item[i] = bucket->chain;
    bucket->chain = first->chain;
    first->chain = 0;
    return 0;
  }
  uint32_t last = i;
  while (last + 1 < BUCKET_ENTRIES && bucket->item[last + 1]) last++;
  bucket->hash[i] = bucket->hash[last];
  bucket->item[i] = bucket->item[last];
  bucket->hash[last] = 0;
  bucket->item[last] = 0;
  return 0;
}

static int chain_remove(workq *q, struct bucket *bucket, uint32_t index, struct item *item) {
  struct item *before = NULL;
  uint32_t steps = 0;
  for (uint32_t at = bucket->chain; at;) {
    if (at == index) {
      if (before) {
        journal_save(q, before);
        before->chain = item->chain;
      } else {
        bucket->chain = item->chain;
      }
      item->chain = 0;
      return 0;
    }
    before = item_at(q, at);
    if (unlikely(!before || ++steps > q->geometry.capacity)) return -EUCLEAN;
    at = before->chain;
  }
  return -EUCLEAN; /* an item in use that is not in its bucket */
}

int table_remove(workq *q, uint32_t index, struct item *item) {
  struct bucket *bucket = bucket_of(q, item->hash);
  if (unlikely(!bucket)) return -EUCLEAN;
  journal_save(q, bucket);
  for (uint32_t i = 0; i < BUCKET_ENTRIES && bucket->item[i]; i++)
    if (bucket->item[i] == index) return bucket_fill_gap(q, bucket, i);
  return chain_remove(q, bucket, index, item);
}

bool table_is_crowded(const workq *q) {
  const struct hot_line *hot = &q->control->hot;
  return hot->used >= (uint64_t)hot->buckets * BUCKET_LOAD && hot->buckets < q->geometry.buckets_max;
}

/* Deals the items of one bucket out to itself and its new brother. */
static int bucket_split(workq *q, struct bucket *from, struct bucket *to, uint32_t to_number, uint32_t mask) {
  struct bucket old = *from;
  uint32_t chain[SPLIT_CHAIN_MAX], chained = 0;
  for (uint32_t at = old.chain; at; chained++) {
    struct item *item = item_at(q, at);
    if (unlikely(!item)) return -EUCLEAN;
    if (chained == SPLIT_CHAIN_MAX) return -E2BIG;
    chain[chained] = at;
    at = item->chain;
  }
  journal_save(q, from);
  journal_save(q, to);
  memset(from, 0, sizeof *from);
  memset(to, 0, sizeof *to);
  for (uint32_t i = 0; i < BUCKET_ENTRIES && old.item[i]; i++)
    bucket_put((old.hash[i] & mask) == to_number ? to : from, old.item[i], NULL, old.hash[i]);
  for (uint32_t i = 0; i < chained; i++) {
    struct item *item = item_at(q, chain[i]);
    journal_save(q, item);
    item->chain = 0;
    bucket_put((item->hash & mask) == to_number ? to : from, chain[i], item, item->hash);
  }
  return 0;
}

int table_grow(workq *q) {
  struct hot_line *hot = &q->control->hot;
  uint32_t to = hot->buckets;
  if (unlikely(!buckets_valid(q, to) || to == q->geometry.buckets_max)) return -EUCLEAN;
  struct region region = {q->geometry.table_off, sizeof(struct bucket), q->geometry.buckets_max,
                          &q->control->cold.buckets_committed};
  journal_begin(q);
  int rc = grow_to(q, &region, to + 1);
  uint32_t mask = level_mask(to);
  if (rc == 0) rc = bucket_split(q, &q->table[to & (mask >> 1)], &q->table[to], to, mask);
  if (rc < 0) {
    journal_abort(q);
    return rc == -EUCLEAN ? rc : 0;
  }
  hot->buckets = to + 1;
  journal_commit(q);
  return 0;
}
