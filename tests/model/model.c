/*
 * The reference model's keys, adds and the calls about the whole queue; see model.h.  What workers do is in
 * model_work.c.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model_inside.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *model_mutant_name(enum model_mutant mutant) {
  static const char *const names[MUTANT_COUNT] = {
      [MUTANT_NONE] = "none",
      [MUTANT_DONE_FORGETS_DIRTY] = "done-forgets-dirty",
      [MUTANT_LAST_IN_FIRST_OUT] = "last-in-first-out",
      [MUTANT_PRIORITY_SINKS] = "priority-sinks",
      [MUTANT_RETRY_NOT_COUNTED] = "retry-not-counted",
      [MUTANT_ADD_MOVES_READY] = "add-moves-ready",
      [MUTANT_RAISE_KEEPS_PLACE] = "raise-keeps-place",
      [MUTANT_LATEST_DUE_WINS] = "latest-due-wins",
      [MUTANT_EVICT_NEWEST] = "evict-newest",
      [MUTANT_NO_EVICTION] = "no-eviction",
      [MUTANT_CRASH_NOT_COUNTED] = "crash-not-counted",
      [MUTANT_KICK_KEEPS_COUNTS] = "kick-keeps-counts",
      [MUTANT_REMOVE_KEEPS_DIRTY] = "remove-keeps-dirty",
      [MUTANT_FORGET_KEEPS_CRASHES] = "forget-keeps-crashes",
      [MUTANT_RELEASE_COUNTS_FAILURE] = "release-counts-failure",
      [MUTANT_PROMOTE_WHILE_SHUT_DOWN] = "promote-while-shut-down",
      [MUTANT_PROMOTE_BY_SCHEDULE] = "promote-by-schedule",
      [MUTANT_ONE_RETRY_MORE] = "one-retry-more",
      [MUTANT_ONE_CRASH_MORE] = "one-crash-more",
      [MUTANT_ANY_TICKET] = "any-ticket",
      [MUTANT_PAUSE_IGNORED] = "pause-ignored",
      [MUTANT_BUCKET_BURST] = "bucket-burst",
      [MUTANT_MAX_WAIT_IGNORED] = "max-wait-ignored",
      [MUTANT_BATCH_SKIPS_STALE] = "batch-skips-stale",
      [MUTANT_RATE_LIMITED_LOSES_PRIORITY] = "rate-limited-loses-priority",
      [MUTANT_ADD_LEAVES_BURIED] = "add-leaves-buried",
      [MUTANT_LAST_RUN_SWALLOWS_ADD] = "last-run-swallows-add",
      [MUTANT_REMOVED_RUNS_AGAIN] = "removed-runs-again",
      [MUTANT_REMOVED_LOSES_ADD] = "removed-loses-add",
      [MUTANT_KEEP_ADDS] = "keep-adds",
      [MUTANT_KEEP_NEVER_MARKS] = "keep-never-marks",
      [MUTANT_LATER_OF_TWO_TIMES] = "later-of-two-times",
      [MUTANT_TOKEN_FOR_NOTHING] = "token-for-nothing",
      [MUTANT_CRASH_IS_NO_RETRY] = "crash-is-no-retry",
      [MUTANT_CRASHES_NEVER_FORGOTTEN] = "crashes-never-forgotten",
      [MUTANT_EXPECTED_EXIT_IS_CRASH] = "expected-exit-is-crash",
      [MUTANT_CLOSE_NEWEST_FIRST] = "close-newest-first",
      [MUTANT_KICK_NEWEST_FIRST] = "kick-newest-first",
      [MUTANT_DROP_FORGETS_PENDING] = "drop-forgets-pending",
      [MUTANT_SHUTDOWN_STOPS_GET] = "shutdown-stops-get",
  };
  return names[mutant];
}

void model_init(model *m, const workq_options *options, enum model_mutant mutant) {
  int64_t now_ns = m->now_ns;
  *m = (model){.mutant = mutant,
               .capacity = options->capacity,
               .key_max = options->key_max,
               .max_retries = options->max_retries,
               .max_crashes = options->max_crashes == 0 ? 5 : options->max_crashes,
               .crash_forget_ns = options->crash_forget_ns == 0 ? 3600 * INT64_C(1000000000) : options->crash_forget_ns,
               .give_up = options->give_up,
               .now_ns = now_ns};
  model_limiter_init(m, &options->limiter);
}

void model_end(model *m) {
  while (m->keys != NULL) model_free(m, m->keys);
}

model_key *model_find(const model *m, const void *key, size_t len) {
  for (model_key *k = m->keys; k != NULL; k = k->next)
    if (k->len == len && memcmp(k->bytes, key, len) == 0) return k;
  return NULL;
}

void model_free(model *m, model_key *k) {
  model_key **link = &m->keys;
  while (*link != k) link = &(*link)->next;
  *link = k->next;
  m->key_count--;
  free(k->bytes);
  free(k);
}

uint32_t model_crashes(const model *m, const model_key *k) {
  if (m->crash_forget_ns == WORKQ_FOREVER || m->mutant == MUTANT_CRASHES_NEVER_FORGOTTEN) return k->crashes;
  int64_t unit_ns = INT64_C(1) << 27;
  return (m->now_ns / unit_ns - k->crashed_ns / unit_ns) * unit_ns >= m->crash_forget_ns ? 0 : k->crashes;
}

/* An idle record has nothing but its counts. */
static bool is_idle(const model_key *k) {
  return k->holder == MODEL_NOBODY && k->pending == MODEL_NOTHING && !k->buried;
}

