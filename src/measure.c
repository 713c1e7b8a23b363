/*
 * measure.c: the time-stamp counter's rate, and what histograms are when nobody observes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "measure.h"

#include "read.h"

#include <fcntl.h>
#include <unistd.h>

#ifdef __x86_64__
#include <cpuid.h>
#endif

/* ---- The time-stamp counter ---- */

#define RATE_ONE (INT64_C(1) << 32)

/* At the fastest and the slowest a counter may be taken for one: 50 and 0.01 GHz. */
#define RATE_MIN (RATE_ONE / 50)
#define RATE_MAX (RATE_ONE * 100)

/* The longer, the better the rate is known: a reading is good for some 10 ns. */
#define CALIBRATION_NS (200 * INT64_C(1000))

/* What the two scales may be apart: by the time between two readings, and by an error of the rate, or of the clock, which
 * is slowed down and sped up by as much as 1/2000. */
#define APART_NS    NS_PER_MS
#define APART_SHARE 1000

#ifdef __x86_64__

/* One moment on both scales. */
struct moment {
  uint64_t ticks;
  int64_t ns;
  uint64_t width; /* ticks within which it was */
};

/* The best of several: between the two readings the processor may have been taken away. */
static struct moment read_moment(void) {
  struct moment best = {.width = UINT64_MAX};
  for (int i = 0; i < 8; i++) {
    uint64_t before = __builtin_ia32_rdtsc();
    int64_t ns = clock_monotonic_ns();
    uint64_t width = __builtin_ia32_rdtsc() - before;
    if (width < best.width) best = (struct moment){before + width / 2, ns, width};
  }
  return best;
}

/* Does it run at one rate, whatever the processor does? */
static bool counter_is_invariant(void) {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) && edx >> 8 & 1;
}

/* The kernel compares the processors' counters with each other and with other clocks; what it trusts is good. */
static bool kernel_trusts_counter(void) {
  char name[8] = "";
  int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t n = read(fd, name, sizeof name - 1);
  close(fd);
  return n > 0 && strcmp(name, "tsc\n") == 0;
}

/* ns a tick x 2^32; 0 where the counter is not to be used. */
static int64_t find_rate(void) {
  if (!counter_is_invariant() || !kernel_trusts_counter()) return 0;
  struct moment start = read_moment(), end;
  do end = read_moment();
  while (end.ns - start.ns < CALIBRATION_NS);
  if (end.ns - start.ns > NS_PER_S || end.ticks <= start.ticks) return 0;
  int64_t rate = (int64_t)((uint64_t)(end.ns - start.ns) * (uint64_t)RATE_ONE / (end.ticks - start.ticks));
  return rate >= RATE_MIN && rate <= RATE_MAX ? rate : 0;
}

void measure_describe(struct header *header) {
  /* A property of the machine, found once a process. */
  static _Atomic int64_t known = -1;
  int64_t rate = atomic_load_explicit(&known, memory_order_relaxed);
  if (rate < 0) atomic_store_explicit(&known, rate = find_rate(), memory_order_relaxed);
  if (rate == 0) return;
  struct moment now = read_moment();
  header->ticks = (struct tick_scale){.base = now.ticks, .base_ns = now.ns, .rate = rate};
}

/* Is the scale of the segment's maker still good, here? */
static bool scale_is_good(const struct tick_scale *scale) {
  if (scale->rate < RATE_MIN || scale->rate > RATE_MAX) return false;
  struct moment now = read_moment();
  if (scale->base_ns < 0 || scale->base_ns > now.ns) return false;
  int64_t passed_ns = now.ns - scale->base_ns, most_ns = APART_NS + passed_ns / APART_SHARE;
  measure_wide apart_ns = measure_passed_ns(scale, now.ticks) - passed_ns;
  return apart_ns >= -most_ns && apart_ns <= most_ns;
}

#else

void measure_describe(struct header *header) {
  (void)header;
}

static bool scale_is_good(const struct tick_scale *scale) {
  (void)scale;
  return false;
}

#endif

void measure_start(workq *q) {
  if (!q->header.metrics) q->stamps = STAMPS_NONE;
  else q->stamps = !q->clock && scale_is_good(&q->header.ticks) ? STAMPS_TICKS : STAMPS_CLOCK;
}

/* ---- Histograms ---- */

/* 1, 2 and 5 times the powers of ten from 10 ns to 1000 s. */
const uint64_t measure_bound_ns[HISTOGRAM_BUCKETS] = {
    10,          20,          50,           100,          200,          500,           1000,
    2000,        5000,        10000,        20000,        50000,        100000,        200000,
    500000,      1000000,     2000000,      5000000,      10000000,     20000000,      50000000,
    100000000,   200000000,   500000000,    1000000000,   2000000000,   5000000000,    10000000000,
    20000000000, 50000000000, 100000000000, 200000000000, 500000000000, 1000000000000, UINT64_MAX};

const uint8_t measure_bucket_of[64] = {0,  0,  0,  0,  1,  2,  3,  4,  5,  6,  7,  8,  8,  9,  10, 11,
                                       12, 13, 14, 15, 16, 17, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
                                       26, 27, 28, 29, 30, 31, 32, 33, 34, 34, 34, 34, 34, 34, 34, 34,
                                       34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34, 34};

void measure_observe(workq *q, uint32_t which, int64_t since_ns, int64_t until_ns) {
  uint64_t ns = likely(until_ns > since_ns) ? (uint64_t)until_ns - (uint64_t)since_ns : 0;
  uint32_t bucket = measure_bucket(ns);
  struct histogram_line *line = &q->measure->histogram[which].line[bucket / HISTOGRAM_LINE_BUCKETS];
  journal_save_shared(q, line);
  line->sum_ns += ns;
  line->count[bucket % HISTOGRAM_LINE_BUCKETS]++;
}

static bool line_is_empty(const struct histogram_line *line) {
  static const struct histogram_line empty;
  return memcmp(line, &empty, sizeof empty) == 0;
}

static void fold_line(workq *q, struct histogram_line *from, struct histogram_line *to) {
  if (line_is_empty(from)) return;
  journal_save(q, to);
  to->sum_ns += from->sum_ns;
  for (uint32_t i = 0; i < HISTOGRAM_LINE_BUCKETS; i++) to->count[i] += from->count[i];
  journal_save(q, from);
  *from = (struct histogram_line){0};
}

void measure_fold(workq *q, uint32_t i) {
  struct measures *from = measure_of(q, i), *to = &q->control->measured;
  /* The slot's state may be damaged: one that was never used has no memory here. */
  if (!from || (from != q->measure && !reach_memory(from, sizeof *from))) return;
  for (uint32_t kind = 0; kind < MEASURE_KINDS; kind++)
    for (uint32_t line = 0; line < HISTOGRAM_LINES; line++)
      fold_line(q, &from->histogram[kind].line[line], &to->histogram[kind].line[line]);
}

void measure_sum(const struct histogram *from, workq_histogram *to) {
  for (uint32_t i = 0; i < HISTOGRAM_LINES; i++) {
    struct histogram_line line;
    read_line(&line, &from->line[i]);
    to->sum_ns += line.sum_ns;
    for (uint32_t j = 0; j < HISTOGRAM_LINE_BUCKETS; j++) {
      to->buckets[i * HISTOGRAM_LINE_BUCKETS + j] += line.count[j];
      to->count += line.count[j];
    }
  }
}
