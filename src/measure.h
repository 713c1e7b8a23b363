/*
 * measure.h: how long keys wait and are worked on: time stamps, and histograms of the times between them.
 *
 * Stamps are ns on a scale of their own, which all processes of a segment share: where the segment's maker found the
 * processor's time-stamp counter to be good, that counter, by a rate which stands in the header; else the handle's clock.
 * A stamp is read before the lock is taken, once a call, and costs nothing where nothing is measured.
 *
 * A slot has its own histograms, which only its tenant adds to, so that no line of them moves between processors.  They are
 * journaled: there is one observation for each get and done, whoever dies.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_MEASURE_H
#define WORKQ_MEASURE_H

#include "journal.h"

/* For the header of a new segment: the counter's rate and a moment on both scales; all 0 where it cannot be used. */
void measure_describe(struct header *header);

/* Once the segment is mapped: chooses where the stamps of this handle come from. */
void measure_start(workq *q);

/* The histograms of slot i; null where nothing is measured. */
static inline struct measures *measure_of(const workq *q, uint32_t i) {
  return q->header.metrics ? &q->measures[i] : NULL;
}

#ifdef __x86_64__
__extension__ typedef __int128 measure_wide;
/* Since the scale's moment; it fits 64 bits where the scale is good. */
static inline measure_wide measure_passed_ns(const struct tick_scale *scale, uint64_t ticks) {
  return (measure_wide)(int64_t)(ticks - scale->base) * scale->rate >> 32;
}
static inline int64_t measure_read_ticks(const struct tick_scale *scale) {
  return scale->base_ns + (int64_t)measure_passed_ns(scale, __builtin_ia32_rdtsc());
}
#else
static inline int64_t measure_read_ticks(const struct tick_scale *scale) {
  return scale->base_ns; /* never called: the rate is 0 */
}
#endif

/* Now, for stamps: where anything is measured. */
static inline int64_t measure_now_ns(workq *q) {
  if (likely(q->stamps == STAMPS_TICKS)) return measure_read_ticks(&q->header.ticks);
  return q->stamps == STAMPS_CLOCK ? handle_now_ns(q) : q->stamp_ns;
}

/* Sets the time of what this handle does next; it stays 0 where nothing is measured. */
static inline void measure_stamp(workq *q) {
  if (q->stamps != STAMPS_NONE) q->stamp_ns = measure_now_ns(q);
}

/* The first bucket whose bound is not below 2^n, and the bounds; the last has none. */
extern const uint8_t measure_bucket_of[64] __attribute__((visibility("hidden")));
extern const uint64_t measure_bound_ns[HISTOGRAM_BUCKETS] __attribute__((visibility("hidden")));

static inline uint32_t measure_bucket(uint64_t ns) {
  uint32_t bucket = measure_bucket_of[63 - __builtin_clzll(ns | 1)];
  return bucket + (ns > measure_bound_ns[bucket]);
}

/*
 * In a transaction, where the slot measures: one observation of the time from since_ns to until_ns, which is none where
 * clocks went back.
 * No part of get and done: as that, its registers and instructions cost those 1 % who do not measure, and saved no others any.
 */
void measure_observe(workq *q, uint32_t which, int64_t since_ns, int64_t until_ns);

/* In a transaction: adds what slot i has measured to the queue's totals, and empties it. */
void measure_fold(workq *q, uint32_t i);

/* Adds a histogram of the segment to one for the caller. */
void measure_sum(const struct histogram *from, workq_histogram *to);

#endif
