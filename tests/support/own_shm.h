/*
 * A /dev/shm of one's own: small enough to be filled, or without the processes that look at all queues of a machine.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef OWN_SHM_H
#define OWN_SHM_H

#include <stdbool.h>

/*
 * Gives this process a mount namespace (as root, or in a user namespace) with a tmpfs over /dev/shm that has these mount
 * options.  Returns false, errno being set, where that is not permitted, as in many containers.
 */
bool own_shm(const char *tmpfs_options);

/* The same for a test that somebody's look at its queue would disturb; says so where it is not permitted, and goes on. */
void own_shm_alone(void);

#endif
