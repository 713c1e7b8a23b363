/*
 * queue.c: adding, getting, finishing: the operations that a worker's loop is made of.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "queue.h"

#include <limits.h>

#include "ready.h"
#include "table.h"

/* Keys under one hold of the lock in a batch: bounds how long others wait. */
#define BATCH_CHUNK 64u

/* With fewer keys ready, whoever adds comes first: a key or two are not worth a hand-over. */
#define GATHERED 16u

/* ---- Groups: the keys of a batch that share a transaction ---- */

typedef struct group {
  size_t keys; /* of the open transaction; 0: none is open */
  bool alone;  /* from now on each key has a transaction of its own: a step has failed, and its group was undone */
} group;

static void group_commit(workq *q, group *g) {
  if (g->keys) {
    journal_check_step(q);
    journal_commit(q);
  }
  q->grouped = false;
  g->keys = 0;
}

/* Undoes the open transaction, whose last step has failed.  Returns how many steps before that are undone with it. */
static size_t group_undo(workq *q, group *g) {
  journal_abort(q);
  size_t before = g->keys - 1;
  q->grouped = false;
  g->keys = 0;
  g->alone = true;
  return before;
}

/* A step begins, in the open transaction if that has room.  Saves the item's line; null where the step does so itself. */
static inline void group_join(workq *q, group *g, const struct item *item) {
  if (g->keys && unlikely(!journal_has_room(q))) group_commit(q, g);
  if (g->keys) {
    journal_check_step(q);
    q->grouped = true;
    q->steps++;
    if (likely(item)) journal_save(q, item);
  } else if (likely(item)) {
    journal_begin_item(q, item);
  } else {
    journal_begin(q);
  }
  g->keys++;
}

/* ---- Adding ---- */

/* An add, made ready for the lock. */
struct request {
  const void *key;
  size_t len;
  uint32_t hash;
  int priority;
  bool keep_priority; /* of the run that is being processed */
  bool rate_limited;
  int64_t after_ns;
};

/* When the key is to run; counts the failure of a rate-limited add. */
static int64_t request_due_ns(workq *q, const struct request *r, struct item *item) {
  if (likely(!r->rate_limited && r->after_ns <= 0)) return DUE_NOW;
  int64_t now_ns = handle_now_ns(q);
  int64_t due_ns = r->rate_limited && item->place != PLACE_BURIED ? lifecycle_fail(q, item, now_ns) : DUE_NOW;
  if (r->after_ns <= 0) return due_ns;
  int64_t after_ns = r->after_ns < WORKQ_DURATION_MAX ? r->after_ns : WORKQ_DURATION_MAX;
  int64_t then_ns = clock_add_ns(now_ns, after_ns);
  return then_ns > due_ns ? then_ns : due_ns;
}

static void count_add(workq *q, const struct request *r, const struct item *item, int64_t due_ns, int marked) {
  if (marked) q->slot->own.adds++;
  else q->slot->own.coalesced++;
  if (likely(due_ns == DUE_NOW && !r->rate_limited)) return;
  if (r->rate_limited && item->place != PLACE_BURIED) q->slot->own.retries++;
  journal_save(q, &q->slot->rare);
  if (marked && due_ns != DUE_NOW) q->slot->rare.postponed++;
  if (r->after_ns > 0 && !r->rate_limited) q->slot->rare.after_adds++;
}

/* In a transaction, which has saved the item's line; index 0 is for a key that is new. */
static int add_locked(workq *q, const struct request *r, struct bucket *bucket, uint32_t index, struct item *item) {
  int rc = index ? 0 : lifecycle_create(q, bucket, r->hash, r->key, r->len, &index, &item);
  if (unlikely(rc < 0)) return rc;
  int priority = r->keep_priority && item->place == PLACE_PROCESSING ? item->run_priority : r->priority;
  int64_t due_ns = request_due_ns(q, r, item);
  rc = lifecycle_mark(q, index, item, due_ns, priority);
  if (likely(rc >= 0)) count_add(q, r, item, due_ns, rc);
  return rc;
}

