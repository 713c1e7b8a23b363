/*
 * slot.c: a handle's place in the segment.
 *
 * A slot is its tenant's by two tokens: a lock on the slot's byte of the file, which its open file description holds, and
 * the life mutex, which the tenant's thread holds.  They are taken in this order before the slot is entered as attached,
 * and given back in the other after it is entered as free.  So:
 *
 *   attached, mutex to be had              its thread died
 *   attached, mutex busy, byte not locked  its thread died, and the kernel could not say so by the mutex
 *   free, byte locked                      somebody is about to attach, or has just detached
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "slot.h"

#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "delay.h"
#include "fingerprint.h"
#include "journal.h"
#include "lifecycle.h"
#include "lock.h"
#include "measure.h"
#include "segment.h"
#include "wait.h"

/* The bytes of the living are looked at this often at most: that costs a system call a slot. */
#define BYTES_INTERVAL_NS (500 * NS_PER_MS)

#define CLAIM_TRIES 20

__thread pid_t handle_thread_id;

pid_t handle_read_thread_id(void) {
  return handle_thread_id = (pid_t)syscall(SYS_gettid);
}

/* ---- Putting a tenant out ---- */

typedef int put_back(workq *q, struct slot *slot, uint32_t index, struct item *item, int64_t now_ns);

static int put_released(workq *q, struct slot *slot, uint32_t index, struct item *item, int64_t now_ns) {
  (void)now_ns;
  return lifecycle_release(q, slot, index, item);
}

/* Each key as a transaction of its own. */
static int put_keys_back(workq *q, struct slot *slot, put_back *put, int64_t now_ns) {
  uint32_t index;
  for (uint32_t n = 0; (index = slot->own.processing.head) != 0; n++) {
    struct item *item = item_at(q, index);
    if (!item || n > q->geometry.capacity) return -EUCLEAN;
    journal_begin(q);
    journal_save(q, item);
    journal_save(q, &slot->own);
    int rc = put(q, slot, index, item, now_ns);
    if (rc < 0) {
      journal_abort(q);
      return rc;
    }
    journal_commit(q);
  }
  return 0;
}

/* Adds the tenant's counters to the queue's. */
static void fold_counters(workq *q, struct slot *slot) {
  struct totals *totals = &q->control->totals;
  journal_save(q, totals);
  totals->adds += slot->own.adds;
  totals->coalesced += slot->own.coalesced;
  totals->gets += slot->own.gets;
  totals->dones += slot->own.dones;
  totals->retries += slot->own.retries;
  totals->gave_up += slot->rare.gave_up;
  journal_save(q, &totals->after_adds);
  totals->after_adds += slot->rare.after_adds;
  totals->postponed += slot->rare.postponed;
  totals->returned += slot->rare.returned;
  measure_fold(q, (uint32_t)(slot - q->slots));
}

/* The slot's keys are back; makes it free, as one transaction. */
static int vacate(workq *q, struct slot *slot, bool dead) {
  journal_begin(q);
  int rc = wait_leave(q, slot);
  if (rc < 0) {
    journal_abort(q);
    return rc;
  }
  fold_counters(q, slot);
  journal_save(q, &slot->own);
  memset(&slot->own, 0, sizeof slot->own);
  journal_save(q, &slot->rare);
  memset(&slot->rare, 0, sizeof slot->rare);
  journal_save(q, &slot->who);
  slot->who.state = SLOT_FREE;
  slot->who.generation++;
  slot->who.pid = slot->who.tid = 0;
  if (dead) {
    journal_save(q, &q->control->totals.reaped);
    q->control->totals.reaped++;
  }
  journal_commit(q);
  return 0;
}

/* By the exact time, whatever clock the look was for: the keys' delays begin now. */
static int reap_tenant(workq *q, struct slot *slot) {
  int rc = put_keys_back(q, slot, lifecycle_crash, handle_now_ns(q));
  return rc < 0 ? rc : vacate(q, slot, true);
}

int64_t slot_leader_wake_ns(const workq *q, int64_t now_ns) {
  int64_t tick_ns = clock_add_ns(now_ns, q->header.reap_interval_ns);
  int64_t next_ns = q->control->hot.flags & QUEUE_SHUT_DOWN ? CLOCK_NEVER : delay_next_ns(q);
  return next_ns < tick_ns ? next_ns : tick_ns;
}

