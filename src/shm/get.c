/*
 * get.c: getting keys, and waiting for them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "batch.h"
#include "finish.h"
#include "ready.h"
#include "shm.h"
#include "table.h"

static void item_describe(workq *q, struct item *from, uint32_t index, workq_item *to) {
  to->key = item_key(from);
  to->key_len = from->key_len;
  to->ticket = (uint64_t)index << 32 | from->ticket;
  to->priority = from->run_priority;
  to->failures = from->failures;
  to->crashes = likely(!from->crashes) ? 0 : item_crashes(q, from, handle_now_ns(q));
  to->reserved = 0;
}

/*
 * Starts to load what the gets after that of item will need, so that in a deep queue they do not
 * wait for memory: the item that its prefetch hint names, or the second one behind it if there is
 * no hint; and the bucket for the done of the next key, whose item is loaded by now.
 */
static inline void prefetch_following(const workq *q, const struct item *item) {
  if (!item->next) return;
  const struct item *next = item_at(q, item->next);
  if (unlikely(!next)) return;
  table_prefetch(q, next->hash);
  item_prefetch(q, item->prefetch_hint ? item->prefetch_hint : next->next);
}

/* Sets *index and *item to the first ready key.  Returns 0 or -EUCLEAN. */
static inline int first_ready(const workq *q, uint32_t *index, struct item **item) {
  int rc = ready_first(q, index);
  *item = item_at(q, *index);
  return unlikely(rc < 0 || !*item || (*item)->key_len > q->geometry.key_max) ? -EUCLEAN : 0;
}

/* Takes the first ready key.  Returns 1 or -EUCLEAN. */
static inline int take_one(workq *q, workq_item *to) {
  uint32_t index;
  struct item *item;
  int rc = first_ready(q, &index, &item);
  if (unlikely(rc < 0)) return rc;
  prefetch_following(q, item);
  journal_begin_item(q, item);
  rc = state_start_run(q, index, item);
  if (rc == 0) rc = op_leave_list(q);
  if (unlikely(journal_end(q, rc) < 0)) return rc;
  item_describe(q, item, index, to);
  return 1;
}

/* The same for a key of a batch other than the first.  If it fails in an open transaction, the
 * caller must undo that. */
static int take_grouped(workq *q, workq_item *to, group *g) {
  uint32_t index;
  struct item *item;
  if (unlikely(g->ungrouped)) return take_one(q, to);
  if (unlikely(first_ready(q, &index, &item) < 0)) {
    group_commit(q, g);
    return -EUCLEAN;
  }
  prefetch_following(q, item);
  group_join(q, g, item);
  int rc = state_start_run(q, index, item);
  if (likely(rc == 0)) item_describe(q, item, index, to);
  return rc;
}

/* Takes up to n keys.  Returns how many, or -EUCLEAN if damage prevents even the first. */
static int take_some(workq *q, workq_item *items, size_t n) {
  int taken = take_one(q, items);
  group g = {0};
  while (taken > 0 && (size_t)taken < n && q->control->hot.ready) {
    int rc = take_grouped(q, &items[taken], &g);
    if (likely(rc >= 0)) taken++;
    else if (g.keys) taken -= (int)group_undo(q, &g);
    else break;
  }
  group_commit(q, &g);
  return taken;
}

/* Reaps if that may make keys ready: when other handles have keys in flight, or this one has
 * waited. */
static int reap_for_get(workq *q, bool waited) {
  const struct hot_line *hot = &q->control->hot;
  if (likely(!waited && hot->processing <= q->slot->own.processing.count)) return 0;
  int64_t now_ns = q->clock ? q->clock(q->clock_arg) : clock_read(CLOCK_MONOTONIC_COARSE);
  q->wakes.keeps_next = q->control->hot.ready == 0;
  int rc = slot_reap_if_due(q, now_ns);
  q->wakes.keeps_next = false;
  return rc < 0 ? rc : 0;
}

