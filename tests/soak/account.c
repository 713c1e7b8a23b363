/*
 * The accountant: what the queues owe, kept outside of them in memory of its own, so that it survives whoever is
 * killed.
 *
 * A key's add gets a number, its version, before the call; the version binds when the call has returned.  A run begins
 * with the version that is there after the key was handed out, and counts when it is over, just before it is said to be
 * done.  So a key whose last binding version is later than that of its last counted run must still be in the queue:
 * account_audit() asks for that at any moment, account_verify() when nothing is left.
 *
 * The holder's word is set after a key was handed out and cleared before it is given back.  Who finds another's life in
 * it has proof of two hands, unless that other is beyond doing anything: buried, or past the point in its exit at which
 * the kernel begins to give up its locks.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "soak.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of "flags" in /proc/PID/stat: the process is exiting, and runs no instruction of its own any more. */
#define PF_EXITING 4ul

const char *const role_names[ALL_ROLES] = {
    "worker", "full worker", "crowd",     "producer", "waiter", "feeder", "operator",    "attacher",   "founder",
    "parent", "pool",        "bystander", "reader",   "ender",  "child",  "pool worker", "idle child", "thread"};
const char *const call_names[CALLS] = {"no call", "add",   "add_wait", "add_batch", "get",   "finish", "key",
                                       "queue",   "drain", "look",     "open",      "close", "pool"};

const queue_kind queue_kinds[QUEUES] = {
    [WIDE] = {.keys = WIDE_KEYS,
              .capacity = 4096, /* a leak of records must show as growth */
              .max_crashes = WORKQ_NEVER,
              .reap_interval_ns = 5 * MILLISECOND},
    [NARROW] = {.keys = NARROW_KEYS,
                .first = WIDE_KEYS,
                .capacity = 64,
                .max_crashes = 3,
                .max_retries = 4,
                .reap_interval_ns = 5 * MILLISECOND},
    [FULL] = {.keys = FULL_KEYS,
              .first = WIDE_KEYS + NARROW_KEYS,
              .capacity = 2,
              .max_crashes = WORKQ_NEVER,
              .reap_interval_ns = 100 * MILLISECOND /* nobody gets in because of a tick */},
    [CROWDED] = {.keys = CROWDED_KEYS,
                 .first = WIDE_KEYS + NARROW_KEYS + FULL_KEYS,
                 .capacity = 256,
                 .max_crashes = WORKQ_NEVER,
                 .reap_interval_ns = 50 * MILLISECOND}};

account *shared;
_Thread_local uint32_t my_life;

static _Thread_local life_record *me;

/* ---- Keys ---- */

size_t key_write(key_bytes *bytes, uint32_t number) {
  size_t tail = number % (KEY_MAX - sizeof number + 1);
  bytes->number = number;
  memset(bytes->tail, (int)number, tail);
  return sizeof number + tail;
}

unsigned keys_of(unsigned queue) {
  return queue_kinds[queue].keys;
}

static unsigned account_of(unsigned queue, uint32_t number) {
  return queue_kinds[queue].first + number;
}

key_account *key_of(unsigned queue, uint32_t number) {
  return &shared->keys[account_of(queue, number)];
}

bool key_is_removable(uint32_t number) {
  return number % 8 == 0;
}

static void raise_to(_Atomic uint32_t *word, uint32_t value) {
  uint32_t known = atomic_load(word);
  while (known < value && !atomic_compare_exchange_weak(word, &known, value)) continue;
}

/* ---- Lives ---- */

life_record *life_of(uint32_t life) {
  return &shared->lives[life % LIVES];
}

uint32_t life_find(pid_t pid) {
  uint32_t last = atomic_load(&shared->last_life);
  for (uint32_t life = last; life > 0 && last - life < LIVES; life--) {
    const life_record *record = life_of(life);
    if (atomic_load(&record->pid) == pid) return atomic_load(&record->dead) ? 0 : life;
  }
  return 0;
}

typedef struct thread_stat {
  char state;
  unsigned long flags;
  unsigned long long started;
} thread_stat;

/* What /proc says of a thread.  Returns false where there is no such thread.  The numbers are those behind the last
   parenthesis: the name before it may hold anything. */
