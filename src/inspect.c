/*
 * inspect.c: looking at a queue: one key, the next key, all keys, all workers, the numbers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "inspect.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "delay.h"
#include "ready.h"
#include "table.h"

/* Records looked at, and bytes of keys copied, under one hold of the lock. */
#define ITERATE_RECORDS 256u
#define ITERATE_BYTES   (64u << 10)

const char *workq_state_name(int state) {
  static const char *const names[] = {"unknown", "ready", "processing", "dirty", "delayed", "buried", "idle"};
  return state >= WORKQ_STATE_READY && state <= WORKQ_STATE_IDLE ? names[state] : names[0];
}

static int state_of(const struct item *item) {
  switch (item->place) {
  case PLACE_READY:
    return WORKQ_STATE_READY;
  case PLACE_DELAYED:
    return WORKQ_STATE_DELAYED;
  case PLACE_PROCESSING:
    return item->pending == PENDING_NOW ? WORKQ_STATE_DIRTY : WORKQ_STATE_PROCESSING;
  case PLACE_BURIED:
    return WORKQ_STATE_BURIED;
  case PLACE_IDLE:
    return WORKQ_STATE_IDLE;
  default:
    return 0;
  }
}

/* The time since a stamp, -1 where none are made. */
static int64_t age_ns(const workq *q, int64_t stamp_ns) {
  return q->header.metrics ? clock_since_ns(stamp_ns, q->stamp_ns) : -1;
}

/* Copies whose slot it is that has the item in hand.  Returns false where none has. */
static bool read_owner(const workq *q, const struct item *item, struct slot *copy) {
  const struct slot *slot = item->place == PLACE_PROCESSING ? slot_at(q, item->owner) : NULL;
  if (slot) read_who(copy, slot);
  return slot != NULL;
}

int inspect_item(workq *q, uint32_t index, const struct item *item, int64_t now_ns, unsigned char *key_copy,
                 workq_info *info) {
  struct item *place = item_at(q, index);
  int state = state_of(item);
  uint32_t len = item->key_len;
  if (!place || !state || len > q->geometry.key_max) return 0;
  read_key(key_copy, item_key(place), len);
  struct slot slot;
  const struct slot *owner = read_owner(q, item, &slot) ? &slot : NULL;
  bool pending = item->pending != PENDING_NONE;
  *info = (workq_info){.key = key_copy,
                       .key_len = len,
                       .state = state,
                       .priority = pending || !owner ? item->priority : item->run_priority,
                       .failures = item->failures,
                       .crashes = item->crashes,
                       .pid = owner ? owner->who.pid : 0,
                       .tid = owner ? owner->who.tid : 0,
                       .due_in_ns = -1,
                       .waiting_ns = owner && !pending ? -1 : age_ns(q, item->since_ns),
                       .running_ns = owner ? age_ns(q, item->run_ns) : -1};
  if (item->pending == PENDING_AT)
    info->due_in_ns = clock_since_ns(now_ns, delay_read_due_ns(q, index, item->heap_place));
  return state;
}

/* ---- One key ---- */

int workq_state(workq *q, const void *key, size_t len, workq_info *info) {
  int rc = queue_check_key(q, key, len);
  if (rc < 0) return rc;
  uint32_t index, hash = table_hash(q, key, len);
  struct item *item, copy;
  workq_info found;
  rc = queue_enter(q, CLOCK_NEVER);
  if (rc < 0) return rc;
  rc = queue_find(q, hash, key, len, &index, &item);
  if (rc == 0)
    rc = item && read_item(q, index, &copy) ? inspect_item(q, index, &copy, handle_now_ns(q), q->key_buffer, &found)
                                            : -ENOENT;
  queue_leave(q);
  if (rc > 0 && info) *info = found;
  return rc == 0 ? -EUCLEAN : rc;
}

