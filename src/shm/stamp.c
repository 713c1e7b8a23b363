/*
 * stamp.c: the rate of the time-stamp counter.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "stamp.h"

#include <fcntl.h>
#include <unistd.h>

#ifdef __x86_64__
#include <cpuid.h>
#endif

#define RATE_ONE (INT64_C(1) << 32)

/* The fastest and the slowest counters that are accepted: 50 and 0.01 GHz. */
#define RATE_MIN (RATE_ONE / 50)
#define RATE_MAX (RATE_ONE * 100)

/* The longer, the more exact the rate: one reading is exact to some 10 ns. */
#define CALIBRATION_NS (200 * INT64_C(1000))

/* The accepted difference of the two scales: the time between two readings, and an error of the
 * rate or of the clock, which is slewed by up to 1/2000. */
#define APART_NS    NS_PER_MS
#define APART_SHARE 1000

#ifdef __x86_64__

/* One instant on both scales. */
struct clock_pair {
  uint64_t ticks;
  int64_t ns;
  uint64_t width; /* uncertainty, in ticks */
};

/* The best of several: the thread may be preempted between the readings. */
static struct clock_pair read_clock_pair(void) {
  struct clock_pair best = {.width = UINT64_MAX};
  for (int i = 0; i < 8; i++) {
    uint64_t before = __builtin_ia32_rdtsc();
    int64_t ns = clock_monotonic_ns();
    uint64_t width = __builtin_ia32_rdtsc() - before;
    if (width < best.width) best = (struct clock_pair){before + width / 2, ns, width};
  }
  return best;
}

/* Does it run at a constant rate, independent of the processor's state? */
static bool counter_is_invariant(void) {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) && edx >> 8 & 1;
}

/* The kernel compares the processors' counters with each other and with other clocks; a counter
 * that it uses is reliable. */
static bool kernel_trusts_counter(void) {
  char name[8] = "";
  int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t n = read(fd, name, sizeof name - 1);
  close(fd);
  return n > 0 && strcmp(name, "tsc\n") == 0;
}

/* ns per tick x 2^32; 0 if the counter must not be used. */
static int64_t find_rate(void) {
  if (!counter_is_invariant() || !kernel_trusts_counter()) return 0;
  struct clock_pair start = read_clock_pair(), end;
  do end = read_clock_pair();
  while (end.ns - start.ns < CALIBRATION_NS);
  if (end.ns - start.ns > NS_PER_S || end.ticks <= start.ticks) return 0;
  int64_t rate = (int64_t)((uint64_t)(end.ns - start.ns) * (uint64_t)RATE_ONE / (end.ticks - start.ticks));
  return rate >= RATE_MIN && rate <= RATE_MAX ? rate : 0;
}

void stamp_describe(struct header *header) {
  /* A property of the machine, measured once per process. */
  static _Atomic int64_t known = -1;
  int64_t rate = atomic_load_explicit(&known, memory_order_relaxed);
  if (rate < 0) atomic_store_explicit(&known, rate = find_rate(), memory_order_relaxed);
  if (rate == 0) return;
  struct clock_pair now = read_clock_pair();
  header->ticks = (struct tick_scale){.base = now.ticks, .base_ns = now.ns, .rate = rate};
}

/* Is the scale of the segment's creator still valid here? */
static bool scale_is_good(const struct tick_scale *scale) {
  if (scale->rate < RATE_MIN || scale->rate > RATE_MAX) return false;
  struct clock_pair now = read_clock_pair();
  if (scale->base_ns < 0 || scale->base_ns > now.ns) return false;
  int64_t passed_ns = now.ns - scale->base_ns, most_ns = APART_NS + passed_ns / APART_SHARE;
  stamp_wide apart_ns = stamp_passed_ns(scale, now.ticks) - passed_ns;
  return apart_ns >= -most_ns && apart_ns <= most_ns;
}

#else

void stamp_describe(struct header *header) {
  (void)header;
}

static bool scale_is_good(const struct tick_scale *scale) {
  (void)scale;
  return false;
}

#endif

/* Calls between two readings of the clock, at most.  A handle whose calls are far apart reads it at
 * each. */
#define CALLS_MAX 32u

void stamp_read_coarsely(workq *q) {
  struct removal *r = &q->removal;
  int64_t now_ns = clock_read(CLOCK_MONOTONIC_COARSE), interval_ns = q->header.reap_interval_ns;
  bool due = clock_since_ns(r->read_ns, now_ns) >= interval_ns || now_ns < r->read_ns;
  if (due) {
    r->read_ns = now_ns;
    r->asked_ns = q->stamp_ns - interval_ns; /* so it is due */
    r->every = 1;
  } else if (r->every < CALLS_MAX) {
    r->every *= 2;
  }
  r->countdown = r->every - 1;
}

void stamp_start(workq *q) {
  q->removal.every = 1;
  q->removal.read_ns = clock_read(CLOCK_MONOTONIC_COARSE);
  if (!q->header.metrics) q->stamps = STAMPS_NONE;
  else q->stamps = !q->clock && scale_is_good(&q->header.ticks) ? STAMPS_TICKS : STAMPS_CLOCK;
}
