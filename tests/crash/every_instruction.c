/*
 * A process is killed with SIGKILL at every instruction of every operation that changes the queue, from start states that
 * reach each branch; and the process that recovers from that, at every instruction of the recovery.  After each death the queue
 * is in the state from before or from after the operation, sound, tidy, and goes on at once.
 *
 * Without arguments a random sample, for `make check`; with "full" every point and a table, for `make crash-full`; with
 * "recovery" the second half of that; with words of an operation's name, every point of these operations.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "second.h"
#include "support/own_shm.h"
#include "support/plain.h"
#include "support/random.h"
#include "sweep.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  SAMPLE_POINTS = 10400, /* first deaths, at scale 100 */
  SAMPLE_STOPS = 500000,
  SAMPLE_STOPS_MIN = 200000,
  SAMPLE_SECOND_STOPS = 300000,
  SAMPLE_SECOND = 1200,
  SAMPLE_RESCUES = 24, /* kinds of first deaths for these */
  FULL_SECOND = 50000,
  FULL_RESCUES = 500,
  SHORT_LINES = 4, /* a short journal has at most so many lines */
  WALK_PERCENT = 1,
  SANITIZED_STEPS = 60000,
  PATIENCE_S = 3000 /* far more than the longest run takes */
};

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static sweep first, second;
static sweep_counts total, total_second;
static uint64_t chance;
static bool table;

static void add_counts(sweep_counts *to, const sweep_counts *c) {
  to->points += c->points;
  to->in_lock += c->in_lock;
  to->owner_died += c->owner_died;
  to->rolled_back += c->rolled_back;
  to->before += c->before;
  to->between += c->between;
  to->after += c->after;
  to->strayed += c->strayed;
  to->ended += c->ended;
  to->walked += c->walked;
  to->misplaced += c->misplaced;
  to->repeated += c->repeated;
  to->files += c->files;
  if (c->slowest_ns > to->slowest_ns) to->slowest_ns = c->slowest_ns;
}

/* ---- Reports --------------------------------------------------------------------------------------------------- */

static void print_head(const char *what) {
  if (!table) return;
  printf("\n%s\n%-32s %-30s %7s %7s %7s %7s %7s %7s %7s\n", what, "operation", "start state", "instr.", "points",
         "in lock", "rolled", "before", "between", "after");
}

static void print_row(const char *operation, const char *state, const sweep_counts *c) {
  if (!table) return;
  printf("%-32s %-30s %7zu %7zu %7zu %7zu %7zu %7zu %7zu\n", operation, state, c->steps, c->points, c->in_lock,
         c->rolled_back, c->before, c->between, c->after);
  fflush(stdout);
}

static void print_sum(const char *what, const sweep_counts *c) {
  printf("%s: %zu deaths, %zu with the lock (%zu owners' deaths told), %zu rolled back;"
         " states: %zu before, %zu between, %zu after\n",
         what, c->points, c->in_lock, c->owner_died, c->rolled_back, c->before, c->between, c->after);
  printf("%s: %" PRIu64 " stops of children; %zu off the recorded way, %zu not reached, %zu by single steps alone, %zu "
         "misplaced, %zu repeated;"
         " longest wait of a survivor %" PRId64 " us; %zu temporary files left where a file must have a name\n",
         what, tracer_stops(), c->strayed, c->ended, c->walked, c->misplaced, c->repeated, c->slowest_ns / 1000,
         c->files);
  if (c->points > 1000 && (!c->in_lock || !c->owner_died || !c->rolled_back || !c->before || !c->after))
    plain_fail("%s: nobody died with the lock, or nothing was rolled back, or one of the states never came", what);
  fflush(stdout);
}

/* ---- The catalogue ----------------------------------------------------------------------------------------------- */

/* The scenario of that number, null behind the last. */
static const scenario *scenario_at(size_t number) {
  for (size_t list = 0; list < sizeof scenarios_all / sizeof scenarios_all[0]; list++)
    for (const scenario *s = scenarios_all[list]; s->operation != NULL; s++)
      if (number-- == 0) return s;
  return NULL;
}

static size_t scenario_count(void) {
  size_t count = 0;
  while (scenario_at(count) != NULL) count++;
  return count;
}

/* ---- First deaths ------------------------------------------------------------------------------------------------ */

static bool left_out(const scenario *s) {
  if (!SANITIZED || !(s->flags & SCENE_KERNEL)) return false;
  printf("left out, with sanitizers: %s, %s\n", s->operation, s->state);
  return true;
}

/* points 0: all of them. */
static void kill_first(const scenario *s, size_t points) {
  if (left_out(s)) return;
  if (!sweep_open(&first, s)) {
    printf("left out, over %zu instructions: %s, %s\n", sweep_steps_max, s->operation, s->state);
  } else {
    if (points > 0) sweep_some(&first, points, &chance);
    else sweep_all(&first, &chance);
    sweep_judge(&first, points == 0);
    print_row(s->operation, s->state, &first.counts);
    add_counts(&total, &first.counts);
  }
  sweep_close(&first);
}

/*
 * A sample may cost so many stops.  Where the build makes each operation many times as long (sanitizers, the journal's check),
 * it ends early, aloud.
 */
static bool too_dear(uint64_t stops, const char *what, size_t done, size_t of) {
  if (tracer_stops() < stops) return false;
  printf("operations are long in this build: %s: %zu of %zu\n", what, done, of);
  return true;
}

