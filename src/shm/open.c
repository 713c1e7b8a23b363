/*
 * open.c: creating, opening and closing; the handle itself.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "open.h"
#include "shm.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "journal.h"
#include "lock.h"
#include "operation.h"
#include "owner.h"
#include "processors.h"
#include "segment.h"
#include "slot.h"
#include "stamp.h"
#include "thread.h"

void handle_free(workq *q) {
  if (!q) return;
  segment_unmap(q);
  if (q->fork_page) munmap(q->fork_page, sizeof *q->fork_page);
  segment_close(q);
  journal_check_free(q);
  free(q->wakes.slots);
  free(q->wakes.noted);
  free(q->key_buffer);
  free(q);
}

workq *handle_make(const char *name, const workq_options *options) {
  workq *q = calloc(1, sizeof *q);
  if (!q) return NULL;
  q->head.engine = &shm_engine;
  q->file.fd = -1;
  memcpy(q->name, name, strlen(name) + 1);
  q->lock_timeout_ns = CLOCK_NEVER;
  if (options) {
    q->flags = options->flags;
    q->clock = options->clock;
    q->clock_arg = options->clock_arg;
    if (options->lock_timeout_ns > 0) q->lock_timeout_ns = options->lock_timeout_ns;
  }
  q->waiter.may_spin = !(q->flags & WORKQ_NO_SPIN) && processors_are_several();
  q->waiter.gap_ns = NS_PER_S;
  q->backoff.duration_ns = LOCK_BACKOFF_MIN_NS;
  if (getrandom(&q->random, sizeof q->random, 0) != (ssize_t)sizeof q->random) q->random = (uint64_t)(uintptr_t)q;
  return q;
}

/*
 * The mapping keeps the open file description it was made from, in every forked child, too.  The
 * lock on the slot's byte must end with this process: so it is taken through another description.
 * Where there is no /proc to get one from, only the mutex shows a death as long as such a child
 * lives.
 */
static int own_description(workq *q) {
  int fd = segment_reopen(q);
  if (fd < 0) return segment_is_shortage(fd) ? fd : segment_mark(q);
  segment_close(q);
  int rc = segment_adopt(q, fd);
  return rc < 0 ? rc : segment_mark(q);
}

int handle_map(workq *q, int fd) {
  int rc = segment_adopt(q, fd);
  if (rc == 0) rc = segment_map(q, !(q->flags & WORKQ_RAW));
  if (rc == 0) rc = thread_map_fork_page(&q->fork_page);
  if (rc == 0) stamp_start(q);
  if (rc == 0 && !(q->flags & WORKQ_RAW)) rc = own_description(q);
  if (rc < 0) return rc;
  q->head.key_max = q->geometry.key_max;
  q->wakes.slots = calloc(q->geometry.handles, sizeof *q->wakes.slots);
  q->wakes.noted = calloc((q->geometry.handles + 63) / 64, sizeof *q->wakes.noted);
  q->key_buffer = malloc(q->geometry.key_max);
  return q->wakes.slots && q->wakes.noted && q->key_buffer ? 0 : -ENOMEM;
}

/* Fills the fields that are not zero in a segment that no other process can see. */
static int segment_fill(workq *q) {
  struct control *control = q->control;
  control->hot.buckets = BUCKETS_MIN;
  control->cold.buckets_committed = BUCKETS_MIN;
  int rc = segment_commit(q, q->geometry.table_off, BUCKETS_MIN * sizeof(struct bucket));
  return rc < 0 ? rc : lock_init_all(q);
}

/* Counts as a call on the handle: a signal handler that interrupts it may make a call on another
 * handle of the queue. */
static int attach(workq *q) {
  int rc = call_begin(q);
  if (rc == 0) rc = slot_attach(q);
  call_end(q);
  return rc;
}

int shmq_create(const char *name, const workq_options *options, workq **out) {
  workq *q = handle_make(name, options);
  if (!q) return -ENOMEM;
  char temporary[64];
  int fd = -1;
  int rc = segment_describe(options, &q->header);
  if (rc == 0) rc = segment_build(&q->header, &fd, temporary);
  if (rc < 0) {
    handle_free(q);
    return rc;
  }
  rc = handle_map(q, fd);
  if (rc == 0) rc = segment_fill(q);
  if (rc == 0) rc = attach(q);
  bool attached = rc == 0;
  if (rc == 0) rc = segment_publish(name, q->file.fd, temporary, q->header.mode);
  else segment_discard(temporary);
  if (rc < 0) {
    if (attached) slot_detach(q);
    handle_free(q);
    return rc;
  }
  *out = q;
  return 0;
}

int shmq_open(const char *name, const workq_options *options, workq **out) {
  if (options && !segment_mode_valid(options->mode)) return -EINVAL;
  workq *q = handle_make(name, options);
  if (!q) return -ENOMEM;
  int fd;
  int rc = segment_open(name, options, &q->header, &fd, NULL, 0);
  if (rc == 0) rc = handle_map(q, fd);
  if (rc == 0 && !(q->flags & WORKQ_RAW)) rc = attach(q);
  if (rc < 0) {
    handle_free(q);
    return rc;
  }
  *out = q;
  return 0;
}

/* The kernel may still list a thread that was joined: as exiting. */
static bool thread_is_gone(const workq *q) {
  return !slot_is_own(q) || owner_is_dead(q, q->slot_id);
}

int shmq_close(workq *q) {
  int rc = call_begin(q);
  if (rc < 0) {
    if (rc != -ESTALE || !thread_is_gone(q)) return rc;
    handle_free(q);
    return 0;
  }
  /* A raw handle, and the copy in a forked child that never used it, have no slot. */
  if (q->fork_page->tid && q->fork_page->pid == getpid()) {
    if (q->fork_page->tid == thread_id()) {
      /* A slot that was taken from a living thread leaves this thread's list of robust mutexes in
       * that memory: it must stay mapped. */
      rc = slot_detach(q);
      if (rc == -ESTALE) q->base = NULL;
      if (rc == -EDEADLK) {
        call_end(q);
        return rc;
      }
    } else if (!thread_is_gone(q)) {
      call_end(q);
      return -ESTALE;
    }
  }
  call_end(q);
  handle_free(q);
  return 0;
}

int shmq_unlink(const char *name) {
  return segment_unlink(name);
}

int shmq_list(int (*visit)(void *arg, const char *name), void *arg) {
  return segment_list(visit, arg);
}

int shmq_describe_mismatch(const char *name, char *buffer, size_t size) {
  static const workq_options trusting = {.mode = 0777, .flags = WORKQ_ANY_OWNER | WORKQ_RAW};
  struct header header;
  int fd;
  int rc = segment_open(name, &trusting, &header, &fd, buffer, size);
  if (rc == 0) close(fd);
  return rc == -EPROTONOSUPPORT ? 1 : rc;
}
