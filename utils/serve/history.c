/*
 * What queues were in the last ten minutes, a sample a second.
 *
 * Counters are read without the queue's lock.  A handle that ends between two of the reads can be
 * counted in neither of two places, or in both: so looks are taken until one shows no less than the
 * one before.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/queue_list.h"
#include "common/shm.h"
#include "serve.h"

#define LOOKS_MAX 5

/* A look that was late is soon followed by the next: rates of less time than this would be noise. */
#define SHORTEST_NS (NS_PER_S / 2)

/* The histograms of a minute, one each ten seconds. */
#define PAST_STEP 10u
#define PAST_KEPT 7u

struct history {
  char *name;
  ino_t inode; /* of the file: a queue made again under the same name is another */
  bool is_listed;
  bool is_measured; /* last is set */
  int64_t last_ns;
  workq_measures last;
  uint64_t end; /* number of the next sample */
  struct history_sample samples[HISTORY_SAMPLES];
  uint64_t past_end;
  workq_histogram past[PAST_KEPT][HISTORY_TIMES];
};

struct histories {
  struct history *all[HISTORY_QUEUES];
  unsigned count;
};

struct histories *histories_new(void) {
  return calloc(1, sizeof(struct histories));
}

static void history_free(struct history *history) {
  free(history->name);
  free(history);
}

void histories_free(struct histories *histories) {
  if (histories == NULL) return;
  for (unsigned i = 0; i < histories->count; i++) history_free(histories->all[i]);
  free(histories);
}

/* ---- A sample ------------------------------------------------------------------------------------------------ */

static bool is_less(const workq_measures *now, const workq_measures *last) {
  return now->stats.adds < last->stats.adds || now->stats.dones < last->stats.dones ||
         now->stats.retries < last->stats.retries || now->queue_time.count < last->queue_time.count ||
         now->work_time.count < last->work_time.count;
}

/* What came between two looks; what seems to have gone was torn. */
static workq_histogram subtract(const workq_histogram *now, const workq_histogram *before) {
  workq_histogram difference = {0};
  for (unsigned i = 0; i < WORKQ_HISTOGRAM_BUCKETS; i++) {
    if (now->buckets[i] <= before->buckets[i]) continue;
    difference.buckets[i] = now->buckets[i] - before->buckets[i];
    difference.count += difference.buckets[i];
  }
  if (difference.count > 0 && now->sum_ns > before->sum_ns) difference.sum_ns = now->sum_ns - before->sum_ns;
  return difference;
}

static float rate(uint64_t now, uint64_t before, int64_t ns) {
  if (now <= before || ns <= 0) return 0;
  return (float)((double)(now - before) * (double)NS_PER_S / (double)ns);
}

static void sample_time(struct history_sample *sample, int kind, const workq_histogram *now,
                        const workq_histogram *before) {
  workq_histogram second = subtract(now, before);
  sample->median_ns[kind] = workq_histogram_quantile_ns(&second, 0.5);
  sample->p99_ns[kind] = workq_histogram_quantile_ns(&second, 0.99);
}

static struct history_sample *next_sample(struct history *history) {
  struct history_sample *sample = &history->samples[history->end++ % HISTORY_SAMPLES];
  *sample = (struct history_sample){0};
  for (int kind = 0; kind < HISTORY_TIMES; kind++) sample->median_ns[kind] = sample->p99_ns[kind] = -1;
  return sample;
}

static void keep_past(struct history *history, const workq_measures *now) {
  if (history->end % PAST_STEP != 1) return;
  workq_histogram *kept = history->past[history->past_end++ % PAST_KEPT];
  kept[HISTORY_QUEUE_TIME] = now->queue_time;
  kept[HISTORY_WORK_TIME] = now->work_time;
}

/* What has come since the last look. */
static void sample_flow(const struct history *history, struct history_sample *sample, const workq_measures *now,
                        int64_t ns) {
  const workq_measures *last = &history->last;
  sample->adds = rate(now->stats.adds, last->stats.adds, ns);
  sample->dones = rate(now->stats.dones, last->stats.dones, ns);
  sample->retries = rate(now->stats.retries, last->stats.retries, ns);
  sample_time(sample, HISTORY_QUEUE_TIME, &now->queue_time, &last->queue_time);
  sample_time(sample, HISTORY_WORK_TIME, &now->work_time, &last->work_time);
}

/* Too little time has gone by to tell: as in the sample before. */
static void repeat_flow(const struct history *history, struct history_sample *sample) {
  const struct history_sample *before = &history->samples[(history->end - 2) % HISTORY_SAMPLES];
  sample->adds = before->adds;
  sample->dones = before->dones;
  sample->retries = before->retries;
}

