/*
 * Samples of a queue's figures, and what two of them tell: rates, and the times between them.  Pure
 * functions: the caller says what time it is.
 *
 * Samples are taken without the queue's lock: a count may be torn, and then seem to go back; that
 * counts as no change.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_SAMPLE_H
#define WORKQ_UTILS_COMMON_SAMPLE_H

#include <stdint.h>

#include <workq.h>

struct sample {
  int64_t at_ns; /* on the monotonic clock */
  workq_measures measures;
};

/* ---- Rates --------------------------------------------------------------------------------------------------- */

/* Events a second; negative where it is not known. */
struct sample_rates {
  double added, done, retried, coalesced, crashed, gave_up;
};

/* The rates between two samples, the earlier of which may be null. */
struct sample_rates sample_rates_between(const struct sample *before, const struct sample *now);

/* The rate at which one count grew in ns, which is more than 0. */
double sample_rate(uint64_t before, uint64_t now, int64_t ns);

/* ---- Times --------------------------------------------------------------------------------------------------- */

/*
 * The times that were counted between two readings of a histogram; before may be null: all of them.
 */
workq_histogram sample_histogram_between(const workq_histogram *before, const workq_histogram *now);

/* Percentiles, ns; -1 where nothing was counted. */
struct sample_times {
  int64_t p50_ns, p90_ns, p99_ns;
};

/* Those of sample_histogram_between(). */
struct sample_times sample_times_between(const workq_histogram *before, const workq_histogram *now);

#endif
