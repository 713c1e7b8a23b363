/*
 * What `workq top` makes of figures before it draws them: short texts, rates, percentiles, history.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>
#include <langinfo.h>
#include <locale.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/escape.h"
#include "common/sample.h"
#include "top/format.h"
#include "top/history.h"

#define MS NS_PER_MS
#define S  NS_PER_S

/* ---- Texts --------------------------------------------------------------------------------------------------- */

static char text[TOP_TEXT_SIZE];

START_TEST(counts) {
  ck_assert_str_eq(top_count(text, 0), "0");
  ck_assert_str_eq(top_count(text, 999999), "999999");
  ck_assert_str_eq(top_count(text, 1000000), "1.00M");
  ck_assert_str_eq(top_count(text, 12345678), "12.3M");
  ck_assert_str_eq(top_count(text, 999600000), "1.00G");
  ck_assert_str_eq(top_count(text, UINT64_MAX), "18.4E");
}
END_TEST

START_TEST(rates) {
  ck_assert_str_eq(top_rate(text, -1), "-");
  ck_assert_str_eq(top_rate(text, 0), "0");
  ck_assert_str_eq(top_rate(text, 0.25), "0.25");
  ck_assert_str_eq(top_rate(text, 3.5), "3.50");
  ck_assert_str_eq(top_rate(text, 99.96), "100");
  ck_assert_str_eq(top_rate(text, 12345), "12345");
  ck_assert_str_eq(top_rate(text, 123456), "123k");
  ck_assert_str_eq(top_rate(text, 7654321), "7.65M");
}
END_TEST

START_TEST(durations) {
  ck_assert_str_eq(top_time(text, -1), "-");
  ck_assert_str_eq(top_time(text, 0), "0");
  ck_assert_str_eq(top_time(text, 850), "850ns");
  ck_assert_str_eq(top_time(text, 1200), "1.20us");
  ck_assert_str_eq(top_time(text, 35 * MS), "35.0ms");
  ck_assert_str_eq(top_time(text, 999600 * 1000), "1.00s");
  ck_assert_str_eq(top_time(text, 59900 * MS), "59.9s");
  ck_assert_str_eq(top_time(text, 60 * S - 1), "1m00s");
  ck_assert_str_eq(top_time(text, 125 * S), "2m05s");
  ck_assert_str_eq(top_time(text, 3 * 3600 * S + 7 * 60 * S), "3h07m");
  ck_assert_str_eq(top_time(text, 5 * 86400 * S + 4 * 3600 * S), "5d04h");
  ck_assert_str_eq(top_time(text, WORKQ_DURATION_MAX), "26687d");
}
END_TEST

START_TEST(bytes) {
  ck_assert_str_eq(top_bytes(text, 999), "999B");
  ck_assert_str_eq(top_bytes(text, 1024), "1.00K");
  ck_assert_str_eq(top_bytes(text, 353 << 20), "353M");
}
END_TEST

/* Columns rely on it. */
START_TEST(no_text_is_longer_than_seven) {
  for (uint64_t value = 1; value < UINT64_MAX / 4; value += 1 + value / 7) {
    ck_assert_uint_le(strlen(top_count(text, value)), 6);
    ck_assert_uint_le(strlen(top_rate(text, (double)value / 1000)), 6);
    ck_assert_uint_le(strlen(top_bytes(text, value)), 5);
    if (value <= (uint64_t)WORKQ_DURATION_MAX) ck_assert_uint_le(strlen(top_time(text, (int64_t)value)), 6);
  }
}
END_TEST

