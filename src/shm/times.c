/*
 * times.c: histograms of the durations that keys wait and are worked on.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "times.h"

#include "histogram.h"
#include "read.h"

void times_observe(workq *q, uint32_t which, int64_t since_ns, int64_t until_ns) {
  uint64_t ns = likely(until_ns > since_ns) ? (uint64_t)until_ns - (uint64_t)since_ns : 0;
  uint32_t bucket = histogram_bucket(ns), number = bucket / HISTOGRAM_LINE_BUCKETS;
  struct histogram_line *line = &q->measure->histogram[which].line[number];
  uint64_t *count = &line->count[bucket - number * HISTOGRAM_LINE_BUCKETS];
  journal_save_once_in_group(q, line);
  line->sum_ns += ns;
  ++*count;
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

void times_fold(workq *q, uint32_t i) {
  struct measures *from = times_of(q, i), *to = &q->control->measured;
  /* The slot's state may be damaged: the histograms of a slot that was never used have no
   * memory. */
  if (!from || (from != q->measure && !memory_is_backed(from, sizeof *from))) return;
  for (uint32_t kind = 0; kind < MEASURE_KINDS; kind++)
    for (uint32_t line = 0; line < HISTOGRAM_LINES; line++)
      fold_line(q, &from->histogram[kind].line[line], &to->histogram[kind].line[line]);
}

void times_sum(const struct histogram *from, workq_histogram *to) {
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
