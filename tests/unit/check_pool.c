/*
 * workq_run and pools in a loop of the caller's: what they promise of workers, handlers' results, crashes, signals and its end.
 *
 * Handlers run in worker processes; they tell the test through memory shared with it.  What has to wait waits for such a
 * word or for a pipe, never for a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "workq.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/process.h"

#define MS INT64_C(1000000)

#define KEYS 1000

/* Written by workers, read by the test. */
static struct shared {
  atomic_int runs[KEYS];
  atomic_int by_worker[8];
  atomic_int starts[8];
  atomic_int count, other, flag, wrong;
} * shared;

/* Written by the event callback, in the test's own process. */
static struct {
  int what, pid, status;
  unsigned worker;
} events[1000];
static size_t event_count;

static char name[64];
static workq *q;
static workq_pool pool;

static void on_event(void *arg, int what, unsigned worker, int pid, int status) {
  ck_assert_ptr_eq(arg, shared);
  ck_assert_uint_lt(event_count, sizeof events / sizeof *events);
  events[event_count].what = what;
  events[event_count].worker = worker;
  events[event_count].pid = pid;
  events[event_count++].status = status;
}

static size_t count_events(int what) {
  size_t n = 0;
  for (size_t i = 0; i < event_count; i++) n += events[i].what == what;
  return n;
}

static void create(const workq_options *options) {
  snprintf(name, sizeof name, "check_pool-%d", (int)getpid());
  ck_assert_int_eq(workq_create(name, options, &q), 0);
}

static void set_up(void) {
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne(shared, MAP_FAILED);
  pool = (workq_pool){.workers = 3, .until_empty = 1, .event = on_event, .arg = shared};
}

/* On every path: no child is left, and the segment is sound. */
static void tear_down(void) {
  ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
  ck_assert_int_eq(errno, ECHILD);
  if (q) {
    ck_assert_int_eq(workq_check(q, NULL, NULL), 0);
    ck_assert_int_eq(workq_close(q), 0);
    ck_assert_int_eq(workq_unlink(name), 0);
  }
  munmap(shared, sizeof *shared);
}

static int count_descriptors(void) {
  DIR *directory = opendir("/proc/self/fd");
  ck_assert_ptr_nonnull(directory);
  int n = 0;
  while (readdir(directory)) n++;
  closedir(directory);
  return n;
}

static void add(const char *key) {
  ck_assert_int_ge(workq_add(q, key, strlen(key)), 0);
}

static void add_numbers(int n) {
  char key[16];
  for (int i = 0; i < n; i++) {
    snprintf(key, sizeof key, "%d", i);
    add(key);
  }
}

static bool is_key(const workq_item *item, const char *key) {
  return item->key_len == strlen(key) && memcmp(item->key, key, item->key_len) == 0;
}

static int state_of(const char *key, workq_info *info) {
  return workq_state(q, key, strlen(key), info);
}

static workq_stats_data stats_now(void) {
  workq_stats_data stats;
  ck_assert_int_eq(workq_stats(q, &stats), 0);
  return stats;
}

/* For what another process will do without fail; the test's own time limit ends a fault. */
static void wait_for(const atomic_int *word) {
  while (atomic_load(word) == 0) sched_yield();
}

/* ---- Keys and results ---------------------------------------------------------------------------------------- */

static int count_key(workq *worker_q, const workq_item *item, unsigned worker, void *arg) {
  struct shared *told = arg;
  (void)worker_q;
  char key[16];
  snprintf(key, sizeof key, "%.*s", (int)item->key_len, (const char *)item->key);
  atomic_fetch_add(&told->runs[atoi(key)], 1);
  atomic_fetch_add(&told->by_worker[worker], 1);
  return WORKQ_OK;
}

START_TEST(every_key_is_processed_once) {
  create(NULL);
  add_numbers(KEYS);
  ck_assert_int_eq(workq_run(q, &pool, count_key), 0);
  for (int i = 0; i < KEYS; i++) ck_assert_int_eq(shared->runs[i], 1);
  ck_assert_int_eq(shared->by_worker[0] + shared->by_worker[1] + shared->by_worker[2], KEYS);
  ck_assert_uint_eq(stats_now().keys, 0);
  ck_assert_uint_eq(count_events(WORKQ_EVENT_STARTED), 3);
  ck_assert_uint_eq(count_events(WORKQ_EVENT_ENDED), 3);
  ck_assert_uint_eq(count_events(WORKQ_EVENT_CRASHED), 0);
}
END_TEST

static int one_run_each(workq *worker_q, const workq_item *item, unsigned worker, void *arg) {
  struct shared *told = arg;
  (void)worker_q, (void)worker;
  int run = atomic_fetch_add(&told->runs[0], 1);
  if (is_key(item, "retry") || is_key(item, "other")) {
    if ((int)item->failures != run) atomic_store(&told->wrong, 1);
    return run == 3 ? WORKQ_OK : is_key(item, "retry") ? WORKQ_RETRY : -42;
  }
  if (is_key(item, "release")) {
    if (item->failures != 0) atomic_store(&told->wrong, 1);
    return run == 3 ? WORKQ_OK : WORKQ_RELEASE;
  }
  return is_key(item, "give up") ? WORKQ_GIVE_UP : WORKQ_OK;
}

