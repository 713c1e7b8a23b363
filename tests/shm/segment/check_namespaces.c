/*
 * What needs a /dev/shm or a namespace of its own: a full /dev/shm, one without inodes, one that may not be written, other
 * pid and time namespaces, no /proc.
 *
 * Each test is a process with a mount namespace of its own (as root, or in a user namespace) and a small tmpfs over
 * /dev/shm.  Where that is not permitted, as in many containers, the program is skipped.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "support/fill_shm.h"
#include "support/own_shm.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* ---- A /dev/shm of one's own ---- */

static unsigned files_in_shm(void) {
  unsigned count = 0;
  DIR *shm = opendir("/dev/shm");
  ck_assert_ptr_nonnull(shm);
  for (struct dirent *entry; (entry = readdir(shm)) != NULL;)
    count += entry->d_name[0] != '.' && strcmp(entry->d_name, "filler") != 0;
  closedir(shm);
  return count;
}

static void need_own_shm(const char *tmpfs_options) {
  ck_assert_msg(own_shm(tmpfs_options), "main() has seen that it can be had: %s", strerror(errno));
}

/* ---- A full /dev/shm ---- */

START_TEST(create_in_a_full_shm_is_enospc_and_leaves_nothing) {
  need_own_shm("size=64m");
  options.handles = 8;
  fill_shm_but(0);
  unsigned long pages;
  for (pages = 0;; pages++) { /* with a page more each time, until it suffices */
    ck_assert_uint_lt(pages, 1000);
    fill_shm_but(pages);
    int rc = workq_create(name, &options, &q);
    if (rc == 0) break;
    ck_assert_int_eq(rc, -ENOSPC);
    ck_assert_ptr_null(q);
    ck_assert_int_eq(workq_open_or_create(name, &options, &q), -ENOSPC);
    ck_assert_int_eq(workq_open(name, &options, &q), -ENOENT);
    ck_assert_uint_eq(files_in_shm(), 0);
    ck_assert_uint_eq(fill_shm_free(), pages);
  }
  ck_assert_uint_gt(pages, 1);
  fill_shm_empty();
  ck_assert_int_eq(add("a"), 1);
  assert_ready("a");
}
END_TEST

/* Slots that have memory from the start. */
enum { SLOTS_WITH_MEMORY = 16 };

/* As many as that, or as there are, and whoever had them before. */
START_TEST(a_full_shm_admits_sixteen_handles) {
  workq *others[SLOTS_WITH_MEMORY];
  need_own_shm("size=64m");
  options.handles = (const uint32_t[]){128, 128, 17, 16, 4}[_i];
  options.no_metrics = _i == 1;
  create();
  unsigned admitted = options.handles < SLOTS_WITH_MEMORY ? options.handles : SLOTS_WITH_MEMORY;
  fill_shm_but(0);
  for (int round = 0; round < 2; round++) {
    workq *one_more = NULL;
    for (unsigned i = 1; i < admitted; i++) others[i] = open_again();
    ck_assert_int_eq(workq_open(name, &options, &one_more), options.handles > admitted ? -ENOSPC : -EUSERS);
    for (unsigned i = 1; i < admitted; i++) ok(workq_close(others[i]));
  }
  fill_shm_empty();
}
END_TEST

START_TEST(open_in_a_full_shm_is_enospc) {
  workq *others[SLOTS_WITH_MEMORY];
  need_own_shm("size=64m");
  create();
  add("a");
  for (int i = 1; i < SLOTS_WITH_MEMORY; i++) others[i] = open_again();
  fill_shm_but(0);
  workq *other = NULL;
  ck_assert_int_eq(workq_open(name, &options, &other), -ENOSPC);
  ck_assert_ptr_null(other);
  pid_t child = process_fork();
  if (child == 0) {
    ck_assert_int_eq(workq_len(q), -ENOSPC);
    ok(workq_close(q));
    process_done();
  }
  process_join(child);
  ck_assert_uint_eq(stats().attached, SLOTS_WITH_MEMORY);
  fill_shm_but(2); /* journal and measures */
  other = open_again();
  ck_assert_int_eq(workq_len(other), 1);
  ok(workq_close(other));
  for (int i = 1; i < SLOTS_WITH_MEMORY; i++) ok(workq_close(others[i]));
  fill_shm_empty();
}
END_TEST