/* Under the lock, the queue not being shut down: one add as a transaction. */
static int add_once(workq *q, const struct request *r) {
  uint32_t index;
  struct item *item;
  int rc;
  if (unlikely(table_is_crowded(q)) && (rc = table_grow(q)) < 0) return rc;
  struct bucket *bucket = table_bucket(q, r->hash);
  if (unlikely(!bucket)) return -EUCLEAN;
  rc = table_find(q, bucket, r->hash, r->key, r->len, &index);
  if (unlikely(rc < 0)) return rc;
  /* A new key takes the first free record, if there is one. */
  item = item_at(q, index ? index : q->control->hot.free_head);
  if (likely(item)) journal_begin_item(q, item);
  else journal_begin(q);
  return journal_end(q, add_locked(q, r, bucket, index, item));
}

/* /dev/shm is full, so that even the spare record has no memory: an idle one gives way, as a transaction of its own. */
COLD static int evict_for_memory(workq *q) {
  if (q->control->cold.idle.count == 0) return -ENOSPC;
  journal_begin(q);
  return journal_end(q, lifecycle_evict(q));
}

/* Is the queue full, rather than /dev/shm? */
static bool is_full(const workq *q) {
  return q->control->hot.used >= q->geometry.capacity;
}

static int add_transaction(workq *q, const struct request *r) {
  if (unlikely(q->control->hot.flags & QUEUE_SHUT_DOWN)) return -ESHUTDOWN;
  int rc = add_once(q, r);
  if (unlikely(rc == -ENOSPC) && evict_for_memory(q) == 0) rc = add_once(q, r);
  return rc;
}

static void leave_adding(workq *q) {
  q->lock_eager = q->control->hot.ready < GATHERED;
  queue_leave(q);
}

FLAT static int add_now(workq *q, struct request *r) {
  int rc = queue_check_key(q, r->key, r->len);
  if (unlikely(rc < 0)) return rc;
  r->hash = table_hash(q, r->key, r->len);
  table_prefetch(q, r->hash);
  rc = queue_enter(q, CLOCK_NEVER);
  if (unlikely(rc < 0)) return rc;
  rc = add_transaction(q, r);
  leave_adding(q);
  return rc;
}

/* Waiters for space that do not run, because they are stopped perhaps, keep it from nobody for longer than a tick. */
static int pass_over_stopped(workq *q) {
  int64_t late_ns = clock_add_ns(handle_now_ns(q), -QUEUE_LATE_NS);
  if (!wait_grants(q) && !wait_anyone(q, WAIT_ROOM)) return 0;
  journal_begin(q);
  int rc = wait_prune(q, WAIT_GRANTED, late_ns);
  if (rc == 0) rc = wait_prune(q, WAIT_ROOM, late_ns);
  if (rc == 0) rc = lifecycle_signal_room(q);
  return journal_end(q, rc);
}

/* Under the lock: may this handle, which waits for space or is about to, try its add?  Not where others have come before it,
 * unless the key is there already. */
static int may_add(workq *q, const struct request *r) {
  uint32_t index;
  struct item *item;
  int rc = pass_over_stopped(q);
  if (rc < 0) return rc;
  uint32_t others = wait_grants(q) - (q->slot->wait.kind == WAIT_GRANTED);
  if (wait_is_next_for_space(q) && (others == 0 || lifecycle_space(q) > others || q->slot->wait.kind == WAIT_GRANTED))
    return 1;
  rc = queue_find(q, r->hash, r->key, r->len, &index, &item);
  return rc < 0 ? rc : item != NULL;
}

/* Under the lock.  Returns as add_transaction(), -EAGAIN to wait. */
static int try_add_waiting(workq *q, const struct request *r) {
  int rc = slot_reap_if_due(q, handle_now_ns(q));
  if (rc >= 0) rc = may_add(q, r);
  if (rc == 0) return q->control->hot.flags & QUEUE_SHUT_DOWN ? -ESHUTDOWN : -EAGAIN;
  if (rc > 0) rc = add_transaction(q, r);
  return rc == -ENOSPC && is_full(q) ? -EAGAIN : rc;
}

