/*
 * The complete state of the queue against the model's: every count, every key, the order of the ready ones.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "trial.h"

#include "shm/inspect.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void equal(trial *t, const char *what, uint64_t got, uint64_t want) {
  if (got != want) trial_mismatch(t, "%s: queue %lld, model %lld", what, (long long)got, (long long)want);
}

static void compare_counts(trial *t, const workq_stats_data *s) {
  uint32_t states[WORKQ_STATE_IDLE + 1] = {0};
  uint32_t delayed = 0;
  for (const model_key *k = t->model.keys; k != NULL; k = k->next) {
    states[model_state_of(k)]++;
    delayed += k->pending == MODEL_AT;
  }
  uint32_t attached = 0;
  for (int h = 0; h < MODEL_HANDLES; h++) attached += t->model.handles[h].open;
  equal(t, "stats.ready", s->ready, states[WORKQ_STATE_READY]);
  equal(t, "stats.processing", s->processing, states[WORKQ_STATE_PROCESSING] + states[WORKQ_STATE_DIRTY]);
  equal(t, "stats.delayed", s->delayed, delayed);
  equal(t, "stats.buried", s->buried, states[WORKQ_STATE_BURIED]);
  equal(t, "stats.idle", s->idle, states[WORKQ_STATE_IDLE]);
  equal(t, "stats.keys", s->keys, t->model.key_count);
  equal(t, "stats.attached", s->attached, attached);
  equal(t, "stats.waiting", s->waiting, 0);
  equal(t, "stats.shut_down", s->shut_down, t->model.shut_down);
  equal(t, "stats.paused", s->paused, t->model.paused);
  int64_t due_ns = model_next_due(&t->model);
  if (due_ns >= 0) due_ns = due_ns > t->model.now_ns ? due_ns - t->model.now_ns : 0;
  equal(t, "stats.next_due_in_ns", (uint64_t)s->next_due_in_ns, (uint64_t)due_ns);
}

static void compare_counters(trial *t, const workq_stats_data *s) {
  equal(t, "stats.adds", s->adds, t->model.adds);
  equal(t, "stats.coalesced", s->coalesced, t->model.coalesced);
  equal(t, "stats.gets", s->gets, t->model.gets);
  equal(t, "stats.dones", s->dones, t->model.dones);
  equal(t, "stats.retries", s->retries, t->model.retries);
  equal(t, "stats.gave_up", s->gave_up, t->model.gave_up);
  equal(t, "stats.crashes", s->crashes, t->model.crashes);
  equal(t, "stats.crash_buried", s->crash_buried, t->model.crash_buried);
  equal(t, "stats.reaped", s->reaped, t->model.reaped);
  equal(t, "stats.evictions", s->evictions, t->model.evictions);
  equal(t, "stats.recoveries", s->recoveries, 0);
  equal(t, "stats.lock_losses", s->lock_losses, 0);
}

static void compare_settings(trial *t, const workq_stats_data *s) {
  equal(t, "stats.capacity", s->capacity, t->options.capacity);
  equal(t, "stats.key_max", s->key_max, t->options.key_max);
  equal(t, "stats.handles", s->handles, t->options.handles);
  equal(t, "stats.give_up", s->give_up, t->options.give_up);
  equal(t, "stats.max_retries", (uint64_t)s->max_retries, (uint64_t)t->options.max_retries);
  equal(t, "stats.max_crashes", (uint64_t)s->max_crashes, (uint64_t)t->model.max_crashes);
  equal(t, "stats.crash_forget_ns", (uint64_t)s->crash_forget_ns, (uint64_t)t->model.crash_forget_ns);
  if (strcmp(s->name, t->name) != 0) trial_mismatch(t, "stats.name: %s", s->name);
}

/* The info's own fields; its key is compared by who has one. */
static void compare_info(trial *t, const model_key *k, const workq_info *info) {
  equal(t, "info.state", (uint64_t)info->state, (uint64_t)model_state_of(k));
  bool own_run = k->holder != MODEL_NOBODY && k->pending == MODEL_NOTHING;
  equal(t, "info.priority", (uint64_t)info->priority, (uint64_t)(own_run ? k->run_priority : k->priority));
  equal(t, "info.failures", info->failures, k->failures);
  equal(t, "info.crashes", info->crashes, model_crashes(&t->model, k));
  equal(t, "info.removed", info->removed, k->holder != MODEL_NOBODY && k->removed);
  int pid = k->holder == MODEL_NOBODY ? 0 : k->holder == TRIAL_STRANGER ? t->stranger_pid : (int)getpid();
  equal(t, "info.pid", (uint64_t)info->pid, (uint64_t)pid);
  int64_t due_in_ns = k->pending != MODEL_AT ? -1 : k->due_ns > t->model.now_ns ? k->due_ns - t->model.now_ns : 0;
  equal(t, "info.due_in_ns", (uint64_t)info->due_in_ns, (uint64_t)due_in_ns);
}

