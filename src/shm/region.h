/*
 * region.h: which part of a growing region of the segment has memory.
 *
 * The table, the heap and the items get memory as the queue grows (grow.c).  Touching a page that
 * has none allocates one, and is SIGBUS if /dev/shm is full.  The segment's own number of units
 * that have memory may be damaged: so each handle keeps its own, which indices are compared with,
 * and asks the kernel, page by page, when an index exceeds it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_REGION_H
#define WORKQ_SHM_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Private memory of one handle. */
struct region {
  uint32_t units; /* the first units, which are known to have memory */
  uint32_t unit_size;
  uint32_t max;
  uint32_t *committed; /* the segment's own number, in the cold line */
  unsigned char *first;
};

/* Is this address in one of the known units? */
static inline bool region_contains(const struct region *region, const unsigned char *place) {
  return place >= region->first && place < region->first + (size_t)region->units * region->unit_size;
}

/* Is all of this range backed by memory, so that touching it raises no signal? */
bool memory_is_backed(const void *from, size_t len);

/*
 * Does unit number `unit`, which is not among the known ones, have memory?  Also checks the units
 * that follow the known ones, so that a handle that works on a large queue soon knows all.  (So it
 * changes *region, which is const only because handles are passed as const.)
 */
__attribute__((noinline, cold)) bool region_probe(const struct region *region, uint32_t unit);

/* Do the first `units` have memory? */
__attribute__((noinline, cold)) bool region_has(const struct region *region, uint32_t units);

#endif
