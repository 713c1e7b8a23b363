/*
 * The life of a key: each step from each state, against a model that knows one key at a time; who is told of what; and
 * what is due.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "shm/state.h"

#include <stdlib.h>

#include "life.h"
#include "shm/lock.h"

/* ---- Steps ---- */

START_TEST(each_step_from_each_state) {
  static const int priorities[] = {-128, 0, 127};
  for (uint32_t give_up = WORKQ_BURY; give_up <= WORKQ_DROP; give_up++)
    for (int state = READY; state < STATES; state++) {
      life_start(give_up);
      struct picture *blank = inner_take(life_q);
      for (int step = 0; step < STEPS; step++)
        for (uint32_t failures = 0; failures <= LIFE_MAX_RETRIES; failures++)
          for (int p = 0; p < 3; p++)
            for (int64_t due_ns = life_far_ns - 1; due_ns <= life_far_ns + 1; due_ns++) {
              inner_put(life_q, blank);
              struct key before = life_key_in(READY, 1, 0, 0), key = life_key_in((enum state)state, 2, failures, 0),
                         behind = life_key_in(READY, 3, 0, 0);
              life_step(&key, (enum step)step, due_ns, priorities[p]);
              life_assert(&before, "one before it");
              life_assert(&behind, "one behind it");
              inner_assert_sound(life_q);
            }
      free(blank);
      life_close();
    }
}
END_TEST

static void random_walk(uint32_t give_up) {
  struct key keys[LIFE_CAPACITY] = {{0}};
  life_start(give_up);
  for (unsigned i = plain_scaled(15000); i > 0; i--) {
    uint32_t n = inner_below(LIFE_CAPACITY);
    int priority = (int)inner_below(256) - 128;
    int64_t due_ns = life_far_ns + inner_below(50);
    if (keys[n].state == GONE) keys[n] = life_born(n, inner_chance(50) ? DUE_NOW : due_ns, priority);
    else life_step(&keys[n], (enum step)inner_below(STEPS), due_ns, priority);
    if (i % 32) continue;
    for (n = 0; n < LIFE_CAPACITY; n++)
      if (keys[n].state != GONE) life_assert(&keys[n], "one that nothing happened to");
    inner_assert_sound(life_q);
  }
}

START_TEST(random_steps_agree_with_the_model) {
  random_walk(WORKQ_BURY);
  random_walk(WORKQ_DROP);
}
END_TEST

/* ---- Order and priority ---- */

static uint32_t first_ready(void) {
  uint32_t index;
  ck_assert_int_eq(ready_first(life_q, &index), 0);
  return index;
}

START_TEST(a_raise_goes_to_the_tail_of_its_band) {
  life_start(WORKQ_BURY);
  struct key a = life_born(1, DUE_NOW, 5), b = life_born(2, DUE_NOW, 0), c = life_born(3, DUE_NOW, 0);
  life_step(&c, MARK, 0, 5);
  life_step(&a, START, 0, 0);
  ck_assert_uint_eq(first_ready(), c.index);
  life_step(&b, MARK, 0, 5);
  ck_assert_uint_eq(first_ready(), c.index);
}
END_TEST

START_TEST(who_is_asked_for_again_keeps_its_place) {
  life_start(WORKQ_BURY);
  struct key a = life_born(1, DUE_NOW, 5), b = life_born(2, DUE_NOW, 5);
  life_step(&a, MARK, 0, 5);
  life_step(&a, MARK, 0, -5);
  life_step(&a, MARK_AT, life_far_ns, 5);
  ck_assert_uint_eq(first_ready(), a.index);
  life_step(&a, START, 0, 0);
  ck_assert_uint_eq(first_ready(), b.index);
}
END_TEST

START_TEST(who_becomes_ready_again_goes_to_the_tail) {
  static const enum step steps[] = {FINISH, RELEASE};
  for (int i = 0; i < 2; i++) {
    life_start(WORKQ_BURY);
    struct key a = life_born(1, DUE_NOW, 0), b = life_born(2, DUE_NOW, 0);
    life_step(&a, START, 0, 0);
    life_step(&a, MARK, 0, 0);
    life_step(&a, steps[i], 0, 0);
    ck_assert_uint_eq(first_ready(), b.index);
  }
}
END_TEST

