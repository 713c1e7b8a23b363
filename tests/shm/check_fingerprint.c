/*
 * The fingerprint: what must be equal in all processes that share a segment, and the words for what is not.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "shm/fingerprint.h"

#include <string.h>
#include <unistd.h>

#include "support/inner.h"

static struct fingerprint here, there;
static char words[256];

/* Compares *there with *here; what words say of a difference. */
static const char *told(void) {
  memset(words, '#', sizeof words);
  int differs = fingerprint_differs(&there, &here, words, sizeof words);
  ck_assert_ptr_nonnull(memchr(words, '\0', sizeof words));
  ck_assert_int_eq(differs, words[0] != '\0');
  return words;
}

static void start(void) {
  fingerprint_read(&here);
  there = here;
}

START_TEST(this_process_is_told) {
  start();
  ck_assert_uint_eq(here.word_size, sizeof(void *));
  ck_assert_uint_eq(here.byte_order, 0x01020304);
  ck_assert_uint_eq(here.page_size, (uint32_t)sysconf(_SC_PAGESIZE));
  ck_assert_uint_eq(here.mutex_size, sizeof(pthread_mutex_t));
#ifdef __GLIBC__
  ck_assert_uint_eq(here.libc, 1);
#else
  ck_assert_uint_eq(here.libc, 2);
#endif
  if (access("/proc/self/ns/pid", F_OK) == 0) ck_assert_uint_ne(here.pid_namespace, 0);
  if (access("/proc/sys/kernel/random/boot_id", R_OK) == 0) ck_assert_uint_eq(strlen(here.boot_id), 36);
}
END_TEST

START_TEST(unused_bytes_are_zero) {
  struct fingerprint again;
  memset(&here, 0x5a, sizeof here);
  memset(&again, 0xa5, sizeof again);
  fingerprint_read(&here);
  fingerprint_read(&again);
  ck_assert_mem_eq(&here, &again, sizeof here);
  ck_assert_uint_eq(here.reserved, 0);
}
END_TEST

START_TEST(equal_ones_do_not_differ) {
  start();
  ck_assert_str_eq(told(), "");
  ck_assert_int_eq(fingerprint_differs(&there, &here, NULL, 0), 0);
}
END_TEST

START_TEST(each_field_is_compared_and_named) {
  char expected[256];
  start();
  there.byte_order = 0x04030201;
  ck_assert_str_eq(told(), "the byte order differs");
  there = here;
  there.libc = 3 - here.libc;
  snprintf(expected, sizeof expected, "the C library is %s there and %s here",
           there.libc == 1 ? "glibc" : "musl or another", here.libc == 1 ? "glibc" : "musl or another");
  ck_assert_str_eq(told(), expected);
  there.libc = 77;
  ck_assert_ptr_nonnull(strstr(told(), "is unknown there"));
  there = here;
  there.word_size = 2;
  snprintf(expected, sizeof expected, "the word size is 2 there and %zu here", sizeof(void *));
  ck_assert_str_eq(told(), expected);
  there = here;
  there.page_size = 12345;
  snprintf(expected, sizeof expected, "the page size is 12345 there and %u here", here.page_size);
  ck_assert_str_eq(told(), expected);
  there = here;
  there.mutex_size++;
  snprintf(expected, sizeof expected, "sizeof(pthread_mutex_t) is %u there and %u here", there.mutex_size,
           here.mutex_size);
  ck_assert_str_eq(told(), expected);
  there = here;
  there.pid_namespace = UINT64_MAX;
  snprintf(expected, sizeof expected, "the pid namespace is 18446744073709551615 there and %llu here",
           (unsigned long long)here.pid_namespace);
  ck_assert_str_eq(told(), expected);
  there = here;
  there.time_namespace ^= 1;
  snprintf(expected, sizeof expected, "the time namespace is %llu there and %llu here",
           (unsigned long long)there.time_namespace, (unsigned long long)here.time_namespace);
  ck_assert_str_eq(told(), expected);
  there = here;
  strcpy(there.boot_id, "another");
  snprintf(expected, sizeof expected, "the boot id is another there and %s here", here.boot_id);
  ck_assert_str_eq(told(), expected);
}
END_TEST

START_TEST(without_a_buffer_it_differs_all_the_same) {
  start();
  struct fingerprint each[8];
  for (int i = 0; i < 8; i++) each[i] = here;
  each[0].byte_order = 0;
  each[1].libc = 0;
  each[2].word_size = 0;
  each[3].page_size = 0;
  each[4].mutex_size = 0;
  each[5].boot_id[0] = '!';
  each[6].pid_namespace ^= 1;
  each[7].time_namespace ^= 1;
  for (int i = 0; i < 8; i++) ck_assert_int_eq(fingerprint_differs(&each[i], &here, NULL, 0), 1);
}
END_TEST

START_TEST(words_are_cut_to_the_buffer) {
  start();
  there.page_size = 12345;
  (void)told(); /* fills words */
  for (size_t size = 1; size < 64; size++) {
    char part[66];
    memset(part, '#', sizeof part);
    ck_assert_int_eq(fingerprint_differs(&there, &here, part, size), 1);
    ck_assert_uint_eq(strlen(part), strlen(words) < size ? strlen(words) : size - 1);
    ck_assert_int_eq(strncmp(part, words, strlen(part)), 0);
    for (size_t i = size; i < sizeof part; i++) ck_assert_int_eq(part[i], '#');
  }
}
END_TEST

START_TEST(a_boot_id_without_end_or_with_control_characters_is_harmless) {
  start();
  memset(there.boot_id, 'x', sizeof there.boot_id);
  memset(there.boot_id, '\x1b', 3);
  there.boot_id[3] = '\n';
  there.boot_id[4] = '\xff';
  const char *text = told();
  ck_assert_ptr_nonnull(strstr(text, "the boot id is ?????xxx"));
  for (const char *c = text; *c; c++) ck_assert(*c >= 0x20 && *c <= 0x7e);
}
END_TEST

START_TEST(what_makes_other_fields_unreadable_is_named_first) {
  start();
  memset(&there, 0xee, sizeof there);
  ck_assert_str_eq(told(), "the byte order differs");
  there.byte_order = here.byte_order;
  ck_assert_ptr_nonnull(strstr(told(), "the C library"));
}
END_TEST

int main(int argc, char **argv) {
  Suite *suite = suite_create("fingerprint");
  TCase *rules = inner_case(suite, "rules");
  tcase_add_test(rules, this_process_is_told);
  tcase_add_test(rules, unused_bytes_are_zero);
  tcase_add_test(rules, equal_ones_do_not_differ);
  tcase_add_test(rules, each_field_is_compared_and_named);
  tcase_add_test(rules, without_a_buffer_it_differs_all_the_same);
  tcase_add_test(rules, words_are_cut_to_the_buffer);
  tcase_add_test(rules, a_boot_id_without_end_or_with_control_characters_is_harmless);
  tcase_add_test(rules, what_makes_other_fields_unreadable_is_named_first);
  return inner_main(argc, argv, suite);
}
