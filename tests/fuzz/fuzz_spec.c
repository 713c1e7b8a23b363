/*
 * Fuzz target: the little languages of the command line, and the limiters that they describe.
 *
 * What is taken is printed and taken again as the same; a limiter that is taken gives delays that are never negative and
 * never more than the most it allows.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "bytes.h"
#include "common/parse.h"
#include "limiter.h"
#include "replay.h"
#include "support/plain.h"

const char replay_name[] = "spec";
const unsigned replay_shifts = 1;
unsigned replay_shift;

enum { TEXT_MAX = 200 };

static void try_duration(const char *text) {
  int64_t ns, again_ns;
  char printed[DURATION_TEXT_SIZE];
  if (!parse_duration(text, &ns)) return;
  if (ns < 0 || ns > WORKQ_DURATION_MAX) plain_fail("%s is %lld ns", text, (long long)ns);
  format_duration(ns, printed);
  if (!parse_duration(printed, &again_ns) || again_ns != ns) plain_fail("%s is printed as %s", text, printed);
}

static void try_integer(const char *text) {
  int64_t number;
  if (parse_integer(text, -128, 127, &number) && (number < -128 || number > 127)) plain_fail("%s is taken", text);
}

static void try_delays(workq_limiter limiter) {
  int64_t bucket_ns = 0, now_ns = 1;
  if (limiter_normalize(&limiter) < 0) return;
  for (uint32_t failures = 0; failures < 70; failures++) {
    int64_t delay_ns = limiter_when(&limiter, failures, now_ns, &bucket_ns, failures * UINT64_C(0x9e3779b97f4a7c15));
    if (delay_ns < 0 || delay_ns > WORKQ_DURATION_MAX) plain_fail("a delay of %lld ns", (long long)delay_ns);
    if (limiter.max_wait_ns > 0 && delay_ns > limiter.max_wait_ns) plain_fail("longer than may be waited");
  }
}

static void try_limiter(const char *text) {
  workq_limiter limiter, again;
  char printed[LIMITER_TEXT_SIZE], reprinted[LIMITER_TEXT_SIZE];
  if (parse_limiter(text, &limiter) != NULL) return;
  try_delays(limiter);
  if (limiter_normalize(&limiter) < 0) return;
  format_limiter(&limiter, printed);
  if (parse_limiter(printed, &again) != NULL) plain_fail("%s is printed as %s, which is refused", text, printed);
  if (limiter_normalize(&again) < 0) plain_fail("%s is printed as %s, which is invalid", text, printed);
  format_limiter(&again, reprinted);
  if (strcmp(printed, reprinted) != 0) plain_fail("%s is printed as %s, that as %s", text, printed, reprinted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char text[TEXT_MAX + 1];
  if (size > TEXT_MAX) size = TEXT_MAX;
  memcpy(text, data, size);
  text[size] = '\0';
  try_duration(text);
  try_integer(text);
  try_limiter(text);
  return 0;
}
