/*
 * The search for an order; see search.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "search.h"

#include "support/plain.h"

#include <stdlib.h>
#include <string.h>

enum { SEEN_FIRST = 1 << 12, SEEN_KEPT = 1 << 14, STACK_FIRST = 1 << 8 };

/* A fingerprint of a configuration: 128 bits, so that two are never taken for one. */
typedef struct print {
  uint64_t a, b;
} print;

/* Its memory is kept from search to search: a process that forks often should not have much of its own. */
typedef struct run {
  const history *h;
  spec spec;
  spec_op ops[HISTORY_PROCESSES][HISTORY_OPS];
  unsigned counts[HISTORY_PROCESSES];
  unsigned certain[HISTORY_PROCESSES]; /* those that happened for certain come first */
  print *seen;
  size_t seen_size, seen_count;
  search_node *stack;
  size_t stack_size, stack_count;
} run;

static void *grown(void *memory, size_t size) {
  memory = realloc(memory, size);
  if (memory == NULL) plain_fail("no memory for the search");
  return memory;
}

/* ---- The history as the search sees it ----------------------------------------------------------------------- */

static void load_process(run *r, unsigned process, int64_t until_ns) {
  const history_process *p = &r->h->processes[process];
  unsigned count = atomic_load(&p->count);
  spec_op *ops = r->ops[process];
  for (unsigned i = 0; i < count && p->ops[i].call_ns <= until_ns; i++) {
    const history_op *op = &p->ops[i];
    int64_t ret_ns = atomic_load(&op->ret_ns);
    bool known = ret_ns != 0;
    if (!known) ret_ns = p->killed ? p->death_before_ns : INT64_MAX;
    if (!spec_includes(&r->spec, op)) continue;
    bool optional = !known || ret_ns > until_ns;
    if (!optional) r->certain[process] = r->counts[process] + 1;
    ops[r->counts[process]++] = (spec_op){op, op->call_ns, ret_ns, (uint16_t)i, optional, known};
  }
}

/* ---- What was seen, and what is to be looked at --------------------------------------------------------------- */

static print print_of(const search_node *node) {
  uint64_t words[sizeof *node / 8];
  _Static_assert(sizeof *node % 8 == 0, "whole words");
  memcpy(words, node, sizeof words);
  print p = {UINT64_C(0x243f6a8885a308d3), UINT64_C(0x13198a2e03707344)};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    p.a = (p.a ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
    p.a ^= p.a >> 29;
    p.b = (p.b + words[i]) * UINT64_C(0xd6e8feb86659fd93);
    p.b ^= p.b >> 31;
  }
  if (p.a == 0) p.a = 1;
  return p;
}

static bool enter(print *seen, size_t size, print p) {
  size_t i = p.b & (size - 1);
  for (; seen[i].a != 0; i = (i + 1) & (size - 1))
    if (seen[i].a == p.a && seen[i].b == p.b) return false;
  seen[i] = p;
  return true;
}

static void widen(run *r) {
  size_t size = r->seen_size == 0 ? SEEN_FIRST : 2 * r->seen_size;
  print *wider = calloc(size, sizeof *wider);
  if (wider == NULL) plain_fail("no memory for the search");
  for (size_t i = 0; i < r->seen_size; i++)
    if (r->seen[i].a != 0) enter(wider, size, r->seen[i]);
  free(r->seen);
  r->seen = wider;
  r->seen_size = size;
}

/* The node is to be looked at, unless it was. */
static void push(run *r, const search_node *node) {
  if (2 * r->seen_count >= r->seen_size) widen(r);
  if (!enter(r->seen, r->seen_size, print_of(node))) return;
  r->seen_count++;
  if (r->stack_count == r->stack_size) {
    r->stack_size = r->stack_size == 0 ? STACK_FIRST : 2 * r->stack_size;
    r->stack = grown(r->stack, r->stack_size * sizeof *r->stack);
  }
  r->stack[r->stack_count++] = *node;
}

/* ---- Steps --------------------------------------------------------------------------------------------------- */

static const spec_op *next_op(const run *r, const search_node *node, unsigned process) {
  unsigned next = node->next[process];
  return next < r->counts[process] ? &r->ops[process][next] : NULL;
}

/* What has not happened yet happens before its return: so the moment is not after the earliest of these. */
static int64_t latest_moment(const run *r, const search_node *node) {
  int64_t moment_ns = INT64_MAX;
  for (unsigned i = 0; i < r->h->process_count; i++) {
    const spec_op *op = next_op(r, node, i);
    if (op != NULL && op->ret_ns < moment_ns) moment_ns = op->ret_ns;
  }
  return moment_ns;
}

/* ... and not before the latest call of what has happened. */
static int64_t earliest_moment(const run *r, const search_node *node) {
  int64_t moment_ns = INT64_MIN;
  for (unsigned i = 0; i < r->h->process_count; i++) {
    unsigned next = node->next[i];
    if (next > 0 && r->ops[i][next - 1].call_ns > moment_ns) moment_ns = r->ops[i][next - 1].call_ns;
  }
  return moment_ns;
}

static void push_evictions_and_promotions(run *r, const search_node *node, int64_t latest_ns) {
  for (unsigned key = 0; key < r->h->rules.keys; key++) {
    if (r->spec.only != SPEC_WHOLE && r->spec.only != (int)key) continue;
    search_node step = *node;
    if (spec_evict(&r->spec, &step.state, key)) push(r, &step);
    step = *node;
    if (spec_promote(&r->spec, &step.state, key, latest_ns)) push(r, &step);
  }
}

