/*
 * Lines for people, on standard error.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_SAY_H
#define WORKQ_UTILS_COMMON_SAY_H

#include <stdbool.h>

#include "status.h"

/*
 * Writes "workq: ...\n" to standard error at once, with bytes that are not printable ASCII shown as
 * \xNN; on a UTF-8 terminal characters are shown as such, also those that escape() wrote as \xNN.
 */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Whether there may be a line without an end on the terminal (a progress line), which say() has to
 * clear.
 */
void say_over_line(bool is_there);

/* say(), and STATUS_ERROR for the caller to return. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* say() where somebody asked (verbose) or somebody looks (standard error is a terminal). */
void note(bool verbose, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says so, and ends the program. */
_Noreturn void out_of_memory(void);

#endif
