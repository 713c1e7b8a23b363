/*
 * Lists of records: against arrays of indices, and on damaged segments.
 *
 * Two lists of the segment are used, the idle and the buried: records wander between them.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "shm/list.h"

#include <stdlib.h>

#include "support/inner.h"

enum { RECORDS = 24, LISTS = 2 };

struct model {
  uint32_t index[RECORDS];
  uint32_t count;
};

static workq *q;
static struct model models[LISTS];

static struct list *list_of(int which) {
  return which ? &q->control->cold.buried : &q->control->cold.idle;
}

static struct item *saved(uint32_t index) {
  struct item *item = item_at(q, index);
  journal_save(q, item);
  return item;
}

static int append(int which, uint32_t index) {
  struct item *item = saved(index);
  int rc = list_append(q, list_of(which), index, item);
  item->place = which ? PLACE_BURIED : PLACE_IDLE;
  item->failures = 1; /* an idle record is idle for a count */
  return rc;
}

static int take(int which, uint32_t index) {
  return list_remove(q, list_of(which), index, saved(index));
}

static void model_append(int which, uint32_t index) {
  models[which].index[models[which].count++] = index;
}

static uint32_t model_take(int which, uint32_t at) {
  struct model *m = &models[which];
  uint32_t index = m->index[at];
  memmove(m->index + at, m->index + at + 1, (m->count - at - 1) * sizeof *m->index);
  m->count--;
  return index;
}

static void assert_equal(int which) {
  const struct list *list = list_of(which);
  const struct model *m = &models[which];
  ck_assert_uint_eq(list->count, m->count);
  ck_assert_uint_eq(list->head, m->count ? m->index[0] : 0);
  ck_assert_uint_eq(list->tail, m->count ? m->index[m->count - 1] : 0);
  for (uint32_t i = 0; i < m->count; i++) {
    const struct item *item = item_at(q, m->index[i]);
    ck_assert_uint_eq(item->next, i + 1 < m->count ? m->index[i + 1] : 0);
    if (i > 0) ck_assert_uint_eq(item->prev, m->index[i - 1]);
  }
}

/* RECORDS records, the first `filled` of them in the idle list, in order. */
static void start(uint32_t filled) {
  q = inner_create(RECORDS);
  memset(models, 0, sizeof models);
  for (uint32_t i = 0; i < RECORDS; i++) {
    inner_begin(q);
    uint32_t index = inner_record(q, i);
    ck_assert_uint_eq(index, i + 1);
    int which = i < filled ? 0 : 1;
    ck_assert_int_eq(inner_end(q, append(which, index)), 0);
    model_append(which, index);
  }
}

START_TEST(an_empty_list) {
  start(0);
  assert_equal(0);
  inner_begin(q);
  /* A record of another list is not in this one. */
  ck_assert_int_eq(inner_end(q, take(0, 3)), -EUCLEAN);
  assert_equal(0);
}
END_TEST

START_TEST(the_only_one_comes_and_goes) {
  start(1);
  for (int i = 0; i < 3; i++) {
    inner_begin(q);
    ck_assert_int_eq(take(0, 1), 0);
    ck_assert_uint_eq(list_of(0)->head | list_of(0)->tail | list_of(0)->count, 0);
    ck_assert_int_eq(inner_end(q, append(0, 1)), 0);
    assert_equal(0);
    inner_assert_sound(q);
  }
}
END_TEST

START_TEST(first_in_first_out) {
  start(RECORDS);
  for (uint32_t i = 0; i < RECORDS; i++) {
    ck_assert_uint_eq(list_of(0)->head, i + 1);
    inner_begin(q);
    ck_assert_int_eq(take(0, i + 1), 0);
    ck_assert_int_eq(inner_end(q, append(1, i + 1)), 0);
    model_append(1, model_take(0, 0));
    assert_equal(0);
    assert_equal(1);
    inner_assert_sound(q);
  }
}
END_TEST

START_TEST(any_one_can_be_taken_out) {
  for (uint32_t count = 1; count <= 4; count++)
    for (uint32_t at = 0; at < count; at++) {
      start(count);
      inner_begin(q);
      ck_assert_int_eq(take(0, at + 1), 0);
      ck_assert_int_eq(inner_end(q, append(1, at + 1)), 0);
      model_append(1, model_take(0, at));
      assert_equal(0);
      assert_equal(1);
      inner_assert_sound(q);
      inner_close(q);
    }
}
END_TEST

