/*
 * What `workq top` keeps of earlier samples: one to subtract from the present one, and points to
 * plot.  Pure functions: the caller says what time it is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_TOP_HISTORY_H
#define WORKQ_UTILS_TOP_HISTORY_H

#include <stdint.h>

#include "common/clock.h"
#include "common/sample.h"

/* ---- Percentiles of the last seconds --------------------------------------------------------------------------- */

/* Samples that are kept to be subtracted: the older one is one to two spans old. */
#define TOP_SPAN_NS (5 * NS_PER_S)

struct top_window {
  int kept; /* samples, 0 ... 2 */
  struct sample samples[2];
};

void top_window_add(struct top_window *window, const struct sample *sample);
/* The sample to subtract; null where there is none. */
const struct sample *top_window_begin(const struct top_window *window);

/* ---- History --------------------------------------------------------------------------------------------------- */

#define TOP_HISTORY_SIZE    512 /* columns that are kept */
#define TOP_HISTORY_STEP_NS (3 * NS_PER_S)

struct top_point {
  double depth; /* keys that are ready, the most in this step */
  double done;  /* a second */
};

struct top_history {
  uint64_t end;        /* number of the next point */
  int64_t step_ns;     /* how much time a point stands for */
  int64_t begun_ns;    /* when the last one began */
  uint64_t dones_then; /* the count of keys done then */
  int64_t last_ns;     /* the sample before */
  uint64_t last_dones;
  struct top_point points[TOP_HISTORY_SIZE]; /* a ring */
};

/* Each point stands for so much time, at least TOP_HISTORY_STEP_NS. */
void top_history_start(struct top_history *history, int64_t step_ns);
/* Adds what a sample tells: keys that are ready, and how many have been done in all. */
void top_history_add(struct top_history *history, int64_t now_ns, double depth, uint64_t dones);
/*
 * The point of that age in steps: 0 is the newest, which is not over yet.  Null where there is
 * none.
 */
const struct top_point *top_history_at(const struct top_history *history, int age);

#endif
