/*
 * Descriptors that are closed behind the library's back: by a stray close(), or by a daemon's closefrom(3).  The number is another
 * file's by then, or nobody's.  That file is the caller's: the library neither enlarges nor locks nor closes it, and a call that
 * cannot do without its descriptor says -EBADFD.  A handle whose descriptor is closed lives as before: nobody takes its keys,
 * its slot, or the lock from it.
 *
 * descriptor [TEST]...
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/plain.h"
#include "support/process.h"

#include "workq.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FDS_MAX = 128, FIRST_FD = 3, MANY = 5000, CAPACITY = 20000, HANDLES = 3, LOOKS = 3 };

#define INTERVAL_NS 10000000
/* Longer than the library leaves between two looks at those it takes for dead. */
#define LOOK_NS INT64_C(1500000000)
#define LOCK_NS INT64_C(2000000000)

static struct { _Atomic int step; /* of a child's course */ } * shared;

static char name[64];
static workq *q; /* this process's own handle, made before all children */

static void moment(void) {
  nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

static void reach_step(int step) {
  atomic_store(&shared->step, step);
}

/* Fails if a child ends meanwhile. */
static void await_step(int step) {
  while (atomic_load(&shared->step) < step) {
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0)
      plain_fail("process %d has ended before step %d", (int)info.si_pid, step);
    moment();
  }
}

/* ---- Descriptors ---------------------------------------------------------------------------------------------- */

/* The descriptors of this process that lead to the queue's file.  Returns how many. */
static int find_fds(int *fds) {
  char path[128];
  struct stat segment, st;
  int count = 0;
  snprintf(path, sizeof path, "/dev/shm/workq.%s", name);
  if (stat(path, &segment) != 0) plain_fail("%s: %s", path, strerror(errno));
  for (int fd = FIRST_FD; fd < FDS_MAX; fd++)
    if (fstat(fd, &st) == 0 && st.st_dev == segment.st_dev && st.st_ino == segment.st_ino) fds[count++] = fd;
  return count;
}

static int fd_is_open(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}

/* Opens a handle; *fd is its descriptor. */
static workq *open_handle(const workq_options *options, int *fd) {
  int before[FDS_MAX], after[FDS_MAX];
  workq *handle;
  int n = find_fds(before);
  plain_ok(workq_open(name, options, &handle), "workq_open");
  int m = find_fds(after), i = 0;
  if (m != n + 1) plain_fail("a handle has %d descriptors, not 1", m - n);
  while (i < n && before[i] == after[i]) i++;
  *fd = after[i];
  return handle;
}

/* A file of the caller's own, of nine bytes, on the same file system. */
static const char nine[] = "nine byte";

static void own_file(int number) {
  int fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) plain_skip("no file without a name in /dev/shm: %s", strerror(errno));
  if (write(fd, nine, sizeof nine - 1) != (ssize_t)sizeof nine - 1) plain_fail("write: %s", strerror(errno));
  if (dup2(fd, number) != number) plain_fail("dup2: %s", strerror(errno));
  if (fd != number) close(fd);
}

static void check_own_file(int number, const char *when) {
  char path[64], text[16] = "";
  struct stat st;
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  if (!fd_is_open(number)) plain_fail("%s: the caller's own file was closed", when);
  if (fstat(number, &st) != 0 || st.st_nlink != 0) plain_fail("%s: number %d is another file", when, number);
  if (st.st_size != sizeof nine - 1)
    plain_fail("%s: the caller's own file has %lld bytes", when, (long long)st.st_size);
  if (pread(number, text, sizeof text - 1, 0) != (ssize_t)sizeof nine - 1 || strcmp(text, nine) != 0)
    plain_fail("%s: something else is in the caller's own file", when);
  snprintf(path, sizeof path, "/proc/self/fd/%d", number);
  int other = open(path, O_RDWR | O_CLOEXEC);
  if (other < 0) plain_skip("no second description of a file: %s", strerror(errno));
  if (fcntl(other, F_OFD_GETLK, &lock) != 0) plain_fail("F_OFD_GETLK: %s", strerror(errno));
  if (lock.l_type != F_UNLCK) plain_fail("%s: the caller's own file is locked", when);
  close(other);
}

/* ---- The queue ------------------------------------------------------------------------------------------------- */

