/*
 * The queue lock held by nobody, because the memory of its killed holder was released before it could exit: the kernel then does
 * not find the list of the mutexes that the holder had.  As after the OOM killer's reaper; process_mrelease(2) does it here.
 *
 * The holder is stopped at an instruction inside the lock, while others go to sleep before it in add, in get and in attach.  All
 * of them must go on within two seconds of its death, nothing may be lost, and no key be in two hands.
 *
 * lost_release [--full] [--seed N]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "shm/lock.h"
#include "shm/owner.h"
#include "shm/segment.h"
#include "support/plain.h"
#include "support/random.h"
#include "support/release.h"
#include "two_operations.h"

enum { ROUNDS = 18, ROUNDS_FULL = 600 };

enum { GETTER, GETTER_TOO, ADDER, ADDER_TOO, ATTACHER, OTHERS };

static const victim_operation *const operations[] = {&operation_add,  &operation_get,   &operation_delay,
                                                     &operation_done, &operation_retry, &operation_reap};
#define OPERATIONS (sizeof operations / sizeof *operations)

static workq *q;
static uint64_t seed;
static struct {
  unsigned rounds, released, lost, in_line, asleep_in_lock;
  int64_t longest_ns;
} sum;

/* Kills the victim and releases its memory at once. */
static void kill_and_release(pid_t pid) {
  sum.released += release_kill(pid);
  victim_kill(pid);
}

/* Is it so that the mutex of that epoch is held by that dead thread for ever? */
static bool is_lost(uint32_t epoch, pid_t dead) {
  bool died;
  pid_t owner = trace_mutex_owner(&lock_mutex_of(q, epoch)->mutex, &died);
  return owner == dead && !died &&
         owner_byte_held(q, stage->slot, atomic_load(&q->slots[stage->slot].owner.generation)) == 0;
}

static void check_runs(const uint32_t *runs_before, uint32_t first, const char *name) {
  for (uint32_t key = first; key <= 1 + ADDER_TOO; key++)
    if (atomic_load(&stage->keys[key].runs) == runs_before[key]) plain_fail("%s: key %u was lost", name, key);
}

/* Keys 1 and 2 are there before, unless the getters are to wait in line; 3 and 4 the adders bring. */
static void play(const victim_operation *operation, unsigned inside, bool in_line) {
  workq_stats_data before, after;
  uint32_t runs_before[KEYS_MAX];
  for (uint32_t key = 0; key < KEYS_MAX; key++) runs_before[key] = atomic_load(&stage->keys[key].runs);
  plain_ok(workq_stats(q, &before), "workq_stats");
  for (unsigned i = GETTER; in_line && i <= GETTER_TOO; i++) {
    other_call(i, CALL_GET, 0);
    other_await_sleep(i);
  }
  pid_t pid = victim_start(operation, 0);
  /* Behind the key that some victims have in hand. */
  if (!in_line) plain_ok(key_add(q, 1) + key_add(q, 2), "workq_add");
  if (!victim_into_lock(q, pid, inside)) plain_fail("%s: the victim never had the lock", operation->name);
  bool holds = trace_lock_owner(q) == pid;
  uint32_t epoch = atomic_load(&q->control->lock.epoch);
  for (unsigned i = in_line ? ADDER : GETTER; i < OTHERS; i++) {
    other_call(i, i == ATTACHER ? CALL_ATTACH : i >= ADDER ? CALL_ADD : CALL_GET, 1 + i);
    sum.asleep_in_lock += other_await_sleep(i);
  }
  kill_and_release(pid);
  int64_t dead_ns = clock_monotonic_ns();
  bool lost = is_lost(epoch, pid);
  others_go_on(operation->name, dead_ns, &sum.longest_ns);
  keys_drain(q, operation->name);
  check_runs(runs_before, in_line ? 1 + ADDER : 1, operation->name);
  plain_ok(workq_stats(q, &after), "workq_stats");
  if (lost && after.lock_losses == before.lock_losses) plain_fail("%s: a lost lock was not counted", operation->name);
  if (after.reaped == before.reaped) plain_fail("%s: the dead holder was not counted", operation->name);
  if (lost && !holds) plain_fail("%s: a lock was lost that the victim did not have", operation->name);
  sum.rounds++;
  sum.lost += lost;
  sum.in_line += in_line;
}

int main(int argc, char **argv) {
  seed = plain_begin(&argc, argv);
  bool full = argc > 1 && strcmp(argv[1], "--full") == 0;
  q = stage_open("lost_release", OTHERS, 20 * NS_PER_MS);
  plain_watchdog(full ? 3600 : 1800, stage->name);
  unsigned inside[OPERATIONS];
  for (size_t i = 0; i < OPERATIONS; i++) {
    inside[i] = victim_count(q, operations[i]);
    keys_drain(q, operations[i]->name);
  }
  unsigned rounds = full ? ROUNDS_FULL : plain_scaled(ROUNDS);
  if (rounds < OPERATIONS) rounds = OPERATIONS;
  /* Whether a lock is left held by nobody is chance: on until one is. */
  for (unsigned n = 0; n < rounds || (sum.released > 0 && sum.lost == 0 && n < 100 * rounds); n++) {
    const victim_operation *operation = operations[n % OPERATIONS];
    bool in_line = operation->adds && random_chance(&seed, 50);
    play(operation, (unsigned)random_below(&seed, inside[n % OPERATIONS]), in_line);
  }
  stage_close(q);
  printf("%u holders killed and their memory released: %u locks left held by nobody, %u times with workers in line; %u "
         "waits "
         "for the lock; the longest until all went on %.0f ms; nothing lost\n",
         sum.rounds, sum.lost, sum.in_line, sum.asleep_in_lock, (double)sum.longest_ns / 1e6);
  if (sum.released == 0) plain_skip("this kernel releases the memory of none of those who were killed");
  if (sum.lost == 0) plain_fail("in none of the rounds was the lock left held by nobody: the test tests nothing");
  return PLAIN_PASS;
}
