/*
 * What the tests of the inner modules share; see inner.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/item.h"
#include "shm/journal.h"
#include "shm/operation.h"
#include "shm/table.h"
#include "test_engine.h"

#define TEST_SECONDS 900
#define OPENED_MAX   64

static uint64_t seed, state;
static char prefix[32]; /* of the names of this program's queues */

int64_t inner_now_ns;

static workq *opened[OPENED_MAX];
static unsigned opened_count;

static void reset(void) {
  state = seed;
  inner_now_ns = NS_PER_S;
}

static void close_all(void) {
  while (opened_count > 0) inner_close(opened[opened_count - 1]);
}

TCase *inner_case(Suite *suite, const char *name) {
  TCase *tests = tcase_create(name);
  tcase_set_timeout(tests, TEST_SECONDS);
  tcase_add_checked_fixture(tests, reset, close_all);
  suite_add_tcase(suite, tests);
  return tests;
}

int inner_main(int argc, char **argv, Suite *suite) {
  seed = plain_begin(&argc, argv);
  snprintf(prefix, sizeof prefix, "inner-%d", (int)getpid());
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  engine_remove_all(prefix); /* a test that failed has not removed its queues */
  return failed == 0 ? 0 : 1;
}

uint32_t inner_below(uint32_t n) {
  return (uint32_t)random_below(&state, n);
}

bool inner_chance(unsigned percent) {
  return random_chance(&state, percent);
}

uint32_t inner_wild(const workq *q) {
  const uint32_t end = q->geometry.items_max;
  const uint32_t values[] = {0, 1, end, end + 1, end + HEAP_FIRST, INT32_MAX, INT32_MAX + 1u, UINT32_MAX};
  const uint32_t n = sizeof values / sizeof *values;
  uint32_t choice = inner_below(n + 2);
  if (choice < n) return values[choice];
  return choice == n ? 1 + inner_below(end) : (uint32_t)random_next(&state);
}

/* ---- Segments ---- */

static int64_t read_clock(void *arg) {
  (void)arg;
  return inner_now_ns;
}

static void remember(workq *q) {
  ck_assert_uint_lt(opened_count, OPENED_MAX);
  opened[opened_count++] = q;
}

void inner_open_raw(const workq_options *options, workq **handles, unsigned n, workq **raw) {
  static unsigned number;
  char name[64];
  workq_options with_clock = *options, only_reading = {.flags = WORKQ_RAW};
  if (!with_clock.clock) with_clock.clock = read_clock;
  bool never_look = with_clock.reap_interval_ns > WORKQ_REAP_INTERVAL_MAX;
  if (never_look) with_clock.reap_interval_ns = WORKQ_REAP_INTERVAL_MAX;
  snprintf(name, sizeof name, "%s-%d-%u", prefix, (int)getpid(), number++);
  ck_assert_int_eq(workq_create(name, &with_clock, &handles[0]), 0);
  int rc = 0;
  for (unsigned i = 1; i < n && rc == 0; i++) rc = workq_open(name, &with_clock, &handles[i]);
  if (raw && rc == 0) rc = workq_open(name, &only_reading, raw);
  ck_assert_int_eq(rc, 0);
  for (unsigned i = 0; i < n; i++) {
    if (never_look) handles[i]->header.reap_interval_ns = options->reap_interval_ns;
    remember(handles[i]);
  }
  if (raw) remember(*raw);
}

void inner_open(const workq_options *options, workq **handles, unsigned n) {
  inner_open_raw(options, handles, n, NULL);
}

/* The queue is removed with its last handle. */
void inner_close(workq *q) {
  char name[sizeof q->name];
  bool last = true;
  for (unsigned i = 0; i < opened_count; i++) {
    if (opened[i] != q) continue;
    opened[i] = opened[--opened_count];
    break;
  }
  snprintf(name, sizeof name, "%s", q->name);
  for (unsigned i = 0; i < opened_count; i++) last = last && strcmp(opened[i]->name, name) != 0;
  ck_assert_int_eq(workq_close(q), 0);
  if (last) ck_assert_int_eq(workq_unlink(name), 0);
}

workq *inner_create(uint32_t capacity) {
  workq *q;
  inner_open(&(workq_options){.capacity = capacity, .key_max = 40, .handles = 2}, &q, 1);
  return q;
}

void inner_begin(workq *q) {
  ck_assert_int_eq(lock_acquire(q, CLOCK_NEVER), 0);
  journal_begin(q);
}

int inner_end(workq *q, int rc) {
  return op_commit(q, rc);
}

size_t inner_key(uint32_t number, char *text) {
  return (size_t)snprintf(text, 32, "key-%u", number);
}

int inner_make(workq *q, uint32_t hash, const void *key, size_t len, uint32_t *index) {
  struct item *item;
  struct bucket *bucket = table_bucket(q, hash);
  if (!bucket) return -EUCLEAN;
  int rc = item_create(q, bucket, hash, key, len, index, &item);
  if (rc == 0) ck_assert_ptr_eq(item, item_at(q, *index));
  return rc;
}

