/*
 * Included before the library's sources when they are built for fuzzing: what stores to memory calls points_store() first.
 *
 * clang tells of each plain store itself (-fsanitize-coverage=trace-stores); with any compiler memcpy(), of words, and the
 * fences that order the journal's stores are points, too.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef POINTS_H
#define POINTS_H

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The next store is to this place; null: to any. */
void points_store(const void *to);
void *points_copy(void *to, const void *from, size_t size);

/* For what follows nobody has to be waited for: the only thread is awake. */
int points_nap(const struct timespec *duration, struct timespec *left);
long points_syscall(long number, long a, long b, long c, long d, long e, long f);

#define nanosleep    points_nap
#define syscall(...) POINTS_CALL(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define POINTS_CALL(number, a, b, c, d, e, f, ...)                                                                     \
  points_syscall(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

#undef memcpy
#define memcpy(to, from, size) points_copy(to, from, size)

#undef atomic_signal_fence
#define atomic_signal_fence(order) (points_store(NULL), __atomic_signal_fence(order))

#endif