static bool read_stat(pid_t pid, pid_t tid, thread_stat *stat) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)pid, (int)tid);
  FILE *file = fopen(path, "re");
  if (file == NULL) return false;
  size_t n = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[n] = '\0';
  const char *end = strrchr(text, ')');
  return end != NULL && sscanf(end, ") %c %*d %*d %*d %*d %*d %lu %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                               &stat->state, &stat->flags, &stat->started) == 3;
}

void life_begin(uint32_t life) {
  my_life = life;
  me = life_of(life);
  thread_stat stat;
  pid_t tid = (pid_t)syscall(SYS_gettid);
  if (!read_stat(getpid(), tid, &stat)) plain_fail("/proc/%d/task/%d/stat cannot be read", (int)getpid(), (int)tid);
  atomic_store(&me->started, stat.started);
  atomic_store(&me->tid, tid);
  atomic_store(&me->pid, getpid());
}

/* A pool's worker may have been waited for by a master that was killed before it could bury it; then its pid may be
   another's by now. */
static bool life_is_gone(uint32_t life) {
  const life_record *record = life_of(life);
  thread_stat stat;
  if (atomic_load(&record->dead) || atomic_load(&record->ended) || !read_stat(record->pid, record->tid, &stat))
    return true;
  return (stat.flags & PF_EXITING) != 0 || stat.started != atomic_load(&record->started) || atomic_load(&record->dead);
}

char life_state(uint32_t life) {
  const life_record *record = life_of(life);
  thread_stat stat;
  return read_stat(record->pid, record->tid, &stat) ? stat.state : 0;
}

static void count_kill(const life_record *record, unsigned in_hand) {
  if (record->role == IDLE_CHILD) return;
  if (atomic_load(&record->calls) == 0) {
    atomic_fetch_add(&shared->kills_early, 1);
    return;
  }
  atomic_fetch_add(&shared->kills, 1);
  atomic_fetch_add(&shared->kills_inside[record->inside], 1);
  atomic_fetch_add(&shared->kills_of[record->role], 1);
  if (in_hand > 0) atomic_fetch_add(&shared->kills_holding, 1);
}

unsigned life_bury(uint32_t life, int status) {
  life_record *record = life_of(life);
  unsigned in_hand = 0;
  for (unsigned i = 0; i < KEYS; i++) {
    uint32_t holder = life;
    if (atomic_load(&shared->keys[i].holder) != life) continue;
    if (atomic_compare_exchange_strong(&shared->keys[i].holder, &holder, 0)) in_hand++;
  }
  if (atomic_load(&record->dead)) return in_hand;
  uint32_t removing = atomic_load(&record->removing);
  if (removing != 0) {
    key_account *k = &shared->keys[removing - 1];
    raise_to(&k->excused, atomic_load(&k->version));
  }
  atomic_store(&record->dead, true);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) count_kill(record, in_hand);
  return in_hand;
}

void life_bury_threads(uint32_t life) {
  const pid_t pid = life_of(life)->pid;
  const role r = life_of(life)->role;
  if (r != CROWD && r != ENDER) return;
  for (uint32_t last = atomic_load(&shared->last_life); last > life; last--)
    if (life_of(last)->role == THREAD && life_of(last)->pid == pid && !life_of(last)->dead) life_bury(last, 0);
}

void life_bury_unseen(void) {
  uint32_t last = atomic_load(&shared->last_life);
  for (uint32_t life = last; life > 0 && last - life < LIVES; life--)
    if (life_of(life)->pid != 0 && !life_of(life)->dead && life_of(life)->role != IDLE_CHILD) life_bury(life, 0);
}

uint32_t life_new(role r) {
  uint32_t life = atomic_fetch_add(&shared->last_life, 1) + 1;
  life_record *record = life_of(life);
  if (life > LIVES && atomic_load(&record->pid) != 0 && !atomic_load(&record->dead)) {
    if (!life_is_gone(life - LIVES)) plain_fail("process %d has outlived %d others", (int)record->pid, (int)LIVES);
    life_bury(life - LIVES, 0);
  }
  memset(record, 0, sizeof *record);
  atomic_store(&record->role, r);
  return life;
}

