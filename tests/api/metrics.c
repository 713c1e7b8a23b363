/*
 * The public API: what is counted and timed when.  The clock is the test's own.
 *
 * The first tests follow client-go's metrics_test.go: what it expects of a queue is expected here.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_api.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "support/measured.h"

static void done(const workq_item *item) {
  ok(workq_done(q, item));
}

/* So many were counted in the bucket of that bound. */
static void assert_bucket(const workq_histogram *h, int64_t bound_ns, uint64_t count) {
  for (unsigned i = 0; i < WORKQ_HISTOGRAM_BUCKETS; i++)
    if (workq_histogram_bound_ns(i) == bound_ns) ck_assert_uint_eq(h->buckets[i], count);
}

static void assert_times(const workq_histogram *h, uint64_t count, int64_t sum_ns) {
  uint64_t total = 0;
  for (unsigned i = 0; i < WORKQ_HISTOGRAM_BUCKETS; i++) total += h->buckets[i];
  ck_assert_uint_eq(h->count, count);
  ck_assert_uint_eq(total, count);
  ck_assert_uint_eq(h->sum_ns, (uint64_t)sum_ns);
}

static void assert_depth(uint32_t depth) {
  const workq_stats_data *s = look();
  uint32_t sum = 0;
  for (unsigned i = 0; i < 256; i++) sum += seen.depth[i];
  ck_assert_uint_eq(sum, depth);
  ck_assert_uint_eq(s->ready + s->dirty, depth);
}

/* ---- As client-go counts ---- */

START_TEST(a_key_that_is_added_while_it_is_processed_counts_at_once) {
  create();
  add("foo");
  ck_assert_uint_eq(look()->queued, 1);
  assert_depth(1);
  pass(50 * US);
  workq_item item = next();
  look();
  assert_times(&seen.queue_time, 1, 50 * US);
  assert_depth(0);
  for (int i = 0; i < 5; i++) add("foo");
  ck_assert_uint_eq(look()->queued, 2);
  assert_depth(1);
  pass(25 * US);
  done(&item);
  look();
  assert_times(&seen.work_time, 1, 25 * US);
  assert_depth(1);
  item = next();
  look();
  assert_times(&seen.queue_time, 2, 75 * US);
  assert_bucket(&seen.queue_time, 50 * US, 2);
  pass(MS);
  ck_assert_int_eq(look()->unfinished_ns, MS);
  ck_assert_int_eq(look()->longest_ns, MS);
  done(&item);
  look();
  assert_times(&seen.work_time, 2, 25 * US + MS);
  ck_assert_int_eq(seen.stats.unfinished_ns, 0);
  ck_assert_int_eq(seen.stats.longest_ns, 0);
  ck_assert_uint_eq(seen.stats.keys, 0);
  assert_sound(q);
}
END_TEST

START_TEST(unfinished_work_is_the_sum_and_longest_the_longest) {
  create();
  workq_item items[4];
  for (int i = 0; i < 4; i++) {
    char key[2] = {(char)('a' + i), 0};
    add(key);
    items[i] = next();
    pass((i + 1) * S);
  }
  /* Ages 10, 9, 7 and 4 s. */
  ck_assert_int_eq(look()->unfinished_ns, 30 * S);
  ck_assert_int_eq(seen.stats.longest_ns, 10 * S);
  done(&items[0]);
  ck_assert_int_eq(look()->unfinished_ns, 20 * S);
  ck_assert_int_eq(seen.stats.longest_ns, 9 * S);
  ok(workq_retry(q, &items[2]));
  ok(workq_release(q, &items[1]));
  ok(workq_give_up(q, &items[3]));
  ck_assert_int_eq(look()->unfinished_ns, 0);
  assert_times(&seen.work_time, 4, 30 * S);
}
END_TEST

START_TEST(a_coalesced_add_does_not_make_a_key_younger) {
  create();
  add("a");
  pass(S);
  add("a");
  pass(S);
  (void)next();
  look();
  assert_times(&seen.queue_time, 1, 2 * S);
  ck_assert_uint_eq(seen.stats.queued, 1);
}
END_TEST

