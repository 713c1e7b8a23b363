/*
 * What two samples of a queue tell; see sample.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sample.h"

#include <stddef.h>

#include "clock.h"

static uint64_t growth(uint64_t before, uint64_t now) {
  return now > before ? now - before : 0;
}

/* ---- Rates --------------------------------------------------------------------------------------------------- */

double sample_rate(uint64_t before, uint64_t now, int64_t ns) {
  return (double)growth(before, now) / ((double)ns / NS_PER_S);
}

struct sample_rates sample_rates_between(const struct sample *before, const struct sample *now) {
  if (before == NULL || now->at_ns <= before->at_ns) return (struct sample_rates){-1, -1, -1, -1, -1, -1};
  int64_t ns = now->at_ns - before->at_ns;
  const workq_stats_data *a = &before->measures.stats, *b = &now->measures.stats;
  return (struct sample_rates){.added = sample_rate(a->adds, b->adds, ns),
                               .done = sample_rate(a->dones, b->dones, ns),
                               .retried = sample_rate(a->retries, b->retries, ns),
                               .coalesced = sample_rate(a->coalesced, b->coalesced, ns),
                               .crashed = sample_rate(a->crashes, b->crashes, ns),
                               .gave_up = sample_rate(a->gave_up, b->gave_up, ns)};
}

/* ---- Times --------------------------------------------------------------------------------------------------- */

workq_histogram sample_histogram_between(const workq_histogram *before, const workq_histogram *now) {
  static const workq_histogram empty;
  workq_histogram between = {0};
  if (before == NULL) before = &empty;
  for (unsigned i = 0; i < WORKQ_HISTOGRAM_BUCKETS; i++) {
    between.buckets[i] = growth(before->buckets[i], now->buckets[i]);
    between.count += between.buckets[i];
  }
  if (between.count > 0) between.sum_ns = growth(before->sum_ns, now->sum_ns);
  return between;
}

struct sample_times sample_times_between(const workq_histogram *before, const workq_histogram *now) {
  workq_histogram between = sample_histogram_between(before, now);
  return (struct sample_times){.p50_ns = workq_histogram_quantile_ns(&between, 0.5),
                               .p90_ns = workq_histogram_quantile_ns(&between, 0.9),
                               .p99_ns = workq_histogram_quantile_ns(&between, 0.99)};
}
