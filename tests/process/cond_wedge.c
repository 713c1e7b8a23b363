/*
 * Why the library has a condition variable of its own: a process-shared pthread_cond_t is wedged for good when one of
 * its waiters is killed, and the queue's sleepers are not.
 *
 * First the queue, which must always pass: sleeping workers are killed, and each later add returns at once and wakes
 * a living worker.  Then the C library's: where signal or broadcast hangs after such a death, the reason still
 * stands; where it does not, the test is skipped aloud.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/plain.h"
#include "support/process.h"
#include "support/random.h"

#include "workq.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 40, SLEEPERS = 3, PATIENCE_MS = 300000, WEDGED_MS = 3000 };

static char name[64];

/* The state letter of /proc/PID/stat: S while the process sleeps in the kernel. */
static char process_state(pid_t pid) {
  char path[64];
  char line[256];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  FILE *file = fopen(path, "r");
  if (file == NULL) plain_fail("%s: %s", path, strerror(errno));
  size_t n = fread(line, 1, sizeof line - 1, file);
  fclose(file);
  line[n] = '\0';
  const char *after_name = strrchr(line, ')');
  return after_name != NULL && after_name[1] == ' ' ? after_name[2] : '?';
}

static void look_again_soon(void) {
  nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

/* ---- The queue ----------------------------------------------------------------------------------------------- */

static void sleep_in_get(int tell) {
  workq_options options = {.flags = WORKQ_NO_SPIN};
  workq *q;
  plain_ok(workq_open(name, &options, &q), "workq_open");
  for (;;) {
    workq_item item;
    plain_ok(workq_get(q, &item, WORKQ_FOREVER), "workq_get");
    unsigned key;
    memcpy(&key, item.key, sizeof key);
    plain_ok(workq_complete(q, &item), "workq_complete");
    if (write(tell, &key, sizeof key) != sizeof key) plain_fail("write: %s", strerror(errno));
  }
}

static pid_t start_sleeper(int tell) {
  pid_t pid = process_fork();
  if (pid == 0) sleep_in_get(tell);
  return pid;
}

static void wait_until_waiting(workq *q, const pid_t *pids, unsigned n) {
  int64_t until_ns = plain_now_ns() + PATIENCE_MS * INT64_C(1000000);
  for (;;) {
    workq_stats_data stats;
    plain_ok(workq_stats(q, &stats), "workq_stats");
    unsigned asleep = 0;
    for (unsigned i = 0; i < n; i++) asleep += process_state(pids[i]) == 'S';
    if (stats.waiting >= n && asleep == n) return;
    if (plain_now_ns() > until_ns) plain_fail("%u workers wait instead of %u", stats.waiting, n);
    look_again_soon();
  }
}

/* The pipe is the event; the limit is so large that only a hang reaches it. */
static void expect_run(int told, unsigned key, const char *when) {
  struct pollfd event = {.fd = told, .events = POLLIN};
  unsigned ran;
  do {
    if (poll(&event, 1, PATIENCE_MS) == 0) plain_fail("%s: no worker got key %u", when, key);
    if (read(told, &ran, sizeof ran) != sizeof ran) plain_fail("read: %s", strerror(errno));
  } while (ran != key); /* a killed worker may have told of its key, or died before it could */
}

static void add_key(workq *q, unsigned key) {
  plain_ok(workq_add(q, &key, sizeof key), "workq_add");
}

/* All sleepers die; then an add, and a new worker. */
static void kill_all_then_add(workq *q, const int *ends, unsigned key) {
  pid_t pids[SLEEPERS];
  for (unsigned i = 0; i < SLEEPERS; i++) pids[i] = start_sleeper(ends[1]);
  wait_until_waiting(q, pids, SLEEPERS);
  for (unsigned i = 0; i < SLEEPERS; i++) process_kill(pids[i]);
  add_key(q, key);
  pid_t pid = start_sleeper(ends[1]);
  expect_run(ends[0], key, "after the death of all sleepers");
  wait_until_waiting(q, &pid, 1);
  add_key(q, key + 1);
  expect_run(ends[0], key + 1, "to a sleeper after the death of others");
  process_kill(pid);
}

/* Some die, others sleep on; the wake-up must reach one of these. */
static void kill_some_then_add(workq *q, const int *ends, unsigned key, uint64_t *random) {
  pid_t pids[SLEEPERS];
  for (unsigned i = 0; i < SLEEPERS; i++) pids[i] = start_sleeper(ends[1]);
  wait_until_waiting(q, pids, SLEEPERS);
  unsigned survivor = (unsigned)random_below(random, SLEEPERS);
  for (unsigned i = 0; i < SLEEPERS; i++)
    if (i != survivor) process_kill(pids[i]);
  add_key(q, key);
  expect_run(ends[0], key, "beside the death of other sleepers");
  process_kill(pids[survivor]);
}

/* The wake-up may have been spent on the one that dies. */
static void add_then_kill_some(workq *q, const int *ends, unsigned key, uint64_t *random) {
  pid_t pids[SLEEPERS];
  for (unsigned i = 0; i < SLEEPERS; i++) pids[i] = start_sleeper(ends[1]);
  wait_until_waiting(q, pids, SLEEPERS);
  unsigned survivor = (unsigned)random_below(random, SLEEPERS);
  add_key(q, key);
  for (unsigned i = 0; i < SLEEPERS; i++)
    if (i != survivor) kill(pids[i], SIGKILL);
  for (unsigned i = 0; i < SLEEPERS; i++)
    if (i != survivor) process_wait(pids[i]);
  add_key(q, key + 1);
  expect_run(ends[0], key + 1, "after a wake-up that may have been lost");
  process_kill(pids[survivor]);
}

static void try_queue(uint64_t random) {
  workq_options options = {
      .limiter = {.kinds = WORKQ_LIMIT_NONE}, .max_crashes = WORKQ_NEVER, .reap_interval_ns = 5000000};
  workq *q;
  plain_ok(workq_create(name, &options, &q), "workq_create");
  int ends[2];
  if (pipe(ends) != 0) plain_fail("pipe: %s", strerror(errno));
  unsigned rounds = plain_scaled(ROUNDS);
  for (unsigned i = 0; i < rounds; i++) {
    kill_all_then_add(q, ends, 6 * i);
    kill_some_then_add(q, ends, 6 * i + 2, &random);
    add_then_kill_some(q, ends, 6 * i + 4, &random);
  }
  plain_ok(workq_reap(q), "workq_reap");
  workq_stats_data stats;
  plain_ok(workq_stats(q, &stats), "workq_stats");
  if (stats.attached != 1 || stats.waiting != 0)
    plain_fail("%u handles and %u sleepers are left", stats.attached, stats.waiting);
  plain_check(q, "after the deaths of sleepers");
  plain_ok(workq_close(q), "workq_close");
  printf("queue: %u rounds of killed sleepers, every key got to a living worker\n", rounds);
  fflush(stdout);
}

/* ---- The C library ------------------------------------------------------------------------------------------- */

/* Waiters get one permit each, and count that they did. */
typedef struct shared_cond {
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  unsigned permits;
  _Atomic unsigned waiting;
  _Atomic unsigned woken;
} shared_cond;

static shared_cond *new_shared_cond(void) {
  shared_cond *s = process_share(sizeof *s);
  pthread_mutexattr_t mutex_attributes;
  pthread_condattr_t cond_attributes;
  pthread_mutexattr_init(&mutex_attributes);
  pthread_mutexattr_setpshared(&mutex_attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&mutex_attributes, PTHREAD_MUTEX_ROBUST);
  pthread_condattr_init(&cond_attributes);
  pthread_condattr_setpshared(&cond_attributes, PTHREAD_PROCESS_SHARED);
  if (pthread_mutex_init(&s->mutex, &mutex_attributes) != 0) plain_fail("pthread_mutex_init");
  if (pthread_cond_init(&s->cond, &cond_attributes) != 0) plain_fail("pthread_cond_init");
  return s;
}

/* Whoever died here held the mutex between two whole states. */
static void lock_shared(shared_cond *s, int result) {
  if (result == EOWNERDEAD) {
    pthread_mutex_consistent(&s->mutex);
  } else if (result != 0) {
    plain_fail("mutex: %s", strerror(result));
  }
}

static pid_t start_cond_waiter(shared_cond *s) {
  pid_t pid = process_fork();
  if (pid != 0) return pid;
  lock_shared(s, pthread_mutex_lock(&s->mutex));
  atomic_fetch_add(&s->waiting, 1);
  while (s->permits == 0) lock_shared(s, pthread_cond_wait(&s->cond, &s->mutex));
  s->permits--;
  atomic_fetch_add(&s->woken, 1);
  pthread_mutex_unlock(&s->mutex);
  _exit(PLAIN_PASS);
}

/* A waiter sleeps with the mutex free: then it is asleep in the condition variable. */
static void wait_until_cond_waits(shared_cond *s, pid_t pid, unsigned waiting) {
  for (;;) {
    if (atomic_load(&s->waiting) >= waiting && process_state(pid) == 'S') {
      lock_shared(s, pthread_mutex_lock(&s->mutex));
      pthread_mutex_unlock(&s->mutex);
      if (process_state(pid) == 'S') return;
    }
    look_again_soon();
  }
}

/* Kills a child that may have ended. */
static void end_child(pid_t pid) {
  kill(pid, SIGKILL);
  process_wait(pid);
}

/* Gives one permit, in a process of its own: true if the call came back. */
static bool signal_returns(shared_cond *s, bool broadcast) {
  int ends[2];
  if (pipe(ends) != 0) plain_fail("pipe: %s", strerror(errno));
  pid_t pid = process_fork();
  if (pid == 0) {
    lock_shared(s, pthread_mutex_lock(&s->mutex));
    s->permits++;
    pthread_mutex_unlock(&s->mutex);
    if (broadcast) {
      pthread_cond_broadcast(&s->cond);
    } else {
      pthread_cond_signal(&s->cond);
    }
    _exit(PLAIN_PASS);
  }
  close(ends[1]);
  struct pollfd end = {.fd = ends[0], .events = POLLIN};
  bool returned = poll(&end, 1, WEDGED_MS) > 0;
  close(ends[0]);
  end_child(pid);
  return returned;
}

static bool wakes(const shared_cond *s, unsigned before) {
  int64_t until_ns = plain_now_ns() + WEDGED_MS * INT64_C(1000000);
  while (plain_now_ns() < until_ns) {
    if (atomic_load(&s->woken) > before) return true;
    look_again_soon();
  }
  return false;
}

/* One waiter is killed; then others wait and are signalled, one at a time.  Says how it wedged, or null. */
static const char *wedge(bool broadcast) {
  shared_cond *s = new_shared_cond();
  pid_t victim = start_cond_waiter(s);
  wait_until_cond_waits(s, victim, 1);
  process_kill(victim);
  for (unsigned round = 0; round < 8; round++) {
    pid_t pid = start_cond_waiter(s);
    wait_until_cond_waits(s, pid, round + 2);
    unsigned before = atomic_load(&s->woken);
    const char *how = NULL;
    /* The first signal may rightly go to the dead waiter; the second is for the living. */
    for (int i = 0; i < 2 && how == NULL && atomic_load(&s->woken) == before; i++)
      if (!signal_returns(s, broadcast)) how = broadcast ? "broadcast hangs" : "signal hangs";
    if (how == NULL && !wakes(s, before)) how = "a waiter that was signalled sleeps on";
    end_child(pid);
    if (how != NULL) return how;
    s->permits = 0;
  }
  return NULL;
}

int main(int argc, char **argv) {
  uint64_t random = plain_begin(&argc, argv);
  plain_own(name, sizeof name, "wedge");
  plain_watchdog(plain_scaled(300) + 900, name);
  try_queue(random);
  bool reproduced = false;
  for (int broadcast = 0; broadcast <= 1; broadcast++) {
    const char *how = wedge(broadcast);
    printf("pthread_cond_t with %s, after the death of a waiter: %s\n",
           broadcast ? "pthread_cond_broadcast" : "pthread_cond_signal", how != NULL ? how : "goes on");
    reproduced |= how != NULL;
  }
  fflush(stdout);
  if (!reproduced) plain_skip("this C library's pthread_cond_t survives the death of a waiter");
  return PLAIN_PASS;
}
