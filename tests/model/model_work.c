/*
 * The reference model's workers: get, done and the other ends of a run, crashes; see model.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model_inside.h"

#include <errno.h>

void model_open(model *m, int handle) {
  model_promote(m);
  m->handles[handle] = (model_handle){.open = true};
}

static void take(model *m, int handle, model_key *k, model_item *item) {
  k->pending = MODEL_NOTHING;
  k->holder = handle;
  k->removed = false;
  k->run_priority = k->priority;
  k->ticket = ++m->order;
  m->gets++;
  m->handles[handle].gets++;
  *item = (model_item){.key = k, .ticket = k->ticket};
}

int model_get(model *m, int handle, model_item *item) {
  model_promote(m);
  model_key *k = model_head(m);
  if (m->shut_down && (k == NULL || m->mutant == MUTANT_SHUTDOWN_STOPS_GET)) return -ESHUTDOWN;
  if (k == NULL || (m->paused && m->mutant != MUTANT_PAUSE_IGNORED)) return -ETIMEDOUT;
  take(m, handle, k, item);
  return 0;
}

int model_get_batch(model *m, int handle, model_item *items, size_t n) {
  if (n == 0) return -EINVAL;
  int result = model_get(m, handle, &items[0]);
  if (result < 0) return result;
  size_t got = 1;
  while (got < n && model_get(m, handle, &items[got]) == 0) got++;
  return (int)got;
}

static model_key *held(const model *m, int handle, uint64_t ticket) {
  for (model_key *k = m->keys; k != NULL; k = k->next)
    if (k->holder == handle && (k->ticket == ticket || m->mutant == MUTANT_ANY_TICKET)) return k;
  return NULL;
}

/* The run is over; what is pending decides what the key is.  Returns 1 if it is ready. */
static int leave(model *m, model_key *k) {
  k->holder = MODEL_NOBODY;
  if (k->pending == MODEL_NOW) {
    model_become_ready(m, k);
    return 1;
  }
  if (k->pending == MODEL_AT) return 0;
  k->priority = k->run_priority;
  k->crashes = model_crashes(m, k);
  if (k->failures == 0 && k->crashes == 0) {
    model_free(m, k);
  } else {
    k->order = ++m->order;
  }
  return 0;
}

static void count_done(model *m, int handle) {
  m->dones++;
  m->handles[handle].dones++;
}

static int done(model *m, int handle, model_key *k) {
  count_done(m, handle);
  if (m->mutant == MUTANT_DONE_FORGETS_DIRTY && k->pending == MODEL_NOW) k->pending = MODEL_NOTHING;
  return leave(m, k);
}

int model_done(model *m, int handle, uint64_t ticket) {
  model_promote(m);
  model_key *k = held(m, handle, ticket);
  return k == NULL ? -ESTALE : done(m, handle, k);
}

int model_done_key(model *m, int handle, const void *key, size_t len) {
  model_promote(m);
  int result = model_check_key(m, len);
  if (result < 0) return result;
  model_key *k = model_find(m, key, len);
  if (k == NULL || k->holder == MODEL_NOBODY) return -ENOENT;
  return k->holder != handle ? -ESTALE : done(m, handle, k);
}

int model_done_batch(model *m, int handle, const uint64_t *tickets, size_t n) {
  if (n == 0) return -EINVAL;
  int finished = 0;
  for (size_t i = 0; i < n; i++) {
    int result = model_done(m, handle, tickets[i]);
    if (result >= 0) {
      finished++;
    } else if (m->mutant != MUTANT_BATCH_SKIPS_STALE) {
      return finished > 0 ? finished : result;
    }
  }
  return finished > 0 ? finished : -ESTALE;
}

int model_complete(model *m, int handle, uint64_t ticket) {
  model_promote(m);
  model_key *k = held(m, handle, ticket);
  if (k == NULL) return -ESTALE;
  k->failures = k->crashes = 0;
  return done(m, handle, k);
}

int model_next(model *m, int handle, uint64_t ticket, model_item *item) {
  int result = model_complete(m, handle, ticket);
  return result < 0 ? result : model_get(m, handle, item);
}

static void bury(model *m, model_key *k) {
  k->priority = k->run_priority;
  k->holder = MODEL_NOBODY;
  k->pending = MODEL_NOTHING;
  k->buried = true;
  k->order = ++m->order;
}

/* Was the key removed during its run?  Then its outcome does not count. */
static bool was_removed(const model *m, const model_key *k) {
  return k->removed && m->mutant != MUTANT_REMOVED_RUNS_AGAIN;
}

/* Only what was added during the run makes the key run again.  Returns 1 if something was. */
static int leave_by_adds(model *m, model_key *k) {
  if (k->removed && m->mutant == MUTANT_REMOVED_LOSES_ADD) k->pending = MODEL_NOTHING;
  bool pending = k->pending != MODEL_NOTHING;
  leave(m, k);
  return pending;
}

