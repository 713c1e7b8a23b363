/*
 * What the system refuses: each call of the library into the kernel or the C library fails in turn, once, and whoever
 * called the library gets an error and can go on; nothing leaks, nothing half-made is left.
 *
 * The program is linked with --wrap, so that the calls go through the functions below.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

/* ---- The calls that fail ---- */

static bool armed;
static unsigned calls_seen;
static unsigned failing; /* number of the call that fails */
static const char *failed;

/* Only what lies between these two fails: Check and the test itself make such calls, too. */
static void arm(void) {
  armed = true;
}

static int disarm(int rc) {
  armed = false;
  return rc;
}

/* Is this the one? */
static bool fails(const char *what, int error) {
  if (!armed || ++calls_seen != failing) return false;
  failed = what;
  errno = error;
  return true;
}

/* WRAP(result, function, parameters, arguments, errno, what it returns then) */
#define WRAP(type, function, parameters, arguments, error, value)                                                      \
  type __real_##function parameters;                                                                                   \
  type __wrap_##function parameters;                                                                                   \
  type __wrap_##function parameters {                                                                                  \
    return fails(#function, error) ? (value) : __real_##function arguments;                                            \
  }

WRAP(void *, calloc, (size_t n, size_t size), (n, size), ENOMEM, NULL)
WRAP(void *, malloc, (size_t size), (size), ENOMEM, NULL)
WRAP(void *, mmap, (void *at, size_t len, int protection, int flags, int fd, off_t offset),
     (at, len, protection, flags, fd, offset), ENOMEM, MAP_FAILED)
WRAP(int, madvise, (void *at, size_t len, int advice), (at, len, advice), ENOMEM, -1)
WRAP(int, shm_open, (const char *object, int flags, mode_t mode), (object, flags, mode), EMFILE, -1)
WRAP(int, fstat, (int fd, struct stat *st), (fd, st), EIO, -1)
WRAP(int, ftruncate, (int fd, off_t size), (fd, size), EIO, -1)
WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode), EIO, -1)
WRAP(int, linkat, (int from_dir, const char *from, int to_dir, const char *to, int flags),
     (from_dir, from, to_dir, to, flags), EIO, -1)
WRAP(ssize_t, pread, (int fd, void *to, size_t len, off_t at), (fd, to, len, at), EIO, -1)
WRAP(ssize_t, pwrite, (int fd, const void *from, size_t len, off_t at), (fd, from, len, at), ENOSPC, -1)
WRAP(ssize_t, getrandom, (void *to, size_t len, unsigned flags), (to, len, flags), ENOSYS, -1)
WRAP(int, posix_fallocate, (int fd, off_t at, off_t len), (fd, at, len), 0, ENOSPC)
WRAP(int, pthread_mutex_init, (pthread_mutex_t * mutex, const pthread_mutexattr_t *attributes), (mutex, attributes), 0,
     ENOMEM)

int __real_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return fails("open", EMFILE) ? -1 : __real_open(path, flags, mode);
}

int __real_fcntl(int fd, int command, void *argument);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void *argument = va_arg(rest, void *); /* the library gives a pointer to a lock, and nothing else */
  va_end(rest);
  return fails("fcntl", ENOLCK) ? -1 : __real_fcntl(fd, command, argument);
}

/* ---- What must be as before ---- */

struct state {
  unsigned descriptors, mappings;
};

static struct state state_now(void) {
  struct state state = {0};
  DIR *dir = opendir("/proc/self/fd");
  ck_assert_ptr_nonnull(dir);
  while (readdir(dir)) state.descriptors++;
  closedir(dir);
  FILE *maps = fopen("/proc/self/maps", "r");
  ck_assert_ptr_nonnull(maps);
  for (char line[1024]; fgets(line, sizeof line, maps);) state.mappings += strstr(line, "/dev/shm/") != NULL;
  fclose(maps);
  return state;
}

static void assert_state(struct state before) {
  struct state now = state_now();
  ck_assert_msg(now.descriptors == before.descriptors, "after %s failed: %u descriptors, not %u", failed,
                now.descriptors, before.descriptors);
  ck_assert_msg(now.mappings == before.mappings, "after %s failed: %u mappings, not %u", failed, now.mappings,
                before.mappings);
}

/*
 * Runs the operation with its first call failing, then its second, and so on until none is left to fail.  It arms, and
 * returns what the library gave; after_success undoes what it did where the library did without the call.  Returns how
 * many gave an error.
 */
static unsigned fail_each(int (*operation)(void), void (*after_success)(void)) {
  unsigned failures = 0;
  for (failing = 1;; failing++) {
    struct state before = state_now();
    failed = NULL;
    calls_seen = 0;
    int rc = operation();
    if (rc < 0) {
      ck_assert_msg(failed != NULL, "%d without a reason", rc);
      ck_assert_msg(rc > -200, "%s: %d is no errno", failed, rc);
      failures++;
      assert_state(before);
    } else {
      after_success();
      assert_state(before);
    }
    if (!failed) break;
  }
  printf("%u calls failed, %u of them with an error\n", failing - 1, failures);
  return failures;
}

/* ---- Each operation ---- */

static workq *handle;

static int run_create(void) {
  arm();
  return disarm(workq_create(name, &options, &handle));
}

static void end_create(void) {
  ck_assert_int_eq(workq_add(handle, "a", 1), 1);
  assert_sound(handle);
  ok(workq_close(handle));
  ok(workq_unlink(name));
}