START_TEST(results_of_handlers) {
  static const char *const keys[] = {"ok", "retry", "other", "release", "give up"};
  static const int runs[] = {1, 4, 4, 4, 1};
  create(NULL);
  for (size_t i = 0; i < 5; i++) {
    shared->runs[0] = 0;
    add(keys[i]);
    ck_assert_int_eq(workq_run(q, &pool, one_run_each), 0);
    ck_assert_int_eq(shared->runs[0], runs[i]);
    ck_assert_int_eq(state_of(keys[i], NULL), i == 4 ? WORKQ_STATE_BURIED : -ENOENT);
  }
  ck_assert_int_eq(shared->wrong, 0);
}
END_TEST

START_TEST(no_options_are_one_worker) {
  create(NULL);
  ck_assert_int_eq(workq_shutdown(q), 0);
  ck_assert_int_eq(workq_run(q, NULL, count_key), 0);
}
END_TEST

static int note_start(workq *worker_q, unsigned worker, void *arg) {
  struct shared *told = arg;
  if (workq_len(worker_q) < 0) atomic_store(&told->wrong, 1);
  return atomic_fetch_add(&told->starts[worker], 1) < atomic_load(&told->other);
}

START_TEST(worker_start_comes_first_in_each) {
  create(NULL);
  add_numbers(10);
  pool.worker_start = note_start;
  ck_assert_int_eq(workq_run(q, &pool, count_key), 0);
  for (int i = 0; i < 3; i++) ck_assert_int_le(shared->starts[i], 1);
  ck_assert_int_eq(shared->wrong, 0);
}
END_TEST

START_TEST(failing_worker_start_is_a_crash_with_backoff) {
  create(NULL);
  add_numbers(10);
  pool.workers = 1;
  pool.worker_start = note_start;
  pool.restart_initial_ns = 10 * MS;
  pool.restart_max_ns = 25 * MS;
  shared->other = 4;
  struct timespec begin, end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  ck_assert_int_eq(workq_run(q, &pool, count_key), 0);
  clock_gettime(CLOCK_MONOTONIC, &end);
  ck_assert_uint_eq(count_events(WORKQ_EVENT_CRASHED), 4);
  ck_assert_int_eq(shared->starts[0], 5);
  int64_t took = (end.tv_sec - begin.tv_sec) * 1000 * MS + end.tv_nsec - begin.tv_nsec;
  ck_assert_int_ge(took, (10 + 20 + 25 + 25) * MS);
}
END_TEST

/* ---- Crashes ------------------------------------------------------------------------------------------------- */

static int die_first(workq *worker_q, const workq_item *item, unsigned worker, void *arg) {
  struct shared *told = arg;
  (void)worker_q, (void)worker;
  int run = atomic_fetch_add(&told->count, 1);
  if ((int)item->crashes != run) atomic_store(&told->wrong, 1);
  if (run == 0) raise(SIGKILL);
  if (run == 1) _exit(0);
  if (run == 2) exit(7);
  return WORKQ_OK;
}

START_TEST(crashed_workers_are_started_again) {
  create(NULL);
  add("key");
  pool.workers = 1;
  ck_assert_int_eq(workq_run(q, &pool, die_first), 0);
  ck_assert_int_eq(shared->count, 4);
  ck_assert_int_eq(shared->wrong, 0);
  ck_assert_uint_eq(event_count, 8);
  for (size_t i = 0; i < 8; i += 2) {
    ck_assert_int_eq(events[i].what, WORKQ_EVENT_STARTED);
    ck_assert_int_eq(events[i + 1].what, i == 6 ? WORKQ_EVENT_ENDED : WORKQ_EVENT_CRASHED);
    ck_assert_int_eq(events[i].pid, events[i + 1].pid);
  }
  ck_assert(WIFSIGNALED(events[1].status) && WTERMSIG(events[1].status) == SIGKILL);
  ck_assert(WIFEXITED(events[3].status) && WEXITSTATUS(events[3].status) == 0);
  ck_assert(WIFEXITED(events[5].status) && WEXITSTATUS(events[5].status) == 7);
  ck_assert_uint_eq(stats_now().crashes, 3);
  ck_assert_int_eq(state_of("key", NULL), -ENOENT);
}
END_TEST

static int die_of_poison(workq *worker_q, const workq_item *item, unsigned worker, void *arg) {
  if (is_key(item, "poison")) raise(SIGKILL);
  return count_key(worker_q, item, worker, arg);
}

START_TEST(poisonous_key_is_buried_and_the_others_run) {
  workq_options options = {.max_crashes = 2};
  create(&options);
  add("poison");
  add_numbers(100);
  ck_assert_int_eq(workq_run(q, &pool, die_of_poison), 0);
  for (int i = 0; i < 100; i++) ck_assert_int_eq(shared->runs[i], 1);
  ck_assert_int_eq(state_of("poison", NULL), WORKQ_STATE_BURIED);
  ck_assert_uint_eq(stats_now().crash_buried, 1);
}
END_TEST

static int end_itself(workq *worker_q, const workq_item *item, unsigned worker, void *arg) {
  struct shared *told = arg;
  (void)worker_q, (void)item, (void)worker;
  if (atomic_fetch_add(&told->count, 1) % 2 == 0) raise(SIGTERM); /* as from an administrator's kill */
  return WORKQ_OK;
}

