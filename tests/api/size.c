/*
 * The public API: which bytes a key may have and how many, and how a queue grows.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_api.h"

static unsigned char longest[WORKQ_KEY_MAX + 1];

static void take_bytes(const void *bytes, size_t len) {
  workq_item item;
  ok(workq_get(q, &item, 0));
  ck_assert_uint_eq(item.key_len, len);
  ck_assert_mem_eq(item.key, bytes, len);
  ck_assert_int_eq(workq_done(q, &item), 0);
}

START_TEST(every_byte_is_a_key) {
  create();
  for (int byte = 0; byte < 256; byte++) {
    unsigned char key = (unsigned char)byte;
    ck_assert_int_eq(workq_add(q, &key, 1), 1);
    ck_assert_int_eq(workq_add(q, &key, 1), 0);
  }
  ck_assert_int_eq(workq_len(q), 256);
  for (int byte = 0; byte < 256; byte++) take_bytes(&(unsigned char){(unsigned char)byte}, 1);
}
END_TEST

START_TEST(nul_and_newline_are_bytes_like_others) {
  create();
  static const workq_key keys[] = {{"a", 1},    {"a\0", 2}, {"a\0b", 3}, {"a\0c", 3}, {"\0", 1},
                                   {"\0\0", 2}, {"\n", 1},  {"a\n", 2},  {"a\nb", 3}};
  enum { KEYS = sizeof keys / sizeof *keys };
  size_t marked;
  ck_assert_int_eq(workq_add_batch(q, keys, KEYS, NULL, &marked), KEYS);
  ck_assert_uint_eq(marked, KEYS);
  for (int i = 0; i < KEYS; i++) {
    workq_info info;
    ck_assert_int_eq(workq_state(q, keys[i].data, keys[i].len, &info), WORKQ_STATE_READY);
    ck_assert_uint_eq(info.key_len, keys[i].len);
    ck_assert_mem_eq(info.key, keys[i].data, keys[i].len);
  }
  for (int i = 0; i < KEYS; i++) take_bytes(keys[i].data, keys[i].len);
}
END_TEST

/* key_max of the first, the last, and those about the boundaries of a line. */
static const uint32_t key_maxima[] = {1, 2, 63, 64, 65, 127, 128, 129, 4096, WORKQ_KEY_MAX - 1, WORKQ_KEY_MAX};

START_TEST(a_key_has_at_most_key_max_bytes) {
  uint32_t key_max = key_maxima[_i];
  options.key_max = key_max;
  options.capacity = 4;
  create();
  for (uint32_t i = 0; i <= key_max; i++) longest[i] = (unsigned char)(i * 7);
  ck_assert_int_eq(workq_add(q, longest, key_max + 1), -EMSGSIZE);
  ck_assert_int_eq(workq_add(q, longest, SIZE_MAX), -EMSGSIZE);
  ck_assert_int_eq(workq_add(q, longest, key_max), 1);
  ck_assert_int_eq(workq_add(q, longest, key_max), 0);
  unsigned char last = longest[key_max - 1];
  longest[key_max - 1] = (unsigned char)(last + 1); /* a key that differs in the last byte */
  ck_assert_int_eq(workq_add(q, longest, key_max), 1);
  ck_assert_int_eq(workq_len(q), 2);
  assert_sound(q);
  longest[key_max - 1] = last;
  workq_info info;
  ck_assert_int_eq(workq_state(q, longest, key_max, &info), WORKQ_STATE_READY);
  ck_assert_mem_eq(info.key, longest, key_max);
  take_bytes(longest, key_max);
}
END_TEST

static int count_long(void *arg, const workq_info *info) {
  ck_assert_uint_eq(info->key_len, WORKQ_KEY_MAX);
  ++*(int *)arg;
  return 0;
}

START_TEST(many_of_the_longest_keys_can_be_iterated) {
  options.key_max = WORKQ_KEY_MAX;
  options.capacity = 100;
  create();
  for (int i = 0; i < 100; i++) {
    memcpy(longest, &i, sizeof i);
    ck_assert_int_eq(workq_add(q, longest, WORKQ_KEY_MAX), 1);
  }
  int visited = 0;
  ck_assert_int_eq(workq_iterate(q, count_long, &visited), 0);
  ck_assert_int_eq(visited, 100);
}
END_TEST

START_TEST(a_queue_of_one_key_works) {
  /* The test's clock: the retried key must not become due by itself. */
  options = (workq_options){
      .capacity = 1, .key_max = 1, .handles = 1, .clock = options.clock, .clock_arg = options.clock_arg};
  create();
  for (int i = 0; i < 100; i++) {
    ck_assert_int_eq(add("a"), 1);
    ck_assert_int_eq(workq_add(q, "b", 1), -ENOSPC);
    retry("a");
    ck_assert_int_eq(add("a"), 1);
    finish("a");
    ck_assert_int_eq(workq_forget(q, "a", 1), 1);
  }
}
END_TEST

