/*
 * region.c: which part of a growing region of the segment has memory; see region.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "region.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Memory comes in pages of this size at least. */
#define PAGE 4096u

/* Read-ahead: bytes that one call checks beyond the known units. */
#define STRIDE (16u * PAGE)

/*
 * The kernel reads a signal set from the page before it rejects the invalid way to change the mask.
 * If it cannot read the page, it returns EFAULT, where a read by this process would raise SIGBUS.
 */
static bool page_has_memory(const unsigned char *page) {
  return syscall(SYS_rt_sigprocmask, -1, page, NULL, sizeof(uint64_t)) == 0 || errno != EFAULT;
}

bool memory_is_backed(const void *from, size_t len) {
  const unsigned char *page = (const unsigned char *)((uintptr_t)from & ~(uintptr_t)(PAGE - 1));
  int saved = errno;
  bool has = true;
  for (; has && page < (const unsigned char *)from + len; page += PAGE) has = page_has_memory(page);
  errno = saved;
  return has;
}

/* Adds the units up to `units` to the known ones, if they have memory. */
static bool extend(struct region *r, uint32_t units) {
  size_t from = (size_t)r->units * r->unit_size;
  if (!memory_is_backed(r->first + from, (size_t)units * r->unit_size - from)) return false;
  r->units = units;
  return true;
}

static uint32_t claimed(const struct region *r) {
  /* Once: some callers do not hold the lock. */
  uint32_t units = __atomic_load_n(r->committed, __ATOMIC_RELAXED);
  return units < r->max ? units : r->max;
}

bool region_probe(const struct region *region, uint32_t unit) {
  struct region *r = (struct region *)region;
  uint32_t end = claimed(r);
  if (unit >= end) return false;
  if (!memory_is_backed(r->first + (size_t)unit * r->unit_size, r->unit_size)) return false;
  uint32_t next = r->units + (STRIDE + r->unit_size - 1) / r->unit_size;
  (void)extend(r, next < end ? next : end);
  return true;
}

bool region_has(const struct region *region, uint32_t units) {
  if (units <= region->units) return true;
  return units <= claimed(region) && extend((struct region *)region, units);
}
