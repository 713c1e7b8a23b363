/*
 * The public API: the errors that users meet, each under its own name; and what is refused.
 *
 * Those that need a foreign file under the segment's name are in check_segment, those that need another user, a full
 * /dev/shm or a namespace in check_owners and check_namespaces.  -ENFILE, the whole system's limit, cannot be provoked
 * without harm to others.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_api.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "support/calls.h"

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER 1
#endif
#endif

/* ---- Each row ---- */

START_TEST(no_such_segment_is_enoent) {
  char line[128] = "x";
  ck_assert_int_eq(workq_open(name, &options, &q), -ENOENT);
  ck_assert_int_eq(workq_open(name, NULL, &q), -ENOENT);
  ck_assert_ptr_null(q);
  ck_assert_int_eq(workq_unlink(name), -ENOENT);
  ck_assert_int_eq(workq_describe_mismatch(name, line, sizeof line), -ENOENT);
  ck_assert_str_eq(line, "");
}
END_TEST

START_TEST(a_segment_that_exists_already_is_eexist) {
  create();
  workq *other = NULL;
  add("a");
  ck_assert_int_eq(workq_create(name, &options, &other), -EEXIST);
  ck_assert_ptr_null(other);
  assert_ready("a");
}
END_TEST

START_TEST(an_empty_key_is_einval_and_one_too_long_is_emsgsize) {
  create();
  char longer[257] = {0};
  const struct {
    const void *key;
    size_t len;
    int rc;
  } wrong[] = {{"", 0, -EINVAL},
               {NULL, 0, -EINVAL},
               {NULL, 1, -EINVAL},
               {longer, sizeof longer, -EMSGSIZE},
               {longer, SIZE_MAX, -EMSGSIZE}};
  const workq_add_options waiting = {.wait_ns = WORKQ_FOREVER};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    const void *key = wrong[i].key;
    size_t len = wrong[i].len;
    ck_assert_int_eq(workq_add(q, key, len), wrong[i].rc);
    ck_assert_int_eq(workq_add_after(q, key, len, S), wrong[i].rc);
    ck_assert_int_eq(workq_add_rate_limited(q, key, len), wrong[i].rc);
    ck_assert_int_eq(workq_add_opts(q, key, len, NULL), wrong[i].rc);
    ck_assert_int_eq(workq_add_opts(q, key, len, &waiting), wrong[i].rc);
    ck_assert_int_eq(workq_add_wait(q, key, len, WORKQ_FOREVER), wrong[i].rc);
    ck_assert_int_eq(workq_add_batch(q, &(workq_key){key, len}, 1, NULL, NULL), wrong[i].rc);
    ck_assert_int_eq(workq_done_key(q, key, len), wrong[i].rc);
    ck_assert_int_eq(workq_forget(q, key, len), wrong[i].rc);
    ck_assert_int_eq(workq_num_requeues(q, key, len), wrong[i].rc);
    ck_assert_int_eq(workq_remove(q, key, len), wrong[i].rc);
    ck_assert_int_eq(workq_state(q, key, len, NULL), wrong[i].rc);
    if (key) ck_assert_int_eq(workq_kick(q, key, len), wrong[i].rc);
  }
  ck_assert_uint_eq(stats().keys, 0);
}
END_TEST

START_TEST(a_full_queue_is_enospc) {
  options.capacity = 1;
  create();
  add("a");
  ck_assert_int_eq(workq_add(q, "b", 1), -ENOSPC);
}
END_TEST

START_TEST(all_slots_taken_is_eusers) {
  options.handles = 1;
  create();
  workq *other = NULL;
  ck_assert_int_eq(workq_open(name, &options, &other), -EUSERS);
  ck_assert_int_eq(workq_open_or_create(name, &options, &other), -EUSERS);
  ck_assert_ptr_null(other);
}
END_TEST

START_TEST(shut_down_is_eshutdown) {
  create();
  ok(workq_shutdown(q));
  workq_item item;
  ck_assert_int_eq(workq_add(q, "a", 1), -ESHUTDOWN);
  ck_assert_int_eq(workq_get(q, &item, WORKQ_FOREVER), -ESHUTDOWN);
}
END_TEST

START_TEST(nothing_within_the_timeout_is_etimedout) {
  options.capacity = 1;
  create();
  workq_item item;
  ck_assert_int_eq(workq_get(q, &item, MS), -ETIMEDOUT);
  add("a");
  ck_assert_int_eq(workq_add_wait(q, "b", 1, MS), -ETIMEDOUT);
  ck_assert_int_eq(workq_shutdown_drain(q, MS), -ETIMEDOUT);
}
END_TEST

static void on_alarm(int number) {
  (void)number;
}