START_TEST(the_most_handles_work) {
  options.handles = WORKQ_HANDLES_MAX;
  create();
  ck_assert_uint_eq(stats().handles, WORKQ_HANDLES_MAX);
  add("a");
  die_with("a");
  ck_assert_int_eq(workq_reap(q), 1);
}
END_TEST

/* ---- Growth ---- */

#ifdef WORKQ_JOURNAL_CHECK
enum { GROWN = 5000 }; /* each commit is compared with a copy of the whole segment */
#else
enum { GROWN = 100000 };
#endif

START_TEST(a_small_queue_stays_small_whatever_its_capacity) {
  options.capacity = 10 * 1000 * 1000;
  create();
  for (int i = 0; i < 100; i++) {
    char key[16];
    snprintf(key, sizeof key, "%d", i);
    add(key);
    add_after("late", S);
  }
  ck_assert_uint_lt(stats().committed, 1 << 20);
  ck_assert_uint_gt(stats().size, UINT64_C(3) << 30);
}
END_TEST

START_TEST(a_queue_grows_to_many_keys) {
  create();
  uint64_t at_first = stats().committed;
  ck_assert_uint_lt(at_first, 512 << 10);
  char key[16];
  for (int i = 0; i < GROWN; i++) {
    int len = snprintf(key, sizeof key, "%d", i);
    ck_assert_int_eq(workq_add(q, key, (size_t)len), 1);
  }
  ck_assert_int_eq(workq_len(q), GROWN);
  uint64_t grown = stats().committed;
  ck_assert_uint_gt(grown, (uint64_t)GROWN * 320);
  ck_assert_uint_lt(grown, (uint64_t)GROWN * 320 * 2);
  assert_sound(q);
  for (int i = 0; i < GROWN; i += 97) {
    snprintf(key, sizeof key, "%d", i);
    ck_assert_int_eq(state_of(key), WORKQ_STATE_READY);
  }
  for (int i = 0; i < GROWN; i++) {
    snprintf(key, sizeof key, "%d", i);
    finish(key);
  }
  assert_ready("");
  for (int i = 0; i < GROWN; i++) { /* what it has grown to is used again */
    int len = snprintf(key, sizeof key, "again %d", i);
    ck_assert_int_eq(workq_add(q, key, (size_t)len), 1);
  }
  ck_assert_uint_eq(stats().committed, grown);
}
END_TEST

START_TEST(the_heap_grows_to_many_delayed_keys) {
  create();
  char key[16];
  for (int i = 0; i < GROWN; i++) {
    int len = snprintf(key, sizeof key, "%d", i);
    ck_assert_int_eq(workq_add_after(q, key, (size_t)len, (GROWN - i) * US), 1);
  }
  ck_assert_uint_eq(stats().delayed, GROWN);
  assert_sound(q);
  pass(GROWN * US);
  for (int i = GROWN - 1; i >= 0; i--) {
    snprintf(key, sizeof key, "%d", i);
    finish(key);
  }
  assert_ready("");
}
END_TEST

START_TEST(growth_is_seen_by_handles_that_were_there_before) {
  create();
  workq *other = open_again();
  pid_t child = process_fork();
  if (child == 0) {
    char key[16];
    for (int i = 0; i < GROWN / 10; i++) {
      int len = snprintf(key, sizeof key, "%d", i);
      ck_assert_int_eq(workq_add(q, key, (size_t)len), 1);
    }
    ok(workq_close(q));
    process_done();
  }
  process_join(child);
  char key[16];
  for (int i = 0; i < GROWN / 10; i++) {
    snprintf(key, sizeof key, "%d", i);
    workq_item item = take_by(other, key);
    ck_assert_int_eq(workq_done(other, &item), 0);
  }
  ok(workq_close(other));
}
END_TEST

Suite *size_suite(void) {
  Suite *suite = suite_create("sizes");
  TCase *tcase = fixture_case(suite, "bytes");
  tcase_add_test(tcase, every_byte_is_a_key);
  tcase_add_test(tcase, nul_and_newline_are_bytes_like_others);
  tcase_add_loop_test(tcase, a_key_has_at_most_key_max_bytes, 0, (int)(sizeof key_maxima / sizeof *key_maxima));
  tcase_add_test(tcase, many_of_the_longest_keys_can_be_iterated);
  tcase_add_test(tcase, a_queue_of_one_key_works);
  tcase_add_test(tcase, the_most_handles_work);

  tcase = fixture_case_with(suite, "growth of the file", ENGINE_FILE);
  tcase_add_test(tcase, a_small_queue_stays_small_whatever_its_capacity);
  tcase_add_test(tcase, a_queue_grows_to_many_keys);

  tcase = fixture_case(suite, "growth");
  tcase_add_test(tcase, the_heap_grows_to_many_delayed_keys);
  tcase_add_test(tcase, growth_is_seen_by_handles_that_were_there_before);
  return suite;
}
