/*
 * Where the C library keeps named shared memory, and what a queue's object is called there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_SHM_H
#define WORKQ_UTILS_COMMON_SHM_H

#define SHM_DIRECTORY "/dev/shm"
#define SHM_PREFIX    "workq."

#endif
