/*
 * lock.c: the queue lock, and the life mutexes of slots.
 *
 * The queue lock is a robust process-shared mutex.  A robust mutex does not do two things:
 *
 *  - Wake another waiter when a woken waiter is killed: so no wait is longer than a slice.
 *  - Become free when the kernel cannot walk the dead owner's list (its memory was reaped before
 *    its exit, or another thread's execve ended the thread): so the mutex can be abandoned for a
 *    spare one.
 *
 * Taking the lock, numbered:
 *   1. e = epoch.  Lock mutex m = e mod LOCK_MUTEXES, in slices; read the epoch again after each
 *      slice.
 *   2. m.holder = own slot.
 *   3. If epoch is no longer e: m.holder = 0, unlock, back to 1.
 *   4. If the owner died, or settled is not e: repair (below).
 *   5. Inside.
 * Leaving: m.holder = 0, unlock.
 *
 * Abandoning, by a waiter whose slice is over:
 *   a. h = m.holder.  If the owner of slot h is alive (owner_is_dead() asks the kernel): wait on.
 *   b. The mutex is busy, and h is dead, or a hundred probes in 100 ms found no holder (a holder
 *      may have been preempted before it wrote its number): compare-and-swap epoch from e to e + 1.
 * That is always safe: a thread between 1 and 2 finds the new epoch at 3, and c waits for a thread
 * past 3.
 *
 * Repair, under the mutex of the new epoch:
 *   c. If settled is not e: make every running thread's stores visible (membarrier), then wait
 *      until no other mutex names a living holder, and clear the dead holders.
 *   d. Roll back what the journals hold.
 *   e. settled = e; make the mutex consistent.
 * If the repairing thread dies, its mutex becomes free or is abandoned, and the next one starts at
 * c again.
 *
 * A slot's new owner clears the slot's number at all mutexes before it writes its identity into the
 * slot, and so before step 1 (lock_clear_stale_holder): at a and c it would be taken for a living
 * holder, and the repairing thread and the new owner would wait for each other.
 *
 * 2 and 3 need a store before a load.  Where the processor would need a fence for that, c pays for
 * it instead: membarrier() (or, without it, a pause far longer than any store buffer) on the path
 * that rarely runs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lock.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "journal.h"
#include "owner.h"

#define SLICE_NS          (50 * NS_PER_MS)
#define HOLDER_PROBES     100
#define PROBE_INTERVAL_NS NS_PER_MS

/* Waiting for a contended lock: spin, yield, nap. */
#define SPIN_NS        (20 * INT64_C(1000))
#define PAUSES         4                    /* between two readings of the clock */
#define SPIN_PROBES    16                   /* of the lock, a pause apart */
#define YIELD_NS       (60 * INT64_C(1000)) /* more than the kernel needs to end a killed holder */
#define NAP_NS         (50 * INT64_C(1000))
#define NAPS           20
#define BUSY_NS        2000 /* a handle that does an operation at least this often is busy */
#define RUN_SHORT      8u   /* keys worked on between two waits for the lock */
#define RUN_LONG       64u
#define BACKOFF_MAX_NS (16 * INT64_C(1000))

/*
 * Spares are used again, and an abandoned one may stay locked for ever: so each is initialized
 * again before its next use, half the way round.  The next one may be locked already, by a thread
 * that gave this epoch up just before its holder wrote its number; the last ones may still be held
 * by a thread that was stopped between 1 and 3.
 */
#define RENEW_DISTANCE (LOCK_MUTEXES / 2)

#define MEMBARRIER_GLOBAL 1

static int mutex_init(pthread_mutex_t *mutex) {
  pthread_mutexattr_t attr;
  int rc = pthread_mutexattr_init(&attr);
  if (rc) return -rc;
  rc = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  if (!rc) rc = pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
  if (!rc) rc = pthread_mutex_init(mutex, &attr);
  pthread_mutexattr_destroy(&attr);
  return -rc;
}

int lock_init_all(workq *q) {
  int rc = 0;
  for (uint32_t i = 0; i < LOCK_MUTEXES && rc == 0; i++) rc = mutex_init(&q->mutexes[i].mutex);
  for (uint32_t i = 0; i < q->geometry.handles && rc == 0; i++) rc = mutex_init(&q->slots[i].life.mutex);
  return rc;
}

