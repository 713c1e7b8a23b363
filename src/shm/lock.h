/*
 * lock.h: the queue lock, and the life mutexes of slots.  This module is the only one that touches
 * pthread mutexes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_LOCK_H
#define WORKQ_SHM_LOCK_H

#include "handle.h"

/* Initializes every mutex of a segment that has no name yet.  Returns 0 or -errno. */
int lock_init_all(workq *q);

static inline struct lock_mutex *lock_mutex_of(const workq *q, uint32_t epoch) {
  return &q->mutexes[epoch % LOCK_MUTEXES];
}

/* Orders the store of a holder before the load of the epoch; see lock.c for why a processor with
 * short store buffers needs no instruction for it. */
#if defined(__x86_64__) || defined(__i386__)
#define lock_light_fence() compiler_fence()
#else
#define lock_light_fence() atomic_thread_fence(memory_order_seq_cst)
#endif

/* Continues after a trylock of mutex m that did not suffice: it returned lock_rc.  Results as
 * lock_acquire(). */
COLD int lock_acquire_slowly(workq *q, uint32_t epoch, struct lock_mutex *m, int lock_rc, int64_t deadline_ns);

/*
 * Takes the queue lock.  If its last owner died, first rolls back its transaction.  deadline_ns is
 * on CLOCK_MONOTONIC; a negative one is that far from now.  Waits for at least one slice (50 ms).
 * Returns 0; 1 if a death was repaired; -ETIMEDOUT (q->lock_owner is then set); -EDEADLK if this
 * thread holds it through another handle; -EUCLEAN.
 */
static inline int lock_acquire(workq *q, int64_t deadline_ns) {
  const struct lock_line *lock = &q->control->lock;
  uint32_t epoch = atomic_load_explicit(&lock->epoch, memory_order_relaxed);
  struct lock_mutex *m = lock_mutex_of(q, epoch);
  int rc = pthread_mutex_trylock(&m->mutex);
  if (likely(rc == 0)) {
    atomic_store_explicit(&m->holder, q->slot_id + 1, memory_order_relaxed);
    lock_light_fence();
    if (likely(atomic_load_explicit(&lock->epoch, memory_order_relaxed) == epoch &&
               atomic_load_explicit(&lock->settled, memory_order_relaxed) == epoch)) {
      q->held = m;
      return 0;
    }
  }
  return lock_acquire_slowly(q, epoch, m, rc, deadline_ns);
}

static inline void lock_release(workq *q) {
  struct lock_mutex *m = q->held;
  q->held = NULL;
  atomic_store_explicit(&m->holder, 0, memory_order_release);
  pthread_mutex_unlock(&m->mutex);
}

/* The shortest backoff of a handle that held the lock shortly before. */
#define LOCK_BACKOFF_MIN_NS (4 * INT64_C(1000))

/* Spins without touching the segment. */
void lock_pause(int64_t pause_ns);

/* Did this handle have to wait for the lock within its last operations? */
static inline bool lock_is_contended(const workq *q) {
  return q->transaction.key_ops - q->backoff.last_key_op < 64;
}

/* The pid of the process that holds the queue lock now, 0 if none does.  Takes no lock. */
int lock_owner_now(const workq *q);

/*
 * For a new owner that has locked its byte, before it first takes the queue lock: clears the slot's
 * number where a dead owner left it as a mutex's holder.  A waiter would take the new owner, which
 * is alive, for that holder.
 */
void lock_clear_stale_holder(workq *q);

/*
 * The life mutex of a slot.  Threads other than the owner touch it only under the queue lock.
 * life_try() takes it if no living thread holds it: 0, or 1 if its last owner died holding it;
 * -EBUSY otherwise.
 */
int life_try(workq *q, uint32_t slot);
void life_release(workq *q, uint32_t slot);
/* Initializes a life mutex whose owner is dead and cannot unlock it.  The queue lock is held. */
void life_renew(workq *q, uint32_t slot);

#endif
