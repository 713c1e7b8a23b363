/*
 * The table: against an array of keys, as it grows, with chains of equal hashes, and on damaged segments.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "shm/table.h"

#include <stdlib.h>

#include "shm/item.h"
#include "shm/journal.h"
#include "shm/list.h"
#include "shm/lock.h"
#include "support/inner.h"

/* 64 buckets grow to 1024 in four levels. */
enum { RECORDS = 4096, FEW = 100 };

#define HASH 0x12345678u

static workq *q;
static uint32_t index_of[RECORDS]; /* of each key's number; 0: not in the table */

static uint32_t hash_of(uint32_t number) {
  char key[32];
  return table_hash(q, key, inner_key(number, key));
}

static uint32_t found_under(uint32_t hash, uint32_t number) {
  char key[32];
  size_t len = inner_key(number, key);
  uint32_t index;
  ck_assert_int_eq(inner_find(q, hash, key, len, &index), 0);
  return index;
}

static uint32_t found(uint32_t number) {
  return found_under(hash_of(number), number);
}

/* Records are buried, so that the whole segment is sound. */
static void insert(uint32_t number) {
  inner_begin(q);
  uint32_t index = inner_record(q, number);
  ck_assert_uint_ne(index, 0);
  struct item *item = item_at(q, index);
  item->place = PLACE_BURIED;
  ck_assert_int_eq(inner_end(q, list_append(q, &q->control->cold.buried, index, item)), 0);
  index_of[number] = index;
}

/* With a hash that is not its own, for chains; in no list. */
static uint32_t insert_under(uint32_t hash, uint32_t number) {
  char key[32];
  size_t len = inner_key(number, key);
  inner_begin(q);
  ck_assert_int_eq(inner_end(q, inner_make(q, hash, key, len, &index_of[number])), 0);
  return index_of[number];
}

static void drop(uint32_t number, bool in_list) {
  uint32_t index = index_of[number];
  struct item *item = item_at(q, index);
  inner_begin(q);
  journal_save(q, item);
  if (in_list) ck_assert_int_eq(list_remove(q, &q->control->cold.buried, index, item), 0);
  ck_assert_int_eq(inner_end(q, item_destroy(q, index, item)), 0);
  index_of[number] = 0;
}

static void grow(void) {
  ck_assert_int_eq(lock_acquire(q, CLOCK_NEVER), 0);
  ck_assert_int_eq(table_grow(q), 0);
  lock_release(q);
}

static void assert_all_found(uint32_t numbers) {
  for (uint32_t i = 0; i < numbers; i++) ck_assert_uint_eq(found(i), index_of[i]);
}

static void start(uint32_t capacity) {
  q = inner_create(capacity);
  memset(index_of, 0, sizeof index_of);
}

START_TEST(an_empty_table) {
  start(FEW);
  ck_assert_uint_eq(q->control->hot.buckets, BUCKETS_MIN);
  assert_all_found(FEW);
  ck_assert(!table_is_crowded(q));
  table_prefetch(q, HASH);
}
END_TEST

START_TEST(keys_are_told_apart_by_every_byte) {
  start(FEW);
  static const char first[] = "a\0b", second[] = "a\0c";
  uint32_t index, other;
  inner_begin(q);
  ck_assert_int_eq(inner_end(q, inner_make(q, HASH, first, 3, &index)), 0);
  inner_begin(q);
  ck_assert_int_eq(inner_end(q, inner_make(q, HASH, second, 3, &other)), 0);
  uint32_t at;
  ck_assert_int_eq(inner_find(q, HASH, first, 3, &at), 0);
  ck_assert_uint_eq(at, index);
  ck_assert_int_eq(inner_find(q, HASH, second, 3, &at), 0);
  ck_assert_uint_eq(at, other);
  ck_assert_int_eq(inner_find(q, HASH, first, 2, &at), 0); /* the beginning of a key is no key */
  ck_assert_uint_eq(at, 0);
  ck_assert_int_eq(inner_find(q, HASH ^ UINT32_C(1) << 31, first, 3, &at), 0); /* another hash of the same bucket */
  ck_assert_uint_eq(at, 0);
}
END_TEST

START_TEST(the_hash_depends_on_the_segment) {
  start(FEW);
  workq *first = q;
  start(FEW);
  uint32_t equal = 0;
  for (uint32_t i = 0; i < FEW; i++) {
    char key[32];
    size_t len = inner_key(i, key);
    equal += table_hash(q, key, len) == table_hash(first, key, len);
  }
  ck_assert_uint_lt(equal, 3);
}
END_TEST