static void open_queue(uint32_t handles) {
  workq_options options = {.capacity = CAPACITY,
                           .key_max = 16,
                           .handles = handles,
                           .reap_interval_ns = INTERVAL_NS,
                           .lock_timeout_ns = LOCK_NS,
                           .max_crashes = WORKQ_NEVER,
                           .limiter = {.kinds = WORKQ_LIMIT_NONE}};
  plain_ok(workq_create(name, &options, &q), "workq_create");
  atomic_store(&shared->step, 0);
}

static void close_queue(void) {
  workq_stats_data stats;
  plain_ok(workq_reap(q), "workq_reap");
  plain_check(q, "at the end");
  plain_ok(workq_stats(q, &stats), "workq_stats");
  if (stats.attached != 1 || stats.processing != 0)
    plain_fail("%u handles and %u keys in hand are left", stats.attached, stats.processing);
  plain_ok(workq_close(q), "workq_close");
  plain_ok(workq_unlink(name), "workq_unlink");
}

/* Returns whether the call has said that it has no descriptor. */
static bool expect_ok_or_ebadfd(int rc, const char *what) {
  if (rc < 0 && rc != -EBADFD) plain_fail("%s: %s", what, workq_strerror(rc));
  return rc == -EBADFD;
}

/* Adds keys until the queue has to grow by many steps.  Returns how many were refused for want of a descriptor. */
static unsigned add_many(workq *handle) {
  unsigned refused = 0;
  for (uint32_t n = 0; n < MANY; n++) refused += expect_ok_or_ebadfd(workq_add(handle, &n, sizeof n), "workq_add");
  return refused;
}

static void add_and_take(workq *handle, const char *key, workq_item *item) {
  plain_ok(workq_add(handle, key, strlen(key)), "workq_add");
  plain_ok(workq_get(handle, item, 0), "workq_get");
}

/* What a handle does without its descriptor; own: that number is a file of the caller's. */
static void use_without(workq *handle, const workq_item *item, int fd, bool own) {
  unsigned refused = add_many(handle);
  if (own) check_own_file(fd, "after adds");
  if (refused == 0) plain_fail("a queue has grown without its descriptor");
  plain_ok(workq_add(handle, "known", 5), "workq_add of a key that is there");
  plain_ok(workq_complete(handle, item), "workq_complete");
  expect_ok_or_ebadfd(workq_reap(handle), "workq_reap");
  if (own) check_own_file(fd, "after workq_reap");
  pid_t pid = process_fork();
  if (pid == 0) {
    expect_ok_or_ebadfd(workq_add(handle, "child", 5), "workq_add in a forked child");
    if (own) check_own_file(fd, "after a forked child's workq_add");
    expect_ok_or_ebadfd(workq_close(handle), "workq_close in a forked child");
    if (own) check_own_file(fd, "after a forked child's workq_close");
    _exit(PLAIN_PASS);
  }
  process_wait_pass(pid, "forked child");
  expect_ok_or_ebadfd(workq_close(handle), "workq_close");
  if (own) check_own_file(fd, "after workq_close");
}

static void lose_descriptor(bool own) {
  open_queue(HANDLES);
  pid_t pid = process_fork();
  if (pid == 0) {
    workq_item item;
    int fd;
    plain_ok(workq_close(q), "workq_close of a copy");
    workq *mine = open_handle(NULL, &fd);
    add_and_take(mine, "taken", &item);
    plain_ok(workq_add(mine, "known", 5), "workq_add");
    close(fd);
    if (own) own_file(fd);
    use_without(mine, &item, fd, own);
    _exit(PLAIN_PASS);
  }
  process_wait_pass(pid, "process without its descriptor");
  close_queue();
}

static void number_is_the_callers_file(void) {
  lose_descriptor(true);
}

static void number_is_nobodys(void) {
  lose_descriptor(false);
}

/* Two handles of one queue have the same file, but each a description of its own. */
static void number_is_another_handles(void) {
  open_queue(HANDLES);
  pid_t pid = process_fork();
  if (pid == 0) {
    workq_item item;
    int fd, fd_too;
    plain_ok(workq_close(q), "workq_close of a copy");
    workq *first = open_handle(NULL, &fd);
    close(fd);
    workq *second = open_handle(NULL, &fd_too);
    if (fd_too != fd) plain_skip("the number %d was not given again", fd);
    add_and_take(second, "taken", &item);
    add_many(first);
    expect_ok_or_ebadfd(workq_reap(first), "workq_reap");
    expect_ok_or_ebadfd(workq_close(first), "workq_close");
    if (!fd_is_open(fd)) plain_fail("workq_close has closed another handle's descriptor");
    reach_step(1);
    await_step(2);
    plain_ok(workq_complete(second, &item), "workq_complete by the other handle");
    if (add_many(second) != 0) plain_fail("the other handle has lost its descriptor");
    plain_ok(workq_close(second), "workq_close of the other handle");
    _exit(PLAIN_PASS);
  }
  await_step(1);
  plain_ok(workq_reap(q), "workq_reap"); /* the first handle, if it was left to be found */
  workq_stats_data stats;
  plain_ok(workq_stats(q, &stats), "workq_stats");
  if (stats.processing != 1) plain_fail("a living handle's key was taken from it");
  reach_step(2);
  process_wait_pass(pid, "process with two handles");
  close_queue();
}

