/*
 * A thread other than the main one replaces its process by another program: it takes the main thread's id, so that the kernel does
 * not find its mutexes to be its own, and they stay held by nobody.  Three ways:
 *
 *   slot    the thread has keys in hand, and is outside the lock: only its slot is held by nobody
 *   lock    a signal handler does it, at an instruction at which the thread has the queue lock
 *   other   the thread has keys in hand, and the main thread, which the kernel ends meanwhile, stands at an instruction at
 *           which it has the queue lock
 *
 * Others wait in get, in add and in attach meanwhile.  All must go on within two seconds, nothing may be lost, and no
 * key be in two hands.
 *
 * lost_exec [--full] [--seed N]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shm/lock.h"
#include "shm/owner.h"
#include "shm/segment.h"
#include "support/plain.h"
#include "support/process.h"
#include "support/random.h"
#include "two_operations.h"

enum { ROUNDS = 12, ROUNDS_FULL = 400 };

enum { GETTER, GETTER_TOO, ADDER, ADDER_TOO, ATTACHER, OTHERS };

typedef enum { WAY_SLOT, WAY_LOCK, WAY_OTHER, WAYS } way;
static const char *const way_names[] = {"slot", "lock", "other"};

/* Orders to the thread that will call execve(). */
enum { TOLD_TO_EXEC = 1 };

static const victim_operation *const operations[] = {&operation_add, &operation_done, &operation_delay,
                                                     &operation_retry, &operation_reap};
#define OPERATIONS (sizeof operations / sizeof *operations)

static workq *q;
static uint64_t seed;
static struct {
  unsigned rounds[WAYS], lost_locks, lost_slots;
  int64_t longest_ns;
} sum;

/* ---- The process that becomes another program ---- */

/* Also from a signal handler. */
static void become_another_program(int signal) {
  static char *const arguments[] = {"lost_exec", "--after", NULL};
  (void)signal;
  execv("/proc/self/exe", arguments);
  _exit(PLAIN_FAIL);
}

static void stand_still(int signal) {
  (void)signal;
  for (;;) pause();
}

/* The program after the execve().  The wish to die with the parent was the thread's, and went with it. */
static int live_on(void) {
  pid_t parent = getppid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent || parent == 1) return PLAIN_FAIL;
  alarm(1800);
  stand_still(0);
  return PLAIN_FAIL;
}

static void *act(void *operation) {
  victim_play(operation, 0);
}

/* Takes keys 1 and 2, and becomes another program when told. */
static void *keep_two(void *unused) {
  workq *mine;
  workq_item items[2];
  (void)unused;
  plain_ok(workq_open(stage->name, NULL, &mine), "workq_open");
  for (uint32_t i = 0; i < 2; i++) {
    plain_ok(key_add(mine, 1 + i), "workq_add");
    plain_ok(workq_get(mine, &items[i], 0), "workq_get");
    key_take(&items[i], HAND_VICTIM);
  }
  stage->keeper_slot = mine->slot_id;
  atomic_store(&stage->keeper, (pid_t)syscall(SYS_gettid));
  while (atomic_load(&stage->told) != TOLD_TO_EXEC) sched_yield();
  become_another_program(0);
  return NULL;
}

static pid_t start_process(way how, const victim_operation *operation) {
  victim_prepare();
  atomic_store(&stage->keeper, 0);
  pid_t pid = process_fork();
  if (pid > 0) return pid;
  pthread_t thread;
  signal(SIGUSR1, become_another_program);
  signal(SIGUSR2, stand_still);
  if (how == WAY_LOCK) {
    pthread_create(&thread, NULL, act, (void *)(uintptr_t)operation);
  } else {
    pthread_create(&thread, NULL, keep_two, NULL);
    while (!atomic_load(&stage->keeper)) sched_yield();
    if (how == WAY_OTHER) victim_play(operation, 0);
  }
  for (;;) pause();
}

/* ---- A round ---- */

/* In the first way the getters have nothing to wait for but the keys that come back from the dead. */
static void call_others(way how) {
  for (unsigned i = 0; i < OTHERS; i++) {
    if (how == WAY_SLOT && (i == ADDER || i == ADDER_TOO)) continue;
    other_call(i, i == ATTACHER ? CALL_ATTACH : i >= ADDER ? CALL_ADD : CALL_GET, 1 + i);
    other_await_sleep(i);
  }
}

/* Until the slot's byte is free, that is, the process's descriptors are closed, as the new program begins. */
static void await_new_program(uint32_t slot) {
  while (owner_byte_held(q, slot, atomic_load(&q->slots[slot].owner.generation))) sched_yield();
}

/* Is that mutex held by that thread, which is no more? */
static bool is_held_by(const pthread_mutex_t *mutex, pid_t tid) {
  bool died;
  return trace_mutex_owner(mutex, &died) == tid && !died;
}