START_TEST(the_head_goes_without_touching_the_one_behind_it) {
  start(3);
  struct item before = *item_at(q, 2);
  inner_begin(q);
  ck_assert_int_eq(take(0, 1), 0);
  ck_assert_mem_eq(item_at(q, 2), &before, sizeof before);
  inner_end(q, -ECANCELED);
}
END_TEST

START_TEST(random_lists_agree_with_arrays) {
  start(RECORDS / 2);
  for (unsigned i = plain_scaled(50000); i > 0; i--) {
    int from = inner_chance(50), to = inner_chance(50);
    if (models[from].count == 0) continue;
    /* Mostly from the ends, so that both run empty and full now and then. */
    uint32_t at = inner_chance(40) ? 0 : inner_below(models[from].count);
    uint32_t index = model_take(from, at);
    inner_begin(q);
    ck_assert_int_eq(take(from, index), 0);
    ck_assert_int_eq(inner_end(q, append(to, index)), 0);
    model_append(to, index);
    assert_equal(0);
    assert_equal(1);
    if (i % 16 == 0) inner_assert_sound(q);
  }
}
END_TEST

/* ---- Damage ---- */

/* What may be wild, in a list of records 1, 2, 3 of which 2 is taken out or 4 is appended. */
static uint32_t *target(int which) {
  struct list *list = list_of(0);
  uint32_t *const targets[] = {&list->head,          &list->tail,          &list->count,         &item_at(q, 1)->next,
                               &item_at(q, 2)->prev, &item_at(q, 2)->next, &item_at(q, 3)->prev, &item_at(q, 3)->next};
  return targets[which];
}
enum { TARGETS = 8 };

static void assert_refused(uint32_t *place, uint32_t value, bool removing) {
  uint32_t sound = *place;
  *place = value;
  struct picture *before = inner_take(q);
  inner_begin(q);
  ck_assert_int_eq(inner_end(q, removing ? take(0, 2) : append(0, 4)), -EUCLEAN);
  inner_assert_same(q, before);
  free(before);
  *place = sound;
}

START_TEST(wild_neighbours_are_refused) {
  start(3);
  const uint32_t wild[] = {q->geometry.items_max + 1, INT32_MAX, UINT32_MAX};
  for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
    assert_refused(&list_of(0)->tail, wild[i], false);
    assert_refused(&item_at(q, 2)->prev, wild[i], true);
    assert_refused(&item_at(q, 2)->next, wild[i], true);
  }
  assert_refused(&list_of(0)->count, 0, true);
  assert_refused(&item_at(q, 2)->prev, 0, true);
  assert_refused(&item_at(q, 2)->prev, 3, true); /* not its neighbour */
  assert_refused(&item_at(q, 2)->next, 1, true); /* neither */
  assert_refused(&item_at(q, 1)->next, 3, true); /* the one before points past it */
  assert_refused(&item_at(q, 3)->prev, 1, true); /* so does the one behind */
  assert_refused(&list_of(0)->tail, 4, false);   /* it would follow itself */
}
END_TEST

START_TEST(any_damage_is_survived) {
  start(3);
  struct picture *sound = inner_take(q);
  for (unsigned i = plain_scaled(4000); i > 0; i--) {
    inner_put(q, sound);
    for (uint32_t n = 1 + inner_below(3); n > 0; n--) *target((int)inner_below(TARGETS)) = inner_wild(q);
    for (int n = 0; n < 6; n++) {
      struct picture *before = inner_take(q);
      uint32_t index = 1 + inner_below(RECORDS);
      int which = inner_chance(20);
      inner_begin(q);
      int rc = inner_end(q, inner_chance(60) ? take(which, index) : append(which, index));
      ck_assert(rc == 0 || rc == -EUCLEAN);
      if (rc < 0) inner_assert_same(q, before);
      free(before);
    }
  }
  free(sound);
}
END_TEST

int main(int argc, char **argv) {
  Suite *suite = suite_create("list");
  TCase *rules = inner_case(suite, "rules");
  tcase_add_test(rules, an_empty_list);
  tcase_add_test(rules, the_only_one_comes_and_goes);
  tcase_add_test(rules, first_in_first_out);
  tcase_add_test(rules, any_one_can_be_taken_out);
  tcase_add_test(rules, the_head_goes_without_touching_the_one_behind_it);
  TCase *properties = inner_case(suite, "properties");
  tcase_add_test(properties, random_lists_agree_with_arrays);
  TCase *damage = inner_case(suite, "damage");
  tcase_add_test(damage, wild_neighbours_are_refused);
  tcase_add_test(damage, any_damage_is_survived);
  return inner_main(argc, argv, suite);
}