START_TEST(a_delayed_key_counts_and_waits_from_the_time_when_it_was_due) {
  create();
  add_after("a", 5 * S);
  ck_assert_uint_eq(look()->queued, 0);
  ck_assert_uint_eq(seen.stats.after_adds, 1);
  assert_depth(0);
  pass(8 * S); /* nobody comes by for 3 s after it was due */
  (void)next();
  look();
  ck_assert_uint_eq(seen.stats.queued, 1);
  assert_times(&seen.delay_time, 1, 5 * S);
  assert_times(&seen.queue_time, 1, 3 * S);
}
END_TEST

START_TEST(an_add_ends_a_delay) {
  create();
  add_after("a", 5 * S);
  pass(2 * S);
  add("a");
  ck_assert_uint_eq(look()->queued, 1);
  assert_times(&seen.delay_time, 1, 2 * S);
  pass(S);
  (void)next();
  look();
  assert_times(&seen.queue_time, 1, S);
}
END_TEST

START_TEST(a_cancelled_delay_is_not_counted) {
  create();
  add_after("a", 5 * S);
  pass(2 * S);
  ck_assert_int_eq(workq_remove(q, "a", 1), 1);
  pass(8 * S);
  look();
  assert_times(&seen.delay_time, 0, 0);
  ck_assert_uint_eq(seen.stats.queued, 0);
}
END_TEST

START_TEST(a_delay_that_ends_while_the_key_is_processed_makes_it_dirty) {
  create();
  add("a");
  workq_item item = next();
  add_after("a", S);
  assert_depth(0);
  pass(2 * S);
  assert_depth(1);
  ck_assert_uint_eq(seen.stats.dirty, 1);
  ck_assert_uint_eq(seen.stats.queued, 2);
  assert_times(&seen.delay_time, 1, S);
  pass(S);
  done(&item);
  assert_depth(1);
  ck_assert_uint_eq(seen.stats.dirty, 0);
  (void)next();
  look();
  assert_times(&seen.queue_time, 2, 2 * S);
  assert_sound(q);
}
END_TEST

START_TEST(retries_releases_and_kicks_count_when_the_key_is_to_run) {
  create();
  add("a");
  workq_item item = next();
  ok(workq_retry(q, &item)); /* waits 5 ms */
  ck_assert_uint_eq(look()->queued, 1);
  ck_assert_uint_eq(seen.stats.retries, 1);
  pass(5 * MS);
  ck_assert_uint_eq(look()->queued, 2);
  item = next();
  ok(workq_release(q, &item));
  ck_assert_uint_eq(look()->queued, 3);
  item = next();
  ok(workq_give_up(q, &item));
  ck_assert_uint_eq(look()->queued, 3);
  pass(S);
  ck_assert_int_eq(workq_kick(q, "a", 1), 1);
  ck_assert_uint_eq(look()->queued, 4);
  pass(S);
  (void)next();
  look();
  assert_times(&seen.queue_time, 4, S); /* the kick made it young again */
  ck_assert_uint_eq(seen.stats.gets, 4);
}
END_TEST

/* adds = gets + what waits, where nothing was cancelled */
START_TEST(every_add_is_got_or_waits) {
  create();
  uint64_t random = 7;
  for (int i = 0; i < 20000; i++) {
    char key[4] = {(char)('a' + random_below(&random, 8)), 0};
    workq_add_options how = {.priority = (int)random_below(&random, 3) - 1};
    if (random_below(&random, 4) == 0) how.after_ns = (int64_t)random_below(&random, 5) * MS;
    if (random_below(&random, 8) == 0) how.rate_limited = 1;
    ok(workq_add_opts(q, key, 1, &how));
    pass((int64_t)random_below(&random, 2) * MS);
    workq_item item;
    if (random_below(&random, 2) || workq_get(q, &item, 0) < 0) continue;
    if (random_below(&random, 3) == 0) ok(workq_add_opts(q, item.key, item.key_len, &how));
    pass((int64_t)random_below(&random, 3) * MS);
    switch (random_below(&random, 4)) {
    case 0:
      ok(workq_retry(q, &item));
      break;
    case 1:
      ok(workq_release(q, &item));
      break;
    case 2:
      ok(workq_complete(q, &item));
      break;
    default:
      done(&item);
    }
    const workq_stats_data *s = look();
    ck_assert_uint_eq(s->queued, s->gets + s->ready + s->dirty);
    ck_assert_uint_eq(seen.queue_time.count, s->gets);
    ck_assert_uint_eq(seen.work_time.count, s->dones);
  }
  assert_sound(q);
}
END_TEST

