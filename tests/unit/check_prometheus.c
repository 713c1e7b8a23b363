/*
 * How what was measured is written for Prometheus.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support/measured.h"

static char *text;

static const char *print_all(const workq_measures *queues, size_t count) {
  size_t size;
  free(text);
  FILE *out = open_memstream(&text, &size);
  ok(workq_metrics_print(queues, count, out));
  fclose(out);
  return text;
}

static void assert_line(const char *line) {
  const char *at = strstr(text, line);
  ck_assert_msg(at && (at == text || at[-1] == '\n') && at[strlen(line)] == '\n', "no line '%s' in:\n%s", line, text);
}

static void assert_no(const char *words) {
  ck_assert_msg(!strstr(text, words), "there is '%s' in:\n%s", words, text);
}

START_TEST(the_text_has_kubernetes_names_and_labels) {
  create();
  add("a");
  pass(2 * S);
  workq_item item = next();
  pass(3 * MS);
  ok(workq_done(q, &item));
  add("b");
  add_after("c", 1500 * MS);
  look();
  strcpy(seen.stats.name, "orders");
  print_all(&seen, 1);
#define NAMES "name=\"orders\",controller=\"orders\""
  assert_line("# HELP workqueue_depth Current depth of workqueue by workqueue and priority");
  assert_line("# TYPE workqueue_depth gauge");
  assert_line("workqueue_depth{" NAMES ",priority=\"0\"} 1");
  assert_line("# HELP workqueue_adds_total Total number of adds handled by workqueue");
  assert_line("# TYPE workqueue_adds_total counter");
  assert_line("workqueue_adds_total{" NAMES "} 2");
  assert_line("# HELP workqueue_retries_total Total number of retries handled by workqueue");
  assert_line("workqueue_retries_total{" NAMES "} 1");
  assert_line("# HELP workqueue_queue_duration_seconds How long in seconds an item stays in workqueue before being "
              "requested");
  assert_line("# TYPE workqueue_queue_duration_seconds histogram");
  assert_line("workqueue_queue_duration_seconds_bucket{" NAMES ",le=\"1e-08\"} 0");
  assert_line("workqueue_queue_duration_seconds_bucket{" NAMES ",le=\"9.999999999999999e-06\"} 0");
  assert_line("workqueue_queue_duration_seconds_bucket{" NAMES ",le=\"1\"} 0");
  assert_line("workqueue_queue_duration_seconds_bucket{" NAMES ",le=\"10\"} 1");
  assert_line("workqueue_queue_duration_seconds_bucket{" NAMES ",le=\"1000\"} 1");
  assert_line("workqueue_queue_duration_seconds_bucket{" NAMES ",le=\"+Inf\"} 1");
  assert_line("workqueue_queue_duration_seconds_sum{" NAMES "} 2.000000000");
  assert_line("workqueue_queue_duration_seconds_count{" NAMES "} 1");
  assert_line("workqueue_work_duration_seconds_sum{" NAMES "} 0.003000000");
  assert_line("workqueue_unfinished_work_seconds{" NAMES "} 0.000000000");
  assert_line("workqueue_longest_running_processor_seconds{" NAMES "} 0.000000000");
  assert_line("workq_delayed{name=\"orders\"} 1");
  assert_line("workq_next_due_seconds{name=\"orders\"} 1.500000000");
  assert_line("workq_delay_duration_seconds_count{name=\"orders\"} 0");
#undef NAMES
}
END_TEST

START_TEST(a_queue_without_times_has_no_histograms) {
  options.no_metrics = 1;
  create();
  look();
  print_all(&seen, 1);
  assert_no("_bucket{");
  assert_no("workqueue_unfinished_work_seconds{");
  assert_no("workq_next_due_seconds{");
  ck_assert_ptr_nonnull(strstr(text, "workqueue_depth{"));
  ck_assert_ptr_nonnull(strstr(text, "workq_gets_total{"));
}
END_TEST

START_TEST(several_queues_share_one_head) {
  create();
  look();
  workq_measures both[2] = {seen, seen};
  strcpy(both[0].stats.name, "one");
  strcpy(both[1].stats.name, "two");
  both[1].stats.metrics = 0;
  print_all(both, 2);
  assert_line("workq_ready{name=\"one\"} 0");
  assert_line("workq_ready{name=\"two\"} 0");
  const char *head = strstr(text, "# TYPE workq_ready ");
  ck_assert_ptr_nonnull(head);
  ck_assert_ptr_null(strstr(head + 1, "# TYPE workq_ready "));
  assert_no("workqueue_work_duration_seconds_count{name=\"two\"");
  print_all(NULL, 0);
  assert_no("{");
}
END_TEST

START_TEST(names_are_escaped) {
  static const struct {
    const char *name, *label;
  } names[] = {{"plain", "plain"},
               {"a\"b\\c", "a\\\"b\\\\c"},
               {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
               {"\xff", "\\\\xff"},
               {"\\xff", "\\\\x5cxff"}, /* text, not the byte */
               {"\\xfg\\Xff\\x", "\\\\xfg\\\\Xff\\\\x"},
               {"\xc3", "\\\\xc3"},
               {"\xc0\xaf", "\\\\xc0\\\\xaf"},                         /* longer than need be */
               {"\xed\xa0\x80", "\\\\xed\\\\xa0\\\\x80"},              /* half a pair */
               {"\xf4\x90\x80\x80z", "\\\\xf4\\\\x90\\\\x80\\\\x80z"}, /* beyond the last */
               {"\xe2\x82", "\\\\xe2\\\\x82"},
               {"two\nlines", "two\\nlines"}};
  create();
  look();
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char line[256];
    strcpy(seen.stats.name, names[i].name);
    print_all(&seen, 1);
    snprintf(line, sizeof line, "workq_paused{name=\"%s\"} 0", names[i].label);
    assert_line(line);
  }
}
END_TEST