START_TEST(worker_that_was_told_to_end_by_others_is_replaced) {
  create(NULL);
  add_numbers(4);
  pool.workers = 1;
  ck_assert_int_eq(workq_run(q, &pool, end_itself), 0);
  ck_assert_int_eq(shared->count, 4);
  ck_assert_uint_eq(count_events(WORKQ_EVENT_CRASHED), 0);
  ck_assert_uint_eq(count_events(WORKQ_EVENT_STARTED), 3);
  ck_assert_uint_eq(count_events(WORKQ_EVENT_ENDED), 3);
}
END_TEST

/* ---- Its end ------------------------------------------------------------------------------------------------- */

START_TEST(until_empty_waits_for_delayed_keys) {
  create(NULL);
  ck_assert_int_eq(workq_add_after(q, "0", 1, 120 * MS), 1);
  ck_assert_int_eq(workq_add_after(q, "1", 1, 1), 1);
  ck_assert_int_eq(workq_run(q, &pool, count_key), 0);
  ck_assert_int_eq(shared->runs[0], 1);
  ck_assert_int_eq(shared->runs[1], 1);
}
END_TEST

START_TEST(until_empty_of_nothing) {
  create(NULL);
  ck_assert_int_eq(workq_run(q, &pool, count_key), 0);
}
END_TEST

static int shut_down_at_ten(workq *worker_q, const workq_item *item, unsigned worker, void *arg) {
  struct shared *told = arg;
  if (atomic_fetch_add(&told->count, 1) == 10 && workq_shutdown(worker_q) < 0) atomic_store(&told->wrong, 1);
  return count_key(worker_q, item, worker, arg);
}

START_TEST(shutdown_drains_and_ends_it) {
  create(NULL);
  add_numbers(KEYS);
  ck_assert_int_eq(workq_add_after(q, "later", 5, WORKQ_DURATION_MAX), 1);
  pool.until_empty = 0;
  ck_assert_int_eq(workq_run(q, &pool, shut_down_at_ten), 0);
  for (int i = 0; i < KEYS; i++) ck_assert_int_eq(shared->runs[i], 1);
  ck_assert_int_eq(shared->wrong, 0);
  ck_assert_int_eq(state_of("later", NULL), WORKQ_STATE_DELAYED);
  ck_assert_uint_eq(count_events(WORKQ_EVENT_ENDED), 3);
}
END_TEST

/* "hold" shuts the queue down until the other worker has ended for it, and resumes it: then "more" needs that worker. */
static int hold(workq *worker_q, const workq_item *item, unsigned worker, void *arg) {
  struct shared *told = arg;
  (void)worker;
  if (is_key(item, "more")) {
    atomic_store(&told->other, 1);
    return WORKQ_OK;
  }
  if (workq_shutdown(worker_q) < 0) atomic_store(&told->wrong, 1);
  wait_for(&told->flag);
  if (workq_resume(worker_q) != 1 || workq_add(worker_q, "more", 4) != 1) atomic_store(&told->wrong, 2);
  wait_for(&told->other);
  if (workq_shutdown(worker_q) < 0) atomic_store(&told->wrong, 3);
  return WORKQ_OK;
}

static void tell_of_end(void *arg, int what, unsigned worker, int pid, int status) {
  struct shared *told = arg;
  if (what == WORKQ_EVENT_ENDED) atomic_store(&told->flag, 1);
  on_event(arg, what, worker, pid, status);
}

START_TEST(resume_brings_ended_workers_back) {
  create(NULL);
  add("hold");
  pool.workers = 2;
  pool.until_empty = 0;
  pool.event = tell_of_end;
  ck_assert_int_eq(workq_run(q, &pool, hold), 0);
  ck_assert_int_eq(shared->wrong, 0);
  ck_assert_uint_ge(count_events(WORKQ_EVENT_STARTED), 3);
}
END_TEST

static const int stop_signals[] = {SIGTERM, SIGINT};

/* In the worker: SIGTERM is blocked, so that a handler can see it come. */
static int change_term(int how) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  return sigprocmask(how, &set, NULL);
}

static int block_term(workq *worker_q, unsigned worker, void *arg) {
  (void)worker_q, (void)worker, (void)arg;
  return change_term(SIG_BLOCK);
}

/* Tells the supervisor to stop while it has a key in hand, and finishes that only when the word has come through. */
static int stop_supervisor(workq *worker_q, const workq_item *item, unsigned worker, void *arg) {
  struct shared *told = arg;
  (void)worker_q, (void)item, (void)worker;
  atomic_fetch_add(&told->count, 1);
  kill(getppid(), atomic_load(&told->other));
  sigset_t pending;
  do {
    sched_yield();
    sigpending(&pending);
  } while (!sigismember(&pending, SIGTERM));
  change_term(SIG_UNBLOCK);
  return WORKQ_OK;
}

START_TEST(first_signal_lets_keys_be_finished) {
  create(NULL);
  add_numbers(10);
  pool.workers = 1;
  pool.until_empty = 0;
  pool.worker_start = block_term;
  shared->other = stop_signals[_i];
  ck_assert_int_eq(workq_run(q, &pool, stop_supervisor), 1);
  ck_assert_int_eq(shared->count, 1);
  ck_assert_int_eq(state_of("0", NULL), -ENOENT);
  ck_assert_uint_eq(stats_now().ready, 9);
  ck_assert_uint_eq(count_events(WORKQ_EVENT_ENDED), 1);
}
END_TEST

