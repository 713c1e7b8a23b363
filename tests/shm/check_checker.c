/*
 * workq_check(): a sound segment is not blamed; a segment damaged in just one way is, in the words for that; and there is
 * no fault that the checker names but no test provokes.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "faults.h"
#include "shm/table.h"

enum { LINES_MAX = 200 };

/* ---- What the checker says ---- */

struct report {
  int problems;
  uint32_t lines;
  char line[LINES_MAX][FAULTS_LINE];
};

static void take_line(void *arg, const char *line) {
  struct report *report = arg;
  ck_assert_uint_lt(report->lines, LINES_MAX);
  snprintf(report->line[report->lines++], FAULTS_LINE, "%s", line);
}

static void run_check(workq *with, struct report *report) {
  report->lines = 0;
  report->problems = workq_check(with, take_line, report);
}

static bool has_line(const struct report *report, const char *line) {
  for (uint32_t i = 0; i < report->lines; i++)
    if (strcmp(report->line[i], line) == 0) return true;
  return false;
}

static struct report report;

static void assert_reported(workq *by, const char *how, const char *line) {
  run_check(by, &report);
  ck_assert_msg(report.problems > 0, "%s finds nothing, should find: %s", how, line);
  ck_assert_msg(has_line(&report, line), "%s says \"%s\" and more, not: %s", how, report.line[0], line);
}

START_TEST(each_damage_is_reported) {
  faults_start();
  const struct faults_words *words = faults_do(_i);
  if (words->locking) assert_reported(faults_q, "workq_check", words->line);
  if (words->raw) assert_reported(faults_raw, "workq_check on a raw handle", words->line);
  faults_end();
  inner_assert_sound(faults_q);
}
END_TEST

/* ---- The checker's own words ---- */

/* Does a line come of this printf format?  Conversions of numbers and %s only. */
static bool matches(const char *format, const char *line) {
  if (*format == '\0') return *line == '\0';
  if (*format != '%') return *format == *line && matches(format + 1, line + 1);
  const char *end = format + 1;
  while (isdigit((unsigned char)*end)) end++;
  if (*end == 's') {
    for (;; line++) {
      if (matches(end + 1, line)) return true;
      if (*line == '\0') return false;
    }
  }
  const char *digits = *end == 'x' ? "0123456789abcdef" : "-0123456789";
  size_t most = strspn(line, digits);
  for (size_t n = 1; n <= most; n++)
    if (matches(end + 1, line + n)) return true;
  return false;
}

static size_t literals(const char *format) {
  size_t n = 0;
  for (; *format; format++) {
    if (*format == '%') format += 1 + strspn(format + 1, "0123456789");
    else n++;
  }
  return n;
}

/* The formats of all calls of fault() in the checker's source. */
static unsigned read_formats(char formats[][FAULTS_LINE], unsigned most) {
  const char *top = getenv("WORKQ_SRCDIR");
  ck_assert_msg(top != NULL, "WORKQ_SRCDIR is not set");
  char path[4096], *text = NULL;
  size_t size = 0;
  snprintf(path, sizeof path, "%s/src/shm/check.c", top);
  FILE *file = fopen(path, "r");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_gt(getdelim(&text, &size, '\0', file), 0);
  fclose(file);
  unsigned n = 0;
  for (const char *at = text; (at = strstr(at, " fault(")) != NULL; at++) {
    const char *open = strchr(at, '"'), *stop = strchr(at, ';');
    if (!open || !stop || open > stop) continue; /* the function itself */
    const char *close = strchr(open + 1, '"');
    ck_assert_uint_lt(n, most);
    snprintf(formats[n++], FAULTS_LINE, "%.*s", (int)(close - open - 1), open + 1);
  }
  free(text);
  return n;
}

START_TEST(every_fault_is_provoked) {
  static char formats[LINES_MAX][FAULTS_LINE];
  bool provoked[LINES_MAX] = {false};
  unsigned n = read_formats(formats, LINES_MAX);
  ck_assert_uint_ge(n, 40);
  faults_start();
  for (int i = 0; i < faults_count(); i++) {
    inner_put(faults_q, faults_sound);
    const char *line = faults_do(i)->line;
    /* The format that says most of it: "%s: record ..." fits much. */
    unsigned best = n;
    for (unsigned f = 0; f < n; f++)
      if (matches(formats[f], line) && (best == n || literals(formats[f]) > literals(formats[best]))) best = f;
    ck_assert_msg(best < n, "the checker has no such words: %s", line);
    provoked[best] = true;
  }
  faults_end();
  for (unsigned f = 0; f < n; f++) ck_assert_msg(provoked[f], "no damage provokes: %s", formats[f]);
}
END_TEST

