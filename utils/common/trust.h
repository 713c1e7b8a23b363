/*
 * The option --shared.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_TRUST_H
#define WORKQ_UTILS_COMMON_TRUST_H

#include <stdbool.h>

#include <workq.h>

/* Where shared: also opens a queue that belongs to, or may be written by, other users. */
static inline void trust_others(workq_options *options, bool shared) {
  if (!shared) return;
  options->flags |= WORKQ_ANY_OWNER;
  options->mode = 0666;
}

#endif