START_TEST(a_signal_handler_that_ran_is_eintr) {
  options.capacity = 1;
  create();
  workq_item item;
  struct sigaction action = {.sa_handler = on_alarm};
  ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
  const struct itimerval often = {.it_interval.tv_usec = 1000, .it_value.tv_usec = 1000};
  ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
  ck_assert_int_eq(workq_get(q, &item, WORKQ_FOREVER), -EINTR);
  add("a");
  ck_assert_int_eq(workq_add_wait(q, "b", 1, WORKQ_FOREVER), -EINTR);
  ck_assert_int_eq(workq_shutdown_drain(q, WORKQ_FOREVER), -EINTR);
  ck_assert_int_eq(setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL), 0);
}
END_TEST

START_TEST(an_item_that_is_no_longer_ours_is_estale) {
  create();
  add("a");
  workq_item item = take("a");
  ok(workq_release(q, &item));
  ck_assert_int_eq(workq_done(q, &item), -ESTALE);
}
END_TEST

/* Its byte of the file is free, and its descriptors may lead anywhere; but its thread lives. */
START_TEST(a_handle_whose_descriptor_was_closed_keeps_its_slot) {
  create();
  add("a");
  pid_t child = process_fork();
  if (child == 0) {
    workq *own = open_again();
    workq_item item = take_by(own, "a");
    for (int fd = 3; fd < 256; fd++) close(fd);
    shared->steps[0] = 1;
    await(&shared->steps[1], 1);
    if (workq_len(own) != 0 || workq_reap(own) != 0 || workq_done(own, &item) != 0) _exit(2);
    ck_assert_int_eq(workq_close(own), 0);
    process_done();
  }
  await(&shared->steps[0], 1);
  int found = workq_reap(q);
  shared->steps[1] = 1;
  process_join(child);
  ck_assert_int_eq(found, 0);
}
END_TEST

START_TEST(a_call_that_needs_more_than_a_raw_handle_is_ebadf) {
  create();
  add(CALLS_KEY);
  options.flags = WORKQ_RAW;
  workq *raw = open_again();
  for (size_t i = 0; i < calls_count; i++) {
    int rc = calls[i].run(raw);
    if (calls[i].raw) ck_assert_msg(rc >= 0, "%s: %d", calls[i].name, rc);
    else ck_assert_msg(rc == -EBADF, "%s: %d", calls[i].name, rc);
  }
  ck_assert_int_eq(workq_close(raw), 0);
  ck_assert_uint_eq(stats().attached, 1);
  assert_ready(CALLS_KEY);
}
END_TEST

/* ---- Names and options ---- */

static int all_by_name(const char *of_name) {
  workq *other = NULL;
  char line[8];
  int rc = workq_create(of_name, &options, &other);
  ck_assert_ptr_null(other);
  ck_assert_int_eq(workq_open(of_name, &options, &other), rc);
  ck_assert_int_eq(workq_open_or_create(of_name, &options, &other), rc);
  ck_assert_int_eq(workq_unlink(of_name), rc);
  ck_assert_int_eq(workq_describe_mismatch(of_name, line, sizeof line), rc);
  ck_assert_ptr_null(other);
  return rc;
}

START_TEST(a_bad_name_is_einval) {
  static const char *const bad[] = {NULL,     "",     ".",    "..",    "/",    "a/b",   "/a",     "../",
                                    "a/../b", "a\nb", "\x01", "a\x1f", "\x7f", "tab\t", "\x1b[2J"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) ck_assert_msg(all_by_name(bad[i]) == -EINVAL, "name %zu", i);
}
END_TEST

START_TEST(a_name_too_long_is_enametoolong) {
  char longer[WORKQ_NAME_MAX + 2];
  memset(longer, 'n', sizeof longer);
  longer[WORKQ_NAME_MAX + 1] = '\0';
  ck_assert_int_eq(all_by_name(longer), -ENAMETOOLONG);
  char *huge = calloc(1, 1 << 20);
  memset(huge, 'n', (1 << 20) - 1);
  ck_assert_int_eq(all_by_name(huge), -ENAMETOOLONG);
  free(huge);
}
END_TEST

START_TEST(odd_names_that_are_allowed_work) {
  /* The first part keeps it apart from others' names. */
  static const char *const odd[] = {" ", "...", "-rf", "a b", "\xff\xfe", "ü", "*", "%s%n", "'\"", "#", ".lck"};
  char base[sizeof name];
  memcpy(base, name, sizeof base);
  for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
    snprintf(name, sizeof name, "%.100s-%s", base, odd[i]);
    create();
    ck_assert_str_eq(stats().name, name);
    workq *other = open_again();
    ok(workq_close(other));
    ok(workq_close(q));
    ck_assert_int_eq(workq_unlink(name), 0);
    q = NULL;
  }
  size_t len = strlen(base);
  memset(base + len, 'n', WORKQ_NAME_MAX - len); /* the longest */
  base[WORKQ_NAME_MAX] = '\0';
  memcpy(name, base, sizeof name);
  create();
  ck_assert_str_eq(stats().name, base);
}
END_TEST

