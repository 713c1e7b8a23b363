/*
 * The keys of a batch share transactions: how many, and what remains when a step in the middle fails.
 *
 * posix_fallocate() is this program's own, so that a full /dev/shm can be had at will.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>

#include "shm/journal.h"
#include "support/inner.h"

enum { CAPACITY = 1000, MANY = 64, SHORT = 10 };

static workq *q;
static bool full;
static char texts[CAPACITY][16];
static workq_key keys[CAPACITY];
static workq_item items[CAPACITY];

int posix_fallocate(int fd, off_t offset, off_t len) {
  if (full) return ENOSPC;
  return fallocate(fd, 0, offset, len) == 0 ? 0 : errno;
}

static void start(void) {
  full = false;
  q = inner_create(CAPACITY);
  for (int i = 0; i < CAPACITY; i++)
    keys[i] = (workq_key){texts[i], (size_t)snprintf(texts[i], sizeof texts[i], "key-%d", i)};
}

static int add(int first, int count) {
  return workq_add_batch(q, keys + first, (size_t)count, NULL, NULL);
}

static void assert_counts(uint32_t ready, uint32_t processing) {
  const struct hot_line *hot = &q->control->hot;
  ck_assert_uint_eq(hot->ready, ready);
  ck_assert_uint_eq(hot->processing, processing);
  ck_assert_uint_eq(journal_lines(q), 0);
}

/* The keys come in their order, from the first on. */
static void assert_gets(int first, int count) {
  for (int i = first; i < first + count; i++) {
    workq_item item;
    ck_assert_int_eq(workq_get(q, &item, 0), 0);
    ck_assert_uint_eq(item.key_len, keys[i].len);
    ck_assert_mem_eq(item.key, keys[i].data, item.key_len);
  }
}

/* Since then: how many transactions there were. */
static uint32_t transactions(uint32_t since) {
  ck_assert_uint_eq(atomic_load(&q->control->lock.settled), 0);
  return q->transaction.number - since;
}

/* New records, and free ones. */
START_TEST(a_transaction_takes_as_many_as_its_journal_holds) {
  start();
  for (int round = 0; round < 2; round++) {
    uint32_t before = q->transaction.number;
    ck_assert_int_eq(add(0, MANY), MANY);
    ck_assert_uint_le(transactions(before), MANY / 8);
    before = q->transaction.number;
    ck_assert_int_eq(workq_get_batch(q, items, MANY, 0), MANY);
    ck_assert_uint_le(transactions(before), MANY / 16);
    before = q->transaction.number;
    ck_assert_int_eq(workq_done_batch(q, items, MANY), MANY);
    ck_assert_uint_le(transactions(before), MANY / 8);
    assert_counts(0, 0);
    inner_assert_sound(q);
  }
}
END_TEST

START_TEST(what_is_no_step_has_a_transaction_of_its_own) {
  start();
  const workq_add_options later = {.after_ns = 1000};
  uint32_t before = q->transaction.number;
  ck_assert_int_eq(workq_add_batch(q, keys, MANY, &later, NULL), MANY);
  ck_assert_uint_eq(transactions(before), MANY);
  before = q->transaction.number;
  ck_assert_int_eq(add(0, MANY), MANY); /* each leaves the heap */
  ck_assert_uint_eq(transactions(before), MANY);
  assert_counts(MANY, 0);
  assert_gets(0, MANY);
  inner_assert_sound(q);
}
END_TEST

/* As many are added as would be one by one. */
START_TEST(a_batch_without_memory_keeps_what_came_before) {
  int room = 0;
  for (int batched = 0; batched < 2; batched++) {
    size_t marked = 0;
    start();
    ck_assert_int_eq(add(0, 1), 1); /* brings memory for some */
    full = true;
    if (!batched) {
      while (workq_add(q, keys[room + 1].data, keys[room + 1].len) == 1) room++;
      ck_assert_int_gt(room, 3);
      ck_assert_int_lt(room, CAPACITY - 2);
      ck_assert_int_ne(room % MANY, 0); /* so that the step that fails has others before it in its transaction */
    } else {
      ck_assert_int_eq(workq_add_batch(q, keys + 1, CAPACITY - 1, NULL, &marked), room);
      ck_assert_uint_eq(marked, (size_t)room);
      ck_assert_int_eq(add(room + 1, 1), -ENOSPC);
    }
    assert_counts((uint32_t)room + 1, 0);
    inner_assert_sound(q);
    assert_gets(0, room + 1);
  }
}
END_TEST

START_TEST(a_batch_of_adds_stops_at_damage) {
  start();
  size_t marked;
  ck_assert_int_eq(add(0, SHORT), SHORT);
  ck_assert_int_eq(workq_get_batch(q, items, SHORT, 0), SHORT);
  ck_assert_int_eq(workq_done_batch(q, items, SHORT), SHORT);
  uint32_t third = q->control->hot.free_head;
  for (int i = 0; i < 2; i++) third = item_at(q, third)->next;
  item_at(q, third)->next = INT32_MAX;
  ck_assert_int_eq(workq_add_batch(q, keys, SHORT, NULL, &marked), 3);
  ck_assert_uint_eq(marked, 3);
  ck_assert_int_eq(add(3, SHORT), -EUCLEAN);
  assert_counts(3, 0);
  assert_gets(0, 3);
}
END_TEST

START_TEST(a_batch_of_gets_stops_at_damage) {
  start();
  ck_assert_int_eq(add(0, SHORT), SHORT);
  uint32_t fourth = band_of(q, 0)->keys.head;
  for (int i = 0; i < 3; i++) fourth = item_at(q, fourth)->next;
  item_at(q, fourth)->place = PLACE_IDLE;
  ck_assert_int_eq(workq_get_batch(q, items, SHORT, 0), 3);
  assert_counts(SHORT - 3, 3);
  item_at(q, fourth)->place = PLACE_READY;
  inner_assert_sound(q);
  assert_gets(3, SHORT - 3);
}
END_TEST

START_TEST(a_batch_of_dones_stops_at_damage) {
  start();
  ck_assert_int_eq(add(0, SHORT), SHORT);
  ck_assert_int_eq(workq_get_batch(q, items, SHORT, 0), SHORT);
  struct item *fifth = item_at(q, (uint32_t)(items[4].ticket >> 32));
  fifth->hash ^= 1; /* so it is not in its bucket */
  ck_assert_int_eq(workq_done_batch(q, items, SHORT), 4);
  ck_assert_int_eq(workq_done_batch(q, items + 4, 1), -EUCLEAN);
  fifth->hash ^= 1;
  assert_counts(0, SHORT - 4);
  inner_assert_sound(q);
  ck_assert_int_eq(workq_done_batch(q, items, 1), -ESTALE);
  ck_assert_int_eq(workq_done_batch(q, items + 4, SHORT - 4), SHORT - 4);
  inner_assert_sound(q);
}
END_TEST

int main(int argc, char **argv) {
  Suite *suite = suite_create("group");
  TCase *rules = inner_case(suite, "rules");
  tcase_add_test(rules, a_transaction_takes_as_many_as_its_journal_holds);
  tcase_add_test(rules, what_is_no_step_has_a_transaction_of_its_own);
  TCase *failures = inner_case(suite, "failures");
  tcase_add_test(failures, a_batch_without_memory_keeps_what_came_before);
  tcase_add_test(failures, a_batch_of_adds_stops_at_damage);
  tcase_add_test(failures, a_batch_of_gets_stops_at_damage);
  tcase_add_test(failures, a_batch_of_dones_stops_at_damage);
  return inner_main(argc, argv, suite);
}
