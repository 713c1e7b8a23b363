/*
 * slot.c: a handle's slot in the segment.
 *
 * A slot's owner locks a byte of the file, which belongs to one generation of the slot, and holds
 * the life mutex.  A new handle locks another byte of the slot, the claim, until it is the owner:
 * so no other thread writes its identity there at the same time.  It locks its own byte first, then
 * takes the queue lock, and under it locks the life mutex and marks the slot as attached.  When it
 * detaches, it unlocks the mutex under the same hold of the queue lock in which it marks the slot
 * as free; then it unlocks the byte.  So, under the queue lock:
 *
 *   attached, mutex free                 its thread died
 *   attached, mutex busy, owner dead     its thread died, and the mutex does not show it (owner.h)
 *   free, mutex busy                     a dead thread's, likewise
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "slot.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "delay.h"
#include "fingerprint.h"
#include "journal.h"
#include "lock.h"
#include "owner.h"
#include "segment.h"
#include "stamp.h"
#include "state.h"
#include "thread.h"
#include "times.h"
#include "wait.h"

/*
 * The most that one hold of the lock does, so that no thread waits for longer than some hundreds of
 * microseconds: life mutexes tried (two cache misses each), owners about which the kernel is asked
 * (some 7 us each), keys put back.
 */
#define PASS_MUTEXES  1024u
#define PASS_OWNERS   16u
#define REAP_OWNERS   32u /* in shmq_reap(), which asks about all, one hold after another */
#define KEYS_PER_HOLD 256u

#define CLAIM_TRIES 20

static uint32_t load32(const uint32_t *place) {
  return __atomic_load_n(place, __ATOMIC_RELAXED);
}

/* ---- Releasing a slot ---- */

typedef int put_back(workq *q, struct slot *slot, uint32_t index, struct item *item, int64_t now_ns);

static int put_released(workq *q, struct slot *slot, uint32_t index, struct item *item, int64_t now_ns) {
  (void)now_ns;
  return state_release(q, slot, index, item);
}

/* Puts back a slot's keys, one transaction each.  Returns 0, 1 if more are left than one hold of
 * the lock may put back, or -errno. */
static int put_keys_back(workq *q, struct slot *slot, put_back *put, int64_t now_ns) {
  uint32_t index;
  for (uint32_t n = 0; (index = slot->own.processing.head) != 0; n++) {
    struct item *item = item_at(q, index);
    if (!item) return -EUCLEAN;
    if (n == KEYS_PER_HOLD) return 1;
    journal_begin(q);
    journal_save(q, item);
    journal_save(q, &slot->own);
    int rc = journal_end(q, put(q, slot, index, item, now_ns));
    if (rc < 0) return rc;
  }
  return 0;
}

/* Adds the owner's counters to the queue's. */
static void fold_counters(workq *q, struct slot *slot) {
  struct totals *totals = &q->control->totals;
  journal_save(q, &totals->adds);
  journal_save(q, &totals->reaped);
#define FOLD_OWN(name)  totals->name += slot->own.name;
#define FOLD_RARE(name) totals->name += slot->rare.name;
  OWN_COUNTERS(FOLD_OWN)
  RARE_COUNTERS(FOLD_RARE)
  HIDDEN_COUNTERS(FOLD_RARE)
#undef FOLD_OWN
#undef FOLD_RARE
  times_fold(q, (uint32_t)(slot - q->slots));
}

/* Frees a slot that has no keys left, as one transaction. */
static int vacate(workq *q, struct slot *slot, bool dead) {
  journal_begin(q);
  int rc = wait_leave(q, slot);
  if (rc < 0) return journal_end(q, rc);
  fold_counters(q, slot);
  journal_save(q, &slot->own);
  memset(&slot->own, 0, sizeof slot->own);
  journal_save(q, &slot->rare);
  memset(&slot->rare, 0, sizeof slot->rare);
  journal_save(q, &slot->attachment);
  slot->attachment.state = SLOT_FREE;
  slot->attachment.generation++;
  slot->attachment.pid = slot->attachment.tid = 0;
  slot->attachment.exit_expected = 0;
  if (dead) q->control->totals.reaped++; /* fold_counters() has saved the line */
  journal_commit(q);
  return 0;
}

