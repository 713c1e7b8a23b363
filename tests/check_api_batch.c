/*
 * The public API: batches.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_api.h"

#include <limits.h>

enum { MANY = 1000 }; /* more than are taken under one hold of the lock */

static char texts[MANY][16];
static workq_key keys[MANY];
static workq_item items[MANY];

static void make_keys(void) {
  for (int i = 0; i < MANY; i++) {
    snprintf(texts[i], sizeof texts[i], "%d", i);
    keys[i] = (workq_key){texts[i], strlen(texts[i])};
  }
}

START_TEST(add_batch_adds_the_keys_in_order) {
  create();
  make_keys();
  size_t marked = 99;
  ck_assert_int_eq(workq_add_batch(q, keys, MANY, NULL, &marked), MANY);
  ck_assert_uint_eq(marked, MANY);
  for (int i = 0; i < MANY; i++) finish(texts[i]);
  assert_ready("");
}
END_TEST

START_TEST(add_batch_tells_how_many_were_newly_marked) {
  create();
  make_keys();
  size_t marked = 99;
  add("3");
  add("7");
  ck_assert_int_eq(workq_add_batch(q, keys, 10, NULL, &marked), 10);
  ck_assert_uint_eq(marked, 8);
  const workq_key twice[] = {{"twice", 5}, {"twice", 5}};
  ck_assert_int_eq(workq_add_batch(q, twice, 2, NULL, &marked), 2);
  ck_assert_uint_eq(marked, 1);
  ck_assert_int_eq(workq_add_batch(q, twice, 2, NULL, NULL), 2);
}
END_TEST

START_TEST(add_batch_takes_options_for_all) {
  create();
  make_keys();
  const workq_add_options high = {.priority = 5, .after_ns = S};
  add("last");
  ck_assert_int_eq(workq_add_batch(q, keys, 3, &high, NULL), 3);
  ck_assert_uint_eq(stats().delayed, 3);
  pass(S);
  assert_ready("0 1 2 last");
}
END_TEST

START_TEST(add_batch_stops_at_the_first_key_that_is_refused) {
  options.capacity = 100;
  create();
  make_keys();
  size_t marked;
  ck_assert_int_eq(workq_add_batch(q, keys, MANY, NULL, &marked), 100);
  ck_assert_uint_eq(marked, 100);
  ck_assert_int_eq(workq_add_batch(q, keys + 100, MANY - 100, NULL, &marked), -ENOSPC);
  ck_assert_uint_eq(marked, 0);
  keys[70].len = 0;
  ck_assert_int_eq(workq_add_batch(q, keys, 100, NULL, NULL), 70);
  ck_assert_int_eq(workq_add_batch(q, keys + 70, 30, NULL, NULL), -EINVAL);
  keys[70].len = 257;
  ck_assert_int_eq(workq_add_batch(q, keys, 100, NULL, NULL), 70);
  ck_assert_int_eq(workq_add_batch(q, keys + 70, 30, NULL, NULL), -EMSGSIZE);
}
END_TEST

START_TEST(add_batch_refuses_no_keys_and_too_many) {
  create();
  make_keys();
  size_t marked = 99;
  ck_assert_int_eq(workq_add_batch(q, keys, 0, NULL, &marked), -EINVAL);
  ck_assert_uint_eq(marked, 0);
  ck_assert_int_eq(workq_add_batch(q, keys, (size_t)INT_MAX + 1, NULL, NULL), -EINVAL);
  ck_assert_int_eq(workq_add_batch(q, keys, 1, &(workq_add_options){.priority = 128}, NULL), -EINVAL);
  ck_assert_uint_eq(stats().keys, 0);
}
END_TEST

START_TEST(get_batch_takes_what_there_is) {
  create();
  make_keys();
  ck_assert_int_eq(workq_get_batch(q, items, MANY, 0), -ETIMEDOUT);
  ok(workq_add_batch(q, keys, MANY, NULL, NULL));
  ck_assert_int_eq(workq_get_batch(q, items, 300, WORKQ_FOREVER), 300);
  ck_assert_int_eq(workq_get_batch(q, items + 300, MANY, 0), MANY - 300);
  for (int i = 0; i < MANY; i++) ck_assert(is_key(items[i].key, items[i].key_len, texts[i]));
  ck_assert_uint_eq(stats().processing, MANY);
  ck_assert_int_eq(workq_done_batch(q, items, MANY), MANY);
}
END_TEST

