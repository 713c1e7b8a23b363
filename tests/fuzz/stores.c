/*
 * Death at a store: the segment as a dead process would leave it, put back after the operation has run to its end.
 * See stores.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "stores.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "points.h"
#include "shm/lock.h"
#include "support/plain.h"

#undef memcpy
#undef nanosleep
#undef syscall

static workq *seen_by; /* any handle: all of them share one mapping here */
static unsigned char *remains;
static uint64_t countdown; /* 0: not armed */
static int victim;

/* ---- The bytes without the mutexes ---- */

static void copy_range(unsigned char *to, const unsigned char *from, uint64_t start, uint64_t end) {
  memcpy(to + start, from + start, end - start);
}

void stores_copy(const workq *q, unsigned char *to, const unsigned char *from) {
  const struct geometry *g = &q->geometry;
  copy_range(to, from, g->control_off, g->control_off + sizeof(struct control));
  for (uint32_t i = 0; i < LOCK_MUTEXES; i++) {
    uint64_t mutex = g->mutexes_off + i * sizeof(struct lock_mutex);
    copy_range(to, from, mutex + offsetof(struct lock_mutex, holder), mutex + offsetof(struct lock_mutex, holder) + 4);
  }
  for (uint32_t i = 0; i < g->handles; i++) {
    uint64_t slot = g->slots_off + i * sizeof(struct slot);
    copy_range(to, from, slot + offsetof(struct slot, attachment), slot + sizeof(struct slot));
  }
  copy_range(to, from, g->table_off, g->table_off + BUCKETS_MIN * sizeof(struct bucket));
  copy_range(to, from, g->heap_off, g->heap_off + g->heap_max * sizeof(struct heap_entry));
  copy_range(to, from, g->items_off, g->items_off + (uint64_t)g->items_max * g->item_size);
}

static void copy_journal(unsigned char *to, const unsigned char *from, int slot) {
  uint64_t journal = seen_by->geometry.journals_off + (uint64_t)slot * sizeof(struct journal);
  copy_range(to, from, journal, journal + sizeof(struct journal));
}

/* ---- Mutexes of the dead ---- */

/* The word of a mutex that says who has it. */
static size_t futex_word;

void stores_begin(workq *q) {
  uint32_t words[sizeof(pthread_mutex_t) / sizeof(uint32_t)];
  seen_by = q;
  remains = calloc(1, q->size);
  pthread_mutex_t *mutex = &q->mutexes[0].mutex;
  if (!remains || pthread_mutex_lock(mutex) != 0) plain_fail("no memory, or no mutex");
  memcpy(words, mutex, sizeof words);
  while ((words[futex_word] & FUTEX_TID_MASK) != (uint32_t)thread_id()) futex_word++;
  pthread_mutex_unlock(mutex);
}

static uint32_t *word_of(pthread_mutex_t *mutex) {
  return (uint32_t *)(void *)mutex + futex_word;
}

void stores_bereave(pthread_mutex_t *mutex) {
  *word_of(mutex) = FUTEX_OWNER_DIED; /* as the kernel does */
}

/* The slot whose handle is inside the lock, -1 if none. */
static int inside(void) {
  struct lock_mutex *m = lock_mutex_of(seen_by, atomic_load(&seen_by->control->lock.epoch));
  if ((*word_of(&m->mutex) & FUTEX_TID_MASK) != (uint32_t)thread_id()) return -1;
  return (int)atomic_load(&m->holder) - 1;
}

/* ---- Counting stores ---- */

void stores_arm(uint64_t store) {
  countdown = store;
  victim = -1;
}

int stores_disarm(void) {
  countdown = 0;
  return victim;
}

void points_store(const void *to) {
  if (!countdown) return;
  const unsigned char *place = to;
  if (place && (place < seen_by->base || place >= seen_by->base + seen_by->size)) return;
  if (countdown > 1) {
    countdown--;
    return;
  }
  victim = inside();
  if (victim < 0) return; /* the next one that is */
  countdown = 0;
  stores_copy(seen_by, remains, seen_by->base);
  copy_journal(remains, seen_by->base, victim);
}

void *points_copy(void *to, const void *from, size_t size) {
  if (!countdown) return memcpy(to, from, size);
  for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
    size_t left = size - at;
    points_store((unsigned char *)to + at);
    memcpy((unsigned char *)to + at, (const unsigned char *)from + at,
           left < sizeof(uint64_t) ? left : sizeof(uint64_t));
  }
  return to;
}

uint32_t stores_bring_back(void) {
  stores_copy(seen_by, seen_by->base, remains);
  copy_journal(seen_by->base, remains, victim);
  stores_bereave(&lock_mutex_of(seen_by, atomic_load(&seen_by->control->lock.epoch))->mutex);
  return atomic_load(&seen_by->slots[victim].journal.count);
}

/* ---- Waiting ---- */

int points_nap(const struct timespec *duration, struct timespec *left) {
  (void)duration;
  (void)left;
  return 0;
}

long points_syscall(long number, long a, long b, long c, long d, long e, long f) {
  if (number == SYS_membarrier) return 0;
  if (number == SYS_futex && b == FUTEX_WAIT) {
    errno = ETIMEDOUT;
    return -1;
  }
  return syscall(number, a, b, c, d, e, f);
}

/* What clang calls before a store of so many bytes. */
#define STORE(bytes, type)                                                                                             \
  void __sanitizer_cov_store##bytes(const type *to);                                                                   \
  void __sanitizer_cov_store##bytes(const type *to) {                                                                  \
    points_store(to);                                                                                                  \
  }

STORE(1, uint8_t)
STORE(2, uint16_t)
STORE(4, uint32_t)
STORE(8, uint64_t)
STORE(16, void)
