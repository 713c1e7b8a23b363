/*
 * The delayed keys: the heap against an array that is searched, and on damaged segments.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "shm/delay.h"

#include <stdlib.h>

#include "shm/journal.h"
#include "support/inner.h"

/* 1 + 4 + 16 + 64 + 256 + 1024: five levels are full, the sixth is not. */
enum { RECORDS = 700, FEW = 30 };

/* A delayed run; order is that of coming. */
struct run {
  int64_t due_ns;
  uint64_t order;
};

static workq *q;
static uint32_t records;
static struct run model[RECORDS + 1]; /* by record; order 0: not in the heap */
static uint64_t last_order;

static struct item *saved(uint32_t index) {
  struct item *item = item_at(q, index);
  journal_save(q, item);
  return item;
}

/* Outside the heap a record is of no interest here, and workq_check() is not called: only heap_place counts. */
static int push(uint32_t index, int64_t due_ns) {
  return delay_push(q, index, saved(index), due_ns);
}

static void push_committed(uint32_t index, int64_t due_ns) {
  inner_begin(q);
  ck_assert_int_eq(inner_end(q, push(index, due_ns)), 0);
  model[index] = (struct run){due_ns, ++last_order};
}

static void bring_committed(uint32_t index, int64_t due_ns) {
  inner_begin(q);
  ck_assert_int_eq(inner_end(q, delay_bring_forward(q, saved(index), due_ns)), 0);
  model[index] = (struct run){due_ns, ++last_order};
}

static void drop_committed(uint32_t index) {
  inner_begin(q);
  ck_assert_int_eq(inner_end(q, delay_remove(q, saved(index))), 0);
  ck_assert_uint_eq(item_at(q, index)->heap_place, 0);
  model[index].order = 0;
}

static uint32_t model_first(void) {
  uint32_t best = 0;
  for (uint32_t i = 1; i <= records; i++) {
    if (!model[i].order) continue;
    if (!best || model[i].due_ns < model[best].due_ns ||
        (model[i].due_ns == model[best].due_ns && model[i].order < model[best].order))
      best = i;
  }
  return best;
}

/* The first is the model's first, and every entry is in its place and not due before its parent. */
static void assert_equal(void) {
  uint32_t count = 0, first = model_first();
  for (uint32_t i = 1; i <= records; i++) {
    const struct item *item = item_at(q, i);
    if (!model[i].order) {
      ck_assert_uint_eq(item->heap_place, 0);
      continue;
    }
    count++;
    ck_assert_uint_eq(q->heap[item->heap_place].item, i);
    ck_assert_int_eq(delay_due_ns(q, item), model[i].due_ns);
  }
  ck_assert_uint_eq(q->control->hot.delayed, count);
  for (uint32_t place = HEAP_FIRST + 1; place < HEAP_FIRST + count; place++)
    ck_assert(!delay_before(&q->heap[place], &q->heap[delay_parent(place)]));
  ck_assert_uint_eq(delay_first(q), first);
  ck_assert_int_eq(delay_next_ns(q), first ? model[first].due_ns : CLOCK_NEVER);
}

static void start(uint32_t n) {
  q = inner_create(n);
  records = n;
  last_order = 0;
  memset(model, 0, sizeof model);
  for (uint32_t i = 0; i < n; i++) {
    inner_begin(q);
    ck_assert_uint_eq(inner_record(q, i), i + 1);
    inner_end(q, 0);
  }
}

START_TEST(places_are_those_of_a_tree) {
  for (uint32_t place = HEAP_FIRST; place < 5000; place++)
    for (uint32_t i = 0; i < HEAP_ARITY; i++) {
      uint32_t child = delay_first_child(place) + i;
      ck_assert_uint_eq(delay_parent(child), place);
      ck_assert_uint_eq(child / HEAP_ARITY, delay_first_child(place) / HEAP_ARITY); /* brothers share a line */
    }
  ck_assert_uint_eq(delay_first_child(HEAP_FIRST), HEAP_FIRST + 1);
}
END_TEST

START_TEST(an_empty_heap) {
  start(1);
  assert_equal();
  inner_begin(q);
  ck_assert_int_eq(inner_end(q, delay_remove(q, saved(1))), -EUCLEAN);
  inner_begin(q);
  ck_assert_int_eq(inner_end(q, delay_bring_forward(q, saved(1), 5)), -EUCLEAN);
  ck_assert_int_eq(delay_due_ns(q, item_at(q, 1)), CLOCK_NEVER);
}
END_TEST

START_TEST(the_only_one_comes_and_goes) {
  start(1);
  for (int64_t i = 0; i < 3; i++) {
    push_committed(1, i);
    assert_equal();
    drop_committed(1);
    assert_equal();
  }
}
END_TEST

