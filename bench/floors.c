/*
 * The floors; see bench.h.  Each measurement is short, so that it may stand before each round.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

enum { PAIRS = 100000, LOADS = 100000, TURNS = 20000, SLEEPS = 1000, PARTS = 100, CALLS = 20000, LINE = 64 };

static void lock_and_unlock(void *arg, size_t first, size_t count) {
  pthread_mutex_t *mutex = arg;
  (void)first;
  for (size_t i = 0; i < count; i++) {
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
  }
}

double floor_lock(size_t size) {
  pthread_mutexattr_t attr;
  pthread_mutex_t *mutex = bench_share(sizeof *mutex);
  (void)size;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(mutex, &attr);
  pthread_mutexattr_destroy(&attr);
  double pair_ns = bench_in_parts(lock_and_unlock, mutex, PAIRS);
  munmap(mutex, sizeof *mutex);
  return pair_ns;
}

/* One cycle through all lines in random order (Sattolo). */
static void tangle(char *memory, size_t lines) {
  uint64_t random = 1;
  uint32_t *order = bench_alloc(lines * sizeof *order);
  for (size_t i = 0; i < lines; i++) order[i] = (uint32_t)i;
  for (size_t i = lines - 1; i > 0; i--) {
    size_t other = bench_below(&random, i);
    uint32_t line = order[i];
    order[i] = order[other];
    order[other] = line;
  }
  for (size_t i = 0; i < lines; i++) *(uint32_t *)(void *)(memory + i * LINE) = order[i];
  free(order);
}

typedef struct walk {
  size_t size;
  char *memory;
  uint32_t at;
} walk;

static void load(void *arg, size_t first, size_t count) {
  walk *w = arg;
  uint32_t at = w->at;
  (void)first;
  for (size_t n = 0; n < count; n++) at = *(const volatile uint32_t *)(const void *)(w->memory + (size_t)at * LINE);
  w->at = at;
}

/* The memory is made once for each size: making it costs far more than the loads.  Each walk goes on where the last one ended:
 * the way that it went may still be in a cache. */
double floor_load(size_t size) {
  static walk known[BENCH_EXTRAS];
  size_t i = 0;
  while (i < BENCH_EXTRAS - 1 && known[i].size != 0 && known[i].size != size) i++;
  walk *w = &known[i];
  if (w->size != size) {
    if (w->memory) munmap(w->memory, w->size);
    *w = (walk){.size = size, .memory = bench_share(size)};
    tangle(w->memory, size / LINE);
  }
  return bench_in_parts(load, w, LOADS);
}

/* ---- Round trips ---- */

typedef struct ball {
  _Atomic uint32_t there;
  char apart[LINE * 2];
  _Atomic uint32_t back;
  bool asleep;
  uint32_t turns;
} ball;

static void await(const ball *b, _Atomic uint32_t *word, uint32_t value) {
  uint32_t now;
  while ((now = atomic_load(word)) != value) {
    if (b->asleep) syscall(SYS_futex, word, FUTEX_WAIT, now, NULL, NULL, 0);
    else __builtin_ia32_pause();
  }
}

static void send(const ball *b, _Atomic uint32_t *word, uint32_t value) {
  atomic_store(word, value);
  if (b->asleep) syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void return_balls(void *arg) {
  ball *b = arg;
  bench_on_cpu(1);
  for (uint32_t n = 1; n <= b->turns; n++) {
    await(b, &b->there, n);
    send(b, &b->back, n);
  }
}

/* The median of parts, since a preemption in one would spoil a mean. */
static double round_trip(bool asleep, uint32_t turns) {
  static double part_ns[PARTS];
  ball *b = bench_share(sizeof *b);
  b->asleep = asleep;
  b->turns = turns;
  int pid = bench_fork(return_balls, b);
  bench_on_cpu(0);
  uint32_t n = 1;
  for (int part = 0; part < PARTS; part++) {
    double start_ns = bench_now_ns();
    for (uint32_t i = 0; i < turns / PARTS; i++, n++) {
      send(b, &b->there, n);
      await(b, &b->back, n);
    }
    part_ns[part] = (bench_now_ns() - start_ns) * PARTS / turns;
  }
  bench_join(pid);
  bench_on_any_cpu();
  munmap(b, sizeof *b);
  return bench_quantile(part_ns, PARTS, 0.5);
}

double floor_cache_line(size_t size) {
  (void)size;
  return round_trip(false, TURNS);
}

double floor_futex(size_t size) {
  (void)size;
  return round_trip(true, SLEEPS);
}

static void call(void *arg, size_t first, size_t count) {
  (void)arg;
  (void)first;
  for (size_t i = 0; i < count; i++) syscall(SYS_getppid);
}

double floor_syscall(size_t size) {
  (void)size;
  return bench_in_parts(call, NULL, CALLS);
}