static bool evict_one(model *m) {
  if (m->mutant == MUTANT_NO_EVICTION) return false;
  model_key *victim = NULL;
  for (model_key *k = m->keys; k != NULL; k = k->next) {
    if (!is_idle(k)) continue;
    bool earlier = victim == NULL || (k->order < victim->order) == (m->mutant != MUTANT_EVICT_NEWEST);
    if (earlier) victim = k;
  }
  if (victim == NULL) return false;
  model_free(m, victim);
  m->evictions++;
  return true;
}

static model_key *new_key(model *m, const void *key, size_t len) {
  if (m->key_count == m->capacity && !evict_one(m)) return NULL;
  model_key *k = calloc(1, sizeof *k);
  unsigned char *bytes = malloc(len);
  if (k == NULL || bytes == NULL) abort();
  memcpy(bytes, key, len);
  *k = (model_key){.next = m->keys, .bytes = bytes, .len = len, .holder = MODEL_NOBODY};
  m->keys = k;
  m->key_count++;
  return k;
}

int model_check_key(const model *m, size_t len) {
  if (len == 0) return -EINVAL;
  return len > m->key_max ? -EMSGSIZE : 0;
}

static bool is_ready(const model_key *k) {
  return k->pending == MODEL_NOW && k->holder == MODEL_NOBODY;
}

int model_state_of(const model_key *k) {
  if (k->buried) return WORKQ_STATE_BURIED;
  if (k->holder != MODEL_NOBODY) return k->pending == MODEL_NOW ? WORKQ_STATE_DIRTY : WORKQ_STATE_PROCESSING;
  if (k->pending == MODEL_NOW) return WORKQ_STATE_READY;
  return k->pending == MODEL_AT ? WORKQ_STATE_DELAYED : WORKQ_STATE_IDLE;
}

void model_become_ready(model *m, model_key *k) {
  k->pending = MODEL_NOW;
  k->order = ++m->order;
}

/* Delayed runs come due by time, and by when they were scheduled where the time is the same. */
static model_key *first_due(const model *m) {
  model_key *first = NULL;
  for (model_key *k = m->keys; k != NULL; k = k->next) {
    if (k->pending != MODEL_AT || k->due_ns > m->now_ns) continue;
    bool earlier =
        first == NULL || k->due_ns < first->due_ns || (k->due_ns == first->due_ns && k->order < first->order);
    if (first != NULL && m->mutant == MUTANT_PROMOTE_BY_SCHEDULE) earlier = k->order < first->order;
    if (earlier) first = k;
  }
  return first;
}

