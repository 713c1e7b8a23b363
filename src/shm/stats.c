/*
 * stats.c: reading the counters and gauges of a queue, and its histograms.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/stat.h>

#include "delay.h"
#include "inspect.h"
#include "shm.h"
#include "times.h"

static void stats_of_segment(workq *q, workq_stats_data *s) {
  const struct header *h = &q->header;
  struct stat st;
  memcpy(s->name, q->name, strlen(q->name) + 1);
  s->capacity = h->capacity;
  s->key_max = h->key_max;
  s->handles = h->handles;
  s->max_retries = h->max_retries;
  s->max_crashes = h->max_crashes;
  s->crash_forget_ns = h->crash_forget_ns;
  s->give_up = h->give_up;
  s->mode = h->mode;
  s->reap_interval_ns = h->reap_interval_ns;
  s->metrics = h->metrics;
  s->size = q->geometry.total_size;
  s->incarnation = h->checksum;
  if (fstat(q->file.fd, &st) == 0) {
    s->mode = (uint32_t)st.st_mode & 0777;
    s->committed = (uint64_t)st.st_blocks * 512;
  }
}

/* Adds the keys in flight of the slot, a copy. */
static void stats_of_runs(const workq *q, const struct slot *slot, workq_stats_data *s) {
  int64_t longest_ns = inspect_longest_run_ns(q, slot);
  if (longest_ns < 0) return;
  if (longest_ns > s->longest_ns) s->longest_ns = longest_ns;
  int64_t sum_ns = (int64_t)(slot->own.processing.count * (uint64_t)q->stamp_ns - slot->own.started_ns);
  if (sum_ns > 0) s->unfinished_ns = clock_add_ns(s->unfinished_ns, sum_ns);
}

static void stats_of_slots(const workq *q, workq_stats_data *s) {
  for (uint32_t i = 0; i < q->geometry.handles; i++) {
    struct slot copy;
    const struct slot *slot = &copy;
    if (read_u32(&q->slots[i].attachment.state) != SLOT_ATTACHED) continue;
    read_slot(&copy, &q->slots[i]);
    s->attached++;
#define ADD_OWN(name)  s->name += slot->own.name;
#define ADD_RARE(name) s->name += slot->rare.name;
    OWN_COUNTERS(ADD_OWN)
    RARE_COUNTERS(ADD_RARE)
#undef ADD_OWN
#undef ADD_RARE
    s->queued += slot->own.adds - slot->rare.scheduled + slot->rare.requeued;
    stats_of_runs(q, slot, s);
  }
}

static void stats_of_queue(workq *q, workq_stats_data *s) {
  const struct control *c = q->control;
  struct hot_line hot;
  read_line(&hot, &c->hot);
  s->ready = hot.ready;
  s->processing = hot.processing;
  s->delayed = hot.delayed;
  s->buried = read_u32(&c->cold.buried.count);
  s->idle = read_u32(&c->cold.idle.count);
  s->keys = hot.used;
  for (uint32_t i = 0; i < BANDS; i++) s->dirty += read_u32(&c->bands[i].dirty);
  s->waiting = read_u32(&c->wait.list[WAIT_GET].count);
  s->shut_down = (hot.flags & QUEUE_SHUT_DOWN) != 0;
  s->paused = (hot.flags & QUEUE_PAUSED) != 0;
  s->next_due_in_ns = s->delayed ? clock_since_ns(handle_now_ns(q), delay_next_ns(q)) : -1;
}

/* Sets the totals of slots that became free, and of what belongs to no slot. */
static void stats_of_totals(const workq *q, workq_stats_data *s) {
  struct totals totals;
  read_lines(&totals, &q->control->totals, sizeof totals);
#define SET(name) s->name = totals.name;
  OWN_COUNTERS(SET)
  RARE_COUNTERS(SET)
  CRASH_COUNTERS(SET)
  QUEUE_COUNTERS(SET)
#undef SET
  s->queued = totals.adds - totals.scheduled + totals.requeued;
}

int shmq_stats(workq *q, workq_stats_data *stats) {
  memset(stats, 0, sizeof *stats);
  stats_of_segment(q, stats);
  int rc = read_begin(q);
  if (rc < 0) return rc;
  stats_of_queue(q, stats);
  stats_of_totals(q, stats);
  stats_of_slots(q, stats);
  read_end(q);
  return 0;
}

/* ---- Measures ---- */

/* The depths, and the priorities to distinguish: 0, and those that were noted. */
static void measure_priorities(const workq *q, workq_measures *m) {
  struct exported_line exported;
  read_line(&exported, &q->control->exported);
  uint32_t others = exported.count < PRIORITIES_EXPORTED ? exported.count : PRIORITIES_EXPORTED - 1;
  m->shown = 1 + others;
  memcpy(m->shown_priority + 1, exported.priority, others);
  for (int priority = INT8_MIN; priority <= INT8_MAX; priority++) {
    struct band band;
    read_lines(&band, band_of(q, priority), sizeof band);
    m->depth[priority + 128] = band.keys.count + band.dirty;
  }
}

static void measure_times(const struct measures *from, workq_measures *m) {
  times_sum(&from->histogram[MEASURE_QUEUE], &m->queue_time);
  times_sum(&from->histogram[MEASURE_WORK], &m->work_time);
  times_sum(&from->histogram[MEASURE_DELAY], &m->delay_time);
}

static void measure_slot(const workq *q, uint32_t i, workq_measures *m) {
  const struct measures *measures = times_of(q, i);
  if (!measures || read_u32(&q->slots[i].attachment.state) != SLOT_ATTACHED) return;
  /* The state may be damaged: the histograms of a slot that was never used have no memory. */
  if (measures == q->measure || memory_is_backed(measures, sizeof *measures)) measure_times(measures, m);
}

void inspect_measure(workq *q, workq_measures *m) {
  memset(m, 0, sizeof *m);
  stats_of_segment(q, &m->stats);
  stats_of_queue(q, &m->stats);
  stats_of_totals(q, &m->stats);
  stats_of_slots(q, &m->stats);
  measure_priorities(q, m);
  measure_times(&q->control->measured, m);
  for (uint32_t i = 0; i < q->geometry.handles; i++) measure_slot(q, i, m);
}

int shmq_measure(workq *q, workq_measures *measures) {
  int rc = read_begin(q);
  if (rc < 0) return rc;
  inspect_measure(q, measures);
  read_end(q);
  return 0;
}

int shmq_get_limiter(workq *q, workq_limiter *limiter) {
  *limiter = q->header.limiter;
  return 0;
}