/* ---- Daemons --------------------------------------------------------------------------------------------------- */

static void close_all(void) {
  for (int fd = FIRST_FD; fd < FDS_MAX; fd++) close(fd);
}

static int queues_fd(void) {
  int fds[FDS_MAX];
  if (find_fds(fds) != 1) plain_fail("there is more than one descriptor of the queue");
  return fds[0];
}

/* own: the daemon's log has the number.  used: it uses its copy of the handle before it closes it. */
static void daemonize(bool own, bool used) {
  open_queue(HANDLES);
  pid_t pid = process_fork();
  if (pid == 0) {
    int fd = queues_fd();
    close_all();
    if (own) own_file(fd);
    if (used) {
      plain_ok(workq_add(q, "daemon", 6), "workq_add in a daemon");
      if (own) check_own_file(fd, "after a daemon's workq_add");
      if (add_many(q) != 0) plain_fail("a daemon's handle has no descriptor");
    }
    plain_ok(workq_close(q), "workq_close in a daemon");
    if (own) check_own_file(fd, "after a daemon's workq_close");
    _exit(PLAIN_PASS);
  }
  process_wait_pass(pid, "daemon");
  if (plain_ok(workq_len(q), "workq_len") != (used ? 1 + MANY : 0)) plain_fail("the daemon's keys are not there");
  close_queue();
}

static void daemon_uses_its_copy(void) {
  daemonize(false, true);
  daemonize(true, true);
}

static void daemon_closes_its_copy(void) {
  daemonize(false, false);
  daemonize(true, false);
}

/* The name is another queue's by then: the daemon's handle is not of that one. */
static void daemon_whose_queue_is_gone(void) {
  open_queue(HANDLES);
  pid_t pid = process_fork();
  if (pid == 0) {
    close_all();
    reach_step(1);
    await_step(2);
    int rc = workq_add(q, "daemon", 6);
    if (rc >= 0) plain_fail("a daemon's handle has become one of another queue");
    plain_ok(workq_close(q), "workq_close in a daemon");
    _exit(PLAIN_PASS);
  }
  await_step(1);
  plain_ok(workq_close(q), "workq_close");
  plain_ok(workq_unlink(name), "workq_unlink");
  open_queue(HANDLES);
  reach_step(2);
  process_wait_pass(pid, "daemon");
  if (plain_ok(workq_len(q), "workq_len") != 0) plain_fail("a key has come from another queue's handle");
  close_queue();
}

/* ---- Handles that only read ------------------------------------------------------------------------------------ */

static void reading_handle_closes_no_other(void) {
  open_queue(HANDLES);
  pid_t pid = process_fork();
  if (pid == 0) {
    workq_options raw = {.flags = WORKQ_RAW};
    int fd;
    plain_ok(workq_close(q), "workq_close of a copy");
    workq *look = open_handle(&raw, &fd);
    close(fd);
    own_file(fd);
    plain_ok(workq_len(look), "workq_len of a raw handle");
    expect_ok_or_ebadfd(workq_close(look), "workq_close of a raw handle");
    check_own_file(fd, "after workq_close of a raw handle");
    _exit(PLAIN_PASS);
  }
  process_wait_pass(pid, "process that looks");
  close_queue();
}

/* ---- The living ------------------------------------------------------------------------------------------------ */

/* A child that has a key in hand and no descriptor, and goes on at step 2. */
static pid_t start_living(void) {
  pid_t pid = process_fork();
  if (pid > 0) {
    await_step(1);
    return pid;
  }
  workq_item item;
  int fd;
  plain_ok(workq_close(q), "workq_close of a copy");
  workq *mine = open_handle(NULL, &fd);
  add_and_take(mine, "taken", &item);
  close(fd);
  reach_step(1);
  await_step(2);
  plain_ok(workq_complete(mine, &item), "workq_complete by a handle without its descriptor");
  expect_ok_or_ebadfd(workq_close(mine), "workq_close");
  _exit(PLAIN_PASS);
}

