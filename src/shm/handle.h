/*
 * handle.h: a handle, that is, one thread's attachment to a segment, and access to what lies in the segment.
 *
 * All of this is private memory of one process.  Indices that were read from the segment become pointers only
 * through the functions below, which check them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_HANDLE_H
#define WORKQ_SHM_HANDLE_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/types.h>

#include "clock.h"
#include "compiler.h"
#include "engine.h"
#include "layout.h"
#include "region.h"
#include "thread.h"

#define MARKS 64u

/* Where time stamps come from: nowhere, from the time-stamp counter, from the handle's clock; or it is always the same moment. */
enum { STAMPS_NONE = 0, STAMPS_TICKS, STAMPS_CLOCK, STAMPS_FIXED };

/* The last records that something was done with, a ring: for guesses at what comes PREFETCH_DISTANCE places after one. */
#define PREFETCH_DISTANCE 8u
struct recent {
  uint32_t place;
  uint32_t index[PREFETCH_DISTANCE];
};

struct workq {
  struct engine_head head; /* first in each engine's handle */

  /* Used by every operation. */
  unsigned char *base;
  struct control *control;
  struct slot *slot;
  struct journal *journal;
  struct lock_mutex *held;  /* the mutex in hand, null outside the lock */
  struct measures *measure; /* this slot's; null where nothing is measured */
  int64_t stamp_ns;         /* when the running operation began, see stamp.h */
  uint32_t stamps;          /* STAMPS_* */
  struct fork_page *fork_page;
  workq *outer;              /* in a call: the handle whose call it interrupts, as part of a signal handler */
  pid_t thread;              /* as in the fork page, but kept in a forked child */
  struct region item_region;   /* by index - 1 */
  struct region bucket_region; /* by number */
  struct region heap_region;   /* by place */
  uint32_t slot_id;          /* index of slot */
  uint32_t generation;
  uint32_t transaction;
  bool grouped;        /* the open transaction is of several keys */
  uint32_t steps;      /* keys worked on: one a transaction, or some */
  uint32_t own_line;   /* number of the line slot->own */
  uint32_t flags;      /* WORKQ_ANY_OWNER, ... */
  bool takes_next_ready;  /* the next key made ready is for this handle: a get promotes or reaps */
  bool in_call;        /* the thread is inside a call: another one comes from a signal handler */
  bool sleeping;       /* ... in which it waits without the lock */
  uint32_t waited_for; /* WAIT_*: by the last call that slept */
  uint32_t cancelled;  /* the same, of a last call that ended without the lock; WAIT_NONE otherwise */
  uint32_t wakes_count;
  uint32_t wakes_before; /* the running transaction */
  uint32_t *wakes;       /* slots to be woken after the commit, each once */
  uint64_t *woken;       /* a bit for each slot: is it among them? */
  uint64_t marks[MARKS]; /* lines that this transaction saved: transaction << 32 | line */
  struct recent queued;  /* by this handle, in any band */
  struct recent freed;

  struct geometry geometry;
  struct lock_mutex *mutexes;
  struct slot *slots;
  struct journal *journals;
  struct measures *measures;
  struct bucket *table;
  struct heap_entry *heap;
  unsigned char *items;
  struct header header; /* a checked copy */

  int64_t (*clock)(void *);
  void *clock_arg;
  int64_t lock_timeout_ns; /* CLOCK_NEVER for no limit */
  uint64_t random;         /* state of the generator for jitter */

  /* Waiting for the lock: see lock.c. */
  bool never_backs_off;    /* the last operation added, and there is not much to get: no courtesy */
  uint32_t turn_step; /* the last wait for the lock: before which step, and when */
  int64_t turn_ns;
  int64_t lock_since_ns; /* a call that may wait: since when it has waited for the lock; 0 where it did not */
  int64_t courtesy_ns;

  /* Waiting: see wait.c. */
  bool may_spin;
  uint32_t probe;
  int64_t gap_ns;
  uint32_t space_hash; /* of the key that the waiting add is for */
  int64_t polled_ns;   /* since when a get that found nothing has waited; 0 where it did not poll */

  int lock_owner;    /* pid, see workq_lock_owner */
  int64_t snapshot_ns; /* a snapshot: when it was taken */
  int fd;
  dev_t fd_device; /* what fd must lead to, see segment.h */
  ino_t fd_inode;
  off_t fd_mark; /* the offset of its open file description; 0: not marked */
  size_t size;
  void *shadow;              /* journal.c, debug builds */
  unsigned char *key_buffer; /* key_max bytes: copies for workq_info */
  char name[WORKQ_NAME_MAX + 1];
};

/* Starts to bring a line that is going to be written to this processor, as its own. */
static inline void prefetch_to_write(const void *line) {
#ifdef __x86_64__
  __asm__ volatile("prefetchw %0" : : "m"(*(const char *)line));
#else
  __builtin_prefetch(line, 1);
#endif
}

/* Notes a record in the ring.  Returns the one that was noted PREFETCH_DISTANCE before it, 0 if there was none. */
static inline uint32_t recent_push(struct recent *recent, uint32_t index) {
  uint32_t *place = &recent->index[recent->place++ % PREFETCH_DISTANCE], before = *place;
  *place = index;
  return before;
}

static inline int64_t handle_now_ns(workq *q) {
  return q->clock ? q->clock(q->clock_arg) : clock_monotonic_ns();
}

/* The item of that index, or null where the segment gave a wild one: one that has no memory. */
static inline struct item *item_at(const workq *q, uint32_t index) {
  if (unlikely(index - 1u >= q->item_region.units) && !region_probe(&q->item_region, index - 1u)) return NULL;
  return (struct item *)(void *)(q->items + (size_t)(index - 1u) * q->geometry.item_size);
}

static inline struct slot *slot_at(const workq *q, uint32_t number_plus_one) {
  if (unlikely(number_plus_one - 1u >= q->geometry.handles)) return NULL;
  return &q->slots[number_plus_one - 1u];
}

static inline struct band *band_of(const workq *q, int priority) {
  return &q->control->bands[127 - priority];
}

#endif
