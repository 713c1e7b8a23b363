/*
 * wait.c: sleeping and waking: the project's own robust condition variable.  wait.h tells how it works.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "wait.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "journal.h"
#include "lock.h"

/* What a futex word says. */
enum { TOLD = 0, ASLEEP = 1, SPINNING = 2, DESERTED = 3 };

/* Deserters passed over at a time.  Each is a line of the journal, and an operation may look at two lists beside the heap. */
#define DESERTERS_MAX 4

/* About what it costs to sleep and be woken, there and back, where a wake-up is slow: in a virtual machine. */
#define SPIN_MAX_NS (100 * INT64_C(1000))
#define SPIN_MIN_NS (2 * INT64_C(1000))
#define PROBE_EVERY 16u
#define PAUSES      16

/* ---- The lists ---- */

int wait_enter(workq *q, uint32_t kind, int64_t wake_ns) {
  struct slot *me = q->slot;
  struct list *list = &q->control->wait.list[kind];
  journal_save(q, &me->wait);
  me->wait.wake_ns = wake_ns;
  if (me->wait.kind == kind) return 0;
  int rc = wait_leave(q, me);
  if (rc < 0) return rc;
  journal_save(q, &q->control->wait);
  uint32_t old = list->head;
  if (old) {
    struct slot *newest = slot_at(q, old);
    if (!newest) return -EUCLEAN;
    journal_save(q, &newest->wait);
    newest->wait.prev = q->slot_id + 1;
  } else {
    list->tail = q->slot_id + 1;
  }
  me->wait.kind = kind;
  me->wait.next = old;
  me->wait.prev = 0;
  list->head = q->slot_id + 1;
  list->count++;
  return 0;
}

/* wait_leave() where the slot stands in a list, and the line of the lists is saved. */
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

static void remember_wake(workq *q, const struct slot *slot) {
  if (q->wakes_count < 2 * q->geometry.handles) q->wakes[q->wakes_count++] = (uint32_t)(slot - q->slots);
}

static bool has_deserted(const struct slot *slot) {
  return atomic_load_explicit(&slot->futex.word, memory_order_relaxed) == DESERTED;
}

int wait_signal(workq *q, uint32_t kind) {
  if (!wait_anyone(q, kind)) return 0;
  /* Once for all who are passed over: the lines of their slots would each make the journal forget that it is saved. */
  journal_save(q, &q->control->wait);
  for (int deserters = 0; deserters <= DESERTERS_MAX; deserters++) {
    uint32_t newest = q->control->wait.list[kind].head;
    if (newest == 0) return 0;
    struct slot *slot = slot_at(q, newest);
    if (!slot || slot->wait.kind != kind) return -EUCLEAN;
    int rc = leave_list(q, slot);
    if (rc < 0) return rc;
    if (has_deserted(slot)) continue;
    remember_wake(q, slot);
    return 1;
  }
  return 0; /* the next to come by finds the rest */
}

/* Sets *leader to the oldest in WAIT_GET, null if there is none. */
static int oldest_of(const workq *q, struct slot **leader) {
  uint32_t oldest = q->control->wait.list[WAIT_GET].tail;
  *leader = slot_at(q, oldest);
  return oldest && !*leader ? -EUCLEAN : 0;
}

int wait_prune(workq *q) {
  for (int deserters = 0; deserters < DESERTERS_MAX; deserters++) {
    struct slot *slot;
    int rc = oldest_of(q, &slot);
    if (rc < 0 || !slot || slot == q->slot || !has_deserted(slot)) return rc;
    if (deserters == 0) journal_save(q, &q->control->wait);
    rc = leave_list(q, slot);
    if (rc < 0) return rc;
  }
  return 0;
}

/* The leader, those before it that have deserted being out. */
static int find_leader(workq *q, struct slot **leader) {
  int rc = wait_prune(q);
  return rc < 0 ? rc : oldest_of(q, leader);
}

void wait_desert(workq *q) {
  atomic_store(&q->slot->futex.word, DESERTED);
}

bool wait_is_leader(const workq *q) {
  return q->control->wait.list[WAIT_GET].tail == q->slot_id + 1;
}

int wait_lead(workq *q, int64_t wake_ns) {
  struct slot *slot;
  int rc = find_leader(q, &slot);
  if (rc < 0 || !slot || slot->wait.wake_ns <= wake_ns) return rc;
  journal_save(q, &slot->wait);
  slot->wait.wake_ns = wake_ns;
  if (slot != q->slot) remember_wake(q, slot);
  return 0;
}

int wait_rouse(workq *q) {
  struct slot *slot;
  int rc = find_leader(q, &slot);
  if (rc == 0 && slot && slot != q->slot) remember_wake(q, slot);
  return rc;
}

/* ---- Waking ---- */

