/*
 * journal.h: the undo journal that makes each operation a transaction.
 *
 *   1. journal_save() copies a line into this handle's journal, then raises the count: before the
 *      line's first change.  journal_begin() saves the two lines that nearly every operation
 *      changes.
 *   2. The operation changes plain fields.
 *   3. journal_commit() sets the count to 0.
 *
 * The thread that finds the owner of the queue lock dead puts the saved lines back in reverse order
 * (journal_recover).  Compiler fences suffice: a dead process's stores are visible to the next
 * owner of its mutex.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_JOURNAL_H
#define WORKQ_SHM_JOURNAL_H

#include "handle.h"

/*
 * The most lines that a bounded operation on one key saves: one that moves nothing in the heap,
 * evicts nothing, splits no bucket and wakes no waiter.  It changes seven, one of them only when a
 * priority is new, besides the two that are always saved, and may save one twice.
 */
#define JOURNAL_LINES_PER_KEY 8u

static inline uint32_t journal_line(const workq *q, const void *place) {
  return (uint32_t)(((uintptr_t)place - (uintptr_t)q->base) / LINE_SIZE);
}

/* Copies the line that holds place to entry n of the journal, which does not count yet. */
static inline void journal_copy(struct journal *journal, uint32_t n, const void *place) {
  memcpy(journal->bytes[n], (const void *)((uintptr_t)place & ~(uintptr_t)(LINE_SIZE - 1)), LINE_SIZE);
}

/* From now on the journal has n lines. */
static inline void journal_count(workq *q, uint32_t n) {
  compiler_fence();
  atomic_store_explicit(&q->slot->journal.count, n, memory_order_relaxed);
  compiler_fence();
}

/* The number of lines in the journal. */
static inline uint32_t journal_lines(const workq *q) {
  return atomic_load_explicit(&q->slot->journal.count, memory_order_relaxed);
}

/* Saves the line that holds place without checking whether it is saved already: for a line that
 * rarely is. */
static inline void journal_save_always(workq *q, const void *place) {
  uint32_t n = journal_lines(q);
  if (unlikely(n >= JOURNAL_LINES)) {
    /* Impossible: the lines of every operation are bounded, mainly by the heap's height. */
    atomic_store(&q->control->lock.settled, LOCK_DAMAGED);
    return;
  }
  struct journal *journal = q->journal;
  journal->line[n] = journal_line(q, place);
  journal_copy(journal, n, place);
  journal_count(q, n + 1);
}

/* Saves the line that holds place, once per transaction. */
static inline void journal_save(workq *q, const void *place) {
  uint32_t line = journal_line(q, place);
  uint64_t mark = (uint64_t)q->transaction.number << 32 | line;
  uint64_t *seen = &q->transaction.marks[line % MARKS];
  if (*seen == mark || line == q->transaction.own_line) return;
  *seen = mark;
  journal_save_always(q, place);
}

/* The same for a line that is rarely saved already, unless the transaction is of several keys. */
static inline void journal_save_once_in_group(workq *q, const void *place) {
  if (unlikely(q->transaction.grouped)) journal_save(q, place);
  else journal_save_always(q, place);
}

/* Once for each slot that the handle gets, before its first lock: writes the numbers of the lines
 * that journal_begin() saves.  A dead owner's journal in the slot starts with the same two. */
static inline void journal_attach(workq *q) {
  q->transaction.own_line = journal_line(q, &q->slot->own);
  q->journal->line[0] = journal_line(q, &q->control->hot);
  q->journal->line[1] = q->transaction.own_line;
}

#ifdef WORKQ_JOURNAL_CHECK
/* Debug builds: copies all journaled state at the start of a transaction, and at its end aborts if
 * a line changed that was not saved. */
void journal_check_begin(workq *q);
void journal_check_end(workq *q);
/* After each key of a transaction that has several: aborts if it saved more than
 * JOURNAL_LINES_PER_KEY lines. */
void journal_check_key(workq *q);
void journal_check_free(workq *q);
#else
static inline void journal_check_begin(workq *q) {
  (void)q;
}
static inline void journal_check_end(workq *q) {
  (void)q;
}
static inline void journal_check_key(workq *q) {
  (void)q;
}
static inline void journal_check_free(workq *q) {
  (void)q;
}
#endif

/* Starts a transaction, except for setting the number of lines. */
static inline void journal_open(workq *q) {
  q->transaction.wakes_before = q->wakes.count;
  q->transaction.key_ops++;
  if (unlikely(++q->transaction.number == 0)) {
    memset(q->transaction.marks, 0, sizeof q->transaction.marks);
    q->transaction.number = 1;
  }
  journal_check_begin(q);
  journal_copy(q->journal, 0, &q->control->hot);
  journal_copy(q->journal, 1, &q->slot->own);
}

/* Starts a transaction; the queue lock is held.  Saves the hot line and the slot's own, which
 * nearly every transaction changes. */
static inline void journal_begin(workq *q) {
  journal_open(q);
  journal_count(q, 2);
}

/* Starts a transaction on an item; saves the item's line, too. */
static inline void journal_begin_item(workq *q, const struct item *item) {
  journal_open(q);
  uint32_t line = journal_line(q, item);
  q->journal->line[2] = line;
  journal_copy(q->journal, 2, item);
  q->transaction.marks[line % MARKS] = (uint64_t)q->transaction.number << 32 | line;
  journal_count(q, 3);
}

/* Has the journal space for one more key, of at most JOURNAL_LINES_PER_KEY lines? */
static inline bool journal_has_space(const workq *q) {
  return journal_lines(q) <= JOURNAL_LINES - JOURNAL_LINES_PER_KEY;
}

/* Makes the changes since journal_begin() permanent. */
static inline void journal_commit(workq *q) {
  journal_check_end(q);
  journal_count(q, 0);
}

/* Undoes the changes since journal_begin(). */
void journal_abort(workq *q);

/* Commits if rc is a success, else aborts.  Returns rc. */
static inline int journal_end(workq *q, int rc) {
  if (likely(rc >= 0)) journal_commit(q);
  else journal_abort(q);
  return rc;
}

/*
 * Rolls back the one transaction that a dead process left; the queue lock is held.  May be killed
 * and repeated.  Returns how many lines were put back, -EUCLEAN if a journal is damaged.
 */
int journal_recover(workq *q);

#endif
