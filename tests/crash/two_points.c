/*
 * Points of death; see two_points.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "two_points.h"

#include <limits.h>
#include <stdio.h>

#include "support/plain.h"
#include "support/random.h"

/* Long after any bound: what sleeps that long would sleep for ever. */
#define NEVER_NS (300 * NS_PER_S)

/* Times that a victim's steps are counted in a full run. */
enum { COUNTS = 3 };

/* A point that lasts too long is played again: the machine may have been elsewhere.  A fault shows each time. */
enum { PLAYS = 20 };

/* Turns that the way from a wake-up to the end of a call may have to wait for a processor. */
enum { LATE_TIMES = 4 };

typedef struct {
  unsigned points, had_lock, wakes_lost, again;
  int64_t longest_ns;
} figures;

static double units(int64_t ns, point_bound bound) {
  return (double)ns / (double)bound.unit_ns;
}

static void print_figures(const char *name, const figures *f, point_bound bound) {
  printf("%s: %u points, %u died with the lock, %u wake-ups lost and passed on, longest sleep %.2f %s", name, f->points,
         f->had_lock, f->wakes_lost, units(f->longest_ns, bound), bound.unit);
  printf(f->again ? ", %u played again\n" : "\n", f->again);
  fflush(stdout);
}

static void play_point(workq *q, const scene *s, unsigned steps, point_bound bound, figures *f) {
  point_result result;
  int64_t most_ns = bound.most * bound.unit_ns, late_ns = 0;
  for (int plays = 0; plays < PLAYS; plays++) {
    (void)machine_late_ns();
    result = s->play(s, steps);
    keys_drain(q, s->name);
    late_ns = machine_late_ns();
    if (result.longest_ns <= most_ns) break;
    if (plays == 0) f->again++;
  }
  if (result.longest_ns > most_ns + LATE_TIMES * late_ns)
    plain_fail("%s, step %u: somebody slept for %.2f %s, each time", s->name, steps, units(result.longest_ns, bound),
               bound.unit);
  f->points++;
  f->had_lock += result.had_lock;
  f->wakes_lost += result.wake_lost;
  if (result.longest_ns > f->longest_ns) f->longest_ns = result.longest_ns;
}

static void add_figures(figures *sum, const figures *f) {
  sum->points += f->points;
  sum->had_lock += f->had_lock;
  sum->wakes_lost += f->wakes_lost;
  sum->again += f->again;
  if (f->longest_ns > sum->longest_ns) sum->longest_ns = f->longest_ns;
}

/* The beginning and the end are where a victim has not yet what it was woken for, or has not yet told others. */
static unsigned pick(unsigned all, uint64_t *seed) {
  unsigned part = (unsigned)random_below(seed, all / 8 + 1);
  switch (random_below(seed, 3)) {
  case 0:
    return part;
  case 1:
    return all - part;
  default:
    return (unsigned)random_below(seed, all + 1);
  }
}

/* The number of steps varies a little: with the clock's, and where the victim meets others in the lock. */
static unsigned count_steps(workq *q, const scene *s, int counts) {
  unsigned least = UINT_MAX;
  for (int i = 0; i < counts; i++) {
    unsigned all = s->play(s, UINT_MAX).steps;
    keys_drain(q, s->name);
    if (all < least) least = all;
  }
  return least;
}

void points_play(workq *q, const scene *scenes, size_t count, point_bound bound, bool full, unsigned sample,
                 uint64_t *seed) {
  figures sum = {0};
  for (const scene *s = scenes; s < scenes + count; s++) {
    figures f = {0};
    unsigned all = count_steps(q, s, full ? COUNTS : 1), points = full ? all + 1 : sample;
    /* The last is when the victim is asleep, or its operation over. */
    for (unsigned n = 0; n < points; n++) play_point(q, s, full ? n : pick(all, seed), bound, &f);
    play_point(q, s, UINT_MAX, bound, &f);
    print_figures(s->name, &f, bound);
    add_figures(&sum, &f);
  }
  print_figures("in all", &sum, bound);
  if (sum.had_lock == 0) plain_fail("no victim died with the lock: the test tests nothing");
}

point_result point_steps(const workq *q, pid_t victim, unsigned steps) {
  point_result result = {.steps = victim_steps(victim, steps)};
  result.had_lock = trace_lock_owner(q) == victim;
  return result;
}

void point_await(point_result *result, unsigned i, int64_t since_ns) {
  if (!other_await_end(i, clock_monotonic_ns() + NEVER_NS)) plain_fail("other %u sleeps for ever", i);
  plain_ok(stage->others[i].result, "a call of another");
  int64_t slept_ns = stage->others[i].ended_ns - since_ns;
  if (slept_ns > result->longest_ns) result->longest_ns = slept_ns;
}
