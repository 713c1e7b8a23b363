/*
 * journal.h: the undo journal that makes each operation a transaction.
 *
 *   1. journal_save() copies a line into this handle's journal, then raises the count: before the line's first change.
 *   2. The operation changes plain fields.
 *   3. journal_commit() sets the count to 0.
 *
 * Whoever finds the owner of the queue lock dead puts the saved lines back in reverse order (journal_recover).
 * Compiler fences suffice: what a dead process has stored is visible to the next owner of its mutex.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_JOURNAL_H
#define WORKQ_JOURNAL_H

#include "handle.h"

/* Saves the line that holds place, once a transaction. */
static inline void journal_save(workq *q, const void *place) {
  uint32_t line = (uint32_t)((size_t)((const unsigned char *)place - q->base) / LINE_SIZE);
  uint64_t mark = (uint64_t)q->transaction << 32 | line;
  if (q->marks[line % MARKS] == mark) return;
  uint32_t n = q->saved_lines;
  if (unlikely(n == JOURNAL_LINES)) {
    /* Cannot be: every operation's lines are bounded, by the heap's height above all. */
    atomic_store(&q->control->lock.damaged, 1);
    return;
  }
  q->journal->line[n] = line;
  memcpy(q->journal->bytes[n], q->base + (size_t)line * LINE_SIZE, LINE_SIZE);
  compiler_fence();
  atomic_store_explicit(&q->slot->journal.count, n + 1, memory_order_relaxed);
  compiler_fence();
  q->saved_lines = n + 1;
  q->marks[line % MARKS] = mark;
}

#ifdef WORKQ_JOURNAL_CHECK
/* Debug builds: remembers all journaled state at the start of a transaction, and at its end aborts if a line
 * changed that was not saved. */
void journal_check_begin(workq *q);
void journal_check_end(workq *q);
void journal_check_free(workq *q);
#else
static inline void journal_check_begin(workq *q) {
  (void)q;
}
static inline void journal_check_end(workq *q) {
  (void)q;
}
static inline void journal_check_free(workq *q) {
  (void)q;
}
#endif

/* Starts a transaction; the queue lock is held. */
static inline void journal_begin(workq *q) {
  q->saved_lines = 0;
  q->wakes_before = q->wakes_count;
  if (unlikely(++q->transaction == 0)) {
    memset(q->marks, 0, sizeof q->marks);
    q->transaction = 1;
  }
  journal_check_begin(q);
}

/* Makes what was done since journal_begin() permanent. */
static inline void journal_commit(workq *q) {
  journal_check_end(q);
  compiler_fence();
  atomic_store_explicit(&q->slot->journal.count, 0, memory_order_relaxed);
  compiler_fence();
  q->saved_lines = 0;
}

/* Undoes what was done since journal_begin(). */
void journal_abort(workq *q);

/*
 * Rolls back the one transaction that a dead process left; the queue lock is held.  May be killed and repeated.
 * Returns how many lines were put back, -EUCLEAN if a journal holds nonsense.
 */
int journal_recover(workq *q);

#endif