static int number_of(const void *key, size_t len) {
  char text[16] = "";
  ck_assert_uint_lt(len, sizeof text);
  memcpy(text, key, len);
  return atoi(text);
}

static unsigned char seen[1 << 20];

static int see(void *arg, const workq_info *info) {
  seen[number_of(info->key, info->key_len)] = 1;
  ++*(int *)arg;
  return 0;
}

/* Adds keys "0", "1", ... until that is refused; returns how many were taken.  Each may have a delay. */
static int add_until_full(int64_t delay_ns, unsigned from) {
  char key[16];
  for (unsigned n = from;; n++) {
    int len = snprintf(key, sizeof key, "%u", n);
    int rc = workq_add_after(q, key, (size_t)len, delay_ns);
    if (rc == -ENOSPC) return (int)(n - from);
    ck_assert_int_eq(rc, 1);
  }
}

static void assert_all_there(int keys) {
  int visited = 0;
  memset(seen, 0, sizeof seen);
  ck_assert_int_eq(workq_iterate(q, see, &visited), 0);
  ck_assert_int_eq(visited, keys);
  for (int i = 0; i < keys; i++) ck_assert_msg(seen[i], "key %d is lost", i);
  assert_sound(q);
}

START_TEST(add_in_a_full_shm_is_enospc_and_every_key_is_there) {
  need_own_shm("size=8m");
  options.key_max = 16;
  create();
  fill_shm_but((unsigned long)_i * 37);
  int keys = add_until_full(0, 0);
  ck_assert_int_eq(workq_add_wait(q, "x", 1, 0), -ENOSPC);
  ck_assert_int_eq(workq_add_wait(q, "x", 1, MS), -ETIMEDOUT); /* though it is not the queue that is full */
  ck_assert_int_eq(workq_add_opts(q, "x", 1, &(workq_add_options){.wait_ns = MS}), -ETIMEDOUT);
  assert_all_there(keys);
  for (int i = 0; i < keys; i++) {
    workq_item item;
    ck_assert_int_eq(workq_get(q, &item, 0), 0);
    ck_assert_int_eq(number_of(item.key, item.key_len), i);
    ck_assert_int_eq(workq_done(q, &item), 0);
  }
  ck_assert_uint_eq(stats().keys, 0);
  if (keys > 0) ck_assert_int_eq(add_until_full(0, 0), keys); /* the memory that it has is used again */
  ck_assert_int_eq(workq_add(q, "x", 1), -ENOSPC);
  fill_shm_empty();
  ck_assert_int_eq(add("x"), 1);
  ck_assert_int_eq(workq_len(q), keys + 1);
}
END_TEST

static pid_t fork_adder(int number) {
  pid_t child = process_fork();
  if (child > 0) return child;
  char key[16];
  int len = snprintf(key, sizeof key, "new-%d", number);
  ck_assert_int_eq(workq_add_wait(q, key, (size_t)len, WORKQ_FOREVER), 1);
  ok(workq_close(q));
  process_done();
}

/* 0: until a key of the queue is gone; 1: until others have left memory, which nobody tells. */
START_TEST(add_wait_in_a_full_shm_waits_for_memory) {
  enum { ADDERS = 3 };
  pid_t children[ADDERS];
  need_own_shm("size=8m");
  options = (workq_options){.key_max = 16};
  create();
  fill_shm_but(5);
  int keys = add_until_full(0, 0);
  ck_assert_int_gt(keys, ADDERS);
  for (int i = 0; i < ADDERS; i++) children[i] = fork_adder(i);
  await_waiting(2, ADDERS);
  if (_i) fill_shm_empty();
  for (int i = 0; i < ADDERS && !_i; i++) {
    workq_item item;
    ck_assert_int_eq(workq_get(q, &item, 0), 0);
    ck_assert_int_eq(workq_done(q, &item), 0);
  }
  for (int i = 0; i < ADDERS; i++) process_join(children[i]);
  ck_assert_int_eq(workq_len(q), keys + (_i ? ADDERS : 0));
  fill_shm_empty();
}
END_TEST

