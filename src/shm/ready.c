/*
 * ready.c: the ready keys; see ready.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ready.h"

void ready_export_priority(workq *q, int priority) {
  struct exported_line *exported = &q->control->exported;
  uint32_t number = (uint32_t)(band_of(q, priority) - q->control->bands);
  journal_save(q, exported);
  exported->noted[number / 64] |= UINT64_C(1) << number % 64;
  /* One place is for priority 0. */
  if (exported->count < PRIORITIES_EXPORTED - 1) exported->priority[exported->count++] = (int8_t)priority;
}
