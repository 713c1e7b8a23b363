/*
 * Histories of eight processes on one queue, some of them stopped and killed on the way, and the question whether some
 * order of the operations explains all that they were told.  And the same with queues that have a fault, for each of
 * which a history must be found that cannot be explained.
 *
 * check_history [--histories N] [--plan SEED] [--print-mutants]
 *   --histories N     so many, whatever WORKQ_TEST_SCALE says
 *   --plan SEED       all after one plan, as a failure names it
 *   --print-mutants   shows the history by which each mutant was found
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mutant.h"
#include "record.h"
#include "report.h"
#include "support/own_shm.h"
#include "support/plain.h"
#include "support/process.h"
#include "support/random.h"

#include <stdlib.h>
#include <string.h>

enum { HISTORIES = 600, MUTANT_TRIES = 400, OVERLAPS_LEAST = 10, THIN_MOST = 5000 };

typedef struct totals {
  uint64_t histories;
  uint64_t thin; /* others, that are left out since hardly anything in them overlapped */
  uint64_t with_kills;
  history_counts counts;
  record_counts record;
  uint64_t least_overlaps; /* in one history */
  uint64_t configurations;
  uint64_t most_configurations; /* in one search */
  int64_t recorded_ns;          /* time it took */
} totals;

static char name[64];
static history *shared;

/* Searches each key's part, which is short, and then the whole.  Returns what cannot be explained, or is_explained. */
enum { IS_EXPLAINED = -2 };

static int unexplained(const history *h, totals *t) {
  for (int only = (int)h->rules.keys - 1; only >= SPEC_WHOLE; only--) {
    search_result result;
    search(h, only, INT64_MAX, &result);
    t->configurations += result.configurations;
    if (result.configurations > t->most_configurations) t->most_configurations = result.configurations;
    if (result.verdict == SEARCH_GAVE_UP)
      plain_fail("the search gave up after %llu configurations", (unsigned long long)result.configurations);
    if (result.verdict == SEARCH_IMPOSSIBLE) return only;
  }
  return IS_EXPLAINED;
}

static void add_counts(totals *t, const history_counts *counts, const record_counts *recorded) {
  t->counts.operations += counts->operations;
  t->counts.unknown += counts->unknown;
  t->counts.overlaps += counts->overlaps;
  if (counts->overlaps < t->least_overlaps) t->least_overlaps = counts->overlaps;
  t->record.kills += recorded->kills;
  t->record.stops += recorded->stops;
  t->record.crashes += recorded->crashes;
  t->record.recoveries += recorded->recoveries;
  t->with_kills += recorded->kills > 0;
  t->histories++;
}

/* A history in which enough overlaps; after the plan of that seed, or of any if it is 0.  Returns the plan's seed. */
static uint64_t record_one(uint64_t *random, uint64_t seed, totals *t) {
  int64_t start_ns = plain_now_ns();
  for (;; t->thin++) {
    uint64_t this_seed = seed != 0 ? seed : random_next(random);
    record_plan plan = record_plan_of(this_seed);
    history_counts counts = {0};
    record_counts recorded = {0};
    record(shared, &plan, name, &recorded);
    history_count(shared, &counts);
    if (counts.overlaps >= OVERLAPS_LEAST) {
      add_counts(t, &counts, &recorded);
      t->recorded_ns += plain_now_ns() - start_ns;
      return this_seed;
    }
    if (t->thin > t->histories + THIN_MOST) plain_fail("in most histories hardly two operations overlap");
  }
}

static void fail(uint64_t seed, int only) {
  fprintf(stderr, "The plan's seed is %llu.\n", (unsigned long long)seed);
  report_impossible(stderr, shared, only);
  plain_fail("a history cannot be explained");
}

static void print_totals(const totals *t) {
  printf(
      "%llu histories (%llu with kills): %llu operations, %llu of them without an answer, %llu overlapping pairs (at "
      "least %llu in a history)\n",
      (unsigned long long)t->histories, (unsigned long long)t->with_kills, (unsigned long long)t->counts.operations,
      (unsigned long long)t->counts.unknown, (unsigned long long)t->counts.overlaps,
      (unsigned long long)t->least_overlaps);
  printf("%llu kills, %llu stops, %llu keys put back for the dead, %llu deaths inside the lock undone\n",
         (unsigned long long)t->record.kills, (unsigned long long)t->record.stops,
         (unsigned long long)t->record.crashes, (unsigned long long)t->record.recoveries);
  printf(
      "all are explained; %llu configurations, %llu at most in one search; recording took %.1f s; %llu others left out "
      "for want of overlaps\n",
      (unsigned long long)t->configurations, (unsigned long long)t->most_configurations, (double)t->recorded_ns / 1e9,
      (unsigned long long)t->thin);
  fflush(stdout);
}

static void try_queue(uint64_t *random, unsigned histories, uint64_t plan) {
  totals t = {.least_overlaps = UINT64_MAX};
  for (unsigned i = 0; i < histories; i++) {
    uint64_t seed = record_one(random, plan, &t);
    int only = unexplained(shared, &t);
    if (only != IS_EXPLAINED) fail(seed, only);
  }
  print_totals(&t);
  if (plan == 0 && t.record.kills > 1000 && t.record.recoveries == 0)
    plain_fail("nobody of %llu died inside the lock", (unsigned long long)t.record.kills);
}

static void try_mutant(uint64_t *random, enum mutant mutant, bool print) {
  totals t = {.least_overlaps = UINT64_MAX};
  mutant_active = mutant;
  int only = IS_EXPLAINED;
  while (only == IS_EXPLAINED && t.histories < MUTANT_TRIES) {
    record_one(random, 0, &t);
    only = unexplained(shared, &t);
  }
  mutant_active = MUTANT_NONE;
  if (only == IS_EXPLAINED) plain_fail("mutant not caught in %d histories: %s", MUTANT_TRIES, mutant_name(mutant));
  printf("caught by %s in history %llu: %s\n", only == SPEC_WHOLE ? "the whole queue" : "one key",
         (unsigned long long)t.histories, mutant_name(mutant));
  if (print) report_impossible(stdout, shared, only);
  fflush(stdout);
}

int main(int argc, char **argv) {
  uint64_t random = plain_begin(&argc, argv);
  unsigned histories = plain_scaled(HISTORIES);
  uint64_t plan = 0;
  bool print = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--print-mutants") == 0) print = true;
    else if (strcmp(argv[i], "--histories") == 0 && i + 1 < argc) histories = (unsigned)strtoul(argv[++i], NULL, 10);
    else if (strcmp(argv[i], "--plan") == 0 && i + 1 < argc) plan = strtoull(argv[++i], NULL, 10);
    else plain_fail("unknown argument: %s", argv[i]);
  }
  own_shm_alone();
  plain_own(name, sizeof name, "history");
  plain_watchdog(1800 + histories, name);
  shared = process_share(sizeof *shared);
  try_queue(&random, histories, plan);
  for (enum mutant mutant = MUTANT_NONE + 1; mutant < MUTANTS && plan == 0; mutant++)
    try_mutant(&random, mutant, print);
  return PLAIN_PASS;
}