static void push(struct history *history, const workq_measures *now, int64_t now_ns) {
  struct history_sample *sample = next_sample(history);
  sample->is_there = true;
  sample->ready = now->stats.ready;
  sample->processing = now->stats.processing;
  sample->delayed = now->stats.delayed;
  sample->buried = now->stats.buried;
  if (history->is_measured && now_ns - history->last_ns < SHORTEST_NS) {
    repeat_flow(history, sample);
    return;
  }
  if (history->is_measured) sample_flow(history, sample, now, now_ns - history->last_ns);
  keep_past(history, now);
  history->last = *now;
  history->last_ns = now_ns;
  history->is_measured = true;
}

/* Looks until a look shows no less than the one before it. */
static int look_again(const struct history *history, bool shared, workq_measures *now) {
  workq_measures before;
  int result = peek_measure(history->name, shared, now);
  for (int looks = 1; looks < LOOKS_MAX && result >= 0; looks++) {
    before = *now;
    result = peek_measure(history->name, shared, now);
    if (result < 0 || is_less(now, &before)) continue;
    if (!history->is_measured || !is_less(now, &history->last)) break;
  }
  return result;
}

/* ---- All queues ---------------------------------------------------------------------------------------------- */

static ino_t inode_of(const char *name) {
  char path[sizeof SHM_DIRECTORY + sizeof SHM_PREFIX + 256];
  struct stat status;
  snprintf(path, sizeof path, SHM_DIRECTORY "/" SHM_PREFIX "%s", name);
  return lstat(path, &status) == 0 ? status.st_ino : 0;
}

static struct history *find(const struct histories *histories, const char *name) {
  for (unsigned i = 0; i < histories->count; i++)
    if (strcmp(histories->all[i]->name, name) == 0) return histories->all[i];
  return NULL;
}

const struct history *history_find(const struct histories *histories, const char *name) {
  return find(histories, name);
}

static struct history *add(struct histories *histories, const char *name) {
  if (histories->count == HISTORY_QUEUES) return NULL;
  struct history *history = calloc(1, sizeof *history);
  if (history == NULL) return NULL;
  history->name = strdup(name);
  if (history->name == NULL) {
    free(history);
    return NULL;
  }
  return histories->all[histories->count++] = history;
}

/* Begins anew where the queue is not the one that it was. */
static void check_identity(struct history *history) {
  ino_t inode = inode_of(history->name);
  if (inode == history->inode) return;
  char *name = history->name;
  memset(history, 0, sizeof *history);
  history->name = name;
  history->inode = inode;
}

static void sample_queue(struct histories *histories, const char *name, bool shared, uint64_t missed) {
  struct history *history = find(histories, name);
  workq_measures now;
  if (history == NULL) history = add(histories, name);
  if (history == NULL) return;
  check_identity(history);
  history->is_listed = true;
  for (uint64_t i = 0; i < missed && i < HISTORY_SAMPLES && history->end > 0; i++) next_sample(history);
  if (look_again(history, shared, &now) >= 0) push(history, &now, clock_now_ns());
  else next_sample(history);
}

static void forget_removed(struct histories *histories) {
  unsigned kept = 0;
  for (unsigned i = 0; i < histories->count; i++) {
    struct history *history = histories->all[i];
    if (history->is_listed) histories->all[kept++] = history;
    else history_free(history);
  }
  histories->count = kept;
}

void histories_sample(struct histories *histories, bool shared, uint64_t missed) {
  char **names;
  int count = queue_list_read(&names);
  if (count < 0) return;
  for (unsigned i = 0; i < histories->count; i++) histories->all[i]->is_listed = false;
  for (int i = 0; i < count && i < (int)HISTORY_QUEUES; i++) sample_queue(histories, names[i], shared, missed);
  queue_list_free(names, count);
  forget_removed(histories);
}

/* ---- Reading ------------------------------------------------------------------------------------------------- */

uint64_t history_end(const struct history *history, uint64_t *first) {
  uint64_t oldest = history->end > HISTORY_SAMPLES ? history->end - HISTORY_SAMPLES : 0;
  if (*first < oldest || *first > history->end) *first = oldest;
  return history->end;
}

const struct history_sample *history_at(const struct history *history, uint64_t number) {
  return &history->samples[number % HISTORY_SAMPLES];
}

void history_minute(const struct history *history, const workq_measures *now, workq_histogram out[HISTORY_TIMES]) {
  static const workq_histogram empty[HISTORY_TIMES];
  uint64_t oldest = history->past_end > PAST_KEPT ? history->past_end - PAST_KEPT : 0;
  const workq_histogram *before = history->past_end > 0 ? history->past[oldest % PAST_KEPT] : empty;
  out[HISTORY_QUEUE_TIME] = subtract(&now->queue_time, &before[HISTORY_QUEUE_TIME]);
  out[HISTORY_WORK_TIME] = subtract(&now->work_time, &before[HISTORY_WORK_TIME]);
}