/* They sleep, and do not wake each other again and again. */
START_TEST(waiters_for_memory_do_not_keep_a_processor_busy) {
  enum { ADDERS = 3 };
  pid_t children[ADDERS];
  need_own_shm("size=8m");
  options = (workq_options){.key_max = 16, .reap_interval_ns = WORKQ_REAP_INTERVAL_MAX};
  create();
  fill_shm_but(5);
  (void)add_until_full(3600 * S, 0);
  for (int i = 0; i < ADDERS; i++) children[i] = fork_adder(i);
  await_waiting(2, ADDERS);
  /* What ends signals the next. */
  for (int i = 0; i < 3; i++) ck_assert_int_eq(workq_add_wait(q, "x", 1, 20 * MS), -ETIMEDOUT);
  struct rusage after;
  for (int i = 0; i < ADDERS; i++) process_kill(children[i]);
  ck_assert_int_eq(getrusage(RUSAGE_CHILDREN, &after), 0);
  ck_assert_int_lt(after.ru_nvcsw, 500); /* sleeps of all children so far */
  fill_shm_empty();
}
END_TEST

START_TEST(add_after_in_a_full_shm_is_enospc_and_every_key_is_there) {
  need_own_shm("size=8m");
  options.key_max = 16;
  create();
  fill_shm_but((unsigned long)_i * 37);
  int keys = add_until_full(S, 0);
  assert_all_there(keys);
  ck_assert_int_eq(workq_len(q), 0);
  pass(S);
  for (int before = -1, ready = 0; ready != before;) { /* one call makes some of them ready only */
    before = ready;
    ready = workq_len(q);
  }
  ck_assert_int_eq(workq_len(q), keys);
  assert_all_there(keys);
  fill_shm_empty();
}
END_TEST

/* Only an add may fail for want of memory: whoever has a key in hand must be able to be rid of it. */
START_TEST(in_a_full_shm_every_outcome_of_a_key_in_hand_is_possible) {
  need_own_shm("size=8m");
  options.key_max = 16;
  create();
  fill_shm_but(40);
  int keys = add_until_full(0, 0);
  ck_assert_int_gt(keys, 100);
  fill_shm_but(0);
  workq_item item;
  for (int i = 0; i < keys; i++) {
    ck_assert_int_eq(workq_get(q, &item, 0), 0);
    switch (i % 4) {
    case 0:
      ck_assert_int_eq(workq_retry(q, &item), 1); /* without its delay: there is no memory to keep it */
      break;
    case 1:
      ck_assert_int_eq(workq_release(q, &item), 0);
      break;
    case 2:
      ck_assert_int_eq(workq_give_up(q, &item), 0);
      break;
    default:
      ck_assert_int_eq(workq_add_after(q, item.key, item.key_len, S), -ENOSPC);
      ck_assert_int_eq(workq_add(q, item.key, item.key_len), 1);
      ck_assert_int_eq(workq_done(q, &item), 1);
    }
  }
  assert_sound(q);
  ck_assert_uint_eq(stats().keys, (unsigned)keys);
  ck_assert_uint_eq(stats().ready + stats().buried, (unsigned)keys);
  ck_assert_int_eq(requeues("0"), 1);
  fill_shm_empty();
}
END_TEST

START_TEST(in_a_full_shm_the_keys_of_the_dead_go_back) {
  need_own_shm("size=8m");
  create();
  add("a");
  workq *other = open_again(); /* the child's memory */
  ok(workq_close(other));
  fill_shm_but(0);
  die_with("a");
  ck_assert_int_eq(workq_reap(q), 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_READY); /* without the delay of a crash */
  workq_item item = take("a");
  ck_assert_uint_eq(item.crashes, 1);
  ck_assert_int_eq(workq_complete(q, &item), 0);
  fill_shm_empty();
}
END_TEST

