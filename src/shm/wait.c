/*
 * wait.c: sleeping and waking: a robust condition variable.  wait.h explains how it works.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wait.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "journal.h"
#include "lock.h"

/*
 * The state in a futex word.  The word also has the slot's generation: so a handle that has lost
 * its slot cannot mark the next owner's word.
 */
enum { SIGNALLED = 0, ASLEEP = 1, SPINNING = 2, CANCELLED = 3, STATE_MASK = 3 };

/* Cancelled waiters skipped at a time.  Each is a line of the journal, and an operation may walk
 * two lists and the heap. */
#define CANCELLED_MAX 4

/* About the cost of sleeping and being woken where a wake-up is slow: in a virtual machine. */
#define SPIN_MAX_NS (100 * INT64_C(1000))
#define SPIN_MIN_NS (2 * INT64_C(1000))
#define PROBE_EVERY 16u
#define PAUSES      16

static uint32_t own_word(const workq *q, uint32_t state) {
  return q->generation << 2 | state;
}

/* ---- The lists ---- */

/* Links a slot that is in no list, and whose line is saved, between two neighbours: numbers, 0 for
 * none. */
static int link_between(workq *q, uint32_t kind, struct slot *slot, uint32_t newer, uint32_t older) {
  struct list *list = &q->control->wait.list[kind];
  uint32_t number = (uint32_t)(slot - q->slots) + 1;
  struct slot *before = slot_at(q, newer), *after = slot_at(q, older);
  if ((newer && !before) || (older && !after)) return -EUCLEAN;
  journal_save(q, &q->control->wait);
  if (before) {
    journal_save(q, &before->wait);
    before->wait.next = number;
  } else {
    list->head = number;
  }
  if (after) {
    journal_save(q, &after->wait);
    after->wait.prev = number;
  } else {
    list->tail = number;
  }
  slot->wait.kind = kind;
  slot->wait.next = older;
  slot->wait.prev = newer;
  list->count++;
  return 0;
}

static int link_as_newest(workq *q, uint32_t kind, struct slot *slot) {
  return link_between(q, kind, slot, 0, q->control->wait.list[kind].head);
}

/* Behind those that arrived before it, which are few: it has been waiting for long. */
static int link_by_arrival(workq *q, uint32_t kind, struct slot *slot) {
  uint32_t older = 0, newer = q->control->wait.list[kind].tail;
  for (uint32_t n = 0; newer && n < q->geometry.handles; n++) {
    const struct slot *near = slot_at(q, newer);
    if (!near || near->wait.kind != kind) return -EUCLEAN;
    if ((int32_t)(near->own.arrival - slot->own.arrival) > 0) break;
    older = newer;
    newer = near->wait.prev;
  }
  return link_between(q, kind, slot, newer, older);
}

int wait_enter(workq *q, uint32_t kind, int64_t wake_ns, bool again) {
  struct slot *me = q->slot;
  journal_save(q, &me->wait);
  me->wait.wake_ns = wake_ns;
  me->wait.hash = q->waiter.space_hash;
  if (me->wait.kind == kind) return 0;
  int rc = wait_leave(q, me);
  if (rc < 0) return rc;
  if (again) return link_by_arrival(q, kind, me);
  if (kind != WAIT_GET) {
    journal_save(q, &q->control->cold);
    me->own.arrival = ++q->control->cold.arrivals;
  }
  return link_as_newest(q, kind, me);
}

/* wait_leave() where the slot is in a list, and the line of the lists is saved. */
static int leave_list(workq *q, struct slot *slot) {
  uint32_t kind = slot->wait.kind;
  if (kind == WAIT_NONE || kind >= WAIT_KINDS) return -EUCLEAN;
  struct list *list = &q->control->wait.list[kind];
  uint32_t next = slot->wait.next, prev = slot->wait.prev;
  struct slot *after = slot_at(q, next), *before = slot_at(q, prev);
  if ((next && !after) || (prev && !before)) return -EUCLEAN;
  journal_save(q, &slot->wait);
  if (before) {
    journal_save(q, &before->wait);
    before->wait.next = next;
  } else {
    list->head = next;
  }
  if (after) {
    journal_save(q, &after->wait);
    after->wait.prev = prev;
  } else {
    list->tail = prev;
  }
  list->count--;
  slot->wait.kind = WAIT_NONE;
  slot->wait.next = slot->wait.prev = 0;
  return 0;
}