bool slot_expect_exit(workq *q, uint32_t i, pid_t pid) {
  struct slot *slot = &q->slots[i];
  if (slot->attachment.state != SLOT_ATTACHED || slot->attachment.pid != pid) return false;
  journal_begin(q);
  journal_save(q, &slot->attachment);
  slot->attachment.exit_expected = 1;
  journal_commit(q);
  return true;
}

/* Returns 0, or 1 if keys are left for another hold.  Reads the exact clock, even if the pass uses
 * the coarse one: the keys' delays begin now. */
static int evict_dead(workq *q, struct slot *slot) {
  put_back *put = slot->attachment.exit_expected ? put_released : state_crash;
  int rc = put_keys_back(q, slot, put, handle_now_ns(q));
  return rc != 0 ? rc : vacate(q, slot, true);
}

int64_t slot_leader_wake_ns(const workq *q, int64_t now_ns) {
  int64_t tick_ns = clock_add_ns(now_ns, q->header.reap_interval_ns);
  int64_t next_ns = q->control->hot.flags & QUEUE_SHUT_DOWN ? CLOCK_NEVER : delay_next_ns(q);
  return next_ns < tick_ns ? next_ns : tick_ns;
}

/* After a slot was vacated: its owner may have been the leader; and a wake-up may have been lost
 * with a dead one. */
static int signal_after_vacating(workq *q, bool dead, int64_t now_ns) {
  const struct hot_line *hot = &q->control->hot;
  journal_begin(q);
  int rc = wait_advance_leader(q, slot_leader_wake_ns(q, now_ns));
  if (rc >= 0 && dead) rc = wait_wake_leader(q);
  if (rc >= 0 && hot->ready && !(hot->flags & QUEUE_PAUSED)) rc = wait_signal(q, WAIT_GET);
  if (rc >= 0) rc = state_signal_space(q);
  if (rc >= 0) rc = state_signal_drained(q);
  return journal_end(q, rc < 0 ? rc : 0);
}

/* ---- Reaping dead owners ---- */

/* Is the owner of an attached slot dead?  A new handle overwrites the identity only of a dead
 * owner. */
static bool is_dead(const workq *q, uint32_t i) {
  const struct slot *slot = &q->slots[i];
  return atomic_load(&slot->owner.generation) != load32(&slot->attachment.generation) || owner_is_dead(q, i);
}

/* The results of one reap pass so far. */
struct reap_pass {
  int found;
  bool unfinished; /* a dead owner had more keys than one hold may put back */
};

/* Reaps slot i if its owner is dead.  ask: ask the kernel, too, if the mutex says that the owner
 * lives. */
static int reap_slot(workq *q, uint32_t i, bool ask, struct reap_pass *pass) {
  struct slot *slot = &q->slots[i];
  if (i == q->slot_id || slot->attachment.state != SLOT_ATTACHED) return 0;
  bool stuck = life_try(q, i) < 0;
  if (stuck && (!ask || !is_dead(q, i))) return 0;
  int rc = evict_dead(q, slot);
  if (!stuck) life_release(q, i);
  else if (rc == 0) life_renew(q, i); /* no thread will unlock it */
  if (rc == 0) pass->found++;
  if (rc > 0) pass->unfinished = true;
  return rc < 0 ? rc : 0;
}

static int end_reap_pass(workq *q, const struct reap_pass *pass, int64_t now_ns) {
  return pass->found || pass->unfinished ? signal_after_vacating(q, true, now_ns) : 0;
}

