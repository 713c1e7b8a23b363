/*
 * The ready keys: bands and bitmap against 256 arrays, and on damaged segments.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "shm/ready.h"

#include <stdlib.h>

#include "shm/journal.h"
#include "shm/list.h"
#include "support/inner.h"

enum { RECORDS = 40 };

static workq *q;
/* Of each priority, from -128 on: records in their order. */
static uint32_t model[BANDS][RECORDS], model_count[BANDS];

static struct item *saved(uint32_t index) {
  struct item *item = item_at(q, index);
  journal_save(q, item);
  return item;
}

/* Records that are not ready are buried, so that the whole segment is sound. */
static void set_place(struct item *item, uint8_t place) {
  item->place = place;
  item->pending = place == PLACE_READY ? PENDING_NOW : PENDING_NONE;
}

static int push(uint32_t index, int priority) {
  struct item *item = saved(index);
  item->priority = (int8_t)priority;
  set_place(item, PLACE_READY);
  return ready_push(q, index, item);
}

static int drop(uint32_t index) {
  return ready_remove(q, index, saved(index));
}

static void push_committed(uint32_t index, int priority) {
  inner_begin(q);
  ck_assert_int_eq(list_remove(q, &q->control->cold.buried, index, saved(index)), 0);
  ck_assert_int_eq(inner_end(q, push(index, priority)), 0);
  uint32_t band = (uint32_t)(priority + 128);
  model[band][model_count[band]++] = index;
}

static void drop_committed(int priority, uint32_t at) {
  uint32_t band = (uint32_t)(priority + 128), index = model[band][at];
  inner_begin(q);
  ck_assert_int_eq(drop(index), 0);
  set_place(item_at(q, index), PLACE_BURIED);
  ck_assert_int_eq(inner_end(q, list_append(q, &q->control->cold.buried, index, item_at(q, index))), 0);
  memmove(model[band] + at, model[band] + at + 1, (model_count[band] - at - 1) * sizeof index);
  model_count[band]--;
}

static uint32_t first(void) {
  uint32_t index;
  ck_assert_int_eq(ready_first(q, &index), 0);
  return index;
}

static void assert_equal(void) {
  const struct control *c = q->control;
  uint32_t total = 0, expected_first = 0;
  for (int priority = INT8_MAX; priority >= INT8_MIN; priority--) {
    uint32_t band = (uint32_t)(priority + 128), number = (uint32_t)(INT8_MAX - priority);
    const struct list *keys = &band_of(q, priority)->keys;
    ck_assert_ptr_eq(keys, &c->bands[number].keys);
    ck_assert_uint_eq(c->hot.bitmap[number / 64] >> number % 64 & 1, model_count[band] != 0);
    ck_assert_uint_eq(keys->count, model_count[band]);
    uint32_t at = keys->head;
    for (uint32_t i = 0; i < model_count[band]; i++) {
      ck_assert_uint_eq(at, model[band][i]);
      at = item_at(q, at)->next;
    }
    ck_assert_uint_eq(at, 0);
    if (!expected_first && model_count[band]) expected_first = model[band][0];
    total += model_count[band];
  }
  ck_assert_uint_eq(c->hot.ready, total);
  ck_assert_uint_eq(first(), expected_first);
}

static void start(void) {
  q = inner_create(RECORDS);
  memset(model_count, 0, sizeof model_count);
  for (uint32_t i = 0; i < RECORDS; i++) {
    inner_begin(q);
    uint32_t index = inner_record(q, i);
    ck_assert_uint_eq(index, i + 1);
    set_place(item_at(q, index), PLACE_BURIED);
    inner_end(q, list_append(q, &q->control->cold.buried, index, item_at(q, index)));
  }
}

START_TEST(nothing_is_ready) {
  start();
  assert_equal();
}
END_TEST

START_TEST(each_priority_has_its_band) {
  start();
  for (int priority = INT8_MIN; priority <= INT8_MAX; priority++) {
    push_committed(7, priority);
    assert_equal();
    ck_assert_uint_eq(first(), 7);
    drop_committed(priority, 0);
    assert_equal();
  }
}
END_TEST

START_TEST(the_highest_priority_comes_first) {
  /* Both ends, and both sides of each word of the bitmap. */
  static const int priorities[] = {-128, 127, -65, -64, -1, 0, 63, 64, -127, 126};
  static const int sorted[] = {127, 126, 64, 63, 0, -1, -64, -65, -127, -128};
  start();
  for (uint32_t i = 0; i < 10; i++) push_committed(i + 1, priorities[i]);
  assert_equal();
  for (uint32_t i = 0; i < 10; i++) {
    ck_assert_int_eq(item_at(q, first())->priority, sorted[i]);
    drop_committed(sorted[i], 0);
    assert_equal();
  }
}
END_TEST

START_TEST(first_in_first_out_within_a_priority) {
  start();
  for (uint32_t i = 1; i <= RECORDS; i++) push_committed(i, -128);
  for (uint32_t i = 1; i <= RECORDS; i++) {
    ck_assert_uint_eq(first(), i);
    drop_committed(-128, 0);
  }
  assert_equal();
}
END_TEST

