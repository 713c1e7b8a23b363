/*
 * What all test programs have in common, also those without Check, which musl builds, too: the seed and
 * the scale, failing and skipping aloud, queues that are unlinked in the end, and a watchdog that turns
 * a hang into a failure.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PLAIN_H
#define PLAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { PLAIN_PASS = 0, PLAIN_FAIL = 1, PLAIN_SKIP = 77 };

/*
 * Takes "--seed N" out of the arguments, and returns random_seed() of that.  Any other argument is left for the caller.
 */
uint64_t plain_begin(int *argc, char **argv);

/* The number that text is; what says what it is of.  Fails if it is none. */
uint64_t plain_number(const char *text, const char *what);

/* count x WORKQ_TEST_SCALE / 100, at least 1. */
unsigned plain_scaled(unsigned count);

/* Ends the program with a message on standard error; queues given to plain_own() are unlinked. */
void plain_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void plain_skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* plain_fail() unless result, which a call of the library gave for what, is >= 0; returns it. */
int plain_ok(int result, const char *what);

/* Writes "prefix-pid-number" into name, and has it unlinked when this process ends, whichever way but a kill. */
void plain_own(char *name, size_t size, const char *prefix);

/* The wall's own time, CLOCK_MONOTONIC, ns. */
int64_t plain_now_ns(void);

/*
 * Starts a process that, when this one has not ended after so many seconds, says what the queue name looks like,
 * kills this process and unlinks the queue.
 */
void plain_watchdog(unsigned seconds, const char *name);

/* Fails if workq_check() finds a fault, each of which is printed. */
struct workq;
void plain_check(struct workq *q, const char *when);

#endif