static void stop_when_all_run(void *arg, int what, unsigned worker, int pid, int status) {
  on_event(arg, what, worker, pid, status);
  if (count_events(WORKQ_EVENT_STARTED) == 3 && what == WORKQ_EVENT_STARTED) raise(SIGINT);
}

START_TEST(first_signal_ends_idle_workers) {
  create(NULL);
  pool.until_empty = 0;
  pool.event = stop_when_all_run;
  ck_assert_int_eq(workq_run(q, &pool, count_key), 1);
  ck_assert_uint_eq(count_events(WORKQ_EVENT_ENDED), 3);
}
END_TEST

static int never_end(workq *worker_q, const workq_item *item, unsigned worker, void *arg) {
  struct shared *told = arg;
  (void)worker_q, (void)item, (void)worker;
  if (atomic_fetch_add(&told->count, 1) == 1) { /* both are here */
    kill(getppid(), SIGTERM);
    kill(getppid(), SIGINT);
  }
  while (atomic_load(&told->count) > 0) pause();
  return WORKQ_OK;
}

START_TEST(second_signal_kills) {
  create(NULL);
  add_numbers(2);
  pool.workers = 2;
  pool.until_empty = 0;
  ck_assert_int_eq(workq_run(q, &pool, never_end), 2);
  workq_info info;
  ck_assert_int_eq(shared->count, 2);
  workq_stats_data stats = stats_now();
  ck_assert_uint_eq(stats.processing, 0);
  ck_assert_uint_eq(stats.attached, 1);
  ck_assert_uint_eq(stats.crashes, 2);
  ck_assert_int_ge(state_of("0", &info), 0);
  ck_assert_uint_eq(info.crashes, 1);
  ck_assert_uint_eq(count_events(WORKQ_EVENT_ENDED), 2);
}
END_TEST

static void hang_up_when_all_run(void *arg, int what, unsigned worker, int pid, int status) {
  on_event(arg, what, worker, pid, status);
  if (count_events(WORKQ_EVENT_STARTED) == 3 && what == WORKQ_EVENT_STARTED) raise(SIGHUP);
}

START_TEST(hang_up_is_a_stop) {
  create(NULL);
  signal(SIGHUP, SIG_DFL); /* it may be ignored here */
  pool.until_empty = 0;
  pool.event = hang_up_when_all_run;
  ck_assert_int_eq(workq_run(q, &pool, count_key), 1);
  ck_assert_uint_eq(count_events(WORKQ_EVENT_ENDED), 3);
}
END_TEST

static void on_hang_up(int signal) {
  (void)signal;
  atomic_fetch_add(&shared->other, 1);
}

/* A signal to each of its processes that says stop, were it not ignored (or, SIGHUP, handled). */
static int signal_all(workq *worker_q, const workq_item *item, unsigned worker, void *arg) {
  static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
  struct shared *told = arg;
  if (is_key(item, "0"))
    for (int i = 0; i < 3; i++) kill(getppid(), stops[i]);
  (void)told;
  return count_key(worker_q, item, worker, arg);
}

START_TEST(ignored_signals_stay_ignored) {
  create(NULL);
  add_numbers(10);
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  signal(SIGHUP, on_hang_up);
  pool.workers = 1;
  ck_assert_int_eq(workq_run(q, &pool, signal_all), 0);
  for (int i = 0; i < 10; i++) ck_assert_int_eq(shared->runs[i], 1);
  ck_assert_int_eq(shared->other, 1);
}
END_TEST

/* ---- What the caller is told, and may limit -------------------------------------------------------------------- */

static void note_finished(workq *worker_q, int verdict, int result, unsigned worker, void *arg) {
  struct shared *told = arg;
  (void)worker_q, (void)worker;
  atomic_fetch_add(&told->count, 1);
  if (verdict == WORKQ_RETRY) atomic_fetch_add(result == 1 ? &told->other : &told->flag, 1);
  else if (verdict != WORKQ_OK || result != 0) atomic_store(&told->wrong, 1);
}

static int fail_key(workq *worker_q, const workq_item *item, unsigned worker, void *arg) {
  (void)worker_q, (void)worker, (void)arg;
  return is_key(item, "0") ? WORKQ_RETRY : WORKQ_OK;
}

START_TEST(finished_tells_what_became_of_a_key) {
  workq_options options = {.max_retries = 3};
  create(&options);
  add_numbers(5);
  pool.finished = note_finished;
  ck_assert_int_eq(workq_run(q, &pool, fail_key), 0);
  ck_assert_int_eq(shared->count, 4 + 4);
  ck_assert_int_eq(shared->other, 3); /* retried */
  ck_assert_int_eq(shared->flag, 1);  /* given up */
  ck_assert_int_eq(shared->wrong, 0);
}
END_TEST

/* Dies once, and releases a key once: neither uses up one of the keys. */
static int die_and_release_first(workq *worker_q, const workq_item *item, unsigned worker, void *arg) {
  struct shared *told = arg;
  int run = atomic_fetch_add(&told->count, 1);
  if (run == 1) raise(SIGKILL);
  return run == 3 ? WORKQ_RELEASE : count_key(worker_q, item, worker, arg);
}