/* Under the lock.  Returns how many keys were taken, 0 to wait, or -ESHUTDOWN, -EUCLEAN. */
static int try_get(workq *q, workq_item *items, size_t n, bool waited) {
  const struct hot_line *hot = &q->control->hot;
  int rc = reap_for_get(q, waited);
  if (unlikely(rc < 0)) return rc;
  if (hot->ready == 0) return hot->flags & QUEUE_SHUT_DOWN ? -ESHUTDOWN : 0;
  if (hot->flags & QUEUE_PAUSED) return 0;
  return n == 1 ? take_one(q, items) : take_some(q, items, n);
}

/* What a get asks for. */
struct request {
  workq_item *items;
  size_t n;
};

static int attempt_get(workq *q, void *arg, bool slept) {
  const struct request *r = arg;
  int rc = try_get(q, r->items, r->n, slept);
  return rc == 0 ? -EAGAIN : rc;
}

static int stop_getting(workq *q, void *arg, int result) {
  (void)arg;
  if (result < 0) return op_stop_waiting(q, WAIT_GET, result);
  q->backoff.disabled = false;
  op_end(q);
  return result;
}

/* Gets after the first attempt has found nothing; under the lock.  Results as get_some(). */
__attribute__((noinline)) static int get_waiting(workq *q, workq_item *items, size_t n, int64_t timeout_ns,
                                                 int64_t deadline_ns) {
  struct request r = {items, n};
  return op_wait(q, &(struct op_wait){.kind = WAIT_GET,
                                      .timeout_ns = timeout_ns,
                                      .deadline_ns = deadline_ns,
                                      .attempt = attempt_get,
                                      .stop = stop_getting,
                                      .arg = &r});
}

FLAT static int get_some(workq *q, workq_item *items, size_t n, int64_t timeout_ns) {
  int64_t deadline_ns = op_relative_deadline_ns(q, timeout_ns);
  int rc = op_begin_all_due(q, deadline_ns, true);
  if (unlikely(rc < 0)) return rc;
  rc = try_get(q, items, n, false);
  return rc == 0 ? get_waiting(q, items, n, timeout_ns, deadline_ns) : stop_getting(q, NULL, rc);
}

int shmq_get(workq *q, workq_item *item, int64_t timeout_ns) {
  int rc = get_some(q, item, 1, timeout_ns);
  return rc < 0 ? rc : 0;
}

int shmq_get_batch(workq *q, workq_item *items, size_t n, int64_t timeout_ns) {
  int got = get_some(q, items, n < BATCH_KEYS_PER_HOLD ? n : BATCH_KEYS_PER_HOLD, timeout_ns);
  while (got > 0 && (size_t)got < n) {
    size_t want = n - (size_t)got < BATCH_KEYS_PER_HOLD ? n - (size_t)got : BATCH_KEYS_PER_HOLD;
    int more = get_some(q, items + got, want, 0);
    if (more <= 0) break;
    got += more;
  }
  return got;
}

/* Under the lock: completes the item in flight and takes the next.  Returns 1, 0 if none is
 * available, or -errno. */
static int finish_and_get(workq *q, workq_item *handed) {
  struct item *item = item_in_flight(q, handed);
  if (unlikely(!item)) return -ESTALE;
  journal_begin_item(q, item);
  int rc = journal_end(q, finish_locked(q, (uint32_t)(handed->ticket >> 32), item, finish_complete));
  if (unlikely(rc < 0)) return rc;
  *handed = (workq_item){0};
  return try_get(q, handed, 1, false);
}

FLAT int shmq_next(workq *q, workq_item *item, int64_t timeout_ns) {
  int rc = op_begin_all_due(q, CLOCK_NEVER, false);
  if (unlikely(rc < 0)) return rc;
  rc = finish_and_get(q, item);
  q->backoff.disabled = false;
  op_end(q);
  if (likely(rc > 0)) return 0;
  return rc == 0 ? shmq_get(q, item, timeout_ns) : rc;
}
