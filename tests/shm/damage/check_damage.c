/*
 * A damaged segment: whatever bytes of it were changed, but for those of the C library's mutexes, no call crashes,
 * writes elsewhere or goes on for ever: none takes longer than a second.  Errors and wrong answers are fine.
 *
 * Each trial damages a queue that has keys in every state and sleeping workers, then makes random calls on it in a process
 * of its own, under a watchdog.  WORKQ_SEED gives a run back, WORKQ_TRIAL one trial of it.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "damage.h"
#include "support/fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "support/fill_shm.h"
#include "support/in_lock.h"
#include "support/own_shm.h"

/* At scale 100. */
enum { TRIALS = 1500, BUSY_TRIALS = 150, FULL_TRIALS = 600, FILE_TRIALS = 600 };

enum {
  CAPACITY = 400,
  LARGE_CAPACITY = 20000, /* most of it has no memory */
  BUSY = 2,               /* victims at a time */
  BUSY_DAMAGES = 6,
  TRIES = 20 /* a machine that is busy with something else may make one call slow, but not the same each time */
};

/* ---- Trials ---- */

/* A process dies in this, so that there is something to roll back. */
static int add_inside(workq *handle) {
  return workq_add_after(handle, "inside", 6, S);
}

static void assert_ended_well(uint64_t seed, unsigned trial, int status) {
  ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                "WORKQ_SEED=%llu WORKQ_TRIAL=%u: the victim ended with status %x (%s)", (unsigned long long)seed, trial,
                (unsigned)status, WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit");
}

typedef void run_trial(uint64_t seed, unsigned trial, uint64_t random);

/* One victim, which does the damage itself. */
static void run_idle(uint64_t seed, unsigned trial, uint64_t random) {
  if (trial % 4 == 0) die_inside(add_inside);
  pid_t child = process_fork();
  if (child == 0) damage_be_victim(random, true);
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  assert_ended_well(seed, trial, status);
}

/* Repeats what was slow: only what is slow each time is at fault. */
static void run_timed(uint64_t seed, unsigned trial, run_trial *run) {
  for (int tries = 0; tries < TRIES; tries++) {
    uint64_t random = seed + trial;
    random_next(&random);
    shared->now_ns = 1000 * S;
    damage_report->longest_ns = 0;
    run(seed, trial, random);
    damage_undo();
    if (damage_report->longest_ns <= S) return;
  }
  shared->now_ns = 1000 * S;
  ck_abort_msg("WORKQ_SEED=%llu WORKQ_TRIAL=%u: %s took %.1f s of the processor, each time", (unsigned long long)seed,
               trial, damage_report->longest, (double)damage_report->longest_ns / (double)S);
}

/* Only the one that was asked for, if there is one. */
static void run_trials(uint64_t seed, unsigned trials, run_trial *run) {
  const char *one = getenv("WORKQ_TRIAL");
  unsigned first = one ? (unsigned)strtoul(one, NULL, 10) : 0, end = one ? first + 1 : plain_scaled(trials);
  for (unsigned trial = first; trial < end; trial++) run_timed(seed, trial, run);
}

START_TEST(no_damage_makes_a_call_crash_or_hang) {
  uint64_t seed = random_seed(NULL);
  damage_begin(seed, CAPACITY);
  run_trials(seed, TRIALS, run_idle);
  damage_end();
}
END_TEST

/* ---- Meanwhile ---- */

/* The journal check takes a line that somebody else has changed for one that this transaction has not saved. */
#ifndef WORKQ_JOURNAL_CHECK
/* Waits for so many calls more, or until no victim is left; notes the status of those that end.  Returns how many are left. */
static int await_calls(uint64_t more, int left, int *status) {
  uint64_t until = damage_report->calls + more;
  while (left > 0 && damage_report->calls < until) {
    int ended;
    if (waitpid(-1, &ended, WNOHANG) > 0) {
      left--;
      if (ended != 0) *status = ended;
    }
    sched_yield();
  }
  return left;
}

/* Several victims that work side by side, while the bytes change under their hands. */
static void run_busy(uint64_t seed, unsigned trial, uint64_t random) {
  for (int i = 0; i < BUSY; i++) {
    pid_t child = process_fork();
    if (child == 0) damage_be_victim(random + (uint64_t)i, false);
  }
  int left = BUSY, status = 0;
  for (int i = 0; i < BUSY_DAMAGES && left; i++) {
    left = await_calls(1 + random_below(&random, 30), left, &status);
    damage_do(&random);
  }
  while (left) left = await_calls(1, left, &status);
  assert_ended_well(seed, trial, status);
}

