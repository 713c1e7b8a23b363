/*
 * What nothing can beat on this machine, as figures of their own.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "bench.h"

#define MIB ((size_t)1 << 20)

const char *const bench_who = "machine";

static const struct {
  bench_floor *measure;
  size_t size;
} floors[] = {{floor_lock, 0},       {floor_load, MIB}, {floor_load, 100 * MIB}, {floor_load, 1024 * MIB},
              {floor_cache_line, 0}, {floor_futex, 0},  {floor_syscall, 0}};

static double measure(const bench_case *c, void *state, double *extra) {
  (void)state;
  (void)extra;
  return floors[c->size].measure(floors[c->size].size);
}

const bench_case bench_cases[] = {
    {"floor/lock", "ns", "lock and unlock of a robust mutex", .size = 0, .run = measure},
    {"floor/load-1m", "ns", "a dependent random load, 1 MiB", .size = 1, .run = measure},
    {"floor/load-100m", "ns", "the same, 100 MiB", .size = 2, .run = measure},
    {"floor/load-1g", "ns", "the same, 1 GiB", .size = 3, .run = measure},
    {"floor/cache-line", "ns", "a word to another processor and back, both spinning", .size = 4, .run = measure},
    {"floor/futex", "ns", "the same between two that sleep", .size = 5, .run = measure},
    {"floor/syscall", "ns", "a system call that does nothing", .size = 6, .run = measure},
    {0}};
