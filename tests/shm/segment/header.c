/*
 * The header of a segment: whatever is wrong in it is found before anything else is read.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_segment.h"

#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>

#include "support/calls.h"

/* ---- Flipped bits ---- */

START_TEST(every_flipped_bit_of_the_header_is_an_error) {
  create_closed();
  const struct header sound = header_read();
  for (size_t bit = 0; bit < sizeof sound * 8; bit++) {
    struct header damaged = sound;
    ((unsigned char *)&damaged)[bit / 8] ^= (unsigned char)(1u << bit % 8);
    header_write(&damaged);
    int rc = try_open();
    ck_assert_msg(rc == -EUCLEAN || rc == -EPROTONOSUPPORT, "bit %zu: %d", bit, rc);
    ck_assert_int_eq(try_open_with(WORKQ_RAW), rc);
    char line[256];
    int described = workq_describe_mismatch(name, line, sizeof line);
    ck_assert_int_eq(described, rc == -EPROTONOSUPPORT ? 1 : rc);
    ck_assert(described == 1 ? line[0] != '\0' : line[0] == '\0');
  }
  header_write(&sound);
  assert_whole();
}
END_TEST

START_TEST(bits_of_the_first_page_that_mean_nothing_change_nothing) {
  create_closed();
  int fd = open(engine_path(name), O_RDWR | O_CLOEXEC);
  ck_assert_int_ge(fd, 0);
  for (off_t at = sizeof(struct header); at < REGION_ALIGN; at++) ck_assert_int_eq(pwrite(fd, "\xff", 1, at), 1);
  close(fd);
  assert_whole();
}
END_TEST

/* ---- The fingerprint ---- */

static const struct {
  const char *words; /* that the description must have */
  size_t offset, size;
} fingerprint_fields[] = {
    {"C library", offsetof(struct fingerprint, libc), sizeof(uint32_t)},
    {"word size", offsetof(struct fingerprint, word_size), sizeof(uint32_t)},
    {"byte order", offsetof(struct fingerprint, byte_order), sizeof(uint32_t)},
    {"page size", offsetof(struct fingerprint, page_size), sizeof(uint32_t)},
    {"sizeof(pthread_mutex_t)", offsetof(struct fingerprint, mutex_size), sizeof(uint32_t)},
    {"pid namespace", offsetof(struct fingerprint, pid_namespace), sizeof(uint64_t)},
    {"time namespace", offsetof(struct fingerprint, time_namespace), sizeof(uint64_t)},
    {"boot id", offsetof(struct fingerprint, boot_id), 1},
};

START_TEST(a_foreign_fingerprint_is_eprotonosupport_and_described) {
  create_closed();
  const struct header sound = header_read();
  struct header foreign = sound;
  unsigned char *field = (unsigned char *)&foreign.fingerprint + fingerprint_fields[_i].offset;
  for (size_t i = 0; i < fingerprint_fields[_i].size; i++) field[i] ^= 1;
  header_write_sealed(&foreign);
  ck_assert_int_eq(try_open(), -EPROTONOSUPPORT);
  ck_assert_int_eq(try_open_with(WORKQ_RAW), -EPROTONOSUPPORT);
  ck_assert_int_eq(workq_open_or_create(name, &options, &q), -EPROTONOSUPPORT);
  char line[512] = "";
  ck_assert_int_eq(workq_describe_mismatch(name, line, sizeof line), 1);
  ck_assert_ptr_nonnull(strstr(line, fingerprint_fields[_i].words));
  ck_assert_ptr_null(strchr(line, '\n'));
  if (fingerprint_fields[_i].offset != offsetof(struct fingerprint, byte_order)) {
    ck_assert_ptr_nonnull(strstr(line, "there"));
    ck_assert_ptr_nonnull(strstr(line, "here"));
  }
  header_write(&sound);
  ck_assert_int_eq(workq_describe_mismatch(name, line, sizeof line), 0);
  ck_assert_str_eq(line, "");
  assert_whole();
}
END_TEST

