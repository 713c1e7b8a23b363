/*
 * table.c: from a key to its item; see table.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define XXH_INLINE_ALL
#include "table.h"

#include <xxhash.h>

#include "grow.h"

/* Items of a chain that one split can move: each is a line of the journal. */
#define SPLIT_CHAIN_MAX 40u

uint32_t table_hash(const workq *q, const void *key, size_t len) {
  return (uint32_t)XXH3_64bits_withSeed(key, len, q->header.seed);
}

int table_find_chained(const workq *q, uint32_t first, uint32_t hash, const void *key, size_t len, uint32_t *index) {
  uint32_t steps = 0;
  for (uint32_t at = first; at;) {
    struct item *item = item_at(q, at);
    if (unlikely(!item || ++steps > q->geometry.capacity)) return -EUCLEAN;
    if (item->hash == hash && table_item_has_key(item, key, len)) {
      *index = at;
      return 0;
    }
    at = item->chain;
  }
  return 0;
}

int table_fill_from_chain(workq *q, struct bucket *bucket, uint32_t i) {
  struct item *first = item_at(q, bucket->chain);
  if (unlikely(!first)) return -EUCLEAN;
  journal_save(q, first);
  bucket->hash[i] = first->hash;
  bucket->item[i] = bucket->chain;
  bucket->chain = first->chain;
  first->chain = 0;
  return 0;
}

int table_remove_chained(workq *q, struct bucket *bucket, uint32_t index, struct item *item) {
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

/* Splits the items of one bucket between itself and a new one. */
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
    table_put((old.hash[i] & mask) == to_number ? to : from, old.item[i], NULL, old.hash[i]);
  for (uint32_t i = 0; i < chained; i++) {
    struct item *item = item_at(q, chain[i]);
    journal_save(q, item);
    item->chain = 0;
    table_put((item->hash & mask) == to_number ? to : from, chain[i], item, item->hash);
  }
  return 0;
}

int table_grow(workq *q) {
  struct hot_line *hot = &q->control->hot;
  uint32_t to = hot->buckets;
  if (unlikely(to < BUCKETS_MIN || to >= q->geometry.buckets_max)) return -EUCLEAN;
  /* All of the level's buckets but those from `to` on have been split already. */
  uint32_t mask = (UINT32_C(2) << (31 - __builtin_clz(to))) - 1, from = to & (mask >> 1);
  if (unlikely(!table_has_bucket(q, from, to))) return -EUCLEAN;
  journal_begin(q);
  int rc = grow_to(q, &q->regions.buckets, to + 1);
  if (rc == 0) rc = bucket_split(q, &q->table[from], &q->table[to], to, mask);
  if (rc == 0) hot->buckets = to + 1;
  rc = journal_end(q, rc);
  return rc == -EUCLEAN ? rc : 0; /* a table that cannot grow is slow, not wrong */
}
