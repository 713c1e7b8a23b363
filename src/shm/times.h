/*
 * times.h: histograms of the durations that keys wait and are worked on.
 *
 * Each slot has its own histograms, which only its owner changes, so that none of their lines moves
 * between processors.  They are journaled: there is exactly one observation for each get and done,
 * even if processes die.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_TIMES_H
#define WORKQ_SHM_TIMES_H

#include "journal.h"

/* The histograms of slot i; null in a queue without metrics. */
static inline struct measures *times_of(const workq *q, uint32_t i) {
  return q->header.metrics ? &q->measures[i] : NULL;
}

/*
 * In a transaction, in a queue with metrics: adds an observation of the time from since_ns to
 * until_ns; 0 if the clock went backwards.  Not inlined into get and done: that cost 1 % in queues
 * without metrics, and saved nothing in others.
 */
void times_observe(workq *q, uint32_t which, int64_t since_ns, int64_t until_ns);

/* In a transaction: adds the histograms of slot i to the queue's, and empties them. */
void times_fold(workq *q, uint32_t i);

/* Adds a histogram of the segment to one for the caller. */
void times_sum(const struct histogram *from, workq_histogram *to);

#endif
