/*
 * `workq top`: reading the figures of queues.  A handle stays open from reading to reading; the
 * name is looked up each time, so that a queue that has gone, or was made anew, is noticed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/queue_list.h"
#include "common/shm.h"
#include "common/sigbus.h"
#include "common/trust.h"
#include "top.h"

/* How long an action waits for the queue's lock: somebody sits before the screen. */
#define ACTION_TIMEOUT_NS NS_PER_S

/* Handles that are kept from reading to reading; each has a descriptor. */
#define KEEP_MAX 400

/* ---- One queue ----------------------------------------------------------------------------------------------- */

int top_open(const struct top *top, const char *name, uint32_t flags, workq **out) {
  workq_options options = {.flags = flags, .lock_timeout_ns = ACTION_TIMEOUT_NS};
  trust_others(&options, top->shared);
  return workq_open(name, &options, out);
}

static bool find_segment(const char *name, struct stat *status) {
  char path[sizeof SHM_DIRECTORY "/" SHM_PREFIX + WORKQ_NAME_MAX];
  snprintf(path, sizeof path, SHM_DIRECTORY "/" SHM_PREFIX "%s", name);
  return lstat(path, status) == 0;
}

bool top_same_segment(const struct top_queue *queue) {
  struct stat status;
  return queue->q != NULL && find_segment(queue->name, &status) && status.st_dev == queue->device &&
         status.st_ino == queue->inode && status.st_size == queue->size;
}

static void detach(struct top_queue *queue) {
  workq_close(queue->q);
  queue->q = NULL;
}

/*
 * Another segment has the name: what was subtracted from the old one's figures means nothing now.
 */
static void start_anew(struct top_queue *queue) {
  queue->renewed = queue->known;
  queue->has_rates = false;
  queue->rates = sample_rates_between(NULL, &queue->now);
  queue->window.kept = 0;
  queue->history.end = 0;
  queue->known = true;
}

/* Attaches to the segment of that name.  Returns 0 or -errno. */
static int attach(const struct top *top, struct top_queue *queue) {
  struct stat before, after;
  if (!find_segment(queue->name, &before)) return -ENOENT;
  int result = top_open(top, queue->name, WORKQ_RAW, &queue->q);
  if (result < 0) return result;
  if (!find_segment(queue->name, &after) || before.st_ino != after.st_ino || before.st_dev != after.st_dev) {
    detach(queue);
    return -EAGAIN;
  }
  bool same = queue->known && before.st_ino == queue->inode && before.st_dev == queue->device;
  queue->device = before.st_dev;
  queue->inode = before.st_ino;
  queue->size = before.st_size;
  if (!same) start_anew(queue);
  return 0;
}

static int measure(workq *q, void *arg) {
  return workq_measure(q, arg);
}

static void take_sample(struct top_queue *queue, int64_t now_ns) {
  struct sample sample = {.at_ns = now_ns};
  queue->error = sigbus_guard(queue->q, measure, &sample.measures);
  if (queue->error < 0) return;
  if (queue->history.end > 0) queue->rates = sample_rates_between(&queue->now, &sample);
  queue->has_rates = queue->history.end > 0;
  queue->now = sample;
  top_window_add(&queue->window, &sample);
  top_history_add(&queue->history, now_ns, sample.measures.stats.ready, sample.measures.stats.dones);
}

static void read_queue(const struct top *top, struct top_queue *queue) {
  int64_t now_ns = clock_now_ns();
  int before = queue->error;
  if (queue->q != NULL && !top_same_segment(queue)) detach(queue);
  queue->error = queue->q != NULL ? 0 : attach(top, queue);
  if (queue->error == -EAGAIN) queue->error = before;
  if (queue->q != NULL) take_sample(queue, now_ns);
  if (queue->error < 0 && before == 0) queue->lost_ns = now_ns;
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

static void free_queue(struct top_queue *queue) {
  if (queue->q != NULL) workq_close(queue->q);
  free(queue);
}

/*
 * Brings the list in line with the names that there are; both are sorted.  The queue that is shown
 * stays when it has gone.
 */
static void merge_names(struct top *top, char **names, int count) {
  struct top_queue **merged = calloc((size_t)(count + top->queue_count) + 1, sizeof *merged);
  if (merged == NULL) return;
  int merged_count = 0, old = 0;
  for (int i = 0; i <= count; i++) {
    for (; old < top->queue_count && (i == count || strcmp(top->queues[old]->name, names[i]) < 0); old++) {
      if (top->queues[old] == top->queue) merged[merged_count++] = top->queue;
      else free_queue(top->queues[old]);
    }
    if (i == count || strlen(names[i]) > WORKQ_NAME_MAX) continue;
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
  top->list_error = count < 0 ? errno : 0;
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
  for (int i = 0; i < top->queue_count; i++) {
    read_queue(top, top->queues[i]);
    if (i >= KEEP_MAX && top->queues[i]->q != NULL && top->queues[i] != top->queue) detach(top->queues[i]);
  }
}

void top_forget_queues(struct top *top) {
  for (int i = 0; i < top->queue_count; i++) free_queue(top->queues[i]);
  free(top->queues);
  top->queues = NULL;
  top->queue_count = 0;
}