static int handle_key(workq *own, const workq_item *item, unsigned worker, void *arg) {
  (void)own;
  (void)item;
  (void)worker;
  (void)arg;
  return WORKQ_OK;
}

/* Its workers would be started again and again, and could never attach. */
START_TEST(in_a_full_shm_a_pool_that_cannot_attach_is_enospc) {
  workq *others[SLOTS_WITH_MEMORY];
  need_own_shm("size=8m");
  create();
  add("a");
  for (int i = 1; i < SLOTS_WITH_MEMORY; i++) others[i] = open_again();
  fill_shm_but(0);
  ck_assert_int_eq(workq_run(q, &(workq_pool){.until_empty = 1}, handle_key), -ENOSPC);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_READY);
  for (int i = 1; i < SLOTS_WITH_MEMORY; i++) ok(workq_close(others[i]));
  ck_assert_int_eq(workq_run(q, &(workq_pool){.until_empty = 1}, handle_key), 0);
  ck_assert_uint_eq(stats().keys, 0);
}
END_TEST

START_TEST(in_a_full_shm_idle_records_make_room) {
  need_own_shm("size=8m");
  create();
  int keys = 0;
  fill_shm_but(4);
  keys = add_until_full(0, 0);
  ck_assert_int_gt(keys, 0);
  ok(workq_add_rate_limited(q, "0", 1));
  finish("0");
  ck_assert_int_eq(state_of("0"), WORKQ_STATE_IDLE);
  ck_assert_int_eq(workq_add(q, "x", 1), 1);
  ck_assert_int_eq(state_of("0"), -ENOENT);
  ck_assert_uint_eq(stats().evictions, 1);
  fill_shm_empty();
}
END_TEST

/* Random operations with ever less memory: errors may come, a SIGBUS must not. */
START_TEST(a_shm_that_gets_full_at_any_moment_does_no_harm) {
  need_own_shm("size=16m");
  uint64_t random = random_seed(NULL);
  options.key_max = 64;
  create();
  char key[16];
  workq_item item;
  for (unsigned i = 0; i < plain_scaled(40000); i++) {
    if (i % 1000 == 0) fill_shm_but(random_below(&random, 60));
    int len = snprintf(key, sizeof key, "%u", (unsigned)random_below(&random, 20000));
    int rc;
    switch (random_below(&random, 8)) {
    case 0:
    case 1:
    case 2:
      rc = workq_add(q, key, (size_t)len);
      break;
    case 3:
    case 4:
      rc = workq_add_after(q, key, (size_t)len, (int64_t)random_below(&random, 1000) * MS);
      break;
    case 5:
      rc = workq_get(q, &item, 0);
      if (rc == 0) rc = random_below(&random, 2) ? workq_complete(q, &item) : workq_retry(q, &item);
      if (rc == -ETIMEDOUT) rc = 0;
      break;
    case 6:
      rc = workq_remove(q, key, (size_t)len);
      break;
    default:
      pass((int64_t)random_below(&random, 10) * MS);
      rc = 0;
    }
    ck_assert_msg(rc >= 0 || rc == -ENOSPC, "%d", rc);
  }
  fill_shm_empty();
}
END_TEST

/* ---- A /dev/shm without inodes ---- */

static unsigned squatters;

static const char *squatter_path(unsigned number) {
  static char path[64];
  snprintf(path, sizeof path, "/dev/shm/squatter-%u", number);
  return path;
}

static void use_up_inodes(void) {
  for (squatters = 0;; squatters++) {
    int fd = open(squatter_path(squatters), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) break;
    close(fd);
  }
  ck_assert_int_eq(errno, ENOSPC);
}

static void assert_cannot_be_created(const char *another) {
  unsigned files = files_in_shm();
  workq *own = NULL;
  ck_assert_int_eq(workq_create(another, &options, &own), -ENOSPC);
  ck_assert_int_eq(workq_open_or_create(another, &options, &own), -ENOSPC);
  ck_assert_int_eq(workq_open(another, &options, &own), -ENOENT);
  ck_assert_ptr_null(own);
  ck_assert_uint_eq(files_in_shm(), files);
}

