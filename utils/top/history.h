/*
 * What `workq top` keeps of earlier samples: one to subtract from the present one, and points to
 * plot.  Pure functions: the caller says what time it is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_TOP_HISTORY_H
#define WORKQ_UTILS_TOP_HISTORY_H

#include <stdbool.h>
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
/* How much time the newest `columns` points stand for, as far as there are so many. */
int64_t top_history_span_ns(const struct top_history *history, int columns);

/* ---- What stops the work --------------------------------------------------------------------------------------- */

/*
 * How long must nothing go on in a queue with ready keys, before it is marked: no key was
 * finished; no worker was there and none was taken; the lock was never free.
 */
#define TOP_STUCK_NS     (10 * NS_PER_S)
#define TOP_NO_WORKER_NS (2 * NS_PER_S)
#define TOP_LOCKED_NS    (2 * NS_PER_S)

/* When something last went on in a queue. */
struct top_progress {
  bool begun;
  uint64_t dones, gets, changes; /* the counts in the last sample */
  int64_t done_ns;               /* when a key was last seen to be finished, or none was ready */
  int64_t got_ns;                /* the same of keys that were taken */
  int64_t unlocked_ns;           /* when the lock was last seen free, or the queue to change */
  int owner;                     /* the process that has the lock, 0 for none */
};

/* Adds a sample, and which process held the lock then, 0 for none. */
void top_progress_add(struct top_progress *progress, const struct sample *sample, int owner);

enum top_trouble {
  TROUBLE_NONE,
  TROUBLE_LOCKED,    /* a process has held the lock all the time: it is stopped, say */
  TROUBLE_NO_WORKER, /* keys are ready, and no process takes them */
  TROUBLE_STUCK,     /* keys are ready, and none is finished, nor processed for a usual time */
  TROUBLE_FULL       /* no key can be added */
};

/* What stops the work, and for how long that has been seen. */
enum top_trouble top_trouble(const struct top_progress *progress, const struct sample *sample, int64_t *for_ns);

/*
 * Whether a key is processed for so long already that it is marked: ten times as long as
 * nine of ten keys took, and ten seconds at least; a minute where none has been finished.
 */
bool top_is_long(const workq_measures *measures, int64_t running_ns);

#endif