START_TEST(a_key_is_in_the_heap_once) {
  start(FEW);
  push_committed(1, 5);
  struct picture *before = inner_take(q);
  inner_begin(q);
  ck_assert_int_eq(inner_end(q, push(1, 3)), -EUCLEAN);
  inner_assert_same(q, before);
  free(before);
}
END_TEST

START_TEST(a_full_heap_takes_no_more) {
  start(FEW);
  for (uint32_t i = 1; i <= FEW; i++) push_committed(i, (int64_t)i);
  item_at(q, 1)->heap_place = 0;
  struct picture *before = inner_take(q);
  inner_begin(q);
  ck_assert_int_eq(inner_end(q, push(1, 3)), -EUCLEAN); /* more than there are records */
  inner_assert_same(q, before);
  free(before);
}
END_TEST

START_TEST(extreme_times_are_times) {
  static const int64_t times[] = {INT64_MAX, 0, INT64_MIN, -1, INT64_MAX - 1, INT64_MIN + 1};
  start(6);
  for (uint32_t i = 0; i < 6; i++) push_committed(i + 1, times[i]);
  for (int i = 0; i < 6; i++) {
    assert_equal();
    drop_committed(delay_first(q));
  }
}
END_TEST

START_TEST(equal_times_are_in_order_of_coming) {
  start(RECORDS);
  for (uint32_t i = RECORDS; i > 0; i--) push_committed(i, 77);
  for (uint32_t i = RECORDS; i > 0; i--) {
    ck_assert_uint_eq(delay_first(q), i);
    drop_committed(i);
  }
  assert_equal();
}
END_TEST

START_TEST(order_among_equal_times_outlives_the_counter) {
  start(RECORDS);
  q->control->cold.delay_round = UINT32_MAX - RECORDS / 2;
  for (uint32_t i = 1; i <= RECORDS; i++) push_committed(i, 77);
  ck_assert_uint_lt(q->control->cold.delay_round, RECORDS);
  for (uint32_t i = 1; i <= RECORDS; i++) {
    ck_assert_uint_eq(delay_first(q), i);
    drop_committed(i);
  }
}
END_TEST

START_TEST(what_is_brought_forward_comes_last_among_equals) {
  start(3);
  push_committed(1, 10);
  push_committed(2, 20);
  push_committed(3, 10);
  bring_committed(2, 10);
  static const uint32_t order[] = {1, 3, 2};
  for (int i = 0; i < 3; i++) {
    ck_assert_uint_eq(delay_first(q), order[i]);
    drop_committed(order[i]);
  }
}
END_TEST

/* One random step; times are few, so that many are equal, or many. */
static void step(uint32_t times, unsigned push_percent) {
  uint32_t index = 1 + inner_below(records);
  int64_t due_ns = inner_below(times);
  if (!model[index].order) {
    if (inner_chance(push_percent)) push_committed(index, due_ns);
  } else if (inner_chance(30)) {
    if (model[index].due_ns > 0) bring_committed(index, (int64_t)inner_below((uint32_t)model[index].due_ns));
  } else if (inner_chance(50)) {
    drop_committed(delay_first(q));
  } else {
    drop_committed(index);
  }
}

START_TEST(small_random_heaps_agree_with_the_array) {
  start(FEW);
  for (unsigned i = plain_scaled(20000); i > 0; i--) {
    step(i % 2000 < 1000 ? 4 : 1000, i % 500 < 250 ? 90 : 20);
    assert_equal();
  }
}
END_TEST

START_TEST(deep_random_heaps_agree_with_the_array) {
  start(RECORDS);
  uint32_t deepest = 0;
  for (unsigned i = plain_scaled(20000); i > 0; i--) {
    step(i % 8000 < 4000 ? 5 : UINT32_MAX, i % 9000 < 7000 ? 100 : 10);
    if (q->control->hot.delayed > deepest) deepest = q->control->hot.delayed;
    if (i % 8 == 0) assert_equal();
  }
  while (delay_first(q)) {
    ck_assert_uint_eq(delay_first(q), model_first());
    drop_committed(delay_first(q));
  }
  assert_equal();
  printf("deepest heap: %u entries\n", deepest);
}
END_TEST

/* ---- Damage ---- */

/* Entries 1 ... FEW are in the heap, at places 3 ... in the order of their numbers; the record behind them is not. */
static void start_filled(void) {
  start(FEW + 1);
  for (uint32_t i = 1; i <= FEW; i++) push_committed(i, (int64_t)i);
}

static void assert_refused(int rc, const struct picture *before) {
  ck_assert_int_eq(inner_end(q, rc), -EUCLEAN);
  inner_assert_same(q, before);
}

static void assert_place_refused(uint32_t place) {
  item_at(q, 5)->heap_place = place;
  struct picture *before = inner_take(q);
  ck_assert_int_eq(delay_due_ns(q, item_at(q, 5)), CLOCK_NEVER);
  inner_begin(q);
  assert_refused(delay_remove(q, saved(5)), before);
  inner_begin(q);
  assert_refused(delay_bring_forward(q, saved(5), 0), before);
  free(before);
}