START_TEST(the_processed_are_in_order_of_their_start) {
  life_start(WORKQ_BURY);
  struct key a = life_born(1, DUE_NOW, 0), b = life_born(2, DUE_NOW, 9);
  life_step(&b, START, 0, 0);
  life_step(&a, START, 0, 0);
  ck_assert_uint_eq(life_q->slot->own.processing.head, b.index);
  ck_assert_uint_eq(life_q->slot->own.processing.tail, a.index);
  ck_assert_uint_eq(life_q->slot->own.processing.count, 2);
}
END_TEST

START_TEST(a_ticket_is_of_one_run) {
  life_start(WORKQ_BURY);
  struct key a = life_born(1, DUE_NOW, 0);
  uint32_t before = item_at(life_q, a.index)->ticket;
  life_step(&a, START, 0, 0);
  ck_assert_uint_eq(item_at(life_q, a.index)->ticket, before + 1);
  life_step(&a, RELEASE, 0, 0);
  life_step(&a, START, 0, 0);
  ck_assert_uint_eq(item_at(life_q, a.index)->ticket, before + 2);
  life_step(&a, FINISH, 0, 0);
  struct key b = life_born(2, DUE_NOW, 0); /* in the same record */
  ck_assert_uint_eq(b.index, a.index);
  life_step(&b, START, 0, 0);
  ck_assert_uint_eq(item_at(life_q, b.index)->ticket, before + 3);
}
END_TEST

/* ---- Room ---- */

static int create_and_mark(uint32_t number) {
  uint32_t index;
  inner_begin(life_q);
  int rc = life_create(number, &index);
  if (rc == 0) rc = state_add(life_q, index, item_at(life_q, index), DUE_NOW, 0);
  return inner_end(life_q, rc);
}

START_TEST(a_full_queue_takes_no_new_key) {
  for (uint32_t capacity = 1; capacity < 5; capacity++) {
    workq_options options = life_options(capacity, WORKQ_BURY);
    life_start_with(&options);
    for (uint32_t i = 0; i < capacity; i++) ck_assert_int_eq(create_and_mark(i), 1);
    struct picture *before = inner_take(life_q);
    ck_assert_int_eq(create_and_mark(99), -ENOSPC);
    inner_assert_same(life_q, before);
    free(before);
    inner_assert_sound(life_q);
  }
}
END_TEST

START_TEST(the_oldest_idle_key_gives_way) {
  workq_options options = life_options(3, WORKQ_BURY);
  life_start_with(&options);
  struct key a = life_key_in(IDLE, 1, 1, 0), b = life_key_in(IDLE, 2, 1, 0), c = life_key_in(READY, 3, 0, 0);
  for (uint32_t n = 10; n < 12; n++) {
    ck_assert_int_eq(create_and_mark(n), 1);
    inner_assert_sound(life_q);
    ck_assert_uint_eq(life_q->control->hot.used, 3);
    ck_assert_uint_eq(life_q->control->totals.evictions, n - 9);
    ck_assert_uint_eq(item_at(life_q, a.index)->place, PLACE_FREE);
    a = b;
  }
  ck_assert_int_eq(create_and_mark(12), -ENOSPC);
  life_assert(&c, "one that is not idle");
  ck_assert_uint_eq(life_q->control->totals.evictions, 2);
}
END_TEST

/* ---- Who is told ---- */

static void wait_in_line(workq *sleeper, uint32_t kind) {
  inner_begin(sleeper);
  ck_assert_int_eq(inner_end(sleeper, wait_enter(sleeper, kind, life_far_ns, false)), 0);
}

/* How many of the sleepers, which are life_handles[2] and [3], are still in line. */
static int in_line(void) {
  int count = 0;
  for (int h = 2; h < 4; h++) {
    uint32_t kind = life_handles[h]->slot->wait.kind;
    count += kind != WAIT_NONE && kind != WAIT_GRANTED;
  }
  return count;
}

static void start_with_sleepers(uint32_t kind) {
  life_start(WORKQ_BURY);
  wait_in_line(life_handles[2], kind);
  wait_in_line(life_handles[3], kind);
  ck_assert_int_eq(in_line(), 2);
}

