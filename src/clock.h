/*
 * clock.h: reading clocks, and time arithmetic that saturates.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_CLOCK_H
#define WORKQ_CLOCK_H

#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS   INT64_C(1000000)
#define NS_PER_S    INT64_C(1000000000)
#define CLOCK_NEVER INT64_MAX

static inline int64_t clock_read(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* Real time for waits: never set back. */
static inline int64_t clock_monotonic_ns(void) {
  return clock_read(CLOCK_MONOTONIC);
}

static inline int64_t clock_add_ns(int64_t at_ns, int64_t delta_ns) {
  int64_t sum;
  if (__builtin_add_overflow(at_ns, delta_ns, &sum)) return delta_ns > 0 ? INT64_MAX : INT64_MIN;
  return sum;
}

/* The time from then until now: 0 if then is in the future. */
static inline int64_t clock_since_ns(int64_t then_ns, int64_t now_ns) {
  int64_t passed;
  if (now_ns <= then_ns) return 0;
  return __builtin_sub_overflow(now_ns, then_ns, &passed) ? INT64_MAX : passed;
}

static inline int64_t clock_times(int64_t ns, int64_t factor) {
  int64_t product;
  return __builtin_mul_overflow(ns, factor, &product) ? INT64_MAX : product;
}

static inline struct timespec clock_timespec(int64_t ns) {
  if (ns < 0) ns = 0;
  return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

/* Sleeps for that time, or less if a signal handler runs.  Calls the kernel directly: nanosleep(3)
 * would be a cancellation point. */
static inline void clock_sleep(int64_t ns) {
  struct timespec pause = clock_timespec(ns);
  (void)syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &pause, NULL);
}

#endif
