/*
 * Clocks and units of time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_CLOCK_H
#define WORKQ_UTILS_COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

static inline int64_t clock_read_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* CLOCK_MONOTONIC, ns. */
static inline int64_t clock_now_ns(void) {
  return clock_read_ns(CLOCK_MONOTONIC);
}

/* ns since 1970, as the wall clock has it. */
static inline int64_t clock_wall_ns(void) {
  return clock_read_ns(CLOCK_REALTIME);
}

/* What is left until a time on the monotonic clock, for ppoll(2); 0 when it has passed. */
static inline struct timespec clock_left_until(int64_t deadline_ns) {
  int64_t left_ns = deadline_ns - clock_now_ns();
  if (left_ns < 0) left_ns = 0;
  return (struct timespec){.tv_sec = left_ns / NS_PER_S, .tv_nsec = left_ns % NS_PER_S};
}

#endif
