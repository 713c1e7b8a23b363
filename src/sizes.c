/*
 * sizes.c: structures of callers that were compiled with another version of workq.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sizes.h"

#include <errno.h>
#include <string.h>

static size_t smaller(size_t a, size_t b) {
  return a < b ? a : b;
}

int sizes_read(void *to, size_t known, const void *from, size_t size) {
  const unsigned char *bytes = from;
  memset(to, 0, known);
  if (!from) return 0;
  if (size == 0) return -EINVAL;
  memcpy(to, from, smaller(size, known));
  for (size_t i = known; i < size; i++)
    if (bytes[i]) return -EINVAL;
  return 0;
}

void sizes_write(void *to, size_t size, const void *from, size_t known) {
  memcpy(to, from, smaller(size, known));
  if (size > known) memset((unsigned char *)to + known, 0, size - known);
}
