/*
 * What `workq top` makes of two looks at a queue; see rates.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rates.h"

#include <stddef.h>
#include <string.h>

/* ---- Rates --------------------------------------------------------------------------------------------------- */

/* Looks are taken without the lock: a count may be torn, and then seem to go back. */
static uint64_t growth(uint64_t before, uint64_t now) {
  return now > before ? now - before : 0;
}

static double rate(uint64_t before, uint64_t now, double seconds) {
  return (double)growth(before, now) / seconds;
}

struct top_rates top_rates_between(const struct top_look *before, const struct top_look *now) {
  if (before == NULL || now->at_ns <= before->at_ns) return (struct top_rates){-1, -1, -1, -1, -1, -1};
  double seconds = (double)(now->at_ns - before->at_ns) / NS_PER_S;
  const workq_stats_data *a = &before->measures.stats, *b = &now->measures.stats;
  return (struct top_rates){.added = rate(a->adds, b->adds, seconds),
                            .done = rate(a->dones, b->dones, seconds),
                            .retried = rate(a->retries, b->retries, seconds),
                            .coalesced = rate(a->coalesced, b->coalesced, seconds),
                            .crashed = rate(a->crashes, b->crashes, seconds),
                            .gave_up = rate(a->gave_up, b->gave_up, seconds)};
}

/* ---- Percentiles --------------------------------------------------------------------------------------------- */

struct top_times top_times_between(const workq_histogram *before, const workq_histogram *now) {
  workq_histogram between = {0};
  for (unsigned i = 0; i < WORKQ_HISTOGRAM_BUCKETS; i++) {
    between.buckets[i] = growth(before != NULL ? before->buckets[i] : 0, now->buckets[i]);
    between.count += between.buckets[i];
  }
  return (struct top_times){.p50_ns = workq_histogram_quantile_ns(&between, 0.5),
                            .p90_ns = workq_histogram_quantile_ns(&between, 0.9),
                            .p99_ns = workq_histogram_quantile_ns(&between, 0.99)};
}

void top_window_add(struct top_window *window, const struct top_look *look) {
  if (window->kept > 0 && look->at_ns - window->looks[window->kept - 1].at_ns < TOP_SPAN_NS) return;
  if (window->kept == 2) window->looks[0] = window->looks[1];
  else window->kept++;
  window->looks[window->kept - 1] = *look;
}

const struct top_look *top_window_begin(const struct top_window *window) {
  return window->kept > 0 ? &window->looks[0] : NULL;
}

/* ---- History ------------------------------------------------------------------------------------------------- */

void top_history_start(struct top_history *history, int64_t step_ns) {
  history->count = 0;
  history->newest = TOP_HISTORY_SIZE - 1;
  history->step_ns = step_ns > TOP_HISTORY_STEP_NS ? step_ns : TOP_HISTORY_STEP_NS;
}

static void begin_point(struct top_history *history, int64_t begun_ns, uint64_t dones) {
  history->newest = (history->newest + 1) % TOP_HISTORY_SIZE;
  if (history->count < TOP_HISTORY_SIZE) history->count++;
  history->begun_ns = begun_ns;
  history->dones_then = dones;
  history->points[history->newest] = (struct top_point){0};
}

/* A point begins at the look before, so that the newest one always stands for some time. */
void top_history_add(struct top_history *history, int64_t now_ns, double depth, uint64_t dones) {
  if (history->count == 0) begin_point(history, now_ns, dones);
  else if (history->last_ns - history->begun_ns >= history->step_ns)
    begin_point(history, history->last_ns, history->last_dones);
  struct top_point *point = &history->points[history->newest];
  int64_t passed_ns = now_ns - history->begun_ns;
  if (depth > point->depth) point->depth = depth;
  if (passed_ns > 0) point->done = rate(history->dones_then, dones, (double)passed_ns / NS_PER_S);
  history->last_ns = now_ns;
  history->last_dones = dones;
}

const struct top_point *top_history_at(const struct top_history *history, int age) {
  if (age < 0 || age >= history->count) return NULL;
  return &history->points[(history->newest - age + TOP_HISTORY_SIZE) % TOP_HISTORY_SIZE];
}
