/*
 * journal.c: rolling back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "journal.h"

/* Has a line of the table, the heap or an item memory? */
static bool journal_has_memory(const workq *q, const unsigned char *line) {
  return region_contains(&q->regions.items, line) || region_contains(&q->regions.buckets, line) ||
         region_contains(&q->regions.heap, line) || memory_is_backed(line, LINE_SIZE);
}

/* May a transaction have changed the line at this offset?  Never one with a mutex: a damaged
 * journal could write anything into it. */
static bool journal_covers(const workq *q, uint64_t offset) {
  const struct geometry *g = &q->geometry;
  if (offset >= g->total_size) return false;
  if (offset >= g->table_off) return journal_has_memory(q, q->base + offset);
  if (offset >= g->measures_off) return memory_is_backed(q->base + offset, LINE_SIZE);
  if (offset >= g->slots_off) {
    if (offset >= g->slots_off + g->handles * sizeof(struct slot)) return false;
    return (offset - g->slots_off) % sizeof(struct slot) != offsetof(struct slot, life);
  }
  return offset >= g->control_off + offsetof(struct control, hot) && offset < g->control_off + sizeof(struct control);
}

/* Puts the lines of one journal back, latest first, and empties it. */
static int journal_roll_back(workq *q, struct slot *slot, const struct journal *journal) {
  uint32_t count = atomic_load_explicit(&slot->journal.count, memory_order_relaxed);
  if (count > JOURNAL_LINES) return -EUCLEAN;
  for (uint32_t i = count; i-- > 0;) {
    uint64_t offset = (uint64_t)journal->line[i] * LINE_SIZE;
    if (!journal_covers(q, offset)) return -EUCLEAN;
    memcpy(q->base + offset, journal->bytes[i], LINE_SIZE);
  }
  compiler_fence();
  atomic_store_explicit(&slot->journal.count, 0, memory_order_relaxed);
  compiler_fence();
  return (int)count;
}

void journal_abort(workq *q) {
  /* The own journal is valid: this process wrote it in this transaction. */
  (void)journal_roll_back(q, q->slot, q->journal);
  while (q->wakes.count > q->transaction.wakes_before) {
    uint32_t slot = q->wakes.slots[--q->wakes.count];
    q->wakes.noted[slot / 64] &= ~(UINT64_C(1) << slot % 64);
  }
}

int journal_recover(workq *q) {
  int lines = 0;
  for (uint32_t i = 0; i < q->geometry.handles; i++) {
    if (atomic_load_explicit(&q->slots[i].journal.count, memory_order_relaxed) == 0) continue;
    int rc = memory_is_backed(&q->journals[i], sizeof *q->journals) ? 0 : -EUCLEAN;
    if (rc == 0) rc = journal_roll_back(q, &q->slots[i], &q->journals[i]);
    if (rc < 0) return rc;
    lines += rc;
  }
  return lines;
}
