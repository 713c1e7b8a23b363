/*
 * name.c: the names of queues.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "name.h"

#include <errno.h>
#include <string.h>

#include "workq.h"

int name_check(const char *name) {
  if (!name || !*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return -EINVAL;
  size_t len = 0;
  for (; name[len]; len++) {
    unsigned char c = (unsigned char)name[len];
    if (len == WORKQ_NAME_MAX) return -ENAMETOOLONG;
    if (c == '/' || c < 0x20 || c == 0x7f) return -EINVAL;
  }
  return 0;
}