START_TEST(text_is_cut_to_its_space) {
  char out[16];
  static const struct {
    int width;
    const char *end, *middle;
  } cuts[] = {{10, "abcdefgh", "abcdefgh"},
              {8, "abcdefgh", "abcdefgh"},
              {7, "abcde..", "abc..gh"},
              {4, "ab..", "a..h"},
              {3, "abc", "abc"},
              {1, "a", "a"},
              {0, "", ""},
              {-5, "", ""}};
  for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
    int columns = top_fit(out, sizeof out, "abcdefgh", cuts[i].width, CUT_END, false);
    ck_assert_str_eq(out, cuts[i].end);
    ck_assert_int_eq(columns, (int)strlen(out));
    columns = top_fit(out, sizeof out, "abcdefgh", cuts[i].width, CUT_MIDDLE, false);
    ck_assert_str_eq(out, cuts[i].middle);
    ck_assert_int_eq(columns, (int)strlen(out));
  }
  top_fit(out, 6, "abcdefgh", 20, CUT_END, false);
  ck_assert_str_eq(out, "abc..");
  /* An escape is not cut. */
  top_fit(out, sizeof out, "a\\xffb\\xfec", 8, CUT_END, false);
  ck_assert_str_eq(out, "a\\xffb..");
  top_fit(out, sizeof out, "a\\xffb\\xfec", 9, CUT_MIDDLE, false);
  ck_assert_str_eq(out, "a\\xffb..c");
}
END_TEST

/* ---- Characters ---------------------------------------------------------------------------------------------- */

static bool has_utf8(void) {
  return setlocale(LC_CTYPE, "C.UTF-8") != NULL && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

START_TEST(characters_are_shown_or_escaped) {
  static const struct {
    const char *bytes, *shown;
    int columns;
  } texts[] = {
      {"", "", 0},
      {"plain", "plain", 5},
      {"h\303\266hle", "h\303\266hle", 5},
      {"\346\227\245\346\234\254", "\346\227\245\346\234\254", 4}, /* wide */
      {"e\314\201", "e\314\201", 1},                               /* combining */
      {"\314\201e", "\\xcc\\x81e", 9},                             /* with nothing */
      {"\377\376", "\\xff\\xfe", 8},
      {"\303", "\\xc3", 4}, /* the first half of a character */
      {"a\303b", "a\\xc3b", 6},
      {"\300\257", "\\xc0\\xaf", 8},                     /* a longer form of '/' */
      {"\355\240\200", "\\xed\\xa0\\x80", 12},           /* half of a pair of UTF-16 */
      {"\302\205", "\\xc2\\x85", 8},                     /* a control character above ASCII */
      {"\342\200\256", "\\xe2\\x80\\xae", 12},           /* changes the direction */
      {"\342\200\213", "\\xe2\\x80\\x8b", 12},           /* no width */
      {"\302\240", "\\xc2\\xa0", 8},                     /* looks like a blank */
      {"\033[31m\177\n\\", "\\x1b[31m\\x7f\\n\\\\", 16}, /* as in ASCII */
  };
  if (!has_utf8()) return;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    char *shown = escape_shown(texts[i].bytes, strlen(texts[i].bytes), true);
    ck_assert_str_eq(shown, texts[i].shown);
    ck_assert_int_eq(escape_columns(shown), texts[i].columns);
    /* What was escaped for a pipe is shown in the same way. */
    char *escaped = escape(texts[i].bytes, strlen(texts[i].bytes)), *restored = malloc(4 * strlen(escaped) + 1);
    ck_assert_ptr_nonnull(restored);
    ck_assert_uint_eq((size_t)(escape_restore(restored, escaped) - restored), strlen(texts[i].shown));
    ck_assert_str_eq(restored, texts[i].shown);
    free(restored);
    free(escaped);
    free(shown);
  }
}
END_TEST

START_TEST(a_tower_of_marks_is_cut_down) {
  if (!has_utf8()) return;
  char tower[1 + 2 * 50 + 1] = "e";
  for (int i = 0; i < 50; i++) strcat(tower, "\314\201");
  char *shown = escape_shown(tower, strlen(tower), true);
  ck_assert_uint_eq(strspn(shown + 1, "\314\201"), 2 * 4);
  ck_assert_int_eq(escape_columns(shown), 1 + 46 * 8);
  free(shown);
}
END_TEST

