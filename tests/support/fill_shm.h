/*
 * A full /dev/shm: of one's own (own_shm.h), or else others would suffer.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FILL_SHM_H
#define FILL_SHM_H

/* Pages of 4 KiB that are free in /dev/shm. */
unsigned long fill_shm_free(void);

/* Fills it but for so many pages; takes the filling away again. */
void fill_shm_but(unsigned long pages);
void fill_shm_empty(void);

#endif