START_TEST(a_bucket_fills_and_overflows_into_a_chain) {
  start(FEW);
  const struct bucket *bucket = &q->table[HASH % BUCKETS_MIN];
  for (uint32_t n = 0; n < BUCKET_ENTRIES; n++) insert_under(HASH, n);
  ck_assert_uint_eq(bucket->chain, 0);
  for (uint32_t n = BUCKET_ENTRIES; n < FEW; n++) {
    ck_assert_uint_eq(insert_under(HASH, n), bucket->chain);
    for (uint32_t i = 0; i <= n; i++) ck_assert_uint_eq(found_under(HASH, i), index_of[i]);
    ck_assert_uint_eq(found_under(HASH, n + 1), 0);
  }
  /* Out again: from the entries, the chain's head, its end and its middle. */
  for (uint32_t left = FEW; left > 0; left--) {
    uint32_t n = inner_below(FEW);
    while (!index_of[n]) n = (n + 1) % FEW;
    drop(n, false);
    for (uint32_t i = 0; i < FEW; i++) ck_assert_uint_eq(found_under(HASH, i), index_of[i]);
    uint32_t entries = 0;
    while (entries < BUCKET_ENTRIES && bucket->item[entries]) entries++;
    ck_assert_uint_eq(entries, left - 1 < BUCKET_ENTRIES ? left - 1 : BUCKET_ENTRIES);
    ck_assert_int_eq(bucket->chain != 0, left - 1 > BUCKET_ENTRIES);
  }
}
END_TEST

START_TEST(it_is_crowded_at_its_load) {
  start(RECORDS);
  for (uint32_t n = 0; n < BUCKETS_MIN * BUCKET_LOAD; n++) {
    ck_assert(!table_is_crowded(q));
    insert(n);
  }
  ck_assert(table_is_crowded(q));
  grow();
  ck_assert_uint_eq(q->control->hot.buckets, BUCKETS_MIN + 1);
  ck_assert(!table_is_crowded(q));
}
END_TEST

START_TEST(it_grows_bucket_by_bucket_to_its_end) {
  start(RECORDS);
  for (uint32_t n = 0; n < RECORDS; n++) {
    insert(n);
    if (!table_is_crowded(q)) continue;
    uint32_t buckets = q->control->hot.buckets;
    grow();
    ck_assert_uint_eq(q->control->hot.buckets, buckets + 1);
    if (buckets % 97 == 0 || (buckets & (buckets + 1)) == 0 || (buckets & (buckets - 1)) == 0) {
      assert_all_found(RECORDS);
      inner_assert_sound(q);
    }
  }
  ck_assert_uint_eq(q->geometry.buckets_max, (RECORDS + BUCKET_LOAD - 1) / BUCKET_LOAD);
  ck_assert_uint_eq(q->control->hot.buckets, q->geometry.buckets_max);
  ck_assert(!table_is_crowded(q)); /* there is no more */
  assert_all_found(RECORDS);
  inner_assert_sound(q);
  for (uint32_t n = 0; n < RECORDS; n++) drop(n, true);
  assert_all_found(RECORDS);
  inner_assert_sound(q);
}
END_TEST

START_TEST(random_tables_agree_with_the_array) {
  start(RECORDS);
  uint32_t numbers = RECORDS;
  for (unsigned i = plain_scaled(60000); i > 0; i--) {
    uint32_t n = inner_below(numbers);
    ck_assert_uint_eq(found(n), index_of[n]);
    if (!index_of[n]) insert(n);
    else if (inner_chance(i % 30000 < 10000 ? 80 : 30)) drop(n, true);
    ck_assert_uint_eq(found(n), index_of[n]);
    if (table_is_crowded(q) || (inner_chance(1) && q->control->hot.buckets < q->geometry.buckets_max)) grow();
    if (i % 4096 == 0) {
      assert_all_found(numbers);
      inner_assert_sound(q);
    }
  }
  assert_all_found(numbers);
}
END_TEST

/* ---- Long chains ---- */