int wait_leave(workq *q, struct slot *slot) {
  if (slot->wait.kind == WAIT_NONE) return 0;
  journal_save(q, &q->control->wait);
  return leave_list(q, slot);
}

static void note_wake(workq *q, const struct slot *slot) {
  uint32_t number = (uint32_t)(slot - q->slots);
  uint64_t *word = &q->wakes.noted[number / 64], bit = UINT64_C(1) << number % 64;
  if (*word & bit) return;
  *word |= bit;
  q->wakes.slots[q->wakes.count++] = number;
}

void wait_forget(workq *q) {
  q->wakes.count = 0;
  memset(q->wakes.noted, 0, (q->geometry.handles + 63) / 64 * sizeof *q->wakes.noted);
}

static bool is_cancelled(const struct slot *slot) {
  return (atomic_load_explicit(&slot->futex.word, memory_order_relaxed) & STATE_MASK) == CANCELLED;
}

/* Which waiter to signal next: see wait.h. */
static uint32_t choose(workq *q, uint32_t kind) {
  struct wait_line *wait = &q->control->wait;
  bool newest = kind == WAIT_GET && ++wait->signals % WAIT_OLDEST_EVERY != 0;
  return newest ? wait->list[kind].head : wait->list[kind].tail;
}

/* The leader was removed by another thread: the next oldest leads from now on, and is woken to
 * compute its wake-up time. */
static int replace_leader(workq *q) {
  uint32_t oldest = q->control->wait.list[WAIT_GET].tail;
  struct slot *slot = slot_at(q, oldest);
  if (!slot) return oldest ? -EUCLEAN : 0;
  journal_save(q, &slot->wait);
  slot->wait.wake_ns = handle_now_ns(q); /* if it does not wake, it counts as late from now on */
  note_wake(q, slot);
  return 0;
}

/* Grants the free space to a waiter that was removed from its list. */
static int grant_space(workq *q, struct slot *slot) {
  int rc = link_as_newest(q, WAIT_GRANTED, slot);
  slot->wait.wake_ns = clock_add_ns(handle_now_ns(q), q->header.reap_interval_ns);
  return rc;
}

int wait_signal(workq *q, uint32_t kind) {
  if (!wait_anyone(q, kind)) return 0;
  /* Once for all that are skipped: the lines of their slots would each make the journal forget that
   * it is saved. */
  journal_save(q, &q->control->wait);
  for (int passed = 0; passed <= CANCELLED_MAX; passed++) {
    uint32_t number = choose(q, kind);
    if (number == 0) return 0;
    struct slot *slot = slot_at(q, number);
    if (!slot || slot->wait.kind != kind) return -EUCLEAN;
    bool led = kind == WAIT_GET && number == q->control->wait.list[kind].tail;
    int rc = leave_list(q, slot);
    if (rc == 0 && led) rc = replace_leader(q);
    if (rc < 0) return rc;
    if (is_cancelled(slot)) continue;
    if (kind == WAIT_SPACE && (rc = grant_space(q, slot)) < 0) return rc;
    note_wake(q, slot);
    return 1;
  }
  return 0; /* the next signal finds the rest */
}

int wait_signal_key(workq *q, uint32_t hash) {
  uint32_t number = q->control->wait.list[WAIT_SPACE].tail;
  for (uint32_t n = 0; number && n < q->geometry.handles; n++) {
    struct slot *slot = slot_at(q, number);
    if (!slot || slot->wait.kind != WAIT_SPACE) return -EUCLEAN;
    if (slot->wait.hash == hash && !is_cancelled(slot)) {
      note_wake(q, slot);
      return 1;
    }
    number = slot->wait.prev;
  }
  return 0;
}

bool wait_is_next_for_space(const workq *q) {
  uint32_t oldest = q->control->wait.list[WAIT_SPACE].tail;
  return q->slot->wait.kind == WAIT_GRANTED || oldest == 0 || oldest == q->slot_id + 1;
}