/* ---- Calls ---- */

void call_begin(call c) {
  if (me != NULL) atomic_store_explicit(&me->inside, c, memory_order_relaxed);
}

int call_end(int result) {
  if (me == NULL) return result;
  atomic_store_explicit(&me->inside, CALL_NONE, memory_order_relaxed);
  atomic_store_explicit(&me->calls, me->calls + 1, memory_order_relaxed);
  return result;
}

/* ---- What is owed ---- */

uint32_t account_add(unsigned queue, uint32_t number) {
  return atomic_fetch_add(&key_of(queue, number)->version, 1) + 1;
}

void account_added(unsigned queue, uint32_t number, uint32_t version) {
  raise_to(&key_of(queue, number)->added, version);
}

void account_remove(unsigned queue, uint32_t number) {
  atomic_store(&me->removing, account_of(queue, number) + 1);
}

void account_removed(unsigned queue, uint32_t number) {
  key_account *k = key_of(queue, number);
  raise_to(&k->excused, atomic_load(&k->version));
  atomic_store(&me->removing, 0);
}

void account_run(run *r, unsigned queue, const workq_item *item) {
  key_bytes expected;
  r->item = *item;
  r->queue = queue;
  memcpy(&r->number, item->key, sizeof r->number);
  if (r->number >= keys_of(queue)) plain_fail("a key that nobody added: %u", r->number);
  if (item->key_len != key_write(&expected, r->number) || memcmp(item->key, &expected, item->key_len) != 0)
    plain_fail("key %u has other bytes than were added", r->number);
  key_account *k = key_of(queue, r->number);
  uint32_t other = atomic_exchange(&k->holder, my_life);
  if (other != 0 && !life_is_gone(other))
    plain_fail("key %u of %s is in two hands: of %d (%s) and of %d (%s)", r->number, queue_names[queue],
               (int)life_of(other)->pid, role_names[life_of(other)->role], (int)getpid(), role_names[me->role]);
  r->version = atomic_load(&k->version);
  atomic_fetch_add_explicit(&shared->runs[queue], 1, memory_order_relaxed);
}

void account_dropped(const run *r) {
  uint32_t other = atomic_exchange(&key_of(r->queue, r->number)->holder, 0);
  if (other != my_life)
    plain_fail("key %u of %s was given to life %u while %u had it", r->number, queue_names[r->queue], other, my_life);
}

void account_ran(const run *r) {
  atomic_store(&key_of(r->queue, r->number)->seen, r->version);
  account_dropped(r);
}

/* Whether all that binds has run.  The order of the looks matters to an audit: "added" is the caller's, from before. */
static bool is_settled(const key_account *k, uint32_t added) {
  return atomic_load(&k->seen) >= added || atomic_load(&k->excused) >= added;
}

/* A remove of another's excuses a key only after it, so keys that are removed are left to account_verify(). */
void account_audit(workq *q, unsigned queue, uint32_t number) {
  if (key_is_removable(number)) return;
  key_bytes bytes;
  const key_account *k = key_of(queue, number);
  uint32_t added = atomic_load(&k->added);
  int state = CALL(CALL_KEY, workq_state(q, &bytes, key_write(&bytes, number), NULL));
  atomic_fetch_add_explicit(&shared->audits, 1, memory_order_relaxed);
  if (state != -ENOENT && plain_ok(state, "workq_state") != WORKQ_STATE_IDLE) return;
  if (!is_settled(k, added))
    plain_fail("key %u of %s is lost: added for %u, ran last for %u, and is %s", number, queue_names[queue], added,
               atomic_load(&k->seen), state < 0 ? "unknown" : workq_state_name(state));
}

void account_verify(void) {
  for (unsigned queue = 0; queue < QUEUES; queue++) {
    for (uint32_t i = 0; i < keys_of(queue); i++) {
      const key_account *k = key_of(queue, i);
      if (!is_settled(k, k->added))
        plain_fail("key %u of %s is lost: added for %u, ran last for %u", i, queue_names[queue], k->added, k->seen);
      if (k->holder != 0) plain_fail("key %u of %s is still in the hands of life %u", i, queue_names[queue], k->holder);
    }
  }
}
