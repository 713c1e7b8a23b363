/*
 * processors.h: how much processor time the calling thread may use.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_PROCESSORS_H
#define WORKQ_SHM_PROCESSORS_H

#include <stdbool.h>
#include <stdint.h>

/* There is no limit, or it cannot be read. */
#define PROCESSORS_UNLIMITED UINT32_MAX

/* On how many processors the calling thread may run, in thousandths. */
uint32_t processors_of_affinity(void);

/*
 * The processor time that the quotas of the process's control group and its ancestors allow, in
 * thousandths of a processor: cpu.max of version 2, cpu.cfs_quota_us of version 1.  root is a
 * prefix of /proc and /sys; "" except in tests.
 */
uint32_t processors_of_quota(const char *root);

/* May two threads run at once?  Otherwise a spinning thread takes the processor time of the thread
 * that it waits for. */
bool processors_are_several(void);

#endif