static pid_t fork_without_proc(void);

START_TEST(without_inodes_a_create_is_enospc) {
  char another[sizeof name];
  need_own_shm("size=8m,nr_inodes=8");
  fixture_name(another);
  use_up_inodes();
  assert_cannot_be_created(another);
  pid_t child = fork_without_proc();
  if (child == 0) {
    assert_cannot_be_created(another);
    process_done();
  }
  process_join(child);
  ck_assert_int_eq(unlink(squatter_path(0)), 0);
  create();
  add("a");
}
END_TEST

/* Memory there is: so all that needs no new file goes on, with keys in hand and delayed. */
START_TEST(without_inodes_a_queue_that_is_there_goes_on_and_grows) {
  need_own_shm("size=8m,nr_inodes=8");
  create();
  add("in hand");
  workq_item item = take("in hand");
  use_up_inodes();
  uint64_t before = stats().committed;
  for (unsigned i = 0; i < 2000; i++) {
    char key[16];
    int len = snprintf(key, sizeof key, "%u", i);
    ck_assert_int_eq(workq_add_after(q, key, (size_t)len, i % 2 ? S : 0), 1);
  }
  ck_assert_uint_gt(stats().committed, before);
  workq *other = open_again();
  take_by(other, "0");
  ok(workq_close(other));
  pid_t child = process_fork();
  if (child == 0) {
    ck_assert_int_eq(workq_len(q), 1000);
    ok(workq_close(q));
    process_done();
  }
  process_join(child);
  die_with("2");
  ck_assert_int_eq(workq_reap(q), 1);
  ck_assert_int_eq(workq_retry(q, &item), 1);
  ck_assert_int_eq(state_of("in hand"), WORKQ_STATE_DELAYED);
  ck_assert_uint_eq(stats().keys, 2001);
}
END_TEST

/* ---- Permissions of /dev/shm ---- */

static void drop_capabilities(void) {
  struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2] = {{0}};
  ck_assert_int_eq((int)syscall(SYS_capset, &head, none), 0);
}

START_TEST(a_shm_that_may_not_be_written_is_eacces) {
  need_own_shm("size=8m,mode=0755");
  create();
  ck_assert_int_eq(chmod("/dev/shm", 0555), 0);
  pid_t child = process_fork();
  if (child == 0) {
    drop_capabilities();
    char another[sizeof name];
    fixture_name(another);
    workq *own = NULL;
    ck_assert_int_eq(workq_create(another, &options, &own), -EACCES);
    ck_assert_int_eq(workq_open_or_create(another, &options, &own), -EACCES);
    ck_assert_int_eq(workq_unlink(name), -EACCES);
    ck_assert_ptr_null(own);
    own = open_again();
    ok(workq_close(own));
    process_done();
  }
  process_join(child);
}
END_TEST

/* ---- Other namespaces ---- */

/*
 * Runs the function in a process of a new namespace.  It is a grandchild: a process that has asked for a pid namespace can
 * fork no more once that namespace is dead.
 */
static void in_namespace(int kind, void (*run)(void)) {
  pid_t child = process_fork();
  if (child == 0) {
    if (unshare(kind) != 0) {
      printf("SKIPPED: a namespace of kind %x: %s\n", (unsigned)kind, strerror(errno));
      fflush(stdout);
      process_done();
    }
    pid_t first = fork(); /* not process_fork(): in a new pid namespace getppid() is 0 */
    ck_assert_int_ge(first, 0);
    if (first == 0) {
      run();
      process_done();
    }
    process_join(first);
    process_done();
  }
  process_join(child);
}

static void assert_foreign(const char *words) {
  workq *own = NULL;
  ck_assert_int_eq(workq_open(name, &options, &own), -EPROTONOSUPPORT);
  ck_assert_int_eq(workq_open_or_create(name, &options, &own), -EPROTONOSUPPORT);
  ck_assert_ptr_null(own);
  char line[256] = "";
  ck_assert_int_eq(workq_describe_mismatch(name, line, sizeof line), 1);
  ck_assert_ptr_nonnull(strstr(line, words));
}

