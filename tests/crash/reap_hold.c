/*
 * The lock is never held for long to look for the dead, however many handles there are, and however many keys a dead one had.
 * "Long" is a number of instructions and of calls of the kernel, each of which may walk the locks of all handles: a child is
 * stepped through its calls, and those are counted from where it has the lock to where it has it no more.
 *
 * Nor is anybody forgotten for it: the dead are found by calls that look at some handles at a time.
 *
 * reap_hold [TEST]...
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/plain.h"
#include "support/process.h"
#include "tracer.h"

#include "workq.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  HANDLES = WORKQ_HANDLES_MAX,
  CROWD = 4000, /* of these attached, by one thread of one process */
  OWN_FDS = 64, /* that are not the crowd's */
  HAND = 2000,  /* keys that one had in hand when it died */
  CAPACITY = 3000,
  GETS = 1
};

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(SANITIZED) || !defined(__OPTIMIZE__)
#define SLOWER 4
#else
#define SLOWER 1
#endif

/*
 * The most in a hold of the lock, which is to last no longer than a millisecond: 300,000 instructions take some 100 us; 400 calls
 * of the kernel, of which some open a file and others walk the locks of all handles, half a millisecond.
 */
enum { INSTRUCTIONS_MAX = 300000 * SLOWER, SYSCALLS_MAX = 400, STEPS_MAX = INSTRUCTIONS_MAX + 50000 };

#define INTERVAL_NS INT64_C(1000000)
/* By so much the clock of those who look goes on whenever it is read: the last look is always long ago. */
#define JUMP_NS INT64_C(3600000000000)

static struct { _Atomic unsigned attached; } * shared;

static char name[64];
static workq *q;    /* the parent's, made before all children */
static workq *look; /* tells who has the lock */

/* ---- The queue -------------------------------------------------------------------------------------------------- */

static int64_t clock_that_jumps(void *unused) {
  static int64_t now_ns;
  (void)unused;
  if (now_ns == 0) now_ns = plain_now_ns();
  return now_ns += JUMP_NS;
}

static workq *open_jumping(void) {
  workq_options options = {.clock = clock_that_jumps, .flags = WORKQ_NO_SPIN};
  workq *handle;
  plain_ok(workq_open(name, &options, &handle), "workq_open");
  return handle;
}

static void open_queue(uint32_t handles) {
  workq_options options = {.capacity = CAPACITY,
                           .key_max = 16,
                           .handles = handles,
                           .no_metrics = 1,
                           .max_crashes = WORKQ_NEVER,
                           .reap_interval_ns = INTERVAL_NS,
                           .limiter = {.kinds = WORKQ_LIMIT_NONE}};
  workq_options raw = {.flags = WORKQ_RAW};
  plain_ok(workq_create(name, &options, &q), "workq_create");
  plain_ok(workq_open(name, &raw, &look), "workq_open of a raw handle");
  atomic_store(&shared->attached, 0);
}

static void close_queue(void) {
  plain_check(q, "at the end");
  plain_ok(workq_close(look), "workq_close");
  plain_ok(workq_close(q), "workq_close");
  plain_ok(workq_unlink(name), "workq_unlink");
}

static void add_keys(uint32_t count) {
  for (uint32_t n = 0; n < count; n++) plain_ok(workq_add(q, &n, sizeof n), "workq_add");
}

/* A child that opens so many handles, takes so many keys with the last one, and stands still. */
static pid_t start_crowd(unsigned handles, uint32_t keys) {
  pid_t pid = process_fork();
  if (pid == 0) {
    workq *handle = NULL;
    workq_item item;
    for (unsigned i = 0; i < handles; i++) {
      int rc = workq_open(name, NULL, &handle);
      if (rc == -ENOSPC || rc == -ENOMEM) _exit(PLAIN_SKIP);
      plain_ok(rc, "workq_open");
    }
    for (uint32_t n = 0; n < keys; n++) plain_ok(workq_get(handle, &item, 0), "workq_get");
    atomic_fetch_add(&shared->attached, handles);
    for (;;) pause();
  }
  return pid;
}

