/*
 * What may lie under a segment's name that is no segment, and what cannot be done with it.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_segment.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "support/calls.h"

/* ---- Squatters: each puts something at the path; returns false if that is not permitted here ---- */

typedef bool squatter(const char *path);

static bool write_file(const char *path, const void *bytes, size_t len) {
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
  close(fd);
  return true;
}

static bool empty_file(const char *path) {
  return write_file(path, "", 0);
}

static bool short_text(const char *path) {
  return write_file(path, "hello\n", 6);
}

static bool only_the_magic(const char *path) {
  return write_file(path, LAYOUT_MAGIC, 8);
}

static bool zeros(const char *path) {
  empty_file(path);
  ck_assert_int_eq(truncate(path, 1 << 20), 0);
  return true;
}

static bool noise(const char *path) {
  static uint64_t bytes[1 << 14];
  uint64_t random = 1;
  for (size_t i = 0; i < 1 << 14; i++) bytes[i] = random_next(&random);
  return write_file(path, bytes, sizeof bytes);
}

static bool noise_after_the_magic(const char *path) {
  noise(path);
  int fd = open(path, O_RDWR | O_CLOEXEC);
  ck_assert_int_eq(pwrite(fd, LAYOUT_MAGIC, 8, 0), 8);
  close(fd);
  return true;
}

static bool a_fifo(const char *path) {
  ck_assert_int_eq(mkfifo(path, 0600), 0);
  return true;
}

static bool a_fifo_that_is_read(const char *path) {
  ck_assert_int_eq(mkfifo(path, 0600), 0);
  ck_assert_int_ge(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), 0);
  return true;
}

static bool a_directory(const char *path) {
  ck_assert_int_eq(mkdir(path, 0700), 0);
  return true;
}

static bool a_socket(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  close(fd);
  return true;
}

static bool a_device(const char *path) {
  return mknod(path, S_IFCHR | 0600, makedev(1, 5)) == 0; /* /dev/zero, which could be mapped; root only */
}

static bool a_link_to_nowhere(const char *path) {
  ck_assert_int_eq(symlink("/dev/shm/workq.there-is-no-such-thing", path), 0);
  return true;
}

static bool a_link_to_itself(const char *path) {
  ck_assert_int_eq(symlink(path, path), 0);
  return true;
}

static char other[sizeof name]; /* another queue, a good one */

static bool a_link_to_a_segment(const char *path) {
  char target[sizeof name + 32];
  snprintf(target, sizeof target, "%s", engine_path(other));
  ck_assert_int_eq(symlink(target, path), 0);
  return true;
}

static bool a_hard_link_to_a_segment(const char *path) {
  char target[sizeof name + 32];
  snprintf(target, sizeof target, "%s", engine_path(other));
  ck_assert_int_eq(link(target, path), 0);
  return true;
}

