/*
 * grow.h: memory for more records, buckets or heap entries, in steps.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_GROW_H
#define WORKQ_GROW_H

#include "handle.h"

/* A part of the segment that gets memory as it is needed. */
struct region {
  uint64_t offset;     /* in the segment */
  uint32_t unit;       /* bytes */
  uint32_t max;        /* units */
  uint32_t *committed; /* units that have memory, in the cold line */
};

/*
 * Sees to it that `needed` units have memory.  In a transaction; memory taken by one that is rolled back is taken
 * again later, which costs nothing.  Returns 0, -ENOSPC or another -errno, -EUCLEAN.
 */
int grow_to(workq *q, const struct region *region, uint32_t needed);

#endif