/* Locks within one slice.  Returns 0, EOWNERDEAD, ETIMEDOUT or another error. */
static int mutex_lock_slice(pthread_mutex_t *mutex) {
#ifdef HAVE_PTHREAD_MUTEX_CLOCKLOCK
  struct timespec end = clock_timespec(clock_add_ns(clock_monotonic_ns(), SLICE_NS));
  return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &end);
#else
  /* Without clocklock the end is on the wall clock.  Setting that back while we sleep does no harm:
   * the sleep itself is relative. */
  struct timespec end = clock_timespec(clock_add_ns(clock_read(CLOCK_REALTIME), SLICE_NS));
  return pthread_mutex_timedlock(mutex, &end);
#endif
}

static int holder_pid(const workq *q, const struct lock_mutex *m) {
  const struct slot *slot = slot_at(q, atomic_load_explicit(&m->holder, memory_order_relaxed));
  return slot ? __atomic_load_n(&slot->attachment.pid, __ATOMIC_RELAXED) : 0;
}

int lock_owner_now(const workq *q) {
  return holder_pid(q, lock_mutex_of(q, atomic_load(&q->control->lock.epoch)));
}

static void wait_for_next_probe(void) {
  clock_sleep(PROBE_INTERVAL_NS);
}

/* Is the slot noted at m alive?  (A slot number that is out of range comes from damage, and holds
 * nothing.) */
static bool holder_is_alive(const workq *q, uint32_t holder) {
  if (holder == 0 || holder - 1 >= q->geometry.handles) return false;
  /* This slot's number at a mutex that this thread does not hold: a previous owner of the slot left
   * it. */
  if (holder - 1 == q->slot_id) return false;
  return !owner_is_dead(q, holder - 1);
}

/*
 * May the calling thread hold the lock through another handle?  A signal handler that interrupts a
 * call on one handle of the queue and makes a call on another would wait for its own thread.
 */
static bool is_held_by_caller(const workq *q) {
  for (const workq *outer = thread_state.calling == q ? q->outer : thread_state.calling; outer; outer = outer->outer)
    if (!outer->sleeping && outer->file.inode == q->file.inode && outer->file.device == q->file.device) return true;
  return false;
}

/* Steps a and b.  Returns 0 or EOWNERDEAD if the mutex was acquired after all, else ETIMEDOUT. */
static int abandon_if_lost(workq *q, uint32_t epoch) {
  struct lock_mutex *m = lock_mutex_of(q, epoch);
  for (int probe = 0; probe < HOLDER_PROBES; probe++) {
    /* A slice may be over because the wake-up was lost with a dead waiter: then the mutex is
     * available. */
    int rc = pthread_mutex_trylock(&m->mutex);
    if (rc != EBUSY) return rc;
    uint32_t holder = atomic_load(&m->holder);
    if (holder_is_alive(q, holder) || atomic_load(&q->control->lock.epoch) != epoch) return ETIMEDOUT;
    if (holder != 0) break;
    wait_for_next_probe();
  }
  (void)atomic_compare_exchange_strong(&q->control->lock.epoch, &epoch, epoch + 1);
  return ETIMEDOUT;
}

static void heavy_fence(void) {
  if (syscall(SYS_membarrier, MEMBARRIER_GLOBAL, 0, 0) != 0) clock_sleep(SLICE_NS);
  atomic_thread_fence(memory_order_seq_cst);
}

/* Step c.  Returns 0, or -ETIMEDOUT. */
static int wait_for_other_holders(workq *q, const struct lock_mutex *mine, int64_t deadline_ns) {
  heavy_fence();
  for (uint32_t i = 0; i < LOCK_MUTEXES; i++) {
    struct lock_mutex *m = &q->mutexes[i];
    if (m == mine) continue;
    uint32_t holder;
    while (holder_is_alive(q, holder = atomic_load(&m->holder))) {
      if (clock_monotonic_ns() >= deadline_ns) {
        q->lock_owner = holder_pid(q, m);
        return -ETIMEDOUT;
      }
      wait_for_next_probe();
    }
    if (holder) (void)atomic_compare_exchange_strong(&m->holder, &holder, 0);
  }
  return 0;
}

