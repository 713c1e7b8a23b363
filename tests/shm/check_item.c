/*
 * Records, and the memory that they and the table and the heap get as they need it.
 *
 * posix_fallocate() is this program's own, so that a full /dev/shm can be had at will.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "shm/item.h"

#include <fcntl.h>
#include <stdlib.h>

#include "shm/delay.h"
#include "shm/grow.h"
#include "shm/journal.h"
#include "shm/list.h"
#include "shm/lock.h"
#include "shm/table.h"
#include "support/inner.h"

enum { RECORDS = 300, KEY_MAX = 40 };

static workq *q;

/* ---- A file system that is full at will ---- */

static unsigned calls;             /* since somebody set it to 0 */
static uint64_t last_len;          /* of the last call that succeeded */
static uint64_t most = UINT64_MAX; /* bytes that one call may ask for */
static unsigned interruptions;     /* of the next calls */
static bool pretending;            /* that there is memory */
static int error_of_all;           /* 0: none */

int posix_fallocate(int fd, off_t offset, off_t len) {
  calls++;
  if (error_of_all) return error_of_all;
  if (interruptions) {
    interruptions--;
    return EINTR;
  }
  if ((uint64_t)len > most) return ENOSPC;
  last_len = (uint64_t)len;
  return pretending ? 0 : fallocate(fd, 0, offset, len) == 0 ? 0 : errno;
}

/* ---- Records ---- */

static void start(uint32_t capacity) {
  q = inner_create(capacity);
}

/* Records are buried, so that the whole segment is sound. */
static uint32_t take(uint32_t number) {
  inner_begin(q);
  uint32_t index = inner_record(q, number);
  if (!index) {
    inner_end(q, -ENOSPC);
    return 0;
  }
  struct item *item = item_at(q, index);
  item->place = PLACE_BURIED;
  ck_assert_int_eq(inner_end(q, list_append(q, &q->control->cold.buried, index, item)), 0);
  return index;
}

static void give(uint32_t index) {
  struct item *item = item_at(q, index);
  inner_begin(q);
  journal_save(q, item);
  ck_assert_int_eq(list_remove(q, &q->control->cold.buried, index, item), 0);
  ck_assert_int_eq(inner_end(q, item_destroy(q, index, item)), 0);
  ck_assert_uint_eq(item->place, PLACE_FREE);
}

static void assert_take_refused(void) {
  char key[32];
  size_t len = inner_key(1000, key);
  uint32_t index;
  struct picture *before = inner_take(q);
  inner_begin(q);
  ck_assert_int_eq(inner_end(q, inner_make(q, table_hash(q, key, len), key, len, &index)), -EUCLEAN);
  inner_assert_same(q, before);
  free(before);
}

START_TEST(a_new_record_is_blank_and_has_its_key) {
  start(RECORDS);
  for (size_t len = 1; len <= KEY_MAX; len++) {
    unsigned char key[KEY_MAX];
    for (size_t i = 0; i < len; i++) key[i] = (unsigned char)(len * 7 + i * 31);
    uint32_t index;
    inner_begin(q);
    ck_assert_int_eq(inner_end(q, inner_make(q, table_hash(q, key, len), key, len, &index)), 0);
    ck_assert_uint_eq(index, len);
    const struct item *item = item_at(q, index);
    const unsigned char *its_key = item_key(item_at(q, index));
    ck_assert_uint_eq(item->key_len, len);
    ck_assert_mem_eq(its_key, key, len);
    ck_assert_uint_eq(item->place, PLACE_NOWHERE);
    ck_assert_uint_eq(item->pending, PENDING_NONE);
    ck_assert_uint_eq(item->next | item->prev | item->chain | item->heap_place, 0);
    ck_assert_uint_eq(item->failures | item->crashes | item->owner, 0);
    ck_assert_int_eq(item->priority | item->run_priority, 0);
    ck_assert_uint_eq(q->control->hot.used, len);
    ck_assert_uint_eq(q->control->hot.fresh, len);
  }
}
END_TEST

START_TEST(a_record_used_again_is_as_blank_as_a_new_one) {
  start(1);
  ck_assert_uint_eq(take(0), 1);
  struct item *item = (void *)q->items;
  give(1);
  memset(item, 0xee, sizeof *item);
  item->place = PLACE_FREE;
  item->next = 0;
  uint32_t ticket = item->ticket;
  inner_begin(q);
  ck_assert_uint_eq(inner_record(q, 1), 1);
  ck_assert_uint_eq(item->next | item->prev | item->chain | item->heap_place, 0);
  ck_assert_uint_eq(item->failures | item->crashes | item->owner | item->pending, 0);
  ck_assert_int_eq(item->priority | item->run_priority, 0);
  ck_assert_uint_eq(item->ticket, ticket); /* an old ticket never fits a new key */
  inner_end(q, -ECANCELED);
}
END_TEST

