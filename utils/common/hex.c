/*
 * Bytes as hexadecimal digits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "hex.h"

char *hex_put(char *at, unsigned char byte) {
  static const char digits[] = "0123456789abcdef";
  *at++ = digits[byte >> 4];
  *at++ = digits[byte & 15];
  return at;
}

char *hex_put_printable(char *at, unsigned char byte) {
  if (byte >= 0x20 && byte < 0x7f) {
    *at++ = (char)byte;
    return at;
  }
  *at++ = '\\';
  *at++ = 'x';
  return hex_put(at, byte);
}

static int value_of(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

int hex_get(const char *digits) {
  int high = value_of(digits[0]);
  int low = high < 0 ? -1 : value_of(digits[1]);
  return low < 0 ? -1 : high << 4 | low;
}

bool hex_decode(const char *text, size_t len, unsigned char *bytes) {
  if (len % 2 != 0) return false;
  for (size_t i = 0; i < len; i += 2) {
    int byte = hex_get(text + i);
    if (byte < 0) return false;
    bytes[i / 2] = (unsigned char)byte;
  }
  return true;
}
