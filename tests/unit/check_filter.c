/*
 * The patterns of `workq watch`: which paths they take.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "watch/filter.h"

#include <check.h>

static struct filter filter;

static void tear_down(void) {
  filter_free(&filter);
}

static void include(const char *text) {
  ck_assert_ptr_null(patterns_add(&filter.include, text));
}

static void exclude(const char *text) {
  ck_assert_ptr_null(patterns_add(&filter.exclude, text));
}

#define taken(path)   ck_assert_msg(filter_takes(&filter, path, false), "%s is not taken", path)
#define refused(path) ck_assert_msg(!filter_takes(&filter, path, false), "%s is taken", path)

START_TEST(without_patterns_all_are_taken) {
  taken("a");
  taken("a/.b~");
  ck_assert(filter_takes(&filter, "a", true));
}
END_TEST

START_TEST(a_name_is_compared_with_each_component) {
  exclude("*.o");
  exclude(".git");
  exclude("b?ild/");
  refused("x.o");
  refused("a/b/.o");
  refused("a.o/b");
  refused(".git/objects/1");
  refused("sub/.git/HEAD");
  refused("sub/build/x");
  taken("x.oo");
  taken("git/x.c");
  taken("rebuild/x");
  ck_assert(!filter_takes(&filter, "sub/.git", true));
  ck_assert(filter_takes(&filter, "sub", true));
}
END_TEST

START_TEST(a_path_is_compared_with_the_path) {
  exclude("doc/*.txt");
  exclude("/top");
  exclude("lib/");
  refused("doc/a.txt");
  refused("doc/d.txt/b");
  taken("sub/doc/a.txt");
  taken("doc/sub/a.txt"); /* a star does not match a slash */
  refused("top");
  refused("top/a/b");
  taken("sub/top");
  refused("sub/lib/x"); /* the slash at the end is no part of it */
}
END_TEST

START_TEST(exclude_goes_before_include) {
  include("*.c");
  include("include/");
  exclude("old*");
  taken("a.c");
  taken("src/a.c");
  taken("src/include/b");
  refused("src/b");
  refused("old.c");
  refused("include/older/b");
  refused("older/a.c");
  /* Files in it could be taken. */
  ck_assert(filter_takes(&filter, "src", true));
  ck_assert(!filter_takes(&filter, "src/old", true));
}
END_TEST

START_TEST(odd_patterns) {
  ck_assert_ptr_nonnull(patterns_add(&filter.include, ""));
  ck_assert_ptr_nonnull(patterns_add(&filter.include, "/"));
  ck_assert_ptr_nonnull(patterns_add(&filter.include, "///"));
  taken("a"); /* none of these was added */
  exclude("[a");
  exclude("\\*");
  exclude("[!a-y]z");
  refused("[a");
  refused("*");
  refused("zz");
  taken("az");
  taken("b\377\n"); /* bytes of no character set */
  exclude("?\377?");
  refused("b\377\n");
}
END_TEST

int main(void) {
  const TTest *const tests[] = {without_patterns_all_are_taken, a_name_is_compared_with_each_component,
                                a_path_is_compared_with_the_path, exclude_goes_before_include, odd_patterns};
  Suite *suite = suite_create("filter");
  TCase *tests_case = tcase_create("filter");
  tcase_add_checked_fixture(tests_case, NULL, tear_down);
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) tcase_add_test(tests_case, tests[i]);
  suite_add_tcase(suite, tests_case);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? 0 : 1;
}
