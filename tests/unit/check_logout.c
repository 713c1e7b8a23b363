/*
 * Whether a user's shared memory goes when he logs out, for systems that are made in a temporary directory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/logout.h"

#include <check.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { USER = 1000 };

static char root[] = "/tmp/check_logout.XXXXXX";

/* ---- A system ------------------------------------------------------------------------------------------------ */

/* A file of the system, with the folders above it. */
static void put(const char *name, const char *text) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s%s", root, name);
  for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
    *slash = '\0';
    mkdir(path, 0700);
  }
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_ge(fputs(text, file), 0);
  ck_assert_int_eq(fclose(file), 0);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *ftw) {
  (void)status;
  (void)kind;
  (void)ftw;
  return remove(path);
}

/* One on which logind runs. */
static void set_up(void) {
  strcpy(root + strlen(root) - 6, "XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(root));
  put("/run/systemd/seats/none", "");
}

static void tear_down(void) {
  nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static bool removes(void) {
  return logout_removes(root, USER, "mary");
}

/* ---- Tests --------------------------------------------------------------------------------------------------- */

START_TEST(it_is_so_by_default) {
  ck_assert(removes());
  ck_assert(logout_removes(root, USER, NULL));
  put("/etc/systemd/logind.conf", "");
  ck_assert(removes());
}
END_TEST

START_TEST(not_where_logind_does_not_run) {
  ck_assert(!logout_removes("/nonexistent", USER, "mary"));
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/run", root);
  nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
  ck_assert(!removes());
}
END_TEST

START_TEST(not_for_system_users) {
  ck_assert(!logout_removes(root, 0, "root"));
  ck_assert(!logout_removes(root, 999, "daemon"));
  put("/etc/login.defs", "# SYS_UID_MAX 100\n#SYS_UID_MAX 100\nUID_MIN 1\nSYS_UID_MAX\t1200\n");
  ck_assert(!removes());
  ck_assert(logout_removes(root, 1201, "mary"));
  put("/etc/login.defs", "SYS_UID_MAX no number\n");
  ck_assert(removes());
  put("/etc/login.defs", "SYS_UID_MAX 499\n");
  ck_assert(logout_removes(root, 500, "mary"));
}
END_TEST

START_TEST(not_for_those_who_linger) {
  put("/var/lib/systemd/linger/john", "");
  ck_assert(removes());
  put("/var/lib/systemd/linger/mary", "");
  ck_assert(!removes());
  ck_assert(logout_removes(root, USER, NULL));
}
END_TEST

/* Whether the queue goes where the main file has this line. */
static bool removes_with(const char *line) {
  char text[256];
  snprintf(text, sizeof text, "[Login]\n%s\n", line);
  put("/etc/systemd/logind.conf", text);
  return removes();
}

START_TEST(the_configuration_says_so) {
  const char *const off[] = {"RemoveIPC=no",    "RemoveIPC=0",   " RemoveIPC = No ", "RemoveIPC=off",
                             "RemoveIPC=FALSE", "RemoveIPC=\tn", "RemoveIPC=f",      "RemoveIPC=yes\nRemoveIPC=no"};
  const char *const on[] = {"RemoveIPC=yes",
                            "RemoveIPC=1",
                            "RemoveIPC=on",
                            "RemoveIPC=",
                            "RemoveIPC=nonsense",
                            "removeipc=no",
                            "XRemoveIPC=no",
                            "RemoveIPC",
                            "# other",
                            "[Other]\nRemoveIPC=no",
                            "RemoveIPC=no\nRemoveIPC=yes"};
  for (size_t i = 0; i < sizeof off / sizeof off[0]; i++) ck_assert_msg(!removes_with(off[i]), "%s", off[i]);
  for (size_t i = 0; i < sizeof on / sizeof on[0]; i++) ck_assert_msg(removes_with(on[i]), "%s", on[i]);
  put("/etc/systemd/logind.conf", "RemoveIPC=no\n"); /* in no section */
  ck_assert(removes());
}
END_TEST

/* The main file shows in comments what was compiled in: on Red Hat's systems it is off. */
START_TEST(what_was_compiled_in) {
  ck_assert(!removes_with("#RemoveIPC=no"));
  ck_assert(removes_with("#RemoveIPC=yes"));
  ck_assert(removes_with("#RemoveIPC=no\nRemoveIPC=yes"));
  ck_assert(removes_with("RemoveIPC=yes\n#RemoveIPC=no"));
  ck_assert(!removes_with("; RemoveIPC=no"));
  put("/etc/systemd/logind.conf.d/a.conf", "[Login]\n#RemoveIPC=no\n");
  ck_assert(removes_with("#RemoveIPC=yes"));
}
END_TEST

START_TEST(drop_ins_come_on_top) {
  put("/etc/systemd/logind.conf", "[Login]\nRemoveIPC=yes\n");
  put("/usr/lib/systemd/logind.conf.d/50-vendor.conf", "[Login]\nRemoveIPC=no\n");
  ck_assert(!removes());
  put("/run/systemd/logind.conf.d/60-run.conf", "[Login]\nRemoveIPC=yes\n");
  ck_assert(removes());
  put("/usr/local/lib/systemd/logind.conf.d/70-local.conf", "[Login]\nRemoveIPC=no\n");
  ck_assert(!removes());
  put("/etc/systemd/logind.conf.d/10-admin.conf", "[Login]\nRemoveIPC=yes\n"); /* by name, not by folder */
  ck_assert(!removes());
  put("/etc/systemd/logind.conf.d/70-local.conf", ""); /* hides the other of that name */
  ck_assert(removes());
  put("/etc/systemd/logind.conf.d/80-other", "[Login]\nRemoveIPC=no\n"); /* not *.conf */
  put("/etc/systemd/logind.conf.d/.80-hidden.conf", "[Login]\nRemoveIPC=no\n");
  ck_assert(removes());
}
END_TEST

START_TEST(one_main_file_counts) {
  put("/usr/lib/systemd/logind.conf", "[Login]\nRemoveIPC=no\n");
  ck_assert(!removes());
  put("/etc/systemd/logind.conf", "[Login]\nKillUserProcesses=no\n");
  ck_assert(removes());
}
END_TEST

int main(void) {
  const TTest *const tests[] = {it_is_so_by_default,      not_where_logind_does_not_run, not_for_system_users,
                                not_for_those_who_linger, the_configuration_says_so,     what_was_compiled_in,
                                drop_ins_come_on_top,     one_main_file_counts};
  Suite *suite = suite_create("logout");
  TCase *tcase = tcase_create("systems");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(tcase, tests[i]);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? 0 : 1;
}
