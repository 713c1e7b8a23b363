/*
 * sizes.h: structures of callers that were compiled with another version of workq.h: shorter or
 * longer than this one's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SIZES_H
#define WORKQ_SIZES_H

#include <stddef.h>

/*
 * Reads the caller's structure of size bytes into one of known bytes; a null pointer is all zero.
 * Returns 0; -EINVAL if size is 0, or what is not known is not 0.
 */
int sizes_read(void *to, size_t known, const void *from, size_t size);

/* Writes a structure of known bytes into the caller's of size bytes; what is not known becomes
 * 0. */
void sizes_write(void *to, size_t size, const void *from, size_t known);

#endif
