/*
 * The soak: producers, workers, an operator, a pool, forked children and others play with four queues while a killer
 * kills, stops and freezes them, all of them now and then; an accountant outside the queues proves that every key ran
 * after its last add, that none was in two hands at a time, that nothing is left, and that the segments have not grown.
 *
 *   soak [--minutes N | --seconds N] [--seed N] [--kills-per-second N] [--workers N] [--producers N] [--crowd N]
 *        [--stall-seconds N] [--without waiters | readers | leaders | idle | enders | crowd]...
 *
 * Without a time it takes 10 s x WORKQ_TEST_SCALE %.  --mutant NAME makes it misbehave, see mutants.sh.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "soak.h"

#include "support/own_shm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_MS = 10000 };

soak_options soak = {
    .kills_per_second = 250, .workers = 5, .producers = 3, .crowd = CROWD_HANDLES, .stall_ns = 120 * SECOND};
char queue_names[QUEUES][64];
char founders_name[64];

const char *const mutant_names[MUTANTS] = {"none",        "lose-dirty", "lose-on-reap", "two-hands",   "leak",
                                           "litter",      "squatter",   "stuck",        "lose-waited", "starve",
                                           "wild-reader", "linger",     "restless"};
const char *const feature_names[FEATURES] = {"waiters", "readers", "leaders", "idle", "enders", "crowd"};

static pid_t main_pid;
static bool finished;
static uint64_t seed;

/* ---- Options ---- */

static unsigned number_of(const char *text, unsigned most) {
  char *end;
  unsigned long value = strtoul(text, &end, 10);
  if (end == text || *end != '\0' || value == 0 || value > most)
    plain_fail("not a number from 1 to %u: %s", most, text);
  return (unsigned)value;
}

static mutant mutant_of(const char *name) {
  for (unsigned i = 0; i < MUTANTS; i++)
    if (strcmp(mutant_names[i], name) == 0) return (mutant)i;
  plain_fail("no such mutant: %s", name);
}

static feature feature_of(const char *name) {
  for (unsigned i = 0; i < FEATURES; i++)
    if (strcmp(feature_names[i], name) == 0) return (feature)i;
  plain_fail("nothing that can be left out: %s", name);
}

static void take_option(const char *name, const char *value) {
  if (strcmp(name, "--minutes") == 0) {
    soak.duration_ns = number_of(value, 100000) * 60 * SECOND;
  } else if (strcmp(name, "--seconds") == 0) {
    soak.duration_ns = number_of(value, 1000000) * SECOND;
  } else if (strcmp(name, "--kills-per-second") == 0) {
    soak.kills_per_second = number_of(value, 10000);
  } else if (strcmp(name, "--workers") == 0) {
    soak.workers = number_of(value, PLAYERS_MAX);
  } else if (strcmp(name, "--producers") == 0) {
    soak.producers = number_of(value, PLAYERS_MAX);
  } else if (strcmp(name, "--crowd") == 0) {
    soak.crowd = number_of(value, WORKQ_HANDLES_MAX - CROWD_SPARE);
  } else if (strcmp(name, "--without") == 0) {
    soak.without[feature_of(value)] = true;
  } else if (strcmp(name, "--stall-seconds") == 0) {
    soak.stall_ns = number_of(value, 1000) * SECOND;
  } else if (strcmp(name, "--mutant") == 0) {
    soak.mutant = mutant_of(value);
  } else {
    plain_fail("no such option: %s", name);
  }
}

static void take_options(int argc, char **argv) {
  soak.duration_ns = plain_scaled(DEFAULT_MS) * MILLISECOND;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) plain_fail("no value for %s", argv[i]);
    take_option(argv[i], argv[i + 1]);
  }
  soak.crowd = soak.without[WITH_CROWD] ? 0 : crowd_possible(soak.crowd);
  if (soak.crowd == 0) soak.without[WITH_CROWD] = true;
}

/* ---- How it went ---- */

static uint64_t percent(uint64_t part_of, uint64_t whole) {
  return whole == 0 ? 0 : part_of * 100 / whole;
}

static void print_deaths(void) {
  uint64_t inside = 0;
  printf("died:");
  for (unsigned i = 0; i < ALL_ROLES; i++)
    printf(" %s %llu%s", role_names[i], (unsigned long long)shared->kills_of[i], i + 1 < ALL_ROLES ? "," : "\n");
  printf("died in a call:");
  for (unsigned i = CALL_NONE + 1; i < CALLS; i++) {
    inside += shared->kills_inside[i];
    printf(" %s %llu%s", call_names[i], (unsigned long long)shared->kills_inside[i], i + 1 < CALLS ? "," : "\n");
  }
  printf(
      "%llu%% of the victims died in a call, %llu%% with keys in hand; %llu more were killed before their first call;\n"
      "%llu were killed from outside, the others by their own timer; %llu were picked for holding a lock, and the "
      "memory of"
      " %llu went before it\n",
      (unsigned long long)percent(inside, shared->kills),
      (unsigned long long)percent(shared->kills_holding, shared->kills), (unsigned long long)shared->kills_early,
      (unsigned long long)report.direct, (unsigned long long)report.holders, (unsigned long long)report.reaped_memory);
  printf(
      "%llu idle children were ended, %llu blackouts were outlived by some; %llu of the leaders that were stopped saw "
      "a delayed key of the crowd go to others; %llu waits for room ended without it\n",
      (unsigned long long)report.idle_ended, (unsigned long long)report.idle_spared, (unsigned long long)report.led_on,
      (unsigned long long)shared->given_up);
}

