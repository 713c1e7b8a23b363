/*
 * A queue for a benchmark; see queue.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "queue.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { KEY_MAX = 64, FILL = 256 };

workq *bench_queue(size_t keys, const workq_options *options) {
  static unsigned number;
  workq_options own = options ? *options : (workq_options){0};
  workq *q;
  char name[64];
  if (own.key_max == 0) own.key_max = KEY_MAX;
  if (own.capacity < keys) own.capacity = (uint32_t)keys;
  snprintf(name, sizeof name, "bench%u-%d", number++, (int)getpid());
  bench_ok(workq_create(name, &own, &q), "workq_create");
  bench_ok(workq_unlink(name), "workq_unlink");
  return q;
}

void bench_add_numbers(workq *q, const uint32_t *numbers, size_t count, const workq_add_options *options) {
  char text[FILL][BENCH_KEY_SIZE];
  workq_key keys[FILL];
  for (size_t at = 0; at < count;) {
    size_t n = 0;
    for (; n < FILL && at < count; n++, at++) {
      size_t number = numbers ? numbers[at] : at;
      int len = snprintf(text[n], sizeof text[n], "default/configmap-%zu", number);
      keys[n] = (workq_key){.data = text[n], .len = (size_t)len};
    }
    int rc = bench_ok(workq_add_batch(q, keys, n, options, NULL), "workq_add_batch");
    if ((size_t)rc != n) bench_die("only %d of %zu keys could be added", rc, n);
  }
}

void bench_fill(workq *q, size_t count) {
  bench_add_numbers(q, NULL, count, NULL);
}
