/*
 * What `workq top` makes of two looks at a queue: rates, percentiles of the time between them, and
 * a history to plot.  Pure functions: whoever calls says what time it is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_TOP_RATES_H
#define WORKQ_UTILS_TOP_RATES_H

#include <stdint.h>

#include <workq.h>

#include "common/clock.h"

/* One look. */
struct top_look {
  int64_t at_ns; /* on the monotonic clock */
  workq_measures measures;
};

/* Events a second; negative where it is not known. */
struct top_rates {
  double added, done, retried, coalesced, crashed, gave_up;
};

/* What two looks tell, the earlier one may be null. */
struct top_rates top_rates_between(const struct top_look *before, const struct top_look *now);

/* Percentiles, ns; -1 where nothing was counted. */
struct top_times {
  int64_t p50_ns, p90_ns, p99_ns;
};

/* Those of the times that were counted between two looks at a histogram; before may be null: all of them. */
struct top_times top_times_between(const workq_histogram *before, const workq_histogram *now);

/* ---- Percentiles of the last seconds --------------------------------------------------------------------------- */

/* Looks that are kept to be subtracted: the older one is one to two spans old. */
#define TOP_SPAN_NS (5 * NS_PER_S)

struct top_window {
  int kept; /* looks, 0 ... 2 */
  struct top_look looks[2];
};

void top_window_add(struct top_window *window, const struct top_look *look);
/* The look to subtract; null where there is none. */
const struct top_look *top_window_begin(const struct top_window *window);

/* ---- History --------------------------------------------------------------------------------------------------- */

#define TOP_HISTORY_SIZE    512 /* columns that are kept */
#define TOP_HISTORY_STEP_NS (3 * NS_PER_S)

struct top_point {
  double depth; /* keys that are ready, the most in this step */
  double done;  /* a second */
};

struct top_history {
  int count;           /* points in the ring */
  int newest;          /* place of the last one */
  int64_t step_ns;     /* how much time a point stands for */
  int64_t begun_ns;    /* when the last one began */
  uint64_t dones_then; /* the count of keys done then */
  int64_t last_ns;     /* the look before */
  uint64_t last_dones;
  struct top_point points[TOP_HISTORY_SIZE];
};

/* Each point stands for so much time, at least TOP_HISTORY_STEP_NS. */
void top_history_start(struct top_history *history, int64_t step_ns);
/* Adds what a look tells: keys that are ready, and how many have been done in all. */
void top_history_add(struct top_history *history, int64_t now_ns, double depth, uint64_t dones);
/* The point of that age in steps: 0 is the newest, which is not over yet.  Null where there is none. */
const struct top_point *top_history_at(const struct top_history *history, int age);

#endif
