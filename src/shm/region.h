/*
 * region.h: how far into a growing part of the segment there is memory.
 *
 * The table, the heap and the records get memory as the queue grows (grow.c).  Touching a page that has none takes one,
 * and is SIGBUS where /dev/shm is full.  The segment's own word for how much there is may be damaged: so each handle
 * keeps its own, which indices are compared with, and asks the kernel, page by page, where that is exceeded.
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
  uint32_t units; /* so many, from the first on, are known to have memory */
  uint32_t unit_size;
  uint32_t max;
  uint32_t *committed; /* the segment's word for it, in the cold line */
  unsigned char *first;
};

/* Is this place one of the known units? */
static inline bool region_contains(const struct region *region, const unsigned char *place) {
  return place >= region->first && place < region->first + (size_t)region->units * region->unit_size;
}

/* Has all of this memory, so that touching it is no signal? */
bool memory_is_backed(const void *from, size_t len);

/*
 * Has unit number `unit`, which is not among the known ones, memory?  Gets to know a few more on the way, so that a handle that
 * works on a large queue soon knows all (so reach is not as constant as it looks: no handle is).
 */
__attribute__((noinline, cold)) bool region_probe(const struct region *region, uint32_t unit);

/* Have the first `units` memory? */
__attribute__((noinline, cold)) bool region_has(const struct region *region, uint32_t units);

#endif
