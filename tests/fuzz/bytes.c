/*
 * The input of a fuzz target as a source of decisions; see bytes.h.  Shared code of the other tests that asks for random
 * numbers (plain.h) gets them from here, too.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/plain.h"
#include "support/random.h"
#include "workq.h"

static const uint8_t *at, *end;
static bool spared;

void bytes_begin(const uint8_t *data, size_t size) {
  at = data;
  end = data + size;
}

bool bytes_end(void) {
  return at == end;
}

void bytes_spare(bool spare) {
  spared = spare;
}

uint64_t bytes_below(uint64_t n) {
  uint64_t value = 0, range = 1;
  if (spared) return 0;
  while (at < end && range < n) {
    value = value << 8 | *at++;
    if (range > UINT64_MAX >> 8) break;
    range <<= 8;
  }
  return value % n;
}

uint64_t random_next(uint64_t *state) {
  (void)state;
  return bytes_below(UINT64_MAX);
}

uint64_t random_below(uint64_t *state, uint64_t n) {
  (void)state;
  return bytes_below(n);
}

bool random_chance(uint64_t *state, unsigned percent) {
  (void)state;
  return bytes_below(100) >= 100 - percent;
}

void plain_fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  abort();
}

int plain_ok(int result, const char *what) {
  if (result < 0) plain_fail("%s: %s", what, workq_strerror(result));
  return result;
}