static uint64_t all_of(const workq_stats_data s[QUEUES], size_t field) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < QUEUES; i++) {
    uint64_t number;
    memcpy(&number, (const char *)&s[i] + field, sizeof number);
    sum += number;
  }
  return sum;
}

static void print_number(uint64_t number, const char *what) {
  printf(" %llu %s,", (unsigned long long)number, what);
}

static void print_sums(const workq_stats_data s[QUEUES]) {
  uint64_t runs = 0;
  for (unsigned i = 0; i < QUEUES; i++) runs += shared->runs[i];
  print_number(all_of(s, offsetof(workq_stats_data, recoveries)), "recoveries");
  print_number(all_of(s, offsetof(workq_stats_data, reaped)), "reaped");
  print_number(all_of(s, offsetof(workq_stats_data, crashes)), "crashes");
  print_number(all_of(s, offsetof(workq_stats_data, lock_losses)), "lock losses");
  print_number(all_of(s, offsetof(workq_stats_data, adds)), "adds");
  print_number(all_of(s, offsetof(workq_stats_data, coalesced)), "coalesced");
  print_number(all_of(s, offsetof(workq_stats_data, gets)), "gets");
  print_number(runs, "runs");
  print_number(all_of(s, offsetof(workq_stats_data, retries)), "retries");
  print_number(s[NARROW].crash_buried + s[NARROW].gave_up, "buried");
  print_number(all_of(s, offsetof(workq_stats_data, evictions)), "evictions");
}

/* What may be left out. */
static void print_features(void) {
  uint64_t least = 0, most = 0;
  waiters_shares(&least, &most);
  printf(" %llu adds that waited for room (%llu to %llu a producer, %u waiting at most),",
         (unsigned long long)shared->waited, (unsigned long long)least, (unsigned long long)most, shared->most_waiting);
  print_number(shared->reads, "reads without the lock");
  printf(" %llu leaders stopped (latest delayed key %lld ms),", (unsigned long long)report.leaders,
         (long long)(shared->latest_ns / MILLISECOND));
  printf(" %llu deaths with an idle child (%llu of them in the lock, memory first),",
         (unsigned long long)report.idle_left, (unsigned long long)report.idle_reaped);
  printf(" %llu threads ended (%llu keys in hand),", (unsigned long long)shared->thread_ends,
         (unsigned long long)shared->thread_keys);
  printf(" %u handles at one time,", shared->most_attached);
}

static void print_line(const workq_stats_data s[QUEUES], int64_t took_ns) {
  int64_t longest_ns = report.longest_ns[report.longest_ns[NARROW] > report.longest_ns[WIDE] ? NARROW : WIDE];
  printf("soak: %.1f min,", (double)took_ns / (double)(60 * SECOND));
  print_number(shared->kills, "kills");
  print_number(report.stops, "stops");
  print_number(report.freezes, "freezes");
  print_number(report.blackouts, "blackouts");
  print_sums(s);
  print_number(shared->drains, "drains");
  print_number(shared->audits, "audits");
  print_number(shared->looks, "checks");
  print_features();
  printf(" longest pause %lld ms, nothing lost\n", (long long)(longest_ns / MILLISECOND));
}

/* ---- The whole ---- */

/* Whatever ends it, no process stays; the queues go after this. */
static void leave_nobody(void) {
  if (getpid() != main_pid) return;
  if (!finished)
    fprintf(stderr, "soak: FAILED after %llu kills, seed %llu\n", (unsigned long long)shared->kills,
            (unsigned long long)seed);
  stage_abandon();
}

static void block_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, NULL);
}

static void name_queues(void) {
  plain_own(queue_names[WIDE], sizeof queue_names[WIDE], "soakwide");
  plain_own(queue_names[NARROW], sizeof queue_names[NARROW], "soaknarrow");
  plain_own(queue_names[FULL], sizeof queue_names[FULL], "soakfull");
  plain_own(queue_names[CROWDED], sizeof queue_names[CROWDED], "soakcrowded");
  plain_own(founders_name, sizeof founders_name, "soakfounder");
}

int main(int argc, char **argv) {
  seed = plain_begin(&argc, argv);
  uint64_t random = seed;
  take_options(argc, argv);
  own_shm_alone();
  name_queues();
  shared = process_share(sizeof *shared);
  main_pid = getpid();
  atexit(leave_nobody);
  block_signals();
  warm_up();
  int64_t start_ns = plain_now_ns();
  stage_fill(random_next(&random));
  bool wanted = killer_run(random_next(&random));
  if (!wanted) plain_fail("ended by a signal; nothing was proved");
  workq_stats_data stats[QUEUES];
  int64_t took_ns = plain_now_ns() - start_ns;
  finish(stats);
  print_deaths();
  print_line(stats, took_ns);
  finished = true;
  return PLAIN_PASS;
}