/* ---- Who counts ---- */

START_TEST(what_a_handle_measured_outlives_it) {
  create();
  workq *other = open_again();
  workq_item item;
  add("a");
  pass(S);
  ok(workq_get(other, &item, 0));
  pass(S);
  ok(workq_done(other, &item));
  ok(workq_close(other));
  look();
  assert_times(&seen.queue_time, 1, S);
  assert_times(&seen.work_time, 1, S);
  other = open_again(); /* the same slot, empty */
  look();
  assert_times(&seen.queue_time, 1, S);
  ok(workq_close(other));
}
END_TEST

START_TEST(a_crash_is_a_get_and_no_done) {
  create();
  add("a");
  pid_t child = process_fork();
  if (child == 0) {
    workq *own = open_again();
    workq_item item;
    ok(workq_get(own, &item, 0));
    raise(SIGKILL);
  }
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  pass(S);
  ck_assert_int_eq(workq_reap(q), 1);
  look();
  assert_times(&seen.queue_time, 1, 0);
  assert_times(&seen.work_time, 0, 0);
  ck_assert_int_eq(seen.stats.unfinished_ns, 0);
  ck_assert_uint_eq(seen.stats.crashes, 1);
  assert_sound(q);
}
END_TEST

static int note_own_worker(void *arg, const workq_worker *worker) {
  if (worker->self) *(workq_worker *)arg = *worker;
  return 0;
}

START_TEST(a_worker_tells_what_failed_and_what_takes_long) {
  create();
  workq_worker worker;
  workq_iterate_workers(q, note_own_worker, &worker);
  ck_assert_int_eq(worker.running_ns, -1);
  for (int i = 0; i < 3; i++) {
    add("a");
    workq_item item = next();
    ok(i == 0 ? workq_retry(q, &item) : i == 1 ? workq_give_up(q, &item) : workq_done(q, &item));
    if (i == 0) ok(workq_remove(q, "a", 1));
    if (i == 1) ok(workq_kick(q, "a", 1));
  }
  add("b");
  (void)next();
  pass(3 * S);
  workq_iterate_workers(q, note_own_worker, &worker);
  ck_assert_uint_eq(worker.dones, 3);
  ck_assert_uint_eq(worker.failed, 2);
  ck_assert_uint_eq(worker.gave_up, 1);
  ck_assert_int_eq(worker.running_ns, 3 * S);
}
END_TEST

START_TEST(a_key_tells_its_age) {
  create();
  workq_info info;
  add("a");
  pass(S);
  ok(workq_state(q, "a", 1, &info));
  ck_assert_int_eq(info.waiting_ns, S);
  ck_assert_int_eq(info.running_ns, -1);
  workq_item item = next();
  pass(2 * S);
  ok(workq_state(q, "a", 1, &info));
  ck_assert_int_eq(info.waiting_ns, -1);
  ck_assert_int_eq(info.running_ns, 2 * S);
  add_after("a", 10 * S);
  pass(3 * S);
  ok(workq_state(q, "a", 1, &info));
  ck_assert_int_eq(info.waiting_ns, 3 * S);
  ck_assert_int_eq(info.running_ns, 5 * S);
  ck_assert_int_eq(info.due_in_ns, 7 * S);
  ck_assert_int_eq(workq_give_up(q, &item), 1); /* it was added meanwhile */
  pass(7 * S);
  item = next();
  ok(workq_give_up(q, &item));
  pass(S);
  ok(workq_state(q, "a", 1, &info));
  ck_assert_int_eq(info.state, WORKQ_STATE_BURIED);
  ck_assert_int_eq(info.waiting_ns, S);
}
END_TEST

START_TEST(without_metrics_there_are_counts_and_no_times) {
  options.no_metrics = 1;
  create();
  add("a");
  workq_item item = next();
  pass(S);
  workq_info info;
  ok(workq_state(q, "a", 1, &info));
  ck_assert_int_eq(info.waiting_ns, -1);
  ck_assert_int_eq(info.running_ns, -1);
  ck_assert_int_eq(look()->unfinished_ns, 0);
  add("a");
  assert_depth(1);
  done(&item);
  look();
  ck_assert_uint_eq(seen.stats.metrics, 0);
  ck_assert_uint_eq(seen.stats.gets, 1);
  ck_assert_uint_eq(seen.stats.queued, 2);
  assert_times(&seen.queue_time, 0, 0);
  assert_times(&seen.work_time, 0, 0);
  assert_sound(q);
}
END_TEST