/* Under the lock: ends waiting for space with a result.  More than one place may have come, and others may wait to add the same
 * key: each waiter that leaves signals the next. */
static int stop_adding(workq *q, const struct request *r, int result) {
  journal_begin(q);
  int rc = queue_leave_line(q);
  if (rc >= 0 && result >= 0 && wait_anyone(q, WAIT_ROOM)) rc = wait_signal_key(q, r->hash);
  if (journal_end(q, rc < 0 ? rc : 0) < 0) result = rc;
  return queue_stop_waiting(q, WAIT_ROOM, result);
}

static int add_waiting(workq *q, struct request *r, int64_t timeout_ns) {
  int64_t deadline_ns = queue_first_deadline_ns(q, timeout_ns);
  int woken_by = 0;
  int rc = queue_check_key(q, r->key, r->len);
  if (rc < 0) return rc;
  r->hash = table_hash(q, r->key, r->len);
  if ((rc = queue_enter(q, deadline_ns)) < 0) return rc;
  for (bool signalled = false;;) {
    rc = try_add_waiting(q, r);
    if (rc != -EAGAIN) return stop_adding(q, r, rc);
    rc = queue_waiting_over(q, timeout_ns, &deadline_ns, woken_by);
    if (rc < 0) return stop_adding(q, r, rc);
    q->space_hash = r->hash;
    woken_by = queue_sleep(q, WAIT_ROOM, signalled, deadline_ns);
    rc = woken_by < 0 ? woken_by : queue_lock(q, deadline_ns, false);
    if (rc < 0) return queue_cancel_waiting(q, rc);
    /* Who was signalled, and finds that an add that does not wait has taken the space, has its place again. */
    signalled = signalled || q->slot->wait.kind != WAIT_ROOM;
  }
}

int workq_add(workq *q, const void *key, size_t len) {
  struct request r = {.key = key, .len = len};
  return add_now(q, &r);
}

int workq_add_after(workq *q, const void *key, size_t len, int64_t delay_ns) {
  struct request r = {.key = key, .len = len, .after_ns = delay_ns};
  return add_now(q, &r);
}

int workq_add_rate_limited(workq *q, const void *key, size_t len) {
  struct request r = {.key = key, .len = len, .rate_limited = true, .keep_priority = true};
  return add_now(q, &r);
}

int workq_add_wait(workq *q, const void *key, size_t len, int64_t timeout_ns) {
  struct request r = {.key = key, .len = len};
  int rc = queue_check_timeout(timeout_ns);
  if (rc < 0) return rc;
  return timeout_ns ? add_waiting(q, &r, timeout_ns) : add_now(q, &r);
}

/* Returns 0 or -EINVAL. */
static int request_from(const workq_add_options *options, struct request *r) {
  *r = (struct request){0};
  if (!options) return 0;
  if (options->priority < INT8_MIN || options->priority > INT8_MAX || options->rate_limited > 1) return -EINVAL;
  *r = (struct request){
      .priority = options->priority, .rate_limited = options->rate_limited != 0, .after_ns = options->after_ns};
  return queue_check_timeout(options->wait_ns);
}

int workq_add_opts(workq *q, const void *key, size_t len, const workq_add_options *options) {
  struct request r;
  int rc = request_from(options, &r);
  if (rc < 0) return rc;
  r.key = key;
  r.len = len;
  return options && options->wait_ns ? add_waiting(q, &r, options->wait_ns) : add_now(q, &r);
}

/* Is an add of a batch a step, in the sense of JOURNAL_STEP, as far as can be seen before its key is looked up? */
static bool add_is_step(const workq *q, const struct request *r) {
  const struct hot_line *hot = &q->control->hot;
  return r->after_ns <= 0 && !r->rate_limited && hot->used < q->geometry.capacity && !(hot->flags & QUEUE_SHUT_DOWN) &&
         !wait_anyone(q, WAIT_GET) && !wait_anyone(q, WAIT_ROOM) && !table_is_crowded(q);
}

