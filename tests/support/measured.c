/*
 * Reading what a queue has measured; see measured.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "measured.h"

workq_measures seen;

const workq_stats_data *look(void) {
  ok(workq_measure(q, &seen));
  return &seen.stats;
}

workq_item next(void) {
  workq_item item;
  ok(workq_get(q, &item, 0));
  return item;
}