START_TEST(metrics_are_on_or_off) {
  options.no_metrics = 2;
  ck_assert_int_eq(workq_create(name, &options, &q), -EINVAL);
}
END_TEST

/* Real time: whatever counter or clock it is, it goes as CLOCK_MONOTONIC goes. */
START_TEST(the_handles_own_time_is_the_kernels) {
  options.clock = NULL;
  create();
  workq *other = open_again();
  for (int i = 0; i < 3; i++) {
    workq_item item;
    struct timespec before, after, nap = {.tv_nsec = 20000000};
    clock_gettime(CLOCK_MONOTONIC, &before);
    add("a");
    nanosleep(&nap, NULL);
    ok(workq_get(other, &item, 0));
    clock_gettime(CLOCK_MONOTONIC, &after);
    ok(workq_complete(other, &item));
    int64_t most_ns = (after.tv_sec - before.tv_sec) * S + after.tv_nsec - before.tv_nsec;
    uint64_t before_ns = seen.queue_time.sum_ns;
    look();
    int64_t told_ns = (int64_t)(seen.queue_time.sum_ns - before_ns);
    ck_assert_int_ge(told_ns, 20 * MS - 20 * MS / 100);
    ck_assert_int_le(told_ns, most_ns + most_ns / 100);
  }
  ok(workq_close(other));
}
END_TEST

/* ---- Histograms ---- */

START_TEST(a_time_is_counted_in_the_bucket_whose_bound_it_does_not_exceed) {
  create();
  int64_t before_ns = 0, sum_ns = 0;
  for (unsigned i = 0; i < WORKQ_HISTOGRAM_BUCKETS; i++) {
    int64_t bound_ns = workq_histogram_bound_ns(i);
    if (i == WORKQ_HISTOGRAM_BUCKETS - 1) bound_ns = 1000 * S + 5000 * S;
    else ck_assert_int_gt(bound_ns, before_ns);
    for (int edge = 0; edge < 2; edge++) {
      int64_t ns = edge ? bound_ns : i ? before_ns + 1 : 0;
      add("a");
      pass(ns);
      workq_item item = next();
      done(&item);
      sum_ns += ns;
    }
    look();
    ck_assert_uint_eq(seen.queue_time.buckets[i], 2);
    assert_times(&seen.queue_time, 2 * (i + 1), sum_ns);
    before_ns = bound_ns;
  }
  ck_assert_int_eq(workq_histogram_bound_ns(0), 10);
  ck_assert_int_eq(workq_histogram_bound_ns(WORKQ_HISTOGRAM_BUCKETS - 2), 1000 * S);
  ck_assert_int_eq(workq_histogram_bound_ns(WORKQ_HISTOGRAM_BUCKETS - 1), INT64_MAX);
  ck_assert_int_eq(workq_histogram_bound_ns(UINT32_MAX), INT64_MAX);
}
END_TEST

START_TEST(a_clock_that_goes_back_counts_as_no_time) {
  create();
  add("a");
  pass(-5 * S);
  workq_item item = next();
  pass(-5 * S);
  ck_assert_int_eq(look()->unfinished_ns, 0);
  done(&item);
  look();
  assert_times(&seen.queue_time, 1, 0);
  assert_times(&seen.work_time, 1, 0);
}
END_TEST