START_TEST(max_keys_are_handled_and_no_more) {
  create(NULL);
  add_numbers(20);
  pool.until_empty = 0;
  pool.max_keys = 7;
  ck_assert_int_eq(workq_run(q, &pool, die_and_release_first), 0);
  int handled = 0;
  for (int i = 0; i < 20; i++) handled += shared->runs[i];
  ck_assert_int_eq(handled, 7);
  ck_assert_uint_eq(stats_now().keys, 13);
}
END_TEST

static int get_until_told(workq *worker_q, unsigned worker, void *arg) {
  struct shared *told = arg;
  if (workq_len(worker_q) < 0) atomic_store(&told->wrong, 1);
  atomic_fetch_add(&told->starts[worker], 1);
  return atomic_load(&told->flag);
}

static int raise_flag(workq *worker_q, const workq_item *item, unsigned worker, void *arg) {
  struct shared *told = arg;
  atomic_store(&told->flag, 1);
  return count_key(worker_q, item, worker, arg);
}

/* One worker handles a key; the others are asked again though none comes for them. */
START_TEST(before_get_ends_workers) {
  create(NULL);
  add_numbers(1);
  pool.until_empty = 0;
  pool.before_get = get_until_told;
  ck_assert_int_eq(workq_run(q, &pool, raise_flag), 0);
  ck_assert_int_eq(shared->runs[0], 1);
  ck_assert_int_eq(shared->wrong, 0);
  ck_assert_uint_eq(count_events(WORKQ_EVENT_STARTED), 3);
}
END_TEST

/* In the supervisor before, in both after; of the worker's the test learns by the shared memory. */
static int forks_begun, forks_ended, last_forked;

static void before_fork(void *arg) {
  (void)arg;
  ck_assert_int_eq(forks_begun++, forks_ended);
}

static void after_fork(void *arg, int pid) {
  struct shared *told = arg;
  if (pid == 0) {
    /* Before worker_start, in the same process. */
    atomic_fetch_add(&told->other, 1);
    last_forked = getpid();
    return;
  }
  forks_ended++;
  last_forked = pid;
}

static int check_hook_came_first(workq *worker_q, unsigned worker, void *arg) {
  struct shared *told = arg;
  (void)worker_q, (void)worker;
  if (last_forked != getpid()) atomic_store(&told->wrong, 1);
  return 0;
}

START_TEST(hooks_around_fork) {
  create(NULL);
  add("key");
  forks_begun = forks_ended = 0;
  pool.workers = 1;
  pool.before_fork = before_fork;
  pool.after_fork = after_fork;
  pool.worker_start = check_hook_came_first;
  ck_assert_int_eq(workq_run(q, &pool, die_first), 0);
  ck_assert_int_eq(forks_begun, 4);
  ck_assert_int_eq(forks_ended, 4);
  ck_assert_int_eq(shared->other, 4);
  ck_assert_int_eq(shared->wrong, 0);
  ck_assert_int_eq(last_forked, events[event_count - 1].pid);
}
END_TEST

/* ---- Driven by the caller's loop ------------------------------------------------------------------------------- */

static workq_supervisor *start_pool(workq_handler handler) {
  workq_supervisor *supervisor;
  ck_assert_int_eq(workq_pool_start(q, &pool, handler, &supervisor), 0);
  return supervisor;
}

/* Waits for nothing but the descriptor.  Returns how many steps it took. */
static int drive(workq_supervisor *supervisor) {
  int steps = 1;
  while (workq_pool_step(supervisor) == 1) {
    struct pollfd due = {.fd = workq_pool_fd(supervisor), .events = POLLIN};
    ck_assert_int_eq(poll(&due, 1, -1), 1);
    steps++;
  }
  return steps;
}

START_TEST(own_loop_runs_every_key_once) {
  create(NULL);
  int descriptors = count_descriptors();
  add_numbers(KEYS);
  workq_supervisor *supervisor = start_pool(count_key);
  drive(supervisor);
  ck_assert_int_eq(workq_pool_end(supervisor), 0);
  for (int i = 0; i < KEYS; i++) ck_assert_int_eq(shared->runs[i], 1);
  ck_assert_uint_eq(count_events(WORKQ_EVENT_ENDED), 3);
  ck_assert_int_eq(count_descriptors(), descriptors);
}
END_TEST

START_TEST(own_loop_replaces_the_dead) {
  create(NULL);
  add("key");
  pool.workers = 1;
  workq_supervisor *supervisor = start_pool(die_first);
  drive(supervisor);
  ck_assert_int_eq(workq_pool_end(supervisor), 0);
  ck_assert_int_eq(shared->count, 4);
  ck_assert_int_eq(shared->wrong, 0);
  ck_assert_uint_eq(count_events(WORKQ_EVENT_CRASHED), 3);
}
END_TEST

/* Neither masks nor actions are changed; and the caller's SIGCHLD may be ignored, which takes the statuses away. */
START_TEST(own_loop_leaves_signals_alone) {
  create(NULL);
  add_numbers(100);
  sigset_t before, after;
  sigprocmask(SIG_SETMASK, NULL, &before);
  signal(SIGCHLD, SIG_IGN);
  workq_supervisor *supervisor = start_pool(count_key);
  sigprocmask(SIG_SETMASK, NULL, &after);
  for (int i = 1; i < SIGRTMAX; i++) ck_assert_int_eq(sigismember(&before, i), sigismember(&after, i));
  drive(supervisor);
  ck_assert_int_eq(workq_pool_end(supervisor), 0);
  ck_assert(signal(SIGCHLD, SIG_DFL) == SIG_IGN);
  for (int i = 0; i < 100; i++) ck_assert_int_eq(shared->runs[i], 1);
  ck_assert_uint_eq(count_events(WORKQ_EVENT_ENDED), 3);
}
END_TEST