START_TEST(options_out_of_range_are_einval) {
  static const workq_options wrong[] = {
      {.capacity = WORKQ_CAPACITY_MAX + 1},
      {.capacity = UINT32_MAX},
      {.key_max = WORKQ_KEY_MAX + 1},
      {.key_max = UINT32_MAX},
      {.handles = WORKQ_HANDLES_MAX + 1},
      {.handles = UINT32_MAX},
      {.capacity = WORKQ_CAPACITY_MAX, .key_max = WORKQ_KEY_MAX}, /* each in range, the whole too large */
      {.mode = 01000},
      {.mode = 04600},
      {.max_retries = -2},
      {.max_retries = INT32_MIN},
      {.max_crashes = -2},
      {.crash_forget_ns = -2},
      {.crash_forget_ns = S - 1},
      {.give_up = 2},
      {.flags = 8},
      {.flags = WORKQ_RAW}, /* a raw handle can only be opened */
      {.reap_interval_ns = -1},
      {.reap_interval_ns = MS - 1},
      {.reap_interval_ns = WORKQ_REAP_INTERVAL_MAX + 1},
      {.reap_interval_ns = WORKQ_DURATION_MAX},
      {.reap_interval_ns = INT64_MAX},
      {.lock_timeout_ns = -2},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    ck_assert_msg(workq_create(name, &wrong[i], &q) == -EINVAL, "options %zu", i);
    ck_assert_ptr_null(q);
    ck_assert_msg(workq_open(name, NULL, &q) == -ENOENT, "options %zu", i);
  }
  create();
  static const workq_options wrong_open[] = {{.mode = 01000}, {.flags = 8}, {.lock_timeout_ns = -2}};
  for (size_t i = 0; i < sizeof wrong_open / sizeof *wrong_open; i++) {
    workq *other = NULL;
    ck_assert_msg(workq_open(name, &wrong_open[i], &other) == -EINVAL, "options %zu", i);
    ck_assert_ptr_null(other);
  }
}
END_TEST

START_TEST(options_of_creation_are_not_looked_at_by_open) {
  create();
  const workq_options strange = {.capacity = UINT32_MAX,
                                 .key_max = UINT32_MAX,
                                 .handles = UINT32_MAX,
                                 .limiter.kinds = 99,
                                 .max_retries = -5,
                                 .give_up = 7,
                                 .reap_interval_ns = -1};
  workq *other;
  ck_assert_int_eq(workq_open(name, &strange, &other), 0);
  ok(workq_close(other));
}
END_TEST

START_TEST(open_or_create_tells_which) {
  ck_assert_int_eq(workq_open_or_create(name, &options, &q), 1);
  workq *other;
  ck_assert_int_eq(workq_open_or_create(name, &options, &other), 0);
  add("a");
  ck_assert_int_eq(workq_len(other), 1);
  ok(workq_close(other));
}
END_TEST

/* ---- Limits of the process ---- */

static unsigned open_descriptors(void) {
  unsigned count = 0;
  DIR *dir = opendir("/proc/self/fd");
  ck_assert_ptr_nonnull(dir);
  while (readdir(dir)) count++;
  closedir(dir);
  return count;
}

START_TEST(too_many_open_files_is_emfile) {
  create();
  unsigned before = open_descriptors();
  struct rlimit limit;
  ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
  int lowest = dup(0);
  close(lowest);
  const struct rlimit none = {.rlim_cur = (rlim_t)lowest, .rlim_max = limit.rlim_max};
  ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
  workq *other = NULL;
  char another[sizeof name], line[8];
  fixture_name(another);
  int created = workq_create(another, &options, &other);
  int opened = workq_open(name, &options, &other);
  int described = workq_describe_mismatch(name, line, sizeof line);
  ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
  ck_assert_int_eq(created, -EMFILE);
  ck_assert_int_eq(opened, -EMFILE);
  ck_assert_int_eq(described, -EMFILE);
  ck_assert_ptr_null(other);
  ck_assert_int_eq(workq_open(another, &options, &other), -ENOENT);
  ck_assert_uint_eq(open_descriptors(), before);
  ck_assert_uint_eq(stats().attached, 1);
}
END_TEST

