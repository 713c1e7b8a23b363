/*
 * grow.c: memory for more records, buckets or heap entries, in steps.
 *
 * Steps grow with the queue, so that a small one stays small, up to a size that keeps the lock's holder in the
 * kernel for well under a millisecond.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "grow.h"

#include "journal.h"
#include "segment.h"

#define STEP_MIN (UINT64_C(16) << 10)
#define STEP_MAX (UINT64_C(1) << 20)

static int commit_units(workq *q, const struct region *part, uint32_t from, uint32_t to) {
  uint64_t offset = (uint64_t)(part->first - q->base) + (uint64_t)from * part->unit_size;
  return segment_commit(q, offset, (uint64_t)(to - from) * part->unit_size);
}

int grow_to(workq *q, struct region *part, uint32_t needed) {
  uint32_t have = *part->committed;
  if (likely(needed <= have)) return likely(needed <= part->units) || region_probe(part, needed - 1) ? 0 : -EUCLEAN;
  if (needed > part->max) return -EUCLEAN;
  uint64_t step = (uint64_t)have * part->unit_size / 2;
  if (step < STEP_MIN) step = STEP_MIN;
  if (step > STEP_MAX) step = STEP_MAX;
  uint64_t want = have + step / part->unit_size;
  if (want > part->max) want = part->max;
  if (want < needed) want = needed;
  int rc = commit_units(q, part, have, (uint32_t)want);
  if (rc == -ENOSPC && want > needed) {
    want = needed;
    rc = commit_units(q, part, have, needed);
  }
  if (rc < 0) return rc;
  journal_save(q, &q->control->cold);
  *part->committed = (uint32_t)want;
  if (part->units == have) part->units = (uint32_t)want;
  return 0;
}