START_TEST(every_foreign_boot_id_is_eprotonosupport_and_safe_to_print) {
  create_closed();
  const struct header sound = header_read();
  for (size_t i = 0; i < sizeof sound.fingerprint.boot_id; i++) {
    struct header foreign = sound;
    memset(foreign.fingerprint.boot_id, '\x1b', i + 1); /* no NUL within, at last */
    header_write_sealed(&foreign);
    ck_assert_int_eq(try_open(), -EPROTONOSUPPORT);
    char line[512];
    ck_assert_int_eq(workq_describe_mismatch(name, line, sizeof line), 1);
    for (const char *c = line; *c; c++) ck_assert_msg(*c >= 0x20 && *c < 0x7f, "byte %d", *c);
  }
  header_write(&sound);
  assert_whole();
}
END_TEST

START_TEST(an_older_or_newer_layout_is_eprotonosupport_and_described) {
  create_closed();
  const struct header sound = header_read();
  const uint32_t versions[] = {0, LAYOUT_VERSION - 1, LAYOUT_VERSION + 1, LAYOUT_VERSION + 1000, UINT32_MAX};
  for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
    struct header other = sound;
    other.layout_version = versions[i];
    for (int sealed = 0; sealed < 2; sealed++) { /* it may have its checksum elsewhere */
      if (sealed) header_write_sealed(&other);
      else header_write(&other);
      ck_assert_int_eq(try_open(), -EPROTONOSUPPORT);
      ck_assert_int_eq(try_open_with(WORKQ_RAW), -EPROTONOSUPPORT);
    }
    char line[512], number[16];
    ck_assert_int_eq(workq_describe_mismatch(name, line, sizeof line), 1);
    snprintf(number, sizeof number, " %u ", versions[i]);
    ck_assert_ptr_nonnull(strstr(line, "layout version"));
    ck_assert_ptr_nonnull(strstr(line, number));
  }
  struct header other = sound;
  other.header_size += 8;
  header_write_sealed(&other);
  ck_assert_int_eq(try_open(), -EPROTONOSUPPORT);
  header_write(&sound);
  assert_whole();
}
END_TEST

/* A later version may use these for what this one must not overlook. */
START_TEST(options_from_the_future_are_eprotonosupport_and_described) {
  create_closed();
  const struct header sound = header_read();
  for (int bit = 0; bit < 96; bit++) {
    struct header future = sound;
    if (bit < 64) future.reserved = UINT64_C(1) << bit;
    else future.fingerprint.reserved = UINT32_C(1) << (bit - 64);
    header_write_sealed(&future);
    ck_assert_int_eq(try_open(), -EPROTONOSUPPORT);
    ck_assert_int_eq(try_open_with(WORKQ_RAW), -EPROTONOSUPPORT);
    ck_assert_int_eq(workq_open_or_create(name, &options, &q), -EPROTONOSUPPORT);
    char line[512];
    ck_assert_int_eq(workq_describe_mismatch(name, line, sizeof line), 1);
    ck_assert_str_ne(line, "");
  }
  header_write(&sound);
  assert_whole();
}
END_TEST

START_TEST(a_description_fits_its_buffer) {
  create_closed();
  const struct header sound = header_read();
  struct header foreign = sound;
  foreign.fingerprint.page_size = 1;
  header_write_sealed(&foreign);
  char whole[512], part[512];
  ck_assert_int_eq(workq_describe_mismatch(name, whole, sizeof whole), 1);
  ck_assert_int_eq(workq_describe_mismatch(name, NULL, 0), 1);
  for (size_t size = 1; size <= strlen(whole) + 2; size++) {
    memset(part, 'x', sizeof part);
    ck_assert_int_eq(workq_describe_mismatch(name, part, size), 1);
    ck_assert_uint_eq(strlen(part), size - 1 < strlen(whole) ? size - 1 : strlen(whole));
    ck_assert_int_eq(strncmp(part, whole, size - 1), 0);
    ck_assert_int_eq(part[size], 'x');
  }
  header_write(&sound);
  assert_whole();
}
END_TEST