static void await_attached(unsigned count) {
  while (atomic_load(&shared->attached) < count) {
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
      if (info.si_status == PLAIN_SKIP) plain_skip("there is no room for %u handles", count);
      plain_fail("the crowd has ended");
    }
    usleep(1000);
  }
}

static unsigned crowd_size(void) {
  struct rlimit files;
  unsigned handles = plain_scaled(CROWD);
  if (handles > CROWD) handles = CROWD;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) plain_fail("getrlimit: %s", strerror(errno));
  files.rlim_cur = handles + OWN_FDS;
  if (files.rlim_max < files.rlim_cur) files.rlim_max = files.rlim_cur;
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) plain_skip("%u descriptors are not to be had", handles + OWN_FDS);
  return handles;
}

/* ---- Stepping through a hold ------------------------------------------------------------------------------------- */

typedef struct hold {
  const char *what;
  const tracer_trace *trace;
  size_t instructions, syscalls;           /* of this hold */
  size_t most_instructions, most_syscalls; /* of any */
} hold;

/* The child is a fork: what it executes lies where this process has it. */
static bool is_syscall(uintptr_t at) {
  static const unsigned char syscall_bytes[] = {0x0f, 0x05};
  unsigned char bytes[sizeof syscall_bytes];
  memcpy(bytes, (const void *)at, sizeof bytes);
  return memcmp(bytes, syscall_bytes, sizeof bytes) == 0;
}

/* While a new handle takes a dead one's place the holder is still said to be that one. */
static void count_step(void *arg, size_t step) {
  hold *h = arg;
  if (workq_lock_owner(look) == 0) {
    h->instructions = h->syscalls = 0;
    return;
  }
  if (++h->instructions > h->most_instructions) h->most_instructions = h->instructions;
  if (is_syscall(h->trace->at[step]) && ++h->syscalls > h->most_syscalls) h->most_syscalls = h->syscalls;
  if (h->instructions > INSTRUCTIONS_MAX)
    plain_fail("%s: the lock is held for over %d instructions", h->what, INSTRUCTIONS_MAX);
  if (h->syscalls > SYSCALLS_MAX)
    plain_fail("%s: the lock is held over more than %d calls of the kernel", h->what, SYSCALLS_MAX);
}

static workq *mine; /* the child's */

static void prepare(void *unused) {
  (void)unused;
  mine = open_jumping();
}

static void get_some(void *unused) {
  workq_item item;
  (void)unused;
  for (int i = 0; i < GETS; i++) (void)workq_get(mine, &item, 0);
}

static void reap(void *unused) {
  (void)unused;
  plain_ok(workq_reap(mine), "workq_reap");
}

static void drain(void *unused) {
  (void)unused;
  (void)workq_shutdown_drain(mine, 1);
}

static void attach(void *unused) {
  (void)unused;
  mine = open_jumping();
}

/* Steps a child through the call, or the first part of it. */
static void step_through(const char *what, tracer_call *prepare_it, tracer_call *act) {
  tracer_job job = {.prepare = prepare_it, .act = act};
  tracer_trace trace = {0};
  hold h = {.what = what, .trace = &trace};
  pid_t pid = tracer_start(&job);
  if (tracer_record(pid, &trace, STEPS_MAX, count_step, &h)) tracer_finish(pid);
  else tracer_kill(pid);
  if (h.most_instructions == 0) plain_fail("%s: the lock was never held: the test tests nothing", what);
  printf("%s: the longest hold of the lock has %zu instructions, one has %zu calls of the kernel\n", what,
         h.most_instructions, h.most_syscalls);
  fflush(stdout);
  tracer_forget(&trace);
}

/* ---- Tests ------------------------------------------------------------------------------------------------------- */