uint32_t inner_record(workq *q, uint32_t number) {
  char key[32];
  size_t len = inner_key(number, key);
  uint32_t index;
  int rc = inner_make(q, table_hash(q, key, len), key, len, &index);
  if (rc == -ENOSPC) return 0;
  ck_assert_int_eq(rc, 0);
  return index;
}

int inner_find(const workq *q, uint32_t hash, const void *key, size_t len, uint32_t *index) {
  return table_find(q, table_bucket(q, hash), hash, key, len, index);
}

/* A line's number that none has, where the next transactions enter theirs. */
#define UNUSED UINT32_MAX

void inner_count_lines(workq *q) {
  for (uint32_t i = 2; i < JOURNAL_LINES; i++) q->journal->line[i] = UNUSED;
}

uint32_t inner_lines(const workq *q) {
  uint32_t lines = JOURNAL_LINES;
  while (lines > 2 && q->journal->line[lines - 1] == UNUSED) lines--;
  return lines;
}

static void print_problem(void *arg, const char *line) {
  (void)arg;
  printf("workq_check: %s\n", line);
  fflush(stdout); /* the test may end at once */
}

void inner_assert_sound(workq *q) {
  ck_assert_int_eq(workq_check(q, print_problem, NULL), 0);
}

/* ---- Pictures ---- */

struct picture {
  _Alignas(LINE_SIZE) size_t size;
  _Alignas(LINE_SIZE) unsigned char bytes[]; /* records in it are aligned as they are in the segment */
};

struct picture *inner_take(const workq *q) {
  struct picture *picture = aligned_alloc(LINE_SIZE, sizeof *picture + q->size);
  ck_assert_ptr_nonnull(picture);
  picture->size = q->size;
  memcpy(picture->bytes, q->base, q->size);
  return picture;
}

static size_t offset_of(const workq *q, const void *place) {
  return (size_t)((const unsigned char *)place - q->base);
}

static void put_range(workq *q, const struct picture *picture, const void *from, const void *end) {
  size_t at = offset_of(q, from);
  memcpy(q->base + at, picture->bytes + at, offset_of(q, end) - at);
}

void inner_put(workq *q, const struct picture *picture) {
  ck_assert_uint_eq(picture->size, q->size);
  put_range(q, picture, q->control, q->control + 1);
  for (uint32_t i = 0; i < q->geometry.handles; i++) put_range(q, picture, &q->slots[i].attachment, &q->slots[i] + 1);
  put_range(q, picture, q->journals, q->base + q->size);
}

static const char *difference(const workq *q, const struct picture *picture, const void *from, const void *end,
                              const char *what) {
  static char text[128];
  size_t first = offset_of(q, from), last = offset_of(q, end);
  if (memcmp(q->base + first, picture->bytes + first, last - first) == 0) return NULL;
  size_t at = first;
  while (q->base[at] == picture->bytes[at]) at++;
  snprintf(text, sizeof text, "%s: byte %zu from its start is %u, was %u", what, at - first, q->base[at],
           picture->bytes[at]);
  return text;
}

/* A record's line but for its guess, and its key unless the record was free: then the key is nobody's. */
static const char *record_difference(const workq *q, const struct picture *picture, uint32_t index) {
  static char name[32];
  /* Not item_at(): it may have no memory. */
  const struct item *item = (const void *)(q->items + (size_t)(index - 1) * q->geometry.item_size);
  const struct item *old = (const void *)(picture->bytes + offset_of(q, item));
  const unsigned char *end =
      (const unsigned char *)item + (old->place == PLACE_FREE ? LINE_SIZE : q->geometry.item_size);
  snprintf(name, sizeof name, "record %u", index);
  const char *text = difference(q, picture, item, &item->prefetch_hint, name);
  return text ? text : difference(q, picture, &item->prefetch_hint + 1, end, name);
}

const char *inner_difference(const workq *q, const struct picture *picture) {
  const struct control *c = q->control;
  const char *text = difference(q, picture, &c->hot, &c->cold, "the hot line");
  if (!text) text = difference(q, picture, &c->cold, &c->wait, "the cold line");
  if (!text) text = difference(q, picture, &c->wait, &c->totals, "the wait line");
  if (!text) text = difference(q, picture, &c->totals, &c->reap, "the totals");
  if (!text) text = difference(q, picture, c->bands, c->bands + BANDS, "the bands");
  for (uint32_t i = 0; i < q->geometry.handles && !text; i++)
    text = difference(q, picture, &q->slots[i].attachment, &q->slots[i].futex, "a slot from who on");
  if (!text) text = difference(q, picture, q->table, q->table + q->geometry.buckets_max, "the table");
  if (!text) text = difference(q, picture, q->heap, q->heap + q->geometry.heap_max, "the heap");
  for (uint32_t i = 1; i <= q->geometry.items_max && !text; i++) text = record_difference(q, picture, i);
  return text;
}

void inner_assert_same(const workq *q, const struct picture *picture) {
  const char *text = inner_difference(q, picture);
  if (text) ck_abort_msg("%s", text);
}
