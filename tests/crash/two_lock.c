/*
 * A process is killed at each step of taking and leaving the queue lock, while others sleep in it.  A robust mutex does not wake
 * another waiter when the one that it woke is killed, once a third process has had the lock in between; so nobody may
 * sleep in it for longer than a slice of 50 ms.
 *
 * two_lock [--full] [--seed N]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <limits.h>
#include <stdio.h>

#include "shm/lock.h"
#include "support/plain.h"
#include "two_points.h"

enum { FIRST, SECOND, OTHERS };

#define SLICE_NS (50 * NS_PER_MS)
#define EVENT_NS (300 * NS_PER_S)
/* For a wake-up to arrive, if there was one. */
#define SOON_NS (3 * NS_PER_MS)

/* A slice and the next look, on a machine that may have other things to do. */
static const point_bound bound = {.unit_ns = SLICE_NS, .most = 4, .unit = "slices"};

static workq *q;

static void hold_lock(void) {
  plain_ok(lock_acquire(q, CLOCK_NEVER), "the lock");
}

static void call_and_sleep(unsigned i) {
  other_call(i, CALL_LEN, 0);
  other_await_sleep(i);
}

/* Does somebody sleep on in a lock that is free? */
static bool sleeps_on(unsigned i) {
  if (other_await_end(i, clock_monotonic_ns() + SOON_NS)) return false;
  return trace_lock_owner(q) == 0 && trace_sleeps(stage->others[i].pid, &stage->others[i].orders);
}

static void await_all(point_result *result, int64_t since_ns) {
  for (unsigned i = 0; i < OTHERS; i++) result->wake_lost |= sleeps_on(i);
  for (unsigned i = 0; i < OTHERS; i++) point_await(result, i, since_ns);
}

/* The victim has the lock, others wait for it, and it dies on its way out. */
static point_result play_unlock(const scene *s, unsigned steps) {
  pid_t victim = victim_start(s->operation, s->flags);
  if (!victim_into_lock(q, victim, 0)) plain_fail("the victim never had the lock");
  for (unsigned i = 0; i < OTHERS; i++) call_and_sleep(i);
  point_result result = point_steps(q, victim, steps);
  bool barges = s->barging && trace_lock_owner(q) == 0;
  if (barges) hold_lock();
  int64_t since_ns = clock_monotonic_ns();
  victim_kill(victim);
  if (barges) {
    since_ns = clock_monotonic_ns();
    lock_release(q);
  }
  await_all(&result, since_ns);
  return result;
}

/* The victim dies on its way to sleep in the lock, or asleep there; one other sleeps before it, one behind it. */
static point_result play_wait(const scene *s, unsigned steps) {
  pid_t victim = victim_start(s->operation, s->flags);
  hold_lock();
  call_and_sleep(FIRST);
  point_result result = point_steps(q, victim, steps);
  call_and_sleep(SECOND);
  int64_t since_ns = clock_monotonic_ns();
  lock_release(q);
  if (s->barging) {
    hold_lock();
    victim_kill(victim);
    since_ns = clock_monotonic_ns();
    lock_release(q);
  } else {
    victim_kill(victim);
  }
  await_all(&result, since_ns);
  return result;
}

/* The wake-up is spent on the victim, which dies before it has the lock, or with it, or as it leaves it. */
static point_result play_woken(const scene *s, unsigned steps) {
  pid_t victim = victim_start(s->operation, s->flags);
  hold_lock();
  victim_steps(victim, UINT_MAX);
  if (atomic_load(&stage->at) != 1) plain_fail("the victim does not wait for the lock");
  for (unsigned i = 0; i < OTHERS; i++) call_and_sleep(i);
  lock_release(q);
  if (!trace_await_return(victim, EVENT_NS)) plain_fail("the victim was not woken");
  if (s->barging) hold_lock();
  point_result result = point_steps(q, victim, steps);
  int64_t since_ns = clock_monotonic_ns();
  victim_kill(victim);
  if (s->barging) {
    since_ns = clock_monotonic_ns();
    lock_release(q);
  }
  await_all(&result, since_ns);
  return result;
}

static const scene scenes[] = {
    {"unlock", play_unlock, &operation_len, 0, false},
    {"unlock, the lock taken in between", play_unlock, &operation_len, 0, true},
    {"unlock of an add, the lock taken in between", play_unlock, &operation_add, 0, true},
    {"lock", play_wait, &operation_len, WORKQ_NO_SPIN, false},
    {"lock, taken in between", play_wait, &operation_add, WORKQ_NO_SPIN, true},
    {"woken in the lock", play_woken, &operation_len, WORKQ_NO_SPIN, false},
    {"woken in the lock, taken in between", play_woken, &operation_add, WORKQ_NO_SPIN, true},
};

int main(int argc, char **argv) {
  enum { SAMPLE = 10 };
  uint64_t seed = plain_begin(&argc, argv);
  bool full = argc > 1 && strcmp(argv[1], "--full") == 0;
  q = stage_open("two_lock", OTHERS, 20 * NS_PER_MS);
  plain_watchdog(full ? 7200 : 1800, stage->name);
  points_play(q, scenes, sizeof scenes / sizeof *scenes, bound, full, plain_scaled(SAMPLE), &seed);
  stage_close(q);
  return PLAIN_PASS;
}