static void count_repair(workq *q, bool rolled_back, bool lost) {
  if (!rolled_back && !lost) return;
  journal_begin(q);
  journal_save(q, &q->control->totals.reaped);
  q->control->totals.recoveries += rolled_back;
  q->control->totals.lock_losses += lost;
  journal_commit(q);
}

/* Steps c to e, except making the mutex consistent. */
static int repair(workq *q, uint32_t epoch, const struct lock_mutex *m, int64_t deadline_ns) {
  struct lock_line *lock = &q->control->lock;
  uint32_t settled = atomic_load(&lock->settled);
  if (settled == LOCK_DAMAGED) return -EUCLEAN;
  bool lost = settled != epoch;
  if (lost) {
    int rc = wait_for_other_holders(q, m, deadline_ns);
    if (rc < 0) return rc;
  }
  int lines = journal_recover(q);
  if (lines < 0) {
    atomic_store(&lock->settled, LOCK_DAMAGED);
    return lines;
  }
  count_repair(q, lines > 0, lost);
  if (lost) {
    if (epoch >= RENEW_DISTANCE) (void)mutex_init(&lock_mutex_of(q, epoch + RENEW_DISTANCE)->mutex);
    atomic_store(&lock->settled, epoch);
  }
  return 1;
}

static void leave(struct lock_mutex *m) {
  atomic_store_explicit(&m->holder, 0, memory_order_release);
  pthread_mutex_unlock(&m->mutex);
}

/* Steps 2 to 4, m being locked.  Returns 0 or 1 inside, -EAGAIN if the epoch has changed, or
 * another error. */
static int confirm(workq *q, uint32_t epoch, struct lock_mutex *m, int lock_rc, int64_t deadline_ns) {
  const struct lock_line *lock = &q->control->lock;
  int rc = 0;
  atomic_store(&m->holder, q->slot_id + 1);
  if (atomic_load(&lock->epoch) != epoch) rc = -EAGAIN;
  else if (lock_rc == EOWNERDEAD || atomic_load(&lock->settled) != epoch) rc = repair(q, epoch, m, deadline_ns);
  /* Make it consistent in any case: unlocking it otherwise would lose it.  What is not repaired
   * stays visible in the journals or in settled. */
  if (lock_rc == EOWNERDEAD) pthread_mutex_consistent(&m->mutex);
  if (rc < 0) {
    leave(m);
    return rc;
  }
  q->held = m;
  return rc;
}

void lock_pause(int64_t pause_ns) {
  int64_t end_ns = clock_monotonic_ns() + pause_ns;
  do
    for (int i = 0; i < PAUSES; i++) cpu_relax();
  while (clock_monotonic_ns() < end_ns);
}

/*
 * Backoff: how long to leave the lock to others before trying it.  A hand-over moves all lines that
 * an operation touches from processor to processor, which costs several times the operation itself.
 * So a handle that does one operation after another, and held the lock shortly before, leaves it
 * alone for a while; a handle that comes now and then tries at once.
 */
static int64_t backoff_ns(workq *q, int64_t now_ns) {
  uint32_t run = q->transaction.key_ops - q->backoff.last_key_op;
  bool busy = now_ns - q->backoff.last_ns < (int64_t)run * BUSY_NS;
  if (!busy || q->backoff.disabled) return 0;
  if (run < RUN_SHORT && q->backoff.duration_ns < BACKOFF_MAX_NS) q->backoff.duration_ns *= 2;
  else if (run > RUN_LONG && q->backoff.duration_ns > LOCK_BACKOFF_MIN_NS) q->backoff.duration_ns /= 2;
  /* Not the same for all: threads that failed together must not retry together. */
  return q->backoff.duration_ns / 2 + now_ns % q->backoff.duration_ns;
}

/* Probes the lock until it is free.  Returns the result of the last trylock, EBUSY if it never was
 * free. */
static int try_lock_spin(struct lock_mutex *m) {
  for (int i = 0; i < SPIN_PROBES; i++) {
    if (atomic_load_explicit(&m->holder, memory_order_relaxed) == 0) {
      int rc = pthread_mutex_trylock(&m->mutex);
      if (rc != EBUSY) return rc;
    }
    cpu_relax();
  }
  /* A dead holder's number stays: only the mutex itself reports its death. */
  return pthread_mutex_trylock(&m->mutex);
}