/* Tries the life mutexes of some slots, from where the last pass ended. */
static int reap_by_mutex(workq *q, struct reap_pass *pass) {
  uint32_t handles = q->geometry.handles, i = q->control->reap.next_mutex;
  for (uint32_t n = 0; n < handles && n < PASS_MUTEXES && !pass->unfinished; n++, i++) {
    if (i >= handles) i = 0;
    int rc = reap_slot(q, i, false, pass);
    if (rc < 0) return rc;
  }
  q->control->reap.next_mutex = i;
  return 0;
}

/* Asks the kernel about some owners, from where the last pass ended. */
static int reap_by_owner(workq *q, struct reap_pass *pass) {
  uint32_t handles = q->geometry.handles, i = q->control->reap.next_owner;
  for (uint32_t n = 0, asked = 0; n < handles && n < PASS_MUTEXES && asked < PASS_OWNERS && !pass->unfinished;
       n++, i++) {
    if (i >= handles) i = 0;
    asked += q->slots[i].attachment.state == SLOT_ATTACHED;
    int rc = reap_slot(q, i, true, pass);
    if (rc < 0) return rc;
  }
  q->control->reap.next_owner = i;
  return 0;
}

int slot_reap(workq *q, uint32_t *next, bool *over) {
  struct reap_pass pass = {0};
  int rc = 0;
  uint32_t i = *next;
  for (uint32_t n = 0; i < q->geometry.handles && n < REAP_OWNERS && rc == 0; n++) {
    rc = reap_slot(q, i, true, &pass);
    if (pass.unfinished) break; /* the same slot again in the next hold */
    i++;
  }
  *next = i;
  *over = i >= q->geometry.handles;
  if (*over) q->control->reap.last_pass_ns = handle_now_ns(q);
  if (rc == 0) rc = end_reap_pass(q, &pass, handle_now_ns(q));
  return rc < 0 ? rc : pass.found;
}

/* The coarse clock may lag by as much: the kernel's slowest tick. */
#define TICK_NS (10 * NS_PER_MS)

/* Has interval_ns passed since since_ns?  A time in the future (another clock, or damage) counts as
 * passed, unless the coarse clock's lag explains it. */
static bool interval_over(int64_t since_ns, int64_t now_ns, int64_t interval_ns) {
  return since_ns > clock_add_ns(now_ns, TICK_NS) || clock_add_ns(since_ns, interval_ns) <= now_ns;
}

int slot_reap_if_due(workq *q, int64_t now_ns) {
  struct reap_line *reap = &q->control->reap;
  if (!interval_over(reap->last_pass_ns, now_ns, q->header.reap_interval_ns)) return 0;
  struct reap_pass pass = {0};
  int rc = reap_by_mutex(q, &pass);
  if (rc == 0) rc = reap_by_owner(q, &pass);
  reap->last_pass_ns = pass.unfinished ? INT64_MIN : now_ns; /* unfinished: at once */
  if (rc == 0) rc = end_reap_pass(q, &pass, now_ns);
  return rc < 0 ? rc : pass.found;
}

/* ---- Attaching ---- */

/* The byte that a new handle locks until it is the owner: one at a time checks a slot and writes
 * its identity there. */
#define CLAIM 0u

/* With the slot claimed: locks the byte for its next owner, if the slot is in that state and free
 * or a dead owner's. */
static int lock_next(workq *q, uint32_t i, uint32_t state) {
  const struct slot *slot = &q->slots[i];
  uint32_t generation = owner_next_generation(load32(&slot->attachment.generation));
  if (load32(&slot->attachment.state) != state || (state == SLOT_ATTACHED && !is_dead(q, i))) return -EBUSY;
  int rc = owner_byte_lock(q, i, generation);
  if (rc < 0) return rc;
  q->slot_id = i;
  q->generation = generation;
  return 0;
}

/* Claims a slot.  Returns 0, and the handle has its number and the next owner's generation; -EBUSY
 * or another -errno. */
static int claim(workq *q, uint32_t i, uint32_t state) {
  if (load32(&q->slots[i].attachment.state) != state) return -EBUSY;
  if (state == SLOT_ATTACHED && !is_dead(q, i)) return -EBUSY;
  int rc = owner_byte_lock(q, i, CLAIM);
  if (rc < 0) return rc;
  rc = lock_next(q, i, state);
  if (rc < 0) owner_byte_unlock(q, i, CLAIM);
  return rc;
}

