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

int64_t top_history_span_ns(const struct top_history *history, int columns) {
  uint64_t kept = history->end - ring_first(history->end, TOP_HISTORY_SIZE);
  if (kept == 0 || columns <= 0) return 0;
  if (kept > (uint64_t)columns) return columns * history->step_ns;
  /* The newest point is not over yet. */
  return (int64_t)(kept - 1) * history->step_ns + history->last_ns - history->begun_ns;
}

/* ---- What stops the work --------------------------------------------------------------------------------------- */

void top_progress_add(struct top_progress *progress, const struct sample *sample, int owner) {
  const workq_stats_data *stats = &sample->measures.stats;
  uint64_t changes = stats->adds + stats->coalesced + stats->gets + stats->dones + stats->retries + stats->queued;
  bool nothing_to_do = !progress->begun || stats->ready == 0 || stats->paused != 0;
  if (nothing_to_do || stats->dones != progress->dones) progress->done_ns = sample->at_ns;
  if (nothing_to_do || stats->gets != progress->gets) progress->got_ns = sample->at_ns;
  if (!progress->begun || owner == 0 || owner != progress->owner || changes != progress->changes)
    progress->unlocked_ns = sample->at_ns;
  *progress = (struct top_progress){.begun = true,
                                    .dones = stats->dones,
                                    .gets = stats->gets,
                                    .changes = changes,
                                    .done_ns = progress->done_ns,
                                    .got_ns = progress->got_ns,
                                    .unlocked_ns = progress->unlocked_ns,
                                    .owner = owner};
}

enum top_trouble top_trouble(const struct top_progress *progress, const struct sample *sample, int64_t *for_ns) {
  const workq_stats_data *stats = &sample->measures.stats;
  *for_ns = sample->at_ns - progress->unlocked_ns;
  if (progress->owner != 0 && *for_ns >= TOP_LOCKED_NS) return TROUBLE_LOCKED;
  *for_ns = sample->at_ns - progress->got_ns;
  if (stats->waiting == 0 && stats->processing == 0 && *for_ns >= TOP_NO_WORKER_NS) return TROUBLE_NO_WORKER;
  *for_ns = sample->at_ns - progress->done_ns;
  /* Where keys are processed that take long as a rule, that is no trouble. */
  bool at_work = stats->processing > 0 && !top_is_long(&sample->measures, *for_ns);
  if (*for_ns >= TOP_STUCK_NS && !at_work) return TROUBLE_STUCK;
  *for_ns = 0;
  return stats->keys >= stats->capacity && stats->idle == 0 ? TROUBLE_FULL : TROUBLE_NONE;
}

bool top_is_long(const workq_measures *measures, int64_t running_ns) {
  int64_t usual_ns = workq_histogram_quantile_ns(&measures->work_time, 0.9);
  if (usual_ns < 0) return running_ns >= 60 * NS_PER_S;
  return running_ns >= 10 * NS_PER_S && running_ns / 10 >= usual_ns;
}