static void expect_nothing(int64_t timeout_ns) {
  workq_item item;
  int rc = workq_get(q, &item, timeout_ns);
  if (rc == 0) plain_fail("a living handle's key was taken from it");
  if (rc != -ETIMEDOUT) plain_fail("workq_get: %s", workq_strerror(rc));
}

static void living_handle_is_not_reaped(void) {
  open_queue(HANDLES);
  pid_t pid = start_living();
  for (int i = 0; i < LOOKS; i++)
    if (workq_reap(q) != 0) plain_fail("a living handle was taken for dead");
  expect_nothing(0);
  expect_nothing(LOOK_NS);
  reach_step(2);
  process_wait_pass(pid, "process without its descriptor");
  close_queue();
}

static void living_handles_slot_is_not_taken(void) {
  workq *other;
  open_queue(2);
  pid_t pid = start_living();
  int rc = workq_open(name, NULL, &other);
  if (rc != -EUSERS) plain_fail("workq_open where all slots are taken: %d, not -EUSERS", rc);
  expect_nothing(0);
  reach_step(2);
  process_wait_pass(pid, "process without its descriptor");
  close_queue();
}

static workq *look;

/* Read inside the lock, too: there it waits for step 2. */
static int64_t clock_that_stops(void *unused) {
  (void)unused;
  if (look && workq_lock_owner(look) == getpid()) {
    if (atomic_load(&shared->step) == 0) reach_step(1);
    await_step(2);
  }
  return plain_now_ns();
}

static void hold_without_descriptor(void) {
  workq_options options = {.clock = clock_that_stops}, raw = {.flags = WORKQ_RAW};
  int fd;
  plain_ok(workq_close(q), "workq_close of a copy");
  workq *mine = open_handle(&options, &fd);
  /* So that the next one needs no memory. */
  plain_ok(workq_add_after(mine, "first", 5, 1), "workq_add_after");
  close(fd);
  plain_ok(workq_open(name, &raw, &look), "workq_open of a raw handle");
  plain_ok(workq_add_after(mine, "held", 4, 1), "workq_add_after by the holder");
  look = NULL;
  expect_ok_or_ebadfd(workq_close(mine), "workq_close");
  _exit(PLAIN_PASS);
}

static void living_holder_keeps_the_lock(void) {
  workq_stats_data stats;
  open_queue(HANDLES);
  pid_t pid = process_fork();
  if (pid == 0) hold_without_descriptor();
  await_step(1);
  int rc = workq_add(q, "other", 5);
  if (rc != -ETIMEDOUT) plain_fail("the lock was taken from a living holder: workq_add() said %d", rc);
  if (workq_lock_owner(q) != pid) plain_fail("the holder is said to be %d, not %d", workq_lock_owner(q), (int)pid);
  reach_step(2);
  process_wait_pass(pid, "holder");
  plain_ok(workq_add(q, "other", 5), "workq_add");
  plain_ok(workq_stats(q, &stats), "workq_stats");
  if (stats.keys != 3 || stats.recoveries != 0 || stats.lock_losses != 0)
    plain_fail("%u keys, %u recoveries, %u lock losses", stats.keys, (unsigned)stats.recoveries,
               (unsigned)stats.lock_losses);
  close_queue();
}

/* ---- All ------------------------------------------------------------------------------------------------------- */

#define TEST(function)                                                                                                 \
  { #function, function }
static const struct {
  const char *name;
  void (*run)(void);
} tests[] = {TEST(number_is_the_callers_file),       TEST(number_is_nobodys),
             TEST(number_is_another_handles),        TEST(daemon_uses_its_copy),
             TEST(daemon_closes_its_copy),           TEST(daemon_whose_queue_is_gone),
             TEST(reading_handle_closes_no_other),   TEST(living_handle_is_not_reaped),
             TEST(living_handles_slot_is_not_taken), TEST(living_holder_keeps_the_lock)};

static bool wanted(const char *test, char **names) {
  if (!*names) return true;
  for (; *names; names++)
    if (strcmp(*names, test) == 0) return true;
  return false;
}

int main(int argc, char **argv) {
  plain_begin(&argc, argv);
  shared = process_share(sizeof *shared);
  plain_own(name, sizeof name, "descriptor");
  plain_watchdog(1800, name);
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    if (!wanted(tests[i].name, argv + 1)) continue;
    printf("%s\n", tests[i].name);
    tests[i].run();
  }
  return PLAIN_PASS;
}