#define SQUATTER(function)                                                                                             \
  { function, #function }
static const struct {
  squatter *squat;
  const char *words;
} squatters[] = {SQUATTER(empty_file),
                 SQUATTER(short_text),
                 SQUATTER(only_the_magic),
                 SQUATTER(zeros),
                 SQUATTER(noise),
                 SQUATTER(noise_after_the_magic),
                 SQUATTER(a_fifo),
                 SQUATTER(a_fifo_that_is_read),
                 SQUATTER(a_directory),
                 SQUATTER(a_socket),
                 SQUATTER(a_device),
                 SQUATTER(a_link_to_nowhere),
                 SQUATTER(a_link_to_itself),
                 SQUATTER(a_link_to_a_segment),
                 SQUATTER(a_hard_link_to_a_segment)};

/* By a copy: engine_path() has one buffer only. */
static bool squat(int which) {
  char path[sizeof name + 32];
  snprintf(path, sizeof path, "%s", engine_path(name));
  if (squatters[which].squat(path)) return true;
  printf("SKIPPED: %s: not permitted\n", squatters[which].words);
  return false;
}

START_TEST(what_is_no_segment_is_euclean_and_is_left_as_it_is) {
  workq *of_other;
  fixture_name(other);
  ok(workq_create(other, &options, &of_other));
  if (squat(_i)) {
    struct stat before, after;
    ck_assert_int_eq(lstat(engine_path(name), &before), 0);
    int expected = squatters[_i].squat == noise_after_the_magic ? -EPROTONOSUPPORT : -EUCLEAN;
    ck_assert_msg(try_open() == expected, "%s", squatters[_i].words);
    ck_assert_msg(try_open_with(WORKQ_RAW) == expected, "%s", squatters[_i].words);
    ck_assert_msg(try_open_with(WORKQ_ANY_OWNER) == expected, "%s", squatters[_i].words);
    ck_assert_int_eq(workq_open_or_create(name, &options, &q), expected);
    ck_assert_int_eq(workq_create(name, &options, &q), -EEXIST);
    ck_assert_ptr_null(q);
    char line[512];
    ck_assert_int_eq(workq_describe_mismatch(name, line, sizeof line), expected == -EUCLEAN ? -EUCLEAN : 1);
    ck_assert_int_eq(lstat(engine_path(name), &after), 0);
    ck_assert(before.st_ino == after.st_ino && before.st_size == after.st_size && before.st_mode == after.st_mode);
    ck_assert_int_eq(access("/dev/shm/workq.there-is-no-such-thing", F_OK), -1); /* where a link led to */
    if (!S_ISDIR(after.st_mode)) ck_assert_int_eq(workq_unlink(name), 0);
  }
  ck_assert_int_eq(workq_add(of_other, "a", 1), 1); /* the other is none the worse */
  ok(workq_close(of_other));
  workq *again;
  ok(workq_open(other, &options, &again));
  ok(workq_close(again));
  ok(workq_unlink(other));
}
END_TEST

START_TEST(a_segment_cut_off_anywhere_is_euclean) {
  uint64_t random = random_seed(NULL);
  for (unsigned i = 0; i < plain_scaled(300); i++) {
    create_closed();
    off_t size = (off_t)header_read().total_size;
    ck_assert_int_eq(truncate(engine_path(name), (off_t)random_below(&random, (uint64_t)size)), 0);
    ck_assert_int_eq(try_open(), -EUCLEAN);
    ck_assert_int_eq(try_open_with(WORKQ_RAW), -EUCLEAN);
    ok(workq_unlink(name));
  }
}
END_TEST

START_TEST(an_open_that_fails_makes_no_file) {
  ck_assert_int_eq(try_open(), -ENOENT);
  ck_assert_int_eq(try_open_with(WORKQ_RAW), -ENOENT);
  ck_assert_int_eq(access(engine_path(name), F_OK), -1);
}
END_TEST

static unsigned char *read_file(size_t *size) {
  int fd = open(engine_path(name), O_RDONLY | O_CLOEXEC);
  ck_assert_int_ge(fd, 0);
  struct stat st;
  ck_assert_int_eq(fstat(fd, &st), 0);
  *size = (size_t)st.st_size;
  unsigned char *bytes = malloc(*size);
  ck_assert_ptr_nonnull(bytes);
  ck_assert_int_eq(pread(fd, bytes, *size, 0), st.st_size);
  close(fd);
  return bytes;
}

START_TEST(a_raw_handle_changes_nothing_and_needs_no_permission_to_write) {
  create_closed();
  ck_assert_int_eq(chmod(engine_path(name), 0400), 0);
  size_t size;
  unsigned char *before = read_file(&size);
  options.flags = WORKQ_RAW;
  workq *raw = open_again();
  for (size_t i = 0; i < calls_count; i++) (void)calls[i].run(raw);
  ck_assert_int_eq(workq_len(raw), 1);
  ck_assert_int_eq(workq_check(raw, NULL, NULL), 0);
  ok(workq_close(raw));
  options.flags = 0;
  unsigned char *after = read_file(&size);
  ck_assert_mem_eq(before, after, size);
  free(before);
  free(after);
  ck_assert_int_eq(chmod(engine_path(name), 0600), 0);
  assert_whole();
}
END_TEST

START_TEST(a_raw_handle_sees_what_others_do) {
  create();
  options.flags = WORKQ_RAW;
  workq *raw = open_again();
  options.flags = 0;
  add("a");
  take("a");
  add("a");
  workq_stats_data data;
  ck_assert_int_eq(workq_stats(raw, &data), 0);
  ck_assert_uint_eq(data.processing, 1);
  ck_assert_uint_eq(data.attached, 1);
  ok(workq_close(raw));
}
END_TEST

START_TEST(a_copy_of_a_segment_under_another_name_is_another_queue) {
  create();
  add("a");
  add("b");
  take("a");
  size_t size;
  unsigned char *bytes = read_file(&size);
  char first[sizeof name];
  memcpy(first, name, sizeof first);
  fixture_name(name);
  write_file(engine_path(name), bytes, size);
  free(bytes);
  workq *copy = open_again();
  ck_assert_int_ge(workq_reap(copy), 0); /* nobody holds the slots that are taken there */
  workq_stats_data data;
  ok(workq_stats(copy, &data));
  ck_assert_uint_eq(data.attached, 1);
  ck_assert_uint_eq(data.processing, 0);
  assert_sound(copy);
  workq_item item = take_by(copy, "b");
  ck_assert_int_eq(workq_done(copy, &item), 0);
  ok(workq_close(copy));
  ok(workq_unlink(name));
  memcpy(name, first, sizeof first);
  ck_assert_int_eq(state_of("b"), WORKQ_STATE_READY);
}
END_TEST

/* ---- Damage inside, as every call sees it; check_damage has the rest ---- */

START_TEST(a_segment_that_was_given_up_is_euclean_for_every_call) {
  create();
  add(CALLS_KEY);
  int fd = open(engine_path(name), O_RDWR | O_CLOEXEC);
  struct control *control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, REGION_ALIGN);
  ck_assert_ptr_ne(control, MAP_FAILED);
  close(fd);
  uint32_t settled = atomic_load(&control->lock.settled);
  atomic_store(&control->lock.settled, LOCK_DAMAGED);
  for (size_t i = 0; i < calls_count; i++) {
    if (!calls[i].enters) continue;
    int rc = calls[i].run(q);
    ck_assert_msg(rc == -EUCLEAN, "%s: %d", calls[i].name, rc);
  }
  ck_assert_int_eq(try_open(), -EUCLEAN);
  options.flags = WORKQ_RAW;
  workq *raw = open_again();
  ck_assert_int_ge(workq_check(raw, NULL, NULL), 1);
  ck_assert_int_eq(workq_len(raw), 1);
  ok(workq_close(raw));
  atomic_store(&control->lock.settled, settled);
  munmap(control, sizeof *control);
  assert_ready(CALLS_KEY);
}
END_TEST

Suite *file_suite(void) {
  Suite *suite = suite_create("files");
  TCase *tcase = fixture_case(suite, "kinds");
  tcase_add_loop_test(tcase, what_is_no_segment_is_euclean_and_is_left_as_it_is, 0,
                      (int)(sizeof squatters / sizeof *squatters));
  tcase_add_test(tcase, a_segment_cut_off_anywhere_is_euclean);
  tcase_add_test(tcase, an_open_that_fails_makes_no_file);
  tcase_add_test(tcase, a_copy_of_a_segment_under_another_name_is_another_queue);

  tcase = fixture_case(suite, "raw");
  tcase_add_test(tcase, a_raw_handle_changes_nothing_and_needs_no_permission_to_write);
  tcase_add_test(tcase, a_raw_handle_sees_what_others_do);

  tcase = fixture_case(suite, "damage");
  tcase_add_test(tcase, a_segment_that_was_given_up_is_euclean_for_every_call);
  return suite;
}