/* The hashes of one bucket that a split deals out to two. */
static void split_with(uint32_t count, unsigned to_percent, bool *split, uint32_t *lines) {
  start(FEW * 10);
  for (uint32_t n = 0; n < count; n++) insert_under(inner_chance(to_percent) ? BUCKETS_MIN : 0, n);
  struct picture *before = inner_take(q);
  inner_count_lines(q);
  grow();
  *lines = inner_lines(q);
  *split = q->control->hot.buckets == BUCKETS_MIN + 1;
  for (uint32_t n = 0; n < count; n++) {
    uint32_t other = found_under(BUCKETS_MIN, n);
    ck_assert_uint_eq(found_under(0, n) | other, index_of[n]);
  }
  if (*split) { /* as if it had died before its commit */
    struct picture *after = inner_take(q);
    atomic_store(&q->slot->journal.count, *lines);
    journal_abort(q);
    inner_assert_same(q, before);
    inner_put(q, after);
    free(after);
  } else {
    inner_assert_same(q, before);
  }
  free(before);
  for (uint32_t n = 0; n < count; n++) drop(n, false);
  ck_assert_uint_eq(q->table[0].item[0] | q->table[0].chain, 0);
  ck_assert_uint_eq(q->table[BUCKETS_MIN].item[0] | q->table[BUCKETS_MIN].chain, 0);
  inner_close(q);
}

START_TEST(a_chain_that_fits_the_journal_is_split_and_a_longer_one_is_not) {
  uint32_t longest = 0;
  for (uint32_t count = 0; count < FEW; count++) {
    bool split, again;
    uint32_t lines, longest_lines = 0;
    split_with(count, 50, &split, &lines);
    if (lines > longest_lines) longest_lines = lines;
    split_with(count, count % 2 ? 0 : 100, &again, &lines);
    if (lines > longest_lines) longest_lines = lines;
    ck_assert_uint_lt(longest_lines, JOURNAL_LINES);
    ck_assert_int_eq(split, again);
    ck_assert(!split || longest == count - 1 || count == 0); /* up to one length all are split, from there on none */
    if (split) longest = count;
  }
  ck_assert_uint_ge(longest, BUCKET_ENTRIES + 30);
  ck_assert_uint_lt(longest, FEW - 1);
  printf("longest bucket that is split: %u keys\n", longest);
}
END_TEST

/* ---- Damage ---- */

static void assert_find_refused(uint32_t number) {
  char key[32];
  size_t len = inner_key(number, key);
  uint32_t index = 1;
  ck_assert_int_eq(inner_find(q, HASH, key, len, &index), -EUCLEAN);
  ck_assert_uint_eq(index, 0);
}

static void assert_drop_refused(uint32_t number) {
  struct picture *before = inner_take(q);
  inner_begin(q);
  struct item *item = item_at(q, index_of[number]);
  journal_save(q, item);
  ck_assert_int_eq(inner_end(q, item_destroy(q, index_of[number], item)), -EUCLEAN);
  inner_assert_same(q, before);
  free(before);
}

START_TEST(a_wild_number_of_buckets_is_refused) {
  start(FEW);
  insert_under(HASH, 1);
  const uint32_t wild[] = {0, 1, BUCKETS_MIN - 1, q->geometry.buckets_max + 1, INT32_MAX, UINT32_MAX};
  for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
    char key[32];
    size_t len = inner_key(2, key);
    uint32_t index;
    q->control->hot.buckets = wild[i];
    table_prefetch(q, HASH);
    assert_find_refused(1);
    assert_drop_refused(1);
    struct picture *before = inner_take(q);
    inner_begin(q);
    ck_assert_int_eq(inner_end(q, inner_make(q, HASH, key, len, &index)), -EUCLEAN);
    inner_assert_same(q, before);
    ck_assert_int_eq(lock_acquire(q, CLOCK_NEVER), 0);
    ck_assert_int_eq(table_grow(q), -EUCLEAN);
    lock_release(q);
    inner_assert_same(q, before);
    free(before);
  }
}
END_TEST

START_TEST(wild_records_in_a_bucket_are_refused) {
  start(FEW);
  const uint32_t wild[] = {q->geometry.items_max + 1, INT32_MAX, UINT32_MAX};
  struct bucket *bucket = &q->table[HASH % BUCKETS_MIN];
  for (uint32_t n = 0; n < 10; n++) insert_under(HASH, n);
  struct picture *sound = inner_take(q);
  for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
    bucket->item[3] = wild[i];
    assert_find_refused(4);
    assert_drop_refused(3); /* it is not in its bucket */
    inner_put(q, sound);
    bucket->chain = wild[i];
    assert_find_refused(20);
    assert_drop_refused(0); /* whose place the chain's head would take */
    assert_drop_refused(7); /* which is in the chain */
    inner_put(q, sound);
    item_at(q, index_of[8])->chain = wild[i];
    assert_find_refused(20);
    assert_drop_refused(7);
    inner_put(q, sound);
  }
  free(sound);
}
END_TEST