/*
 * One pass over all slots, the free ones first.  Sets *changing if another new handle has the byte
 * of a free one.  Returns 0; -EUSERS if none is available; or another error of locking a byte.
 */
static int claim_pass(workq *q, bool *changing) {
  for (uint32_t state = SLOT_FREE; state <= SLOT_ATTACHED; state++) {
    for (uint32_t i = 0; i < q->geometry.handles; i++) {
      int rc = claim(q, i, state);
      if (rc != -EBUSY) return rc;
      if (load32(&q->slots[i].attachment.state) == SLOT_FREE) *changing = true;
    }
  }
  return -EUSERS;
}

/* A slot that another new handle is just claiming may become available shortly. */
static int claim_any(workq *q) {
  int rc = -EUSERS;
  bool changing = true;
  for (int tries = 0; tries < CLAIM_TRIES && rc == -EUSERS && changing; tries++) {
    if (tries) clock_sleep(NS_PER_MS);
    changing = false;
    rc = claim_pass(q, &changing);
  }
  return rc;
}

/* Under the lock: makes this thread the owner.  Returns 0; -EAGAIN if the slot has had another
 * owner since it was claimed, or has more keys of a dead one than one hold of the lock may put
 * back; or another -errno. */
static int enter_slot(workq *q) {
  struct slot *slot = q->slot;
  int64_t now_ns = handle_now_ns(q);
  if (owner_next_generation(slot->attachment.generation) != q->generation) return -EAGAIN;
  /* No other thread touches it now: if it is busy, a dead thread holds it. */
  bool stuck = life_try(q, q->slot_id) < 0;
  int rc = 0;
  if (slot->attachment.state == SLOT_ATTACHED && (rc = evict_dead(q, slot)) == 0)
    rc = signal_after_vacating(q, true, now_ns);
  if (rc != 0) {
    if (!stuck) life_release(q, q->slot_id);
    return rc > 0 ? -EAGAIN : rc;
  }
  if (stuck) {
    life_renew(q, q->slot_id);
    if (life_try(q, q->slot_id) < 0) return -EUCLEAN;
  }
  thread_note_robust_list();
  char command[sizeof slot->attachment.command + 1] = "";
  prctl(PR_GET_NAME, command);
  atomic_store(&slot->futex.word, q->generation << 2);
  journal_begin(q);
  journal_save(q, &slot->attachment);
  slot->attachment.state = SLOT_ATTACHED;
  slot->attachment.generation = q->generation;
  slot->attachment.pid = getpid();
  slot->attachment.tid = thread_id();
  slot->attachment.since_ns = now_ns;
  memcpy(slot->attachment.command, command, sizeof slot->attachment.command);
  journal_commit(q);
  return 0;
}

/* Sets the handle's private fields for the slot that it has claimed. */
static void use_slot(workq *q) {
  q->slot = &q->slots[q->slot_id];
  q->journal = &q->journals[q->slot_id];
  q->measure = times_of(q, q->slot_id);
  wait_forget(q);
  q->transaction.grouped = false;
  q->wakes.keeps_next = false;
  q->waiter.cancelled = WAIT_NONE;
  q->held = NULL;
}

static int commit_slot(workq *q) {
  uint64_t journal_off = q->geometry.journals_off + (uint64_t)q->slot_id * sizeof(struct journal);
  int rc = segment_commit(q, journal_off, sizeof(struct journal));
  if (rc < 0 || !q->measure) return rc;
  return segment_commit(q, (uint64_t)((unsigned char *)q->measure - q->base), sizeof *q->measure);
}