void model_promote(model *m) {
  if (m->shut_down && m->mutant != MUTANT_PROMOTE_WHILE_SHUT_DOWN) return;
  for (model_key *k = first_due(m); k != NULL; k = first_due(m)) model_become_ready(m, k);
}

/* The run asked for joins the pending one: the earliest time, the highest priority.  Returns 1 if it is newly marked. */
static int merge(model *m, model_key *k, int64_t due_ns, int priority) {
  bool now = due_ns <= m->now_ns;
  if (k->pending == MODEL_NOW) {
    bool raised = priority > k->priority;
    if (raised || m->mutant == MUTANT_PRIORITY_SINKS) k->priority = priority;
    if (raised && m->mutant != MUTANT_RAISE_KEEPS_PLACE) k->order = ++m->order;
    if (m->mutant == MUTANT_ADD_MOVES_READY) k->order = ++m->order;
    return 0;
  }
  if (k->pending == MODEL_AT) {
    if (priority > k->priority || m->mutant == MUTANT_PRIORITY_SINKS) k->priority = priority;
    bool earlier = due_ns < k->due_ns || m->mutant == MUTANT_LATEST_DUE_WINS;
    if (!now && !earlier) return 0;
  } else {
    k->priority = priority;
  }
  if (now) {
    model_become_ready(m, k);
  } else {
    k->pending = MODEL_AT;
    k->due_ns = due_ns;
    k->order = ++m->order;
  }
  return 1;
}

int64_t model_later(const model *m, int64_t delay_ns) {
  return m->now_ns + (delay_ns > WORKQ_DURATION_MAX ? WORKQ_DURATION_MAX : delay_ns);
}

int model_schedule(model *m, model_key *k, int64_t delay_ns, int priority) {
  return merge(m, k, delay_ns <= 0 ? m->now_ns : model_later(m, delay_ns), priority);
}

/* What an add asks for; keep_priority: a key that is processed keeps its run's. */
typedef struct wish {
  int64_t after_ns;
  int priority;
  bool rate_limited;
  bool keep_priority;
  bool keep;
} wish;

/* Would an add that keeps leave this key alone? */
static bool is_kept(const model *m, const model_key *k) {
  if (m->mutant == MUTANT_KEEP_ADDS) return false;
  if (m->mutant == MUTANT_KEEP_NEVER_MARKS) return true;
  return k->holder == MODEL_NOBODY || k->pending != MODEL_NOTHING || k->failures > 0 || model_crashes(m, k) > 0;
}

/* When: the limiter's time and the caller's, the earlier of the two.  A run that is new or earlier takes a token. */
static int add_limited(model *m, model_key *k, wish w) {
  int64_t tokens_ns = m->bucket_next_ns, delay_ns = model_limiter_delay(m, k->failures);
  if (w.after_ns <= 0) w.after_ns = delay_ns;
  else if ((delay_ns < w.after_ns) == (m->mutant != MUTANT_LATER_OF_TWO_TIMES)) w.after_ns = delay_ns;
  k->failures++;
  int result = model_schedule(m, k, w.after_ns, w.priority);
  if (result == 0 && m->mutant != MUTANT_TOKEN_FOR_NOTHING) m->bucket_next_ns = tokens_ns;
  return result;
}

static int add_known(model *m, int handle, model_key *k, wish w) {
  if (k->buried && m->mutant == MUTANT_ADD_LEAVES_BURIED) return 0;
  k->buried = false;
  if (w.keep_priority && k->holder != MODEL_NOBODY) w.priority = k->run_priority;
  if (!w.rate_limited) return model_schedule(m, k, w.after_ns, w.priority);
  m->retries++;
  m->handles[handle].retries++;
  return add_limited(m, k, w);
}

