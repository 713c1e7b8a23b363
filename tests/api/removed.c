/*
 * The public API: a queue that is removed while it is used.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_api.h"

/* Removes the test's queue; as another program would, which tells nobody: _i is 1. */
static void remove_queue(int silently) {
  if (silently) ck_assert_int_eq(unlink(engine_path(name)), 0);
  else ok(workq_unlink(name));
}

/* Tries until the answer is this one; only a hang needs so many tries. */
static void await_answer(int expected, int (*call)(void)) {
  for (int tries = 0; tries < 60000 && call() != expected; tries++) usleep(1000);
  ck_assert_int_eq(call(), expected);
}

static int add_one(void) {
  static unsigned number;
  char key[16];
  int len = snprintf(key, sizeof key, "%u", number++ % 1000);
  return workq_add(q, key, (size_t)len);
}

static int get_one(void) {
  workq_item item;
  int rc = workq_get(q, &item, 0);
  if (rc == 0) ok(workq_done(q, &item));
  return rc;
}

/* Every call that takes keys in or hands them out. */
static void assert_closed(void) {
  workq_item items[2];
  size_t marked = 1;
  const workq_info info = {.key = "k", .key_len = 1, .state = WORKQ_STATE_READY, .due_in_ns = -1};
  ck_assert_int_eq(workq_add(q, "k", 1), -EIDRM);
  ck_assert_int_eq(workq_add_after(q, "k", 1, S), -EIDRM);
  ck_assert_int_eq(workq_add_rate_limited(q, "k", 1), -EIDRM);
  ck_assert_int_eq(workq_add_opts(q, "k", 1, NULL), -EIDRM);
  ck_assert_int_eq(workq_add_wait(q, "k", 1, WORKQ_FOREVER), -EIDRM);
  ck_assert_int_eq(workq_add_batch(q, &(workq_key){"k", 1}, 1, NULL, &marked), -EIDRM);
  ck_assert_uint_eq(marked, 0);
  ck_assert_int_eq(workq_restore(q, &info), -EIDRM);
  ck_assert_int_eq(workq_get(q, items, 0), -EIDRM);
  ck_assert_int_eq(workq_get(q, items, WORKQ_FOREVER), -EIDRM);
  ck_assert_int_eq(workq_get_batch(q, items, 2, WORKQ_FOREVER), -EIDRM);
  ck_assert_int_eq(workq_shutdown_drain(q, WORKQ_FOREVER), -EIDRM);
  ck_assert_int_eq(workq_add(q, "k", 1), -EIDRM); /* not -ESHUTDOWN */
  ck_assert_int_eq(state_of("k"), -ENOENT);
}

static int count(void *arg, const workq_info *info) {
  (void)info;
  ++*(int *)arg;
  return 0;
}

START_TEST(no_key_goes_in_or_out_and_those_in_flight_can_be_finished) {
  create();
  for (int i = 0; i < 9; i++) add((const char *const[]){"a", "b", "c", "d", "e", "f", "g", "h", "i"}[i]);
  workq_item items[7];
  ck_assert_int_eq(workq_get_batch(q, items, 7, 0), 7);
  ok(workq_unlink(name));
  assert_closed();

  ck_assert_int_eq(workq_done(q, &items[0]), 0);
  ck_assert_int_eq(workq_complete(q, &items[1]), 0);
  ck_assert_int_eq(workq_retry(q, &items[2]), 1);
  ck_assert_int_eq(workq_give_up(q, &items[3]), 0);
  ck_assert_int_eq(workq_release(q, &items[4]), 0);
  ck_assert_int_eq(workq_done_key(q, "f", 1), 0);
  ck_assert_int_eq(workq_next(q, &items[6], WORKQ_FOREVER), -EIDRM);
  ck_assert_ptr_null(items[6].key);

  ck_assert_int_eq(workq_len(q), 3); /* e, h, i */
  ck_assert_int_eq(state_of("c"), WORKQ_STATE_DELAYED);
  ck_assert_int_eq(state_of("d"), WORKQ_STATE_BURIED);
  ck_assert_uint_eq(stats().processing, 0);
  ck_assert_int_eq(workq_peek(q, NULL), 1);
  ck_assert_int_eq(workq_kick(q, "d", 1), 1);
  ck_assert_int_eq(workq_remove(q, "h", 1), 1);
  int keys = 0;
  ck_assert_int_eq(workq_iterate(q, count, &keys), 0);
  ck_assert_int_eq(keys, 4); /* c, d, e, i */
  ck_assert_int_eq(workq_pause(q), 1);
  ck_assert_int_eq(workq_unpause(q), 1);
  ok(workq_reap(q));
  assert_sound(q);
  ok(workq_close(q));
  q = NULL;
}
END_TEST

