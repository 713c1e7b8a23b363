/*
 * The search for an order: is there one in which the operations of a history, each at some moment between its call and
 * its return, give the answers that were given?  (Wing and Gong's algorithm with Lowe's memory of configurations.)
 *
 * A configuration is how far each process has come, and the state of the specification; each is looked at once, so the
 * search ends.  It gives up, aloud, after SEARCH_LIMIT of them.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SEARCH_H
#define SEARCH_H

#include "spec.h"

enum { SEARCH_LIMIT = 2000000 };

enum search_verdict { SEARCH_EXPLAINED, SEARCH_IMPOSSIBLE, SEARCH_GAVE_UP };

typedef struct search_node {
  uint16_t
      next[HISTORY_PROCESSES]; /* operation of each process that has not happened yet; an index into its spec_ops */
  spec_state state;
} search_node;

typedef struct search_result {
  enum search_verdict verdict;
  uint64_t configurations;
  search_node deepest;               /* of those that explain the most operations, one */
  unsigned stuck[HISTORY_PROCESSES]; /* in it: number of each process's next operation, */
  bool is_stuck[HISTORY_PROCESSES];  /* if it has one */
} search_result;

/*
 * Searches the history, or (only: a key) one key's part of it, as far as it had come at until_ns: what was called later
 * is left out, what returned later may have happened or not.
 */
void search(const history *h, int only, int64_t until_ns, search_result *result);

/* The earliest return at which the history cannot be explained any more; it is known that the whole cannot. */
int64_t search_shortest(const history *h, int only);

#endif
