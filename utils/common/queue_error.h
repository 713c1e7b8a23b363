/*
 * What an error of the library means for a queue, and what to do about it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_QUEUE_ERROR_H
#define WORKQ_UTILS_COMMON_QUEUE_ERROR_H

#include <workq.h>

#include "status.h"

/*
 * Says what a negative result of the library means for this queue and what to do.  q may be null.
 * STATUS_ERROR.
 */
int queue_failed(const char *name, const workq *q, int error);

/* What is full where the queue itself is not, and how to look at it. */
#define MEMORY_IS_FULL "shared memory is full (see: df /dev/shm)"

#endif
