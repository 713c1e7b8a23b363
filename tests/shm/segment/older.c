/*
 * A queue that an older workq has left: it can be read, and not attached to.  layout5.txt has one of layout 5.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#define XXH_INLINE_ALL
#include "check_segment.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "shm/fingerprint.h"

enum { HEADER_SIZE_AT = 12, FINGERPRINT_AT = 16 };

static unsigned char *file;
static size_t file_size, header_size;

static unsigned digit(char c) {
  return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Reads layout5.txt into file. */
static void load(void) {
  const char *directory = getenv("WORKQ_SRCDIR");
  char path[1024], line[256];
  snprintf(path, sizeof path, "%s/tests/shm/segment/layout5.txt", directory ? directory : ".");
  FILE *in = fopen(path, "re");
  ck_assert_msg(in != NULL, "%s cannot be read", path);
  while (fgets(line, sizeof line, in)) {
    if (line[0] == '#') continue;
    if (sscanf(line, "size %zu", &file_size) == 1) {
      file = calloc(1, file_size);
      continue;
    }
    char *hex;
    size_t at = strtoul(line, &hex, 16);
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_le(at + LINE_SIZE, file_size);
    for (size_t i = 0; i < LINE_SIZE; i++)
      file[at + i] = (unsigned char)(digit(hex[1 + 2 * i]) << 4 | digit(hex[2 + 2 * i]));
  }
  fclose(in);
  uint32_t size;
  memcpy(&size, file + HEADER_SIZE_AT, sizeof size);
  header_size = size;
}

static void seal(void) {
  uint64_t sum = XXH3_64bits(file, header_size - sizeof sum);
  memcpy(file + header_size - sizeof sum, &sum, sizeof sum);
}

/* As if it had been made here, or in another pid namespace. */
static void make_at_home(bool elsewhere) {
  struct fingerprint here;
  ck_assert_int_eq(fingerprint_read(&here), 0);
  here.pid_namespace += elsewhere;
  memcpy(file + FINGERPRINT_AT, &here, sizeof here);
  seal();
}

