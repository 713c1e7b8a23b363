/*
 * engine.h: the border between what is true of every queue and the engine that keeps one.
 *
 * The public functions (api.c, open.c) check their arguments, fill in defaults, and call the engine
 * of the handle by the table below.  An engine defines `struct workq`, its handle, which begins
 * with a `struct engine_head`; no other code reads it.  Nothing outside an engine's folder
 * includes a header from there.
 *
 * What the functions of the table do, return and promise is what include/workq.h says of the public
 * function of the same name.  Arguments have been checked where a comment says so here; all else is
 * the engine's to check.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_ENGINE_H
#define WORKQ_ENGINE_H

#include <errno.h>
#include <stdbool.h>

#include "compiler.h"
#include "workq.h"

/* How a key is added, from workq_add_options and the functions that are short for some.
 * Checked. */
struct engine_add {
  int64_t after_ns; /* not before that time has passed; not positive: at once */
  int64_t wait_ns;  /* for space: 0: not, WORKQ_FOREVER */
  int8_t priority;
  bool keep_priority; /* of the run in progress, if there is one */
  bool rate_limited;  /* counts a failure; not before the limiter's delay has passed */
  bool keep;          /* WORKQ_KEEP */
};

struct engine {
  /* By name, which was checked by name_check(), as were out, buffer and the options' flags,
   * lock_timeout_ns and reserved. */
  int (*create)(const char *name, const workq_options *options, workq **out);
  int (*open)(const char *name, const workq_options *options, workq **out);
  int (*unlink)(const char *name);
  int (*list)(int (*visit)(void *arg, const char *name), void *arg);
  int (*describe_mismatch)(const char *name, char *buffer, size_t size);

  int (*close)(workq *q);
  int (*snapshot)(workq *q, workq **out);

  /* Adding.  The key was checked by engine_check_key(); those of a batch are checked one by one.  A
   * null pointer instead of an engine_add is a plain add. */
  int (*add)(workq *q, const void *key, size_t len, const struct engine_add *how);
  int (*add_batch)(workq *q, const workq_key *keys, size_t n, const struct engine_add *how, size_t *marked);
  int (*restore)(workq *q, const workq_info *info);

  /* Getting and finishing.  Pointers are not null, timeouts are WORKQ_FOREVER or not negative; n is
   * 1 ... INT_MAX. */
  int (*get)(workq *q, workq_item *item, int64_t timeout_ns);
  int (*get_batch)(workq *q, workq_item *items, size_t n, int64_t timeout_ns);
  int (*next)(workq *q, workq_item *item, int64_t timeout_ns);
  int (*done)(workq *q, const workq_item *item);
  int (*complete)(workq *q, const workq_item *item);
  int (*retry)(workq *q, const workq_item *item);
  int (*give_up)(workq *q, const workq_item *item);
  int (*release)(workq *q, const workq_item *item);
  int (*done_batch)(workq *q, const workq_item *items, size_t n);

  /* Keys by name, which were checked. */
  int (*done_key)(workq *q, const void *key, size_t len);
  int (*forget)(workq *q, const void *key, size_t len);
  int (*remove)(workq *q, const void *key, size_t len);
  int (*num_requeues)(workq *q, const void *key, size_t len);
  int (*kick)(workq *q, const void *key, size_t len);
  int (*kick_all)(workq *q);
  int (*state)(workq *q, const void *key, size_t len, workq_info *info);

  /* The queue as a whole. */
  int (*shutdown)(workq *q);
  int (*resume)(workq *q);
  int (*shutdown_drain)(workq *q, int64_t timeout_ns);
  int (*shutting_down)(workq *q);
  int (*pause)(workq *q);
  int (*unpause)(workq *q);
  int (*reap)(workq *q);
  int (*expect_exit)(workq *q, int pid); /* pid > 0 */
  int (*lock_owner)(const workq *q);

  /* Reading.  Pointers are not null, but for problem and its arg. */
  int (*len)(workq *q);
  int (*peek)(workq *q, workq_info *info);
  int (*iterate)(workq *q, int (*visit)(void *arg, const workq_info *info), void *arg);
  int (*iterate_order)(workq *q, int (*visit)(void *arg, const workq_info *info), void *arg);
  int (*iterate_state)(workq *q, int state, int (*visit)(void *arg, const workq_info *info), void *arg);
  int (*iterate_workers)(workq *q, int (*visit)(void *arg, const workq_worker *worker), void *arg);
  int (*stats)(workq *q, workq_stats_data *stats);
  int (*measure)(workq *q, workq_measures *measures);
  int (*get_limiter)(workq *q, workq_limiter *limiter);
  int (*check)(workq *q, void (*problem)(void *arg, const char *line), void *arg);
};

/* What each engine's handle begins with. */
struct engine_head {
  const struct engine *engine;
  size_t key_max; /* bytes */
};

static inline const struct engine_head *engine_head(const workq *q) {
  return (const struct engine_head *)(const void *)q;
}

/* May this be a key of the queue?  0, -EINVAL or -EMSGSIZE. */
static inline int engine_check_key(const workq *q, const void *key, size_t len) {
  if (unlikely(!key || len == 0)) return -EINVAL;
  return unlikely(len > engine_head(q)->key_max) ? -EMSGSIZE : 0;
}

/* May a caller wait for that long?  A negative duration is an error of the caller: a deadline that
 * has passed must not become a wait without end.  0 or -EINVAL. */
static inline int engine_check_timeout(int64_t timeout_ns) {
  return unlikely(timeout_ns < WORKQ_FOREVER) ? -EINVAL : 0;
}

/* The engines that there are. */
extern const struct engine shm_engine __attribute__((visibility("hidden")));

#endif
