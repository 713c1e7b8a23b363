/*
 * state.c: a key's state machine; see state.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "state.h"

#include "delay.h"
#include "limiter.h"

static int max_int(int a, int b) {
  return a > b ? a : b;
}

/* splitmix64: good enough for jitter. */
static uint64_t random_next(workq *q) {
  uint64_t z = q->random += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* ---- Single transitions ---- */

int state_signal_ready(workq *q) {
  if (q->control->hot.flags & QUEUE_PAUSED) return 0;
  if (q->wakes.keeps_next) {
    q->wakes.keeps_next = false;
    return 0;
  }
  int rc = wait_signal(q, WAIT_GET);
  return rc < 0 ? rc : 0;
}

/* A key in flight becomes, or is no longer, ready with that priority when done. */
static void count_dirty(workq *q, int priority, uint32_t change) {
  struct band *band = band_of(q, priority);
  journal_save(q, band);
  band->dirty += change;
  if (change == 1) ready_note_priority(q, priority);
}

/* Counts a key that became pending now other than by an add. */
static void count_requeued(workq *q) {
  journal_save(q, &q->slot->rare);
  q->slot->rare.requeued++;
}

/* Ends a key's delay at that stamp: the key is pending now. */
static void end_delay(workq *q, struct item *item, int64_t until_ns) {
  if (q->measure) times_observe(q, MEASURE_DELAY, item->since_ns, until_ns);
  item->since_ns = until_ns;
  if (item->place == PLACE_PROCESSING) count_dirty(q, item->priority, 1);
  item->pending = PENDING_NOW;
}

int state_enter_buried(workq *q, uint32_t index, struct item *item) {
  int rc = list_append(q, &q->control->cold.buried, index, item);
  if (unlikely(rc < 0)) return rc;
  item->place = PLACE_BURIED;
  item->pending = PENDING_NONE;
  item->since_ns = q->stamp_ns;
  return 0;
}

/* Cancels the pending run of a processed key; its priority becomes that of its current run. */
static int cancel_pending(workq *q, struct item *item) {
  int rc = item->pending == PENDING_AT ? delay_remove(q, item) : 0;
  if (item->pending == PENDING_NOW) count_dirty(q, item->priority, -1u);
  item->pending = PENDING_NONE;
  item->priority = item->run_priority;
  return rc;
}

/* Buries a processed key that has no pending run. */
static int bury(workq *q, struct slot *slot, uint32_t index, struct item *item) {
  item->priority = item->run_priority;
  int rc = state_leave_in_flight(q, slot, index, item);
  return rc == 0 ? state_enter_buried(q, index, item) : rc;
}

static int schedule(workq *q, uint32_t index, struct item *item, int64_t due_ns) {
  int rc = delay_push(q, index, item, due_ns);
  if (unlikely(rc < 0)) return rc;
  item->pending = PENDING_AT;
  return wait_advance_leader(q, due_ns);
}

/* ---- Adding ---- */

int state_evict(workq *q) {
  struct list *idle = &q->control->cold.idle;
  uint32_t index = idle->head;
  if (index == 0) return -ENOSPC;
  struct item *item = item_at(q, index);
  if (unlikely(!item || item->place != PLACE_IDLE)) return -EUCLEAN;
  journal_save(q, item);
  int rc = list_remove(q, idle, index, item);
  if (rc == 0) rc = item_destroy(q, index, item);
  if (unlikely(rc < 0)) return rc;
  journal_save(q, &q->control->totals.reaped);
  q->control->totals.evictions++;
  return 0;
}

int state_grant_space(workq *q) {
  if (state_space(q) <= wait_grants(q)) return 0;
  int rc = wait_signal(q, WAIT_SPACE);
  if (rc <= 0) return rc;
  /* Evict an idle item now: before the waiter takes its space, another add of the item's key could
   * make it one that cannot be evicted. */
  return q->control->hot.used + wait_grants(q) > q->geometry.capacity ? state_evict(q) : 0;
}

static int raise_ready(workq *q, uint32_t index, struct item *item, int priority) {
  if (priority <= item->priority) return 0;
  int rc = ready_remove(q, index, item);
  if (unlikely(rc < 0)) return rc;
  item->priority = (int8_t)priority;
  return ready_push(q, index, item);
}

/* An add of a delayed key, for now or another time. */
static int mark_delayed(workq *q, uint32_t index, struct item *item, int64_t due_ns, int priority) {
  int rc;
  item->priority = (int8_t)max_int(priority, item->priority);
  if (due_ns == DUE_NOW) {
    rc = delay_remove(q, item);
    if (unlikely(rc < 0)) return rc;
    end_delay(q, item, q->stamp_ns);
    if (item->place == PLACE_DELAYED) rc = state_enter_ready(q, index, item);
    return rc < 0 ? rc : 1;
  }
  if (due_ns >= delay_due_ns(q, item)) return 0;
  rc = delay_bring_forward(q, item, due_ns);
  if (rc == 0) rc = wait_advance_leader(q, due_ns);
  return rc < 0 ? rc : 1;
}

/* An add of a key with no pending run: it gets the add's priority. */
static int mark_fresh(workq *q, uint32_t index, struct item *item, int64_t due_ns, int priority) {
  int rc = 0;
  item->priority = (int8_t)priority;
  item->since_ns = q->stamp_ns;
  if (due_ns != DUE_NOW) {
    rc = schedule(q, index, item, due_ns);
    if (item->place == PLACE_NOWHERE) item->place = PLACE_DELAYED;
  } else if (item->place == PLACE_NOWHERE) {
    rc = state_enter_ready(q, index, item);
  } else {
    count_dirty(q, priority, 1);
    item->pending = PENDING_NOW;
  }
  return rc < 0 ? rc : 1;
}

/* An add of a dirty key. */
static int raise_dirty(workq *q, struct item *item, int priority) {
  if (priority <= item->priority) return 0;
  count_dirty(q, item->priority, -1u);
  count_dirty(q, priority, 1);
  item->priority = (int8_t)priority;
  return 0;
}

int state_add_known(workq *q, uint32_t index, struct item *item, int64_t due_ns, int priority) {
  int rc;
  switch (item->place) {
  case PLACE_READY:
    return raise_ready(q, index, item, priority);
  case PLACE_BURIED:
    if (unlikely((rc = list_remove(q, &q->control->cold.buried, index, item)) < 0)) return rc;
    item->place = PLACE_NOWHERE;
    return mark_fresh(q, index, item, due_ns, priority);
  case PLACE_DELAYED:
    return mark_delayed(q, index, item, due_ns, priority);
  case PLACE_PROCESSING:
    if (item->pending == PENDING_AT) return mark_delayed(q, index, item, due_ns, priority);
    if (item->pending == PENDING_NONE) return mark_fresh(q, index, item, due_ns, priority);
    return raise_dirty(q, item, priority);
  case PLACE_IDLE:
    if (unlikely((rc = list_remove(q, &q->control->cold.idle, index, item)) < 0)) return rc;
    item->place = PLACE_NOWHERE;
    return mark_fresh(q, index, item, due_ns, priority);
  case PLACE_NOWHERE:
    return mark_fresh(q, index, item, due_ns, priority);
  default:
    return -EUCLEAN;
  }
}

/* ---- Getting and finishing ---- */

int64_t state_count_failure(workq *q, struct item *item, int64_t now_ns, int64_t *bucket_ns) {
  const workq_limiter *limiter = &q->header.limiter;
  *bucket_ns = q->control->cold.bucket_ns;
  uint64_t random = limiter->jitter > 0 ? random_next(q) : 0;
  int64_t delay_ns = limiter_when(limiter, item->failures, now_ns, bucket_ns, random);
  if (item->failures < UINT32_MAX) item->failures++;
  return delay_ns > 0 ? clock_add_ns(now_ns, delay_ns) : DUE_NOW;
}

void state_take_token(workq *q, int64_t bucket_ns) {
  struct cold_line *cold = &q->control->cold;
  if (!(q->header.limiter.kinds & WORKQ_LIMIT_BUCKET)) return;
  journal_save(q, cold);
  cold->bucket_ns = bucket_ns;
}

/*
 * Gives the key a pending run as an add would, with at least the priority of its current run.  This
 * must not fail for lack of memory: if /dev/shm is too full for the heap to take the key, the key
 * becomes ready without its delay.
 */
static int mark_for_rerun(workq *q, uint32_t index, struct item *item, int64_t due_ns) {
  int rc = state_add(q, index, item, due_ns, item->run_priority);
  if (unlikely(rc < 0 && rc != -EUCLEAN)) rc = state_add(q, index, item, due_ns = DUE_NOW, item->run_priority);
  if (rc == 1 && due_ns == DUE_NOW) count_requeued(q);
  return rc;
}

/* The run failed: the key runs again after the limiter's delay. */
static int rerun_later(workq *q, struct slot *slot, uint32_t index, struct item *item, int64_t now_ns) {
  int64_t bucket_ns;
  int rc = mark_for_rerun(q, index, item, state_count_failure(q, item, now_ns, &bucket_ns));
  if (rc > 0) state_take_token(q, bucket_ns);
  return rc < 0 ? rc : state_end_run(q, slot, index, item);
}

/* Ends a run whose outcome does not make the key run again.  Returns 1 if an add during the run
 * does. */
static int end_without_rerun(workq *q, struct slot *slot, uint32_t index, struct item *item) {
  bool again = item->pending != PENDING_NONE;
  int rc = state_end_run(q, slot, index, item);
  return rc < 0 ? rc : again;
}

int state_retry(workq *q, struct slot *slot, uint32_t index, struct item *item, int64_t now_ns) {
  if (item->removed) return end_without_rerun(q, slot, index, item);
  if (state_is_last_run(q, item)) return state_give_up(q, slot, index, item);
  int rc = rerun_later(q, slot, index, item, now_ns);
  return rc < 0 ? rc : 1;
}

int state_give_up(workq *q, struct slot *slot, uint32_t index, struct item *item) {
  bool drop = q->header.give_up == WORKQ_DROP;
  if (drop && !item->removed) item->failures = item->crashes = 0;
  if (drop || item->removed || item->pending != PENDING_NONE) return end_without_rerun(q, slot, index, item);
  return bury(q, slot, index, item);
}

int state_release(workq *q, struct slot *slot, uint32_t index, struct item *item) {
  int rc = item->removed ? 0 : mark_for_rerun(q, index, item, DUE_NOW);
  if (rc >= 0) rc = state_end_run(q, slot, index, item);
  return rc < 0 ? rc : 0;
}

static void count_crash(workq *q, struct item *item, int64_t now_ns) {
  uint32_t crashes = item_crashes(q, item, now_ns);
  item->crashes = (uint16_t)(crashes < CRASHES_MAX ? crashes + 1 : crashes);
  item->crash_time = crash_time(now_ns);
}

/* One crash too many, or no retry is left.  state_crash() has saved the line of crash_buried. */
static int give_up_crashed(workq *q, struct slot *slot, uint32_t index, struct item *item, bool too_many) {
  struct totals *totals = &q->control->totals;
  if (!too_many) {
    journal_save(q, &totals->gave_up);
    totals->gave_up++;
    return state_give_up(q, slot, index, item);
  }
  if (item->pending != PENDING_NONE) return end_without_rerun(q, slot, index, item);
  totals->crash_buried++;
  return bury(q, slot, index, item);
}

int state_crash(workq *q, struct slot *slot, uint32_t index, struct item *item, int64_t now_ns) {
  struct totals *totals = &q->control->totals;
  int32_t max_crashes = q->header.max_crashes;
  int rc;
  journal_save(q, &totals->crashes);
  totals->crashes++;
  if (item->removed) {
    rc = end_without_rerun(q, slot, index, item);
  } else {
    count_crash(q, item, now_ns);
    bool too_many = max_crashes > 0 && item->crashes >= (uint32_t)max_crashes;
    if (too_many || state_is_last_run(q, item)) rc = give_up_crashed(q, slot, index, item, too_many);
    else rc = rerun_later(q, slot, index, item, now_ns);
  }
  return rc < 0 ? rc : 0;
}

/* ---- By name ---- */

int state_forget(workq *q, uint32_t index, struct item *item) {
  bool counted = state_has_counts(q, item);
  item->failures = item->crashes = 0;
  if (item->place != PLACE_IDLE) return counted;
  int rc = list_remove(q, &q->control->cold.idle, index, item);
  if (rc == 0) rc = state_retire(q, index, item);
  return rc < 0 ? rc : counted;
}

int state_remove(workq *q, uint32_t index, struct item *item) {
  int rc;
  if (item->place == PLACE_PROCESSING) {
    bool something = !item->removed || item->pending != PENDING_NONE || item->failures || item->crashes;
    rc = cancel_pending(q, item);
    item->failures = item->crashes = 0;
    item->removed = 1;
    return rc < 0 ? rc : something;
  }
  switch (item->place) {
  case PLACE_READY:
    rc = ready_remove(q, index, item);
    break;
  case PLACE_DELAYED:
    rc = delay_remove(q, item);
    break;
  case PLACE_BURIED:
    rc = list_remove(q, &q->control->cold.buried, index, item);
    break;
  case PLACE_IDLE:
    rc = list_remove(q, &q->control->cold.idle, index, item);
    break;
  default:
    rc = -EUCLEAN;
  }
  item->failures = item->crashes = 0;
  if (rc == 0) rc = state_retire(q, index, item);
  if (rc == 0) rc = state_signal_drained(q);
  return rc < 0 ? rc : 1;
}

int state_kick(workq *q, uint32_t index, struct item *item) {
  if (item->place != PLACE_BURIED) return 0;
  int rc = list_remove(q, &q->control->cold.buried, index, item);
  if (unlikely(rc < 0)) return rc;
  item->failures = item->crashes = 0;
  item->since_ns = q->stamp_ns;
  count_requeued(q);
  rc = state_enter_ready(q, index, item);
  return rc < 0 ? rc : 1;
}

/* ---- Time ---- */

/* Converts a due time to a stamp: an overdue key has been waiting since it was due. */
static int64_t due_stamp_ns(const workq *q, int64_t due_ns, int64_t now_ns) {
  return q->measure ? clock_add_ns(q->stamp_ns, -clock_since_ns(due_ns, now_ns)) : 0;
}

static int promote_first(workq *q, int64_t now_ns) {
  int64_t due_ns = delay_next_ns(q);
  uint32_t index = delay_first(q);
  struct item *item = item_at(q, index);
  if (unlikely(!item)) return -EUCLEAN;
  journal_save(q, item);
  int rc = delay_remove(q, item);
  if (unlikely(rc < 0)) return rc;
  if (unlikely(item->place != PLACE_DELAYED && item->place != PLACE_PROCESSING)) return -EUCLEAN;
  end_delay(q, item, due_stamp_ns(q, due_ns, now_ns));
  count_requeued(q);
  return item->place == PLACE_DELAYED ? state_enter_ready(q, index, item) : 0;
}

int state_promote(workq *q, int64_t now_ns) {
  for (uint32_t n = 0; delay_next_ns(q) <= now_ns; n++) {
    if (n == PROMOTE_MAX) return 1;
    journal_begin(q);
    int rc = journal_end(q, promote_first(q, now_ns));
    if (unlikely(rc < 0)) return rc;
  }
  return 0;
}
