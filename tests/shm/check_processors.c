/*
 * How much processor time there is: the affinity and the quotas of control groups, told by files that the test has written, and
 * by real groups where it may make some.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "shm/processors.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/inner.h"
#include "support/process.h"

/* ---- A root of the test's own ---- */

static char root[64];

static void make_root(void) {
  snprintf(root, sizeof root, "/tmp/check_processors-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(root));
}

static int remove_one(const char *path, const struct stat *file, int type, struct FTW *where) {
  (void)file;
  (void)type;
  (void)where;
  return remove(path);
}

static void remove_root(void) {
  nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Writes a file under the root, with the directories that lead to it. */
static void put(const char *path, const char *text) {
  char whole[4400];
  snprintf(whole, sizeof whole, "%s%s", root, path);
  for (char *slash = strchr(whole + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    if (mkdir(whole, 0700) != 0) ck_assert_int_eq(errno, EEXIST);
    *slash = '/';
  }
  FILE *file = fopen(whole, "w");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_ge(fputs(text, file), 0);
  ck_assert_int_eq(fclose(file), 0);
}

static void put_groups(const char *lines) {
  put("/proc/self/cgroup", lines);
}

static uint32_t quota(void) {
  return processors_of_quota(root);
}

/* ---- Version 2 ---- */

START_TEST(without_files_there_is_no_limit) {
  ck_assert_uint_eq(quota(), PROCESSORS_UNLIMITED);
  put_groups("");
  ck_assert_uint_eq(quota(), PROCESSORS_UNLIMITED);
  put_groups("0::/a\n");
  ck_assert_uint_eq(quota(), PROCESSORS_UNLIMITED);
}
END_TEST

START_TEST(a_quota_is_its_share_of_the_period) {
  static const struct {
    const char *text;
    uint32_t allowed;
  } cases[] = {{"max 100000\n", PROCESSORS_UNLIMITED},
               {"100000 100000\n", 1000},
               {"200000 100000\n", 2000},
               {"199999 100000\n", 1999},
               {"50000 100000\n", 500},
               {"1000 1000000\n", 1},
               {"150000 50000\n", 3000},
               {"9223372036854775807 1000\n", PROCESSORS_UNLIMITED}};
  put_groups("0::/a\n");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    put("/sys/fs/cgroup/a/cpu.max", cases[i].text);
    ck_assert_msg(quota() == cases[i].allowed, "%s: %u", cases[i].text, quota());
  }
}
END_TEST

START_TEST(the_least_quota_up_the_hierarchy_counts) {
  put_groups("0::/a/b/c\n");
  put("/sys/fs/cgroup/a/b/c/cpu.max", "400000 100000\n");
  put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  put("/sys/fs/cgroup/a/cpu.max", "150000 100000\n");
  ck_assert_uint_eq(quota(), 1500);
  put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
  ck_assert_uint_eq(quota(), 500);
  put("/sys/fs/cgroup/a/b/c/cpu.max", "20000 100000\n");
  ck_assert_uint_eq(quota(), 200);
  put("/sys/fs/cgroup/d/cpu.max", "1000 100000\n"); /* another's */
  ck_assert_uint_eq(quota(), 200);
}
END_TEST

/* As in a container: the path is the host's, and what is mounted is the container's own group. */
START_TEST(a_path_that_is_not_there_ends_at_the_mount) {
  put("/sys/fs/cgroup/cpu.max", "100000 100000\n");
  static const char *const paths[] = {"0::/\n",  "0::/../..\n", "0::/system.slice/docker-1234.scope\n",
                                      "0::/a\n", "0::/../b\n",  "0::/a (deleted)\n"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    put_groups(paths[i]);
    ck_assert_msg(quota() == 1000, "%s: %u", paths[i], quota());
  }
}
END_TEST

/* ---- Version 1 ---- */

START_TEST(a_quota_of_version_1_is_found_by_its_controller) {
  put_groups("12:cpuset:/x\n4:cpu,cpuacct:/a/b\n3:memory:/m\n0::/u\n");
  put("/sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us", "-1\n");
  put("/sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us", "100000\n");
  put("/sys/fs/cgroup/unified/u/cpu.max", "1000 100000\n"); /* not where the controller is */
  ck_assert_uint_eq(quota(), PROCESSORS_UNLIMITED);
  put("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "75000\n");
  put("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "50000\n");
  ck_assert_uint_eq(quota(), 1500);
  put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "30000\n");
  put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  ck_assert_uint_eq(quota(), 300);
  put_groups("5:cpuset:/a\n4:cpuacct,cpu:/\n");
  ck_assert_uint_eq(quota(), 300);
  put_groups("5:cpuset:/a\n4:cpuacct:/\n");
  ck_assert_uint_eq(quota(), PROCESSORS_UNLIMITED);
}
END_TEST

START_TEST(version_2_beside_version_1_is_mounted_apart) {
  put_groups("0::/u\n1:name=systemd:/s\n");
  put("/sys/fs/cgroup/unified/u/cpu.max", "150000 100000\n");
  ck_assert_uint_eq(quota(), 1500);
  put_groups("1:name=systemd:/s\n0::/u\n");
  ck_assert_uint_eq(quota(), 1500);
}
END_TEST

/* ---- Nonsense ---- */

START_TEST(what_is_no_quota_is_no_limit) {
  static const char *const texts[] = {
      "",         "\n",  "max",     "maximum 5", "0 100000",  "-5 100000", "100000",
      "100000 0", "x y", "100000 ", "100000 x",  "100000 -1", " ",         "5000000000000000000000 1\n"};
  put_groups("0::/a\n");
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    put("/sys/fs/cgroup/a/cpu.max", texts[i]);
    ck_assert_msg(quota() == PROCESSORS_UNLIMITED, "'%s': %u", texts[i], quota());
  }
}
END_TEST

START_TEST(lines_that_are_cut_off_or_too_long_do_no_harm) {
  static char line[6000];
  static const char *const lines[] = {"0",        "0:",   "0::", ":", "::\n", "\n\n0::/a\n", "0:cpu\n0::/a\n",
                                      "4:cpu:\n", "cpu\n"};
  put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    put_groups(lines[i]);
    uint32_t allowed = quota();
    ck_assert_msg(allowed == 500 || allowed == PROCESSORS_UNLIMITED, "%s: %u", lines[i], allowed);
  }
  snprintf(line, sizeof line, "0::");
  for (size_t len = 3; len < sizeof line - 1; len += 97) {
    for (size_t at = strlen(line); at < len; at++) line[at] = at % 100 == 3 ? '/' : 'a';
    put_groups(line);
    uint32_t allowed = quota();
    ck_assert_msg(allowed == 500 || allowed == PROCESSORS_UNLIMITED, "%zu bytes: %u", len, allowed);
  }
}
END_TEST

START_TEST(random_lines_do_no_harm) {
  static const char pieces[] = "0123:::,,/////..cpu\nmax -";
  for (unsigned i = plain_scaled(2000); i > 0; i--) {
    char text[200], path[] = "/proc/self/cgroup";
    size_t len = inner_below(sizeof text - 1);
    for (size_t at = 0; at < len; at++) text[at] = pieces[inner_below(sizeof pieces - 1)];
    text[len] = '\0';
    put(path, text);
    (void)quota();
    ck_assert_uint_eq(quota(), quota());
  }
}
END_TEST

/* ---- What is real ---- */

START_TEST(the_affinity_is_counted) {
  cpu_set_t all, one;
  ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
  ck_assert_uint_eq(processors_of_affinity(), 1000u * (uint32_t)CPU_COUNT(&all));
  CPU_ZERO(&one);
  for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
    if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
  ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
  ck_assert_uint_eq(processors_of_affinity(), 1000);
  ck_assert(!processors_are_several());
  ck_assert(!inner_create(4)->waiter.may_spin);
  ck_assert_int_eq(sched_setaffinity(0, sizeof all, &all), 0);
  bool several = processors_are_several();
  ck_assert(inner_create(4)->waiter.may_spin == several);
  workq *never;
  inner_open(&(workq_options){.capacity = 4, .handles = 1, .flags = WORKQ_NO_SPIN}, &never, 1);
  ck_assert(!never->waiter.may_spin);
}
END_TEST

START_TEST(errors_do_not_show) {
  errno = EDOM;
  (void)processors_are_several();
  ck_assert_int_eq(errno, EDOM);
  ck_assert_uint_eq(processors_of_quota("/there/is/nothing/here"), PROCESSORS_UNLIMITED);
}
END_TEST

static bool write_file(const char *directory, const char *file, const char *text) {
  char path[300];
  snprintf(path, sizeof path, "%s/%s", directory, file);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  close(fd);
  return good;
}

/* A control group under this one, with one and a half processors' time; false if this may not be made. */
static bool make_real_group(const char *mount, bool first_version, char *directory, size_t size) {
  snprintf(directory, size, "%s/check_processors-%d", mount, (int)getpid());
  if (mkdir(directory, 0755) != 0) return false;
  if (first_version
          ? write_file(directory, "cpu.cfs_period_us", "20000") && write_file(directory, "cpu.cfs_quota_us", "30000")
          : write_file(directory, "cpu.max", "30000 20000"))
    return true;
  rmdir(directory);
  return false;
}

START_TEST(a_real_quota_is_found) {
  char directory[256];
  if (!make_real_group("/sys/fs/cgroup/cpu", true, directory, sizeof directory) &&
      !make_real_group("/sys/fs/cgroup", false, directory, sizeof directory)) {
    printf("SKIPPED: a real quota: no control group can be made here\n");
    return;
  }
  pid_t child = process_fork();
  if (child == 0) {
    bool joined = write_file(directory, "cgroup.procs", "0");
    uint32_t allowed = processors_of_quota("");
    _exit(!joined ? 77 : allowed == 1500 && !processors_are_several() ? 0 : 1);
  }
  int status = process_wait(child);
  rmdir(directory);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) printf("SKIPPED: a real quota: the group cannot be joined\n");
  else ck_assert_int_eq(status, 0);
}
END_TEST

