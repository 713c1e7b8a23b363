/*
 * The informer: what it tells of a directory tree in a temporary directory, rule by rule, and for random changes
 * (WORKQ_SEED gives the seed back).  The kernel queues the events of a change before the change's call returns, so
 * nothing here has to wait for them.  Time stands still but where a test lets it pass.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "watch/informer.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "support/random.h"

/* ---- A tree, and the informer's telling of it ---------------------------------------------------------------- */

#define TOLD_MAX 200000

struct told {
  int kind;
  char key[64];
};

static char root[] = "/tmp/check_informer.XXXXXX";
static struct informer *informer;
static struct told *told;
static size_t told_count;
static int stop_with; /* what the callback returns */
static char trouble_path[PATH_MAX];
static int trouble_error, trouble_count;

static int on_change(void *arg, const struct informer_change *change) {
  ck_assert_ptr_eq(arg, &informer);
  ck_assert_uint_eq(strlen(change->key), change->len);
  ck_assert_uint_lt(change->len, sizeof told->key);
  ck_assert_uint_lt(told_count, TOLD_MAX);
  told[told_count].kind = change->kind;
  strcpy(told[told_count++].key, change->key);
  return stop_with;
}

static void on_trouble(void *arg, const char *path, int error) {
  ck_assert_ptr_eq(arg, &informer);
  snprintf(trouble_path, sizeof trouble_path, "%s", path);
  trouble_error = error;
  trouble_count++;
}

/* ---- Time ---------------------------------------------------------------------------------------------------- */

static int64_t monotonic_ns = 1000 * NS_PER_S, wall_ns;

static int64_t test_clock(clockid_t clock) {
  return clock == CLOCK_MONOTONIC ? monotonic_ns : wall_ns;
}

static int open_informer_with(struct informer_options options) {
  options.changed = on_change;
  options.trouble = on_trouble;
  options.arg = &informer;
  options.clock = test_clock;
  wall_ns = clock_wall_ns();
  return informer_open(root, &options, &informer);
}

static int open_informer(void) {
  return open_informer_with((struct informer_options){.settle_ns = 0});
}

/* A listing at a time at which all files have been unchanged for long enough. */
static int resync_later(void) {
  wall_ns = clock_wall_ns() + 10 * NS_PER_S;
  int result = informer_resync(informer);
  wall_ns = clock_wall_ns();
  return result;
}

static void pass(int64_t ns) {
  monotonic_ns += ns;
  ck_assert_int_eq(informer_dispatch(informer), 0);
}

/* Relative names below are relative to the tree. */
static void set_up(void) {
  told = calloc(TOLD_MAX, sizeof *told);
  ck_assert_ptr_nonnull(told);
  ck_assert_ptr_nonnull(mkdtemp(root));
  ck_assert_int_eq(chdir(root), 0);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at) {
  (void)status, (void)type, (void)at;
  return remove(path);
}