/* A process is found dead after all that it certainly did. */
static void push_crashes(run *r, const search_node *node, int64_t latest_ns) {
  int64_t earliest_ns = earliest_moment(r, node);
  for (unsigned key = 0; key < r->h->rules.keys; key++) {
    unsigned holder = node->state.keys[key].holder;
    if (holder == 0 || node->next[holder - 1] < r->certain[holder - 1]) continue;
    const history_process *p = &r->h->processes[holder - 1];
    if (!p->killed) continue;
    search_node step = *node;
    int64_t from_ns = earliest_ns > p->death_after_ns ? earliest_ns : p->death_after_ns;
    if (spec_crash(&r->spec, &step.state, key, from_ns, latest_ns)) push(r, &step);
  }
}

static void push_op(run *r, const search_node *node, unsigned process) {
  const spec_op *op = next_op(r, node, process);
  search_node step = *node;
  /* What did not happen did not go on, either: of a batch a beginning may have happened. */
  step.next[process] = (uint16_t)r->counts[process];
  if (op->optional) push(r, &step);
  step.next[process] = (uint16_t)(node->next[process] + 1);
  /* What a process had begun when it was found dead has happened before that, or never. */
  if (node->state.reaped & UINT32_C(1) << process) return;
  if (op->optional && op->op->kind == OP_CLOSE) {
    for (unsigned part = 1; part <= spec_held(&node->state, process); part++) {
      step.state = node->state;
      if (spec_apply(&r->spec, &step.state, op, process, part)) push(r, &step);
    }
    return;
  }
  if (spec_apply(&r->spec, &step.state, op, process, 0)) push(r, &step);
}

/* The first to return is the likeliest to have been first, so it is pushed last, and looked at first. */
static void push_ops(run *r, const search_node *node, int64_t latest_ns) {
  unsigned order[HISTORY_PROCESSES], count = 0;
  for (unsigned i = 0; i < r->h->process_count; i++) {
    const spec_op *op = next_op(r, node, i);
    if (op == NULL || op->call_ns > latest_ns) continue;
    unsigned place = count++;
    for (; place > 0 && next_op(r, node, order[place - 1])->ret_ns < op->ret_ns; place--)
      order[place] = order[place - 1];
    order[place] = i;
  }
  for (unsigned i = 0; i < count; i++) push_op(r, node, order[i]);
}

static bool is_end(const run *r, const search_node *node) {
  for (unsigned i = 0; i < r->h->process_count; i++)
    if (node->next[i] < r->certain[i]) return false;
  return true;
}

static unsigned depth_of(const run *r, const search_node *node) {
  unsigned depth = 0;
  for (unsigned i = 0; i < r->h->process_count; i++) depth += node->next[i];
  return depth;
}

static enum search_verdict look(run *r, search_result *result) {
  unsigned deepest = 0;
  while (r->stack_count > 0) {
    search_node node = r->stack[--r->stack_count];
    unsigned depth = depth_of(r, &node);
    if (depth >= deepest) {
      deepest = depth;
      result->deepest = node;
    }
    if (is_end(r, &node)) return SEARCH_EXPLAINED;
    if (r->seen_count > SEARCH_LIMIT) return SEARCH_GAVE_UP;
    int64_t latest_ns = latest_moment(r, &node);
    push_evictions_and_promotions(r, &node, latest_ns);
    push_crashes(r, &node, latest_ns);
    push_ops(r, &node, latest_ns);
  }
  return SEARCH_IMPOSSIBLE;
}

static void tell_stuck(const run *r, search_result *result) {
  for (unsigned i = 0; i < r->h->process_count; i++) {
    const spec_op *op = next_op(r, &result->deepest, i);
    result->is_stuck[i] = op != NULL;
    if (op != NULL) result->stuck[i] = op->number;
  }
}

static void forget_last(run *r) {
  memset(r->counts, 0, sizeof r->counts);
  memset(r->certain, 0, sizeof r->certain);
  if (r->seen_size > SEEN_KEPT) {
    free(r->seen);
    r->seen = NULL;
    r->seen_size = 0;
  }
  if (r->seen != NULL) memset(r->seen, 0, r->seen_size * sizeof *r->seen);
  r->seen_count = r->stack_count = 0;
}

void search(const history *h, int only, int64_t until_ns, search_result *result) {
  static run r;
  forget_last(&r);
  r.h = h;
  r.spec = (spec){h, only};
  memset(result, 0, sizeof *result);
  for (unsigned i = 0; i < h->process_count; i++) load_process(&r, i, until_ns);
  push(&r, &(search_node){0});
  result->verdict = look(&r, result);
  result->configurations = r.seen_count;
  tell_stuck(&r, result);
}

/* ---- The shortest part that cannot be explained --------------------------------------------------------------- */

static int compare_times(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

int64_t search_shortest(const history *h, int only) {
  int64_t *ends = grown(NULL, HISTORY_PROCESSES * HISTORY_OPS * sizeof *ends);
  size_t count = 0;
  for (unsigned i = 0; i < h->process_count; i++) {
    const history_process *p = &h->processes[i];
    for (uint32_t n = 0; n < atomic_load(&p->count); n++)
      if (atomic_load(&p->ops[n].ret_ns) != 0) ends[count++] = atomic_load(&p->ops[n].ret_ns);
  }
  if (count == 0) plain_fail("nothing returned, yet it cannot be explained");
  qsort(ends, count, sizeof *ends, compare_times);
  /* What follows a part that cannot be explained cannot mend it. */
  size_t good = 0, bad = count - 1;
  while (good < bad) {
    size_t middle = (good + bad) / 2;
    search_result result;
    search(h, only, ends[middle], &result);
    if (result.verdict == SEARCH_IMPOSSIBLE) bad = middle;
    else good = middle + 1;
  }
  int64_t shortest_ns = ends[bad];
  free(ends);
  return shortest_ns;
}
