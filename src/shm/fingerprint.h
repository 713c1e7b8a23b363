/*
 * fingerprint.h: the properties that must be equal in all processes that share a segment.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_FINGERPRINT_H
#define WORKQ_SHM_FINGERPRINT_H

#include <stdbool.h>

#include "layout.h"

/*
 * This process's fingerprint.  Unused bytes are zero, and so are fields that cannot be read because
 * there is no /proc.  Returns 0; or -errno if the system lacks a resource to read them, descriptors
 * say: a fingerprint without them would differ.
 */
int fingerprint_read(struct fingerprint *fingerprint);

/*
 * Compares there (a segment's) with here.  Returns 0 where they are equal, 1 where not; then
 * buffer, if size is not 0, gets one line that names the field that differs.
 */
int fingerprint_differs(const struct fingerprint *there, const struct fingerprint *here, char *buffer, size_t size);

/*
 * May a process with the fingerprint `here` read a segment with the fingerprint `there`, without taking its lock?  The C library,
 * the page size and the pid namespace do not matter for that; the sizes, and the clock that its times are of, do.
 */
bool fingerprint_may_read(const struct fingerprint *there, const struct fingerprint *here);

#endif
