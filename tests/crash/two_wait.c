/*
 * A process is killed at each step of going to sleep in get, of waking up there, and of an add that wakes a sleeper, while others
 * sleep in get.  A wake-up that was spent on the dead, or that the dead did not come to give, is made good by the next
 * of the sleepers who wakes by itself: within a reap interval while they are few.
 *
 * two_wait [--full] [--seed N]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/plain.h"
#include "support/process.h"
#include "two_points.h"

enum { OLDEST, NEWEST, OTHERS };

#define INTERVAL_NS (100 * NS_PER_MS)
#define EVENT_NS    (300 * NS_PER_S)
/* Where something was for a sleeper for so long, it was not woken, but woke by itself. */
#define WOKEN_NS (10 * NS_PER_MS)

/* One interval, or two where the last look for the dead was just before the death; and a machine that has other things to do. */
static const point_bound bound = {.unit_ns = INTERVAL_NS, .most = 3, .unit = "reap intervals"};

static workq *q;

static void get_and_sleep(unsigned i) {
  other_call(i, CALL_GET, 0);
  if (!other_await_sleep(i)) plain_fail("there was a key for other %u", i);
}

/* The other has ended its call, or a key is there for it and it ends it soon. */
static void await_got(point_result *result, unsigned i, int64_t since_ns) {
  point_await(result, i, since_ns);
  result->wake_lost |= stage->others[i].ended_ns - since_ns > WOKEN_NS;
}

/* Gives other number i, which may have had its key already, one. */
static void add_for(point_result *result, unsigned i, uint32_t key) {
  if (other_has_ended(i)) return;
  int64_t since_ns = clock_monotonic_ns();
  plain_ok(key_add(q, key), "workq_add");
  await_got(result, i, since_ns);
}

/* The victim dies as it goes to sleep behind another. */
static point_result play_sleep(const scene *s, unsigned steps) {
  get_and_sleep(OLDEST);
  pid_t victim = victim_start(s->operation, s->flags);
  point_result result = point_steps(q, victim, steps);
  victim_kill(victim);
  add_for(&result, OLDEST, 1);
  return result;
}

/* The victim dies as it goes to sleep before another, which then is not the first in line. */
static point_result play_lead(const scene *s, unsigned steps) {
  pid_t victim = victim_start(s->operation, s->flags);
  point_result result = point_steps(q, victim, steps);
  victim_kill(victim);
  get_and_sleep(OLDEST);
  int64_t since_ns = clock_monotonic_ns() + NS_PER_MS;
  plain_ok(workq_add_after(q, "key 1", 5, NS_PER_MS), "workq_add_after");
  await_got(&result, OLDEST, since_ns);
  return result;
}

/* Stops the victim when it has been told of key 1 in its sleep. */
static pid_t tell_victim(const scene *s) {
  pid_t victim = victim_start(s->operation, s->flags);
  victim_steps(victim, UINT_MAX);
  if (atomic_load(&stage->at) != 1) plain_fail("the victim does not wait");
  plain_ok(key_add(q, 1), "workq_add");
  if (!trace_await_return(victim, EVENT_NS)) plain_fail("the victim was not woken");
  return victim;
}

/* The victim dies between being woken and having the key, or with the key in hand. */
static point_result play_told(const scene *s, unsigned steps) {
  workq_item item;
  get_and_sleep(OLDEST);
  pid_t victim = tell_victim(s);
  if (s->barging) {
    /* Unless the other, which wakes by itself now and then, was here before. */
    int rc = workq_get(q, &item, 0);
    if (rc != -ETIMEDOUT) plain_ok(rc, "workq_get");
    if (rc == 0) plain_ok(workq_complete(q, &item), "workq_complete");
  }
  point_result result = point_steps(q, victim, steps);
  int64_t since_ns = clock_monotonic_ns();
  victim_kill(victim);
  if (s->barging) add_for(&result, OLDEST, 1);
  else await_got(&result, OLDEST, since_ns);
  return result;
}