static void assert_foreign_pids(void) {
  assert_foreign("pid namespace");
}

START_TEST(another_pid_namespace_is_eprotonosupport) {
  need_own_shm("size=8m");
  create();
  in_namespace(CLONE_NEWPID, assert_foreign_pids);
  ck_assert_int_eq(add("a"), 1);
}
END_TEST

static void assert_foreign_times(void) {
  assert_foreign("time namespace");
}

START_TEST(another_time_namespace_is_eprotonosupport) {
  need_own_shm("size=8m");
  create();
  in_namespace(CLONE_NEWTIME, assert_foreign_times);
  ck_assert_int_eq(add("a"), 1);
}
END_TEST

static void assert_cannot_attach(void) {
  ck_assert_int_eq(workq_add(q, "b", 1), -EPROTONOSUPPORT);
  ck_assert_int_eq(workq_len(q), -EPROTONOSUPPORT);
  ok(workq_close(q));
}

static const int kinds[] = {CLONE_NEWPID, CLONE_NEWTIME};

START_TEST(a_forked_child_in_another_namespace_cannot_attach) {
  need_own_shm("size=8m");
  create();
  add("a");
  workq_item item = take("a");
  in_namespace(kinds[_i], assert_cannot_attach);
  ck_assert_uint_eq(stats().attached, 1);
  ck_assert_int_eq(workq_done(q, &item), 0);
}
END_TEST

/* ---- No /proc ---- */

/* Hides /proc in a child.  It is the child that creates. */
static pid_t fork_without_proc(void) {
  pid_t child = process_fork();
  if (child > 0) return child;
  ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
  ck_assert_int_eq(mount("tmpfs", "/proc", "tmpfs", 0, NULL), 0);
  ck_assert_int_eq(access("/proc/self", F_OK), -1);
  return child;
}

static void use_without_proc(void) {
  create();
  add("a");
  workq *other = open_again();
  take_by(other, "a");
  ok(workq_close(other));
  pid_t child = process_fork();
  if (child == 0) {
    take("a");
    ok(workq_close(q));
    process_done();
  }
  process_join(child);
  assert_ready("a");
  workq *second = NULL;
  ck_assert_int_eq(workq_create(name, &options, &second), -EEXIST);
  ck_assert_uint_eq(files_in_shm(), 1);
  ok(workq_close(q));
}

START_TEST(without_proc_a_queue_works) {
  need_own_shm("size=8m");
  pid_t child = fork_without_proc();
  if (child == 0) {
    use_without_proc();
    process_done();
  }
  process_join(child);
  ok(workq_unlink(name));
}
END_TEST

static ino_t inode_of_queue(void) {
  struct stat file;
  ck_assert_int_eq(stat(engine_path(name), &file), 0);
  return file.st_ino;
}

/*
 * The name leads to another queue now: one that was made since, or one on another file system, where inode numbers start anew.
 * A child that has nothing but the name must not take it for its own.
 */
static void find_another_queue(bool elsewhere) {
  workq *next;
  ino_t inode = inode_of_queue();
  if (elsewhere) ck_assert_int_eq(mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=8m"), 0);
  else ok(workq_unlink(name));
  ok(workq_create(name, &options, &next));
  if (elsewhere && inode_of_queue() != inode) printf("SKIPPED: another file system has other inode numbers here\n");
  ck_assert_int_eq(workq_len(q), -ESTALE);
  ok(workq_close(q));
  ok(workq_close(next));
}

START_TEST(without_proc_a_child_does_not_take_its_names_next_queue_for_its_own) {
  need_own_shm("size=8m");
  pid_t child = fork_without_proc();
  if (child == 0) {
    create();
    add("a");
    workq_item item = take("a");
    pid_t second = process_fork();
    if (second == 0) {
      find_another_queue(_i);
      process_done();
    }
    process_join(second);
    ck_assert_int_eq(workq_done(q, &item), 0); /* also where the queue was removed meanwhile */
    ok(workq_close(q));
    process_done();
  }
  process_join(child);
}
END_TEST

/* Before Linux 6.10 a file without a name cannot be linked by its descriptor without a privilege: so here, too. */
static void forbid_links_by_descriptor(void) {
  static struct sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_linkat, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[4])),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, AT_EMPTY_PATH, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOENT),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog filter = {.len = sizeof program / sizeof *program, .filter = program};
  ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

