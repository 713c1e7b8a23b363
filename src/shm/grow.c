/*
 * grow.c: memory for more items, buckets or heap entries, in steps.
 *
 * Steps grow with the queue, so that a small one stays small, up to a size that keeps the lock's
 * holder in the kernel for well under a millisecond.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "grow.h"

#include "journal.h"
#include "segment.h"

#define STEP_MIN (UINT64_C(16) << 10)
#define STEP_MAX (UINT64_C(1) << 20)

static int commit_units(workq *q, const struct region *region, uint32_t from, uint32_t to) {
  uint64_t offset = (uint64_t)(region->first - q->base) + (uint64_t)from * region->unit_size;
  return segment_commit(q, offset, (uint64_t)(to - from) * region->unit_size);
}

int grow_to(workq *q, struct region *region, uint32_t needed) {
  uint32_t have = *region->committed;
  if (likely(needed <= have)) return likely(needed <= region->units) || region_probe(region, needed - 1) ? 0 : -EUCLEAN;
  if (needed > region->max) return -EUCLEAN;
  uint64_t step = (uint64_t)have * region->unit_size / 2;
  if (step < STEP_MIN) step = STEP_MIN;
  if (step > STEP_MAX) step = STEP_MAX;
  uint64_t want = have + step / region->unit_size;
  if (want > region->max) want = region->max;
  if (want < needed) want = needed;
  int rc = commit_units(q, region, have, (uint32_t)want);
  if (rc == -ENOSPC && want > needed) {
    want = needed;
    rc = commit_units(q, region, have, needed);
  }
  if (rc < 0) return rc;
  journal_save(q, &q->control->cold);
  *region->committed = (uint32_t)want;
  if (region->units == have) region->units = (uint32_t)want;
  return 0;
}