/* Takes the slot that was claimed.  Returns 0 or -errno as enter_slot(), also of the lock. */
static int take_slot(workq *q) {
  use_slot(q);
  int rc = commit_slot(q);
  if (rc < 0) return rc;
  stamp_take(q);
  lock_clear_stale_holder(q);
  owner_describe(q);
  journal_attach(q);
  /* Here rather than under the lock: the heap is needed as a whole. */
  (void)region_has(&q->regions.heap, q->control->cold.heap_committed);
  do {
    if ((rc = lock_acquire(q, CLOCK_NEVER)) < 0) return rc;
    rc = enter_slot(q);
    wait_publish(q);
    lock_release(q);
    wait_wake(q);
  } while (rc == -EAGAIN && owner_next_generation(load32(&q->slot->attachment.generation)) == q->generation);
  return rc;
}

/* The thread does not own the slot that it has claimed, or no longer owns it: from now on only the
 * byte shows whether the slot has an owner. */
static void disown_slot(workq *q) {
  /* Until it has written its identity there, that is a dead owner's. */
  if (atomic_load(&q->slot->owner.generation) == q->generation) atomic_store(&q->slot->owner.tid, 0);
  owner_byte_unlock(q, q->slot_id, q->generation);
}

int slot_attach(workq *q) {
  int rc = -EAGAIN;
  (void)thread_read_id();
  for (int tries = 0; tries < CLAIM_TRIES && rc == -EAGAIN; tries++) {
    if ((rc = claim_any(q)) < 0) return rc;
    rc = take_slot(q);
    if (rc < 0) disown_slot(q);
    owner_byte_unlock(q, q->slot_id, CLAIM);
  }
  if (rc < 0) return rc == -EAGAIN ? -EUSERS : rc;
  q->fork_page->pid = getpid();
  q->fork_page->tid = q->thread = thread_id();
  return 0;
}

/* Under the lock.  Returns 0, and the life mutex is unlocked; 1 if there is more to do than one
 * hold of the lock may; or -errno. */
static int leave_slot(workq *q) {
  if (!slot_is_own(q)) return -ESTALE;
  int64_t now_ns = handle_now_ns(q);
  /* Keys that were due before go before the released ones. */
  int rc = q->control->hot.flags & QUEUE_SHUT_DOWN ? 0 : state_promote(q, now_ns);
  if (rc == 0) rc = put_keys_back(q, q->slot, put_released, now_ns);
  if (rc == 0) rc = vacate(q, q->slot, false);
  if (rc != 0) return rc;
  life_release(q, q->slot_id);
  (void)signal_after_vacating(q, false, now_ns); /* the next operation finds the same damage */
  return 0;
}

int slot_detach(workq *q) {
  int rc;
  stamp_take(q);
  do {
    if ((rc = lock_acquire(q, CLOCK_NEVER)) < 0) break;
    rc = leave_slot(q);
    wait_publish(q);
    lock_release(q);
    wait_wake(q);
  } while (rc > 0);
  if (rc == 0) owner_byte_unlock(q, q->slot_id, q->generation);
  if (rc < 0 && rc != -ESTALE && rc != -EDEADLK) {
    /* It is left for the next reap pass, as a dead owner's. */
    life_release(q, q->slot_id);
    disown_slot(q);
  }
  return rc;
}

static int reattach(workq *q) {
  struct fingerprint here;
  int rc = fingerprint_read(&here);
  if (rc < 0) return rc;
  if (fingerprint_differs(&q->header.fingerprint, &here, NULL, 0)) return -EPROTONOSUPPORT;
  /* The inherited description would keep the parent's byte locked as long as it is open here. */
  int fd = segment_reopen(q);
  if (fd < 0) return fd;
  segment_close(q);
  rc = segment_adopt(q, fd);
  if (rc == 0) rc = segment_mark(q);
  if (rc < 0) return rc;
  if (getrandom(&q->random, sizeof q->random, 0) != (ssize_t)sizeof q->random) q->random ^= (uint64_t)getpid();
  return slot_attach(q);
}

int slot_reattach(workq *q) {
  int state;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
  int rc = reattach(q);
  pthread_setcancelstate(state, &state);
  return rc;
}
