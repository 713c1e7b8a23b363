/*
 * A /dev/shm of one's own, small enough to be filled.
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

/* Pages of 4 KiB that are free in /dev/shm. */
unsigned long own_shm_free(void);

/* Fills it but for so many pages; takes the filling away again. */
void own_shm_fill_but(unsigned long pages);
void own_shm_empty(void);

#endif
