/*
 * inspect.h: reading a queue without changing it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_INSPECT_H
#define WORKQ_SHM_INSPECT_H

#include <unistd.h>

#include "operation.h"
#include "read.h"

/*
 * Bracket a read: they take and release the lock, except for a handle that is only for reading
 * (WORKQ_RAW); its reads may be torn, and must use read.h.  A read within a read on one handle, by
 * a signal handler, is refused either way (but a forked child may use its copy of a handle that was
 * in use).  read_begin() returns 0 or -errno.
 */
static inline int read_begin(workq *q) {
  if (!(q->flags & WORKQ_RAW)) return op_begin_all_due(q, CLOCK_NEVER, false);
  pid_t pid = getpid();
  if (unlikely(q->in_call) && q->fork_page->pid == pid) return -EDEADLK;
  q->fork_page->pid = pid;
  q->in_call = true;
  compiler_fence();
  stamp_take(q);
  return 0;
}

static inline void read_end(workq *q) {
  if (!(q->flags & WORKQ_RAW)) {
    op_end(q);
    return;
  }
  compiler_fence();
  q->in_call = false;
}

/* The time since a stamp, -1 in a queue without metrics. */
static inline int64_t inspect_age_ns(const workq *q, int64_t stamp_ns) {
  return q->header.metrics ? clock_since_ns(stamp_ns, q->stamp_ns) : -1;
}

/* How long the oldest key of the slot, a copy, has been in flight; -1 if it has none. */
static inline int64_t inspect_longest_run_ns(const workq *q, const struct slot *slot) {
  struct item oldest;
  return read_item(q, slot->own.processing.head, &oldest) ? inspect_age_ns(q, oldest.run_ns) : -1;
}

/* workq_measure() under the lock. */
void inspect_measure(workq *q, workq_measures *measures);

/*
 * Describes the item of that index, of which item is a private copy by read_item(), in *info;
 * copies its key to key_copy, which holds key_max bytes.  Returns its state, WORKQ_STATE_*; 0 for a
 * free item.
 */
int inspect_item(workq *q, uint32_t index, const struct item *item, int64_t now_ns, unsigned char *key_copy,
                 workq_info *info);

/*
 * For tests: visits the ready keys in the order of gets, under the lock.  Stops when visit does not
 * return 0.  Returns the last result of visit, or -EUCLEAN.
 */
int inspect_ready_order(workq *q, int (*visit)(void *arg, const void *key, size_t len, int priority), void *arg);

#endif