START_TEST(one_ready_key_wakes_the_newest_sleeper) {
  start_with_sleepers(WAIT_GET);
  (void)life_born(1, DUE_NOW, 0);
  ck_assert_uint_eq(life_handles[2]->slot->wait.kind, WAIT_GET);
  ck_assert_uint_eq(life_handles[3]->slot->wait.kind, WAIT_NONE);
  (void)life_born(2, DUE_NOW, 0);
  ck_assert_int_eq(in_line(), 0);
  (void)life_born(3, DUE_NOW, 0); /* nobody is left to be told */
  inner_assert_sound(life_q);
}
END_TEST

START_TEST(what_makes_no_key_ready_wakes_nobody) {
  life_start(WORKQ_BURY);
  struct key a = life_key_in(READY, 1, 0, 0), b = life_key_in(RUNNING, 2, 1, 0);
  for (int h = 2; h < LIFE_HANDLES; h++) wait_in_line(life_handles[h], WAIT_GET);
  life_step(&a, MARK, 0, 0);
  life_step(&a, MARK, 0, 1);
  life_step(&b, MARK, 0, 0);
  life_step(&b, REMOVE, 0, 0);
  life_step(&b, RETRY, 0, 0);
  ck_assert_int_eq(b.state, GONE);
  life_step(&a, START, 0, 0);
  life_step(&a, GIVE_UP, 0, 0);
  life_step(&a, FORGET, 0, 0);
  ck_assert_int_eq(in_line(), 2);
}
END_TEST

START_TEST(each_way_to_become_ready_wakes_one) {
  static const struct {
    enum state from;
    enum step step;
  } ways[] = {{DELAYED, MARK}, {DIRTY, FINISH}, {DIRTY, RETRY}, {RUNNING, RELEASE},
              {BURIED, KICK},  {IDLE, MARK},    {DIRTY, CRASH}};
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    life_start(WORKQ_BURY);
    struct key key = life_key_in(ways[i].from, 1, 1, 0);
    for (int h = 2; h < LIFE_HANDLES; h++) wait_in_line(life_handles[h], WAIT_GET);
    life_step(&key, ways[i].step, 0, 0);
    ck_assert_int_eq(key.state, READY);
    ck_assert_int_eq(in_line(), 1);
    life_close();
  }
}
END_TEST

START_TEST(nobody_is_told_while_the_queue_is_paused) {
  start_with_sleepers(WAIT_GET);
  life_q->control->hot.flags = QUEUE_PAUSED;
  (void)life_born(1, DUE_NOW, 0);
  ck_assert_int_eq(in_line(), 2);
}
END_TEST

START_TEST(nobody_is_told_of_a_key_that_the_handle_takes_itself) {
  start_with_sleepers(WAIT_GET);
  life_q->wakes.keeps_next = true;
  (void)life_born(1, DUE_NOW, 0);
  ck_assert_int_eq(in_line(), 2);
  (void)life_born(2, DUE_NOW, 0); /* only the first */
  ck_assert_int_eq(in_line(), 1);
}
END_TEST

START_TEST(an_earlier_delay_wakes_the_leader) {
  start_with_sleepers(WAIT_GET);
  inner_begin(life_q);
  ck_assert_int_eq(wait_advance_leader(life_q, life_far_ns), 0);
  inner_end(life_q, 0);
  struct key a = life_born(1, life_far_ns - 10, 0);
  ck_assert_int_eq(life_handles[2]->slot->wait.wake_ns, life_far_ns - 10); /* the oldest sleeper */
  ck_assert_int_eq(life_handles[3]->slot->wait.wake_ns, life_far_ns);
  (void)life_born(2, life_far_ns - 5, 0);
  ck_assert_int_eq(life_handles[2]->slot->wait.wake_ns, life_far_ns - 10);
  life_step(&a, MARK_AT, life_far_ns - 20, 0);
  ck_assert_int_eq(life_handles[2]->slot->wait.wake_ns, life_far_ns - 20);
  ck_assert_int_eq(in_line(), 2);
}
END_TEST

