/*
 * The queue under test, and queues with a fault: each mutant makes the library itself misbehave, either by another call
 * than the one asked for, or by a step inside that is replaced at link time.  The checker must find every one.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MUTANT_H
#define MUTANT_H

#include "workq.h"

enum mutant {
  MUTANT_NONE,
  MUTANT_DONE_FORGETS_DIRTY,
  MUTANT_TWO_HANDS,
  MUTANT_RAISE_LOST,
  MUTANT_REAP_LOSES_KEY,
  MUTANT_ORDER_BROKEN,
  MUTANT_CRASH_NOT_COUNTED,
  MUTANT_RETRY_NOT_COUNTED,
  MUTANT_RETRY_IN_TWO_STEPS,
  MUTANT_REMOVE_DOES_NOT,
  MUTANT_PAUSE_IGNORED,
  MUTANT_DELAY_CUT_SHORT,
  MUTANT_BATCH_LOSES_LAST,
  MUTANT_STALE_DONE,
  MUTANTS
};

extern enum mutant mutant_active;

const char *mutant_name(enum mutant mutant);

/* The library's calls, but for what the active mutant does. */
int mutant_add(workq *q, const void *key, size_t len, const workq_add_options *options);
int mutant_add_batch(workq *q, const workq_key *keys, size_t n, const workq_add_options *options, size_t *marked);
int mutant_get(workq *q, workq_item *item, int64_t timeout_ns);
int mutant_done(workq *q, const workq_item *item);
int mutant_retry(workq *q, const workq_item *item);

#endif
