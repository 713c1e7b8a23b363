/*
 * The suites of check_failures: what the library does when the system refuses one of its calls.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHECK_FAILURES_H
#define CHECK_FAILURES_H

#include "refusals.h"
#include "support/fixture.h"

Suite *handles_suite(void);
Suite *operations_suite(void);
Suite *processes_suite(void);

/* A case of which each test starts with a system that refuses nothing. */
TCase *failures_case(Suite *suite, const char *words);

/*
 * What is done again and again while one call after another is refused.
 *
 * function  the library's, as the header names it: its errors are known by that.
 * prepare   may be null; makes what `run` needs, and is called before each of them.
 * run       arms, calls the library once, and returns what disarming returned.
 * expected  what `run` gives where nothing is refused.
 * finish    looks at what is there after `run` gave rc, and takes away what `prepare` and `run` made.
 */
struct scenario {
  const char *function;
  void (*prepare)(void);
  int (*run)(void);
  int expected;
  void (*finish)(int rc);
};

/*
 * Refuses the first call in each way and with each error, then the second, until none is left; asserts each time that the
 * result is the expected one or a documented error that says what was refused, and that nothing is held after it.
 * Returns how many calls there are; prints how many refusals there were, and how many led to an error.
 */
unsigned refuse_each(const struct scenario *scenario);

/* Asserts that an error is one that the header lists for the function, and that it tells of what was refused. */
void assert_error(const char *function, int rc);

/* The queue as text: each key with all that is known of it, and the figures.  Owned by the caller. */
char *picture(workq *handle);

/* Asserts that the queue is sound, and that a key can be added, taken and finished; leaves it as it was. */
void assert_usable(workq *handle);

#endif