START_TEST(room_is_told_when_a_key_is_gone_or_idle) {
  static const struct {
    enum state from;
    enum step step;
  } ways[] = {{RUNNING, FINISH}, {READY, REMOVE}, {DELAYED, REMOVE}, {BURIED, REMOVE}, {IDLE, REMOVE}, {IDLE, FORGET}};
  for (uint32_t failures = 0; failures < 2; failures++)
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
      life_start(WORKQ_BURY);
      struct key key = life_key_in(ways[i].from, 1, failures, 0);
      for (int h = 2; h < LIFE_HANDLES; h++) wait_in_line(life_handles[h], WAIT_SPACE);
      life_step(&key, ways[i].step, 0, 0);
      ck_assert_int_eq(in_line(), 1);
      life_close();
    }
}
END_TEST

START_TEST(a_drain_is_told_when_nothing_is_left) {
  life_start(WORKQ_BURY);
  struct key a = life_key_in(RUNNING, 1, 0, 0), b = life_key_in(RUNNING, 2, 0, 0), c = life_key_in(READY, 3, 0, 0);
  (void)life_key_in(DELAYED, 4, 0, 0);
  (void)life_key_in(IDLE, 5, 1, 0);
  for (int h = 2; h < LIFE_HANDLES; h++) wait_in_line(life_handles[h], WAIT_DRAIN);
  life_step(&a, FINISH, 0, 0);
  life_step(&b, FINISH, 0, 0);
  ck_assert_int_eq(in_line(), 2); /* one is ready yet */
  life_step(&c, START, 0, 0);
  ck_assert_int_eq(in_line(), 2);
  life_step(&c, RETRY, 0, 0);
  ck_assert_int_eq(in_line(), 1);
  struct key d = life_key_in(READY, 6, 0, 0);
  life_step(&d, REMOVE, 0, 0);
  ck_assert_int_eq(in_line(), 0);
}
END_TEST

/* ---- Time ---- */

static int promote(int64_t now_ns) {
  ck_assert_int_eq(lock_acquire(life_q, CLOCK_NEVER), 0);
  int rc = state_promote(life_q, now_ns);
  lock_release(life_q);
  return rc;
}

START_TEST(what_is_due_becomes_ready_or_dirty) {
  life_start(WORKQ_BURY);
  struct key a = life_born(1, 50, 0), b = life_born(2, DUE_NOW, 0), c = life_born(3, 51, 0);
  life_step(&b, START, 0, 0);
  life_step(&b, MARK_AT, 50, 0);
  ck_assert_int_eq(promote(49), 0);
  life_assert(&a, "not due yet");
  ck_assert_int_eq(promote(50), 0);
  a.state = READY;
  b.state = DIRTY;
  life_assert(&a, "due");
  life_assert(&b, "due");
  life_assert(&c, "not due yet");
  inner_assert_sound(life_q);
}
END_TEST

START_TEST(what_is_due_is_ready_in_order) {
  life_start(WORKQ_BURY);
  static const int64_t due[] = {30, 10, 20, 10, 30};
  static const uint32_t order[] = {1, 3, 2, 0, 4};
  struct key keys[5];
  for (uint32_t i = 0; i < 5; i++) keys[i] = life_born(i, due[i], 0);
  struct key before = life_born(9, DUE_NOW, 0);
  ck_assert_int_eq(promote(INT64_MAX - 1), 0);
  ck_assert_uint_eq(first_ready(), before.index);
  uint32_t at = item_at(life_q, before.index)->next;
  for (int i = 0; i < 5; i++) {
    ck_assert_uint_eq(at, keys[order[i]].index);
    at = item_at(life_q, at)->next;
  }
}
END_TEST

START_TEST(many_due_at_a_time_come_in_portions) {
  workq_options options = life_options(3 * PROMOTE_MAX, WORKQ_BURY);
  life_start_with(&options);
  for (uint32_t i = 0; i < 2 * PROMOTE_MAX + 10; i++) (void)life_born(i, life_far_ns, 0);
  uint32_t expected[] = {PROMOTE_MAX + 10, 10, 0, 0};
  for (int i = 0; i < 4; i++) {
    ck_assert_int_eq(promote(life_far_ns), i < 2); /* 1: more are due */
    ck_assert_uint_eq(life_q->control->hot.delayed, expected[i]);
    inner_assert_sound(life_q);
  }
}
END_TEST