START_TEST(a_wild_place_is_refused) {
  start_filled();
  static const uint32_t wild[] = {0, 1, 2, HEAP_FIRST + FEW, FEW + 10, INT32_MAX, UINT32_MAX};
  for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) assert_place_refused(wild[i]);
  assert_place_refused(HEAP_FIRST); /* that is another's */
}
END_TEST

START_TEST(a_wild_record_in_the_heap_is_refused) {
  start_filled();
  const uint32_t wild[] = {0, q->geometry.items_max + 1, INT32_MAX, UINT32_MAX};
  for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
    q->heap[HEAP_FIRST].item = wild[i]; /* moves down when one is brought before it */
    struct picture *before = inner_take(q);
    inner_begin(q);
    assert_refused(delay_bring_forward(q, saved(FEW), -1), before);
    free(before);
    q->heap[HEAP_FIRST].item = 1;
    q->heap[HEAP_FIRST + FEW - 1].item = wild[i]; /* moves when one is removed */
    before = inner_take(q);
    inner_begin(q);
    assert_refused(delay_remove(q, saved(1)), before);
    free(before);
    q->heap[HEAP_FIRST + FEW - 1].item = FEW;
  }
}
END_TEST

START_TEST(a_wild_count_is_refused) {
  start_filled();
  static const uint32_t wild[] = {FEW + 2, INT32_MAX, UINT32_MAX, UINT32_MAX - 2};
  for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
    q->control->hot.delayed = wild[i];
    struct picture *before = inner_take(q);
    inner_begin(q);
    assert_refused(push(FEW + 1, 3), before);
    inner_begin(q);
    assert_refused(delay_remove(q, saved(3)), before);
    ck_assert_int_eq(delay_due_ns(q, item_at(q, 3)), CLOCK_NEVER);
    free(before);
  }
}
END_TEST

static void damage(void) {
  struct heap_entry *entry = &q->heap[inner_below(FEW + HEAP_FIRST + 1)];
  switch (inner_below(5)) {
  case 0:
    entry->item = inner_wild(q);
    break;
  case 1:
    entry->due_ns = inner_chance(50) ? INT64_MIN : (int64_t)inner_wild(q);
    break;
  case 2:
    entry->round = inner_wild(q);
    break;
  case 3:
    item_at(q, 1 + inner_below(records))->heap_place = inner_wild(q);
    break;
  default:
    q->control->hot.delayed = inner_wild(q);
  }
}

START_TEST(any_damage_is_survived) {
  start_filled();
  struct picture *sound = inner_take(q);
  for (unsigned i = plain_scaled(1500); i > 0; i--) {
    inner_put(q, sound);
    for (uint32_t n = 1 + inner_below(3); n > 0; n--) damage();
    for (int n = 0; n < 5; n++) {
      struct picture *before = inner_take(q);
      uint32_t index = 1 + inner_below(records), choice = inner_below(3);
      inner_begin(q);
      struct item *item = saved(index);
      int rc = choice == 0   ? delay_push(q, index, item, inner_below(FEW))
               : choice == 1 ? delay_remove(q, item)
                             : delay_bring_forward(q, item, inner_below(FEW));
      rc = inner_end(q, rc);
      ck_assert(rc == 0 || rc == -EUCLEAN);
      if (rc < 0) inner_assert_same(q, before);
      free(before);
      (void)delay_next_ns(q);
      (void)delay_first(q);
    }
  }
  free(sound);
}
END_TEST

int main(int argc, char **argv) {
  Suite *suite = suite_create("delay");
  TCase *rules = inner_case(suite, "rules");
  tcase_add_test(rules, places_are_those_of_a_tree);
  tcase_add_test(rules, an_empty_heap);
  tcase_add_test(rules, the_only_one_comes_and_goes);
  tcase_add_test(rules, a_key_is_in_the_heap_once);
  tcase_add_test(rules, a_full_heap_takes_no_more);
  tcase_add_test(rules, extreme_times_are_times);
  tcase_add_test(rules, equal_times_are_in_order_of_coming);
  tcase_add_test(rules, order_among_equal_times_outlives_the_counter);
  tcase_add_test(rules, what_is_brought_forward_comes_last_among_equals);
  TCase *properties = inner_case(suite, "properties");
  tcase_add_test(properties, small_random_heaps_agree_with_the_array);
  tcase_add_test(properties, deep_random_heaps_agree_with_the_array);
  TCase *damages = inner_case(suite, "damage");
  tcase_add_test(damages, a_wild_place_is_refused);
  tcase_add_test(damages, a_wild_record_in_the_heap_is_refused);
  tcase_add_test(damages, a_wild_count_is_refused);
  tcase_add_test(damages, any_damage_is_survived);
  return inner_main(argc, argv, suite);
}
