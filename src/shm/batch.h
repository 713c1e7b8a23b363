/*
 * batch.h: the keys of a batch that share a transaction.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_BATCH_H
#define WORKQ_SHM_BATCH_H

#include "operation.h"

/* The most keys of a batch under one hold of the lock: it bounds how long others wait. */
#define BATCH_KEYS_PER_HOLD 64u

typedef struct group {
  size_t keys;    /* in the open transaction; 0: none is open */
  bool ungrouped; /* a key has failed: from now on each one has a transaction of its own */
} group;

static inline void group_commit(workq *q, group *g) {
  if (g->keys) {
    journal_check_key(q);
    journal_commit(q);
  }
  q->transaction.grouped = false;
  g->keys = 0;
}

/* Undoes the open transaction, whose last key has failed.  Returns how many keys before that are
 * undone with it. */
static inline size_t group_undo(workq *q, group *g) {
  journal_abort(q);
  size_t before = g->keys - 1;
  q->transaction.grouped = false;
  g->keys = 0;
  g->ungrouped = true;
  return before;
}

/* Begins the work on one key, in the open transaction if the journal has space.  Saves the item's
 * line; null if the caller does so itself. */
static inline void group_join(workq *q, group *g, const struct item *item) {
  if (g->keys && unlikely(!journal_has_space(q))) group_commit(q, g);
  if (g->keys) {
    journal_check_key(q);
    q->transaction.grouped = true;
    q->transaction.key_ops++;
    if (likely(item)) journal_save(q, item);
  } else if (likely(item)) {
    journal_begin_item(q, item);
  } else {
    journal_begin(q);
  }
  g->keys++;
}

#endif