/* Who makes a record has looked at the capacity; the one beyond is for a key that takes the place of another. */
START_TEST(there_is_one_record_more_than_capacity) {
  for (uint32_t capacity = 1; capacity < 4; capacity++) {
    start(capacity);
    ck_assert_uint_eq(q->geometry.items_max, capacity + 1);
    for (uint32_t i = 0; i <= capacity; i++) ck_assert_uint_eq(take(i), i + 1);
    assert_take_refused();
    give(1);
    inner_assert_sound(q);
    ck_assert_uint_eq(take(capacity + 1), 1);
    ck_assert_uint_eq(q->control->hot.fresh, capacity + 1);
  }
}
END_TEST

START_TEST(the_record_freed_last_is_used_first) {
  start(RECORDS);
  for (uint32_t i = 0; i < 5; i++) take(i);
  give(2);
  give(5);
  give(1);
  ck_assert_uint_eq(take(10), 1);
  ck_assert_uint_eq(take(11), 5);
  ck_assert_uint_eq(take(12), 2);
  ck_assert_uint_eq(take(13), 6);
  inner_assert_sound(q);
}
END_TEST

START_TEST(a_freed_record_guesses_what_is_used_some_after_it) {
  start(RECORDS);
  for (uint32_t i = 0; i < 3 * PREFETCH_DISTANCE; i++) take(i);
  for (uint32_t index = 1; index <= 3 * PREFETCH_DISTANCE; index++) {
    give(index);
    ck_assert_uint_eq(item_at(q, index)->prefetch_hint, index > PREFETCH_DISTANCE ? index - PREFETCH_DISTANCE : 0);
  }
}
END_TEST

START_TEST(random_records_agree_with_the_array) {
  static uint32_t index_of[2 * RECORDS];
  bool in_use[RECORDS + 1] = {false};
  uint32_t used = 0, top = 0;
  start(RECORDS);
  for (unsigned i = plain_scaled(40000); i > 0; i--) {
    uint32_t n = inner_below(2 * RECORDS), index = index_of[n];
    if (index) {
      char key[32];
      size_t len = inner_key(n, key);
      ck_assert_uint_eq(item_at(q, index)->key_len, len);
      ck_assert_mem_eq(item_key(item_at(q, index)), key, len);
      give(index);
      in_use[index] = false;
      index_of[n] = 0;
      used--;
    } else if (used < RECORDS) {
      index = take(n);
      ck_assert_uint_ge(index, 1);
      ck_assert_uint_le(index, RECORDS);
      ck_assert(!in_use[index]);
      in_use[index] = true;
      index_of[n] = index;
      used++;
    }
    if (used > top) top = used;
    ck_assert_uint_eq(q->control->hot.used, used);
    ck_assert_uint_eq(q->control->hot.fresh, top); /* no new one while an old one is free */
    if (i % 64 == 0) inner_assert_sound(q);
  }
}
END_TEST

/* ---- Memory ---- */

static uint32_t counted;

/* A part of its own, over the records' memory. */
static struct region part_of(uint32_t unit, uint32_t max, uint32_t have) {
  counted = have;
  return (struct region){have, unit, max, &counted, q->items};
}

static int grow(struct region *part, uint32_t needed) {
  inner_begin(q);
  calls = 0;
  int rc = grow_to(q, part, needed);
  inner_end(q, 0);
  return rc;
}

START_TEST(what_is_there_costs_nothing) {
  start(RECORDS);
  struct region part = part_of(64, 1000, 500);
  inner_begin(q);
  uint32_t lines = journal_lines(q);
  calls = 0;
  ck_assert_int_eq(grow_to(q, &part, 0), 0);
  ck_assert_int_eq(grow_to(q, &part, 500), 0);
  ck_assert_uint_eq(calls, 0);
  ck_assert_uint_eq(journal_lines(q), lines);
  inner_end(q, 0);
}
END_TEST

START_TEST(more_than_there_can_be_is_refused) {
  start(RECORDS);
  struct region part = part_of(64, 1000, 500);
  ck_assert_int_eq(grow(&part, 1001), -EUCLEAN);
  ck_assert_int_eq(grow(&part, UINT32_MAX), -EUCLEAN);
  ck_assert_uint_eq(calls, 0);
  ck_assert_uint_eq(counted, 500);
}
END_TEST

