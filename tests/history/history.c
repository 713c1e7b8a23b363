/*
 * Counting and printing histories.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "history.h"

#include "workq.h"

#include <string.h>

const char *history_kind_name(unsigned kind) {
  static const char *const names[OP_KINDS] = {"add",          "get",     "done",  "done_key", "complete", "retry",
                                              "release",      "give_up", "close", "forget",   "remove",   "kick",
                                              "num_requeues", "state",   "peek",  "len",      "shutdown", "resume",
                                              "pause",        "unpause", "reap"};
  return kind < OP_KINDS ? names[kind] : "?";
}

static int64_t end_of(const history_process *p, const history_op *op) {
  int64_t ret_ns = atomic_load(&op->ret_ns);
  return ret_ns != 0 ? ret_ns : p->death_before_ns;
}

/* Both are in the order of time, and the operations of one do not overlap each other but within a batch. */
static uint64_t count_overlaps(const history_process *a, const history_process *b) {
  uint64_t overlaps = 0;
  uint32_t first = 0, a_count = atomic_load(&a->count), b_count = atomic_load(&b->count);
  for (uint32_t i = 0; i < a_count; i++) {
    while (first < b_count && end_of(b, &b->ops[first]) < a->ops[i].call_ns) first++;
    for (uint32_t j = first; j < b_count && b->ops[j].call_ns <= end_of(a, &a->ops[i]); j++) overlaps++;
  }
  return overlaps;
}

void history_count(const history *h, history_counts *counts) {
  for (unsigned a = 0; a < h->process_count; a++) {
    const history_process *p = &h->processes[a];
    uint32_t count = atomic_load(&p->count);
    counts->operations += count;
    for (uint32_t i = 0; i < count; i++) counts->unknown += atomic_load(&p->ops[i].ret_ns) == 0;
    for (unsigned b = 0; b < a; b++) counts->overlaps += count_overlaps(p, &h->processes[b]);
  }
}

int64_t history_base_ns(const history *h) {
  int64_t base_ns = INT64_MAX;
  for (unsigned i = 0; i < h->process_count; i++) {
    const history_process *p = &h->processes[i];
    if (atomic_load(&p->count) > 0 && p->ops[0].call_ns < base_ns) base_ns = p->ops[0].call_ns;
  }
  return base_ns == INT64_MAX ? 0 : base_ns;
}

static void print_request(FILE *out, const history_op *op) {
  fprintf(out, "%s", history_kind_name(op->kind));
  if (op->key != HISTORY_NO_KEY && op->kind != OP_GET && op->kind != OP_PEEK) fprintf(out, " %c", 'a' + op->key);
  if (op->kind == OP_ADD) {
    if (op->priority != 0) fprintf(out, " priority %d", op->priority);
    if (op->delay_ns > 0) fprintf(out, " after %.1f us", (double)op->delay_ns / 1e3);
    if (op->rate_limited) fprintf(out, " rate limited");
    if (op->keep) fprintf(out, " keep");
  }
  if (op->kind >= OP_DONE && op->kind <= OP_GIVE_UP && op->kind != OP_DONE_KEY) fprintf(out, " of #%u", op->run);
}

static void print_result(FILE *out, const history_op *op) {
  if (op->no_news) {
    fprintf(out, "nothing to learn");
  } else if (op->any_result) {
    fprintf(out, "taken, in a batch");
  } else if (op->kind == OP_STATE && op->result > 0) {
    fprintf(out, "%s%s, priority %d, failures %u, crashes %u, pid %d", workq_state_name(op->result),
            op->answer.delayed ? " with a delayed run" : "", op->answer.priority, op->answer.failures,
            op->answer.crashes, op->answer.pid);
  } else if (op->result < 0) {
    fprintf(out, "%s", workq_strerror(op->result));
  } else if ((op->kind == OP_GET || op->kind == OP_PEEK) && op->key != HISTORY_NO_KEY) {
    fprintf(out, "%c, priority %d, failures %u, crashes %u", 'a' + op->key, op->answer.priority, op->answer.failures,
            op->answer.crashes);
  } else {
    fprintf(out, "%d", op->result);
  }
}

void history_print_op(FILE *out, const history *h, unsigned process, unsigned number, int64_t base_ns) {
  const history_process *p = &h->processes[process];
  const history_op *op = &p->ops[number];
  int64_t ret_ns = atomic_load(&op->ret_ns);
  fprintf(out, "%10.1f %10.1f  P%-2u #%-3u ", (double)(op->call_ns - base_ns) / 1e3,
          (double)(end_of(p, op) - base_ns) / 1e3, process, number);
  print_request(out, op);
  fprintf(out, " -> ");
  if (ret_ns == 0) {
    fprintf(out, "killed");
  } else {
    print_result(out, op);
  }
}
