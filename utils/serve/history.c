/*
 * What queues were in the last ten minutes, a sample a second.
 *
 * Counters are read without the queue's lock.  A handle that ends between two of the reads can be
 * counted in neither of two places, or in both: so samples are taken until one shows no less than
 * the one before.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/queue_list.h"
#include "common/ring.h"
#include "common/sample.h"
#include "serve.h"

#define TRIES_MAX 5

/*
 * A sample that was late is soon followed by the next: rates of less time than this would be noise.
 */
#define SHORTEST_NS (NS_PER_S / 2)

/* The histograms of a minute, one each ten seconds. */
#define PAST_STEP 10u
#define PAST_KEPT 7u

struct history {
  char *name;
  bool is_listed;
  bool is_sampled;          /* last is set */
  int64_t stalled_since_ns; /* when keys became ready, or one was done, the last time; 0: none is ready */
  struct sample last;
  uint64_t end; /* number of the next point */
  struct history_point points[HISTORY_POINTS];
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

static void set_time(struct history_point *point, int kind, const workq_histogram *before, const workq_histogram *now) {
  struct sample_times times = sample_times_between(before, now);
  point->median_ns[kind] = times.p50_ns;
  point->p99_ns[kind] = times.p99_ns;
}

static struct history_point *next_point(struct history *history) {
  struct history_point *point = &history->points[history->end++ % HISTORY_POINTS];
  *point = (struct history_point){0};
  for (int kind = 0; kind < HISTORY_TIMES; kind++) point->median_ns[kind] = point->p99_ns[kind] = -1;
  return point;
}

static void keep_past(struct history *history, const workq_measures *now) {
  if (history->end % PAST_STEP != 1) return;
  workq_histogram *kept = history->past[history->past_end++ % PAST_KEPT];
  kept[HISTORY_QUEUE_TIME] = now->queue_time;
  kept[HISTORY_WORK_TIME] = now->work_time;
}

/* What has come since the last sample. */
static void set_flow(struct history_point *point, const struct sample *last, const struct sample *now) {
  struct sample_rates rates = sample_rates_between(last, now);
  point->adds = (float)rates.added;
  point->dones = (float)rates.done;
  point->retries = (float)rates.retried;
  set_time(point, HISTORY_QUEUE_TIME, &last->measures.queue_time, &now->measures.queue_time);
  set_time(point, HISTORY_WORK_TIME, &last->measures.work_time, &now->measures.work_time);
}

/* Too little time has gone by to tell: as in the point before. */
static void repeat_flow(const struct history *history, struct history_point *point) {
  const struct history_point *before = &history->points[(history->end - 2) % HISTORY_POINTS];
  point->adds = before->adds;
  point->dones = before->dones;
  point->retries = before->retries;
}

/* Keys are ready, may be taken, and none was done since the sample before. */
static void note_stall(struct history *history, const workq_stats_data *now, int64_t now_ns) {
  const workq_stats_data *last = history->is_sampled ? &history->last.measures.stats : NULL;
  if (now->ready == 0 || now->paused != 0) history->stalled_since_ns = 0;
  else if (history->stalled_since_ns == 0 || last == NULL || now->dones != last->dones)
    history->stalled_since_ns = now_ns;
}

static void push(struct history *history, const struct sample *now) {
  const workq_stats_data *stats = &now->measures.stats;
  note_stall(history, stats, now->at_ns);
  struct history_point *point = next_point(history);
  point->is_there = true;
  point->ready = stats->ready;
  point->processing = stats->processing;
  point->delayed = stats->delayed;
  point->buried = stats->buried;
  if (history->is_sampled && now->at_ns - history->last.at_ns < SHORTEST_NS) {
    repeat_flow(history, point);
    return;
  }
  if (history->is_sampled) set_flow(point, &history->last, now);
  keep_past(history, &now->measures);
  history->last = *now;
  history->is_sampled = true;
}

/* A queue that was made again under the same name has nothing in common with the one before. */
static bool is_another(const struct history *history, const workq_measures *now) {
  return history->is_sampled && now->stats.incarnation != history->last.measures.stats.incarnation;
}

/* Samples until a sample shows no less than the one before it. */
static int sample_again(const struct history *history, bool shared, workq_measures *now) {
  workq_measures before;
  int result = peek_measure(history->name, shared, now);
  for (int tries = 1; tries < TRIES_MAX && result >= 0; tries++) {
    before = *now;
    result = peek_measure(history->name, shared, now);
    if (result < 0 || is_less(now, &before)) continue;
    if (!history->is_sampled || is_another(history, now) || !is_less(now, &history->last.measures)) break;
  }
  return result;
}

/* ---- All queues ---------------------------------------------------------------------------------------------- */

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

/* Forgets the queue that had the name before. */
static void start_again(struct history *history) {
  char *name = history->name;
  memset(history, 0, sizeof *history);
  history->name = name;
  history->is_listed = true;
}

static void sample_queue(struct histories *histories, const char *name, bool shared, uint64_t missed) {
  struct history *history = find(histories, name);
  struct sample now;
  if (history == NULL) history = add(histories, name);
  if (history == NULL) return;
  history->is_listed = true;
  int result = sample_again(history, shared, &now.measures);
  if (result >= 0 && is_another(history, &now.measures)) start_again(history);
  for (uint64_t i = 0; i < missed && i < HISTORY_POINTS && history->end > 0; i++) next_point(history);
  if (result < 0) {
    next_point(history);
    return;
  }
  now.at_ns = clock_now_ns();
  push(history, &now);
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

int64_t history_stalled_ns(const struct history *history) {
  return history->stalled_since_ns == 0 ? 0 : clock_now_ns() - history->stalled_since_ns;
}

uint64_t history_end(const struct history *history, uint64_t *first) {
  uint64_t oldest = ring_first(history->end, HISTORY_POINTS);
  if (*first < oldest || *first > history->end) *first = oldest;
  return history->end;
}

const struct history_point *history_at(const struct history *history, uint64_t number) {
  return &history->points[number % HISTORY_POINTS];
}

void history_minute(const struct history *history, const workq_measures *now, workq_histogram out[HISTORY_TIMES]) {
  static const workq_histogram empty[HISTORY_TIMES];
  uint64_t oldest = ring_first(history->past_end, PAST_KEPT);
  const workq_histogram *before = history->past_end > 0 ? history->past[oldest % PAST_KEPT] : empty;
  out[HISTORY_QUEUE_TIME] = sample_histogram_between(&before[HISTORY_QUEUE_TIME], &now->queue_time);
  out[HISTORY_WORK_TIME] = sample_histogram_between(&before[HISTORY_WORK_TIME], &now->work_time);
}
