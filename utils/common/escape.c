/*
 * Bytes as text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "escape.h"

#include <stdbool.h>
#include <stdlib.h>

#include "say.h"

static const char hex_digits[] = "0123456789abcdef";

static bool is_printable(unsigned char byte) {
  return byte >= 0x20 && byte < 0x7f;
}

char *escape(const void *bytes, size_t len) {
  const unsigned char *from = bytes;
  char *text = malloc(4 * len + 1);
  if (text == NULL) {
    say("out of memory");
    exit(STATUS_ERROR);
  }
  char *end = text;
  for (size_t i = 0; i < len; i++) {
    unsigned char byte = from[i];
    if (byte == '\\' || byte == '\n') {
      *end++ = '\\';
      *end++ = byte == '\n' ? 'n' : '\\';
    } else if (is_printable(byte)) {
      *end++ = (char)byte;
    } else {
      *end++ = '\\';
      *end++ = 'x';
      *end++ = hex_digits[byte >> 4];
      *end++ = hex_digits[byte & 15];
    }
  }
  *end = '\0';
  return text;
}