/* None of the many is dead, and one has a key in hand, so that a get looks for the dead. */
static void many_handles(void) {
  unsigned crowd = crowd_size();
  open_queue(HANDLES);
  add_keys(1);
  pid_t pid = start_crowd(crowd, 1);
  await_attached(crowd);
  step_through("get", prepare, get_some);
  step_through("drain", prepare, drain);
  plain_ok(workq_resume(q), "workq_resume");
  step_through("reap", prepare, reap);
  process_kill(pid);
  plain_ok(workq_reap(q), "workq_reap");
  workq_stats_data stats;
  plain_ok(workq_stats(q, &stats), "workq_stats");
  if (stats.attached != 1 || stats.ready != 1)
    plain_fail("%u handles, %u ready keys after all but one have died", stats.attached, stats.ready);
  close_queue();
}

/* One handle of many dies; those who get find it, a part of the handles at a time. */
static void one_dead_among_many(void) {
  unsigned crowd = crowd_size();
  open_queue(HANDLES);
  add_keys(2);
  pid_t before = start_crowd(crowd / 2, 1);
  await_attached(crowd / 2);
  pid_t dead = start_crowd(1, 1);
  await_attached(crowd / 2 + 1);
  pid_t after = start_crowd(crowd / 2 - 1, 0);
  await_attached(crowd / 2 * 2);
  process_kill(dead);
  workq *getter = open_jumping();
  workq_item item;
  int gets = 1, rc;
  while ((rc = workq_get(getter, &item, 0)) == -ETIMEDOUT && gets < HANDLES) gets++;
  printf("one dead among %u handles: found by get number %d\n", crowd, gets);
  if (rc != 0) plain_fail("%d gets do not find the dead: %s", gets, workq_strerror(rc));
  plain_ok(workq_complete(getter, &item), "workq_complete");
  plain_ok(workq_close(getter), "workq_close");
  process_kill(before);
  process_kill(after);
  close_queue();
}

static void kill_one_with_keys(void) {
  add_keys(HAND);
  unsigned attached = atomic_load(&shared->attached);
  pid_t pid = start_crowd(1, HAND);
  await_attached(attached + 1);
  process_kill(pid);
}

static void expect_keys_back(void) {
  workq_stats_data stats;
  plain_ok(workq_reap(q), "workq_reap");
  plain_ok(workq_stats(q, &stats), "workq_stats");
  if (stats.ready != HAND || stats.processing != 0)
    plain_fail("%u keys are back, and %u not", stats.ready, stats.processing);
}

static void many_keys_of_a_dead_one(void) {
  open_queue(4);
  kill_one_with_keys();
  step_through("reap of many keys", prepare, reap);
  expect_keys_back();
  close_queue();
}

static void many_keys_in_the_way_of_a_new_handle(void) {
  open_queue(2);
  kill_one_with_keys();
  step_through("attach in the place of one with many keys", NULL, attach);
  expect_keys_back();
  close_queue();
}

#define TEST(function)                                                                                                 \
  { #function, function }
static const struct {
  const char *name;
  void (*run)(void);
} tests[] = {TEST(many_keys_of_a_dead_one), TEST(many_keys_in_the_way_of_a_new_handle), TEST(many_handles),
             TEST(one_dead_among_many)};

static bool wanted(const char *test, char **names) {
  if (!*names) return true;
  for (; *names; names++)
    if (strcmp(*names, test) == 0) return true;
  return false;
}

int main(int argc, char **argv) {
  plain_begin(&argc, argv);
#ifdef WORKQ_JOURNAL_CHECK
  plain_skip("the journal check copies the segment at each transaction: too long in single steps");
#endif
  tracer_need();
  shared = process_share(sizeof *shared);
  plain_own(name, sizeof name, "reap_hold");
  plain_watchdog(1800, name);
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    if (!wanted(tests[i].name, argv + 1)) continue;
    printf("%s\n", tests[i].name);
    fflush(stdout);
    tests[i].run();
  }
  return PLAIN_PASS;
}