/* After a slot was vacated: its tenant may have been the leader; and with a dead one, a wake-up may have died. */
static int pass_on(workq *q, bool dead, int64_t now_ns) {
  const struct hot_line *hot = &q->control->hot;
  journal_begin(q);
  int rc = dead ? wait_rouse(q) : wait_lead(q, slot_leader_wake_ns(q, now_ns));
  if (rc >= 0 && hot->ready && !(hot->flags & QUEUE_PAUSED)) rc = wait_signal(q, WAIT_GET);
  if (rc >= 0) rc = wait_signal(q, WAIT_ROOM);
  if (rc >= 0) rc = wait_signal(q, WAIT_DRAIN);
  if (rc < 0) {
    journal_abort(q);
    return rc;
  }
  journal_commit(q);
  return 0;
}

/* Returns 1 if the slot's tenant was dead and is out, 0 if it lives. */
static int reap_slot(workq *q, uint32_t i, bool thorough) {
  bool stuck = life_try(q, i) < 0;
  /* Having the byte, the reaper is alone with a mutex that nobody can unlock. */
  if (stuck && (!thorough || segment_byte_lock(q->fd, i) < 0)) return 0;
  int rc = reap_tenant(q, &q->slots[i]);
  if (stuck) {
    life_renew(q, i);
    segment_byte_unlock(q->fd, i);
  } else {
    life_release(q, i);
  }
  return rc < 0 ? rc : 1;
}

int slot_reap(workq *q, bool thorough, int64_t now_ns) {
  int found = 0;
  for (uint32_t i = 0; i < q->geometry.handles; i++) {
    if (i == q->slot_id || q->slots[i].who.state != SLOT_ATTACHED) continue;
    int rc = reap_slot(q, i, thorough);
    if (rc < 0) return rc;
    found += rc;
  }
  q->control->reap.mutexes_ns = now_ns;
  if (thorough) q->control->reap.bytes_ns = now_ns;
  int rc = found ? pass_on(q, true, now_ns) : 0;
  return rc < 0 ? rc : found;
}

/* The coarse clock may be so late, as the kernel's slowest tick has it. */
#define TICK_NS (10 * NS_PER_MS)

/* Has interval_ns passed since?  A time from the future (another clock, or damage) counts as passed; not one that only the
 * exact clock can have told yet. */
static bool interval_over(int64_t since_ns, int64_t now_ns, int64_t interval_ns) {
  return since_ns > clock_add_ns(now_ns, TICK_NS) || clock_add_ns(since_ns, interval_ns) <= now_ns;
}

int slot_reap_if_due(workq *q, int64_t now_ns) {
  int64_t interval_ns = q->header.reap_interval_ns;
  if (!interval_over(q->control->reap.mutexes_ns, now_ns, interval_ns)) return 0;
  if (interval_ns < BYTES_INTERVAL_NS) interval_ns = BYTES_INTERVAL_NS;
  return slot_reap(q, interval_over(q->control->reap.bytes_ns, now_ns, interval_ns), now_ns);
}

/* ---- Taking a slot ---- */

/*
 * Takes the tokens of a slot that is entered as that: free, or a dead tenant's.  The byte comes first, and is given back last:
 * so a living thread that has the mutex has the byte, and who has the byte may make the mutex anew.  *stuck is set if
 * the mutex was busy: held by nobody, or by a reaper for a moment.
 */
static int claim(workq *q, uint32_t i, uint32_t state, bool *stuck) {
  if (q->slots[i].who.state != state) return -EBUSY;
  int rc = segment_byte_lock(q->fd, i);
  if (rc < 0) return rc;
  *stuck = life_try(q, i) < 0;
  return 0;
}

/*
 * One look at all slots, the free ones first.  *changing is set if one is neither a living tenant's nor to be had.  Returns
 * -EUSERS if none is to be had, and what else the system may say of a lock.
 */
static int claim_look(workq *q, uint32_t *slot, bool *stuck, bool *changing) {
  for (uint32_t state = SLOT_FREE; state <= SLOT_ATTACHED; state++) {
    for (uint32_t i = 0; i < q->geometry.handles; i++) {
      int rc = claim(q, *slot = i, state, stuck);
      if (rc != -EBUSY) return rc;
      if (q->slots[i].who.state == SLOT_FREE) *changing = true;
    }
  }
  return -EUSERS;
}

/* A slot that somebody is just giving back, or taking, may be to be had a moment later. */
static int claim_any(workq *q, uint32_t *slot, bool *stuck) {
  int rc = -EUSERS;
  bool changing = true;
  for (int tries = 0; tries < CLAIM_TRIES && rc == -EUSERS && changing; tries++) {
    struct timespec moment = clock_timespec(NS_PER_MS);
    if (tries) nanosleep(&moment, NULL);
    changing = false;
    rc = claim_look(q, slot, stuck, &changing);
  }
  return rc;
}