/* Sets *slot to the oldest in a list, null if there is none. */
static int oldest_of(const workq *q, uint32_t kind, struct slot **slot) {
  uint32_t oldest = q->control->wait.list[kind].tail;
  *slot = slot_at(q, oldest);
  return oldest && !*slot ? -EUCLEAN : 0;
}

int wait_prune(workq *q, uint32_t kind, int64_t late_ns) {
  for (int pruned = 0; pruned < CANCELLED_MAX; pruned++) {
    struct slot *slot;
    int rc = oldest_of(q, kind, &slot);
    if (rc < 0 || !slot || slot == q->slot) return rc;
    if (!is_cancelled(slot) && slot->wait.wake_ns >= late_ns) return 0;
    if (pruned == 0) journal_save(q, &q->control->wait);
    rc = leave_list(q, slot);
    if (rc < 0) return rc;
  }
  return 0;
}

/* The leader, after removing cancelled waiters before it. */
static int find_leader(workq *q, struct slot **leader) {
  int rc = wait_prune(q, WAIT_GET, INT64_MIN);
  return rc < 0 ? rc : oldest_of(q, WAIT_GET, leader);
}

void wait_cancel(workq *q) {
  _Atomic uint32_t *place = &q->slot->futex.word;
  uint32_t word = atomic_load(place);
  q->waiter.cancelled = q->waiter.kind;
  while (word >> 2 == own_word(q, 0) >> 2)
    if (atomic_compare_exchange_weak(place, &word, own_word(q, CANCELLED))) return;
}

bool wait_is_leader(const workq *q) {
  return q->control->wait.list[WAIT_GET].tail == q->slot_id + 1;
}

int wait_advance_leader(workq *q, int64_t wake_ns) {
  struct slot *slot;
  int rc = find_leader(q, &slot);
  if (rc < 0 || !slot || slot->wait.wake_ns <= wake_ns) return rc;
  journal_save(q, &slot->wait);
  slot->wait.wake_ns = wake_ns;
  if (slot != q->slot) note_wake(q, slot);
  return 0;
}

int wait_wake_leader(workq *q) {
  struct slot *slot;
  int rc = find_leader(q, &slot);
  if (rc == 0 && slot && slot != q->slot) note_wake(q, slot);
  return rc;
}

/* ---- Waking ---- */

/* Returns the word's old state.  A waiter that was cancelled since its word was read may still be
 * in a list: it stays marked. */
static uint32_t signal_slot(struct slot *slot) {
  uint32_t word = atomic_load(&slot->futex.word);
  while ((word & STATE_MASK) != CANCELLED &&
         !atomic_compare_exchange_weak(&slot->futex.word, &word, (word & ~(uint32_t)STATE_MASK) | SIGNALLED))
    continue;
  return word & STATE_MASK;
}

void wait_publish(workq *q) {
  uint32_t asleep = 0, count = q->wakes.count;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t slot = q->wakes.slots[i], state = signal_slot(&q->slots[slot]);
    q->wakes.noted[slot / 64] = 0; /* they are cleared word by word */
    /* An earlier waker may have died after it signalled the slot and before it woke it. */
    if (state == ASLEEP || state == SIGNALLED) q->wakes.slots[asleep++] = slot;
  }
  q->wakes.count = asleep;
}

void wait_wake(workq *q) {
  for (uint32_t i = 0; i < q->wakes.count; i++)
    syscall(SYS_futex, &q->slots[q->wakes.slots[i]].futex.word, FUTEX_WAKE, 1, NULL, NULL, 0);
  q->wakes.count = 0;
}

/* ---- Sleeping ---- */

void wait_arm(workq *q) {
  atomic_store(&q->slot->futex.word, own_word(q, SPINNING));
}

/*
 * How long to spin: twice the recent gap between starting to wait and its end, if that is short;
 * otherwise not, except for a try now and then to see whether gaps have become short.
 */
static int64_t spin_budget_ns(workq *q) {
  if (!q->waiter.may_spin) return 0;
  if (q->waiter.gap_ns <= SPIN_MAX_NS / 2)
    return q->waiter.gap_ns * 2 > SPIN_MIN_NS ? q->waiter.gap_ns * 2 : SPIN_MIN_NS;
  return ++q->waiter.probes % PROBE_EVERY == 0 ? SPIN_MAX_NS : 0;
}

