/*
 * processors.h: how much processor time there is for the calling thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_PROCESSORS_H
#define WORKQ_SHM_PROCESSORS_H

#include <stdbool.h>
#include <stdint.h>

/* Where nothing sets a limit, or it cannot be read. */
#define PROCESSORS_UNLIMITED UINT32_MAX

/* On how many processors the calling thread may run, in thousandths. */
uint32_t processors_of_affinity(void);

/*
 * How much time the quotas of the process's control group, and of those that it is in, allow, in thousandths of a processor:
 * cpu.max of version 2, cpu.cfs_quota_us of version 1.  root stands before /proc and /sys; "" but for tests.
 */
uint32_t processors_of_quota(const char *root);

/* Is there time for two to run at once?  Otherwise whoever spins takes the time of the one that is waited for. */
bool processors_are_several(void);

#endif