static void store(size_t size) {
  unlink(engine_path(name));
  int fd = open(engine_path(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
  for (size_t at = 0; at + LINE_SIZE <= size; at += LINE_SIZE) {
    static const unsigned char zero[LINE_SIZE];
    if (memcmp(file + at, zero, LINE_SIZE) == 0) continue; /* holes stay holes */
    ck_assert_int_eq(pwrite(fd, file + at, LINE_SIZE, (off_t)at), LINE_SIZE);
  }
  close(fd);
}

static void set_up(void) {
  load();
  make_at_home(false);
  store(file_size);
}

static void tear_down(void) {
  unlink(engine_path(name));
  free(file);
  file = NULL;
}

/* "key:state:priority:failures:crashes", in order. */
static int list(void *arg, const workq_info *info) {
  char *text = arg;
  size_t len = strlen(text);
  snprintf(text + len, 1024 - len, "%.*s:%s:%d:%u:%u ", (int)info->key_len, (const char *)info->key,
           workq_state_name(info->state), info->priority, info->failures, info->crashes);
  return 0;
}

static void print_problem(void *arg, const char *line) {
  (void)arg;
  printf("workq_check: %s\n", line);
}

static void assert_read(workq *raw) {
  char text[1024] = "";
  workq_stats_data seen;
  ck_assert_int_eq(workq_check(raw, print_problem, NULL), 0);
  ck_assert_int_eq(workq_iterate_order(raw, list, text), 0);
  ck_assert_str_eq(text, "high:ready:5:0:0 ready-1:ready:0:0:0 ready-2:ready:0:0:0 poison:delayed:0:1:1 "
                         "failing:delayed:0:1:0 later:delayed:0:0:0 hopeless:buried:0:0:0 ");
  ok(workq_stats(raw, &seen));
  ck_assert_uint_eq(seen.capacity, 64);
  ck_assert_uint_eq(seen.key_max, 40);
  ck_assert_uint_eq(seen.handles, 3);
  ck_assert_int_eq(seen.max_retries, 7);
  ck_assert_int_eq(seen.max_crashes, 3);
  ck_assert_uint_eq(seen.mode, 0600);
  ck_assert_uint_eq(seen.attached, 0);
  ck_assert_uint_eq(seen.keys, 7);
  ck_assert_uint_eq(seen.ready, 3);
  ck_assert_uint_eq(seen.delayed, 3);
  ck_assert_uint_eq(seen.buried, 1);
  ck_assert_uint_eq(seen.adds, 7);
  ck_assert_uint_eq(seen.crashes, 1);
  workq_limiter limiter;
  ok(workq_get_limiter(raw, &limiter));
  ck_assert_int_eq(limiter.exp_initial_ns, 3600 * S);
  ck_assert_int_eq(limiter.exp_max_ns, 7200 * S);
}

/* _i: also from another pid namespace. */
START_TEST(a_queue_of_the_layout_before_can_be_read) {
  make_at_home(_i);
  store(file_size);
  workq *raw, *copy;
  options = (workq_options){.flags = WORKQ_RAW};
  ok(workq_open(name, &options, &raw));
  assert_read(raw);
  ok(workq_snapshot(raw, &copy));
  ok(workq_close(raw));
  assert_read(copy);
  ok(workq_close(copy));
}
END_TEST

START_TEST(it_cannot_be_attached_to_and_is_left_as_it_is) {
  struct stat before, after;
  ck_assert_int_eq(stat(engine_path(name), &before), 0);
  ck_assert_int_eq(try_open(), -EPROTONOSUPPORT);
  ck_assert_int_eq(workq_open_or_create(name, &options, &q), -EPROTONOSUPPORT);
  ck_assert_int_eq(try_open_with(WORKQ_RAW), 0);
  char line[256];
  ck_assert_int_eq(workq_describe_mismatch(name, line, sizeof line), 1);
  ck_assert_ptr_nonnull(strstr(line, "layout version is 5 "));
  ck_assert_int_eq(stat(engine_path(name), &after), 0);
  ck_assert_int_eq(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
  ck_assert_int_eq(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
  ck_assert_int_eq(after.st_blocks, before.st_blocks);
  ok(workq_unlink(name)); /* tells nobody */
}
END_TEST

START_TEST(a_damaged_header_of_it_is_an_error) {
  for (size_t bit = 0; bit < header_size * 8; bit++) {
    file[bit / 8] ^= (unsigned char)(1u << bit % 8);
    store(file_size);
    int rc = try_open_with(WORKQ_RAW);
    ck_assert_msg(rc == -EUCLEAN || rc == -EPROTONOSUPPORT, "bit %zu: %d", bit, rc);
    file[bit / 8] ^= (unsigned char)(1u << bit % 8);
  }
}
END_TEST

START_TEST(one_that_is_cut_off_is_euclean) {
  for (size_t size = 0; size < file_size; size += 512) {
    store(size);
    ck_assert_msg(try_open_with(WORKQ_RAW) == -EUCLEAN, "%zu bytes", size);
  }
}
END_TEST

static int ignore(void *arg, const workq_info *info) {
  (void)arg;
  (void)info;
  return 0;
}

static int ignore_worker(void *arg, const workq_worker *worker) {
  (void)arg;
  (void)worker;
  return 0;
}

START_TEST(whatever_is_in_it_is_read_without_harm) {
  uint64_t random = random_seed(NULL);
  unsigned char *sound = malloc(file_size);
  ck_assert_ptr_nonnull(sound);
  memcpy(sound, file, file_size);
  for (unsigned trial = 0; trial < plain_scaled(200); trial++) {
    memcpy(file, sound, file_size);
    for (unsigned n = 1 + (unsigned)random_below(&random, 200); n > 0; n--)
      file[REGION_ALIGN + random_below(&random, file_size - REGION_ALIGN)] = (unsigned char)random_next(&random);
    store(file_size);
    workq *raw;
    workq_stats_data seen;
    options = (workq_options){.flags = WORKQ_RAW};
    int rc = workq_open(name, &options, &raw);
    if (rc < 0) {
      ck_assert_int_eq(rc, -EUCLEAN);
      continue;
    }
    ck_assert_int_ge(workq_check(raw, NULL, NULL), 0);
    (void)workq_iterate(raw, ignore, NULL);
    (void)workq_iterate_order(raw, ignore, NULL);
    (void)workq_iterate_workers(raw, ignore_worker, NULL);
    (void)workq_stats(raw, &seen);
    ok(workq_close(raw));
  }
  free(sound);
}
END_TEST

Suite *older_suite(void) {
  Suite *suite = suite_create("older");
  if (LAYOUT_VERSION != 6 || sizeof(void *) != 8 || sizeof(pthread_mutex_t) != 40) {
    printf("SKIPPED: layout5.txt is of x86-64, and this is not, or its layout is not the one after 5\n");
    return suite;
  }
  TCase *tcase = fixture_case(suite, "layout 5");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_loop_test(tcase, a_queue_of_the_layout_before_can_be_read, 0, 2);
  tcase_add_test(tcase, it_cannot_be_attached_to_and_is_left_as_it_is);
  tcase_add_test(tcase, a_damaged_header_of_it_is_an_error);
  tcase_add_test(tcase, one_that_is_cut_off_is_euclean);
  tcase_add_test(tcase, whatever_is_in_it_is_read_without_harm);
  return suite;
}