static size_t *shuffled(size_t count) {
  size_t *order = calloc(count, sizeof *order);
  if (!order) plain_fail("no memory for an order");
  for (size_t i = 0; i < count; i++) {
    size_t at = random_below(&chance, i + 1);
    order[i] = order[at];
    order[at] = i;
  }
  return order;
}

/* Spreads points over all scenarios. */
static void sample_first(size_t points) {
  size_t count = scenario_count();
  size_t *order = shuffled(count);
  uint64_t stops = SAMPLE_STOPS_MIN + plain_scaled(SAMPLE_STOPS);
  for (size_t i = 0; i < count && !too_dear(stops, "start states swept", i, count); i++) {
    size_t left = points > total.points ? points - total.points : 1;
    kill_first(scenario_at(order[i]), 1 + left / (count - i));
  }
  free(order);
}

static void sweep_named(const char *words) {
  bool any = false;
  const scenario *s;
  for (size_t i = 0; (s = scenario_at(i)) != NULL; i++) {
    if (words && !strstr(s->operation, words)) continue;
    any = true;
    kill_first(s, 0);
  }
  if (!any) plain_fail("no operation is named %s", words);
}

/* ---- Second deaths ------------------------------------------------------------------------------------------------- */

static uint8_t most_lines(const sweep *w) {
  uint8_t most = 0;
  for (size_t k = 0; k <= w->trace.steps; k++)
    if (w->lines[k] > most) most = w->lines[k];
  return most;
}

/* The last step with so many lines. */
static size_t last_with(const sweep *w, uint8_t lines) {
  size_t k = w->trace.steps;
  while (w->lines[k] != lines) k--;
  return k;
}

static size_t any_in_journal(const sweep *w) {
  size_t k;
  do k = random_below(&chance, w->trace.steps + 1);
  while (w->lines[k] == 0);
  return k;
}

static void kill_second(size_t k, enum second_call call, size_t points) {
  if (!second_open(&second, &first, k, call)) return;
  if (points > 0) sweep_some(&second, points, &chance);
  else sweep_all(&second, &chance);
  sweep_judge(&second, points == 0);
  char row[64];
  snprintf(row, sizeof row, "%s at %zu (%u lines)", first.s->operation, k, first.lines[k]);
  print_row(second.s->operation, row, &second.counts);
  add_counts(&total_second, &second.counts);
  second_close(&second);
}

/* Short journals, at their longest: every instruction of each call that rolls back. */
static void sweep_second(void) {
  const scenario *s;
  for (size_t i = 0; (s = scenario_at(i)) != NULL; i++) {
    if (!second_possible(s) || s->set == NULL || strcmp(s->state, "one ready") + strcmp(s->state, "several") == 0)
      continue;
    if (!sweep_open(&first, s)) plain_fail("%s: too many steps", s->operation);
    uint8_t lines = most_lines(&first);
    for (int call = 0; call < SECOND_CALLS && lines > 0 && lines <= SHORT_LINES; call++)
      kill_second(last_with(&first, lines), (enum second_call)call, 0);
    sweep_close(&first);
  }
}

static void sample_second(size_t points, size_t rescues, bool cheap) {
  size_t count = scenario_count(), start = total_second.points;
  uint64_t stops = tracer_stops() + plain_scaled(SAMPLE_SECOND_STOPS);
  while (total_second.points - start < points) {
    if (cheap && too_dear(stops, "deaths during recovery", total_second.points, points)) return;
    const scenario *s = scenario_at(random_below(&chance, count));
    if (!second_possible(s) || !sweep_open(&first, s)) continue;
    if (most_lines(&first) > 0)
      kill_second(any_in_journal(&first), (enum second_call)random_below(&chance, SECOND_CALLS), points / rescues);
    sweep_close(&first);
  }
}

/* ---- All of it ------------------------------------------------------------------------------------------------------- */

static void run_sample(void) {
  sample_first(plain_scaled(SAMPLE_POINTS));
  print_sum("first deaths", &total);
  sample_second(plain_scaled(SAMPLE_SECOND), plain_scaled(SAMPLE_RESCUES), true);
  print_sum("deaths during recovery", &total_second);
}

static void run_first(const char *words) {
  table = true;
  print_head("Killed at every instruction");
  sweep_named(words);
  print_sum("first deaths", &total);
}

static void run_second(void) {
  table = true;
  print_head("Killed while recovering from another's death, at every instruction");
  sweep_second();
  print_sum("deaths during recovery, all points", &total_second);
  table = false;
  sample_second(FULL_SECOND, FULL_RESCUES, false);
  print_sum("deaths during recovery, with the sample", &total_second);
}

int main(int argc, char **argv) {
  chance = scene_seed = plain_begin(&argc, argv);
  tracer_need();
  own_shm_alone();
  scene_begin();
  plain_watchdog(PATIENCE_S, scene_name());
  sweep_walk_percent = WALK_PERCENT;
  if (SANITIZED) sweep_steps_max = SANITIZED_STEPS;
  const char *what = argc > 1 ? argv[1] : "sample";
  bool full = strcmp(what, "full") == 0, recovery = strcmp(what, "recovery") == 0;
  if (argc < 2) run_sample();
  else if (!recovery) run_first(full ? NULL : what);
  if (full || recovery) run_second();
  if (scene_left_files() != 0) plain_fail("files are left in /dev/shm");
  return PLAIN_PASS;
}
