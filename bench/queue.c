/*
 * A queue for a benchmark; see queue.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "queue.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { KEY_MAX = 64, FILL = 256, NAME_SIZE = 64 };

void bench_name(char *name, size_t size) {
  static unsigned number;
  snprintf(name, size, "bench%u-%d", number++, (int)getpid());
}

workq *bench_queue_named(size_t keys, const workq_options *options, char *name, size_t size) {
  workq_options own = options ? *options : (workq_options){0};
  workq *q;
  if (own.key_max == 0) own.key_max = KEY_MAX;
  if (own.capacity < keys) own.capacity = (uint32_t)keys;
  bench_name(name, size);
  bench_ok(workq_create(name, &own, &q), "workq_create");
  return q;
}

workq *bench_queue(size_t keys, const workq_options *options) {
  char name[NAME_SIZE];
  workq *q = bench_queue_named(keys, options, name, sizeof name);
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

void bench_drain(workq *q) {
  workq_item items[FILL];
  int n;
  while ((n = workq_get_batch(q, items, FILL, 0)) > 0)
    if (workq_done_batch(q, items, (size_t)n) != n) bench_die("a key that was taken could not be finished");
  if (n != -ETIMEDOUT) bench_ok(n, "workq_get_batch");
}
