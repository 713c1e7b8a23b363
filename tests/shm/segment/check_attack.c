/*
 * What changes between two looks: a name that changes hands, a file that changes its size while others open it; and what
 * programs inherit that are executed while a queue is open.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2u
#endif

#define PAGE 4096

/* ---- A name that changes hands ---- */

/* The files that take the name in turn.  Of the first three, which are queues, number i has a capacity of 100 (i + 1), and the
 * key `letters[i]` in it. */
enum { OURS, OURS_TOO, WRITABLE, STRANGERS, LINK, FIFO, DIRECTORY, TEXT, FILES };
static const char letters[] = "ABC";
static char files[FILES][sizeof name];

static const char *path_of(int file) {
  return engine_path(files[file]);
}

static void make_queue(int file) {
  workq *own;
  options.capacity = 100 * ((uint32_t)file + 1);
  ok(workq_create(files[file], &options, &own));
  ck_assert_int_eq(workq_add(own, &letters[file], 1), 1);
  ok(workq_close(own));
}

static void make_files(void) {
  memcpy(files[OURS], name, sizeof name);
  for (int i = OURS_TOO; i < FILES; i++) fixture_name(files[i]);
  make_queue(OURS);
  make_queue(OURS_TOO);
  make_queue(WRITABLE);
  ck_assert_int_eq(chmod(path_of(WRITABLE), 0666), 0);
  options.capacity = 0;
  workq *own;
  ok(workq_create(files[STRANGERS], &options, &own));
  ok(workq_close(own));
  if (geteuid() != 0 || chown(path_of(STRANGERS), 65533, 65533) != 0) ck_assert_int_eq(unlink(path_of(STRANGERS)), 0);
  char target[sizeof name + 32];
  snprintf(target, sizeof target, "%s", path_of(WRITABLE));
  ck_assert_int_eq(symlink(target, path_of(LINK)), 0);
  ck_assert_int_eq(mkfifo(path_of(FIFO), 0600), 0);
  ck_assert_int_eq(mkdir(path_of(DIRECTORY), 0700), 0);
  int fd = open(path_of(TEXT), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  ck_assert_int_eq(write(fd, "hello\n", 6), 6);
  close(fd);
}

/* They have changed places, but together they are the same. */
static void remove_files(void) {
  for (int i = 0; i < FILES; i++)
    if (unlink(path_of(i)) != 0) (void)rmdir(path_of(i));
}

/* Another file takes the name, and leaves its own to the one that had it: the name is never free. */
static pid_t fork_swapper(void) {
  pid_t child = process_fork();
  if (child > 0) return child;
  uint64_t random = (uint64_t)getpid();
  char of_name[sizeof name + 32];
  snprintf(of_name, sizeof of_name, "%s", path_of(OURS));
  for (;;) {
    int other = 1 + (int)random_below(&random, FILES - 1);
    (void)syscall(SYS_renameat2, AT_FDCWD, of_name, AT_FDCWD, path_of(other), RENAME_EXCHANGE);
  }
}

/* What was opened is one of our two queues, whole, and not a mixture.  Returns which. */
static int which_queue(workq *own) {
  workq_stats_data data;
  ok(workq_stats(own, &data));
  int which = (int)data.capacity / 100 - 1;
  ck_assert_msg(which == OURS || which == OURS_TOO, "a queue of capacity %u was opened", data.capacity);
  for (int i = 0; i < 3; i++) {
    int state = workq_state(own, &letters[i], 1, NULL);
    ck_assert_int_eq(state, i == which ? WORKQ_STATE_READY : -ENOENT);
  }
  return which;
}

/* Attaches in a forked child: to the same queue, or not at all where only the name leads to it. */
static void look_from_child(workq *own, int which) {
  pid_t child = process_fork();
  if (child == 0) {
    int rc = workq_len(own);
    ck_assert_msg(rc == 1 || access("/proc/self", F_OK) != 0, "%d", rc);
    if (rc >= 0) ck_assert_int_eq(which_queue(own), which);
    ok(workq_close(own));
    process_done();
  }
  process_join(child);
}

static void open_while_swapped(void) {
  unsigned opened[2] = {0}, euclean = 0, eperm = 0, wanted = plain_scaled(100);
  pid_t swapper = fork_swapper();
  while (opened[0] < wanted || opened[1] < wanted || euclean < wanted || eperm < wanted) {
    workq *own = NULL;
    int rc = workq_open_or_create(files[OURS], &options, &own);
    ck_assert_msg(rc == 0 || rc == -EUCLEAN || rc == -EPERM, "%d", rc);
    euclean += rc == -EUCLEAN;
    eperm += rc == -EPERM;
    if (rc < 0) continue;
    int which = which_queue(own);
    if (opened[which]++ % 20 == 0) look_from_child(own, which);
    ok(workq_close(own));
  }
  process_kill(swapper);
}

START_TEST(a_name_that_changes_hands_leads_to_one_queue_or_to_an_error) {
  make_files();
  open_while_swapped();
  remove_files();
}
END_TEST

/* Then a second description of the file is to be had by its name only, which may be another's by now.  In a child: sanitizers
 * need /proc at a process's end. */
START_TEST(a_name_that_changes_hands_where_there_is_no_proc) {
  pid_t child = process_fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", "/proc", "tmpfs", 0, NULL) != 0) {
      printf("SKIPPED: a name that changes hands, without /proc: no mount namespace is permitted here\n");
      fflush(stdout);
      process_done();
    }
    make_files();
    open_while_swapped();
    remove_files();
    process_done();
  }
  process_join(child);
}
END_TEST