/* No width, and no place to cut, makes a text wider than asked for, or cuts a character. */
START_TEST(characters_are_cut_whole) {
  static const char mixed[] = "a\346\227\245e\314\201\\xff\346\234\254\303\266z";
  if (!has_utf8()) return;
  for (int width = 0; width <= 14; width++) {
    for (int cut = CUT_END; cut <= CUT_MIDDLE; cut++) {
      for (size_t size = 1; size <= sizeof mixed; size++) {
        char out[sizeof mixed + 8];
        int columns = top_fit(out, size, mixed, width, (enum top_cut)cut, true);
        ck_assert_uint_lt(strlen(out), size);
        ck_assert_int_eq(escape_columns(out), columns);
        ck_assert_int_le(columns, width);
        ck_assert_uint_ne(mbstowcs(NULL, out, 0), (size_t)-1);
      }
    }
  }
  char out[32];
  top_fit(out, sizeof out, mixed, 7, CUT_MIDDLE, true);
  ck_assert_str_eq(out, "a\346\227\245e\314\201\342\200\246\303\266z");
}
END_TEST

/* ---- Tables -------------------------------------------------------------------------------------------------- */

static const struct top_column columns[] = {
    {"NAME", 6, 20, 0, true}, {"COUNT", 5, 0, 2, false}, {"RARE", 4, 0, 3, false}, {"TEXT", 6, 100, 1, true}};

START_TEST(columns_have_their_places) {
  struct top_cell cells[4];
  /* 6 + 1 + 5 + 1 + 4 + 2 + 6 = 25 */
  top_lay_out(columns, 4, 1, 25, cells);
  static const struct top_cell tight[] = {{1, 6}, {8, 5}, {14, 4}, {20, 6}};
  ck_assert_mem_eq(cells, tight, sizeof cells);
  top_lay_out(columns, 4, 1, 30, cells); /* the first takes what it wants */
  static const struct top_cell more[] = {{1, 11}, {13, 5}, {19, 4}, {25, 6}};
  ck_assert_mem_eq(cells, more, sizeof cells);
  top_lay_out(columns, 4, 1, 60, cells); /* and no more */
  ck_assert_int_eq(cells[0].width, 20);
  ck_assert_int_eq(cells[3].at + cells[3].width, 61);
}
END_TEST

START_TEST(columns_are_left_out_by_rank) {
  struct top_cell cells[4];
  top_lay_out(columns, 4, 0, 24, cells);
  ck_assert_int_eq(cells[2].width, 0);
  ck_assert_int_eq(cells[1].width, 5);
  top_lay_out(columns, 4, 0, 19, cells);
  ck_assert_int_eq(cells[1].width, 0);
  ck_assert_int_eq(cells[3].width, 6);
  top_lay_out(columns, 4, 0, 10, cells);
  ck_assert_int_eq(cells[3].width, 0);
  ck_assert_int_eq(cells[0].width, 10);
  for (int space = 0; space < 70; space++) {
    top_lay_out(columns, 4, 3, space, cells);
    for (int i = 0; i < 4; i++)
      if (cells[i].width > 0) ck_assert_int_le(cells[i].at + cells[i].width, 3 + (space > 6 ? space : 6));
  }
}
END_TEST

START_TEST(columns_of_a_graph) {
  ck_assert_int_eq(top_level(0, 10, 4, 0), 0);
  ck_assert_int_eq(top_level(5, 0, 4, 0), 0);
  ck_assert_int_eq(top_level(10, 10, 4, 3), 8);
  ck_assert_int_eq(top_level(20, 10, 4, 3), 8);
  ck_assert_int_eq(top_level(5, 10, 4, 1), 8);
  ck_assert_int_eq(top_level(5, 10, 4, 2), 0);
  ck_assert_int_eq(top_level(1, 1e9, 4, 0), 1); /* little is not nothing */
  ck_assert_int_eq(top_level(1, 1e9, 4, 1), 0);
  for (int level = 0; level <= 8; level++) {
    ck_assert_uint_eq(strlen(top_block(level, false)), 1);
    ck_assert_uint_eq(strlen(top_block(level, true)), level == 0 ? 1 : 3);
  }
}
END_TEST

/* ---- Two samples ----------------------------------------------------------------------------------------------- */

