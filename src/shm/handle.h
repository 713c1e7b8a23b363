/*
 * handle.h: a handle: one thread's attachment to a segment, and access to the segment's contents.
 *
 * A handle is private memory of one process.  Indices read from the segment become pointers only
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

/* Where time stamps come from: nowhere, the time-stamp counter, the handle's clock; or the stamp is
 * fixed (a snapshot). */
enum { STAMPS_NONE = 0, STAMPS_TICKS, STAMPS_CLOCK, STAMPS_FIXED };

/* The items that this handle queued or freed last, a ring: prefetch hints connect items that are
 * PREFETCH_DISTANCE apart in it. */
#define PREFETCH_DISTANCE 8u
struct recent {
  uint32_t place;
  uint32_t index[PREFETCH_DISTANCE];
};

/* The open transaction: see journal.h. */
struct transaction {
  uint32_t number;
  bool grouped;          /* it is of several keys */
  uint32_t key_ops;      /* keys that this handle has worked on: one per transaction, or several */
  uint32_t own_line;     /* number of the line slot->own */
  uint32_t wakes_before; /* wakes.count when it began */
  uint64_t marks[MARKS]; /* lines that it saved: number << 32 | line */
};

/* Slots to be woken after the commit. */
struct wakes {
  uint32_t count;
  uint32_t *slots; /* each once */
  uint64_t *noted; /* a bit for each slot: is it among them? */
};

/* What a call of this handle waits for: see wait.c. */
struct waiter {
  uint32_t kind;      /* WAIT_*: of the last call that slept */
  uint32_t cancelled; /* the same, if the last call ended without the lock; else WAIT_NONE */
  bool may_spin;
  uint32_t probes;       /* waits since it last tried whether spinning is worthwhile again */
  int64_t gap_ns;        /* recent time between starting to wait and the end of the wait */
  uint32_t space_hash;   /* of the key that the waiting add is for */
  int64_t polled_ns;     /* since when a get that found nothing has waited; 0 if it did not poll */
  int64_t lock_since_ns; /* since when a call has waited for the lock; 0 if it did not */
};

/* How long this handle leaves a contended lock to others: see lock.c. */
struct backoff {
  bool disabled;        /* the last operation was an add, and few keys are ready */
  uint32_t last_key_op; /* transaction.key_ops at the last wait for the lock, and when that was */
  int64_t last_ns;
  int64_t duration_ns;
};

/* Which part of the growing regions has memory. */
struct regions {
  struct region items;   /* by index - 1 */
  struct region buckets; /* by number */
  struct region heap;    /* by place */
};

/* The descriptor, and the file that it must lead to: see segment.h. */
struct file {
  int fd;
  dev_t device;
  ino_t inode;
  off_t mark; /* the offset of its open file description; 0: not marked */
};

struct workq {
  struct engine_head head; /* first in each engine's handle */

  /* Used by every operation. */
  unsigned char *base;
  struct control *control;
  struct slot *slot;
  struct journal *journal;
  struct lock_mutex *held;  /* the mutex that this handle holds, null outside the lock */
  struct measures *measure; /* this slot's; null where nothing is measured */
  int64_t stamp_ns;         /* when the running operation began, see stamp.h */
  uint32_t stamps;          /* STAMPS_* */
  struct fork_page *fork_page;
  struct thread_state *caller; /* of the thread that it belongs to; where none, that called last */
  workq *outer; /* in a call: the handle whose call it interrupts, from within a signal handler */
  pid_t thread; /* as in the fork page, but kept in a forked child */
  struct regions regions;
  uint32_t slot_id; /* index of slot */
  uint32_t generation;
  uint32_t flags;        /* WORKQ_ANY_OWNER, ... */
  bool takes_next_ready; /* a get takes the next key made ready: signal no waiter for it */
  bool in_call;          /* the thread is inside a call: another call comes from a signal handler */
  bool sleeping;         /* ... in which it waits without the lock */
  struct wakes wakes;
  struct transaction transaction;
  struct recent recent_queued; /* by this handle, in any band */
  struct recent recent_freed;

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
  struct backoff backoff;
  struct waiter waiter;

  int lock_owner;      /* pid, see workq_lock_owner */
  int64_t snapshot_ns; /* a snapshot: when it was taken */
  struct file file;
  size_t size;
  void *shadow;              /* journal_check.c, debug builds */
  unsigned char *key_buffer; /* key_max bytes: copies for workq_info */
  char name[WORKQ_NAME_MAX + 1];
};

/* Starts to load a line for writing: this processor gets it exclusively. */
static inline void prefetch_to_write(const void *line) {
#ifdef __x86_64__
  __asm__ volatile("prefetchw %0" : : "m"(*(const char *)line));
#else
  __builtin_prefetch(line, 1);
#endif
}

/* Pushes an item's index into the ring.  Returns the entry that it replaces, 0 if there was
 * none. */
static inline uint32_t recent_push(struct recent *recent, uint32_t index) {
  uint32_t *place = &recent->index[recent->place++ % PREFETCH_DISTANCE], before = *place;
  *place = index;
  return before;
}

static inline int64_t handle_now_ns(workq *q) {
  return q->clock ? q->clock(q->clock_arg) : clock_monotonic_ns();
}

/* The item of that index; null if the index, read from the segment, is out of range or has no
 * memory. */
static inline struct item *item_at(const workq *q, uint32_t index) {
  if (unlikely(index - 1u >= q->regions.items.units) && !region_probe(&q->regions.items, index - 1u)) return NULL;
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
