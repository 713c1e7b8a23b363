/*
 * fingerprint.h: what must be equal in all processes that share a segment.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_FINGERPRINT_H
#define WORKQ_SHM_FINGERPRINT_H

#include "layout.h"

/*
 * This process's own.  Unused bytes are zero, and so is what may not be known here because there is no /proc.  Returns 0, or
 * -errno where the system lacks what it takes to find out, descriptors say: a fingerprint without it would be another one.
 */
int fingerprint_read(struct fingerprint *fingerprint);

/*
 * Compares there (a segment's) with here.  Returns 0 where they are equal, 1 where not; then buffer, if size is not 0,
 * says in one line which field differs.
 */
int fingerprint_differs(const struct fingerprint *there, const struct fingerprint *here, char *buffer, size_t size);

#endif