static TCase *files_case(Suite *suite, const char *name) {
  TCase *tcase = inner_case(suite, name);
  tcase_add_checked_fixture(tcase, make_root, remove_root);
  return tcase;
}

int main(int argc, char **argv) {
  Suite *suite = suite_create("processors");
  TCase *tcase = files_case(suite, "version 2");
  tcase_add_test(tcase, without_files_there_is_no_limit);
  tcase_add_test(tcase, a_quota_is_its_share_of_the_period);
  tcase_add_test(tcase, the_least_quota_up_the_hierarchy_counts);
  tcase_add_test(tcase, a_path_that_is_not_there_ends_at_the_mount);

  tcase = files_case(suite, "version 1");
  tcase_add_test(tcase, a_quota_of_version_1_is_found_by_its_controller);
  tcase_add_test(tcase, version_2_beside_version_1_is_mounted_apart);

  tcase = files_case(suite, "nonsense");
  tcase_add_test(tcase, what_is_no_quota_is_no_limit);
  tcase_add_test(tcase, lines_that_are_cut_off_or_too_long_do_no_harm);
  tcase_add_test(tcase, random_lines_do_no_harm);

  tcase = inner_case(suite, "what is real");
  tcase_add_test(tcase, the_affinity_is_counted);
  tcase_add_test(tcase, errors_do_not_show);
  tcase_add_test(tcase, a_real_quota_is_found);
  return inner_main(argc, argv, suite);
}
