/*
 * Times of a damaged queue.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "shm/handle.h"

#include "support/measured.h"

static int note_own_worker(void *arg, const workq_worker *worker) {
  if (worker->self) *(workq_worker *)arg = *worker;
  return 0;
}

static int note_info(void *arg, const workq_info *info) {
  *(workq_info *)arg = *info;
  return 0;
}

START_TEST(no_damage_makes_a_time_negative) {
  create();
  workq_info info;
  workq_worker worker;
  add("a");
  workq_item item = next();
  add_after("a", 10 * S);
  struct item *record = item_at(q, (uint32_t)(item.ticket >> 32));
  record->since_ns = record->run_ns = q->slot->attachment.since_ns = INT64_MIN;
  ok(workq_iterate(q, note_info, &info));
  ck_assert_int_ge(info.waiting_ns, 0);
  ck_assert_int_ge(info.running_ns, 0);
  workq_iterate_workers(q, note_own_worker, &worker);
  ck_assert_int_ge(worker.age_ns, 0);
  ck_assert_int_ge(worker.running_ns, 0);
  ck_assert_int_ge(look()->longest_ns, 0);
  ck_assert_int_eq(workq_shutdown(q), 0); /* it stays delayed */
  q->heap[HEAP_FIRST].due_ns = INT64_MIN + 1;
  ok(workq_iterate(q, note_info, &info));
  ck_assert_int_eq(info.due_in_ns, 0);
  ck_assert_int_eq(look()->next_due_in_ns, 0);
  ok(workq_resume(q));
  ok(workq_done(q, &item));
  look();
  ck_assert_uint_eq(seen.delay_time.count, 1);
  ck_assert_int_ge((int64_t)seen.queue_time.sum_ns, 0);
}
END_TEST

static Suite *times_suite(void) {
  Suite *suite = suite_create("times");
  TCase *tcase = fixture_case(suite, "damage");
  tcase_add_test(tcase, no_damage_makes_a_time_negative);
  return suite;
}

int main(void) {
  static suite_maker *const suites[] = {times_suite};
  return fixture_run("check-times", suites, 1);
}
