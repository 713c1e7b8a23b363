/*
 * journal_check.c: a debug build's check that every line is saved before it is changed (configure
 * --enable-journal-check).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "journal.h"

#ifdef WORKQ_JOURNAL_CHECK

#include <stdio.h>
#include <stdlib.h>

/* How far the table, the heap and the items had memory when the transaction began. */
struct shadow {
  size_t measures_end, table_end, heap_end, size;
  uint32_t lines; /* in the journal when the current key began, in a transaction of several */
  LINE_ALIGNED unsigned char bytes[];
};

static size_t at_most(uint32_t count, uint32_t max) {
  return count < max ? count : max;
}

/* The segment's own number of units that have memory may be damaged. */
static size_t region_end(const workq *q, const struct region *region) {
  size_t units = at_most(*region->committed, region->max);
  if (!region_has(region, (uint32_t)units)) units = region->units;
  return (size_t)(region->first - q->base) + units * region->unit_size;
}

/* Slots that were never used have no memory for histograms, unless they share a page with one that
 * was. */
static size_t measures_end(const workq *q) {
  uint32_t used = 0;
  for (uint32_t i = 0; i < q->geometry.handles; i++)
    if (q->slots[i].attachment.generation) used = i + 1;
  return (size_t)q->geometry.measures_off + (q->header.metrics ? used * sizeof(struct measures) : 0);
}

void journal_check_begin(workq *q) {
  size_t size = region_end(q, &q->regions.items);
  struct shadow *shadow = q->shadow;
  if (!shadow || shadow->size != size) {
    free(shadow);
    q->shadow = shadow = aligned_alloc(LINE_SIZE, sizeof *shadow + (size + LINE_SIZE - 1) / LINE_SIZE * LINE_SIZE);
    if (!shadow) abort();
    shadow->size = size;
  }
  shadow->lines = 2;
  shadow->table_end = region_end(q, &q->regions.buckets);
  shadow->heap_end = region_end(q, &q->regions.heap);
  /* The unused parts of the table and the heap have no memory, and reading them must not allocate
   * any. */
  const struct geometry *g = &q->geometry;
  memcpy(shadow->bytes, q->base, (size_t)g->journals_off);
  shadow->measures_end = measures_end(q);
  memcpy(shadow->bytes + g->measures_off, q->base + g->measures_off, shadow->measures_end - g->measures_off);
  memcpy(shadow->bytes + g->table_off, q->base + g->table_off, shadow->table_end - g->table_off);
  memcpy(shadow->bytes + g->heap_off, q->base + g->heap_off, shadow->heap_end - g->heap_off);
  memcpy(shadow->bytes + g->items_off, q->base + g->items_off, size - g->items_off);
}

static bool journal_was_saved(const workq *q, size_t offset) {
  /* journal_begin() saves these two; their numbers in the journal are from the attach, and may have
   * been damaged since. */
  if (offset / LINE_SIZE == q->transaction.own_line || offset / LINE_SIZE == journal_line(q, &q->control->hot))
    return true;
  for (uint32_t i = 0; i < at_most(journal_lines(q), JOURNAL_LINES); i++)
    if (q->journal->line[i] == offset / LINE_SIZE) return true;
  return false;
}

void journal_check_key(workq *q) {
  struct shadow *shadow = q->shadow;
  uint32_t lines = journal_lines(q);
  if (lines > shadow->lines + JOURNAL_LINES_PER_KEY) {
    fprintf(stderr, "workq: a step of several in a transaction saved %u lines\n", lines - shadow->lines);
    abort();
  }
  shadow->lines = lines;
}

static void journal_check_range(const workq *q, const struct shadow *shadow, size_t from, size_t to) {
  for (size_t offset = from; offset + LINE_SIZE <= to; offset += LINE_SIZE) {
    if (memcmp(shadow->bytes + offset, q->base + offset, LINE_SIZE) == 0) continue;
    if (journal_was_saved(q, offset)) continue;
    fprintf(stderr, "workq: the line at %zu was changed without a save before it\n", offset);
    abort();
  }
}

void journal_check_end(workq *q) {
  struct shadow *shadow = q->shadow;
  const struct geometry *g = &q->geometry;
  const struct control *c = q->control;
  if (!shadow) return;
  journal_check_range(q, shadow, (size_t)((const unsigned char *)&c->hot - q->base),
                      (size_t)((const unsigned char *)&c->reap - q->base));
  journal_check_range(q, shadow, (size_t)((const unsigned char *)c->bands - q->base),
                      (size_t)((const unsigned char *)(c->bands + BANDS) - q->base));
  for (uint32_t i = 0; i < g->handles; i++) {
    const struct slot *s = &q->slots[i];
    journal_check_range(q, shadow, (size_t)((const unsigned char *)&s->attachment - q->base),
                        (size_t)((const unsigned char *)&s->futex - q->base));
  }
  journal_check_range(q, shadow, (size_t)g->measures_off, shadow->measures_end);
  journal_check_range(q, shadow, (size_t)g->table_off, shadow->table_end);
  journal_check_range(q, shadow, (size_t)g->heap_off, shadow->heap_end);
  /* Of an item that was free at the start, only the header line is journaled: its key is new. */
  for (size_t at = (size_t)g->items_off; at + g->item_size <= shadow->size; at += g->item_size) {
    struct item *old = (void *)(shadow->bytes + at);
    /* Not journaled. */
    old->prefetch_hint = ((const struct item *)(const void *)(q->base + at))->prefetch_hint;
    journal_check_range(q, shadow, at, at + (old->place == PLACE_FREE ? LINE_SIZE : g->item_size));
  }
}

void journal_check_free(workq *q) {
  free(q->shadow);
  q->shadow = NULL;
}

#endif