static struct sample sample_at(int64_t at_ns, uint64_t adds, uint64_t dones) {
  struct sample sample = {.at_ns = at_ns};
  sample.measures.stats.adds = adds;
  sample.measures.stats.dones = dones;
  return sample;
}

START_TEST(rates_are_of_the_time_between) {
  struct sample before = sample_at(10 * S, 100, 50), now = sample_at(12 * S, 300, 40);
  struct sample_rates between = sample_rates_between(&before, &now);
  ck_assert_double_eq(between.added, 100);
  ck_assert_double_eq(between.done, 0); /* torn: a count does not go back */
  ck_assert_double_eq(between.crashed, 0);
  ck_assert_double_lt(sample_rates_between(NULL, &now).added, 0);
  ck_assert_double_lt(sample_rates_between(&now, &now).added, 0);
}
END_TEST

static unsigned bucket_of(int64_t ns) {
  unsigned bucket = 0;
  while (workq_histogram_bound_ns(bucket) < ns) bucket++;
  return bucket;
}

START_TEST(percentiles_are_of_the_time_between) {
  workq_histogram before = {0}, now;
  before.buckets[bucket_of(S)] = before.count = 1000;
  now = before;
  ck_assert_int_eq(sample_times_between(&before, &now).p50_ns, -1);
  now.buckets[bucket_of(10 * MS)] += 90;
  now.buckets[bucket_of(100 * MS)] += 10;
  now.count += 100;
  struct sample_times between = sample_times_between(&before, &now);
  ck_assert_int_le(between.p50_ns, 10 * MS);
  ck_assert_int_gt(between.p50_ns, MS);
  ck_assert_int_le(between.p90_ns, 10 * MS);
  ck_assert_int_gt(between.p99_ns, 50 * MS);
  ck_assert_int_le(between.p99_ns, 100 * MS);
  ck_assert_int_gt(sample_times_between(NULL, &now).p50_ns, 500 * MS);
}
END_TEST

START_TEST(a_window_begins_one_to_two_spans_ago) {
  struct top_window *window = calloc(1, sizeof *window);
  ck_assert_ptr_null(top_window_begin(window));
  for (int64_t at_ns = S; at_ns < 100 * S; at_ns += S) {
    struct sample sample = sample_at(at_ns, 0, 0);
    top_window_add(window, &sample);
    int64_t age_ns = at_ns - top_window_begin(window)->at_ns;
    ck_assert_int_lt(age_ns, 2 * TOP_SPAN_NS);
    if (at_ns > 2 * TOP_SPAN_NS) ck_assert_int_ge(age_ns, TOP_SPAN_NS);
  }
  free(window);
}
END_TEST

/* ---- History ------------------------------------------------------------------------------------------------- */

START_TEST(history_has_a_point_a_step) {
  struct top_history *history = calloc(1, sizeof *history);
  const int steps = 2 * TOP_HISTORY_SIZE;
  top_history_start(history, S);
  ck_assert_int_eq(history->step_ns, TOP_HISTORY_STEP_NS);
  ck_assert_ptr_null(top_history_at(history, 0));
  /* One a second, ten done in each. */
  const int seconds = (int)(TOP_HISTORY_STEP_NS / S) * steps;
  for (int i = 0; i <= seconds; i++) top_history_add(history, i * S, i % 7, (uint64_t)(10 * i));
  ck_assert_uint_ge(history->end, TOP_HISTORY_SIZE);
  for (int age = 0; age < TOP_HISTORY_SIZE; age++) {
    const struct top_point *point = top_history_at(history, age);
    ck_assert_double_eq(point->done, 10);
    ck_assert_double_ge(point->depth, TOP_HISTORY_STEP_NS / S - 1);
  }
  ck_assert_ptr_null(top_history_at(history, TOP_HISTORY_SIZE));
  ck_assert_ptr_null(top_history_at(history, -1));
  free(history);
}
END_TEST

