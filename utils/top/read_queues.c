/*
 * `workq top`: reading the figures of queues.  Each is opened by its name for each reading, so that
 * a queue that has gone, or was made again, is noticed; see workq_stats_data.incarnation.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/queue_list.h"
#include "common/sigbus.h"
#include "common/trust.h"
#include "top.h"

/* How long an action waits for the queue's lock: a user waits for it. */
#define ACTION_TIMEOUT_NS NS_PER_S

/* ---- One queue ----------------------------------------------------------------------------------------------- */

int top_open(const struct top *top, const char *name, uint32_t flags, workq **out) {
  workq_options options = {.flags = flags, .lock_timeout_ns = ACTION_TIMEOUT_NS};
  trust_others(&options, top->shared);
  return workq_open(name, &options, out);
}

/* What is read of a queue at a time. */
struct reading {
  workq_measures *measures;
  workq_limiter limiter;
  int owner; /* of the lock, 0 for none */
};

static int measure(workq *q, void *arg) {
  struct reading *reading = arg;
  reading->owner = workq_lock_owner(q);
  int result = workq_get_limiter(q, &reading->limiter);
  return result < 0 ? result : workq_measure(q, reading->measures);
}

static int measure_by_name(const struct top *top, const char *name, struct reading *reading) {
  workq *q;
  int result = top_open(top, name, WORKQ_RAW, &q);
  if (result < 0) return result;
  result = sigbus_guard(q, measure, reading);
  workq_close(q);
  return result;
}

/*
 * Another queue has the name: what was subtracted from the old one's figures means nothing now.
 */
static void start_again(struct top_queue *queue, uint64_t incarnation) {
  queue->incarnation = incarnation;
  queue->renewed = queue->known;
  queue->has_rates = false;
  queue->rates = sample_rates_between(NULL, &queue->now);
  queue->window.kept = 0;
  queue->history.end = 0;
  queue->progress = (struct top_progress){.begun = false};
  queue->known = true;
}

static void keep_sample(struct top_queue *queue, const struct sample *sample, const struct reading *reading) {
  const workq_stats_data *stats = &sample->measures.stats;
  if (!queue->known || stats->incarnation != queue->incarnation) start_again(queue, stats->incarnation);
  if (queue->history.end > 0) queue->rates = sample_rates_between(&queue->now, sample);
  queue->has_rates = queue->history.end > 0;
  queue->now = *sample;
  queue->limiter = reading->limiter;
  top_progress_add(&queue->progress, sample, reading->owner);
  top_window_add(&queue->window, sample);
  top_history_add(&queue->history, sample->at_ns, stats->ready, stats->dones);
}

static void read_queue(const struct top *top, struct top_queue *queue) {
  struct sample sample = {.at_ns = clock_now_ns()};
  struct reading reading = {.measures = &sample.measures};
  int before = queue->error;
  queue->error = measure_by_name(top, queue->name, &reading);
  if (queue->error >= 0) keep_sample(queue, &sample, &reading);
  else if (before == 0) queue->lost_ns = sample.at_ns;
}

/* ---- All queues ---------------------------------------------------------------------------------------------- */

static struct top_queue *new_queue(const struct top *top, const char *name) {
  struct top_queue *queue = calloc(1, sizeof *queue);
  if (queue == NULL) return NULL;
  snprintf(queue->name, sizeof queue->name, "%s", name);
  top_history_start(&queue->history, top->interval_ns);
  queue->rates = sample_rates_between(NULL, &queue->now);
  return queue;
}

/*
 * Updates the list to the names that there are; both are sorted.  The queue that is shown
 * stays when it has gone.
 */
static void merge_names(struct top *top, char **names, int count) {
  struct top_queue **merged = calloc((size_t)(count + top->queue_count) + 1, sizeof *merged);
  if (merged == NULL) return;
  int merged_count = 0, old = 0;
  for (int i = 0; i <= count; i++) {
    for (; old < top->queue_count && (i == count || strcmp(top->queues[old]->name, names[i]) < 0); old++) {
      if (top->queues[old] == top->queue) merged[merged_count++] = top->queue;
      else free(top->queues[old]);
    }
    if (i == count) continue;
    bool known = old < top->queue_count && strcmp(top->queues[old]->name, names[i]) == 0;
    struct top_queue *queue = known ? top->queues[old++] : new_queue(top, names[i]);
    if (queue != NULL) merged[merged_count++] = queue;
  }
  free(top->queues);
  top->queues = merged;
  top->queue_count = merged_count;
}

static void list_queues(struct top *top) {
  char **names;
  int count = queue_list_read(&names);
  top->list_error = count < 0 ? count : 0;
  if (count < 0) return;
  merge_names(top, names, count);
  queue_list_free(names, count);
}

void top_read_queues(struct top *top) {
  if (top->only != NULL) {
    char *name = (char *)(uintptr_t)top->only;
    if (top->queue_count == 0) merge_names(top, &name, 1);
    top->queue = top->queue_count > 0 ? top->queues[0] : NULL;
    if (top->queue != NULL) read_queue(top, top->queue);
    return;
  }
  list_queues(top);
  for (int i = 0; i < top->queue_count; i++) read_queue(top, top->queues[i]);
}

void top_forget_queues(struct top *top) {
  for (int i = 0; i < top->queue_count; i++) free(top->queues[i]);
  free(top->queues);
  top->queues = NULL;
  top->queue_count = 0;
}
