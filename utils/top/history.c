/*
 * What `workq top` keeps of earlier samples; see history.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "history.h"

#include <stddef.h>

#include "common/ring.h"

/* ---- Percentiles of the last seconds --------------------------------------------------------------------------- */

void top_window_add(struct top_window *window, const struct sample *sample) {
  if (window->kept > 0 && sample->at_ns - window->samples[window->kept - 1].at_ns < TOP_SPAN_NS) return;
  if (window->kept == 2) window->samples[0] = window->samples[1];
  else window->kept++;
  window->samples[window->kept - 1] = *sample;
}

const struct sample *top_window_begin(const struct top_window *window) {
  return window->kept > 0 ? &window->samples[0] : NULL;
}

/* ---- History ------------------------------------------------------------------------------------------------- */

void top_history_start(struct top_history *history, int64_t step_ns) {
  history->end = 0;
  history->step_ns = step_ns > TOP_HISTORY_STEP_NS ? step_ns : TOP_HISTORY_STEP_NS;
}

static struct top_point *point_at(struct top_history *history, uint64_t number) {
  return &history->points[number % TOP_HISTORY_SIZE];
}

static void begin_point(struct top_history *history, int64_t begun_ns, uint64_t dones) {
  *point_at(history, history->end++) = (struct top_point){0};
  history->begun_ns = begun_ns;
  history->dones_then = dones;
}

/* A point begins at the sample before, so that the newest one always stands for some time. */
void top_history_add(struct top_history *history, int64_t now_ns, double depth, uint64_t dones) {
  if (history->end == 0) begin_point(history, now_ns, dones);
  else if (history->last_ns - history->begun_ns >= history->step_ns)
    begin_point(history, history->last_ns, history->last_dones);
  struct top_point *point = point_at(history, history->end - 1);
  int64_t passed_ns = now_ns - history->begun_ns;
  if (depth > point->depth) point->depth = depth;
  if (passed_ns > 0) point->done = sample_rate(history->dones_then, dones, passed_ns);
  history->last_ns = now_ns;
  history->last_dones = dones;
}

const struct top_point *top_history_at(const struct top_history *history, int age) {
  uint64_t kept = history->end - ring_first(history->end, TOP_HISTORY_SIZE);
  if (age < 0 || (uint64_t)age >= kept) return NULL;
  return &history->points[(history->end - 1 - (uint64_t)age) % TOP_HISTORY_SIZE];
}
