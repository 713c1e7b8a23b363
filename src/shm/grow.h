/*
 * grow.h: memory for more items, buckets or heap entries, in steps.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_GROW_H
#define WORKQ_SHM_GROW_H

#include "handle.h"

/*
 * Makes sure that the first `needed` units of a region of this handle have memory.  In a
 * transaction; memory allocated by one that is rolled back is allocated again later, which costs
 * nothing.  Returns 0, -ENOSPC or another -errno, -EUCLEAN.
 */
int grow_to(workq *q, struct region *region, uint32_t needed);

#endif
