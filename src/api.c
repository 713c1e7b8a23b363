/*
 * api.c: the public functions of a handle: they check their arguments, and the engine does the
 * rest.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <limits.h>

#include "engine.h"
#include "sizes.h"

static inline const struct engine *engine_of(const workq *q) {
  return engine_head(q)->engine;
}

/* ---- Adding ---- */

int workq_add(workq *q, const void *key, size_t len) {
  int rc = engine_check_key(q, key, len);
  return unlikely(rc < 0) ? rc : engine_of(q)->add(q, key, len, NULL);
}

static int add(workq *q, const void *key, size_t len, const struct engine_add *how) {
  int rc = engine_check_key(q, key, len);
  return rc < 0 ? rc : engine_of(q)->add(q, key, len, how);
}

int workq_add_after(workq *q, const void *key, size_t len, int64_t delay_ns) {
  return add(q, key, len, &(struct engine_add){.after_ns = delay_ns});
}

int workq_add_rate_limited(workq *q, const void *key, size_t len) {
  return add(q, key, len, &(struct engine_add){.rate_limited = true, .keep_priority = true});
}

int workq_add_wait(workq *q, const void *key, size_t len, int64_t timeout_ns) {
  int rc = engine_check_timeout(timeout_ns);
  return rc < 0 ? rc : add(q, key, len, &(struct engine_add){.wait_ns = timeout_ns});
}

/* 0 or -EINVAL. */
static int take_options(const workq_add_options *given, size_t size, struct engine_add *how) {
  workq_add_options o;
  *how = (struct engine_add){0};
  if (sizes_read(&o, sizeof o, given, size) < 0) return -EINVAL;
  if (o.priority < INT8_MIN || o.priority > INT8_MAX || o.rate_limited > 1) return -EINVAL;
  if ((o.when != WORKQ_EARLIEST && o.when != WORKQ_KEEP) || o.reserved) return -EINVAL;
  *how = (struct engine_add){.priority = (int8_t)o.priority,
                             .rate_limited = o.rate_limited != 0,
                             .keep = o.when == WORKQ_KEEP,
                             .after_ns = o.after_ns,
                             .wait_ns = o.wait_ns};
  return engine_check_timeout(o.wait_ns);
}

int workq_add_opts_sized(workq *q, const void *key, size_t len, const workq_add_options *options, size_t size) {
  struct engine_add how;
  int rc = take_options(options, size, &how);
  return rc < 0 ? rc : add(q, key, len, &how);
}

int workq_add_batch_sized(workq *q, const workq_key *keys, size_t n, const workq_add_options *options, size_t size,
                          size_t *marked) {
  struct engine_add how;
  size_t newly = 0;
  int rc = take_options(options, size, &how);
  if (marked) *marked = 0;
  if (rc < 0 || !keys || n == 0 || n > INT_MAX) return -EINVAL;
  rc = engine_of(q)->add_batch(q, keys, n, &how, &newly);
  if (marked) *marked = newly;
  return rc;
}

int workq_restore_sized(workq *q, const workq_info *given, size_t size) {
  workq_info info;
  if (!given || sizes_read(&info, sizeof info, given, size) < 0) return -EINVAL;
  if (info.state < WORKQ_STATE_READY || info.state > WORKQ_STATE_IDLE) return -EINVAL;
  if (info.priority < INT8_MIN || info.priority > INT8_MAX) return -EINVAL;
  if (info.due_in_ns < -1 || info.removed > 1 || info.reserved) return -EINVAL;
  int rc = engine_check_key(q, info.key, info.key_len);
  return rc < 0 ? rc : engine_of(q)->restore(q, &info);
}

/* ---- Getting and finishing ---- */

int workq_get(workq *q, workq_item *item, int64_t timeout_ns) {
  if (unlikely(!item || engine_check_timeout(timeout_ns) < 0)) return -EINVAL;
  return engine_of(q)->get(q, item, timeout_ns);
}

int workq_get_batch(workq *q, workq_item *items, size_t n, int64_t timeout_ns) {
  if (!items || n == 0 || n > INT_MAX || engine_check_timeout(timeout_ns) < 0) return -EINVAL;
  return engine_of(q)->get_batch(q, items, n, timeout_ns);
}

int workq_next(workq *q, workq_item *item, int64_t timeout_ns) {
  if (unlikely(!item || engine_check_timeout(timeout_ns) < 0)) return -EINVAL;
  return engine_of(q)->next(q, item, timeout_ns);
}

int workq_done(workq *q, const workq_item *item) {
  return unlikely(!item) ? -EINVAL : engine_of(q)->done(q, item);
}
int workq_complete(workq *q, const workq_item *item) {
  return unlikely(!item) ? -EINVAL : engine_of(q)->complete(q, item);
}
int workq_retry(workq *q, const workq_item *item) {
  return item ? engine_of(q)->retry(q, item) : -EINVAL;
}
int workq_give_up(workq *q, const workq_item *item) {
  return item ? engine_of(q)->give_up(q, item) : -EINVAL;
}
int workq_release(workq *q, const workq_item *item) {
  return item ? engine_of(q)->release(q, item) : -EINVAL;
}