/* Returns what the word said.  Who has deserted since it was looked at may still stand in line, and must stay known for it. */
static uint32_t tell(struct slot *slot) {
  uint32_t word = atomic_load(&slot->futex.word);
  while (word != DESERTED && !atomic_compare_exchange_weak(&slot->futex.word, &word, TOLD)) continue;
  return word;
}

void wait_publish(workq *q) {
  uint32_t asleep = 0;
  for (uint32_t i = 0; i < q->wakes_count; i++) {
    uint32_t word = tell(&q->slots[q->wakes[i]]);
    /* Whoever told one in line before may have died before it woke it. */
    if (word == ASLEEP || word == TOLD) q->wakes[asleep++] = q->wakes[i];
  }
  q->wakes_count = asleep;
}

void wait_wake(workq *q) {
  for (uint32_t i = 0; i < q->wakes_count; i++)
    syscall(SYS_futex, &q->slots[q->wakes[i]].futex.word, FUTEX_WAKE, 1, NULL, NULL, 0);
  q->wakes_count = 0;
}

/* ---- Sleeping ---- */

void wait_arm(workq *q) {
  atomic_store(&q->slot->futex.word, SPINNING);
}

/*
 * How long to spin: twice the recent gap between starting to wait and its end, if that is short; otherwise not, but
 * for a try now and then to see whether times have changed.
 */
static int64_t spin_budget_ns(workq *q) {
  if (!q->may_spin) return 0;
  if (q->gap_ns <= SPIN_MAX_NS / 2) return q->gap_ns * 2 > SPIN_MIN_NS ? q->gap_ns * 2 : SPIN_MIN_NS;
  return ++q->probe % PROBE_EVERY == 0 ? SPIN_MAX_NS : 0;
}

/* Short gaps are soon learned, and not forgotten for a single long one. */
static void learn_gap(workq *q, int64_t start_ns) {
  int64_t gap_ns = clock_monotonic_ns() - start_ns;
  if (gap_ns > SPIN_MAX_NS) gap_ns = SPIN_MAX_NS;
  q->gap_ns = gap_ns < q->gap_ns ? (q->gap_ns + gap_ns) / 2 : (3 * q->gap_ns + gap_ns) / 4;
}

/* Is there something for a get?  Without the lock: whoever thinks so looks again under it. */
static bool may_get(const workq *q) {
  const struct hot_line *hot = &q->control->hot;
  return __atomic_load_n(&hot->ready, __ATOMIC_RELAXED) || __atomic_load_n(&hot->flags, __ATOMIC_RELAXED);
}

int64_t wait_poll_ns(workq *q) {
  q->polled_ns = 0;
  return q->control->hot.flags ? 0 : spin_budget_ns(q);
}

void wait_poll(workq *q, int64_t budget_ns, int64_t deadline_ns) {
  int64_t start_ns = clock_monotonic_ns(), end_ns = start_ns + budget_ns;
  if (deadline_ns < end_ns) end_ns = deadline_ns;
  q->polled_ns = start_ns;
  /* Keys come one after another: one hand-over brings several if they may gather. */
  if (lock_is_contended(q)) lock_pause(q->courtesy_ns);
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

/* Returns true when told. */
static bool spin_until_told(const workq *q, int64_t end_ns) {
  const _Atomic uint32_t *word = &q->slot->futex.word;
  do {
    for (int i = 0; i < PAUSES; i++) {
      if (atomic_load_explicit(word, memory_order_acquire) == TOLD) return true;
      cpu_relax();
    }
  } while (clock_monotonic_ns() < end_ns);
  return false;
}

static int sleep_until_told(workq *q, int64_t end_ns) {
  _Atomic uint32_t *word = &q->slot->futex.word;
  uint32_t spinning = SPINNING;
  if (!atomic_compare_exchange_strong(word, &spinning, ASLEEP)) return 0;
  while (atomic_load(word) == ASLEEP) {
    int64_t now_ns = clock_monotonic_ns();
    if (now_ns >= end_ns) return ETIMEDOUT;
    struct timespec left = clock_timespec(end_ns - now_ns);
    if (syscall(SYS_futex, word, FUTEX_WAIT, ASLEEP, &left, NULL, 0) != 0 && errno == EINTR) return EINTR;
  }
  return 0;
}

int wait_sleep(workq *q, uint32_t kind, int64_t duration_ns) {
  if (duration_ns <= 0) return ETIMEDOUT;
  int64_t start_ns = clock_monotonic_ns();
  int64_t budget_ns = kind == WAIT_GET ? 0 : spin_budget_ns(q); /* a get has spun before it stood in line */
  if (budget_ns > duration_ns) budget_ns = duration_ns;
  int rc = 0;
  if (budget_ns == 0 || !spin_until_told(q, start_ns + budget_ns))
    rc = sleep_until_told(q, clock_add_ns(start_ns, duration_ns));
  /* A poll in vain belongs to the gap: where it keeps the adder from its processor, the sleep after it is always short. */
  learn_gap(q, kind == WAIT_GET && q->polled_ns ? q->polled_ns : start_ns);
  return rc;
}
