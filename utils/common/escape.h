/*
 * Bytes as text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_ESCAPE_H
#define WORKQ_UTILS_COMMON_ESCAPE_H

#include <stddef.h>

/* The bytes as text with backslash escapes, as workq_dump() shows keys; never null; to be freed. */
char *escape(const void *bytes, size_t len);

#endif