/* ---- Sound segments, and the form of the report ---- */

static void count_line(void *arg, const char *line) {
  (void)line;
  ++*(int *)arg;
}

START_TEST(a_sound_segment_is_not_blamed) {
  faults_start();
  int lines = 0;
  ck_assert_int_eq(workq_check(faults_q, count_line, &lines), 0);
  ck_assert_int_eq(workq_check(faults_raw, count_line, &lines), 0);
  ck_assert_int_eq(lines, 0);
  ck_assert_int_eq(workq_check(faults_q, NULL, NULL), 0);
  faults_end();
}
END_TEST

START_TEST(an_empty_segment_is_sound) {
  workq_options options = {.capacity = 1, .key_max = 1, .handles = 1};
  inner_open_raw(&options, &faults_q, 1, &faults_raw);
  ck_assert_int_eq(workq_check(faults_q, NULL, NULL), 0);
  ck_assert_int_eq(workq_check(faults_raw, NULL, NULL), 0);
}
END_TEST

START_TEST(a_full_segment_is_sound) {
  faults_start();
  for (uint32_t n = 1000; faults_q->control->hot.used < FAULTS_CAPACITY - 3 /* idle */; n++) faults_add(n);
  inner_assert_sound(faults_q);
  for (uint32_t n = 2000; faults_q->control->cold.idle.count; n++) faults_add(n);
  ck_assert_uint_eq(faults_q->control->hot.used, FAULTS_CAPACITY);
  inner_assert_sound(faults_q);
  faults_end();
}
END_TEST

START_TEST(a_hundred_lines_at_most_are_told) {
  faults_start();
  for (uint32_t i = 1; i <= faults_q->control->hot.fresh; i++) item_at(faults_q, i)->pending = 77;
  int lines = 0, problems = workq_check(faults_q, count_line, &lines);
  ck_assert_int_gt(problems, 100);
  ck_assert_int_eq(lines, 100);
  ck_assert_int_eq(workq_check(faults_q, NULL, NULL), problems);
  faults_end();
}
END_TEST

/* ---- Any field ---- */

struct field {
  void *at;
  size_t size;
  const char *name;
};

static struct field fields[40000];
static uint32_t fields_count;

static void field(void *at, size_t size, const char *name) {
  ck_assert_uint_lt(fields_count, sizeof fields / sizeof *fields);
  fields[fields_count++] = (struct field){at, size, name};
}

static void list_fields(struct list *list, const char *name) {
  field(&list->head, sizeof list->head, name);
  field(&list->tail, sizeof list->tail, name);
  field(&list->count, sizeof list->count, name);
}

static bool is_in_list(const struct item *item) {
  return item->place != PLACE_DELAYED;
}

static bool is_head(uint32_t index) {
  if (index == faults_q->control->cold.idle.head || index == faults_q->control->cold.buried.head) return true;
  for (int p = INT8_MIN; p <= INT8_MAX; p++)
    if (band_of(faults_q, p)->keys.head == index) return true;
  for (uint32_t i = 0; i < FAULTS_SLOTS; i++)
    if (faults_q->slots[i].own.processing.head == index) return true;
  return false;
}

/* Only what means something in the record's place. */
static void record_fields(uint32_t index) {
  struct item *item = item_at(faults_q, index);
  if (is_in_list(item)) field(&item->next, sizeof item->next, "a record's next");
  field(&item->place, sizeof item->place, "a record's place");
  if (item->place == PLACE_FREE) return;
  if (is_in_list(item) && !is_head(index)) field(&item->prev, sizeof item->prev, "a record's prev");
  field(&item->heap_place, sizeof item->heap_place, "a record's heap place");
  field(&item->hash, sizeof item->hash, "a record's hash");
  field(&item->key_len, sizeof item->key_len, "a record's key length");
  field(item_key(item), item->key_len, "a record's key");
  field(&item->owner, sizeof item->owner, "a record's owner");
  /* Being processed, a key may be pending or not. */
  if (item->place != PLACE_PROCESSING) field(&item->pending, sizeof item->pending, "a record's pending run");
  if (item->place == PLACE_READY) field(&item->priority, sizeof item->priority, "a record's priority");
}

static void bucket_fields(struct bucket *bucket) {
  for (uint32_t i = 0; i < BUCKET_ENTRIES; i++) {
    field(&bucket->item[i], sizeof bucket->item[i], "a bucket's record");
    if (bucket->item[i]) field(&bucket->hash[i], sizeof bucket->hash[i], "a bucket's hash");
  }
  field(&bucket->chain, sizeof bucket->chain, "a bucket's chain");
  for (uint32_t at = bucket->chain; at; at = item_at(faults_q, at)->chain)
    field(&item_at(faults_q, at)->chain, sizeof at, "a record's chain");
}