START_TEST(a_chain_in_a_circle_ends) {
  start(FEW);
  for (uint32_t n = 0; n < 12; n++) insert_under(0, n);
  item_at(q, index_of[7])->chain = index_of[11]; /* the chain's end to its head */
  char key[32];
  size_t len = inner_key(50, key);
  uint32_t index;
  ck_assert_int_eq(inner_find(q, 0, key, len, &index), -EUCLEAN);
  uint32_t buckets = q->control->hot.buckets;
  struct picture *before = inner_take(q);
  ck_assert_int_eq(lock_acquire(q, CLOCK_NEVER), 0);
  int rc = table_grow(q);
  lock_release(q);
  ck_assert(rc == 0 || rc == -EUCLEAN);
  ck_assert_uint_eq(q->control->hot.buckets, buckets);
  inner_assert_same(q, before);
  free(before);
  /* One that is in no bucket: the search for it goes round, too. */
  struct item *item = item_at(q, index_of[7]);
  q->table[0].chain = item->chain = index_of[8];
  item_at(q, index_of[8])->chain = index_of[9];
  item_at(q, index_of[9])->chain = index_of[8];
  assert_drop_refused(11);
}
END_TEST

static void damage(struct bucket *bucket) {
  switch (inner_below(5)) {
  case 0:
    bucket->item[inner_below(BUCKET_ENTRIES)] = inner_wild(q);
    break;
  case 1:
    bucket->chain = inner_wild(q);
    break;
  case 2:
    bucket->hash[inner_below(BUCKET_ENTRIES)] = inner_wild(q);
    break;
  case 3:
    item_at(q, 1 + inner_below(FEW))->chain = inner_wild(q);
    break;
  default:
    item_at(q, 1 + inner_below(FEW))->hash = inner_chance(50) ? 0 : inner_wild(q);
  }
}

static int any_step(void) {
  char key[32];
  uint32_t index, number = inner_below(FEW);
  size_t len = inner_key(number, key);
  struct item *item = item_at(q, 1 + inner_below(FEW));
  uint32_t choice = inner_below(3);
  if (choice == 0) return inner_find(q, 0, key, len, &index);
  ck_assert_int_eq(lock_acquire(q, CLOCK_NEVER), 0);
  if (choice == 1) {
    int rc = table_grow(q);
    lock_release(q);
    return rc;
  }
  journal_begin(q);
  journal_save(q, item);
  int rc = 0;
  if (inner_chance(50)) table_insert(q, table_bucket(q, item->hash), 1 + inner_below(FEW), item);
  else rc = table_remove(q, 1 + inner_below(FEW), item);
  return inner_end(q, rc);
}

START_TEST(any_damage_is_survived) {
  start(FEW * 10);
  for (uint32_t n = 0; n < FEW; n++) insert_under(n < FEW / 2 ? 0 : n, n);
  struct picture *sound = inner_take(q);
  for (unsigned i = plain_scaled(2000); i > 0; i--) {
    inner_put(q, sound);
    for (uint32_t n = 1 + inner_below(3); n > 0; n--) damage(&q->table[inner_below(4) ? 0 : inner_below(BUCKETS_MIN)]);
    for (int n = 0; n < 6; n++) {
      struct picture *before = inner_take(q);
      int rc = any_step();
      ck_assert(rc == 0 || rc == -EUCLEAN);
      if (rc < 0) inner_assert_same(q, before);
      free(before);
    }
  }
  free(sound);
}
END_TEST

int main(int argc, char **argv) {
  Suite *suite = suite_create("table");
  TCase *rules = inner_case(suite, "rules");
  tcase_add_test(rules, an_empty_table);
  tcase_add_test(rules, keys_are_told_apart_by_every_byte);
  tcase_add_test(rules, the_hash_depends_on_the_segment);
  tcase_add_test(rules, a_bucket_fills_and_overflows_into_a_chain);
  tcase_add_test(rules, it_is_crowded_at_its_load);
  tcase_add_test(rules, it_grows_bucket_by_bucket_to_its_end);
  TCase *properties = inner_case(suite, "properties");
  tcase_add_test(properties, random_tables_agree_with_the_array);
  tcase_add_test(properties, a_chain_that_fits_the_journal_is_split_and_a_longer_one_is_not);
  TCase *damages = inner_case(suite, "damage");
  tcase_add_test(damages, a_wild_number_of_buckets_is_refused);
  tcase_add_test(damages, wild_records_in_a_bucket_are_refused);
  tcase_add_test(damages, a_chain_in_a_circle_ends);
  tcase_add_test(damages, any_damage_is_survived);
  return inner_main(argc, argv, suite);
}