static void remove_all(const char *path) {
  nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void tear_down(void) {
  informer_close(informer);
  ck_assert_int_eq(chdir("/"), 0);
  remove_all(root);
  free(told);
}

static void write_file(const char *name) {
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  ck_assert_msg(fd >= 0, "%s: %s", name, strerror(errno));
  ck_assert_int_eq(write(fd, name, 1), 1);
  close(fd);
}

static void make_directory(const char *name) {
  ck_assert_int_eq(mkdir(name, 0755), 0);
}

static void drain(void) {
  struct pollfd wait_for = {.fd = informer_fd(informer), .events = POLLIN};
  while (poll(&wait_for, 1, 0) > 0) ck_assert_int_eq(informer_dispatch(informer), 0);
}

/* The telling since the last look is just this: pairs of a kind and a key, closed by 0, in any order. */
static void expect(int kind, ...) {
  va_list list;
  size_t found = 0;
  va_start(list, kind);
  for (; kind != 0; kind = va_arg(list, int)) {
    const char *key = va_arg(list, const char *);
    size_t i = 0;
    while (i < told_count && (told[i].kind != kind || strcmp(told[i].key, key) != 0)) i++;
    ck_assert_msg(i < told_count, "%s %s was not told", informer_kind_name(kind), key);
    told[i].kind = -kind;
    found++;
  }
  va_end(list);
  for (size_t i = 0; i < told_count; i++)
    ck_assert_msg(told[i].kind < 0, "%s %s was told", informer_kind_name(told[i].kind), told[i].key);
  ck_assert_uint_eq(found, told_count);
  told_count = 0;
}

static void open_and_list(void) {
  ck_assert_int_eq(open_informer(), 0);
  ck_assert_uint_eq(told_count, 0);
  ck_assert_int_eq(resync_later(), 0);
}

/* As if what has happened so far had made no events. */
static void lose_events(void) {
  char events[65536];
  while (read(informer_fd(informer), events, sizeof events) > 0) continue;
}

/* ---- Listing ------------------------------------------------------------------------------------------------- */

START_TEST(listing_tells_every_file) {
  make_directory("web");
  make_directory("web/deep");
  make_directory("empty");
  write_file("top");
  write_file("web/site");
  write_file("web/.hidden~");
  write_file("web/deep/er");
  write_file("web/new\nline");
  ck_assert_int_eq(symlink("web", "link"), 0); /* a file: not followed */
  open_and_list();
  expect(INFORMER_LISTED, "top", INFORMER_LISTED, "web/site", INFORMER_LISTED, "web/.hidden~", INFORMER_LISTED,
         "web/deep/er", INFORMER_LISTED, "web/new\nline", INFORMER_LISTED, "link", 0);
  drain();
  expect(0);
}
END_TEST

START_TEST(resync_tells_all_again_and_what_was_missed) {
  make_directory("a");
  make_directory("b");
  write_file("a/1");
  write_file("a/2");
  write_file("b/3");
  open_and_list();
  expect(INFORMER_LISTED, "a/1", INFORMER_LISTED, "a/2", INFORMER_LISTED, "b/3", 0);
  ck_assert_int_eq(informer_resync(informer), 0);
  expect(INFORMER_RESYNCED, "a/1", INFORMER_RESYNCED, "a/2", INFORMER_RESYNCED, "b/3", 0);
  ck_assert_int_eq(unlink("a/1"), 0);
  remove_all("b");
  write_file("a/4");
  lose_events();
  ck_assert_int_eq(resync_later(), 0);
  expect(INFORMER_REMOVED, "a/1", INFORMER_RESYNCED, "a/2", INFORMER_REMOVED, "b/3", INFORMER_ADDED, "a/4", 0);
}
END_TEST

START_TEST(resync_tells_what_differs) {
  struct stat status;
  struct timespec times[2];
  const char *const names[] = {"longer", "rewritten", "mode", "replaced", "same"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) write_file(names[i]);
  open_and_list();
  expect(INFORMER_LISTED, "longer", INFORMER_LISTED, "rewritten", INFORMER_LISTED, "mode", INFORMER_LISTED, "replaced",
         INFORMER_LISTED, "same", 0);
  ck_assert_int_eq(truncate("longer", 100), 0);
  ck_assert_int_eq(stat("rewritten", &status), 0);
  times[0] = status.st_atim;
  times[1] = status.st_mtim;
  do { /* same size and mtime; only its ctime tells, once the kernel's clock has moved on */
    write_file("rewritten");
    ck_assert_int_eq(utimensat(AT_FDCWD, "rewritten", times, 0), 0);
    times[0] = status.st_ctim;
    ck_assert_int_eq(stat("rewritten", &status), 0);
  } while (times[0].tv_nsec == status.st_ctim.tv_nsec);
  ck_assert_int_eq(chmod("mode", 0600), 0);
  write_file("other");
  ck_assert_int_eq(rename("other", "replaced"), 0);
  lose_events();
  ck_assert_int_eq(resync_later(), 0);
  expect(INFORMER_UPDATED, "longer", INFORMER_UPDATED, "rewritten", INFORMER_UPDATED, "mode", INFORMER_UPDATED,
         "replaced", INFORMER_RESYNCED, "same", 0);
  ck_assert_int_eq(informer_resync(informer), 0);
  expect(INFORMER_RESYNCED, "longer", INFORMER_RESYNCED, "rewritten", INFORMER_RESYNCED, "mode", INFORMER_RESYNCED,
         "replaced", INFORMER_RESYNCED, "same", 0);
}
END_TEST

/* Times that do not fit into nanoseconds of 64 bits. */
START_TEST(odd_times) {
  const struct timespec far[2] = {{.tv_sec = INT64_C(1) << 40}, {.tv_sec = INT64_C(1) << 40}};
  const struct timespec early[2] = {{.tv_sec = -(INT64_C(1) << 40)}, {.tv_sec = -(INT64_C(1) << 40)}};
  write_file("early");
  write_file("far");
  ck_assert_int_eq(utimensat(AT_FDCWD, "early", early, 0), 0);
  ck_assert_int_eq(utimensat(AT_FDCWD, "far", far, 0), 0);
  open_and_list();
  pass(NS_PER_S);
  expect(INFORMER_LISTED, "early", INFORMER_LISTED, "far", 0);
  ck_assert_int_eq(informer_resync(informer), 0);
  expect(INFORMER_RESYNCED, "early", INFORMER_RESYNCED, "far", 0);
}
END_TEST

/* ---- Files that are not complete yet ------------------------------------------------------------------------- */

static int open_for_writing(const char *name) {
  int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(write(fd, "half", 4), 4);
  return fd;
}

/* Neither now nor ever, whatever looks at it. */
static void expect_waiting(void) {
  drain();
  expect(0);
  for (int i = 0; i < 3; i++) {
    pass(NS_PER_S);
    expect(0);
    ck_assert_int_eq(i % 2 == 0 ? resync_later() : informer_resync(informer), 0);
    expect(0);
  }
}

START_TEST(a_new_file_is_told_when_it_is_closed) {
  open_and_list();
  int fd = open_for_writing("1");
  expect_waiting();
  ck_assert_int_eq(fchmod(fd, 0600), 0);
  expect_waiting();
  close(fd);
  drain();
  expect(INFORMER_ADDED, "1", 0);
  ck_assert_int_eq(informer_resync(informer), 0);
  expect(INFORMER_RESYNCED, "1", 0);
}
END_TEST

START_TEST(a_rewritten_file_is_told_when_it_is_closed) {
  write_file("1");
  open_and_list();
  expect(INFORMER_LISTED, "1", 0);
  int fd = open_for_writing("1");
  ck_assert_int_eq(fchmod(fd, 0600), 0);
  expect_waiting();
  close(fd);
  drain();
  expect(INFORMER_UPDATED, "1", 0);
}
END_TEST

START_TEST(a_file_that_is_open_as_a_listing_finds_it) {
  int first = open_for_writing("1");
  open_and_list();
  expect_waiting();
  make_directory("a");
  int second = open_for_writing("a/2");
  drain(); /* only now it hears of the directory */
  expect_waiting();
  close(first);
  close(second);
  drain();
  expect(INFORMER_UPDATED, "1", INFORMER_ADDED, "a/2", 0);
}
END_TEST

START_TEST(a_file_that_was_opened_by_another_name) {
  char outside[] = "/tmp/check_informer_outside.XXXXXX", place[PATH_MAX];
  ck_assert_ptr_nonnull(mkdtemp(outside));
  snprintf(place, sizeof place, "%s/1", outside);
  open_and_list();
  int fd = open_for_writing(place);
  ck_assert_int_eq(link(place, "1"), 0);
  expect_waiting();
  close(fd);
  pass(NS_PER_S);
  expect(INFORMER_ADDED, "1", 0);
  remove_all(outside);
}
END_TEST

START_TEST(fresh_files_are_listed_when_they_are_quiet) {
  write_file("1");
  write_file("2");
  write_file("3");
  ck_assert_int_eq(open_informer(), 0);
  ck_assert_int_eq(informer_resync(informer), 0);
  expect(0);
  write_file("2");
  ck_assert_int_eq(unlink("3"), 0);
  drain();
  expect(INFORMER_UPDATED, "2", INFORMER_REMOVED, "3", 0);
  pass(NS_PER_S - 1);
  expect(0);
  pass(1);
  expect(INFORMER_LISTED, "1", 0);
}
END_TEST

START_TEST(linked_into_place) {
  open_and_list();
  int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
  if (fd < 0) {
    printf("SKIP linked_into_place: no O_TMPFILE here: %s\n", strerror(errno));
    return;
  }
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  ck_assert_int_eq(linkat(AT_FDCWD, path, AT_FDCWD, "1", AT_SYMLINK_FOLLOW), 0);
  close(fd);
  drain();
  expect(0);
  pass(NS_PER_S);
  expect(INFORMER_ADDED, "1", 0);
}
END_TEST

START_TEST(settle_waits_until_a_file_is_quiet) {
  write_file("0");
  ck_assert_int_eq(open_informer_with((struct informer_options){.settle_ns = 5 * NS_PER_S}), 0);
  ck_assert_int_eq(resync_later(), 0);
  expect(INFORMER_LISTED, "0", 0);
  ck_assert_int_eq(symlink("nowhere", "link"), 0);
  for (int i = 0; i < 3; i++) {
    write_file("1");
    drain();
    pass(3 * NS_PER_S);
    if (i == 1) expect(INFORMER_ADDED, "link", 0);
    else expect(0);
  }
  ck_assert_int_eq(truncate("1", 50), 0); /* no event tells of that */
  lose_events();
  pass(2 * NS_PER_S);
  expect(0);
  int fd = open_for_writing("1");
  pass(5 * NS_PER_S); /* it has changed again ... */
  expect(0);
  pass(5 * NS_PER_S); /* ... and is open */
  expect(0);
  pass(50 * NS_PER_S);
  expect(0);
  close(fd);
  drain();
  pass(5 * NS_PER_S - 1);
  expect(0);
  pass(1);
  expect(INFORMER_ADDED, "1", 0);
}
END_TEST

static bool is_no_object(void *arg, const char *key, bool directory) {
  (void)arg;
  size_t len = strlen(key);
  return directory ? strcmp(key, "objects") != 0 : len < 2 || strcmp(key + len - 2, ".o") != 0;
}

START_TEST(only_what_is_wanted) {
  make_directory("objects");
  write_file("objects/1");
  write_file("2.o");
  write_file("2.c");
  ck_assert_int_eq(open_informer_with((struct informer_options){.wanted = is_no_object}), 0);
  ck_assert_int_eq(resync_later(), 0);
  expect(INFORMER_LISTED, "2.c", 0);
  write_file("objects/3");
  write_file("2.o");
  write_file("4.o");
  ck_assert_int_eq(rename("4.o", "4.c"), 0);
  drain();
  expect(INFORMER_ADDED, "4.c", 0);
  ck_assert_int_eq(rename("objects", "subjects"), 0);
  drain();
  pass(NS_PER_S);
  expect(INFORMER_ADDED, "subjects/1", INFORMER_ADDED, "subjects/3", 0);
  ck_assert_int_eq(rename("subjects", "objects"), 0);
  drain();
  expect(INFORMER_REMOVED, "subjects/1", INFORMER_REMOVED, "subjects/3", 0);
}
END_TEST

/* ---- Events -------------------------------------------------------------------------------------------------- */

START_TEST(create_write_delete) {
  make_directory("a");
  open_and_list();
  write_file("a/1");
  drain();
  expect(INFORMER_ADDED, "a/1", 0);
  write_file("a/1");
  drain();
  expect(INFORMER_UPDATED, "a/1", 0);
  ck_assert_int_eq(chmod("a/1", 0600), 0);
  drain();
  expect(0);
  pass(NS_PER_S);
  expect(INFORMER_UPDATED, "a/1", 0);
  ck_assert_int_eq(unlink("a/1"), 0);
  drain();
  expect(INFORMER_REMOVED, "a/1", 0);
}
END_TEST

START_TEST(editors_rename_into_place) {
  make_directory("a");
  write_file("a/1");
  open_and_list();
  expect(INFORMER_LISTED, "a/1", 0);
  write_file("a/.1.swp");
  ck_assert_int_eq(rename("a/.1.swp", "a/1"), 0);
  drain();
  expect(INFORMER_UPDATED, "a/1", 0); /* the other came and went before anybody knew of it */
  write_file("a/.1.swp");
  drain();
  ck_assert_int_eq(rename("a/.1.swp", "a/1"), 0);
  drain();
  expect(INFORMER_ADDED, "a/.1.swp", INFORMER_REMOVED, "a/.1.swp", INFORMER_UPDATED, "a/1", 0);
}
END_TEST

START_TEST(links_and_special_files) {
  write_file("1");
  open_and_list();
  expect(INFORMER_LISTED, "1", 0);
  ck_assert_int_eq(symlink("nowhere", "dangling"), 0);
  ck_assert_int_eq(mkfifo("fifo", 0600), 0);
  drain();
  expect(INFORMER_ADDED, "dangling", INFORMER_ADDED, "fifo", 0);
}
END_TEST

START_TEST(new_directories_are_watched) {
  open_and_list();
  make_directory("a");
  drain();
  write_file("a/1");
  drain();
  expect(INFORMER_ADDED, "a/1", 0);
  /* Filled before the informer hears of it: a listing finds what has no events. */
  make_directory("b");
  make_directory("b/c");
  write_file("b/c/2");
  write_file("b/3");
  drain();
  expect(0);
  pass(NS_PER_S);
  expect(INFORMER_ADDED, "b/c/2", INFORMER_ADDED, "b/3", 0);
  write_file("b/c/2");
  drain();
  expect(INFORMER_UPDATED, "b/c/2", 0);
}
END_TEST

START_TEST(removed_directories) {
  make_directory("a");
  make_directory("a/b");
  write_file("a/1");
  write_file("a/b/2");
  open_and_list();
  expect(INFORMER_LISTED, "a/1", INFORMER_LISTED, "a/b/2", 0);
  remove_all("a");
  drain();
  expect(INFORMER_REMOVED, "a/1", INFORMER_REMOVED, "a/b/2", 0);
  make_directory("a");
  write_file("a/1");
  drain();
  pass(NS_PER_S);
  expect(INFORMER_ADDED, "a/1", 0);
}
END_TEST

START_TEST(moved_directories) {
  char outside[] = "/tmp/check_informer_outside.XXXXXX", place[PATH_MAX];
  ck_assert_ptr_nonnull(mkdtemp(outside));
  snprintf(place, sizeof place, "%s/a", outside);
  make_directory("a");
  make_directory("a/b");
  write_file("a/b/1");
  make_directory("ab"); /* begins alike, and stays */
  write_file("ab/2");
  open_and_list();
  expect(INFORMER_LISTED, "a/b/1", INFORMER_LISTED, "ab/2", 0);

  ck_assert_int_eq(rename("a", "moved"), 0);
  drain();
  pass(NS_PER_S);
  expect(INFORMER_REMOVED, "a/b/1", INFORMER_ADDED, "moved/b/1", 0);
  write_file("moved/b/1");
  drain();
  expect(INFORMER_UPDATED, "moved/b/1", 0);

  ck_assert_int_eq(rename("moved", place), 0);
  drain();
  expect(INFORMER_REMOVED, "moved/b/1", 0);
  snprintf(place, sizeof place, "%s/a/b/1", outside);
  write_file(place); /* no business of ours any more */
  drain();
  expect(0);

  snprintf(place, sizeof place, "%s/a", outside);
  ck_assert_int_eq(rename(place, "ab/back"), 0);
  drain();
  pass(NS_PER_S);
  expect(INFORMER_ADDED, "ab/back/b/1", 0);
  remove_all(outside);
}
END_TEST

START_TEST(moved_directory_that_a_listing_meets_first) {
  make_directory("a");
  make_directory("a/b");
  write_file("a/b/1");
  open_and_list();
  expect(INFORMER_LISTED, "a/b/1", 0);
  ck_assert_int_eq(rename("a", "z"), 0);
  ck_assert_int_eq(resync_later(), 0);
  expect(INFORMER_REMOVED, "a/b/1", INFORMER_ADDED, "z/b/1", 0);
  drain();
  pass(NS_PER_S);
  told_count = 0; /* the events of the move may tell it again */
  write_file("z/b/1");
  drain();
  expect(INFORMER_UPDATED, "z/b/1", 0);
}
END_TEST

START_TEST(file_becomes_directory_and_back) {
  write_file("x");
  open_and_list();
  expect(INFORMER_LISTED, "x", 0);
  ck_assert_int_eq(unlink("x"), 0);
  make_directory("x");
  write_file("x/1");
  ck_assert_int_eq(resync_later(), 0);
  expect(INFORMER_REMOVED, "x", INFORMER_ADDED, "x/1", 0);
  drain();
  pass(NS_PER_S);
  told_count = 0; /* the events may tell all of it again */
  remove_all("x");
  write_file("x");
  ck_assert_int_eq(resync_later(), 0);
  expect(INFORMER_REMOVED, "x/1", INFORMER_ADDED, "x", 0);
}
END_TEST

START_TEST(callback_stops_it) {
  write_file("1");
  write_file("2");
  ck_assert_int_eq(open_informer(), 0);
  stop_with = 7;
  ck_assert_int_eq(resync_later(), 7);
  ck_assert_uint_eq(told_count, 1);
  told_count = 0;
  stop_with = 0;
  ck_assert_int_eq(resync_later(), 0); /* and nothing is forgotten by that */
  expect(INFORMER_LISTED, "1", INFORMER_LISTED, "2", 0);
  stop_with = 8;
  write_file("3");
  ck_assert_int_eq(informer_dispatch(informer), 8);
  expect(INFORMER_ADDED, "3", 0);
  ck_assert_int_eq(unlink("1"), 0);
  ck_assert_int_eq(informer_dispatch(informer), 8);
  expect(INFORMER_REMOVED, "1", 0);
  stop_with = 0;
  ck_assert_int_eq(resync_later(), 0);
  expect(INFORMER_REMOVED, "1", INFORMER_RESYNCED, "2", INFORMER_ADDED, "3", 0);
}
END_TEST

/* ---- What goes wrong ----------------------------------------------------------------------------------------- */

START_TEST(root_is_no_directory) {
  struct informer_options options = {.changed = on_change, .arg = &informer};
  struct informer *none = NULL;
  write_file("file");
  ck_assert_int_eq(informer_open("file", &options, &none), -ENOTDIR);
  ck_assert_int_eq(informer_open("missing", &options, &none), -ENOENT);
  ck_assert_int_eq(informer_open("", &options, &none), -ENOENT);
  ck_assert_ptr_null(none);
}
END_TEST

/* What the end of the root is told by: its own event, or a check within a second. */
static int dispatch_all(void) {
  struct pollfd wait_for = {.fd = informer_fd(informer), .events = POLLIN};
  int result = 0;
  while (result == 0 && poll(&wait_for, 1, 0) > 0) result = informer_dispatch(informer);
  return result;
}

START_TEST(root_goes_and_comes_back) {
  make_directory("a");
  write_file("a/1");
  open_and_list();
  expect(INFORMER_LISTED, "a/1", 0);
  ck_assert_int_eq(chdir("/"), 0);
  remove_all(root);
  ck_assert_int_eq(dispatch_all(), -ENOENT);
  expect(INFORMER_REMOVED, "a/1", 0);
  ck_assert_int_eq(informer_resync(informer), -ENOENT);
  ck_assert_int_eq(trouble_count, 0);

  make_directory(root);
  ck_assert_int_eq(chdir(root), 0);
  write_file("2");
  ck_assert_int_eq(resync_later(), 0);
  expect(INFORMER_ADDED, "2", 0);
  write_file("2");
  drain();
  expect(INFORMER_UPDATED, "2", 0);
}
END_TEST

/* The kernel's event comes when the last process has left it. */
START_TEST(root_goes_that_is_a_working_directory) {
  write_file("1");
  open_and_list();
  expect(INFORMER_LISTED, "1", 0);
  remove_all(root);
  int result = dispatch_all();
  monotonic_ns += NS_PER_S;
  if (result == 0) result = informer_dispatch(informer);
  ck_assert_int_eq(result, -ENOENT);
  expect(INFORMER_REMOVED, "1", 0);
}
END_TEST

START_TEST(root_is_moved_away) {
  write_file("1");
  open_and_list();
  expect(INFORMER_LISTED, "1", 0);
  char away[sizeof root + 8];
  snprintf(away, sizeof away, "%s.away", root);
  ck_assert_int_eq(rename(root, away), 0);
  ck_assert_int_eq(dispatch_all(), -ENOENT);
  expect(INFORMER_REMOVED, "1", 0);
  write_file("3"); /* in the directory that was moved */
  ck_assert_int_eq(dispatch_all(), 0);
  expect(0);
  remove_all(away);
}
END_TEST

START_TEST(root_is_replaced) {
  char away[sizeof root + 8];
  snprintf(away, sizeof away, "%s.away", root);
  write_file("1");
  open_and_list();
  expect(INFORMER_LISTED, "1", 0);
  ck_assert_int_eq(rename(root, away), 0);
  make_directory(root);
  ck_assert_int_eq(chdir(root), 0);
  write_file("2");
  drain();
  pass(NS_PER_S);
  expect(INFORMER_REMOVED, "1", INFORMER_ADDED, "2", 0);
  write_file("3");
  drain();
  expect(INFORMER_ADDED, "3", 0);
  remove_all(away);
}
END_TEST

/* There is no event of that in the root. */
START_TEST(directory_above_the_root_is_moved) {
  char inner[PATH_MAX], away[sizeof root + 8];
  snprintf(inner, sizeof inner, "%s/inner", root);
  snprintf(away, sizeof away, "%s.away", root);
  make_directory("inner");
  write_file("inner/1");
  struct informer_options options = {.changed = on_change, .arg = &informer, .clock = test_clock};
  wall_ns = clock_wall_ns();
  ck_assert_int_eq(informer_open(inner, &options, &informer), 0);
  ck_assert_int_eq(resync_later(), 0);
  expect(INFORMER_LISTED, "1", 0);
  ck_assert_int_eq(rename(root, away), 0);
  pass(NS_PER_S - 1);
  expect(0);
  monotonic_ns++;
  ck_assert_int_eq(informer_dispatch(informer), -ENOENT);
  expect(INFORMER_REMOVED, "1", 0);
  remove_all(away);
}
END_TEST

START_TEST(unreadable_directory_keeps_its_files) {
  make_directory("a");
  write_file("a/1");
  write_file("2");
  if (geteuid() == 0) { /* permissions do not bind root */
    ck_assert_int_eq(chown(root, 65534, 65534), 0);
    ck_assert_int_eq(chown("a", 65534, 65534), 0);
    ck_assert_int_eq(seteuid(65534), 0);
  }
  open_and_list();
  expect(INFORMER_LISTED, "a/1", INFORMER_LISTED, "2", 0);
  ck_assert_int_eq(chmod("a", 0), 0);
  for (int i = 0; i < 2; i++) {
    ck_assert_int_eq(informer_resync(informer), 0);
    expect(INFORMER_RESYNCED, "2", 0);
  }
  ck_assert_int_eq(trouble_error, EACCES);
  ck_assert_int_eq(trouble_count, 1); /* not at each listing */
  ck_assert_str_eq(trouble_path + strlen(root), "/a");
  ck_assert_int_eq(chmod("a", 0700), 0);
  drain(); /* the change of permissions is reason enough to look again */
  expect(INFORMER_RESYNCED, "a/1", 0);
  if (getuid() == 0) ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

/* In a user namespace of its own a process can have a limit of its own. */
static int limit_watches(int most) {
  if (unshare(CLONE_NEWUSER) < 0) return -errno;
  int fd = open("/proc/sys/user/max_inotify_watches", O_WRONLY);
  if (fd < 0) return -errno;
  int result = dprintf(fd, "%d\n", most) > 0 ? 0 : -errno;
  close(fd);
  return result;
}

START_TEST(watches_are_used_up) {
  make_directory("a");
  make_directory("b");
  make_directory("c");
  int result = limit_watches(2); /* the tree and one below it */
  if (result < 0) {
    printf("SKIP watches_are_used_up: no user namespace here: %s\n", strerror(-result));
    return;
  }
  open_and_list();
  ck_assert_int_eq(trouble_error, ENOSPC);
  ck_assert_int_eq(trouble_count, 1); /* though two are not watched */
  write_file("a/1");
  write_file("b/2");
  write_file("c/3");
  drain();
  told_count = 0; /* one of them */
  ck_assert_int_eq(resync_later(), 0);
  ck_assert_uint_eq(told_count, 3); /* a listing sees them all */
}
END_TEST

START_TEST(no_watch_for_the_root) {
  int result = limit_watches(0);
  if (result < 0) {
    printf("SKIP no_watch_for_the_root: no user namespace here: %s\n", strerror(-result));
    return;
  }
  ck_assert_int_eq(open_informer(), -ENOSPC);
}
END_TEST

/* ---- At large ------------------------------------------------------------------------------------------------ */

static uint64_t seed;

static uint32_t draw(uint32_t below) {
  return (uint32_t)random_below(&seed, below);
}

static void start_random(void) {
  seed = random_seed(NULL);
}

/* What an attentive listener believes to be there, against what is there. */
static char believed[512][64];
static size_t believed_count, present_count;

static void believe(void) {
  for (size_t i = 0; i < told_count; i++) {
    size_t at = 0;
    while (at < believed_count && strcmp(believed[at], told[i].key) != 0) at++;
    if (told[i].kind != INFORMER_REMOVED) {
      ck_assert_uint_lt(at, sizeof believed / sizeof *believed);
      strcpy(believed[at], told[i].key);
      if (at == believed_count) believed_count++;
    } else if (at < believed_count) {
      memmove(believed[at], believed[--believed_count], sizeof *believed);
    }
  }
  told_count = 0;
}

static int is_believed(const char *path, const struct stat *status, int type, struct FTW *at) {
  (void)status, (void)at;
  if (type == FTW_D) return 0;
  present_count++;
  const char *key = path + sizeof root; /* behind the slash */
  size_t i = 0;
  while (i < believed_count && strcmp(believed[i], key) != 0) i++;
  ck_assert_msg(i < believed_count, "%s is there and was not told", key);
  return 0;
}

static void assert_belief(void) {
  believe();
  present_count = 0;
  ck_assert_int_eq(nftw(root, is_believed, 16, FTW_PHYS), 0);
  ck_assert_uint_eq(believed_count, present_count);
}

static void draw_name(char name[static 16]) {
  static const char *const names[] = {"a", "b", "c"};
  uint32_t depth = 1 + draw(3);
  name[0] = '\0';
  for (uint32_t i = 0; i < depth; i++) {
    if (i > 0) strcat(name, "/");
    strcat(name, names[draw(3)]);
  }
}

/* Most fail, which is as good. */
static void change_something(void) {
  char name[16], other[16];
  draw_name(name);
  draw_name(other);
  switch (draw(8)) {
  case 0:
  case 1:
    mkdir(name, 0755);
    break;
  case 2:
  case 3:
  case 4:
    close(open(name, O_WRONLY | O_CREAT, 0644));
    break;
  case 5:
    unlink(name);
    break;
  case 6:
    rename(name, other);
    break;
  default:
    if (draw(4) == 0) remove_all(name);
    break;
  }
}

START_TEST(random_changes_are_all_told) {
  start_random();
  open_and_list();
  for (int i = 0; i < 20000; i++) {
    change_something();
    if (draw(20) == 0) ck_assert_int_eq(informer_dispatch(informer), 0);
    if (draw(100) == 0) ck_assert_int_eq(draw(2) == 0 ? informer_resync(informer) : resync_later(), 0);
    if (draw(50) != 0) continue;
    drain();
    pass(NS_PER_S);
    assert_belief();
  }
}
END_TEST

START_TEST(overflow_leads_to_a_listing) {
  FILE *limit = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
  int most = 0;
  ck_assert_ptr_nonnull(limit);
  ck_assert_int_eq(fscanf(limit, "%d", &most), 1);
  fclose(limit);
  make_directory("a");
  make_directory("c");
  write_file("a/gone");
  write_file("c/4");
  open_and_list();
  for (int i = 0; i <= most / 2; i++) { /* at least three events each; two in a row that are equal count once */
    write_file("a/1");
    ck_assert_int_eq(unlink("a/1"), 0);
  }
  ck_assert_int_eq(unlink("a/gone"), 0); /* too late for an event */
  make_directory("b");
  write_file("b/2");
  ck_assert_int_eq(rename("c", "d"), 0);
  drain();
  pass(NS_PER_S);
  assert_belief();
  write_file("b/3"); /* and they are watched */
  write_file("d/5");
  drain();
  assert_belief();
}
END_TEST

static int stop_pipe[2];

static int stop_at_resync(void *arg, const struct informer_change *change) {
  (void)arg;
  static int resyncs;
  if (change->kind == INFORMER_RESYNCED && ++resyncs == 3) ck_assert_int_eq(write(stop_pipe[1], "", 1), 1);
  return 0;
}

START_TEST(run_lists_again_until_it_is_stopped) {
  struct informer_options options = {.changed = stop_at_resync};
  ck_assert_int_eq(pipe(stop_pipe), 0);
  write_file("1");
  ck_assert_int_eq(informer_open(root, &options, &informer), 0);
  ck_assert_int_eq(informer_run(informer, 1000000, stop_pipe[0]), 0);
}
END_TEST

static int stop_at_update(void *arg, const struct informer_change *change) {
  (void)arg;
  if (change->kind == INFORMER_LISTED) write_file("1"); /* an event, to be told after the listing */
  return change->kind == INFORMER_UPDATED ? 5 : 0;
}

START_TEST(run_tells_events_without_resync) {
  struct informer_options options = {.changed = stop_at_update};
  write_file("1");
  ck_assert_int_eq(informer_open(root, &options, &informer), 0);
  ck_assert_int_eq(informer_run(informer, 0, -1), 5);
}
END_TEST

static int stop_at_third(void *arg) {
  (void)arg;
  static int ticks;
  return ++ticks == 3 ? 6 : 0;
}

START_TEST(run_ticks_without_events) {
  struct informer_options options = {.changed = stop_at_update, .tick = stop_at_third, .tick_ns = 1000000};
  ck_assert_int_eq(informer_open(root, &options, &informer), 0);
  ck_assert_int_eq(informer_run(informer, 0, -1), 6);
}
END_TEST

/* Processor time of hearing that so many directories were removed. */
static int64_t cost_of_removing(int count) {
  char name[16];
  int64_t cost = 0;
  for (int i = 0; i < count; i++) {
    snprintf(name, sizeof name, "%d", i);
    make_directory(name);
  }
  open_and_list();
  for (int i = 0; i < count; i++) {
    snprintf(name, sizeof name, "%d", i);
    ck_assert_int_eq(rmdir(name), 0);
    if (i % 1000 != 999) continue; /* fewer than the kernel keeps */
    int64_t begun = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
    drain();
    cost += clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) - begun;
  }
  drain();
  informer_close(informer);
  informer = NULL;
  return cost;
}

/* Sixteen times as many cost some sixteen times as much, and not 256 times.  A measurement that was disturbed is repeated. */
START_TEST(removing_directories_is_not_quadratic) {
  int64_t few, many;
  for (int tries = 0;; tries++) {
    few = cost_of_removing(2000);
    many = cost_of_removing(32000);
    printf("removing 2000 directories: %lld us, 32000: %lld us\n", (long long)few / 1000, (long long)many / 1000);
    if (many < 64 * few) break;
    ck_assert_int_lt(tries, 4);
  }
}
END_TEST

START_TEST(kinds_have_words) {
  ck_assert_str_eq(informer_kind_name(INFORMER_LISTED), "list");
  ck_assert_str_eq(informer_kind_name(INFORMER_ADDED), "add");
  ck_assert_str_eq(informer_kind_name(INFORMER_UPDATED), "update");
  ck_assert_str_eq(informer_kind_name(INFORMER_REMOVED), "delete");
  ck_assert_str_eq(informer_kind_name(INFORMER_RESYNCED), "resync");
  ck_assert_str_eq(informer_kind_name(0), "unknown");
}
END_TEST

static void add_case(Suite *suite, const char *name, const TTest *const *tests, size_t n) {
  TCase *tests_case = tcase_create(name);
  tcase_set_timeout(tests_case, 900);
  tcase_add_checked_fixture(tests_case, set_up, tear_down);
  for (size_t i = 0; i < n; i++) tcase_add_test(tests_case, tests[i]);
  suite_add_tcase(suite, tests_case);
}

int main(void) {
  const TTest *const listing[] = {listing_tells_every_file, resync_tells_all_again_and_what_was_missed,
                                  resync_tells_what_differs, odd_times, only_what_is_wanted};
  const TTest *const events[] = {create_write_delete,
                                 editors_rename_into_place,
                                 links_and_special_files,
                                 new_directories_are_watched,
                                 removed_directories,
                                 moved_directories,
                                 moved_directory_that_a_listing_meets_first,
                                 file_becomes_directory_and_back,
                                 callback_stops_it};
  const TTest *const waiting[] = {
      a_new_file_is_told_when_it_is_closed,       a_rewritten_file_is_told_when_it_is_closed,
      a_file_that_is_open_as_a_listing_finds_it,  a_file_that_was_opened_by_another_name,
      fresh_files_are_listed_when_they_are_quiet, linked_into_place,
      settle_waits_until_a_file_is_quiet};
  const TTest *const faults[] = {root_is_no_directory,
                                 root_goes_and_comes_back,
                                 root_goes_that_is_a_working_directory,
                                 root_is_replaced,
                                 directory_above_the_root_is_moved,
                                 root_is_moved_away,
                                 unreadable_directory_keeps_its_files,
                                 watches_are_used_up,
                                 no_watch_for_the_root};
  const TTest *const large[] = {random_changes_are_all_told,
                                overflow_leads_to_a_listing,
                                run_lists_again_until_it_is_stopped,
                                run_tells_events_without_resync,
                                run_ticks_without_events,
                                removing_directories_is_not_quadratic,
                                kinds_have_words};
  Suite *suite = suite_create("informer");
  add_case(suite, "listing", listing, sizeof listing / sizeof *listing);
  add_case(suite, "events", events, sizeof events / sizeof *events);
  add_case(suite, "waiting", waiting, sizeof waiting / sizeof *waiting);
  add_case(suite, "faults", faults, sizeof faults / sizeof *faults);
  add_case(suite, "large", large, sizeof large / sizeof *large);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? 0 : 1;
}
