/*
 * inspect.h: looking at a queue without changing it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_INSPECT_H
#define WORKQ_INSPECT_H

#include <unistd.h>

#include "queue.h"
#include "read.h"

/*
 * Around a look: takes the lock, or nothing for a handle that is only for reading (WORKQ_RAW), in which case all that
 * is read may be torn, and must be read by read.h.  A look within a look on one handle, as by a signal handler, is refused
 * either way (a forked child's copy of a handle that was in use is free).  look_begin() returns 0 or -errno.
 */
static inline int look_begin(workq *q) {
  if (!(q->flags & WORKQ_RAW)) return queue_enter(q, CLOCK_NEVER);
  pid_t pid = getpid();
  if (unlikely(q->in_call) && q->fork_page->pid == pid) return -EDEADLK;
  q->fork_page->pid = pid;
  q->in_call = true;
  compiler_fence();
  measure_stamp(q);
  return 0;
}

static inline void look_end(workq *q) {
  if (!(q->flags & WORKQ_RAW)) {
    queue_leave(q);
    return;
  }
  compiler_fence();
  q->in_call = false;
}

/* workq_measure() under the lock. */
void inspect_measure(workq *q, workq_measures *measures);

/*
 * Copies what there is to say of the item of that index, of which item is a private copy, as by read_item(); its key to
 * key_copy, which has room for key_max bytes.  Returns its state, WORKQ_STATE_*; 0 for a free record.
 */
int inspect_item(workq *q, uint32_t index, const struct item *item, int64_t now_ns, unsigned char *key_copy,
                 workq_info *info);

/*
 * For tests: visits the ready keys in the order in which gets would hand them out, under the lock.  Stops where visit does
 * not return 0.  Returns what visit returned last, or -EUCLEAN.
 */
int inspect_ready_order(workq *q, int (*visit)(void *arg, const void *key, size_t len, int priority), void *arg);

#endif