/*
 * Waits for a lock that will soon be free: spins, yields, then naps.  Only a thread that waits for
 * longer sleeps on the mutex itself: as long as one does, each unlock is a system call, and wakes a
 * thread that finds the lock taken again.  Returns the result of the last trylock, EBUSY if it
 * never was free.
 */
static int wait_briefly(workq *q, struct lock_mutex *m) {
  int64_t now_ns = clock_monotonic_ns(), end_ns = now_ns + SPIN_NS, pause_ns = backoff_ns(q, now_ns);
  int rc;
  do {
    if (pause_ns) lock_pause(pause_ns);
    rc = try_lock_spin(m);
    now_ns = clock_monotonic_ns();
  } while (rc == EBUSY && now_ns < end_ns);
  for (end_ns = now_ns + YIELD_NS; rc == EBUSY && now_ns < end_ns; now_ns = clock_monotonic_ns()) {
    sched_yield();
    rc = try_lock_spin(m);
  }
  for (int nap = 0; rc == EBUSY && nap < NAPS; nap++) {
    clock_sleep(NAP_NS);
    rc = try_lock_spin(m);
  }
  q->backoff.last_ns = now_ns;
  q->backoff.last_key_op = q->transaction.key_ops;
  return rc;
}

/* The time at which a call gives up: the earlier of its own and the handle's limit. */
static int64_t limit_of(workq *q, int64_t deadline_ns) {
  int64_t now_ns = clock_monotonic_ns();
  int64_t limit_ns = q->lock_timeout_ns == CLOCK_NEVER ? CLOCK_NEVER : clock_add_ns(now_ns, q->lock_timeout_ns);
  if (deadline_ns < 0) {
    q->waiter.lock_since_ns = now_ns;
    deadline_ns = clock_add_ns(now_ns, -deadline_ns);
  }
  return deadline_ns < limit_ns ? deadline_ns : limit_ns;
}

int lock_acquire_slowly(workq *q, uint32_t epoch, struct lock_mutex *m, int lock_rc, int64_t deadline_ns) {
  int64_t limit_ns = limit_of(q, deadline_ns);
  if (lock_rc == 0 || lock_rc == EOWNERDEAD) {
    int rc = confirm(q, epoch, m, lock_rc, limit_ns);
    if (rc != -EAGAIN) return rc;
  }
  for (;;) {
    epoch = atomic_load(&q->control->lock.epoch);
    m = lock_mutex_of(q, epoch);
    if (is_held_by_caller(q)) return -EDEADLK;
    int rc = q->waiter.may_spin ? wait_briefly(q, m) : EBUSY;
    if (rc == EBUSY) rc = mutex_lock_slice(&m->mutex);
    if (rc == ETIMEDOUT) rc = abandon_if_lost(q, epoch);
    if (rc == 0 || rc == EOWNERDEAD) {
      rc = confirm(q, epoch, m, rc, limit_ns);
      if (rc != -EAGAIN) return rc;
    } else if (rc == ETIMEDOUT) {
      if (clock_monotonic_ns() >= limit_ns) {
        q->lock_owner = holder_pid(q, m);
        return -ETIMEDOUT;
      }
    } else {
      return -EUCLEAN; /* a mutex that this library never makes */
    }
  }
}

void lock_clear_stale_holder(workq *q) {
  for (uint32_t i = 0; i < LOCK_MUTEXES; i++) {
    uint32_t own = q->slot_id + 1;
    (void)atomic_compare_exchange_strong(&q->mutexes[i].holder, &own, 0);
  }
}

int life_try(workq *q, uint32_t slot) {
  pthread_mutex_t *mutex = &q->slots[slot].life.mutex;
  switch (pthread_mutex_trylock(mutex)) {
  case 0:
    return 0;
  case EOWNERDEAD:
    /* At once: if we die now, the next locker gets EOWNERDEAD again, for we still hold it. */
    pthread_mutex_consistent(mutex);
    return 1;
  default:
    return -EBUSY;
  }
}

void life_release(workq *q, uint32_t slot) {
  pthread_mutex_unlock(&q->slots[slot].life.mutex);
}

void life_renew(workq *q, uint32_t slot) {
  (void)mutex_init(&q->slots[slot].life.mutex);
}
