/*
 * add.c: adding keys.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <limits.h>

#include "batch.h"
#include "shm.h"
#include "table.h"

/* With fewer keys ready, an adding handle does not back off from the lock: a key or two are not
 * worth a hand-over. */
#define BACKOFF_MIN_READY 16u

/* An add, prepared before the lock is taken. */
struct request {
  const void *key;
  size_t len;
  uint32_t hash;
  int priority;
  bool keep_priority; /* of the current run */
  bool rate_limited;
  bool keep; /* changes nothing of a known key that will run, failed or was given up */
  int64_t after_ns;
};

static void request_fill(struct request *r, const struct engine_add *how) {
  r->priority = how->priority;
  r->keep_priority = how->keep_priority;
  r->rate_limited = how->rate_limited;
  r->keep = how->keep;
  r->after_ns = how->after_ns;
}

/* When the key is due: of two times asked for, the earlier.  Counts the failure of a rate-limited
 * add; *bucket_ns as state_count_failure(). */
static int64_t request_due_ns(workq *q, const struct request *r, struct item *item, int64_t *bucket_ns) {
  if (likely(!r->rate_limited && r->after_ns <= 0)) return DUE_NOW;
  int64_t now_ns = handle_now_ns(q);
  int64_t limit_ns = r->rate_limited ? state_count_failure(q, item, now_ns, bucket_ns) : CLOCK_NEVER;
  if (r->after_ns <= 0) return limit_ns;
  int64_t after_ns = r->after_ns < WORKQ_DURATION_MAX ? r->after_ns : WORKQ_DURATION_MAX;
  int64_t then_ns = clock_add_ns(now_ns, after_ns);
  return then_ns < limit_ns ? then_ns : limit_ns;
}

static void count_add(workq *q, const struct request *r, int64_t due_ns, int marked) {
  if (marked) q->slot->own.adds++;
  else q->slot->own.coalesced++;
  if (likely(due_ns == DUE_NOW && !r->rate_limited)) return;
  if (r->rate_limited) q->slot->own.retries++;
  journal_save(q, &q->slot->rare);
  if (marked && due_ns != DUE_NOW) q->slot->rare.scheduled++;
  if (r->after_ns > 0 && !r->rate_limited) q->slot->rare.after_adds++;
}

/* In a transaction, which has saved the item's line; index 0 is for a key that is new. */
static int add_locked(workq *q, const struct request *r, struct bucket *bucket, uint32_t index, struct item *item) {
  if (unlikely(r->keep) && index && !state_is_settled(q, item)) {
    q->slot->own.coalesced++;
    return 0;
  }
  int rc = index ? 0 : state_create(q, bucket, r->hash, r->key, r->len, &index, &item);
  if (unlikely(rc < 0)) return rc;
  int priority = r->keep_priority && item->place == PLACE_PROCESSING ? item->run_priority : r->priority;
  int64_t bucket_ns = 0;
  int64_t due_ns = request_due_ns(q, r, item, &bucket_ns);
  rc = state_add(q, index, item, due_ns, priority);
  if (unlikely(r->rate_limited) && rc > 0) state_take_token(q, bucket_ns);
  if (likely(rc >= 0)) count_add(q, r, due_ns, rc);
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
  /* A new key takes the first free item, if there is one. */
  item = item_at(q, index ? index : q->control->hot.free_head);
  if (likely(item)) journal_begin_item(q, item);
  else journal_begin(q);
  return journal_end(q, add_locked(q, r, bucket, index, item));
}

/* /dev/shm is full, so that even the spare item has no memory: evicts an idle item, as a
 * transaction of its own. */