/* Returns 1 if the key will run again. */
static int set_aside(model *m, model_key *k, bool drop) {
  if (drop) {
    k->failures = k->crashes = 0;
    if (m->mutant == MUTANT_DROP_FORGETS_PENDING) k->pending = MODEL_NOTHING;
    return leave_by_adds(m, k);
  }
  if (k->pending != MODEL_NOTHING && m->mutant != MUTANT_LAST_RUN_SWALLOWS_ADD) return leave_by_adds(m, k);
  bury(m, k);
  return 0;
}

static int give_up(model *m, model_key *k) {
  if (was_removed(m, k)) return leave_by_adds(m, k);
  m->gave_up++;
  return set_aside(m, k, m->give_up == WORKQ_DROP);
}

static bool is_last_run(const model *m, const model_key *k) {
  if (m->max_retries == WORKQ_NEVER) return true;
  uint32_t most = (uint32_t)m->max_retries + (m->mutant == MUTANT_ONE_RETRY_MORE);
  return m->max_retries > 0 && k->failures >= most;
}

/* Back through the limiter, as after a failure. */
static void requeue(model *m, model_key *k) {
  int64_t tokens_ns = m->bucket_next_ns, delay_ns = model_limiter_delay(m, k->failures);
  if (m->mutant != MUTANT_RETRY_NOT_COUNTED) k->failures++;
  int result = model_schedule(m, k, delay_ns, k->run_priority);
  if (result == 0 && m->mutant != MUTANT_TOKEN_FOR_NOTHING) m->bucket_next_ns = tokens_ns;
  leave(m, k);
}

int model_retry(model *m, int handle, uint64_t ticket) {
  model_promote(m);
  model_key *k = held(m, handle, ticket);
  if (k == NULL) return -ESTALE;
  count_done(m, handle);
  if (was_removed(m, k)) return leave_by_adds(m, k);
  if (is_last_run(m, k)) return give_up(m, k);
  m->retries++;
  m->handles[handle].retries++;
  requeue(m, k);
  return 1;
}

int model_give_up(model *m, int handle, uint64_t ticket) {
  model_promote(m);
  model_key *k = held(m, handle, ticket);
  if (k == NULL) return -ESTALE;
  count_done(m, handle);
  return give_up(m, k);
}

/* Ready at once, at the tail of the higher of the run's and the pending run's priority. */
static void put_back(model *m, model_key *k) {
  if (was_removed(m, k)) {
    leave_by_adds(m, k);
    return;
  }
  if (k->pending == MODEL_NOTHING || k->priority < k->run_priority) k->priority = k->run_priority;
  k->pending = MODEL_NOW;
  if (m->mutant == MUTANT_RELEASE_COUNTS_FAILURE) k->failures++;
  leave(m, k);
}

int model_release(model *m, int handle, uint64_t ticket) {
  model_promote(m);
  model_key *k = held(m, handle, ticket);
  if (k == NULL) return -ESTALE;
  count_done(m, handle);
  put_back(m, k);
  return 0;
}

static model_key *oldest_held(const model *m, int handle) {
  model_key *oldest = NULL;
  for (model_key *k = m->keys; k != NULL; k = k->next) {
    if (k->holder != handle) continue;
    bool earlier = oldest == NULL || (k->ticket < oldest->ticket) == (m->mutant != MUTANT_CLOSE_NEWEST_FIRST);
    if (earlier) oldest = k;
  }
  return oldest;
}

void model_close(model *m, int handle) {
  model_promote(m);
  for (model_key *k = oldest_held(m, handle); k != NULL; k = oldest_held(m, handle)) put_back(m, k);
  m->handles[handle].open = false;
}

static void crash_key(model *m, model_key *k) {
  m->crashes++;
  if (was_removed(m, k)) {
    leave_by_adds(m, k);
    return;
  }
  k->crashes = model_crashes(m, k);
  if (m->mutant != MUTANT_CRASH_NOT_COUNTED) k->crashes++;
  k->crashed_ns = m->now_ns;
  int64_t most = (int64_t)m->max_crashes + (m->mutant == MUTANT_ONE_CRASH_MORE);
  if (m->max_crashes > 0 && k->crashes >= most) {
    m->crash_buried += k->pending == MODEL_NOTHING;
    set_aside(m, k, false);
  } else if (is_last_run(m, k) && m->mutant != MUTANT_CRASH_IS_NO_RETRY) {
    give_up(m, k);
  } else {
    requeue(m, k);
  }
}

void model_crash(model *m, int handle, bool expected) {
  model_promote(m);
  if (m->mutant == MUTANT_EXPECTED_EXIT_IS_CRASH) expected = false;
  for (model_key *k = oldest_held(m, handle); k != NULL; k = oldest_held(m, handle)) {
    if (expected) put_back(m, k);
    else crash_key(m, k);
  }
  m->handles[handle].open = false;
  m->reaped++;
}