int workq_done_batch(workq *q, const workq_item *items, size_t n) {
  if (!items || n == 0 || n > INT_MAX) return -EINVAL;
  return engine_of(q)->done_batch(q, items, n);
}

/* ---- Keys by name ---- */

int workq_done_key(workq *q, const void *key, size_t len) {
  int rc = engine_check_key(q, key, len);
  return rc < 0 ? rc : engine_of(q)->done_key(q, key, len);
}
int workq_forget(workq *q, const void *key, size_t len) {
  int rc = engine_check_key(q, key, len);
  return rc < 0 ? rc : engine_of(q)->forget(q, key, len);
}
int workq_remove(workq *q, const void *key, size_t len) {
  int rc = engine_check_key(q, key, len);
  return rc < 0 ? rc : engine_of(q)->remove(q, key, len);
}
int workq_num_requeues(workq *q, const void *key, size_t len) {
  int rc = engine_check_key(q, key, len);
  return rc < 0 ? rc : engine_of(q)->num_requeues(q, key, len);
}
int workq_kick(workq *q, const void *key, size_t len) {
  if (!key && !len) return engine_of(q)->kick_all(q);
  int rc = engine_check_key(q, key, len);
  return rc < 0 ? rc : engine_of(q)->kick(q, key, len);
}
int workq_state_sized(workq *q, const void *key, size_t len, workq_info *to, size_t size) {
  workq_info info;
  int rc = engine_check_key(q, key, len);
  if (rc < 0) return rc;
  if (to && size == 0) return -EINVAL;
  rc = engine_of(q)->state(q, key, len, &info);
  if (rc > 0 && to) sizes_write(to, size, &info, sizeof info);
  return rc;
}

/* ---- The queue as a whole ---- */

int workq_shutdown(workq *q) {
  return engine_of(q)->shutdown(q);
}
int workq_resume(workq *q) {
  return engine_of(q)->resume(q);
}
int workq_shutdown_drain(workq *q, int64_t timeout_ns) {
  int rc = engine_check_timeout(timeout_ns);
  return rc < 0 ? rc : engine_of(q)->shutdown_drain(q, timeout_ns);
}
int workq_shutting_down(workq *q) {
  return engine_of(q)->shutting_down(q);
}
int workq_pause(workq *q) {
  return engine_of(q)->pause(q);
}
int workq_unpause(workq *q) {
  return engine_of(q)->unpause(q);
}
int workq_reap(workq *q) {
  return engine_of(q)->reap(q);
}
int workq_expect_exit(workq *q, int pid) {
  return pid > 0 ? engine_of(q)->expect_exit(q, pid) : -EINVAL;
}
int workq_lock_owner(const workq *q) {
  return engine_of(q)->lock_owner(q);
}

/* ---- Reading ---- */

const char *workq_state_name(int state) {
  static const char *const names[] = {"unknown", "ready", "processing", "dirty", "delayed", "buried", "idle"};
  return state >= WORKQ_STATE_READY && state <= WORKQ_STATE_IDLE ? names[state] : names[0];
}

int workq_len(workq *q) {
  return engine_of(q)->len(q);
}
int workq_peek_sized(workq *q, workq_info *to, size_t size) {
  workq_info info;
  if (to && size == 0) return -EINVAL;
  int rc = engine_of(q)->peek(q, &info);
  if (rc > 0 && to) sizes_write(to, size, &info, sizeof info);
  return rc;
}
int workq_iterate(workq *q, int (*visit)(void *arg, const workq_info *info), void *arg) {
  return visit ? engine_of(q)->iterate(q, visit, arg) : -EINVAL;
}
int workq_iterate_order(workq *q, int (*visit)(void *arg, const workq_info *info), void *arg) {
  return visit ? engine_of(q)->iterate_order(q, visit, arg) : -EINVAL;
}
int workq_iterate_state(workq *q, int state, int (*visit)(void *arg, const workq_info *info), void *arg) {
  return visit ? engine_of(q)->iterate_state(q, state, visit, arg) : -EINVAL;
}
int workq_iterate_workers(workq *q, int (*visit)(void *arg, const workq_worker *worker), void *arg) {
  return visit ? engine_of(q)->iterate_workers(q, visit, arg) : -EINVAL;
}
int workq_stats_sized(workq *q, workq_stats_data *to, size_t size) {
  workq_stats_data stats;
  if (!to || size == 0) return -EINVAL;
  int rc = engine_of(q)->stats(q, &stats);
  if (rc == 0) sizes_write(to, size, &stats, sizeof stats);
  return rc;
}
int workq_measure_sized(workq *q, workq_measures *to, size_t size) {
  workq_measures measures;
  if (!to || size == 0) return -EINVAL;
  int rc = engine_of(q)->measure(q, &measures);
  if (rc == 0) sizes_write(to, size, &measures, sizeof measures);
  return rc;
}
int workq_get_limiter(workq *q, workq_limiter *limiter) {
  return limiter ? engine_of(q)->get_limiter(q, limiter) : -EINVAL;
}
int workq_snapshot(workq *q, workq **out) {
  return out ? engine_of(q)->snapshot(q, out) : -EINVAL;
}
int workq_check(workq *q, void (*problem)(void *arg, const char *line), void *arg) {
  return engine_of(q)->check(q, problem, arg);
}
