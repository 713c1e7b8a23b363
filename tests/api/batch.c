/*
 * The public API: batches.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_api.h"

#include <limits.h>
#include <pthread.h>

#include "support/in_lock.h"

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
  pid_t child = process_fork();
  if (child == 0) {
    workq *own = open_again();
    ck_assert_int_eq(workq_get_batch(own, items, 2, WORKQ_FOREVER), 1);
    ck_assert_int_eq(workq_done_batch(own, items, 1), 1);
    process_done();
  }
  await_waiting(1, 1);
  add("a");
  process_join(child);
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

/* ---- What a short result says ---- */

/* A clock that is read once in each hold of the lock, just before.  At its second reading somebody takes the lock and is
 * stopped. */
static int readings = 2;
static pid_t holder;

static int64_t clock_that_stops_a_holder(void *arg) {
  if (++readings == 2) holder = fork_stopped_inside();
  return fixture_clock(arg);
}

/* Opens the handle that gives up soon where the lock is not to be had, and whose clock that is. */
static workq *open_impatient(void) {
  const workq_options before = options;
  options.clock = clock_that_stops_a_holder;
  options.lock_timeout_ns = 1;
  workq *handle = open_again();
  options = before;
  return handle;
}

static void let_go(void) {
  process_resume(holder);
  process_join(holder);
}

enum { CHUNK = 64, SOME = 100 }; /* keys under one hold of the lock; of a batch that needs two */

START_TEST(add_batch_that_times_out_has_refused_no_key) {
  create();
  make_keys();
  workq *own = open_impatient();
  size_t marked = 0;
  readings = 0;
  ck_assert_int_eq(workq_add_batch(own, keys, SOME, NULL, &marked), CHUNK);
  ck_assert_uint_eq(marked, CHUNK);
  ck_assert_int_eq(workq_add_batch(own, keys + CHUNK, SOME - CHUNK, NULL, &marked), -ETIMEDOUT);
  ck_assert_int_eq(workq_lock_owner(own), holder);
  let_go();
  ck_assert_int_eq(workq_add_batch(own, keys + CHUNK, SOME - CHUNK, NULL, &marked), SOME - CHUNK);
  ck_assert_uint_eq(marked, SOME - CHUNK);
  ck_assert_uint_eq(stats().ready, SOME);
  ok(workq_close(own));
}
END_TEST

START_TEST(get_batch_that_times_out_leaves_the_other_keys_ready) {
  create();
  make_keys();
  ok(workq_add_batch(q, keys, SOME, NULL, NULL));
  workq *own = open_impatient();
  readings = 0;
  ck_assert_int_eq(workq_get_batch(own, items, SOME, WORKQ_FOREVER), CHUNK);
  ck_assert_int_eq(workq_get_batch(own, items + CHUNK, SOME - CHUNK, WORKQ_FOREVER), -ETIMEDOUT);
  ck_assert_int_eq(workq_lock_owner(own), holder);
  let_go();
  ck_assert_int_eq(workq_get_batch(own, items + CHUNK, SOME - CHUNK, WORKQ_FOREVER), SOME - CHUNK);
  ck_assert_int_eq(workq_done_batch(own, items, SOME), SOME);
  ok(workq_close(own));
}
END_TEST

START_TEST(done_batch_that_times_out_leaves_the_other_items_in_hand) {
  create();
  make_keys();
  ok(workq_add_batch(q, keys, SOME, NULL, NULL));
  workq *own = open_impatient();
  ck_assert_int_eq(workq_get_batch(own, items, CHUNK, 0), CHUNK);
  readings = 2;
  ck_assert_int_eq(workq_get_batch(own, items + CHUNK, SOME - CHUNK, 0), SOME - CHUNK);
  readings = 0;
  ck_assert_int_eq(workq_done_batch(own, items, SOME), CHUNK);
  ck_assert_int_eq(workq_done_batch(own, items + CHUNK, SOME - CHUNK), -ETIMEDOUT);
  ck_assert_int_eq(workq_lock_owner(own), holder);
  let_go();
  ck_assert_uint_eq(stats().processing, SOME - CHUNK);
  ck_assert_int_eq(workq_done(own, &items[CHUNK]), 0); /* it was not stale */
  ck_assert_int_eq(workq_done_batch(own, items + CHUNK, SOME - CHUNK), -ESTALE);
  ck_assert_int_eq(workq_done_batch(own, items + CHUNK + 1, SOME - CHUNK - 1), SOME - CHUNK - 1);
  ck_assert_uint_eq(stats().processing, 0);
  ok(workq_close(own));
}
END_TEST

/* As the header says. */
static int finish_all(workq *handle, const workq_item *from, size_t n, size_t *skipped) {
  for (size_t done = 0; done < n;) {
    int rc = workq_done_batch(handle, from + done, n - done);
    if (rc == -ESTALE) {
      (*skipped)++;
      rc = 1;
    }
    if (rc < 0) return rc;
    done += (size_t)rc;
  }
  return 0;
}

START_TEST(items_that_are_stale_are_skipped_and_no_other) {
  create();
  make_keys();
  ok(workq_add_batch(q, keys, MANY, NULL, NULL));
  ck_assert_int_eq(workq_get_batch(q, items, MANY, 0), MANY);
  uint64_t random = random_seed(NULL);
  size_t stale = 0, skipped = 0;
  for (int i = 0; i < MANY; i++) {
    if (random_below(&random, 10)) continue;
    ok(workq_done(q, &items[i]));
    stale++;
  }
  ck_assert_int_eq(finish_all(q, items, MANY, &skipped), 0);
  ck_assert_uint_eq(skipped, stale);
  ck_assert_uint_eq(stats().keys, 0);
  ck_assert_uint_eq(stats().dones, MANY);
}
END_TEST

static void *use_from_another_thread(void *item) {
  ck_assert_int_eq(workq_done_batch(q, item, 1), -ESTALE);
  ck_assert_int_eq(workq_len(q), -ESTALE); /* the handle's */
  return NULL;
}

/* -ESTALE of an item and of the handle: a call that takes no item tells which. */
START_TEST(a_stale_item_and_a_stale_handle_are_told_apart) {
  create();
  add("a");
  workq_item item = take("a");
  ok(workq_done(q, &item));
  ck_assert_int_eq(workq_done_batch(q, &item, 1), -ESTALE);
  ck_assert_int_eq(workq_len(q), 0); /* the item's */
  add("b");
  item = take("b");
  pthread_t thread;
  ck_assert_int_eq(pthread_create(&thread, NULL, use_from_another_thread, &item), 0);
  ck_assert_int_eq(pthread_join(thread, NULL), 0);
  ck_assert_int_eq(workq_done_batch(q, &item, 1), 1);
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

  tcase = fixture_case_with(suite, "what a short result says, of the lock", ENGINE_LOCK);
  tcase_add_test(tcase, add_batch_that_times_out_has_refused_no_key);
  tcase_add_test(tcase, get_batch_that_times_out_leaves_the_other_keys_ready);
  tcase_add_test(tcase, done_batch_that_times_out_leaves_the_other_items_in_hand);

  tcase = fixture_case(suite, "what a short result says");
  tcase_add_test(tcase, items_that_are_stale_are_skipped_and_no_other);
  tcase_add_test(tcase, a_stale_item_and_a_stale_handle_are_told_apart);
  return suite;
}
