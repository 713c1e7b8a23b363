/*
 * finish.c: done, complete, retry, give up, release.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "finish.h"
#include "shm.h"

#include "batch.h"
#include "table.h"

static int finish_item(workq *q, const workq_item *handed, finish *how) {
  int rc = op_begin(q, CLOCK_NEVER);
  if (unlikely(rc < 0)) return rc;
  struct item *item = item_in_flight(q, handed);
  if (unlikely(!item)) return op_fail(q, -ESTALE);
  journal_begin_item(q, item);
  return op_commit(q, finish_locked(q, (uint32_t)(handed->ticket >> 32), item, how));
}

static int finish_done(workq *q, uint32_t index, struct item *item) {
  return state_end_run(q, q->slot, index, item);
}

/* Counts a run that failed. */
static void count_failed(workq *q, bool gave_up) {
  journal_save(q, &q->slot->rare);
  q->slot->rare.failed++;
  q->slot->rare.gave_up += gave_up;
}

static int finish_retry(workq *q, uint32_t index, struct item *item) {
  bool removed = item->removed, last = !removed && state_is_last_run(q, item);
  int rc = state_retry(q, q->slot, index, item, handle_now_ns(q));
  if (rc < 0) return rc;
  if (!removed && !last) q->slot->own.retries++;
  count_failed(q, last);
  return rc;
}

static int finish_give_up(workq *q, uint32_t index, struct item *item) {
  bool removed = item->removed;
  int rc = state_give_up(q, q->slot, index, item);
  if (rc < 0) return rc;
  count_failed(q, !removed);
  return rc;
}

static int finish_release(workq *q, uint32_t index, struct item *item) {
  return state_release(q, q->slot, index, item);
}

FLAT int shmq_done(workq *q, const workq_item *item) {
  return finish_item(q, item, finish_done);
}
FLAT int shmq_complete(workq *q, const workq_item *item) {
  return finish_item(q, item, finish_complete);
}
int shmq_retry(workq *q, const workq_item *item) {
  return finish_item(q, item, finish_retry);
}
int shmq_give_up(workq *q, const workq_item *item) {
  return finish_item(q, item, finish_give_up);
}
int shmq_release(workq *q, const workq_item *item) {
  return finish_item(q, item, finish_release);
}

int shmq_done_key(workq *q, const void *key, size_t len) {
  uint32_t index;
  struct item *item;
  int rc = op_begin_on_key(q, key, len, &index, &item);
  if (rc < 0) return rc;
  if (!item || item->place != PLACE_PROCESSING) return op_fail(q, -ENOENT);
  if (item->owner != q->slot_id + 1) return op_fail(q, -ESTALE);
  journal_begin_item(q, item);
  return op_commit(q, finish_locked(q, index, item, finish_done));
}

/* Does the done of a key save at most JOURNAL_LINES_PER_KEY lines? */
static bool done_is_bounded(const workq *q) {
  return !wait_anyone(q, WAIT_GET) && !wait_anyone(q, WAIT_SPACE) && !wait_anyone(q, WAIT_DRAIN);
}

/* One done of a batch; see add_grouped(). */
static int done_grouped(workq *q, const workq_item *handed, group *g) {
  uint32_t index = (uint32_t)(handed->ticket >> 32);
  struct item *item = item_in_flight(q, handed);
  if (likely(item && !g->ungrouped && done_is_bounded(q))) {
    group_join(q, g, item);
    return finish_locked(q, index, item, finish_done);
  }
  group_commit(q, g);
  if (unlikely(!item)) return -ESTALE;
  journal_begin_item(q, item);
  return journal_end(q, finish_locked(q, index, item, finish_done));
}

/* Finishes items under one hold of the lock.  Returns how many, or the error of the first. */
FLAT static int done_some(workq *q, const workq_item *items, size_t n) {
  int rc = op_begin(q, CLOCK_NEVER);
  if (rc < 0) return rc;
  group g = {0};
  size_t done = 0;
  while (done < n) {
    rc = done_grouped(q, &items[done], &g);
    if (likely(rc >= 0)) done++;
    else if (g.keys) done -= group_undo(q, &g);
    else break;
  }
  group_commit(q, &g);
  op_end(q);
  return done ? (int)done : rc;
}

int shmq_done_batch(workq *q, const workq_item *items, size_t n) {
  size_t done = 0;
  while (done < n) {
    size_t want = n - done < BATCH_KEYS_PER_HOLD ? n - done : BATCH_KEYS_PER_HOLD;
    int rc = done_some(q, items + done, want);
    if (rc < 0) return done ? (int)done : rc;
    done += (size_t)rc;
    if ((size_t)rc < want) break;
  }
  return (int)done;
}