START_TEST(a_long_interval_makes_long_steps) {
  struct top_history *history = calloc(1, sizeof *history);
  top_history_start(history, 60 * S);
  top_history_add(history, 0, 5, 0);
  top_history_add(history, 60 * S, 9, 120);
  ck_assert_uint_eq(history->end, 1);
  top_history_add(history, 90 * S, 3, 150);
  ck_assert_uint_eq(history->end, 2);
  ck_assert_double_eq(top_history_at(history, 0)->done, 1);
  ck_assert_double_eq(top_history_at(history, 0)->depth, 3);
  ck_assert_double_eq(top_history_at(history, 1)->done, 2);
  ck_assert_double_eq(top_history_at(history, 1)->depth, 9);
  free(history);
}
END_TEST

START_TEST(the_span_is_what_was_seen) {
  struct top_history *history = calloc(1, sizeof *history);
  top_history_start(history, S);
  ck_assert_int_eq(top_history_span_ns(history, 80), 0);
  for (int second = 0; second <= 5; second++) top_history_add(history, 100 * S + second * S, 1, 0);
  ck_assert_int_eq(top_history_span_ns(history, 80), 5 * S);
  for (int second = 6; second <= 600; second++) top_history_add(history, 100 * S + second * S, 1, 0);
  ck_assert_int_eq(top_history_span_ns(history, 10), 10 * TOP_HISTORY_STEP_NS);
  ck_assert_int_eq(top_history_span_ns(history, 500), 600 * S);
  free(history);
}
END_TEST

/* ---- What stops the work --------------------------------------------------------------------------------------- */

/* A sample of a queue with so many ready keys and keys being processed. */
static struct sample work_at(int64_t at_ns, uint32_t ready, uint32_t processing, uint64_t dones) {
  struct sample sample = sample_at(at_ns, 100, dones);
  sample.measures.stats.gets = dones + processing;
  sample.measures.stats.ready = ready;
  sample.measures.stats.processing = processing;
  sample.measures.stats.capacity = 1000;
  sample.measures.stats.keys = ready + processing;
  return sample;
}

static enum top_trouble after(struct top_progress *progress, const struct sample *sample, int owner, int64_t *for_ns) {
  top_progress_add(progress, sample, owner);
  return top_trouble(progress, sample, for_ns);
}

START_TEST(ready_keys_without_a_worker) {
  struct top_progress progress = {0};
  int64_t for_ns;
  struct sample sample = work_at(S, 5, 0, 0);
  ck_assert_int_eq(after(&progress, &sample, 0, &for_ns), TROUBLE_NONE); /* it may have begun just now */
  sample = work_at(S + TOP_NO_WORKER_NS, 5, 0, 0);
  ck_assert_int_eq(after(&progress, &sample, 0, &for_ns), TROUBLE_NO_WORKER);
  ck_assert_int_eq(for_ns, TOP_NO_WORKER_NS);
  sample.at_ns += S;
  sample.measures.stats.paused = 1;
  ck_assert_int_eq(after(&progress, &sample, 0, &for_ns), TROUBLE_NONE);
  sample = work_at(100 * S, 0, 0, 0);
  ck_assert_int_eq(after(&progress, &sample, 0, &for_ns), TROUBLE_NONE);
  /* One that works so fast that it is never seen at work. */
  for (uint64_t second = 101; second < 200; second++) {
    sample = work_at((int64_t)second * S, 5, 0, second);
    ck_assert_int_eq(after(&progress, &sample, 0, &for_ns), TROUBLE_NONE);
  }
}
END_TEST