/* Runs until its worker is told to stop, which the handler asks for. */
static int run_until_stopping(workq *worker_q, const workq_item *item, unsigned worker, void *arg) {
  struct shared *told = arg;
  (void)worker_q, (void)item, (void)worker;
  atomic_fetch_add(&told->flag, 1);
  while (!workq_pool_stopping()) sched_yield();
  return WORKQ_RELEASE;
}

START_TEST(own_loop_is_stopped) {
  create(NULL);
  add_numbers(3);
  pool.until_empty = 0;
  workq_supervisor *supervisor = start_pool(run_until_stopping);
  wait_for(&shared->flag);
  ck_assert_int_eq(workq_pool_step(supervisor), 1);
  ck_assert_int_eq(workq_pool_stop(supervisor, 0), -EINVAL);
  ck_assert_int_eq(workq_pool_stop(supervisor, WORKQ_STOP_FINISH), 0);
  drive(supervisor);
  ck_assert_int_eq(workq_pool_end(supervisor), 0);
  ck_assert_uint_eq(stats_now().ready, 3);
  ck_assert_uint_eq(stats_now().crashes, 0);
}
END_TEST

static int hang(workq *worker_q, const workq_item *item, unsigned worker, void *arg) {
  struct shared *told = arg;
  (void)worker_q, (void)item, (void)worker;
  atomic_fetch_add(&told->flag, 1);
  while (atomic_load(&told->flag) > 0) pause();
  return WORKQ_OK;
}

/* By a stop, and by the end alone. */
START_TEST(own_loop_is_killed) {
  create(NULL);
  add_numbers(1);
  pool.until_empty = 0;
  workq_supervisor *supervisor = start_pool(hang);
  wait_for(&shared->flag);
  if (_i == 0) {
    ck_assert_int_eq(workq_pool_stop(supervisor, WORKQ_STOP_KILL), 0);
    drive(supervisor);
  }
  ck_assert_int_eq(workq_pool_end(supervisor), 0);
  ck_assert_uint_eq(stats_now().processing, 0);
  ck_assert_uint_eq(stats_now().attached, 1);
  ck_assert_uint_eq(count_events(WORKQ_EVENT_ENDED), 3);
}
END_TEST

/* No descriptor is left for pidfds: deaths are found without. */
START_TEST(own_loop_without_pidfds) {
  create(NULL);
  add("key");
  struct rlimit before, limit;
  int last[4]; /* epoll, timer, and a pipe that is closed when the workers have started */
  for (int i = 0; i < 4; i++) last[i] = dup(STDIN_FILENO);
  for (int i = 0; i < 4; i++) close(last[i]);
  getrlimit(RLIMIT_NOFILE, &before);
  limit = before;
  limit.rlim_cur = (rlim_t)last[3] + 1;
  pool.workers = 3;
  setrlimit(RLIMIT_NOFILE, &limit);
  workq_supervisor *supervisor = start_pool(die_first);
  drive(supervisor);
  setrlimit(RLIMIT_NOFILE, &before);
  ck_assert_int_eq(workq_pool_end(supervisor), 0);
  ck_assert_int_eq(shared->count, 4);
}
END_TEST

START_TEST(own_loop_without_descriptors) {
  create(NULL);
  struct rlimit before, limit;
  workq_supervisor *supervisor;
  int next = dup(STDIN_FILENO);
  close(next);
  getrlimit(RLIMIT_NOFILE, &before);
  limit = before;
  limit.rlim_cur = (rlim_t)(next + _i);
  setrlimit(RLIMIT_NOFILE, &limit);
  int result = workq_pool_start(q, &pool, count_key, &supervisor);
  setrlimit(RLIMIT_NOFILE, &before);
  ck_assert_int_eq(result, -EMFILE);
  ck_assert_uint_eq(event_count, 0);
}
END_TEST

/* The supervisor's death is the workers' end: they hold the pipe's other end. */
START_TEST(workers_end_with_their_supervisor) {
  int ends[2];
  char byte;
  create(NULL);
  ck_assert_int_eq(pipe(ends), 0);
  pid_t supervisor = process_fork();
  if (supervisor == 0) {
    close(ends[0]);
    pool.until_empty = 0;
    pool.worker_start = note_start;
    _exit(workq_run(q, &pool, count_key) < 0);
  }
  close(ends[1]);
  for (int i = 0; i < 3; i++) wait_for(&shared->starts[i]);
  ck_assert_int_eq(kill(supervisor, SIGKILL), 0);
  ck_assert_int_eq(read(ends[0], &byte, 1), 0);
  process_wait(supervisor);
  ck_assert_int_ge(workq_reap(q), 0);
}
END_TEST

/* ---- What it leaves as it was -------------------------------------------------------------------------------- */

static void on_child(int signal) {
  (void)signal;
}