/* ---- Values that a checksum does not make right ---- */

typedef void spoil(struct header *header);

static void total_is_0(struct header *h) {
  h->total_size = 0;
}
static void total_is_huge(struct header *h) {
  h->total_size = UINT64_MAX;
}
static void total_is_a_page_more(struct header *h) {
  h->total_size += REGION_ALIGN;
}
static void total_is_a_page_less(struct header *h) {
  h->total_size -= REGION_ALIGN;
}
static void total_is_a_byte_less(struct header *h) {
  h->total_size--;
}
static void capacity_is_0(struct header *h) {
  h->capacity = 0;
}
static void capacity_is_one_page_more(struct header *h) {
  h->capacity += 64;
}
static void capacity_is_too_large(struct header *h) {
  h->capacity = WORKQ_CAPACITY_MAX + 1;
}
static void capacity_is_huge(struct header *h) {
  h->capacity = UINT32_MAX;
}
static void key_max_is_0(struct header *h) {
  h->key_max = 0;
}
static void key_max_is_larger(struct header *h) {
  h->key_max = 4096;
}
static void key_max_is_too_large(struct header *h) {
  h->key_max = WORKQ_KEY_MAX + 1;
}
static void key_max_is_huge(struct header *h) {
  h->key_max = UINT32_MAX;
}
static void handles_are_0(struct header *h) {
  h->handles = 0;
}
static void handles_are_more(struct header *h) {
  h->handles += 10;
}
static void handles_are_too_many(struct header *h) {
  h->handles = WORKQ_HANDLES_MAX + 1;
}
static void handles_are_huge(struct header *h) {
  h->handles = UINT32_MAX;
}
static void everything_is_at_its_largest(struct header *h) {
  h->capacity = WORKQ_CAPACITY_MAX;
  h->key_max = WORKQ_KEY_MAX;
  h->handles = WORKQ_HANDLES_MAX;
}
/* A product that is small again modulo 2^32. */
static void capacity_times_key_overflows(struct header *h) {
  h->capacity = UINT32_MAX / 64 + 2;
  h->key_max = 1;
}
static void max_retries_is_negative(struct header *h) {
  h->max_retries = -2;
}
static void crash_forget_is_negative(struct header *h) {
  h->crash_forget_ns = -2;
}
static void crash_forget_is_short(struct header *h) {
  h->crash_forget_ns = 999999999;
}
static void max_crashes_is_negative(struct header *h) {
  h->max_crashes = -2;
}
static void give_up_is_unknown(struct header *h) {
  h->give_up = 2;
}
static void metrics_are_unknown(struct header *h) {
  h->metrics = 2;
}
static void reap_interval_is_0(struct header *h) {
  h->reap_interval_ns = 0;
}
static void reap_interval_is_negative(struct header *h) {
  h->reap_interval_ns = INT64_MIN;
}
static void reap_interval_is_endless(struct header *h) {
  h->reap_interval_ns = INT64_MAX;
}
static void reap_interval_is_a_little_too_long(struct header *h) {
  h->reap_interval_ns = WORKQ_REAP_INTERVAL_MAX + 1;
}
static void limiter_has_what_is_reserved(struct header *h) {
  h->limiter.reserved = 1;
}
static void limiter_is_unknown(struct header *h) {
  h->limiter.kinds = UINT32_MAX;
}
static void limiter_is_no_number(struct header *h) {
  h->limiter.kinds = WORKQ_LIMIT_BUCKET;
  h->limiter.bucket_rate = NAN;
  h->limiter.bucket_burst = 1;
}
static void jitter_is_infinite(struct header *h) {
  h->limiter.jitter = INFINITY;
}