static void collect_fields(void) {
  struct control *c = faults_q->control;
  fields_count = 0;
  for (int i = 0; i < 4; i++) field(&c->hot.bitmap[i], sizeof c->hot.bitmap[i], "the bitmap");
  uint32_t *const counts[] = {&c->hot.ready, &c->hot.processing, &c->hot.delayed, &c->hot.free_head,
                              &c->hot.fresh, &c->hot.used,       &c->hot.buckets};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) field(counts[i], sizeof **counts, "the hot line");
  list_fields(&c->cold.idle, "the idle list");
  list_fields(&c->cold.buried, "the buried list");
  for (uint32_t i = 0; i < BANDS; i++) list_fields(&c->bands[i].keys, "a band");
  for (uint32_t i = WAIT_GET; i < WAIT_KINDS; i++) list_fields(&c->wait.list[i], "a line of sleepers");
  for (uint32_t i = 0; i < FAULTS_SLOTS; i++) {
    struct slot *slot = &faults_q->slots[i];
    list_fields(&slot->own.processing, "a slot's keys");
    field(&slot->wait.kind, sizeof slot->wait.kind, "what a slot waits for");
    if (!slot->wait.kind) continue;
    field(&slot->wait.next, sizeof slot->wait.next, "a sleeper's next");
    field(&slot->wait.prev, sizeof slot->wait.prev, "a sleeper's prev");
  }
  for (uint32_t i = 0; i < c->hot.delayed; i++)
    field(&faults_q->heap[HEAP_FIRST + i].item, sizeof(uint32_t), "the heap");
  for (uint32_t b = 0; b < c->hot.buckets; b++) bucket_fields(&faults_q->table[b]);
  for (uint32_t i = 1; i <= c->hot.fresh; i++) record_fields(i);
}

/* Another value: one bit, one more or less, or wild. */
static void spoil(const struct field *f) {
  unsigned char *bytes = f->at;
  uint32_t wild = inner_wild(faults_q);
  switch (inner_below(3)) {
  case 0:
    bytes[inner_below((uint32_t)f->size)] ^= (unsigned char)(1u << inner_below(8));
    break;
  case 1:
    bytes[0] = (unsigned char)(inner_chance(50) ? bytes[0] + 1 : bytes[0] - 1);
    break;
  default:
    memcpy(bytes, &wild, f->size < sizeof wild ? f->size : sizeof wild);
  }
}

/* With one bucket less, and the last of them empty, or one more, and no key to move there, a table is as sound as before. */
static bool keys_stay(uint32_t buckets_before) {
  uint32_t buckets = faults_q->control->hot.buckets;
  for (uint32_t i = 1; i <= faults_q->control->hot.fresh; i++) {
    const struct item *item = item_at(faults_q, i);
    if (item->place == PLACE_FREE) continue;
    if (table_bucket_number(item->hash, buckets) != table_bucket_number(item->hash, buckets_before)) return false;
  }
  return buckets != buckets_before;
}

START_TEST(no_field_of_the_structures_goes_unchecked) {
  faults_start();
  uint32_t buckets = faults_q->control->hot.buckets;
  collect_fields();
  for (unsigned i = plain_scaled(20000); i > 0; i--) {
    const struct field *f = &fields[inner_below(fields_count)];
    unsigned char before[64];
    ck_assert_uint_le(f->size, sizeof before);
    memcpy(before, f->at, f->size);
    spoil(f);
    if (memcmp(before, f->at, f->size) != 0) {
      int problems = workq_check(inner_chance(50) ? faults_q : faults_raw, NULL, NULL);
      ck_assert_msg(problems > 0 || keys_stay(buckets), "%s was changed, and nothing was found", f->name);
    }
    memcpy(f->at, before, f->size);
  }
  faults_end();
  inner_assert_sound(faults_q);
}
END_TEST

int main(int argc, char **argv) {
  Suite *suite = suite_create("checker");
  TCase *sound_ones = inner_case(suite, "sound");
  tcase_add_test(sound_ones, a_sound_segment_is_not_blamed);
  tcase_add_test(sound_ones, an_empty_segment_is_sound);
  tcase_add_test(sound_ones, a_full_segment_is_sound);
  TCase *damaged = inner_case(suite, "damage");
  tcase_add_loop_test(damaged, each_damage_is_reported, 0, faults_count());
  tcase_add_test(damaged, every_fault_is_provoked);
  tcase_add_test(damaged, a_hundred_lines_at_most_are_told);
  tcase_add_test(damaged, no_field_of_the_structures_goes_unchecked);
  return inner_main(argc, argv, suite);
}