/* A child that sleeps in get, and will not wake by itself: it is stopped there. */
static pid_t start_leader(void) {
  pid_t pid = process_fork();
  if (pid == 0) {
    workq *mine;
    workq_item item;
    plain_ok(workq_open(stage->name, NULL, &mine), "workq_open");
    plain_ok(workq_get(mine, &item, WORKQ_FOREVER), "workq_get");
    _exit(PLAIN_FAIL);
  }
  /* Stopped in line, and not in the lock, which it takes whenever it wakes. */
  for (;;) {
    int status;
    moment();
    kill(pid, SIGSTOP);
    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status)) plain_fail("the first in line is gone");
    if (trace_lock_owner(q) != pid && q->control->wait.list[WAIT_GET].count == 1) return pid;
    kill(pid, SIGCONT);
  }
}

/* The victim is told and dies, and with it the one who was in line before all others. */
static point_result play_told_and_leader(const scene *s, unsigned steps) {
  pid_t leader = start_leader();
  get_and_sleep(OLDEST);
  pid_t victim = tell_victim(s);
  point_result result = point_steps(q, victim, steps);
  int64_t since_ns = clock_monotonic_ns();
  trace_kill(leader);
  victim_kill(victim);
  await_got(&result, OLDEST, since_ns);
  return result;
}

static unsigned ended(void) {
  return (other_has_ended(OLDEST) ? 1u << OLDEST : 0) | (other_has_ended(NEWEST) ? 1u << NEWEST : 0);
}

/* There is a key for one more than those who had ended. */
static void await_one_more(point_result *result, unsigned before, int64_t since_ns) {
  while (ended() == before && clock_monotonic_ns() < since_ns + EVENT_NS) moment();
  unsigned now = ended() & ~before;
  if (!now) plain_fail("two sleep on although there is a key");
  await_got(result, now & 1u << OLDEST ? OLDEST : NEWEST, since_ns);
}

/* The victim adds a key and dies, before it has woken one of two sleepers, or while it does, or thereafter. */
static point_result play_wake(const scene *s, unsigned steps) {
  get_and_sleep(OLDEST);
  get_and_sleep(NEWEST);
  pid_t victim = victim_start(s->operation, s->flags);
  point_result result = point_steps(q, victim, steps);
  unsigned before = ended();
  bool added = q->control->hot.ready && atomic_load(&q->slots[stage->slot].journal.count) == 0;
  int64_t since_ns = clock_monotonic_ns();
  victim_kill(victim);
  if (added && before == 0) await_one_more(&result, 0, since_ns);
  for (uint32_t key = 1; (before = ended()) != (1u << OLDEST | 1u << NEWEST); key++) {
    since_ns = clock_monotonic_ns();
    plain_ok(key_add(q, key), "workq_add");
    await_one_more(&result, before, since_ns);
  }
  return result;
}

static const scene scenes[] = {
    {"to sleep", play_sleep, &operation_wait, WORKQ_NO_SPIN, false},
    {"to spin and to sleep", play_sleep, &operation_wait, 0, false},
    {"to sleep, first in line", play_lead, &operation_wait, WORKQ_NO_SPIN, false},
    {"woken", play_told, &operation_wait, WORKQ_NO_SPIN, false},
    {"woken, the key taken in between", play_told, &operation_wait, WORKQ_NO_SPIN, true},
    {"woken, and the first in line", play_told_and_leader, &operation_wait, WORKQ_NO_SPIN, false},
    {"to wake", play_wake, &operation_add, 0, false},
};

int main(int argc, char **argv) {
  enum { SAMPLE = 8 };
  uint64_t seed = plain_begin(&argc, argv);
  bool full = argc > 1 && strcmp(argv[1], "--full") == 0;
  q = stage_open("two_wait", OTHERS, INTERVAL_NS);
  plain_watchdog(full ? 7200 : 1800, stage->name);
  points_play(q, scenes, sizeof scenes / sizeof *scenes, bound, full, plain_scaled(SAMPLE), &seed);
  stage_close(q);
  return PLAIN_PASS;
}