START_TEST(signals_and_descriptors_are_as_before) {
  create(NULL);
  sigset_t mask, before, after;
  sigemptyset(&mask);
  sigaddset(&mask, SIGINT);
  sigaddset(&mask, SIGUSR1);
  sigprocmask(SIG_SETMASK, &mask, NULL);
  sigprocmask(SIG_SETMASK, NULL, &before);
  struct sigaction action = {.sa_handler = on_child}, action_after;
  sigaction(SIGCHLD, &action, NULL);
  int descriptors = count_descriptors();

  add_numbers(100);
  ck_assert_int_eq(workq_run(q, &pool, count_key), 0);

  sigprocmask(SIG_SETMASK, NULL, &after);
  for (int i = 1; i < SIGRTMAX; i++) ck_assert_int_eq(sigismember(&before, i), sigismember(&after, i));
  sigaction(SIGCHLD, NULL, &action_after);
  ck_assert(action_after.sa_handler == on_child);
  ck_assert_int_eq(count_descriptors(), descriptors);
}
END_TEST

static int check_signals(workq *worker_q, const workq_item *item, unsigned worker, void *arg) {
  struct shared *told = arg;
  (void)worker_q, (void)item, (void)worker;
  sigset_t mask;
  struct sigaction action;
  sigprocmask(SIG_SETMASK, NULL, &mask);
  if (sigismember(&mask, SIGTERM) || !sigismember(&mask, SIGUSR1) || sigismember(&mask, SIGCHLD))
    atomic_store(&told->wrong, 1);
  sigaction(SIGINT, NULL, &action);
  if (action.sa_handler != SIG_IGN) atomic_store(&told->wrong, 2);
  return WORKQ_OK;
}

START_TEST(signals_of_workers) {
  create(NULL);
  add_numbers(1);
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGTERM);
  sigaddset(&mask, SIGUSR1);
  sigprocmask(SIG_SETMASK, &mask, NULL);
  ck_assert_int_eq(workq_run(q, &pool, check_signals), 0);
  ck_assert_int_eq(shared->wrong, 0);
}
END_TEST

START_TEST(other_children_are_left_alone) {
  create(NULL);
  add_numbers(100);
  pid_t child = process_fork();
  if (child == 0) _exit(3);
  ck_assert_int_eq(workq_run(q, &pool, count_key), 0);
  int status = process_wait(child);
  ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}
END_TEST

START_TEST(caller_may_ignore_its_children) {
  create(NULL);
  add_numbers(100);
  signal(SIGCHLD, SIG_IGN);
  ck_assert_int_eq(workq_run(q, &pool, count_key), 0);
  ck_assert(signal(SIGCHLD, SIG_DFL) == SIG_IGN);
  ck_assert_uint_eq(count_events(WORKQ_EVENT_ENDED), 3);
  ck_assert_uint_eq(count_events(WORKQ_EVENT_CRASHED), 0);
}
END_TEST

static int print_key(workq *worker_q, const workq_item *item, unsigned worker, void *arg) {
  (void)worker_q, (void)worker, (void)arg;
  printf("%.*s;", (int)item->key_len, (const char *)item->key);
  return WORKQ_OK;
}

/* What the caller had buffered comes out once, and what a handler prints is not lost with its worker. */
START_TEST(buffered_output_comes_out_once) {
  char text[64] = "";
  FILE *file = tmpfile();
  ck_assert_ptr_nonnull(file);
  create(NULL);
  add("key");
  fflush(stdout);
  int kept = dup(STDOUT_FILENO);
  dup2(fileno(file), STDOUT_FILENO);
  static char buffer[4096];
  setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
  printf("mine;");
  int result = workq_run(q, &pool, print_key);
  fflush(stdout);
  dup2(kept, STDOUT_FILENO);
  close(kept);
  ck_assert_int_eq(result, 0);
  ck_assert_int_ge(pread(fileno(file), text, sizeof text - 1, 0), 0);
  ck_assert_str_eq(text, "mine;key;");
  fclose(file);
}
END_TEST

/* ---- What goes wrong at the start ------------------------------------------------------------------------------ */

/* Root's processes are not limited; those of a user without others are. */
START_TEST(fork_fails) {
  if (geteuid() == 0) ck_assert_int_eq(setresuid(61234, 61234, 61234), 0);
  create(NULL);
  add_numbers(10);
  struct rlimit before, limit;
  getrlimit(RLIMIT_NPROC, &before);
  limit = before;
  limit.rlim_cur = 2; /* this process, and one worker */
  setrlimit(RLIMIT_NPROC, &limit);
  int result = workq_run(q, &pool, count_key);
  setrlimit(RLIMIT_NPROC, &before);
  ck_assert_int_eq(result, -EAGAIN);
  ck_assert_uint_eq(stats_now().attached, 1);
  ck_assert_uint_eq(stats_now().gets, 0);
}
END_TEST

/* For the signalfd, and for the pipe that comes after it. */
START_TEST(no_descriptors_left) {
  create(NULL);
  struct rlimit before, limit;
  int next = dup(STDIN_FILENO);
  close(next);
  getrlimit(RLIMIT_NOFILE, &before);
  limit = before;
  limit.rlim_cur = (rlim_t)(next + _i);
  setrlimit(RLIMIT_NOFILE, &limit);
  int result = workq_run(q, &pool, count_key);
  setrlimit(RLIMIT_NOFILE, &before);
  ck_assert_int_eq(result, -EMFILE);
  ck_assert_uint_eq(event_count, 0);
}
END_TEST