/* One add of a batch.  Where it fails in an open transaction, that is still to be undone. */
static int add_grouped(workq *q, const struct request *r, group *g) {
  if (likely(!g->alone && add_is_step(q, r))) {
    uint32_t index;
    struct bucket *bucket = table_bucket(q, r->hash);
    int rc = table_find(q, bucket, r->hash, r->key, r->len, &index);
    struct item *item = item_at(q, index ? index : q->control->hot.free_head);
    if (likely(rc == 0 && (!item || item->pending != PENDING_AT))) {
      group_join(q, g, item);
      return add_locked(q, r, bucket, index, item);
    }
  }
  group_commit(q, g);
  return add_transaction(q, r);
}

/* Adds keys under one hold of the lock.  Returns how many were taken; *rc is why it ended early. */
FLAT static size_t add_chunk(workq *q, const workq_key *keys, size_t n, struct request *r, size_t *marked, int *rc) {
  uint32_t hashes[BATCH_CHUNK];
  bool newly[BATCH_CHUNK];
  size_t checked = 0, done = 0;
  for (*rc = 0; checked < n && checked < BATCH_CHUNK; checked++) {
    r->key = keys[checked].data;
    r->len = keys[checked].len;
    if ((*rc = queue_check_key(q, r->key, r->len)) < 0) break;
    hashes[checked] = table_hash(q, r->key, r->len);
    table_prefetch(q, hashes[checked]);
  }
  if (checked == 0) return 0;
  int entered = queue_enter(q, CLOCK_NEVER);
  if (entered < 0) {
    *rc = entered;
    return 0;
  }
  group g = {0};
  while (done < checked) {
    r->key = keys[done].data;
    r->len = keys[done].len;
    r->hash = hashes[done];
    int added = add_grouped(q, r, &g);
    if (likely(added >= 0)) {
      newly[done++] = added;
    } else if (g.keys) {
      done -= group_undo(q, &g);
    } else {
      *rc = added;
      break;
    }
  }
  group_commit(q, &g);
  leave_adding(q);
  for (size_t i = 0; i < done; i++) *marked += newly[i];
  return done;
}

int workq_add_batch(workq *q, const workq_key *keys, size_t n, const workq_add_options *options, size_t *marked) {
  struct request r;
  size_t done = 0, newly = 0;
  int rc = request_from(options, &r);
  if (marked) *marked = 0;
  if (rc < 0 || !keys || n == 0 || n > INT_MAX) return -EINVAL;
  while (done < n && rc == 0) done += add_chunk(q, keys + done, n - done, &r, &newly, &rc);
  if (marked) *marked = newly;
  return done ? (int)done : rc;
}

/* ---- Getting ---- */

static void item_describe(struct item *from, uint32_t index, workq_item *to) {
  to->key = item_key(from);
  to->key_len = from->key_len;
  to->ticket = (uint64_t)index << 32 | from->ticket;
  to->priority = from->run_priority;
  to->failures = from->failures;
  to->crashes = from->crashes;
  to->reserved = 0;
}

/*
 * Starts to load what the gets after that of item will need, so that in a deep queue they do not wait for memory: the record
 * AHEAD places behind it, or two where that is not known, and the bucket for the done of the key next to it, whose record is
 * here by now.
 */
static inline void load_ahead(const workq *q, const struct item *item) {
  if (!item->next) return;
  const struct item *next = item_at(q, item->next);
  if (unlikely(!next)) return;
  table_prefetch(q, next->hash);
  item_prefetch(q, item->ahead ? item->ahead : next->next);
}

/* Sets *index and *item to the key that is next.  Returns 0 or -EUCLEAN. */
static inline int first_ready(const workq *q, uint32_t *index, struct item **item) {
  int rc = ready_first(q, index);
  *item = item_at(q, *index);
  return unlikely(rc < 0 || !*item || (*item)->key_len > q->geometry.key_max) ? -EUCLEAN : 0;
}

