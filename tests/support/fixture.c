/*
 * The common part of the Check programs about the queue as a whole; see fixture.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fixture.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "in_lock.h"

/* Far beyond what a test takes on the slowest machine: it ends a hang. */
#define HANG_SECONDS 900

struct shared *shared;
workq_options options;
char name[WORKQ_NAME_MAX + 1];
workq *q;

static char prefix[64]; /* of every name: word-pid, the pid being that of the program */

/* ---- The program ---- */

int fixture_run(const char *word, suite_maker *const *suites, size_t count) {
  snprintf(prefix, sizeof prefix, "%s-%d", word, (int)getpid());
  SRunner *runner = srunner_create(NULL);
  for (size_t i = 0; i < count; i++) srunner_add_suite(runner, suites[i]());
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  engine_remove_all(prefix); /* a test that failed has not removed its queue */
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void set_up(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* Check's child, too, ends with its parent */
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne(shared, MAP_FAILED);
  shared->now_ns = 1000 * S;
  options = (workq_options){.clock = fixture_clock};
  fixture_name(name);
  q = NULL;
}

/* On every path: no child is left, and the queue is sound. */
static void tear_down(void) {
  ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
  ck_assert_int_eq(errno, ECHILD);
  if (q) {
    assert_sound(q);
    ok(workq_close(q));
    ok(workq_unlink(name));
  }
  munmap(shared, sizeof *shared);
}

TCase *fixture_case(Suite *suite, const char *words) {
  TCase *tcase = tcase_create(words);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_set_timeout(tcase, HANG_SECONDS);
  suite_add_tcase(suite, tcase);
  return tcase;
}

TCase *fixture_case_with(Suite *suite, const char *words, unsigned features) {
  if (engine_has(features)) return fixture_case(suite, words);
  printf("SKIPPED: %s: the engine %s does not have that\n", words, engine_name());
  return tcase_create(words); /* of no suite */
}

/* ---- Queues ---- */

void fixture_name(char *to) {
  static int number;
  snprintf(to, sizeof name, "%s-%d-%d", prefix, (int)getpid(), number++);
}

void create(void) {
  ok(workq_create(name, &options, &q));
}

workq *open_again(void) {
  workq *handle;
  ok(workq_open(name, &options, &handle));
  return handle;
}

int64_t fixture_clock(void *arg) {
  (void)arg;
  in_lock_act();
  return shared->now_ns;
}

void pass(int64_t ns) {
  shared->now_ns += ns;
}

int ok(int result) {
  ck_assert_msg(result >= 0, "%s (%d)", workq_strerror(result), result);
  return result;
}

static void print_problem(void *arg, const char *line) {
  (void)arg;
  fprintf(stderr, "workq_check: %s\n", line);
}

void assert_sound(workq *handle) {
  ck_assert_int_eq(workq_check(handle, print_problem, NULL), 0);
}

/* ---- Keys ---- */

int add(const char *key) {
  return ok(workq_add(q, key, strlen(key)));
}

int add_after(const char *key, int64_t delay_ns) {
  return ok(workq_add_after(q, key, strlen(key), delay_ns));
}

int add_rate_limited(const char *key) {
  return ok(workq_add_rate_limited(q, key, strlen(key)));
}

int add_priority(const char *key, int priority) {
  return ok(workq_add_opts(q, key, strlen(key), &(workq_add_options){.priority = priority}));
}

bool is_key(const void *bytes, size_t len, const char *key) {
  return len == strlen(key) && memcmp(bytes, key, len) == 0;
}

workq_item take_by(workq *handle, const char *key) {
  workq_item item;
  ok(workq_get(handle, &item, 0));
  ck_assert_msg(is_key(item.key, item.key_len, key), "took %.*s, not %s", (int)item.key_len, (const char *)item.key,
                key);
  return item;
}

workq_item take(const char *key) {
  return take_by(q, key);
}

void finish(const char *key) {
  workq_item item = take(key);
  ok(workq_done(q, &item));
}

void bury(const char *key) {
  workq_item item = take(key);
  ck_assert_int_eq(workq_give_up(q, &item), 0);
  ck_assert_int_eq(state_of(key), WORKQ_STATE_BURIED);
}

void retry(const char *key) {
  workq_item item = take(key);
  ck_assert_int_eq(workq_retry(q, &item), 1);
}

int state_of(const char *key) {
  return workq_state(q, key, strlen(key), NULL);
}

workq_info info_of(const char *key) {
  workq_info info;
  ok(workq_state(q, key, strlen(key), &info));
  ck_assert(is_key(info.key, info.key_len, key));
  return info;
}

int requeues(const char *key) {
  return ok(workq_num_requeues(q, key, strlen(key)));
}

workq_stats_data stats(void) {
  workq_stats_data data;
  ck_assert_int_eq(workq_stats(q, &data), 0);
  return data;
}

void assert_ready(const char *words) {
  char taken[1024] = "";
  workq_item item;
  int rc;
  while ((rc = workq_get(q, &item, 0)) == 0) {
    size_t at = strlen(taken);
    snprintf(taken + at, sizeof taken - at, "%s%.*s", at ? " " : "", (int)item.key_len, (const char *)item.key);
    ok(workq_done(q, &item));
  }
  ck_assert(rc == -ETIMEDOUT || rc == -ESHUTDOWN);
  ck_assert_str_eq(taken, words);
}

/* ---- Children and threads ---- */

/* A child that failed would be waited for in vain. */
static void look_after_children(void) {
  siginfo_t ended = {0};
  if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0) return;
  ck_assert_msg(ended.si_code == CLD_EXITED ? ended.si_status == 0 : ended.si_status == SIGKILL,
                "child %d failed: status %d", (int)ended.si_pid, ended.si_status);
}

static void look_again_later(void) {
  look_after_children();
  sched_yield();
}

void await(const atomic_int *word, int value) {
  while (atomic_load(word) < value) look_again_later();
}

struct waiting_count {
  uint32_t kind;
  unsigned count;
};

static int count_waiting(void *arg, const workq_worker *worker) {
  struct waiting_count *waiting = arg;
  waiting->count += worker->waiting == waiting->kind;
  return 0;
}

void await_waiting(uint32_t kind, unsigned count) {
  for (;;) {
    struct waiting_count waiting = {.kind = kind};
    ok(workq_iterate_workers(q, count_waiting, &waiting));
    if (waiting.count >= count) return;
    look_again_later();
  }
}

pid_t fork_worker_with(const char *key) {
  int before = shared->steps[0];
  pid_t pid = process_fork();
  if (pid == 0) {
    workq *own;
    ok(workq_open(name, &options, &own));
    take_by(own, key);
    shared->steps[0]++;
    for (;;) pause();
  }
  await(&shared->steps[0], before + 1);
  return pid;
}

void die_with(const char *key) {
  process_kill(fork_worker_with(key));
}