#ifndef ADDRESS_SANITIZER /* which needs all of the address space for itself */
START_TEST(too_little_address_space_is_enomem) {
  options.capacity = WORKQ_CAPACITY_MAX / 2; /* more than 10 GB to reserve */
  create();
  unsigned before = open_descriptors();
  struct rlimit limit;
  ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
  const struct rlimit some = {.rlim_cur = (rlim_t)stats().size + (256 << 20), .rlim_max = limit.rlim_max};
  ck_assert_int_eq(setrlimit(RLIMIT_AS, &some), 0);
  workq *other = NULL;
  char another[sizeof name];
  fixture_name(another);
  ck_assert_int_eq(workq_create(another, &options, &other), -ENOMEM);
  ck_assert_int_eq(workq_open(name, &options, &other), -ENOMEM);
  ck_assert_ptr_null(other);
  ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
  ck_assert_int_eq(workq_open(another, &options, &other), -ENOENT);
  ck_assert_uint_eq(open_descriptors(), before);
  ck_assert_uint_eq(stats().attached, 1);
}
END_TEST
#endif

/* Sets the limit on the size of files, which concerns Check's own as well: no assertion in between. */
static void limit_files(rlim_t size) {
  struct rlimit limit;
  getrlimit(RLIMIT_FSIZE, &limit);
  limit.rlim_cur = size;
  setrlimit(RLIMIT_FSIZE, &limit);
}

START_TEST(a_file_size_limit_below_the_segments_size_is_efbig) {
  limit_files(4096);
  int created = workq_create(name, &options, &q); /* and no SIGXFSZ */
  int either = workq_open_or_create(name, &options, &q);
  int opened = workq_open(name, &options, &q);
  limit_files(RLIM_INFINITY);
  ck_assert_int_eq(created, -EFBIG);
  ck_assert_int_eq(either, -EFBIG);
  ck_assert_int_eq(opened, -ENOENT);
  ck_assert_ptr_null(q);
}
END_TEST

START_TEST(a_file_size_limit_does_not_hinder_who_only_opens) {
  create();
  limit_files(4096);
  workq *other = NULL;
  int opened = workq_open(name, &options, &other), added = 0;
  for (int i = 0; i < 10000 && opened == 0; i++) { /* so that the queue grows */
    char key[16];
    int len = snprintf(key, sizeof key, "%d", i);
    added += workq_add(other, key, (size_t)len) == 1;
  }
  limit_files(RLIM_INFINITY);
  ck_assert_int_eq(opened, 0);
  ck_assert_int_eq(added, 10000);
  ok(workq_close(other));
  ck_assert_int_eq(workq_len(q), 10000);
}
END_TEST

Suite *error_suite(void) {
  Suite *suite = suite_create("errors");
  TCase *tcase = fixture_case(suite, "each row");
  tcase_add_test(tcase, no_such_segment_is_enoent);
  tcase_add_test(tcase, a_segment_that_exists_already_is_eexist);
  tcase_add_test(tcase, an_empty_key_is_einval_and_one_too_long_is_emsgsize);
  tcase_add_test(tcase, a_full_queue_is_enospc);
  tcase_add_test(tcase, all_slots_taken_is_eusers);
  tcase_add_test(tcase, shut_down_is_eshutdown);
  tcase_add_test(tcase, nothing_within_the_timeout_is_etimedout);
  tcase_add_test(tcase, a_signal_handler_that_ran_is_eintr);
  tcase_add_test(tcase, an_item_that_is_no_longer_ours_is_estale);

  tcase = fixture_case_with(suite, "descriptors", ENGINE_FILE);
  tcase_add_test(tcase, a_handle_whose_descriptor_was_closed_keeps_its_slot);

  tcase = fixture_case_with(suite, "raw handles", ENGINE_READ_ONLY);
  tcase_add_test(tcase, a_call_that_needs_more_than_a_raw_handle_is_ebadf);

  tcase = fixture_case(suite, "names and options");
  tcase_add_test(tcase, a_bad_name_is_einval);
  tcase_add_test(tcase, a_name_too_long_is_enametoolong);
  tcase_add_test(tcase, odd_names_that_are_allowed_work);
  tcase_add_test(tcase, options_out_of_range_are_einval);
  tcase_add_test(tcase, options_of_creation_are_not_looked_at_by_open);
  tcase_add_test(tcase, open_or_create_tells_which);

  tcase = fixture_case_with(suite, "limits of the process", ENGINE_FILE);
  tcase_add_test(tcase, too_many_open_files_is_emfile);
#ifndef ADDRESS_SANITIZER
  tcase_add_test(tcase, too_little_address_space_is_enomem);
#else
  printf("SKIPPED: too_little_address_space_is_enomem: AddressSanitizer needs the address space for itself\n");
#endif
  tcase_add_test(tcase, a_file_size_limit_below_the_segments_size_is_efbig);
  tcase_add_test(tcase, a_file_size_limit_does_not_hinder_who_only_opens);
  return suite;
}
