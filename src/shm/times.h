/*
 * times.h: histograms of the times that keys wait and are worked on.
 *
 * A slot has its own histograms, which only its tenant adds to, so that no line of them moves between processors.  They are
 * journaled: there is one observation for each get and done, whoever dies.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_TIMES_H
#define WORKQ_SHM_TIMES_H

#include "journal.h"

/* The histograms of slot i; null where nothing is measured. */
static inline struct measures *times_of(const workq *q, uint32_t i) {
  return q->header.metrics ? &q->measures[i] : NULL;
}

/*
 * In a transaction, where the slot measures: one observation of the time from since_ns to until_ns, which is none where
 * clocks went back.
 * No part of get and done: as that, its registers and instructions cost those 1 % who do not measure, and saved no others any.
 */
void times_observe(workq *q, uint32_t which, int64_t since_ns, int64_t until_ns);

/* In a transaction: adds what slot i has measured to the queue's totals, and empties it. */
void times_fold(workq *q, uint32_t i);

/* Adds a histogram of the segment to one for the caller. */
void times_sum(const struct histogram *from, workq_histogram *to);

#endif