START_TEST(without_proc_and_without_privileges_a_queue_works) {
  need_own_shm("size=8m,mode=1777");
  pid_t child = fork_without_proc();
  if (child == 0) {
    drop_capabilities();
    forbid_links_by_descriptor();
    use_without_proc();
    process_done();
  }
  process_join(child);
  ok(workq_unlink(name));
}
END_TEST

START_TEST(who_has_no_proc_does_not_share_with_who_has) {
  need_own_shm("size=8m");
  create();
  pid_t child = fork_without_proc();
  if (child == 0) {
    workq *own = NULL;
    ck_assert_int_eq(workq_open(name, &options, &own), -EPROTONOSUPPORT);
    process_done();
  }
  process_join(child);
}
END_TEST

static Suite *namespace_suite(void) {
  Suite *suite = suite_create("namespaces");
  TCase *tcase = fixture_case(suite, "a full /dev/shm");
  tcase_add_test(tcase, create_in_a_full_shm_is_enospc_and_leaves_nothing);
  tcase_add_loop_test(tcase, a_full_shm_admits_sixteen_handles, 0, 5);
  tcase_add_test(tcase, open_in_a_full_shm_is_enospc);
  tcase_add_loop_test(tcase, add_in_a_full_shm_is_enospc_and_every_key_is_there, 0, 8);
  tcase_add_loop_test(tcase, add_wait_in_a_full_shm_waits_for_memory, 0, 2);
  tcase_add_test(tcase, waiters_for_memory_do_not_keep_a_processor_busy);
  tcase_add_loop_test(tcase, add_after_in_a_full_shm_is_enospc_and_every_key_is_there, 0, 8);
  tcase_add_test(tcase, in_a_full_shm_every_outcome_of_a_key_in_hand_is_possible);
  tcase_add_test(tcase, in_a_full_shm_the_keys_of_the_dead_go_back);
  tcase_add_test(tcase, in_a_full_shm_a_pool_that_cannot_attach_is_enospc);
  tcase_add_test(tcase, in_a_full_shm_idle_records_make_room);
  tcase_add_test(tcase, a_shm_that_gets_full_at_any_moment_does_no_harm);
  tcase_add_test(tcase, a_shm_that_may_not_be_written_is_eacces);

  tcase = fixture_case(suite, "no inodes");
  tcase_add_test(tcase, without_inodes_a_create_is_enospc);
  tcase_add_test(tcase, without_inodes_a_queue_that_is_there_goes_on_and_grows);

  tcase = fixture_case(suite, "other namespaces");
  tcase_add_test(tcase, another_pid_namespace_is_eprotonosupport);
  tcase_add_test(tcase, another_time_namespace_is_eprotonosupport);
  tcase_add_loop_test(tcase, a_forked_child_in_another_namespace_cannot_attach, 0, 2);

  tcase = fixture_case(suite, "no /proc");
  tcase_add_test(tcase, without_proc_a_queue_works);
  tcase_add_loop_test(tcase, without_proc_a_child_does_not_take_its_names_next_queue_for_its_own, 0, 2);
  tcase_add_test(tcase, without_proc_and_without_privileges_a_queue_works);
  tcase_add_test(tcase, who_has_no_proc_does_not_share_with_who_has);
  return suite;
}

/* Tried in a child: it cannot be undone. */
static bool own_shm_can_be_had(void) {
  pid_t child = fork();
  if (child == 0) _exit(own_shm("size=1m") ? EXIT_SUCCESS : EXIT_FAILURE);
  int status;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(void) {
  static suite_maker *const suites[] = {namespace_suite};
  if (!own_shm_can_be_had()) {
    printf("SKIPPED: neither a mount nor a user namespace is permitted here\n");
    return 77;
  }
  return fixture_run("check-namespaces", suites, 1);
}