int workq_peek(workq *q, workq_info *info) {
  uint32_t index;
  workq_info found = {0};
  int rc = queue_enter(q, CLOCK_NEVER);
  if (rc < 0) return rc;
  if (!(q->control->hot.flags & QUEUE_PAUSED)) {
    rc = ready_first(q, &index);
    struct item item;
    if (rc == 0 && index)
      rc = read_item(q, index, &item) && inspect_item(q, index, &item, 0, q->key_buffer, &found) ? 1 : -EUCLEAN;
  }
  queue_leave(q);
  if (rc > 0 && info) *info = found;
  return rc;
}

int workq_len(workq *q) {
  int rc = look_begin(q);
  if (rc < 0) return rc;
  uint32_t ready = read_u32(&q->control->hot.ready);
  look_end(q);
  return ready < INT_MAX ? (int)ready : INT_MAX;
}

int inspect_ready_order(workq *q, int (*visit)(void *arg, const void *key, size_t len, int priority), void *arg) {
  int rc = queue_enter(q, CLOCK_NEVER);
  if (rc < 0) return rc;
  for (int priority = INT8_MAX; priority >= INT8_MIN && rc == 0; priority--) {
    for (uint32_t index = band_of(q, priority)->keys.head; index && rc == 0;) {
      struct item *item = item_at(q, index);
      rc = item ? visit(arg, item_key(item), item->key_len, item->priority) : -EUCLEAN;
      if (item) index = item->next;
    }
  }
  queue_leave(q);
  return rc;
}

/* ---- All keys ---- */

/* Copies of what one hold of the lock has shown. */
struct page {
  uint32_t places;
  uint32_t count;
  workq_info *infos;
  unsigned char *keys;
};

static int page_make(const workq *q, struct page *page) {
  uint32_t places = ITERATE_BYTES / q->geometry.key_max;
  page->places = places > ITERATE_RECORDS ? ITERATE_RECORDS : places ? places : 1;
  page->infos = calloc(page->places, sizeof *page->infos);
  page->keys = calloc(page->places, q->geometry.key_max);
  return page->infos && page->keys ? 0 : -ENOMEM;
}

static void page_free(struct page *page) {
  free(page->infos);
  free(page->keys);
}

/* Fills a page from record *next on.  Returns 0, or 1 at the end. */
static int page_fill(workq *q, struct page *page, uint32_t *next) {
  int64_t now_ns = handle_now_ns(q);
  uint32_t fresh = read_u32(&q->control->hot.fresh);
  if (fresh > q->geometry.records) fresh = q->geometry.records;
  page->count = 0;
  for (uint32_t seen = 0; *next <= fresh && seen < ITERATE_RECORDS && page->count < page->places; seen++) {
    unsigned char *copy = page->keys + (size_t)page->count * q->geometry.key_max;
    uint32_t index = (*next)++;
    struct item item;
    if (!read_item(q, index, &item)) continue;
    if (inspect_item(q, index, &item, now_ns, copy, &page->infos[page->count])) page->count++;
  }
  return *next > fresh;
}

static int iterate_pages(workq *q, struct page *page, int (*visit)(void *, const workq_info *), void *arg) {
  uint32_t next = 1;
  int end = 0, rc = 0;
  while (!end && rc == 0) {
    if ((rc = look_begin(q)) < 0) return rc;
    end = page_fill(q, page, &next);
    look_end(q);
    for (uint32_t i = 0; i < page->count && rc == 0; i++) rc = visit(arg, &page->infos[i]);
  }
  return rc;
}

int workq_iterate(workq *q, int (*visit)(void *arg, const workq_info *info), void *arg) {
  struct page page = {0};
  if (!visit) return -EINVAL;
  int rc = page_make(q, &page);
  if (rc == 0) rc = iterate_pages(q, &page, visit, arg);
  page_free(&page);
  return rc;
}

/* ---- Workers ---- */

/* For how long the slot, a copy, has had the oldest key in its hands; -1 where it has none. */
static int64_t longest_run_ns(const workq *q, const struct slot *slot) {
  struct item oldest;
  return read_item(q, slot->own.processing.head, &oldest) ? age_ns(q, oldest.run_ns) : -1;
}