/* ---- A size that changes ---- */

START_TEST(a_file_that_grows_and_shrinks_is_opened_at_its_own_size_or_not_at_all) {
  create();
  const off_t size = (off_t)stats().size;
  int fd = open(engine_path(name), O_RDWR | O_CLOEXEC);
  ck_assert_int_ge(fd, 0);
  pid_t child = process_fork();
  if (child == 0)
    for (;;) (void)(ftruncate(fd, size + PAGE) + ftruncate(fd, size)); /* never below: that harms who has it open */
  unsigned opened = 0, euclean = 0, wanted = plain_scaled(200);
  while (opened < wanted || euclean < wanted) {
    workq *own = NULL;
    int rc = workq_open(name, &options, &own);
    ck_assert_msg(rc == 0 || rc == -EUCLEAN, "%d", rc);
    euclean += rc == -EUCLEAN;
    if (rc < 0) continue;
    opened++;
    ck_assert_int_eq(workq_add(own, "a", 1), 1);
    workq_item item = take_by(own, "a");
    ck_assert_int_eq(workq_complete(own, &item), 0);
    ok(workq_close(own));
  }
  process_kill(child);
  ck_assert_int_eq(ftruncate(fd, size), 0);
  close(fd);
}
END_TEST

/* ---- What is inherited ---- */

/* How many descriptors a program has that this process executes. */
static int descriptors_of_a_program(void) {
  int ends[2], count = 0;
  ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
  pid_t child = process_fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    execlp("ls", "ls", "/proc/self/fd", (char *)NULL);
    _exit(EXIT_FAILURE);
  }
  close(ends[1]);
  for (char byte; read(ends[0], &byte, 1) == 1;) count += byte == '\n';
  close(ends[0]);
  process_join(child);
  return count;
}

static int handle_key(workq *own, const workq_item *item, unsigned worker, void *arg) {
  (void)own;
  (void)item;
  (void)worker;
  shared->steps[0] = descriptors_of_a_program() - *(int *)arg + 1;
  return WORKQ_OK;
}

START_TEST(what_is_executed_inherits_nothing) {
  int before = descriptors_of_a_program();
  ck_assert_int_gt(before, 3);
  create();
  workq *other = open_again();
  options.flags = WORKQ_RAW;
  workq *raw = open_again();
  ck_assert_int_eq(descriptors_of_a_program(), before);
  pid_t child = process_fork();
  if (child == 0) {
    ok(workq_len(q));
    ck_assert_int_eq(descriptors_of_a_program(), before);
    process_done();
  }
  process_join(child);
  add("a");
  ck_assert_int_eq(workq_run(q, &(workq_pool){.until_empty = 1, .arg = &before}, handle_key), 0);
  ck_assert_int_eq(shared->steps[0], 1);
  ok(workq_close(other));
  ok(workq_close(raw));
}
END_TEST

static Suite *attack_suite(void) {
  Suite *suite = suite_create("attacks");
  TCase *tcase = fixture_case(suite, "between two looks");
  tcase_add_test(tcase, a_name_that_changes_hands_leads_to_one_queue_or_to_an_error);
  tcase_add_test(tcase, a_name_that_changes_hands_where_there_is_no_proc);
  tcase_add_test(tcase, a_file_that_grows_and_shrinks_is_opened_at_its_own_size_or_not_at_all);

  tcase = fixture_case(suite, "inherited");
  tcase_add_test(tcase, what_is_executed_inherits_nothing);
  return suite;
}

int main(void) {
  static suite_maker *const suites[] = {attack_suite};
  return fixture_run("check-attack", suites, 1);
}