static int add(model *m, int handle, const void *key, size_t len, wish w) {
  model_promote(m);
  int result = model_check_key(m, len);
  if (result < 0) return result;
  if (m->shut_down) return -ESHUTDOWN;
  model_key *k = model_find(m, key, len);
  bool kept = k != NULL && w.keep && is_kept(m, k);
  if (k == NULL) k = new_key(m, key, len);
  if (k == NULL) return -ENOSPC;
  model_handle *h = &m->handles[handle];
  result = kept ? 0 : add_known(m, handle, k, w);
  m->adds += result == 1;
  h->adds += result == 1;
  m->coalesced += result == 0;
  h->coalesced += result == 0;
  return result;
}

int model_add(model *m, int handle, const void *key, size_t len) {
  return add(m, handle, key, len, (wish){0});
}

int model_add_after(model *m, int handle, const void *key, size_t len, int64_t delay_ns) {
  return add(m, handle, key, len, (wish){.after_ns = delay_ns});
}

int model_add_rate_limited(model *m, int handle, const void *key, size_t len) {
  bool keep = m->mutant != MUTANT_RATE_LIMITED_LOSES_PRIORITY;
  return add(m, handle, key, len, (wish){.rate_limited = true, .keep_priority = keep});
}

int model_add_opts(model *m, int handle, const void *key, size_t len, const workq_add_options *options) {
  if (options->priority < -128 || options->priority > 127) return -EINVAL;
  wish w = {.after_ns = options->after_ns,
            .priority = options->priority,
            .rate_limited = options->rate_limited != 0,
            .keep = options->when == WORKQ_KEEP};
  return add(m, handle, key, len, w);
}

int model_add_batch(model *m, int handle, const workq_key *keys, size_t n, const workq_add_options *options,
                    size_t *marked) {
  *marked = 0;
  if (n == 0) return -EINVAL;
  for (size_t i = 0; i < n; i++) {
    int result = model_add_opts(m, handle, keys[i].data, keys[i].len, options);
    if (result < 0) return i > 0 ? (int)i : result;
    *marked += (size_t)result;
  }
  return (int)n;
}

int model_forget(model *m, const void *key, size_t len) {
  model_promote(m);
  int result = model_check_key(m, len);
  if (result < 0) return result;
  model_key *k = model_find(m, key, len);
  if (k == NULL) return 0;
  bool counted = k->failures > 0 || model_crashes(m, k) > 0;
  k->failures = 0;
  if (m->mutant != MUTANT_FORGET_KEEPS_CRASHES) k->crashes = 0;
  if (is_idle(k) && k->crashes == 0) model_free(m, k);
  return counted;
}

int model_num_requeues(model *m, const void *key, size_t len) {
  model_promote(m);
  int result = model_check_key(m, len);
  if (result < 0) return result;
  const model_key *k = model_find(m, key, len);
  if (k == NULL) return 0;
  return k->failures > INT_MAX ? INT_MAX : (int)k->failures;
}

int model_remove(model *m, const void *key, size_t len) {
  model_promote(m);
  int result = model_check_key(m, len);
  if (result < 0) return result;
  model_key *k = model_find(m, key, len);
  if (k == NULL) return 0;
  if (k->holder == MODEL_NOBODY) {
    model_free(m, k);
    return 1;
  }
  bool something = !k->removed || k->pending != MODEL_NOTHING || k->failures > 0;
  if (m->mutant != MUTANT_REMOVE_KEEPS_DIRTY) k->pending = MODEL_NOTHING;
  k->failures = k->crashes = 0;
  k->removed = true;
  return something;
}

static void kick_key(model *m, model_key *k) {
  k->buried = false;
  if (m->mutant != MUTANT_KICK_KEEPS_COUNTS) k->failures = k->crashes = 0;
  model_become_ready(m, k);
}

static model_key *oldest_buried(const model *m) {
  model_key *oldest = NULL;
  for (model_key *k = m->keys; k != NULL; k = k->next) {
    if (!k->buried) continue;
    bool earlier = oldest == NULL || (k->order < oldest->order) == (m->mutant != MUTANT_KICK_NEWEST_FIRST);
    if (earlier) oldest = k;
  }
  return oldest;
}

