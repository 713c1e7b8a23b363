/*
 * Bytes as text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "escape.h"

#include <stdlib.h>

#include "hex.h"
#include "say.h"

char *escape(const void *bytes, size_t len) {
  const unsigned char *from = bytes;
  char *text = malloc(4 * len + 1);
  if (text == NULL) out_of_memory();
  char *end = text;
  for (size_t i = 0; i < len; i++) {
    unsigned char byte = from[i];
    if (byte == '\\' || byte == '\n') {
      *end++ = '\\';
      *end++ = byte == '\n' ? 'n' : '\\';
    } else {
      end = hex_put_printable(end, byte);
    }
  }
  *end = '\0';
  return text;
}