START_TEST(create_a_queue) {
  options.handles = 2;
  ck_assert_uint_gt(fail_each(run_create, end_create), 0);
  ck_assert_int_eq(workq_unlink(name), -ENOENT);
}
END_TEST

static int run_open(void) {
  arm();
  return disarm(workq_open(name, &options, &handle));
}

static void end_open(void) {
  ck_assert_int_eq(workq_len(handle), 1);
  ok(workq_close(handle));
}

START_TEST(open_one_that_is_there) {
  options.handles = 2;
  create();
  add("a");
  options.flags = _i ? WORKQ_RAW : 0;
  ck_assert_uint_gt(fail_each(run_open, end_open), 0);
  ck_assert_uint_eq(stats().attached, 1);
}
END_TEST

static int run_open_or_create(void) {
  arm();
  return disarm(workq_open_or_create(name, &options, &handle));
}

static void end_open_or_create(void) {
  ok(workq_close(handle));
  ok(workq_unlink(name));
}

START_TEST(open_or_create_a_queue) {
  options.handles = 2;
  ck_assert_uint_gt(fail_each(run_open_or_create, end_open_or_create), 0);
}
END_TEST

static int run_describe(void) {
  char line[256];
  arm();
  return disarm(workq_describe_mismatch(name, line, sizeof line));
}

static void end_nothing(void) {}

START_TEST(describe_mismatch) {
  create();
  ck_assert_uint_gt(fail_each(run_describe, end_nothing), 0);
}
END_TEST

/* In the child each number of a failing call has a process of its own. */
START_TEST(the_first_call_after_a_fork) {
  create();
  add("a");
  failing = 1;
  for (bool more = true; more; failing++) {
    pid_t child = fork_child();
    if (child == 0) {
      arm();
      int rc = disarm(workq_len(q));
      ck_assert_msg(rc == 1 || rc < 0, "%d", rc);
      ck_assert(rc == 1 || failed);
      ck_assert_int_eq(workq_len(q), 1); /* and then it attaches */
      ok(workq_close(q));
      shared->steps[0] = failed != NULL;
      child_done();
    }
    join_child(child);
    more = shared->steps[0];
    ck_assert_uint_eq(stats().attached, 1);
  }
  ck_assert_uint_gt(failing, 3);
}
END_TEST

static int keys_added;

/* Until the queue has grown twice. */
static int run_add(void) {
  uint64_t committed = stats().committed;
  for (int grown = 0; grown < 2;) {
    char key[16];
    int len = snprintf(key, sizeof key, "%d", keys_added);
    arm();
    int rc = disarm(workq_add_after(q, key, (size_t)len, S));
    if (rc < 0) return rc;
    keys_added++;
    if (stats().committed == committed) continue;
    committed = stats().committed;
    grown++;
  }
  return 0;
}

static void end_add(void) {
  assert_sound(q);
  ck_assert_uint_eq(stats().keys, (unsigned)keys_added);
}

START_TEST(adds_that_make_the_queue_grow) {
  create();
  ck_assert_uint_eq(fail_each(run_add, end_add), 0); /* it then grows by less */
  ck_assert_uint_gt(failing, 2);
  end_add();
}
END_TEST

static int visit(void *arg, const workq_info *info) {
  (void)info;
  ++*(int *)arg;
  return 0;
}

static int run_iterate(void) {
  int visited = 0;
  arm();
  int rc = disarm(workq_iterate(q, visit, &visited));
  if (rc == 0) ck_assert_int_eq(visited, 2);
  return rc;
}

static int run_check(void) {
  arm();
  return disarm(workq_check(q, NULL, NULL));
}

static FILE *null;

static int run_dump(void) {
  arm();
  return disarm(workq_dump(q, null));
}

static int (*const looks[])(void) = {run_iterate, run_check, run_dump};

START_TEST(looking) {
  create();
  add("a");
  add("b");
  null = fopen("/dev/null", "w");
  ck_assert_ptr_nonnull(null);
  setvbuf(null, NULL, _IONBF, 0); /* its buffer is not the library's */
  ck_assert_uint_gt(fail_each(looks[_i], end_nothing), 0);
  fclose(null);
}
END_TEST

/* Reaping asks the kernel about locks.  What it does not know is taken for alive. */
START_TEST(reaping_without_an_answer_takes_nothing_from_the_living) {
  create();
  add("a");
  pid_t child = fork_worker_with("a");
  for (failing = 1; failing < 4; failing++) {
    failed = NULL;
    calls_seen = 0;
    arm();
    int rc = disarm(workq_reap(q));
    ck_assert_int_eq(rc, 0);
    ck_assert_int_eq(state_of("a"), WORKQ_STATE_PROCESSING);
  }
  kill_child(child);
  ck_assert_int_eq(workq_reap(q), 1);
}
END_TEST

static Suite *failure_suite(void) {
  Suite *suite = suite_create("failures");
  TCase *tcase = fixture_case(suite, "each call of");
  tcase_add_test(tcase, create_a_queue);
  tcase_add_loop_test(tcase, open_one_that_is_there, 0, 2);
  tcase_add_test(tcase, open_or_create_a_queue);
  tcase_add_test(tcase, describe_mismatch);
  tcase_add_test(tcase, the_first_call_after_a_fork);
  tcase_add_test(tcase, adds_that_make_the_queue_grow);
  tcase_add_loop_test(tcase, looking, 0, 3);
  tcase_add_test(tcase, reaping_without_an_answer_takes_nothing_from_the_living);
  return suite;
}

int main(void) {
  static suite_maker *const suites[] = {failure_suite};
  return fixture_run("check-failures", suites, 1);
}