int model_kick(model *m, const void *key, size_t len) {
  model_promote(m);
  if (key != NULL) {
    int result = model_check_key(m, len);
    if (result < 0) return result;
    model_key *k = model_find(m, key, len);
    if (k == NULL || !k->buried) return 0;
    kick_key(m, k);
    return 1;
  }
  int kicked = 0;
  for (model_key *k = oldest_buried(m); k != NULL; k = oldest_buried(m)) {
    kick_key(m, k);
    kicked++;
  }
  return kicked;
}

int model_shutdown(model *m) {
  model_promote(m);
  m->shut_down = true;
  return 0;
}

int model_shutdown_drain(model *m) {
  model_shutdown(m);
  for (const model_key *k = m->keys; k != NULL; k = k->next)
    if (is_ready(k) || k->holder != MODEL_NOBODY) return -ETIMEDOUT;
  return 0;
}

int model_resume(model *m) {
  bool was = m->shut_down;
  m->shut_down = false;
  model_promote(m);
  return was;
}

int model_pause(model *m) {
  model_promote(m);
  bool was = m->paused;
  m->paused = true;
  return !was;
}

int model_unpause(model *m) {
  model_promote(m);
  bool was = m->paused;
  m->paused = false;
  return was;
}

/* Highest priority first, then who became ready first. */
bool model_before(const model *m, const model_key *a, const model_key *b) {
  if (a->priority != b->priority) return a->priority > b->priority;
  return (a->order < b->order) == (m->mutant != MUTANT_LAST_IN_FIRST_OUT);
}

static const model *sorted_model;

static int compare_ready(const void *a, const void *b) {
  return model_before(sorted_model, *(model_key *const *)a, *(model_key *const *)b) ? -1 : 1;
}

size_t model_ready_order(const model *m, const model_key **keys, size_t max) {
  size_t n = 0;
  for (const model_key *k = m->keys; k != NULL && n < max; k = k->next)
    if (is_ready(k)) keys[n++] = k;
  sorted_model = m;
  qsort(keys, n, sizeof(keys[0]), compare_ready);
  return n;
}

model_key *model_head(const model *m) {
  model_key *head = NULL;
  for (model_key *k = m->keys; k != NULL; k = k->next)
    if (is_ready(k) && (head == NULL || model_before(m, k, head))) head = k;
  return head;
}

unsigned model_count_due(const model *m, int64_t time_ns) {
  unsigned due = 0;
  for (const model_key *k = m->keys; k != NULL; k = k->next) due += k->pending == MODEL_AT && k->due_ns <= time_ns;
  return due;
}

int64_t model_next_due(const model *m) {
  int64_t next_ns = -1;
  for (const model_key *k = m->keys; k != NULL; k = k->next)
    if (k->pending == MODEL_AT && (next_ns < 0 || k->due_ns < next_ns)) next_ns = k->due_ns;
  return next_ns;
}

void model_print(const model *m) {
  fprintf(stderr, "model: now %lld%s%s, %u of %u keys\n", (long long)m->now_ns, m->shut_down ? ", shut down" : "",
          m->paused ? ", paused" : "", m->key_count, m->capacity);
  for (const model_key *k = m->keys; k != NULL; k = k->next) {
    fprintf(stderr, "  ");
    for (size_t i = 0; i < k->len && i < 16; i++) fprintf(stderr, "%02x", k->bytes[i]);
    fprintf(stderr, " (%zu) %s priority %d order %llu failures %u crashes %u", k->len,
            workq_state_name(model_state_of(k)), k->priority, (unsigned long long)k->order, k->failures, k->crashes);
    if (k->holder != MODEL_NOBODY) fprintf(stderr, " held by %d, run priority %d", k->holder, k->run_priority);
    if (k->pending == MODEL_AT) fprintf(stderr, " due %lld", (long long)k->due_ns);
    fprintf(stderr, "\n");
  }
}