START_TEST(a_promotion_that_fails_changes_nothing) {
  life_start(WORKQ_BURY);
  (void)life_born(1, DUE_NOW, 0);
  (void)life_born(2, 5, 0);
  band_of(life_q, 0)->keys.tail = UINT32_MAX;
  struct picture *before = inner_take(life_q);
  ck_assert_int_eq(promote(5), -EUCLEAN);
  inner_assert_same(life_q, before);
  inner_put(life_q, before);
  life_q->heap[HEAP_FIRST].item = UINT32_MAX;
  free(before);
  before = inner_take(life_q);
  ck_assert_int_eq(promote(5), -EUCLEAN);
  inner_assert_same(life_q, before);
  free(before);
}
END_TEST

START_TEST(counts_end_at_their_largest) {
  life_start(WORKQ_BURY);
  struct key a = life_key_in(RUNNING, 1, 0, 0);
  struct item *item = item_at(life_q, a.index);
  inner_begin(life_q);
  journal_save(life_q, item);
  item->failures = UINT32_MAX;
  int64_t bucket_ns;
  ck_assert_int_eq(state_count_failure(life_q, item, 0, &bucket_ns), NS_PER_S);
  ck_assert_uint_eq(item->failures, UINT32_MAX);
  ck_assert_int_eq(state_count_failure(life_q, item, INT64_MAX - 5, &bucket_ns), INT64_MAX);
  inner_end(life_q, -ECANCELED);
  inner_begin(life_reaper);
  item = item_at(life_reaper, a.index);
  journal_save(life_reaper, item);
  item->crashes = CRASHES_MAX;
  ck_assert_int_eq(life_crash(a.index, item), 0);
  ck_assert_uint_eq(item->crashes, CRASHES_MAX);
  inner_end(life_reaper, -ECANCELED);
}
END_TEST

static void add_states(Suite *suite) {
  TCase *steps = inner_case(suite, "steps");
  tcase_add_test(steps, each_step_from_each_state);
  tcase_add_test(steps, random_steps_agree_with_the_model);
  TCase *order = inner_case(suite, "order");
  tcase_add_test(order, a_raise_goes_to_the_tail_of_its_band);
  tcase_add_test(order, who_is_asked_for_again_keeps_its_place);
  tcase_add_test(order, who_becomes_ready_again_goes_to_the_tail);
  tcase_add_test(order, the_processed_are_in_order_of_their_start);
  tcase_add_test(order, a_ticket_is_of_one_run);
  TCase *room = inner_case(suite, "room");
  tcase_add_test(room, a_full_queue_takes_no_new_key);
  tcase_add_test(room, the_oldest_idle_key_gives_way);
}

int main(int argc, char **argv) {
  Suite *suite = suite_create("lifecycle");
  add_states(suite);
  TCase *told = inner_case(suite, "who is told");
  tcase_add_test(told, one_ready_key_wakes_the_newest_sleeper);
  tcase_add_test(told, what_makes_no_key_ready_wakes_nobody);
  tcase_add_test(told, each_way_to_become_ready_wakes_one);
  tcase_add_test(told, nobody_is_told_while_the_queue_is_paused);
  tcase_add_test(told, nobody_is_told_of_a_key_that_the_handle_takes_itself);
  tcase_add_test(told, an_earlier_delay_wakes_the_leader);
  tcase_add_test(told, room_is_told_when_a_key_is_gone_or_idle);
  tcase_add_test(told, a_drain_is_told_when_nothing_is_left);
  TCase *time = inner_case(suite, "time");
  tcase_add_test(time, what_is_due_becomes_ready_or_dirty);
  tcase_add_test(time, what_is_due_is_ready_in_order);
  tcase_add_test(time, many_due_at_a_time_come_in_portions);
  tcase_add_test(time, a_promotion_that_fails_changes_nothing);
  tcase_add_test(time, counts_end_at_their_largest);
  return inner_main(argc, argv, suite);
}