START_TEST(no_damage_done_meanwhile_makes_a_call_crash_or_hang) {
  uint64_t seed = random_seed(NULL);
  damage_begin(seed, CAPACITY);
  run_trials(seed, BUSY_TRIALS, run_busy);
  damage_end();
}
END_TEST
#endif

/* ---- A full /dev/shm ---- */

static void run_full(uint64_t seed, unsigned trial, uint64_t random) {
  if (random_below(&random, 4)) damage_claim_memory();
  run_idle(seed, trial, random);
}

/* Most records have no memory, and none is to be had: who touches one gets SIGBUS. */
START_TEST(no_index_leads_where_there_is_no_memory) {
  uint64_t seed = random_seed(NULL);
  if (!own_shm("size=8m")) {
    printf("SKIPPED: neither a mount nor a user namespace is permitted here\n");
    return;
  }
  damage_begin(seed, LARGE_CAPACITY);
  fill_shm_but(0);
  run_trials(seed, FULL_TRIALS, run_full);
  damage_end();
}
END_TEST

/* ---- Files ---- */

static void copy_file(int from, int to, off_t size) {
  static unsigned char bytes[1 << 16];
  for (off_t at = 0; at < size;) {
    ssize_t n = pread(from, bytes, sizeof bytes, at);
    ck_assert_int_gt(n, 0);
    ck_assert_int_eq(pwrite(to, bytes, (size_t)n, at), n);
    at += n;
  }
}

/* Cut off, made long again, longer, or with holes where something was; the mutexes are spared. */
static void spoil_file(int fd, off_t size, uint64_t *random) {
  off_t page = 4096, at = (off_t)random_below(random, (uint64_t)size);
  off_t after_mutexes = (off_t)(damage_geometry.slots_off + DAMAGE_HANDLES * sizeof(struct slot));
  int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  switch (random_below(random, 4)) {
  case 0:
    ck_assert_int_eq(ftruncate(fd, at), 0);
    break;
  case 1:
    ck_assert_int_eq(ftruncate(fd, size + at), 0);
    break;
  case 2: /* with zeros from there on */
    if (at < after_mutexes) at = random_below(random, 2) ? after_mutexes : 0;
    ck_assert_int_eq(ftruncate(fd, at), 0);
    ck_assert_int_eq(ftruncate(fd, size), 0);
    break;
  default:
    at = at < after_mutexes ? (off_t)damage_geometry.control_off : at / page * page;
    ck_assert_int_eq(fallocate(fd, hole, at, page * (off_t)(1 + random_below(random, 2))), 0);
  }
}

/* A copy of the queue under another name is spoilt and then opened. */
static void run_file(uint64_t seed, unsigned trial, uint64_t random) {
  static char copy_name[sizeof name];
  char path[sizeof name + 32];
  if (!*copy_name) fixture_name(copy_name);
  snprintf(path, sizeof path, "%s", engine_path(copy_name));
  int from = open(engine_path(name), O_RDONLY | O_CLOEXEC);
  int to = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  ck_assert(from >= 0 && to >= 0);
  copy_file(from, to, (off_t)damage_geometry.total_size);
  spoil_file(to, (off_t)damage_geometry.total_size, &random);
  close(from);
  close(to);
  pid_t child = process_fork();
  if (child == 0) {
    snprintf(name, sizeof name, "%s", copy_name);
    damage_be_victim(random, false);
  }
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  unlink(path);
  assert_ended_well(seed, trial, status);
}

START_TEST(no_spoilt_file_makes_a_call_crash_or_hang) {
  uint64_t seed = random_seed(NULL);
  damage_begin(seed, CAPACITY);
  run_trials(seed, FILE_TRIALS, run_file);
  damage_end();
}
END_TEST

static Suite *damage_suite(void) {
  Suite *suite = suite_create("damage");
  TCase *tcase = fixture_case(suite, "damage");
  tcase_add_test(tcase, no_damage_makes_a_call_crash_or_hang);
#ifndef WORKQ_JOURNAL_CHECK
  tcase_add_test(tcase, no_damage_done_meanwhile_makes_a_call_crash_or_hang);
#endif
  tcase_add_test(tcase, no_index_leads_where_there_is_no_memory);
  tcase_add_test(tcase, no_spoilt_file_makes_a_call_crash_or_hang);
  return suite;
}

int main(void) {
  static suite_maker *const suites[] = {damage_suite};
  return fixture_run("check-damage", suites, 1);
}
