/*
 * upgrade.h: reading a segment of the layout before this one.
 *
 * Such a segment is never attached to.  A handle that only reads (WORKQ_RAW) reads a private copy,
 * converted to the present layout: so that a newer command can dump and save what an older one left.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_UPGRADE_H
#define WORKQ_SHM_UPGRADE_H

#include <stdbool.h>

#include "layout.h"

/* Has this header, as it was read from a file, the layout before this one? */
bool upgrade_can_read(const struct header *header);

/* Converts such a header; its layout_version stays, as the sign that the rest is to be converted, too.  Returns 0, or -EUCLEAN
 * if its checksum is wrong. */
int upgrade_header(struct header *header);

/* Copies the segment in *fd, of which header was converted, and converts the copy.  Returns 0, and *fd is the copy, in private
 * memory, and the other is closed; or -errno. */
int upgrade_copy(struct header *header, const struct geometry *geometry, int *fd);

#endif