START_TEST(a_ready_record_guesses_what_follows_some_after_it) {
  start();
  for (uint32_t i = 1; i <= RECORDS; i++) push_committed(i, 5);
  for (uint32_t i = 1; i <= RECORDS; i++) {
    bool known = i + PREFETCH_DISTANCE > PREFETCH_MIN_READY && i + PREFETCH_DISTANCE <= RECORDS;
    ck_assert_uint_eq(item_at(q, i)->prefetch_hint, known ? i + PREFETCH_DISTANCE : 0);
  }
}
END_TEST

static int any_priority(void) {
  static const int edges[] = {-128, 127, 0, -1, 63, 64, -64, -65};
  return inner_chance(50) ? edges[inner_below(8)] : (int)inner_below(BANDS) - 128;
}

START_TEST(random_bands_agree_with_arrays) {
  start();
  bool in[RECORDS + 1] = {false};
  for (unsigned i = plain_scaled(4000); i > 0; i--) {
    uint32_t index = 1 + inner_below(RECORDS);
    int priority = item_at(q, index)->priority;
    if (!in[index]) {
      push_committed(index, any_priority());
    } else {
      uint32_t band = (uint32_t)(priority + 128), at = 0;
      while (model[band][at] != index) at++;
      drop_committed(priority, at);
    }
    in[index] = !in[index];
    assert_equal();
    if (i % 16 == 0) inner_assert_sound(q);
  }
}
END_TEST

/* ---- Damage ---- */

START_TEST(a_bitmap_that_lies_is_found) {
  start();
  push_committed(1, 0);
  uint32_t index;
  q->control->hot.bitmap[0] |= 1; /* priority 127 */
  ck_assert_int_eq(ready_first(q, &index), -EUCLEAN);
  q->control->hot.bitmap[0] = 0;
  q->control->hot.bitmap[3] = UINT64_C(1) << 63; /* priority -128 */
  q->control->hot.bitmap[1] = 0;
  ck_assert_int_eq(ready_first(q, &index), -EUCLEAN);
}
END_TEST

static void assert_refused(int rc, const struct picture *before) {
  ck_assert_int_eq(inner_end(q, rc), -EUCLEAN);
  inner_assert_same(q, before);
}

START_TEST(a_wild_tail_is_refused) {
  start();
  push_committed(1, 5);
  band_of(q, 5)->keys.tail = q->geometry.items_max + 1;
  struct picture *before = inner_take(q);
  inner_begin(q);
  assert_refused(push(2, 5), before);
  free(before);
}
END_TEST

START_TEST(a_key_of_another_band_is_refused) {
  start();
  push_committed(1, 5);
  item_at(q, 1)->priority = 6;
  struct picture *before = inner_take(q);
  inner_begin(q);
  assert_refused(drop(1), before);
  free(before);
}
END_TEST

START_TEST(any_damage_is_survived) {
  start();
  for (uint32_t i = 1; i <= RECORDS / 2; i++) push_committed(i, (int)(i % 3) - 1);
  struct picture *sound = inner_take(q);
  for (unsigned i = plain_scaled(1500); i > 0; i--) {
    inner_put(q, sound);
    struct list *keys = &band_of(q, (int)inner_below(4) - 1)->keys;
    struct item *item = item_at(q, 1 + inner_below(RECORDS));
    uint32_t *const targets[] = {&keys->head, &keys->tail, &keys->count, &item->next, &item->prev};
    for (uint32_t n = 1 + inner_below(3); n > 0; n--) *targets[inner_below(5)] = inner_wild(q);
    if (inner_chance(20)) item->priority = (int8_t)any_priority();
    if (inner_chance(20)) q->control->hot.bitmap[inner_below(4)] ^= UINT64_C(1) << inner_below(64);
    for (int n = 0; n < 4; n++) {
      struct picture *before = inner_take(q);
      uint32_t index = 1 + inner_below(RECORDS), found;
      inner_begin(q);
      int rc = inner_end(q, inner_chance(50) ? drop(index) : push(index, (int)inner_below(4) - 1));
      ck_assert(rc == 0 || rc == -EUCLEAN);
      if (rc < 0) inner_assert_same(q, before);
      free(before);
      rc = ready_first(q, &found);
      ck_assert(rc == 0 || rc == -EUCLEAN);
    }
  }
  free(sound);
}
END_TEST

int main(int argc, char **argv) {
  Suite *suite = suite_create("ready");
  TCase *rules = inner_case(suite, "rules");
  tcase_add_test(rules, nothing_is_ready);
  tcase_add_test(rules, each_priority_has_its_band);
  tcase_add_test(rules, the_highest_priority_comes_first);
  tcase_add_test(rules, first_in_first_out_within_a_priority);
  tcase_add_test(rules, a_ready_record_guesses_what_follows_some_after_it);
  TCase *properties = inner_case(suite, "properties");
  tcase_add_test(properties, random_bands_agree_with_arrays);
  TCase *damage = inner_case(suite, "damage");
  tcase_add_test(damage, a_bitmap_that_lies_is_found);
  tcase_add_test(damage, a_wild_tail_is_refused);
  tcase_add_test(damage, a_key_of_another_band_is_refused);
  tcase_add_test(damage, any_damage_is_survived);
  return inner_main(argc, argv, suite);
}
