/*
 * A ring that keeps the last entries of a sequence.  Entries are numbered from 0 on; entry n is at
 * place n % size.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_RING_H
#define WORKQ_UTILS_COMMON_RING_H

#include <stdint.h>

/* The number of the oldest entry that is kept; end is the number of the next one. */
static inline uint64_t ring_first(uint64_t end, uint64_t size) {
  return end > size ? end - size : 0;
}

#endif