/* Returns whether the slot is attached. */
static bool describe_worker(const workq *q, uint32_t i, int64_t now_ns, workq_worker *worker) {
  struct slot copy;
  const struct slot *slot = &copy;
  read_slot(&copy, &q->slots[i]);
  if (slot->who.state != SLOT_ATTACHED) return false;
  *worker = (workq_worker){.slot = i,
                           .pid = slot->who.pid,
                           .tid = slot->who.tid,
                           .waiting = slot->wait.kind == WAIT_GRANTED ? 0 : slot->wait.kind,
                           .processing = slot->own.processing.count,
                           .self = &q->slots[i] == q->slot,
                           .age_ns = clock_since_ns(slot->who.since_ns, now_ns),
                           .adds = slot->own.adds,
                           .coalesced = slot->own.coalesced,
                           .gets = slot->own.gets,
                           .dones = slot->own.dones,
                           .retries = slot->own.retries,
                           .failed = slot->rare.failed,
                           .gave_up = slot->rare.gave_up,
                           .running_ns = longest_run_ns(q, slot)};
  memcpy(worker->command, slot->who.command, sizeof worker->command);
  worker->command[sizeof worker->command - 1] = '\0';
  return true;
}

int workq_iterate_workers(workq *q, int (*visit)(void *arg, const workq_worker *worker), void *arg) {
  if (!visit) return -EINVAL;
  /* A forked child takes its slot at its first entry: that must not be one which was looked at already. */
  int rc = look_begin(q);
  if (rc < 0) return rc;
  look_end(q);
  for (uint32_t i = 0; i < q->geometry.handles && rc == 0; i++) {
    workq_worker worker;
    if (read_u32(&q->slots[i].who.state) != SLOT_ATTACHED) continue;
    if ((rc = look_begin(q)) < 0) return rc;
    bool attached = describe_worker(q, i, handle_now_ns(q), &worker);
    look_end(q);
    if (attached) rc = visit(arg, &worker);
  }
  return rc;
}

/* ---- Numbers ---- */

static void stats_of_segment(workq *q, workq_stats_data *s) {
  const struct header *h = &q->header;
  struct stat st;
  memcpy(s->name, q->name, strlen(q->name) + 1);
  s->capacity = h->capacity;
  s->key_max = h->key_max;
  s->handles = h->handles;
  s->max_retries = h->max_retries;
  s->max_crashes = h->max_crashes;
  s->give_up = h->give_up;
  s->mode = h->mode;
  s->reap_interval_ns = h->reap_interval_ns;
  s->metrics = h->metrics;
  s->size = q->geometry.total_size;
  if (fstat(q->fd, &st) == 0) {
    s->mode = (uint32_t)st.st_mode & 0777;
    s->committed = (uint64_t)st.st_blocks * 512;
  }
}

/* What the slot, a copy, has in hand. */
static void stats_of_runs(const workq *q, const struct slot *slot, workq_stats_data *s) {
  int64_t longest_ns = longest_run_ns(q, slot);
  if (longest_ns < 0) return;
  if (longest_ns > s->longest_ns) s->longest_ns = longest_ns;
  int64_t sum_ns = (int64_t)(slot->own.processing.count * (uint64_t)q->stamp_ns - slot->own.started_ns);
  if (sum_ns > 0) s->unfinished_ns = clock_add_ns(s->unfinished_ns, sum_ns);
}