/* Takes the one that is next.  Returns 1 or -EUCLEAN. */
static inline int take_one(workq *q, workq_item *to) {
  uint32_t index;
  struct item *item;
  int rc = first_ready(q, &index, &item);
  if (unlikely(rc < 0)) return rc;
  load_ahead(q, item);
  journal_begin_item(q, item);
  rc = lifecycle_start(q, index, item);
  if (rc == 0) rc = queue_leave_line(q);
  if (unlikely(journal_end(q, rc) < 0)) return rc;
  item_describe(item, index, to);
  return 1;
}

/* The same for one of a batch, but the first.  Where it fails in an open transaction, that is still to be undone. */
static int take_grouped(workq *q, workq_item *to, group *g) {
  uint32_t index;
  struct item *item;
  if (unlikely(g->alone)) return take_one(q, to);
  if (unlikely(first_ready(q, &index, &item) < 0)) {
    group_commit(q, g);
    return -EUCLEAN;
  }
  load_ahead(q, item);
  group_join(q, g, item);
  int rc = lifecycle_start(q, index, item);
  if (likely(rc == 0)) item_describe(item, index, to);
  return rc;
}

/* Takes up to n.  Returns how many, or -EUCLEAN if there is none because of damage. */
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

/* Looks for the dead where that may bring keys: when others have some in hand, or nothing is ready. */
static int reap_for_get(workq *q, bool waited) {
  const struct hot_line *hot = &q->control->hot;
  if (likely(!waited && hot->processing <= q->slot->own.processing.count)) return 0;
  int64_t now_ns = q->clock ? q->clock(q->clock_arg) : clock_read(CLOCK_MONOTONIC_COARSE);
  q->serves_itself = q->control->hot.ready == 0;
  int rc = slot_reap_if_due(q, now_ns);
  q->serves_itself = false;
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

/* Without the lock: starts to load what a get will touch first, all at once. */
static void prefetch_get(const workq *q) {
  uint32_t number;
  if (!ready_band(q, &number)) return;
  prefetch_to_write(lock_mutex_of(q, atomic_load_explicit(&q->control->lock.epoch, memory_order_relaxed)));
  prefetch_to_write(&q->control->bands[number]);
}

/* Under the lock, nothing being ready: releases it and polls for a key without, if one is likely to come soon. */
static bool poll_first(workq *q, int64_t deadline_ns) {
  int64_t budget_ns = wait_poll_ns(q);
  if (budget_ns == 0) return false;
  queue_unlock(q);
  q->sleeping = true;
  wait_poll(q, budget_ns, deadline_ns);
  q->sleeping = false;
  prefetch_get(q);
  return true;
}

/* Gets after the first try has found nothing; under the lock.  Results as get_some(). */
__attribute__((noinline)) static int get_waiting(workq *q, workq_item *items, size_t n, int64_t timeout_ns, int64_t deadline_ns) {
  int woken_by = 0;
  bool polled = false, waited = false;
  for (;;) {
    int rc = queue_waiting_over(q, timeout_ns, &deadline_ns, 0);
    if (rc < 0) return queue_stop_waiting(q, WAIT_GET, rc);
    if (polled || !(polled = poll_first(q, deadline_ns))) {
      polled = waited = true;
      woken_by = queue_sleep(q, WAIT_GET, false, deadline_ns);
      if (unlikely(woken_by < 0)) return queue_cancel_waiting(q, woken_by);
    }
    rc = queue_lock(q, deadline_ns, true);
    if (unlikely(rc < 0)) {
      if (waited) return queue_cancel_waiting(q, rc);
      queue_end(q);
      return rc;
    }
    if (woken_by == ETIMEDOUT) rc = queue_take_over(q);
    if (rc == 0) rc = woken_by == EINTR ? -EINTR : try_get(q, items, n, waited);
    if (rc < 0) return queue_stop_waiting(q, WAIT_GET, rc);
    if (rc > 0) {
      q->lock_eager = false;
      queue_leave(q);
      return rc;
    }
  }
}

FLAT static int get_some(workq *q, workq_item *items, size_t n, int64_t timeout_ns) {
  int64_t deadline_ns = queue_first_deadline_ns(q, timeout_ns);
  int rc = queue_enter_for(q, deadline_ns, true);
  if (unlikely(rc < 0)) return rc;
  rc = try_get(q, items, n, false);
  if (likely(rc > 0)) {
    q->lock_eager = false;
    queue_leave(q);
    return rc;
  }
  if (rc < 0) return queue_stop_waiting(q, WAIT_GET, rc);
  return get_waiting(q, items, n, timeout_ns, deadline_ns);
}

int workq_get(workq *q, workq_item *item, int64_t timeout_ns) {
  if (unlikely(!item || queue_check_timeout(timeout_ns) < 0)) return -EINVAL;
  int rc = get_some(q, item, 1, timeout_ns);
  return rc < 0 ? rc : 0;
}

int workq_get_batch(workq *q, workq_item *items, size_t n, int64_t timeout_ns) {
  if (!items || n == 0 || n > INT_MAX || queue_check_timeout(timeout_ns) < 0) return -EINVAL;
  int got = get_some(q, items, n < BATCH_CHUNK ? n : BATCH_CHUNK, timeout_ns);
  while (got > 0 && (size_t)got < n) {
    size_t want = n - (size_t)got < BATCH_CHUNK ? n - (size_t)got : BATCH_CHUNK;
    int more = get_some(q, items + got, want, 0);
    if (more <= 0) break;
    got += more;
  }
  return got;
}

/* ---- Finishing ---- */

typedef int finish(workq *q, uint32_t index, struct item *item);

/* The item of that ticket, null if it is not in this handle's hands. */
static struct item *item_in_hand(workq *q, const workq_item *handed) {
  struct item *item = item_at(q, (uint32_t)(handed->ticket >> 32));
  if (unlikely(!item || (uint32_t)(handed->ticket >> 32) > q->control->hot.fresh)) return NULL;
  if (item->place != PLACE_PROCESSING || item->owner != q->slot_id + 1) return NULL;
  return item->ticket == (uint32_t)handed->ticket ? item : NULL;
}

/* In a transaction. */
static int finish_locked(workq *q, uint32_t index, struct item *item, finish *how) {
  if (q->measure) measure_observe(q, MEASURE_WORK, item->run_ns, q->stamp_ns);
  int rc = how(q, index, item);
  if (likely(rc >= 0)) q->slot->own.dones++;
  return rc;
}

static int finish_item(workq *q, const workq_item *handed, finish *how) {
  if (unlikely(!handed)) return -EINVAL;
  int rc = queue_enter(q, CLOCK_NEVER);
  if (unlikely(rc < 0)) return rc;
  struct item *item = item_in_hand(q, handed);
  if (unlikely(!item)) return queue_fail(q, -ESTALE);
  journal_begin_item(q, item);
  return queue_finish(q, finish_locked(q, (uint32_t)(handed->ticket >> 32), item, how));
}

static int finish_done(workq *q, uint32_t index, struct item *item) {
  return lifecycle_finish(q, q->slot, index, item);
}

static int finish_complete(workq *q, uint32_t index, struct item *item) {
  if (item->failures || item->crashes) item->failures = item->crashes = 0;
  return lifecycle_finish(q, q->slot, index, item);
}

/* The run failed. */
static void count_failed(workq *q, bool gave_up) {
  journal_save(q, &q->slot->rare);
  q->slot->rare.failed++;
  q->slot->rare.gave_up += gave_up;
}

static int finish_retry(workq *q, uint32_t index, struct item *item) {
  int rc = lifecycle_retry(q, q->slot, index, item, handle_now_ns(q));
  if (rc < 0) return rc;
  if (rc) q->slot->own.retries++;
  count_failed(q, rc == 0);
  return rc;
}

static int finish_give_up(workq *q, uint32_t index, struct item *item) {
  int rc = lifecycle_give_up(q, q->slot, index, item);
  if (rc < 0) return rc;
  count_failed(q, true);
  return rc;
}

static int finish_release(workq *q, uint32_t index, struct item *item) {
  return lifecycle_release(q, q->slot, index, item);
}

FLAT int workq_done(workq *q, const workq_item *item) {
  return finish_item(q, item, finish_done);
}
FLAT int workq_complete(workq *q, const workq_item *item) {
  return finish_item(q, item, finish_complete);
}
int workq_retry(workq *q, const workq_item *item) {
  return finish_item(q, item, finish_retry);
}
int workq_give_up(workq *q, const workq_item *item) {
  return finish_item(q, item, finish_give_up);
}
int workq_release(workq *q, const workq_item *item) {
  return finish_item(q, item, finish_release);
}

/* Under the lock: completes the item in hand and takes the next.  Returns 1, 0 if none is to be had, or why not. */
static int finish_and_get(workq *q, workq_item *handed) {
  struct item *item = item_in_hand(q, handed);
  if (unlikely(!item)) return -ESTALE;
  journal_begin_item(q, item);
  int rc = journal_end(q, finish_locked(q, (uint32_t)(handed->ticket >> 32), item, finish_complete));
  if (unlikely(rc < 0)) return rc;
  *handed = (workq_item){0};
  return try_get(q, handed, 1, false);
}

FLAT int workq_next(workq *q, workq_item *item, int64_t timeout_ns) {
  if (unlikely(!item || queue_check_timeout(timeout_ns) < 0)) return -EINVAL;
  int rc = queue_enter(q, CLOCK_NEVER);
  if (unlikely(rc < 0)) return rc;
  rc = finish_and_get(q, item);
  q->lock_eager = false;
  queue_leave(q);
  if (likely(rc > 0)) return 0;
  return rc == 0 ? workq_get(q, item, timeout_ns) : rc;
}

int workq_done_key(workq *q, const void *key, size_t len) {
  int rc = queue_check_key(q, key, len);
  if (rc < 0) return rc;
  uint32_t index, hash = table_hash(q, key, len);
  struct item *item;
  rc = queue_enter(q, CLOCK_NEVER);
  if (rc < 0) return rc;
  rc = queue_find(q, hash, key, len, &index, &item);
  if (rc < 0) return queue_fail(q, rc);
  if (!item || item->place != PLACE_PROCESSING) return queue_fail(q, -ENOENT);
  if (item->owner != q->slot_id + 1) return queue_fail(q, -ESTALE);
  journal_begin_item(q, item);
  return queue_finish(q, finish_locked(q, index, item, finish_done));
}

/* Is the done of a key in hand a step, in the sense of JOURNAL_STEP? */
static bool done_is_step(const workq *q) {
  return !wait_anyone(q, WAIT_GET) && !wait_anyone(q, WAIT_ROOM) && !wait_anyone(q, WAIT_DRAIN);
}

/* One done of a batch; see add_grouped(). */
static int done_grouped(workq *q, const workq_item *handed, group *g) {
  uint32_t index = (uint32_t)(handed->ticket >> 32);
  struct item *item = item_in_hand(q, handed);
  if (likely(item && !g->alone && done_is_step(q))) {
    group_join(q, g, item);
    return finish_locked(q, index, item, finish_done);
  }
  group_commit(q, g);
  if (unlikely(!item)) return -ESTALE;
  journal_begin_item(q, item);
  return journal_end(q, finish_locked(q, index, item, finish_done));
}

/* Finishes items under one hold of the lock.  Returns how many, or why the first was not. */
FLAT static int done_chunk(workq *q, const workq_item *items, size_t n) {
  int rc = queue_enter(q, CLOCK_NEVER);
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
  queue_leave(q);
  return done ? (int)done : rc;
}

int workq_done_batch(workq *q, const workq_item *items, size_t n) {
  if (!items || n == 0 || n > INT_MAX) return -EINVAL;
  size_t done = 0;
  while (done < n) {
    size_t chunk = n - done < BATCH_CHUNK ? n - done : BATCH_CHUNK;
    int rc = done_chunk(q, items + done, chunk);
    if (rc < 0) return done ? (int)done : rc;
    done += (size_t)rc;
    if ((size_t)rc < chunk) break;
  }
  return (int)done;
}