#define SPOILER(function)                                                                                              \
  { function, #function }
static const struct {
  spoil *spoil;
  const char *words;
} spoilers[] = {SPOILER(total_is_0),
                SPOILER(total_is_huge),
                SPOILER(total_is_a_page_more),
                SPOILER(total_is_a_page_less),
                SPOILER(total_is_a_byte_less),
                SPOILER(capacity_is_0),
                SPOILER(capacity_is_one_page_more),
                SPOILER(capacity_is_too_large),
                SPOILER(capacity_is_huge),
                SPOILER(key_max_is_0),
                SPOILER(key_max_is_larger),
                SPOILER(key_max_is_too_large),
                SPOILER(key_max_is_huge),
                SPOILER(handles_are_0),
                SPOILER(handles_are_more),
                SPOILER(handles_are_too_many),
                SPOILER(handles_are_huge),
                SPOILER(everything_is_at_its_largest),
                SPOILER(capacity_times_key_overflows),
                SPOILER(max_retries_is_negative),
                SPOILER(max_crashes_is_negative),
                SPOILER(crash_forget_is_negative),
                SPOILER(crash_forget_is_short),
                SPOILER(give_up_is_unknown),
                SPOILER(metrics_are_unknown),
                SPOILER(reap_interval_is_0),
                SPOILER(reap_interval_is_negative),
                SPOILER(reap_interval_is_endless),
                SPOILER(reap_interval_is_a_little_too_long),
                SPOILER(limiter_has_what_is_reserved),
                SPOILER(limiter_is_unknown),
                SPOILER(limiter_is_no_number),
                SPOILER(jitter_is_infinite)};

START_TEST(a_value_that_cannot_be_is_euclean_whatever_the_checksum_says) {
  create_closed();
  const struct header sound = header_read();
  struct header spoiled = sound;
  spoilers[_i].spoil(&spoiled);
  header_write_sealed(&spoiled);
  ck_assert_msg(try_open() == -EUCLEAN, "%s", spoilers[_i].words);
  ck_assert_msg(try_open_with(WORKQ_RAW) == -EUCLEAN, "%s", spoilers[_i].words);
  char line[8];
  ck_assert_int_eq(workq_describe_mismatch(name, line, sizeof line), -EUCLEAN);
  header_write(&sound);
  assert_whole();
}
END_TEST

/* The clock then gives the time stamps. */
START_TEST(a_wild_scale_of_time_is_not_used) {
  options.clock = NULL;
  create_closed();
  const struct header sound = header_read();
  static const int64_t wild[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
  enum { WILD = sizeof wild / sizeof *wild };
  static const int64_t rates[] = {INT64_MIN, -1, 0, 1, UINT32_MAX / 50 + 1, INT64_C(100) << 32, INT64_MAX};
  for (size_t i = 0; i < WILD * WILD * sizeof rates / sizeof *rates; i++) {
    struct header spoilt = sound;
    spoilt.ticks.base = (uint64_t)wild[i % WILD];
    spoilt.ticks.base_ns = wild[i / WILD % WILD];
    spoilt.ticks.rate = rates[i / WILD / WILD];
    header_write_sealed(&spoilt);
    ok(workq_open(name, &options, &q));
    workq_measures measures;
    workq_item item;
    ok(workq_get(q, &item, 0));
    ok(workq_release(q, &item));
    ok(workq_measure(q, &measures));
    ck_assert_uint_eq(measures.queue_time.count, i + 1);
    ck_assert_uint_lt(measures.queue_time.sum_ns, UINT64_C(3600) * S);
    ok(workq_close(q));
    q = NULL;
  }
}
END_TEST

/* ---- Sizes that agree with each other, and are out of range all the same ---- */

static uint64_t pages(uint64_t bytes) {
  return (bytes + REGION_ALIGN - 1) / REGION_ALIGN * REGION_ALIGN;
}

/* What a library that knew no limits would compute. */
static uint64_t size_without_limits(uint64_t capacity, uint64_t key_max, uint64_t handles) {
  uint64_t buckets = (capacity + BUCKET_LOAD - 1) / BUCKET_LOAD;
  uint64_t item_size = (sizeof(struct item) + key_max + LINE_SIZE - 1) / LINE_SIZE * LINE_SIZE;
  if (buckets < BUCKETS_MIN) buckets = BUCKETS_MIN;
  return REGION_ALIGN + pages(sizeof(struct control)) + pages(LOCK_MUTEXES * sizeof(struct lock_mutex)) +
         pages(handles * sizeof(struct slot)) + pages(handles * sizeof(struct journal)) +
         pages(handles * sizeof(struct measures)) + pages(buckets * sizeof(struct bucket)) +
         pages((capacity + HEAP_FIRST) * sizeof(struct heap_entry)) + pages((capacity + 1) * item_size);
}

static const struct {
  uint32_t capacity, key_max, handles;
  int rc;
} extremes[] = {{100, 256, 4, 0}, /* the formula above is right */
                {1, 1, 1, 0},
                {0, 256, 4, -EUCLEAN},
                {WORKQ_CAPACITY_MAX + 1, 1, 4, -EUCLEAN},
                {UINT32_MAX - 1, 1, 4, -EUCLEAN},
                {UINT32_MAX, 1, 4, -EUCLEAN},
                {100, 0, 4, -EUCLEAN},
                {100, WORKQ_KEY_MAX + 1, 4, -EUCLEAN},
                {100, UINT32_MAX - 128, 4, -EUCLEAN},
                {100, UINT32_MAX, 4, -EUCLEAN},
                {100, 256, 0, -EUCLEAN},
                {100, 256, WORKQ_HANDLES_MAX + 1, -EUCLEAN},
                {100, 256, UINT32_MAX, -EUCLEAN},
                {WORKQ_CAPACITY_MAX, WORKQ_KEY_MAX, WORKQ_HANDLES_MAX, -EUCLEAN}};

START_TEST(a_geometry_out_of_range_is_euclean_though_all_sizes_agree) {
  create_closed();
  struct header header = header_read();
  header.capacity = extremes[_i].capacity;
  header.key_max = extremes[_i].key_max;
  header.handles = extremes[_i].handles;
  header.total_size = size_without_limits(header.capacity, header.key_max, header.handles);
  header_write_sealed(&header);
  ck_assert_int_eq(truncate(engine_path(name), (off_t)header.total_size), 0);
  ck_assert_int_eq(try_open_with(WORKQ_RAW), extremes[_i].rc);
  if (extremes[_i].rc < 0) ck_assert_int_eq(try_open(), extremes[_i].rc);
  ok(workq_unlink(name));
}
END_TEST

START_TEST(a_file_longer_or_shorter_than_its_header_says_is_euclean) {
  create_closed();
  const off_t size = (off_t)header_read().total_size;
  ok(workq_unlink(name));
  const off_t sizes[] = {0,
                         1,
                         sizeof(struct header) - 1,
                         sizeof(struct header),
                         REGION_ALIGN,
                         size / 2,
                         size - REGION_ALIGN,
                         size - 1,
                         size + 1,
                         size + REGION_ALIGN,
                         2 * size,
                         (off_t)1 << 40};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    create_closed();
    ck_assert_int_eq(truncate(engine_path(name), sizes[i]), 0);
    ck_assert_msg(try_open() == -EUCLEAN, "size %zu", i);
    ck_assert_msg(try_open_with(WORKQ_RAW) == -EUCLEAN, "size %zu", i);
    ok(workq_unlink(name));
  }
}
END_TEST

START_TEST(a_file_that_is_cut_off_and_says_so_is_euclean) {
  create_closed();
  struct header header = header_read();
  for (int i = 0; i < 4; i++) {
    header.total_size -= REGION_ALIGN;
    header_write_sealed(&header);
    ck_assert_int_eq(truncate(engine_path(name), (off_t)header.total_size), 0);
    ck_assert_int_eq(try_open(), -EUCLEAN);
  }
  ok(workq_unlink(name));
}
END_TEST

/* Runs every call on the queue, in a child; whatever they say, it must end well. */
static void run_all_calls(void) {
  pid_t child = process_fork();
  if (child == 0) {
    alarm(300);
    options.lock_timeout_ns = 1;
    workq *handle;
    if (workq_open(name, &options, &handle) == 0) {
      shared->steps[0]++;
      for (size_t i = 0; i < calls_count; i++)
        if (strcmp(calls[i].name, "run") != 0) (void)calls[i].run(handle);
      (void)workq_close(handle);
    }
    process_done();
  }
  process_join(child);
}

START_TEST(random_headers_with_a_good_checksum_do_no_harm) {
  uint64_t random = random_seed(NULL);
  for (unsigned i = 0; i < plain_scaled(2000); i++) {
    if (i % 100 == 0) create_closed(); /* an accepted header may have led to changes */
    struct header header = header_read(), sound = header;
    unsigned words = 1 + (unsigned)random_below(&random, 3);
    for (unsigned n = 0; n < words; n++) {
      size_t from = offsetof(struct header, seed);
      size_t at = from + 4 * random_below(&random, (offsetof(struct header, checksum) - from) / 4);
      uint32_t word = (uint32_t)random_next(&random) >> random_below(&random, 32);
      memcpy((unsigned char *)&header + at, &word, sizeof word);
    }
    header_write_sealed(&header);
    run_all_calls();
    header_write(&sound);
    if (i % 100 == 99) ok(workq_unlink(name));
  }
  printf("headers accepted: %d\n", shared->steps[0]);
  workq_unlink(name);
}
END_TEST

/* A file that has the right size, and a header, and nothing else. */
START_TEST(a_sound_header_before_holes_does_no_harm) {
  create_closed();
  const struct header sound = header_read();
  const off_t starts[] = {REGION_ALIGN, 2 * REGION_ALIGN, 4 * REGION_ALIGN, (off_t)sound.total_size / 2};
  for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
    if (i > 0) create_closed();
    ck_assert_int_eq(truncate(engine_path(name), starts[i]), 0);
    ck_assert_int_eq(truncate(engine_path(name), (off_t)sound.total_size), 0);
    run_all_calls();
    ok(workq_unlink(name));
  }
}
END_TEST

