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

static int commit_units(workq *q, const struct region *r, uint32_t from, uint32_t to) {
  return segment_commit(q->fd, r->offset + (uint64_t)from * r->unit, (uint64_t)(to - from) * r->unit);
}

int grow_to(workq *q, const struct region *r, uint32_t needed) {
  uint32_t have = *r->committed;
  if (likely(needed <= have)) return 0;
  if (needed > r->max) return -EUCLEAN;
  uint64_t step = (uint64_t)have * r->unit / 2;
  if (step < STEP_MIN) step = STEP_MIN;
  if (step > STEP_MAX) step = STEP_MAX;
  uint64_t want = have + step / r->unit;
  if (want > r->max) want = r->max;
  if (want < needed) want = needed;
  int rc = commit_units(q, r, have, (uint32_t)want);
  if (rc == -ENOSPC && want > needed) {
    want = needed;
    rc = commit_units(q, r, have, needed);
  }
  if (rc < 0) return rc;
  journal_save(q, &q->control->cold);
  *r->committed = (uint32_t)want;
  return 0;
}