START_TEST(at_most_25_priorities_are_told_apart) {
  create();
  look();
  ck_assert_uint_eq(seen.shown, 1);
  workq_add_options how = {0};
  char key[8];
  for (int i = 0; i < 24; i++) {
    how.priority = 100 - i;
    ck_assert_int_eq(workq_add_opts(q, key, (size_t)snprintf(key, sizeof key, "%d", i), &how), 1);
  }
  look();
  ck_assert_uint_eq(seen.shown, 25);
  for (int i = 1; i < 25; i++) ck_assert_int_eq(seen.shown_priority[i], 101 - i); /* in the order in which they came */
  strcpy(seen.stats.name, "n");
  print_all(&seen, 1);
  assert_line("workqueue_depth{name=\"n\",controller=\"n\",priority=\"100\"} 1");
  assert_line("workqueue_depth{name=\"n\",controller=\"n\",priority=\"exceeded_cardinality_limit\"} 0");
  for (int i = 24; i < 30; i++) {
    how.priority = 100 - i;
    ck_assert_int_eq(workq_add_opts(q, key, (size_t)snprintf(key, sizeof key, "%d", i), &how), 1);
  }
  for (int i = 0; i < 24; i++) (void)next();
  look();
  ck_assert_uint_eq(seen.shown, 25);
  strcpy(seen.stats.name, "n");
  print_all(&seen, 1);
  /* Those that were met first keep their names, though nothing is there now. */
  assert_line("workqueue_depth{name=\"n\",controller=\"n\",priority=\"100\"} 0");
  assert_line("workqueue_depth{name=\"n\",controller=\"n\",priority=\"exceeded_cardinality_limit\"} 6");
  assert_no("priority=\"76\"");
}
END_TEST

START_TEST(a_raw_handle_measures_too) {
  create();
  add("a");
  pass(S);
  workq_item item = next();
  workq_options raw_options = options;
  raw_options.flags = WORKQ_RAW;
  workq *raw;
  ok(workq_open(name, &raw_options, &raw));
  pass(S);
  workq_measures raw_seen;
  ok(workq_measure(raw, &raw_seen));
  look();
  ck_assert_int_eq(raw_seen.stats.unfinished_ns, S);
  ck_assert_uint_eq(raw_seen.queue_time.count, 1);
  ck_assert_mem_eq(&raw_seen.queue_time, &seen.queue_time, sizeof seen.queue_time);
  FILE *out = fopen("/dev/null", "w");
  ok(workq_metrics(raw, out));
  fclose(out);
  ok(workq_close(raw));
  ok(workq_done(q, &item));
}
END_TEST

START_TEST(a_write_that_fails_is_eio) {
  create();
  FILE *full = fopen("/dev/full", "w");
  ck_assert_ptr_nonnull(full);
  ck_assert_int_eq(workq_metrics(q, full), -EIO);
  fclose(full);
}
END_TEST

static Suite *text_suite(void) {
  Suite *suite = suite_create("text for Prometheus");
  TCase *tcase = fixture_case(suite, "as text");
  tcase_add_test(tcase, the_text_has_kubernetes_names_and_labels);
  tcase_add_test(tcase, a_queue_without_times_has_no_histograms);
  tcase_add_test(tcase, several_queues_share_one_head);
  tcase_add_test(tcase, names_are_escaped);
  tcase_add_test(tcase, at_most_25_priorities_are_told_apart);
  tcase_add_test(tcase, a_raw_handle_measures_too);
  tcase_add_test(tcase, a_write_that_fails_is_eio);
  return suite;
}

int main(void) {
  static suite_maker *const suites[] = {text_suite};
  return fixture_run("check-prometheus", suites, 1);
}