COLD static int evict_for_memory(workq *q) {
  if (q->control->cold.idle.count == 0) return -ENOSPC;
  journal_begin(q);
  return journal_end(q, state_evict(q));
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

static void end_adding(workq *q) {
  q->backoff.disabled = q->control->hot.ready < BACKOFF_MIN_READY;
  op_end(q);
}

FLAT static int add_now(workq *q, struct request *r) {
  r->hash = table_hash(q, r->key, r->len);
  table_prefetch(q, r->hash);
  int rc = op_begin(q, CLOCK_NEVER);
  if (unlikely(rc < 0)) return rc;
  rc = add_transaction(q, r);
  end_adding(q);
  return rc;
}

/* Skips waiters for space that do not run, because they are stopped perhaps: they must not block
 * others for longer than a tick. */
static int pass_over_stopped(workq *q) {
  int64_t late_ns = clock_add_ns(handle_now_ns(q), -WAIT_LATE_NS);
  if (!wait_grants(q) && !wait_anyone(q, WAIT_SPACE)) return 0;
  journal_begin(q);
  int rc = wait_prune(q, WAIT_GRANTED, late_ns);
  if (rc == 0) rc = wait_prune(q, WAIT_SPACE, late_ns);
  if (rc == 0) rc = state_signal_space(q);
  return journal_end(q, rc);
}

/* Under the lock: may this handle, which waits for space or is about to, try its add?  Not if
 * others arrived before it, unless the key exists already. */
static int may_add(workq *q, const struct request *r) {
  uint32_t index;
  struct item *item;
  int rc = pass_over_stopped(q);
  if (rc < 0) return rc;
  uint32_t others = wait_grants(q) - (q->slot->wait.kind == WAIT_GRANTED);
  if (wait_is_next_for_space(q) && (others == 0 || state_space(q) > others || q->slot->wait.kind == WAIT_GRANTED))
    return 1;
  rc = op_find(q, r->hash, r->key, r->len, &index, &item);
  return rc < 0 ? rc : item != NULL;
}

/* Under the lock.  Returns as add_transaction(), -EAGAIN to wait. */
static int attempt_add(workq *q, void *arg, bool slept) {
  const struct request *r = arg;
  (void)slept;
  int rc = slot_reap_if_due(q, handle_now_ns(q));
  if (rc >= 0) rc = may_add(q, r);
  if (rc == 0) return q->control->hot.flags & QUEUE_SHUT_DOWN ? -ESHUTDOWN : -EAGAIN;
  if (rc > 0) rc = add_transaction(q, r);
  return rc == -ENOSPC && is_full(q) ? -EAGAIN : rc;
}

/* Under the lock: ends waiting for space with a result.  More than one place may have come, and
 * others may wait to add the same key: each waiter that leaves signals the next. */
static int stop_adding(workq *q, void *arg, int result) {
  const struct request *r = arg;
  journal_begin(q);
  int rc = op_leave_list(q);
  if (rc >= 0 && result >= 0 && wait_anyone(q, WAIT_SPACE)) rc = wait_signal_key(q, r->hash);
  if (journal_end(q, rc < 0 ? rc : 0) < 0) result = rc;
  return op_stop_waiting(q, WAIT_SPACE, result);
}

static int add_waiting(workq *q, struct request *r, int64_t timeout_ns) {
  struct op_wait wait = {.kind = WAIT_SPACE,
                         .timeout_ns = timeout_ns,
                         .deadline_ns = op_relative_deadline_ns(q, timeout_ns),
                         .attempt = attempt_add,
                         .stop = stop_adding,
                         .arg = r};
  r->hash = table_hash(q, r->key, r->len);
  int rc = op_begin(q, wait.deadline_ns);
  if (rc < 0) return rc;
  q->waiter.space_hash = r->hash;
  rc = attempt_add(q, r, false);
  return rc == -EAGAIN ? op_wait(q, &wait) : stop_adding(q, r, rc);
}

__attribute__((noinline)) static int add_as(workq *q, const void *key, size_t len, const struct engine_add *how) {
  struct request r = {.key = key, .len = len};
  request_fill(&r, how);
  return how->wait_ns ? add_waiting(q, &r, how->wait_ns) : add_now(q, &r);
}

int shmq_add(workq *q, const void *key, size_t len, const struct engine_add *how) {
  if (unlikely(how)) return add_as(q, key, len, how);
  struct request r = {.key = key, .len = len};
  return add_now(q, &r);
}

/* Does an add of a batch save at most JOURNAL_LINES_PER_KEY lines, as far as is known before its
 * key is looked up? */
static bool add_is_bounded(const workq *q, const struct request *r) {
  const struct hot_line *hot = &q->control->hot;
  return r->after_ns <= 0 && !r->rate_limited && hot->used < q->geometry.capacity && !(hot->flags & QUEUE_SHUT_DOWN) &&
         !wait_anyone(q, WAIT_GET) && !wait_anyone(q, WAIT_SPACE) && !table_is_crowded(q);
}

/* One add of a batch.  If it fails in an open transaction, the caller must undo that. */
static int add_grouped(workq *q, const struct request *r, group *g) {
  if (likely(!g->ungrouped && add_is_bounded(q, r))) {
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

/* Adds keys under one hold of the lock.  Returns how many were added; *rc is the reason for an
 * early end. */
FLAT static size_t add_some(workq *q, const workq_key *keys, size_t n, struct request *r, size_t *marked, int *rc) {
  uint32_t hashes[BATCH_KEYS_PER_HOLD];
  bool newly[BATCH_KEYS_PER_HOLD];
  size_t checked = 0, done = 0;
  for (*rc = 0; checked < n && checked < BATCH_KEYS_PER_HOLD; checked++) {
    r->key = keys[checked].data;
    r->len = keys[checked].len;
    if ((*rc = engine_check_key(q, r->key, r->len)) < 0) break;
    hashes[checked] = table_hash(q, r->key, r->len);
    table_prefetch(q, hashes[checked]);
  }
  if (checked == 0) return 0;
  int entered = op_begin(q, CLOCK_NEVER);
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
  end_adding(q);
  for (size_t i = 0; i < done; i++) *marked += newly[i];
  return done;
}

int shmq_add_batch(workq *q, const workq_key *keys, size_t n, const struct engine_add *how, size_t *marked) {
  struct request r = {0};
  size_t done = 0;
  int rc = 0;
  request_fill(&r, how);
  while (done < n && rc == 0) done += add_some(q, keys + done, n - done, &r, marked, &rc);
  return done ? (int)done : rc;
}
