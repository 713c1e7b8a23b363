/*
 * open.h: making and freeing handles.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_OPEN_H
#define WORKQ_SHM_OPEN_H

#include "handle.h"

/* A handle without a segment, for handle_map().  Null without memory. */
workq *handle_make(const char *name, const workq_options *options);

/* Maps the segment and allocates what a handle needs; q->header is filled.  Owns fd from now on.  0
 * or -errno. */
int handle_map(workq *q, int fd);

/* q may be null, and need not be mapped. */
void handle_free(workq *q);

#endif