START_TEST(get_batch_takes_the_highest_priority_first) {
  create();
  add("low");
  add_priority("high", 1);
  ck_assert_int_eq(workq_get_batch(q, items, 2, 0), 2);
  ck_assert(is_key(items[0].key, items[0].key_len, "high"));
  ck_assert(is_key(items[1].key, items[1].key_len, "low"));
}
END_TEST

START_TEST(get_batch_waits_for_the_first_key_only) {
  create();
  pid_t child = fork_child();
  if (child == 0) {
    workq *own = open_again();
    ck_assert_int_eq(workq_get_batch(own, items, 2, WORKQ_FOREVER), 1);
    ck_assert_int_eq(workq_done_batch(own, items, 1), 1);
    child_done();
  }
  await_waiting(1, 1);
  add("a");
  join_child(child);
  ck_assert_int_eq(state_of("a"), -ENOENT);
}
END_TEST

START_TEST(get_batch_after_shutdown) {
  create();
  add("a");
  ok(workq_shutdown(q));
  ck_assert_int_eq(workq_get_batch(q, items, 10, WORKQ_FOREVER), 1);
  ck_assert_int_eq(workq_get_batch(q, items, 10, WORKQ_FOREVER), -ESHUTDOWN);
}
END_TEST

START_TEST(get_batch_refuses_no_places_and_too_many) {
  create();
  add("a");
  ck_assert_int_eq(workq_get_batch(q, items, 0, 0), -EINVAL);
  ck_assert_int_eq(workq_get_batch(q, items, (size_t)INT_MAX + 1, 0), -EINVAL);
  assert_ready("a");
}
END_TEST

START_TEST(done_batch_stops_at_a_stale_item) {
  create();
  make_keys();
  ok(workq_add_batch(q, keys, MANY, NULL, NULL));
  ck_assert_int_eq(workq_get_batch(q, items, MANY, 0), MANY);
  static const int stale[] = {0, 1, 64, 70, 128, MANY - 1};
  for (size_t i = 0; i < sizeof stale / sizeof *stale; i++) ok(workq_done(q, &items[stale[i]]));
  int done = 0;
  for (size_t i = 0; i < sizeof stale / sizeof *stale; i++) {
    int n = stale[i] - done;
    ck_assert_int_eq(workq_done_batch(q, items + done, (size_t)(MANY - done)), n > 0 ? n : -ESTALE);
    done = stale[i] + 1;
  }
  ck_assert_int_eq(done, MANY);
  ck_assert_uint_eq(stats().keys, 0);
  ck_assert_int_eq(workq_done_batch(q, items, 0), -EINVAL);
  ck_assert_int_eq(workq_done_batch(q, items, (size_t)INT_MAX + 1), -EINVAL);
}
END_TEST

START_TEST(done_batch_makes_dirty_keys_ready) {
  create();
  make_keys();
  ok(workq_add_batch(q, keys, 3, NULL, NULL));
  ok(workq_get_batch(q, items, 3, 0));
  add("1");
  ck_assert_int_eq(workq_done_batch(q, items, 3), 3);
  assert_ready("1");
}
END_TEST

Suite *batch_suite(void) {
  Suite *suite = suite_create("batches");
  TCase *tcase = fixture_case(suite, "batches");
  tcase_add_test(tcase, add_batch_adds_the_keys_in_order);
  tcase_add_test(tcase, add_batch_tells_how_many_were_newly_marked);
  tcase_add_test(tcase, add_batch_takes_options_for_all);
  tcase_add_test(tcase, add_batch_stops_at_the_first_key_that_is_refused);
  tcase_add_test(tcase, add_batch_refuses_no_keys_and_too_many);
  tcase_add_test(tcase, get_batch_takes_what_there_is);
  tcase_add_test(tcase, get_batch_takes_the_highest_priority_first);
  tcase_add_test(tcase, get_batch_waits_for_the_first_key_only);
  tcase_add_test(tcase, get_batch_after_shutdown);
  tcase_add_test(tcase, get_batch_refuses_no_places_and_too_many);
  tcase_add_test(tcase, done_batch_stops_at_a_stale_item);
  tcase_add_test(tcase, done_batch_makes_dirty_keys_ready);
  return suite;
}
