/*
 * The words for errors: every code that the public header names has words of its own, and every other code has some.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "workq.h"

#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each code with its name, so that the header's text can be held against the list. */
#define NAMED(code)                                                                                                    \
  { code, #code }
static const struct named {
  int code;
  const char *name;
} codes[] = {
    NAMED(EACCES), NAMED(EAGAIN),       NAMED(EBADF),           NAMED(ECANCELED), NAMED(EEXIST),
    NAMED(EBADFD), NAMED(EDEADLK),      NAMED(EFBIG),           NAMED(EINTR),     NAMED(EINVAL),
    NAMED(EIO),    NAMED(EISDIR),       NAMED(EMFILE),          NAMED(ENFILE),    NAMED(EMSGSIZE),
    NAMED(ENOENT), NAMED(ENAMETOOLONG), NAMED(ENOMEM),          NAMED(ENOSPC),    NAMED(EPERM),
    NAMED(ESTALE), NAMED(EUCLEAN),      NAMED(EPROTONOSUPPORT), NAMED(ESHUTDOWN), NAMED(ETIMEDOUT),
    NAMED(EUSERS),
};
enum { CODES = sizeof(codes) / sizeof(codes[0]) };

static const struct named *find_name(const char *name, size_t len) {
  for (size_t i = 0; i < CODES; i++)
    if (strlen(codes[i].name) == len && strncmp(codes[i].name, name, len) == 0) return &codes[i];
  return NULL;
}

START_TEST(each_code_has_words_of_its_own) {
  for (size_t i = 0; i < CODES; i++) {
    ck_assert_str_ne(workq_strerror(codes[i].code), "");
    ck_assert_str_ne(workq_strerror(codes[i].code), "unknown error");
    ck_assert_str_ne(workq_strerror(codes[i].code), strerror(codes[i].code));
    for (size_t j = 0; j < i; j++) ck_assert_str_ne(workq_strerror(codes[i].code), workq_strerror(codes[j].code));
  }
}
END_TEST

START_TEST(sign_does_not_matter) {
  for (size_t i = 0; i < CODES; i++) ck_assert_ptr_eq(workq_strerror(codes[i].code), workq_strerror(-codes[i].code));
}
END_TEST

START_TEST(words_are_one_clause_without_a_full_stop) {
  for (size_t i = 0; i < CODES; i++) {
    const char *words = workq_strerror(codes[i].code);
    ck_assert_msg(words[strlen(words) - 1] != '.', "%s: %s", codes[i].name, words);
    ck_assert_msg(!strchr(words, '\n'), "%s: %s", codes[i].name, words);
    ck_assert_msg(!isupper((unsigned char)words[0]), "%s: %s", codes[i].name, words);
  }
}
END_TEST

START_TEST(the_headers_codes_are_all_known) {
  const char *srcdir = getenv("WORKQ_SRCDIR");
  char path[4096];
  snprintf(path, sizeof(path), "%s/include/workq.h", srcdir ? srcdir : ".");
  FILE *header = fopen(path, "r");
  ck_assert_msg(header != NULL, "%s: %s", path, strerror(errno));
  regex_t pattern;
  ck_assert_int_eq(regcomp(&pattern, "-(E[A-Z]+)([^A-Z]|$)", REG_EXTENDED), 0);
  char line[1024];
  bool found[CODES] = {false};
  while (fgets(line, sizeof(line), header)) {
    regmatch_t match[2];
    for (const char *at = line; regexec(&pattern, at, 2, match, 0) == 0; at += match[1].rm_eo) {
      size_t len = (size_t)(match[1].rm_eo - match[1].rm_so);
      const char *name = at + match[1].rm_so;
      const struct named *code = find_name(name, len);
      ck_assert_msg(code != NULL, "workq.h names %.*s, which this test does not", (int)len, name);
      found[code - codes] = true;
    }
  }
  for (size_t i = 0; i < CODES; i++) ck_assert_msg(found[i], "workq.h does not name %s any more", codes[i].name);
  regfree(&pattern);
  fclose(header);
}
END_TEST

START_TEST(other_numbers_have_words_too) {
  ck_assert_str_eq(workq_strerror(0), "success");
  ck_assert_str_eq(workq_strerror(INT_MIN), "unknown error");
  ck_assert_str_eq(workq_strerror(INT_MAX), "unknown error");
  ck_assert_str_eq(workq_strerror(-INT_MAX), "unknown error");
  for (int code = -4096; code <= 4096; code++) {
    ck_assert_ptr_nonnull(workq_strerror(code));
    ck_assert_str_ne(workq_strerror(code), "");
  }
}
END_TEST

START_TEST(version_is_the_headers) {
  char numbers[32];
  ck_assert_str_eq(workq_version(), WORKQ_VERSION);
  snprintf(numbers, sizeof numbers, "%d.%d.%d", WORKQ_VERSION_MAJOR, WORKQ_VERSION_MINOR, WORKQ_VERSION_PATCH);
  ck_assert_str_eq(numbers, WORKQ_VERSION);
  snprintf(numbers, sizeof numbers, "%d.%d.%d", WORKQ_VERSION_NUMBER / 1000000, WORKQ_VERSION_NUMBER / 1000 % 1000,
           WORKQ_VERSION_NUMBER % 1000);
  ck_assert_str_eq(numbers, WORKQ_VERSION);
}
END_TEST

/* configure has read it from the header, too. */
START_TEST(version_is_the_packages) {
  ck_assert_str_eq(PACKAGE_VERSION, WORKQ_VERSION);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("errors");
  TCase *words = tcase_create("words");
  tcase_add_test(words, each_code_has_words_of_its_own);
  tcase_add_test(words, sign_does_not_matter);
  tcase_add_test(words, words_are_one_clause_without_a_full_stop);
  tcase_add_test(words, the_headers_codes_are_all_known);
  tcase_add_test(words, other_numbers_have_words_too);
  tcase_add_test(words, version_is_the_headers);
  tcase_add_test(words, version_is_the_packages);
  suite_add_tcase(suite, words);

  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? 0 : 1;
}