/* Brings the process to where it will call execve(), and the others to where they wait for it.  Returns the thread. */
static pid_t set_up(way how, const char *name, unsigned inside) {
  pid_t tid = 0;
  if (how != WAY_SLOT) {
    tid = victim_begin();
    if (!victim_into_lock(q, tid, inside)) plain_fail("%s: the victim never had the lock", name);
  }
  while (how != WAY_LOCK && !atomic_load(&stage->keeper)) sched_yield();
  call_others(how);
  return how == WAY_LOCK ? tid : atomic_load(&stage->keeper);
}

static void go(way how, pid_t process, pid_t thread) {
  atomic_store(&stage->victim_dead, true);
  if (how == WAY_LOCK) trace_let_go(thread, SIGUSR1);
  if (how == WAY_OTHER) trace_let_go(process, SIGUSR2);
  atomic_store(&stage->told, TOLD_TO_EXEC);
  await_new_program(how == WAY_LOCK ? stage->slot : stage->keeper_slot);
}

static void play(way how, const victim_operation *operation, unsigned inside) {
  char what[64];
  workq_stats_data before, after;
  uint32_t runs_before[KEYS_MAX];
  for (uint32_t key = 0; key < KEYS_MAX; key++) runs_before[key] = atomic_load(&stage->keys[key].runs);
  plain_ok(workq_stats(q, &before), "workq_stats");
  pid_t pid = start_process(how, operation);
  pid_t tid = set_up(how, operation->name, inside);
  const struct lock_mutex *m = lock_mutex_of(q, atomic_load(&q->control->lock.epoch));
  bool had_lock = is_held_by(&m->mutex, tid);
  go(how, pid, tid);
  int64_t dead_ns = clock_monotonic_ns();
  bool lost_lock = how == WAY_LOCK && is_held_by(&m->mutex, tid);
  /* Not if somebody has already seen to it. */
  if (how != WAY_LOCK) sum.lost_slots += is_held_by(&q->slots[stage->keeper_slot].life.mutex, tid);
  snprintf(what, sizeof what, "%s, %s", way_names[how], operation->name);
  others_go_on(what, dead_ns, &sum.longest_ns);
  keys_drain(q, what);
  for (uint32_t key = how == WAY_LOCK ? 3 : 1; key <= (how == WAY_SLOT ? 2 : 4); key++)
    if (atomic_load(&stage->keys[key].runs) - runs_before[key] < (key < 3 ? 2 : 1))
      plain_fail("%s: key %u was lost", what, key);
  plain_ok(workq_stats(q, &after), "workq_stats");
  if (lost_lock != had_lock && how == WAY_LOCK) plain_fail("%s: the lock did come free", what);
  if (lost_lock && after.lock_losses == before.lock_losses) plain_fail("%s: no lost lock counted", what);
  if (after.reaped - before.reaped < (how == WAY_OTHER ? 2 : 1)) plain_fail("%s: too few deaths counted", what);
  sum.lost_locks += lost_lock;
  sum.rounds[how]++;
  trace_kill(pid);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "--after") == 0) return live_on();
  seed = plain_begin(&argc, argv);
  bool full = argc > 1 && strcmp(argv[1], "--full") == 0;
  q = stage_open("lost_exec", OTHERS, 20 * NS_PER_MS);
  plain_watchdog(full ? 3600 : 1800, stage->name);
  unsigned inside[OPERATIONS];
  for (size_t i = 0; i < OPERATIONS; i++) {
    inside[i] = victim_count(q, operations[i]);
    keys_drain(q, operations[i]->name);
  }
  unsigned rounds = full ? ROUNDS_FULL : plain_scaled(ROUNDS);
  /* A slot that is lost is not always seen before somebody has mended it. */
  for (unsigned n = 0; n < rounds || n < 2 * WAYS || (n < ROUNDS_FULL && sum.lost_slots == 0); n++) {
    size_t i = (size_t)random_below(&seed, OPERATIONS);
    play((way)(n % WAYS), operations[i], (unsigned)random_below(&seed, inside[i]));
  }
  stage_close(q);
  printf("another program in the place of a thread: %u times with keys in hand (%u of these seen: a slot held by "
         "nobody), "
         "%u "
         "times of these while the main thread had the lock; %u times in the lock (%u locks held by nobody); the "
         "longest "
         "until all went on %.0f ms; nothing lost\n",
         sum.rounds[WAY_SLOT] + sum.rounds[WAY_OTHER], sum.lost_slots, sum.rounds[WAY_OTHER], sum.rounds[WAY_LOCK],
         sum.lost_locks, (double)sum.longest_ns / 1e6);
  if (sum.lost_locks == 0) plain_fail("no lock was left held by nobody: the test tests nothing");
  if (sum.lost_slots == 0) plain_fail("no slot was left held by nobody: the test tests nothing");
  return PLAIN_PASS;
}