START_TEST(a_copy_and_a_reader_do_not_mind) {
  create();
  add("a");
  workq *raw, *copy;
  options.flags = WORKQ_RAW;
  ok(workq_open(name, &options, &raw));
  ok(workq_unlink(name));
  ck_assert_int_eq(workq_len(raw), 1);
  ok(workq_snapshot(q, &copy));
  int keys = 0;
  ck_assert_int_eq(workq_iterate_order(copy, count, &keys), 0);
  ck_assert_int_eq(keys, 1);
  ok(workq_close(copy));
  ok(workq_close(raw));
  ok(workq_close(q));
  q = NULL;
}
END_TEST

/* 0 and 1: by workq_unlink() and by unlink(2); and 2 more for a queue without metrics, whose calls read no clock. */
START_TEST(adds_notice) {
  options = (workq_options){.no_metrics = _i >= 2};
  create();
  ok(add_one());
  remove_queue(_i % 2);
  await_answer(-EIDRM, add_one);
  assert_closed();
  ok(workq_close(q));
  q = NULL;
}
END_TEST

START_TEST(gets_notice) {
  options = (workq_options){.no_metrics = _i >= 2};
  create();
  remove_queue(_i % 2);
  await_answer(-EIDRM, get_one);
  assert_closed();
  ok(workq_close(q));
  q = NULL;
}
END_TEST

/* All that wait, and more of them than wake at each tick. */
START_TEST(all_waits_end) {
  enum { GETTERS = 20, ADDERS = 3 };
  pid_t children[GETTERS + ADDERS];
  unsigned n = 0;
  options = (workq_options){.capacity = 1};
  create();
  add("a");
  workq_item item = take("a");
  for (; n < GETTERS + ADDERS; n++) {
    children[n] = process_fork();
    if (children[n] > 0) continue;
    workq *own = open_again();
    workq_item other;
    if (n < GETTERS) ck_assert_int_eq(workq_get(own, &other, WORKQ_FOREVER), -EIDRM);
    else ck_assert_int_eq(workq_add_wait(own, "b", 1, WORKQ_FOREVER), -EIDRM);
    ok(workq_close(own));
    process_done();
  }
  await_waiting(1, GETTERS);
  await_waiting(2, ADDERS);
  remove_queue(_i);
  for (unsigned i = 0; i < n; i++) process_join(children[i]);
  ck_assert_int_eq(workq_done(q, &item), 0);
  assert_sound(q);
  ok(workq_close(q));
  q = NULL;
}
END_TEST

START_TEST(a_drain_ends) {
  options = (workq_options){0};
  create();
  add("a");
  workq_item item = take("a");
  pid_t child = process_fork();
  if (child == 0) {
    workq *own = open_again();
    ck_assert_int_eq(workq_shutdown_drain(own, WORKQ_FOREVER), -EIDRM);
    ok(workq_close(own));
    process_done();
  }
  await_waiting(3, 1);
  remove_queue(_i);
  process_join(child);
  ck_assert_int_eq(workq_done(q, &item), 0);
  ok(workq_close(q));
  q = NULL;
}
END_TEST

START_TEST(the_error_has_words) {
  ck_assert_str_eq(workq_strerror(-EIDRM), "the queue was removed while it was in use");
}
END_TEST

static int never(workq *own, const workq_item *item, unsigned worker, void *arg) {
  (void)own;
  (void)item;
  (void)worker;
  (void)arg;
  return WORKQ_OK;
}

/* The last of its workers removes the queue. */
static int remove_in_last(workq *own, unsigned worker, void *arg) {
  (void)own;
  (void)arg;
  return worker == 2 ? workq_unlink(name) : 0;
}

START_TEST(a_pool_ends) {
  options = (workq_options){0};
  create();
  const workq_pool pool = {.workers = 3, .worker_start = remove_in_last};
  ck_assert_int_eq(workq_run(q, &pool, never), -EIDRM);
  ok(workq_close(q));
  q = NULL;
}
END_TEST

Suite *removed_suite(void) {
  Suite *suite = suite_create("removed while in use");
  TCase *tcase = fixture_case(suite, "by workq_unlink");
  tcase_add_test(tcase, no_key_goes_in_or_out_and_those_in_flight_can_be_finished);
  tcase_add_test(tcase, the_error_has_words);
  tcase_add_test(tcase, a_pool_ends);
  tcase = fixture_case_with(suite, "read only", ENGINE_READ_ONLY);
  tcase_add_test(tcase, a_copy_and_a_reader_do_not_mind);
  tcase = fixture_case_with(suite, "by others", ENGINE_FILE);
  tcase_add_loop_test(tcase, adds_notice, 0, 4);
  tcase_add_loop_test(tcase, gets_notice, 0, 4);
  tcase_add_loop_test(tcase, all_waits_end, 0, 2);
  tcase_add_loop_test(tcase, a_drain_ends, 0, 2);
  return suite;
}