static void give_tokens_back(workq *q, bool stuck) {
  if (!stuck) life_release(q, q->slot_id);
  segment_byte_unlock(q->fd, q->slot_id);
}

/* Under the lock: enters this thread as the tenant. */
static int move_in(workq *q, pid_t tid, bool *stuck) {
  struct slot *slot = q->slot;
  int64_t now_ns = handle_now_ns(q);
  /* No reaper is at work now: if the mutex is still busy, nobody holds it. */
  if (*stuck && life_try(q, q->slot_id) < 0) {
    life_renew(q, q->slot_id);
    if (life_try(q, q->slot_id) < 0) return -EUCLEAN;
  }
  *stuck = false;
  if (slot->who.state == SLOT_ATTACHED) {
    int rc = reap_tenant(q, slot);
    if (rc == 0) rc = pass_on(q, true, now_ns);
    if (rc < 0) return rc;
  }
  char command[sizeof slot->who.command + 1] = "";
  prctl(PR_GET_NAME, command);
  journal_begin(q);
  journal_save(q, &slot->who);
  slot->who.state = SLOT_ATTACHED;
  q->generation = ++slot->who.generation;
  slot->who.pid = getpid();
  slot->who.tid = tid;
  slot->who.since_ns = now_ns;
  memcpy(slot->who.command, command, sizeof slot->who.command);
  journal_commit(q);
  return 0;
}

int slot_attach(workq *q) {
  uint32_t id;
  bool stuck = false;
  pid_t tid = handle_read_thread_id();
  int rc = claim_any(q, &id, &stuck);
  if (rc < 0) return rc;
  q->slot_id = id;
  q->slot = &q->slots[id];
  q->journal = &q->journals[id];
  q->wakes_count = 0;
  q->grouped = false;
  q->serves_itself = false;
  q->held = NULL;
  q->measure = measure_of(q, id);
  uint64_t journal_off = q->geometry.journals_off + (uint64_t)id * sizeof(struct journal);
  rc = segment_commit(q->fd, journal_off, sizeof(struct journal));
  if (rc == 0 && q->measure)
    rc = segment_commit(q->fd, (uint64_t)((unsigned char *)q->measure - q->base), sizeof *q->measure);
  if (rc == 0) {
    measure_stamp(q);
    lock_forget_predecessor(q);
    journal_attach(q);
    /* Here rather than under the lock: the heap is needed as a whole. */
    (void)reach_all(&q->heap_reach, q->control->cold.heap_committed);
    rc = lock_acquire(q, CLOCK_NEVER);
  }
  if (rc >= 0) {
    rc = move_in(q, tid, &stuck);
    wait_publish(q);
    lock_release(q);
    wait_wake(q);
  }
  if (rc < 0) give_tokens_back(q, stuck);
  else q->fork_page->tid = tid;
  return rc;
}

int slot_detach(workq *q) {
  measure_stamp(q);
  int rc = lock_acquire(q, CLOCK_NEVER);
  if (rc < 0) {
    give_tokens_back(q, false); /* whoever gets the lock finds a dead tenant */
    return rc;
  }
  if (slot_is_own(q)) {
    int64_t now_ns = handle_now_ns(q);
    /* What was due before goes before. */
    rc = q->control->hot.flags & QUEUE_SHUT_DOWN ? 0 : lifecycle_promote(q, now_ns);
    if (rc == 0) rc = put_keys_back(q, q->slot, put_released, now_ns);
    if (rc == 0) rc = vacate(q, q->slot, false);
    if (rc == 0) rc = pass_on(q, false, now_ns);
  } else {
    rc = -ESTALE;
  }
  wait_publish(q);
  lock_release(q);
  wait_wake(q);
  if (rc != -ESTALE) give_tokens_back(q, false);
  return rc;
}

int slot_reattach(workq *q) {
  struct fingerprint here;
  int rc = fingerprint_read(&here);
  if (rc < 0) return rc;
  if (fingerprint_differs(&q->header.fingerprint, &here, NULL, 0)) return -EPROTONOSUPPORT;
  /* The inherited description keeps the parent's byte locked as long as it is open here. */
  int fd = segment_reopen(q);
  if (fd < 0) return fd;
  close(q->fd);
  q->fd = fd;
  if (getrandom(&q->random, sizeof q->random, 0) != (ssize_t)sizeof q->random) q->random ^= (uint64_t)getpid();
  return slot_attach(q);
}
