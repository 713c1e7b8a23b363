/*
 * Every call of the library that takes a handle; see calls.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "calls.h"

#include <stdio.h>
#include <string.h>

#define KEY CALLS_KEY, strlen(CALLS_KEY)

static const workq_key keys[] = {{CALLS_KEY, sizeof CALLS_KEY - 1}};
static workq_item item;
static workq_item items[2];

static int run_add(workq *q) {
  return workq_add(q, KEY);
}
static int run_add_after(workq *q) {
  return workq_add_after(q, KEY, 1);
}
static int run_add_rate_limited(workq *q) {
  return workq_add_rate_limited(q, KEY);
}
static int run_add_opts(workq *q) {
  return workq_add_opts(q, KEY, NULL);
}
static int run_add_wait(workq *q) {
  return workq_add_wait(q, KEY, 1);
}
static int run_add_batch(workq *q) {
  return workq_add_batch(q, keys, 1, NULL, NULL);
}
static int run_get(workq *q) {
  return workq_get(q, &item, 0);
}
static int run_get_batch(workq *q) {
  return workq_get_batch(q, items, 2, 0);
}
static int run_done(workq *q) {
  return workq_done(q, &item);
}
static int run_done_key(workq *q) {
  return workq_done_key(q, KEY);
}
static int run_done_batch(workq *q) {
  return workq_done_batch(q, items, 2);
}
static int run_complete(workq *q) {
  return workq_complete(q, &item);
}
static int run_next(workq *q) {
  return workq_next(q, &item, 0);
}
static int run_retry(workq *q) {
  return workq_retry(q, &item);
}
static int run_give_up(workq *q) {
  return workq_give_up(q, &item);
}
static int run_release(workq *q) {
  return workq_release(q, &item);
}
static int run_forget(workq *q) {
  return workq_forget(q, KEY);
}
static int run_num_requeues(workq *q) {
  return workq_num_requeues(q, KEY);
}
static int run_remove(workq *q) {
  return workq_remove(q, KEY);
}
static int run_kick(workq *q) {
  return workq_kick(q, KEY);
}
static int run_kick_all(workq *q) {
  return workq_kick(q, NULL, 0);
}
static int run_state(workq *q) {
  return workq_state(q, KEY, NULL);
}
static int run_len(workq *q) {
  return workq_len(q);
}
static int run_stats(workq *q) {
  workq_stats_data stats;
  return workq_stats(q, &stats);
}
static int run_get_limiter(workq *q) {
  workq_limiter limiter;
  return workq_get_limiter(q, &limiter);
}
static int run_peek(workq *q) {
  workq_info info;
  return workq_peek(q, &info);
}
static int visit_key(void *arg, const workq_info *info) {
  (void)arg;
  return info->key == NULL;
}
static int run_iterate(workq *q) {
  return workq_iterate(q, visit_key, NULL);
}
static int visit_worker(void *arg, const workq_worker *worker) {
  (void)arg;
  return worker->pid == 0;
}
static int run_iterate_workers(workq *q) {
  return workq_iterate_workers(q, visit_worker, NULL);
}
static int run_shutdown(workq *q) {
  return workq_shutdown(q);
}
static int run_shutdown_drain(workq *q) {
  return workq_shutdown_drain(q, 0);
}
static int run_shutting_down(workq *q) {
  return workq_shutting_down(q);
}
static int run_resume(workq *q) {
  return workq_resume(q);
}
static int run_pause(workq *q) {
  return workq_pause(q);
}
static int run_unpause(workq *q) {
  return workq_unpause(q);
}
static int run_reap(workq *q) {
  return workq_reap(q);
}
static int run_lock_owner(workq *q) {
  return workq_lock_owner(q);
}
static int handle_key(workq *q, const workq_item *handed, unsigned worker, void *arg) {
  (void)q;
  (void)handed;
  (void)worker;
  (void)arg;
  return WORKQ_OK;
}
static int run_run(workq *q) {
  return workq_run(q, &(workq_pool){.workers = 1, .until_empty = 1}, handle_key);
}
static int run_dump(workq *q) {
  FILE *out = fopen("/dev/null", "w");
  if (!out) return -1;
  int rc = workq_dump(q, out);
  fclose(out);
  return rc;
}
static int run_check(workq *q) {
  return workq_check(q, NULL, NULL);
}

static int run_snapshot(workq *q) {
  workq *copy;
  int rc = workq_snapshot(q, &copy);
  if (rc == 0) workq_close(copy);
  return rc;
}
static int run_iterate_order(workq *q) {
  return workq_iterate_order(q, visit_key, NULL);
}
static int run_iterate_state(workq *q) {
  int rc = 0;
  for (int state = WORKQ_STATE_READY; state <= WORKQ_STATE_IDLE && rc == 0; state++)
    if (state != WORKQ_STATE_DIRTY) rc = workq_iterate_state(q, state, visit_key, NULL);
  return rc;
}
static int run_restore(workq *q) {
  return workq_restore(q, &(workq_info){.key = CALLS_KEY, .key_len = strlen(CALLS_KEY), .state = WORKQ_STATE_READY});
}

/* Those that get and finish stand so that a key which is got is finished. */
const call calls[] = {
    {"add", run_add, true, false},
    {"add_after", run_add_after, true, false},
    {"add_rate_limited", run_add_rate_limited, true, false},
    {"add_opts", run_add_opts, true, false},
    {"add_wait", run_add_wait, true, false},
    {"add_batch", run_add_batch, true, false},
    {"peek", run_peek, true, false},
    {"get", run_get, true, false},
    {"done", run_done, true, false},
    {"get_batch", run_get_batch, true, false},
    {"done_batch", run_done_batch, true, false},
    {"done_key", run_done_key, true, false},
    {"complete", run_complete, true, false},
    {"next", run_next, true, false},
    {"retry", run_retry, true, false},
    {"give_up", run_give_up, true, false},
    {"release", run_release, true, false},
    {"forget", run_forget, true, false},
    {"num_requeues", run_num_requeues, true, false},
    {"remove", run_remove, true, false},
    {"kick", run_kick, true, false},
    {"kick all", run_kick_all, true, false},
    {"state", run_state, true, false},
    {"len", run_len, true, true},
    {"stats", run_stats, true, true},
    {"get_limiter", run_get_limiter, false, true},
    {"iterate", run_iterate, true, true},
    {"iterate_workers", run_iterate_workers, true, true},
    {"iterate_order", run_iterate_order, false, true},
    {"iterate_state", run_iterate_state, false, true},
    {"snapshot", run_snapshot, true, true},
    {"restore", run_restore, true, false},
    {"shutdown", run_shutdown, true, false},
    {"shutdown_drain", run_shutdown_drain, true, false},
    {"shutting_down", run_shutting_down, true, false},
    {"resume", run_resume, true, false},
    {"pause", run_pause, true, false},
    {"unpause", run_unpause, true, false},
    {"reap", run_reap, true, false},
    {"lock_owner", run_lock_owner, false, true},
    {"run", run_run, true, false},
    {"dump", run_dump, true, true},
    {"check", run_check, true, true},
};
const size_t calls_count = sizeof calls / sizeof *calls;