static void stats_of_slots(const workq *q, workq_stats_data *s) {
  for (uint32_t i = 0; i < q->geometry.handles; i++) {
    struct slot copy;
    const struct slot *slot = &copy;
    if (read_u32(&q->slots[i].who.state) != SLOT_ATTACHED) continue;
    read_slot(&copy, &q->slots[i]);
    s->attached++;
    s->adds += slot->own.adds;
    s->coalesced += slot->own.coalesced;
    s->gets += slot->own.gets;
    s->dones += slot->own.dones;
    s->retries += slot->own.retries;
    s->gave_up += slot->rare.gave_up;
    s->after_adds += slot->rare.after_adds;
    s->queued += slot->own.adds - slot->rare.postponed + slot->rare.returned;
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

/* What belongs to no slot. */
static void stats_of_totals(const workq *q, workq_stats_data *s) {
  struct totals totals;
  read_lines(&totals, &q->control->totals, sizeof totals);
  s->adds = totals.adds;
  s->coalesced = totals.coalesced;
  s->gets = totals.gets;
  s->dones = totals.dones;
  s->retries = totals.retries;
  s->gave_up = totals.gave_up;
  s->crashes = totals.crashes;
  s->crash_buried = totals.crash_buried;
  s->reaped = totals.reaped;
  s->recoveries = totals.recoveries;
  s->evictions = totals.evictions;
  s->lock_losses = totals.lock_losses;
  s->after_adds = totals.after_adds;
  s->queued = totals.adds - totals.postponed + totals.returned;
}

int workq_stats(workq *q, workq_stats_data *stats) {
  if (!stats) return -EINVAL;
  memset(stats, 0, sizeof *stats);
  stats_of_segment(q, stats);
  int rc = look_begin(q);
  if (rc < 0) return rc;
  stats_of_queue(q, stats);
  stats_of_totals(q, stats);
  stats_of_slots(q, stats);
  look_end(q);
  return 0;
}

/* ---- Measures ---- */

static bool is_shown(const int8_t *shown, uint32_t count, int priority) {
  for (uint32_t i = 0; i < count; i++)
    if (shown[i] == priority) return true;
  return false;
}

/* The depths, and the priorities to show: those shown before, 0, and what has been met now. */
static void measure_priorities(const workq *q, workq_measures *m) {
  struct shown_line shown;
  read_line(&shown, &q->control->shown);
  m->shown = shown.count < PRIORITIES_SHOWN ? shown.count : PRIORITIES_SHOWN;
  memcpy(m->shown_priority, shown.priority, m->shown);
  if (m->shown == 0) m->shown_priority[m->shown++] = 0;
  for (int priority = INT8_MIN; priority <= INT8_MAX; priority++) {
    struct band band;
    read_lines(&band, band_of(q, priority), sizeof band);
    m->depth[priority + 128] = band.keys.count + band.dirty;
    if (m->depth[priority + 128] == 0 || m->shown == PRIORITIES_SHOWN) continue;
    if (!is_shown(m->shown_priority, m->shown, priority)) m->shown_priority[m->shown++] = (int8_t)priority;
  }
}

/* So that the next look names the same. */
static void remember_priorities(workq *q, const workq_measures *m) {
  struct shown_line *shown = &q->control->shown;
  if (q->flags & WORKQ_RAW || shown->count == m->shown) return;
  journal_begin(q);
  journal_save(q, shown);
  memcpy(shown->priority, m->shown_priority, m->shown);
  shown->count = m->shown;
  journal_commit(q);
}

static void measure_times(const struct measures *from, workq_measures *m) {
  measure_sum(&from->histogram[MEASURE_QUEUE], &m->queue_time);
  measure_sum(&from->histogram[MEASURE_WORK], &m->work_time);
  measure_sum(&from->histogram[MEASURE_DELAY], &m->delay_time);
}

static void measure_slot(const workq *q, uint32_t i, workq_measures *m) {
  const struct measures *measures = measure_of(q, i);
  if (!measures || read_u32(&q->slots[i].who.state) != SLOT_ATTACHED) return;
  /* The state may be damaged: a slot that was never used has no memory here. */
  if (measures == q->measure || reach_memory(measures, sizeof *measures)) measure_times(measures, m);
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

int workq_measure(workq *q, workq_measures *measures) {
  if (!measures) return -EINVAL;
  int rc = look_begin(q);
  if (rc < 0) return rc;
  inspect_measure(q, measures);
  remember_priorities(q, measures);
  look_end(q);
  return 0;
}

int workq_get_limiter(workq *q, workq_limiter *limiter) {
  if (!limiter) return -EINVAL;
  *limiter = q->header.limiter;
  return 0;
}
