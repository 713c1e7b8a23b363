/*
 * Recording a history: processes that do random things to one queue, and a director that stops and kills some of them.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RECORD_H
#define RECORD_H

#include "history.h"
#include "workq.h"

/* What a history is to be like.  All of it follows from the seed. */
typedef struct record_plan {
  uint64_t seed;
  history_rules rules;
  unsigned ops;    /* of each worker */
  unsigned kills;  /* at most */
  unsigned stops;  /* at most */
  bool storm;      /* the queue's clock, which is read under the lock, loses time now and then */
  bool priorities; /* not all the same */
  bool switches;   /* shutdown, resume, pause and unpause, too */
} record_plan;

/* What it took. */
typedef struct record_counts {
  uint64_t kills;
  uint64_t stops;
  uint64_t crashes;    /* keys put back for a dead worker */
  uint64_t recoveries; /* deaths inside the lock, undone */
} record_counts;

record_plan record_plan_of(uint64_t seed);

/* Runs workers on a fresh queue of that name, and writes down what they did; adds to *counts. */
void record(history *h, const record_plan *plan, const char *name, record_counts *counts);

/* ---- For record.c: one process's part.  (worker.c) */

enum { WORKER_HANDS = 3 };

typedef struct worker_run {
  workq_item item;
  uint16_t run;
  int8_t key;
} worker_run;

typedef struct worker {
  const record_plan *plan;
  const history *all;
  history_process *me;
  workq *q;
  uint64_t random;
  bool lonely; /* it waited for others in vain: they have ended */
  worker_run hands[WORKER_HANDS];
  unsigned held;
  worker_run stale; /* one that was finished before */
} worker;

void worker_open(worker *w, const record_plan *plan, history *all, unsigned process, const char *name, uint64_t seed);
/* Random operations, and a close. */
void worker_work(worker *w, unsigned ops);
/* Looks at all, works until nothing is left, and closes. */
void worker_finish_all(worker *w);

#endif
