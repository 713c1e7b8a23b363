/*
 * What the plain test programs (those without Check, which musl builds too) have in common: the seed and the scale
 * from the command line, random numbers, failing and skipping aloud, children that die with their parent, and a
 * watchdog that turns a hang into a failure.
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
 * Takes "--seed N" out of the arguments (else WORKQ_SEED, else one from the clock), prints "seed N" and returns it.
 * Reads WORKQ_TEST_SCALE, too.  Any other argument that is not in the list is left for the caller.
 */
uint64_t plain_begin(int *argc, char **argv);

/* count x WORKQ_TEST_SCALE / 100, at least 1. */
unsigned plain_scaled(unsigned count);

/* The next random number of *state, and one in 0 ... n - 1. */
uint64_t plain_random(uint64_t *state);
uint64_t plain_below(uint64_t *state, uint64_t n);
/* True in percent of 100 cases. */
bool plain_chance(uint64_t *state, unsigned percent);

/* Ends the program with a message on standard error; queues given to plain_own() are unlinked. */
void plain_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void plain_skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* plain_fail() unless result, which a call of the library gave for what, is >= 0; returns it. */
int plain_ok(int result, const char *what);

/* Writes "prefix-pid-number" into name, and has it unlinked when this process ends, whichever way but a kill. */
void plain_own(char *name, size_t size, const char *prefix);

/* fork(2) that cannot fail; the child is killed when the parent ends. */
pid_t plain_fork(void);

/* Memory shared with all children, zeroed. */
void *plain_share(size_t size);

/* Waits for the child to end; returns its status as waitpid(2) has it. */
int plain_wait(pid_t pid);
/* Sends SIGKILL and waits. */
void plain_kill(pid_t pid);
/* Waits for the child; fails as soon as any child ends otherwise than with exit code 0. */
void plain_wait_pass(pid_t pid, const char *what);

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
