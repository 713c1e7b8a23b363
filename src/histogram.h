/*
 * histogram.h: the bounds of a histogram's buckets, which are the same in every engine.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_HISTOGRAM_H
#define WORKQ_HISTOGRAM_H

#include "workq.h"

/* The first bucket whose bound is not below 2^n, and the bounds; the last has none. */
extern const uint8_t histogram_first_bucket[64] __attribute__((visibility("hidden")));
extern const uint64_t histogram_bound_ns[WORKQ_HISTOGRAM_BUCKETS] __attribute__((visibility("hidden")));

static inline uint32_t histogram_bucket(uint64_t ns) {
  uint32_t bucket = histogram_first_bucket[63 - __builtin_clzll(ns | 1)];
  return bucket + (ns > histogram_bound_ns[bucket]);
}

#endif
