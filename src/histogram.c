/*
 * histogram.c: the bounds of a histogram's buckets, and its quantiles.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "histogram.h"

/* 1, 2 and 5 times the powers of ten from 10 ns to 1000 s. */
const uint64_t histogram_bound_ns[WORKQ_HISTOGRAM_BUCKETS] = {
    10,          20,          50,           100,          200,          500,           1000,
    2000,        5000,        10000,        20000,        50000,        100000,        200000,
    500000,      1000000,     2000000,      5000000,      10000000,     20000000,      50000000,
    100000000,   200000000,   500000000,    1000000000,   2000000000,   5000000000,    10000000000,
    20000000000, 50000000000, 100000000000, 200000000000, 500000000000, 1000000000000, UINT64_MAX};

const uint8_t histogram_first_bucket[64] = {0,  0,  0,  0,  1,  2,  3,  4,  5,  6,  7,  8,  8,  9,  10, 11,
                                            12, 13, 14, 15, 16, 17, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
                                            26, 27, 28, 29, 30, 31, 32, 33, 34, 34, 34, 34, 34, 34, 34, 34,
                                            34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34};

int64_t workq_histogram_bound_ns(unsigned bucket) {
  return bucket < WORKQ_HISTOGRAM_BUCKETS - 1 ? (int64_t)histogram_bound_ns[bucket] : INT64_MAX;
}

int64_t workq_histogram_quantile_ns(const workq_histogram *histogram, double share) {
  uint64_t total = 0, before = 0;
  unsigned bucket = 0, last = WORKQ_HISTOGRAM_BUCKETS - 1;
  for (unsigned i = 0; i <= last; i++) total += histogram->buckets[i];
  if (total == 0) return -1;
  double rank = (share > 0 ? share < 1 ? share : 1 : 0) * (double)total;
  while (bucket < last && (histogram->buckets[bucket] == 0 || (double)(before + histogram->buckets[bucket]) < rank))
    before += histogram->buckets[bucket++];
  double low = bucket ? (double)histogram_bound_ns[bucket - 1] : 0;
  if (bucket == last) return (int64_t)low;
  double part = rank > (double)before ? (rank - (double)before) / (double)histogram->buckets[bucket] : 0;
  return (int64_t)(low + part * ((double)histogram_bound_ns[bucket] - low));
}
