/*
 * open.c: queues by name: creating, opening, unlinking, listing; and closing a handle.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>

#include "engine.h"
#include "name.h"
#include "sizes.h"

#define OPEN_TRIES 100

/* What opens, maps and closes is full of cancellation points: a thread is cancelled before or after, not inside. */
static int hold_cancellation(void) {
  int state;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
  return state;
}

static int allow_cancellation(int state, int result) {
  pthread_setcancelstate(state, &state);
  return result;
}

/* All names are of this engine today. */
static const struct engine *engine_of(const char *name) {
  (void)name;
  return &shm_engine;
}

/* Reads the caller's options.  0 or -EINVAL. */
static int take_options(const workq_options *given, size_t size, uint32_t flags, workq_options *o) {
  if (sizes_read(o, sizeof *o, given, size) < 0) return -EINVAL;
  return (o->flags & ~flags) || o->lock_timeout_ns < WORKQ_FOREVER ? -EINVAL : 0;
}

int workq_create_sized(const char *name, const workq_options *given, size_t size, workq **out) {
  workq_options options;
  int rc = name_check(name);
  if (rc < 0) return rc;
  if (!out || take_options(given, size, WORKQ_ANY_OWNER | WORKQ_NO_SPIN, &options) < 0) return -EINVAL;
  int state = hold_cancellation();
  return allow_cancellation(state, engine_of(name)->create(name, &options, out));
}

int workq_open_sized(const char *name, const workq_options *given, size_t size, workq **out) {
  workq_options options;
  int rc = name_check(name);
  if (rc < 0) return rc;
  if (!out || take_options(given, size, WORKQ_ANY_OWNER | WORKQ_NO_SPIN | WORKQ_RAW, &options) < 0) return -EINVAL;
  int state = hold_cancellation();
  return allow_cancellation(state, engine_of(name)->open(name, &options, out));
}

int workq_open_or_create_sized(const char *name, const workq_options *options, size_t size, workq **out) {
  for (int tries = 0; tries < OPEN_TRIES; tries++) {
    int rc = workq_open_sized(name, options, size, out);
    if (rc != -ENOENT) return rc;
    rc = workq_create_sized(name, options, size, out);
    if (rc != -EEXIST) return rc < 0 ? rc : 1;
  }
  return -EAGAIN;
}

int workq_close(workq *q) {
  if (!q) return 0;
  int state = hold_cancellation();
  return allow_cancellation(state, engine_head(q)->engine->close(q));
}

int workq_unlink(const char *name) {
  int rc = name_check(name);
  if (rc < 0) return rc;
  int state = hold_cancellation();
  return allow_cancellation(state, engine_of(name)->unlink(name));
}

int workq_list(int (*visit)(void *arg, const char *name), void *arg) {
  return visit ? shm_engine.list(visit, arg) : -EINVAL;
}

int workq_describe_mismatch(const char *name, char *buffer, size_t size) {
  if (!buffer && size) return -EINVAL;
  if (size) buffer[0] = '\0';
  int rc = name_check(name);
  return rc < 0 ? rc : engine_of(name)->describe_mismatch(name, buffer, size);
}