START_TEST(steps_grow_with_what_is_there) {
  workq_options options = {.capacity = 200000, .key_max = 192, .handles = 1};
  inner_open(&options, &q, 1);
  struct region part = part_of(256, 200000, 0);
  pretending = true;
  uint64_t smallest = UINT64_MAX, largest = 0;
  for (uint32_t needed = 1; needed <= 200000; needed++) {
    uint32_t have = counted;
    ck_assert_int_eq(grow(&part, needed), 0);
    ck_assert_uint_ge(counted, needed);
    ck_assert_uint_le(counted, part.max);
    if (!calls) continue;
    ck_assert_uint_eq(calls, 1);
    ck_assert_uint_eq(last_len, (uint64_t)(counted - have) * part.unit_size);
    if (counted == part.max) continue; /* the rest */
    if (last_len < smallest) smallest = last_len;
    ck_assert_uint_ge(last_len, largest); /* never smaller than the one before */
    largest = last_len;
  }
  ck_assert_uint_eq(smallest, 16384);
  ck_assert_uint_eq(largest, 1 << 20);
  ck_assert_uint_eq(counted, part.max);
}
END_TEST

START_TEST(a_unit_larger_than_a_step_comes_alone) {
  workq_options options = {.capacity = 8, .key_max = WORKQ_KEY_MAX, .handles = 1};
  inner_open(&options, &q, 1);
  struct region part = part_of(q->geometry.item_size, 8, 0);
  ck_assert_int_eq(grow(&part, 1), 0);
  ck_assert_uint_eq(counted, 1);
  ck_assert_int_eq(grow(&part, 5), 0);
  ck_assert_uint_eq(counted, 5);
}
END_TEST

START_TEST(where_a_step_is_too_much_the_needed_is_taken) {
  start(RECORDS);
  struct region part = part_of(64, 10000, 100);
  most = 3 * 64;
  ck_assert_int_eq(grow(&part, 103), 0);
  ck_assert_uint_eq(calls, 2);
  ck_assert_uint_eq(counted, 103);
  ck_assert_int_eq(grow(&part, 107), -ENOSPC);
  ck_assert_uint_eq(counted, 103);
  most = UINT64_MAX;
  ck_assert_int_eq(grow(&part, 107), 0);
  ck_assert_uint_gt(counted, 107);
}
END_TEST

START_TEST(interruptions_are_overcome_but_not_for_ever) {
  start(RECORDS);
  struct region part = part_of(64, 100000, 100);
  interruptions = 20;
  ck_assert_int_eq(grow(&part, 101), 0);
  ck_assert_uint_eq(calls, 21);
  uint32_t have = counted;
  interruptions = UINT32_MAX;
  ck_assert_int_eq(grow(&part, have + 1), -ENOSPC);
  ck_assert_uint_eq(counted, have);
  ck_assert_uint_lt(calls, 10000);
  interruptions = 0;
}
END_TEST

START_TEST(other_errors_are_passed_on) {
  start(RECORDS);
  struct region part = part_of(64, 10000, 100);
  error_of_all = ENODEV;
  ck_assert_int_eq(grow(&part, 101), -ENODEV);
  error_of_all = EBADF;
  ck_assert_int_eq(grow(&part, 101), -EBADF);
  error_of_all = 0;
  ck_assert_uint_eq(counted, 100);
}
END_TEST

/* Fills until an operation says -ENOSPC; then nothing is changed, and it goes on when there is room again. */
START_TEST(a_record_without_memory_is_refused) {
  start(RECORDS);
  most = 0;
  uint32_t n = 0;
  while (n < RECORDS && take(n)) n++;
  ck_assert_uint_eq(n, 0); /* a new segment has no memory for records */
  most = UINT64_MAX;
  ck_assert_uint_eq(take(n), 1);
  most = 0;
  while (take(++n)) ck_assert_uint_le(q->control->hot.fresh, q->control->cold.items_committed);
  ck_assert_uint_eq(q->control->hot.fresh, q->control->cold.items_committed);
  struct picture *before = inner_take(q);
  ck_assert_uint_eq(take(n), 0);
  inner_assert_same(q, before);
  free(before);
  inner_assert_sound(q);
  most = UINT64_MAX;
  ck_assert_uint_ne(take(n), 0);
  inner_assert_sound(q);
}
END_TEST

START_TEST(a_delayed_key_without_memory_is_refused) {
  start(RECORDS * 100);
  inner_begin(q);
  uint32_t index = inner_record(q, 1);
  most = 0;
  ck_assert_int_eq(inner_end(q, delay_push(q, index, item_at(q, index), 5)), -ENOSPC);
  ck_assert_uint_eq(q->control->hot.delayed, 0);
  most = UINT64_MAX;
  inner_begin(q);
  index = inner_record(q, 1);
  ck_assert_int_eq(inner_end(q, delay_push(q, index, item_at(q, index), 5)), 0);
  ck_assert_uint_gt(q->control->cold.heap_committed, HEAP_FIRST);
}
END_TEST