static void compare_keys(trial *t, workq *q) {
  for (const model_key *k = t->model.keys; k != NULL; k = k->next) {
    workq_info info;
    int state = workq_state(q, k->bytes, k->len, &info);
    if (state < 0)
      trial_mismatch(t, "workq_state of a key that is %s: %s", workq_state_name(model_state_of(k)),
                     workq_strerror(state));
    equal(t, "result of workq_state", (uint64_t)state, (uint64_t)info.state);
    if (info.key_len != k->len || memcmp(info.key, k->bytes, k->len) != 0)
      trial_mismatch(t, "workq_state tells another key");
    compare_info(t, k, &info);
  }
}

/* Walks the model's ready keys as the queue tells its own. */
typedef struct walk {
  trial *t;
  size_t count;
  size_t seen;
  const char *wrong;
} walk;

/* Under the queue's lock: what is wrong is told afterwards. */
static int visit_ready(void *arg, const void *key, size_t len, int priority) {
  walk *w = arg;
  const model_key *k = w->seen < w->count ? w->t->order[w->seen] : NULL;
  if (k == NULL) {
    w->wrong = "there are more than the model's";
  } else if (len != k->len || memcmp(key, k->bytes, len) != 0) {
    w->wrong = "it is another key";
  } else if (priority != k->priority) {
    w->wrong = "it has another priority";
  } else {
    w->seen++;
  }
  return w->wrong != NULL;
}

static void compare_order(trial *t, workq *q) {
  walk w = {.t = t, .count = model_ready_order(&t->model, t->order, t->options.capacity)};
  int result = inspect_ready_order(q, visit_ready, &w);
  if (result < 0) trial_mismatch(t, "inspect_ready_order: %s", workq_strerror(result));
  if (w.wrong != NULL) trial_mismatch(t, "ready key %zu (from 0) of %zu: %s", w.seen, w.count, w.wrong);
  equal(t, "ready keys visited", w.seen, w.count);
}

static int visit_any(void *arg, const workq_info *info) {
  walk *w = arg;
  const model_key *k = model_find(&w->t->model, info->key, info->key_len);
  if (k == NULL) trial_mismatch(w->t, "workq_iterate shows a key that the model does not know");
  compare_info(w->t, k, info);
  w->seen++;
  return 0;
}

static int visit_worker(void *arg, const workq_worker *worker) {
  if (worker->self) *(workq_worker *)arg = *worker;
  return 0;
}

static void compare_worker(trial *t, int handle) {
  workq_worker worker = {0};
  plain_ok(workq_iterate_workers(t->handles[handle], visit_worker, &worker), "workq_iterate_workers");
  const model_handle *h = &t->model.handles[handle];
  uint32_t in_hand = 0;
  for (const model_key *k = t->model.keys; k != NULL; k = k->next) in_hand += k->holder == handle;
  equal(t, "worker.self", worker.self, 1);
  equal(t, "worker.pid", (uint64_t)worker.pid, (uint64_t)getpid());
  equal(t, "worker.processing", worker.processing, in_hand);
  equal(t, "worker.adds", worker.adds, h->adds);
  equal(t, "worker.coalesced", worker.coalesced, h->coalesced);
  equal(t, "worker.gets", worker.gets, h->gets);
  equal(t, "worker.dones", worker.dones, h->dones);
  equal(t, "worker.retries", worker.retries, h->retries);
}

static void print_problem(void *arg, const char *line) {
  (void)arg;
  fprintf(stderr, "workq_check: %s\n", line);
}

void trial_compare(trial *t) {
  model_promote(&t->model);
  workq *q = t->handles[trial_any_handle(t)];
  workq_stats_data stats;
  plain_ok(workq_stats(q, &stats), "workq_stats");
  compare_counts(t, &stats);
  compare_counters(t, &stats);
  compare_keys(t, q);
  compare_order(t, q);
  if (random_chance(&t->random, 10)) compare_worker(t, trial_any_handle(t));
  /* Looking each of them up in a list is too slow for many keys at each operation; keys that are too many show in the
     counts. */
  if (t->model.key_count <= 64 || random_chance(&t->random, 1)) {
    walk w = {.t = t};
    plain_ok(workq_iterate(q, visit_any, &w), "workq_iterate");
    equal(t, "keys iterated", w.seen, t->model.key_count);
  }
  if (random_chance(&t->random, 5)) {
    compare_settings(t, &stats);
    int faults = workq_check(q, print_problem, NULL);
    if (faults != 0) trial_mismatch(t, "workq_check: %d", faults);
  }
}
