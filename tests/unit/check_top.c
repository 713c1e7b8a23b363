/*
 * What `workq top` makes of figures before it draws them: short texts, rates, percentiles, history.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
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

START_TEST(text_is_cut_to_its_room) {
  char out[16];
  static const struct {
    int width;
    const char *out;
  } cuts[] = {{10, "abcdefgh"}, {8, "abcdefgh"}, {7, "abcde.."}, {4, "ab.."}, {3, "abc"}, {1, "a"}, {0, ""}, {-5, ""}};
  for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
    top_fit(out, sizeof out, "abcdefgh", cuts[i].width);
    ck_assert_str_eq(out, cuts[i].out);
  }
  top_fit(out, 6, "abcdefgh", 20);
  ck_assert_str_eq(out, "abc..");
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

int main(void) {
  Suite *suite = suite_create("top");
  TCase *texts = tcase_create("texts");
  tcase_add_test(texts, counts);
  tcase_add_test(texts, rates);
  tcase_add_test(texts, durations);
  tcase_add_test(texts, bytes);
  tcase_add_test(texts, no_text_is_longer_than_seven);
  tcase_add_test(texts, text_is_cut_to_its_room);
  tcase_add_test(texts, columns_of_a_graph);
  suite_add_tcase(suite, texts);
  TCase *samples = tcase_create("samples");
  tcase_add_test(samples, rates_are_of_the_time_between);
  tcase_add_test(samples, percentiles_are_of_the_time_between);
  tcase_add_test(samples, a_window_begins_one_to_two_spans_ago);
  tcase_add_test(samples, history_has_a_point_a_step);
  tcase_add_test(samples, a_long_interval_makes_long_steps);
  suite_add_tcase(suite, samples);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