START_TEST(a_table_without_memory_stays_as_it_is) {
  start(RECORDS * 100);
  most = 0;
  struct picture *before = inner_take(q);
  ck_assert_int_eq(lock_acquire(q, CLOCK_NEVER), 0);
  ck_assert_int_eq(table_grow(q), 0);
  inner_assert_same(q, before);
  most = UINT64_MAX;
  ck_assert_int_eq(table_grow(q), 0);
  lock_release(q);
  ck_assert_uint_eq(q->control->hot.buckets, BUCKETS_MIN + 1);
  ck_assert_uint_gt(q->control->cold.buckets_committed, BUCKETS_MIN);
  inner_assert_sound(q);
  free(before);
}
END_TEST

START_TEST(memory_taken_by_what_is_undone_is_taken_again) {
  start(RECORDS);
  struct picture *before = inner_take(q);
  inner_begin(q);
  ck_assert_uint_ne(inner_record(q, 1), 0);
  ck_assert_uint_ne(q->control->cold.items_committed, 0);
  inner_end(q, -ECANCELED);
  inner_assert_same(q, before);
  free(before);
  ck_assert_uint_eq(take(1), 1);
  inner_assert_sound(q);
}
END_TEST

/* ---- Damage ---- */

START_TEST(a_wild_free_list_is_refused) {
  start(RECORDS);
  for (uint32_t i = 0; i < 5; i++) take(i);
  static const uint32_t wild[] = {3 /* in use */, RECORDS + 2, INT32_MAX, UINT32_MAX};
  for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
    q->control->hot.free_head = wild[i];
    assert_take_refused();
  }
}
END_TEST

START_TEST(a_wild_count_is_refused) {
  start(RECORDS);
  take(0);
  static const uint32_t wild[] = {RECORDS + 1, RECORDS + 2, INT32_MAX, UINT32_MAX};
  for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
    q->control->hot.fresh = wild[i]; /* all were used, none is free, and yet it is not full */
    assert_take_refused();
  }
}
END_TEST

START_TEST(a_record_is_not_freed_twice) {
  start(RECORDS);
  take(0);
  take(1);
  give(1);
  struct picture *before = inner_take(q);
  inner_begin(q);
  journal_save(q, item_at(q, 1));
  ck_assert_int_eq(inner_end(q, item_destroy(q, 1, item_at(q, 1))), -EUCLEAN);
  inner_assert_same(q, before);
  item_at(q, 2)->hash ^= 1; /* so it is not in its bucket */
  inner_begin(q);
  journal_save(q, item_at(q, 2));
  ck_assert_int_eq(inner_end(q, item_destroy(q, 2, item_at(q, 2))), -EUCLEAN);
  free(before);
}
END_TEST

int main(int argc, char **argv) {
  Suite *suite = suite_create("item");
  TCase *rules = inner_case(suite, "rules");
  tcase_add_test(rules, a_new_record_is_blank_and_has_its_key);
  tcase_add_test(rules, a_record_used_again_is_as_blank_as_a_new_one);
  tcase_add_test(rules, there_is_one_record_more_than_capacity);
  tcase_add_test(rules, the_record_freed_last_is_used_first);
  tcase_add_test(rules, a_freed_record_guesses_what_is_used_some_after_it);
  tcase_add_test(rules, random_records_agree_with_the_array);
  TCase *memory = inner_case(suite, "memory");
  tcase_add_test(memory, what_is_there_costs_nothing);
  tcase_add_test(memory, more_than_there_can_be_is_refused);
  tcase_add_test(memory, steps_grow_with_what_is_there);
  tcase_add_test(memory, a_unit_larger_than_a_step_comes_alone);
  tcase_add_test(memory, where_a_step_is_too_much_the_needed_is_taken);
  tcase_add_test(memory, interruptions_are_overcome_but_not_for_ever);
  tcase_add_test(memory, other_errors_are_passed_on);
  tcase_add_test(memory, a_record_without_memory_is_refused);
  tcase_add_test(memory, a_delayed_key_without_memory_is_refused);
  tcase_add_test(memory, a_table_without_memory_stays_as_it_is);
  tcase_add_test(memory, memory_taken_by_what_is_undone_is_taken_again);
  TCase *damage = inner_case(suite, "damage");
  tcase_add_test(damage, a_wild_free_list_is_refused);
  tcase_add_test(damage, a_wild_count_is_refused);
  tcase_add_test(damage, a_record_is_not_freed_twice);
  return inner_main(argc, argv, suite);
}