START_TEST(keys_that_are_not_finished) {
  struct top_progress progress = {0};
  int64_t for_ns;
  struct sample sample = work_at(0, 5, 2, 0);
  for (int second = 0; second < 60; second++) {
    sample.at_ns = second * S;
    ck_assert_int_eq(after(&progress, &sample, 0, &for_ns), TROUBLE_NONE);
  }
  sample.at_ns = 60 * S;
  ck_assert_int_eq(after(&progress, &sample, 0, &for_ns), TROUBLE_STUCK);
  ck_assert_int_eq(for_ns, 60 * S);
  /* With times of those before, ten times as long as they took; and ten seconds at least. */
  sample.measures.work_time.buckets[bucket_of(20 * S)] = sample.measures.work_time.count = 100;
  ck_assert_int_eq(after(&progress, &sample, 0, &for_ns), TROUBLE_NONE);
  sample.at_ns = 300 * S;
  ck_assert_int_eq(after(&progress, &sample, 0, &for_ns), TROUBLE_STUCK);
  sample.measures.work_time.buckets[bucket_of(20 * S)] = 0;
  sample.measures.work_time.buckets[bucket_of(MS)] = 100;
  sample.measures.stats.dones++;
  ck_assert_int_eq(after(&progress, &sample, 0, &for_ns), TROUBLE_NONE);
  sample.at_ns += TOP_STUCK_NS;
  ck_assert_int_eq(after(&progress, &sample, 0, &for_ns), TROUBLE_STUCK);
  /* Workers that wait while keys are ready. */
  struct top_progress other = {0};
  sample = work_at(0, 5, 0, 0);
  sample.measures.stats.waiting = 1;
  after(&other, &sample, 0, &for_ns);
  sample.at_ns = TOP_STUCK_NS;
  ck_assert_int_eq(after(&other, &sample, 0, &for_ns), TROUBLE_STUCK);
}
END_TEST

START_TEST(a_lock_that_is_never_free) {
  struct top_progress progress = {0};
  int64_t for_ns;
  struct sample sample = work_at(0, 0, 0, 0);
  after(&progress, &sample, 77, &for_ns);
  sample.at_ns = TOP_LOCKED_NS;
  ck_assert_int_eq(after(&progress, &sample, 77, &for_ns), TROUBLE_LOCKED);
  ck_assert_int_eq(for_ns, TOP_LOCKED_NS);
  sample.at_ns += S;
  sample.measures.stats.adds++; /* it was seen in it twice, and has worked in between */
  ck_assert_int_eq(after(&progress, &sample, 77, &for_ns), TROUBLE_NONE);
  sample.at_ns += TOP_LOCKED_NS;
  ck_assert_int_eq(after(&progress, &sample, 78, &for_ns), TROUBLE_NONE);
  sample.at_ns += TOP_LOCKED_NS;
  ck_assert_int_eq(after(&progress, &sample, 0, &for_ns), TROUBLE_NONE);
}
END_TEST

START_TEST(a_full_queue) {
  struct top_progress progress = {0};
  int64_t for_ns;
  struct sample sample = work_at(0, 1000, 0, 0);
  ck_assert_int_eq(after(&progress, &sample, 0, &for_ns), TROUBLE_FULL);
  sample.measures.stats.idle = 1; /* which an add can evict */
  ck_assert_int_eq(after(&progress, &sample, 0, &for_ns), TROUBLE_NONE);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("top");
  TCase *texts = tcase_create("texts");
  tcase_add_test(texts, counts);
  tcase_add_test(texts, rates);
  tcase_add_test(texts, durations);
  tcase_add_test(texts, bytes);
  tcase_add_test(texts, no_text_is_longer_than_seven);
  tcase_add_test(texts, text_is_cut_to_its_space);
  tcase_add_test(texts, characters_are_shown_or_escaped);
  tcase_add_test(texts, a_tower_of_marks_is_cut_down);
  tcase_add_test(texts, characters_are_cut_whole);
  tcase_add_test(texts, columns_have_their_places);
  tcase_add_test(texts, columns_are_left_out_by_rank);
  tcase_add_test(texts, columns_of_a_graph);
  suite_add_tcase(suite, texts);
  TCase *samples = tcase_create("samples");
  tcase_add_test(samples, rates_are_of_the_time_between);
  tcase_add_test(samples, percentiles_are_of_the_time_between);
  tcase_add_test(samples, a_window_begins_one_to_two_spans_ago);
  tcase_add_test(samples, history_has_a_point_a_step);
  tcase_add_test(samples, a_long_interval_makes_long_steps);
  tcase_add_test(samples, the_span_is_what_was_seen);
  tcase_add_test(samples, ready_keys_without_a_worker);
  tcase_add_test(samples, keys_that_are_not_finished);
  tcase_add_test(samples, a_lock_that_is_never_free);
  tcase_add_test(samples, a_full_queue);
  suite_add_tcase(suite, samples);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
