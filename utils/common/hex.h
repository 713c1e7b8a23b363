/*
 * Bytes as hexadecimal digits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_HEX_H
#define WORKQ_UTILS_COMMON_HEX_H

#include <stdbool.h>
#include <stddef.h>

/* Writes the byte as two digits, in lower case.  Returns the place behind them. */
char *hex_put(char *at, unsigned char byte);

/*
 * Writes the byte as it is where it is printable ASCII, else as \xNN.  Returns the place behind it.
 */
char *hex_put_printable(char *at, unsigned char byte);

/* The byte that two digits stand for, in either case; -1 if they are no digits. */
int hex_get(const char *digits);

/* Reads len digits into len / 2 bytes.  Returns whether the text is such. */
bool hex_decode(const char *text, size_t len, unsigned char *bytes);

#endif