Suite *header_suite(void) {
  Suite *suite = suite_create("headers");
  TCase *tcase = fixture_case(suite, "bits");
  tcase_add_test(tcase, every_flipped_bit_of_the_header_is_an_error);
  tcase_add_test(tcase, bits_of_the_first_page_that_mean_nothing_change_nothing);

  tcase = fixture_case(suite, "fingerprint");
  tcase_add_loop_test(tcase, a_foreign_fingerprint_is_eprotonosupport_and_described, 0,
                      (int)(sizeof fingerprint_fields / sizeof *fingerprint_fields));
  tcase_add_test(tcase, every_foreign_boot_id_is_eprotonosupport_and_safe_to_print);
  tcase_add_test(tcase, an_older_or_newer_layout_is_eprotonosupport_and_described);
  tcase_add_test(tcase, options_from_the_future_are_eprotonosupport_and_described);
  tcase_add_test(tcase, a_description_fits_its_buffer);

  tcase = fixture_case(suite, "values");
  tcase_add_loop_test(tcase, a_value_that_cannot_be_is_euclean_whatever_the_checksum_says, 0,
                      (int)(sizeof spoilers / sizeof *spoilers));
  tcase_add_test(tcase, a_wild_scale_of_time_is_not_used);
  tcase_add_loop_test(tcase, a_geometry_out_of_range_is_euclean_though_all_sizes_agree, 0,
                      (int)(sizeof extremes / sizeof *extremes));
  tcase_add_test(tcase, a_file_longer_or_shorter_than_its_header_says_is_euclean);
  tcase_add_test(tcase, a_file_that_is_cut_off_and_says_so_is_euclean);
  tcase_add_test(tcase, a_sound_header_before_holes_does_no_harm);
  tcase_add_test(tcase, random_headers_with_a_good_checksum_do_no_harm);
  return suite;
}