START_TEST(more_workers_than_handles) {
  workq_options options = {.handles = 4};
  create(&options);
  add_numbers(10);
  pool.workers = 4; /* and the supervisor */
  ck_assert_int_eq(workq_run(q, &pool, count_key), -EUSERS);
  ck_assert_uint_eq(event_count, 0);
  pool.workers = 3;
  ck_assert_int_eq(workq_run(q, &pool, count_key), 0);
}
END_TEST

START_TEST(handles_are_taken_by_others) {
  workq_options options = {.handles = 4};
  workq *other;
  create(&options);
  ck_assert_int_eq(workq_open(name, NULL, &other), 0);
  pool.until_empty = 0;
  ck_assert_int_eq(workq_run(q, &pool, count_key), -EUSERS);
  ck_assert_int_eq(workq_close(other), 0);
}
END_TEST

START_TEST(options_out_of_range_are_refused) {
  static const workq_pool wrong[] = {{.until_empty = 2},
                                     {.until_empty = 1, .restart_initial_ns = -1},
                                     {.until_empty = 1, .restart_initial_ns = INT64_MIN},
                                     {.until_empty = 1, .restart_max_ns = -1},
                                     {.until_empty = 1, .restart_max_ns = -5 * MS}};
  create(NULL);
  add_numbers(1);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    ck_assert_msg(workq_run(q, &wrong[i], count_key) == -EINVAL, "options %zu", i);
  ck_assert_int_eq(workq_run(q, &pool, NULL), -EINVAL);
  ck_assert_int_eq(workq_len(q), 1);
  ck_assert_uint_eq(event_count, 0);
}
END_TEST

START_TEST(raw_handle_is_refused) {
  workq_options options = {.flags = WORKQ_RAW};
  workq *raw;
  create(NULL);
  ck_assert_int_eq(workq_open(name, &options, &raw), 0);
  ck_assert_int_eq(workq_run(raw, &pool, count_key), -EBADF);
  ck_assert_uint_eq(event_count, 0);
  ck_assert_int_eq(workq_close(raw), 0);
}
END_TEST

static TCase *add_case(Suite *suite, const char *title, const TTest *const *tests, size_t n) {
  TCase *tests_case = tcase_create(title);
  tcase_set_timeout(tests_case, 900);
  tcase_add_checked_fixture(tests_case, set_up, tear_down);
  for (size_t i = 0; i < n; i++) tcase_add_test(tests_case, tests[i]);
  suite_add_tcase(suite, tests_case);
  return tests_case;
}

int main(void) {
  const TTest *const keys[] = {every_key_is_processed_once, results_of_handlers, no_options_are_one_worker,
                               worker_start_comes_first_in_each, failing_worker_start_is_a_crash_with_backoff};
  const TTest *const crashes[] = {crashed_workers_are_started_again, poisonous_key_is_buried_and_the_others_run,
                                  worker_that_was_told_to_end_by_others_is_replaced};
  const TTest *const end[] = {until_empty_waits_for_delayed_keys, until_empty_of_nothing,
                              shutdown_drains_and_ends_it,        resume_brings_ended_workers_back,
                              first_signal_ends_idle_workers,     second_signal_kills,
                              workers_end_with_their_supervisor,  hang_up_is_a_stop,
                              ignored_signals_stay_ignored};
  const TTest *const told[] = {finished_tells_what_became_of_a_key, max_keys_are_handled_and_no_more,
                               before_get_ends_workers, hooks_around_fork};
  const TTest *const own_loop[] = {own_loop_runs_every_key_once, own_loop_replaces_the_dead,
                                   own_loop_leaves_signals_alone, own_loop_is_stopped, own_loop_without_pidfds};
  const TTest *const leaves[] = {signals_and_descriptors_are_as_before, signals_of_workers,
                                 other_children_are_left_alone, caller_may_ignore_its_children,
                                 buffered_output_comes_out_once};
  const TTest *const faults[] = {fork_fails, more_workers_than_handles, handles_are_taken_by_others,
                                 options_out_of_range_are_refused, raw_handle_is_refused};
  Suite *suite = suite_create("pool");
  add_case(suite, "keys", keys, sizeof keys / sizeof *keys);
  add_case(suite, "crashes", crashes, sizeof crashes / sizeof *crashes);
  TCase *end_case = add_case(suite, "end", end, sizeof end / sizeof *end);
  tcase_add_loop_test(end_case, first_signal_lets_keys_be_finished, 0, 2);
  add_case(suite, "told", told, sizeof told / sizeof *told);
  TCase *loop_case = add_case(suite, "own loop", own_loop, sizeof own_loop / sizeof *own_loop);
  tcase_add_loop_test(loop_case, own_loop_is_killed, 0, 2);
  tcase_add_loop_test(loop_case, own_loop_without_descriptors, 0, 4);
  add_case(suite, "leaves", leaves, sizeof leaves / sizeof *leaves);
  TCase *faults_case = add_case(suite, "faults", faults, sizeof faults / sizeof *faults);
  tcase_add_loop_test(faults_case, no_descriptors_left, 0, 3);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? 0 : 1;
}