START_TEST(quantiles_come_from_the_buckets) {
  workq_histogram h = {0};
  ck_assert_int_eq(workq_histogram_quantile_ns(&h, 0.5), -1);
  h.buckets[0] = 100; /* 0 ... 10 ns */
  ck_assert_int_eq(workq_histogram_quantile_ns(&h, 0.5), 5);
  ck_assert_int_eq(workq_histogram_quantile_ns(&h, 1), 10);
  ck_assert_int_eq(workq_histogram_quantile_ns(&h, 0), 0);
  h.buckets[3] = 100; /* 50 ... 100 ns */
  ck_assert_int_eq(workq_histogram_quantile_ns(&h, 0.5), 10);
  ck_assert_int_eq(workq_histogram_quantile_ns(&h, 0.75), 75);
  ck_assert_int_eq(workq_histogram_quantile_ns(&h, -1), 0);
  ck_assert_int_eq(workq_histogram_quantile_ns(&h, 2), 100);
  h.buckets[WORKQ_HISTOGRAM_BUCKETS - 1] = 1000;
  ck_assert_int_eq(workq_histogram_quantile_ns(&h, 0.99), 1000 * S);
  ck_assert_int_eq(workq_histogram_quantile_ns(&h, NAN), 0);
}
END_TEST

/* ---- Death ---- */

/* Works until it is killed. */
static void work_for_ever(void) {
  workq *own = open_again();
  uint64_t random = (uint64_t)getpid();
  for (;;) {
    workq_item item;
    char key[2] = {(char)('a' + random_below(&random, 20)), 0};
    (void)workq_add(own, key, 1);
    if (workq_get(own, &item, 0) == 0) (void)(random_below(&random, 2) ? workq_done : workq_retry)(own, &item);
  }
}

/* Killed anywhere: each get and each done was measured once, or not at all and did not happen. */
START_TEST(counts_and_times_agree_whoever_dies) {
  options.clock = NULL;
  options.max_crashes = WORKQ_NEVER;
  create();
  uint64_t last = 0;
  for (unsigned round = 0; round < plain_scaled(60); round++) {
    pid_t children[2] = {process_fork(), 0};
    if (children[0] == 0) work_for_ever();
    children[1] = process_fork();
    if (children[1] == 0) work_for_ever();
    while (look()->gets < last + 200) continue;
    for (int i = 0; i < 2; i++) process_kill(children[i]);
    (void)workq_reap(q);
    const workq_stats_data *s = look();
    last = s->gets;
    ck_assert_uint_eq(seen.queue_time.count, s->gets);
    ck_assert_uint_eq(seen.work_time.count, s->dones);
    ck_assert_uint_eq(s->gets, s->dones + s->crashes + s->processing);
    ck_assert_uint_eq(s->queued, s->gets + s->ready + s->dirty);
    assert_sound(q);
  }
}
END_TEST

Suite *metrics_suite(void) {
  Suite *suite = suite_create("metrics");
  TCase *tcase = fixture_case(suite, "as client-go counts");
  tcase_add_test(tcase, a_key_that_is_added_while_it_is_processed_counts_at_once);
  tcase_add_test(tcase, unfinished_work_is_the_sum_and_longest_the_longest);
  tcase_add_test(tcase, a_coalesced_add_does_not_make_a_key_younger);
  tcase_add_test(tcase, a_delayed_key_counts_and_waits_from_the_time_when_it_was_due);
  tcase_add_test(tcase, an_add_ends_a_delay);
  tcase_add_test(tcase, a_cancelled_delay_is_not_counted);
  tcase_add_test(tcase, a_delay_that_ends_while_the_key_is_processed_makes_it_dirty);
  tcase_add_test(tcase, retries_releases_and_kicks_count_when_the_key_is_to_run);
  tcase_add_test(tcase, every_add_is_got_or_waits);

  tcase = fixture_case(suite, "who counts");
  tcase_add_test(tcase, what_a_handle_measured_outlives_it);
  tcase_add_test(tcase, a_crash_is_a_get_and_no_done);
  tcase_add_test(tcase, a_worker_tells_what_failed_and_what_takes_long);
  tcase_add_test(tcase, a_key_tells_its_age);
  tcase_add_test(tcase, without_metrics_there_are_counts_and_no_times);
  tcase_add_test(tcase, metrics_are_on_or_off);
  tcase_add_test(tcase, the_handles_own_time_is_the_kernels);

  tcase = fixture_case(suite, "histograms");
  tcase_add_test(tcase, a_time_is_counted_in_the_bucket_whose_bound_it_does_not_exceed);
  tcase_add_test(tcase, a_clock_that_goes_back_counts_as_no_time);
  tcase_add_test(tcase, quantiles_come_from_the_buckets);

  tcase = fixture_case(suite, "death");
  tcase_add_test(tcase, counts_and_times_agree_whoever_dies);
  return suite;
}
