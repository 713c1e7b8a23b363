/*
 * Telling people of a history that cannot be explained; see report.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "report.h"

#include "support/plain.h"

#include <stdlib.h>

enum { LINES_MAX = 100 };

typedef struct line {
  int64_t call_ns;
  uint16_t process;
  uint16_t number;
} line;

static int compare_lines(const void *a, const void *b) {
  const line *x = a, *y = b;
  if (x->call_ns != y->call_ns) return x->call_ns < y->call_ns ? -1 : 1;
  if (x->process != y->process) return x->process < y->process ? -1 : 1;
  return x->number < y->number ? -1 : 1;
}

/* What the search has seen, in the order of calls.  Returns how many. */
static size_t collect(const spec *s, int64_t until_ns, line *lines) {
  size_t count = 0;
  for (unsigned i = 0; i < s->h->process_count; i++) {
    const history_process *p = &s->h->processes[i];
    for (unsigned n = 0; n < atomic_load(&p->count) && p->ops[n].call_ns <= until_ns; n++)
      if (spec_includes(s, &p->ops[n])) lines[count++] = (line){p->ops[n].call_ns, (uint16_t)i, (uint16_t)n};
  }
  qsort(lines, count, sizeof *lines, compare_lines);
  return count;
}

static void print_lines(FILE *out, const spec *s, int64_t until_ns, const search_result *result) {
  line *lines = calloc(HISTORY_PROCESSES * HISTORY_OPS, sizeof *lines);
  if (lines == NULL) plain_fail("no memory for a report");
  size_t count = collect(s, until_ns, lines);
  int64_t base_ns = history_base_ns(s->h);
  fprintf(out, "   call us  return us  process, operation -> answer   (?: not explained)\n");
  if (count > LINES_MAX) fprintf(out, "  ... %zu before that are left out ...\n", count - LINES_MAX);
  for (size_t i = count > LINES_MAX ? count - LINES_MAX : 0; i < count; i++) {
    unsigned process = lines[i].process, number = lines[i].number;
    bool stuck = result->is_stuck[process] && number >= result->stuck[process];
    fputc(stuck ? '?' : ' ', out);
    history_print_op(out, s->h, process, number, base_ns);
    fputc('\n', out);
  }
  free(lines);
}

static void print_deaths(FILE *out, const history *h) {
  int64_t base_ns = history_base_ns(h);
  for (unsigned i = 0; i < h->process_count; i++) {
    const history_process *p = &h->processes[i];
    if (p->killed)
      fprintf(out, "P%u, pid %d, was killed between %.1f and %.1f\n", i, p->pid,
              (double)(p->death_after_ns - base_ns) / 1e3, (double)(p->death_before_ns - base_ns) / 1e3);
  }
}

static void print_rules(FILE *out, const history_rules *rules) {
  fprintf(out, "%u keys, room for %u, delays %.1f us doubling to %.1f us, max_retries %d, max_crashes %d, %s\n",
          rules->keys, rules->capacity, (double)rules->delay_first_ns / 1e3, (double)rules->delay_max_ns / 1e3,
          rules->max_retries, rules->max_crashes, rules->drop ? "given up: dropped" : "given up: buried");
}

void report_impossible(FILE *out, const history *h, int only) {
  spec s = {h, only};
  search_result result;
  int64_t until_ns = search_shortest(h, only);
  search(h, only, until_ns, &result);
  if (only == SPEC_WHOLE) fprintf(out, "No order explains this history of the whole queue:\n");
  else fprintf(out, "No order explains this history of the key %c:\n", 'a' + only);
  print_rules(out, &h->rules);
  print_lines(out, &s, until_ns, &result);
  print_deaths(out, h);
  fprintf(out, "The longest order that could be found leads to:\n");
  spec_print(out, &s, &result.deepest.state, history_base_ns(h));
  fflush(out);
}