/* An average that follows short gaps quickly, and long ones slowly. */
static void learn_gap(workq *q, int64_t start_ns) {
  int64_t gap_ns = clock_monotonic_ns() - start_ns;
  if (gap_ns > SPIN_MAX_NS) gap_ns = SPIN_MAX_NS;
  q->waiter.gap_ns = gap_ns < q->waiter.gap_ns ? (q->waiter.gap_ns + gap_ns) / 2 : (3 * q->waiter.gap_ns + gap_ns) / 4;
}

/* Is there something for a get?  Without the lock: the caller checks again under it. */
static bool may_get(const workq *q) {
  const struct hot_line *hot = &q->control->hot;
  return __atomic_load_n(&hot->ready, __ATOMIC_RELAXED) || __atomic_load_n(&hot->flags, __ATOMIC_RELAXED);
}

int64_t wait_poll_ns(workq *q) {
  q->waiter.polled_ns = 0;
  return __atomic_load_n(&q->control->hot.flags, __ATOMIC_RELAXED) ? 0 : spin_budget_ns(q);
}

void wait_poll(workq *q, int64_t budget_ns, int64_t deadline_ns) {
  int64_t start_ns = clock_monotonic_ns(), end_ns = start_ns + budget_ns;
  if (deadline_ns < end_ns) end_ns = deadline_ns;
  q->waiter.polled_ns = start_ns;
  /* Keys come one after another: if they may accumulate, one hand-over of the lock brings
   * several. */
  if (lock_is_contended(q)) lock_pause(q->backoff.duration_ns);
  do {
    for (int i = 0; i < PAUSES; i++) {
      if (may_get(q)) {
        learn_gap(q, start_ns);
        return;
      }
      cpu_relax();
    }
  } while (clock_monotonic_ns() < end_ns);
}

/* Returns true when signalled. */
static bool spin_until_signalled(const workq *q, int64_t end_ns) {
  const _Atomic uint32_t *word = &q->slot->futex.word;
  do {
    for (int i = 0; i < PAUSES; i++) {
      if (atomic_load_explicit(word, memory_order_acquire) != own_word(q, SPINNING)) return true;
      cpu_relax();
    }
  } while (clock_monotonic_ns() < end_ns);
  return false;
}

static int sleep_until_signalled(workq *q, int64_t end_ns) {
  _Atomic uint32_t *word = &q->slot->futex.word;
  uint32_t spinning = own_word(q, SPINNING), asleep = own_word(q, ASLEEP);
  if (!atomic_compare_exchange_strong(word, &spinning, asleep)) return 0;
  while (atomic_load(word) == asleep) {
    /* Who unlinks a queue wakes all that sleep, but takes no lock, and changes no word. */
    if (atomic_load(&q->control->lock.removed) == REMOVED_UNLINKED) return 0;
    int64_t now_ns = clock_monotonic_ns();
    if (now_ns >= end_ns) return ETIMEDOUT;
    struct timespec left = clock_timespec(end_ns - now_ns);
    if (syscall(SYS_futex, word, FUTEX_WAIT, asleep, &left, NULL, 0) != 0 && errno == EINTR) return EINTR;
  }
  return 0;
}

int wait_sleep(workq *q, uint32_t kind, int64_t duration_ns) {
  if (duration_ns <= 0) return ETIMEDOUT;
  int64_t start_ns = clock_monotonic_ns();
  /* A get has polled before it entered the list. */
  int64_t budget_ns = kind == WAIT_GET ? 0 : spin_budget_ns(q);
  if (budget_ns > duration_ns) budget_ns = duration_ns;
  int rc = 0;
  if (budget_ns == 0 || !spin_until_signalled(q, start_ns + budget_ns))
    rc = sleep_until_signalled(q, clock_add_ns(start_ns, duration_ns));
  /* A poll without success belongs to the gap: where it keeps the adder from its processor, the
   * sleep after it is always short. */
  learn_gap(q, kind == WAIT_GET && q->waiter.polled_ns ? q->waiter.polled_ns : start_ns);
  return rc;
}
