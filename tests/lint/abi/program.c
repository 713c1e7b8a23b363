/*
 * A program that was compiled with an older or a newer version of workq.h (NEWER), and runs with this library: it calls each
 * function that is given a structure which may grow.  The library must keep to the structures as the program has them.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workq.h"

enum { GUARD = 0x5a };

/* Structures stand between bytes that nobody may touch. */
#define GUARDED(type, name)                                                                                            \
  struct {                                                                                                             \
    unsigned char before[64];                                                                                          \
    type it;                                                                                                           \
    unsigned char after[512];                                                                                          \
  } name;                                                                                                              \
  memset(&name, GUARD, sizeof name)

static void check(int is, const char *what, int line) {
  if (is) return;
  fprintf(stderr, "program.c:%d: %s\n", line, what);
  exit(1);
}

#define CHECK(condition) check(condition, #condition, __LINE__)
#define UNTOUCHED(structure)                                                                                           \
  CHECK(is_guard(structure.before, sizeof structure.before) && is_guard(structure.after, sizeof structure.after))

static int is_guard(const unsigned char *bytes, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (bytes[i] != GUARD) return 0;
  return 1;
}

static int handle_key(workq *q, const workq_item *item, unsigned worker, void *arg) {
  (void)q, (void)worker, (void)arg;
  return item->key_len == 1 ? WORKQ_OK : WORKQ_RETRY;
}

static void make_queue(const char *name, workq **q) {
  GUARDED(workq_options, options);
  memset(&options.it, 0, sizeof options.it);
  options.it.capacity = 10;
#ifdef NEWER
  options.it.future = 1;
  CHECK(workq_create(name, &options.it, q) == -EINVAL);
  CHECK(workq_open_or_create(name, &options.it, q) == -EINVAL);
  options.it.future = 0;
#endif
  CHECK(workq_open(name, &options.it, q) == -ENOENT);
  CHECK(workq_create(name, &options.it, q) == 0);
  workq *other;
  CHECK(workq_open(name, &options.it, &other) == 0);
  CHECK(workq_close(other) == 0);
  CHECK(workq_open_or_create(name, NULL, &other) == 0);
  CHECK(workq_close(other) == 0);
  UNTOUCHED(options);
}

static void add_keys(workq *q) {
  workq_key keys[] = {{"b", 1}, {"c", 1}};
  size_t marked;
  GUARDED(workq_add_options, options);
  memset(&options.it, 0, sizeof options.it);
  options.it.priority = 3;
#ifdef NEWER
  options.it.future = 1;
  CHECK(workq_add_opts(q, "a", 1, &options.it) == -EINVAL);
  CHECK(workq_add_batch(q, keys, 2, &options.it, &marked) == -EINVAL);
  options.it.future = 0;
#endif
  CHECK(workq_add_opts(q, "a", 1, &options.it) == 1);
  CHECK(workq_add_batch(q, keys, 2, &options.it, &marked) == 2 && marked == 2);
  UNTOUCHED(options);
}

static void look_at_keys(workq *q) {
  GUARDED(workq_info, info);
  CHECK(workq_peek(q, &info.it) == 1);
  CHECK(info.it.key_len == 1 && *(const char *)info.it.key == 'a' && info.it.priority == 3);
  UNTOUCHED(info);
  CHECK(workq_state(q, "b", 1, &info.it) == WORKQ_STATE_READY);
  CHECK(info.it.key_len == 1 && info.it.waiting_ns >= 0);
  UNTOUCHED(info);
  memset(&info.it, 0, sizeof info.it);
  info.it.key = "d";
  info.it.key_len = 1;
  info.it.state = WORKQ_STATE_BURIED;
  CHECK(workq_restore(q, &info.it) == 1);
#ifdef NEWER
  info.it.future = 1;
  CHECK(workq_restore(q, &info.it) == -EINVAL);
#endif
}

static void look_at_figures(workq *q) {
  GUARDED(workq_stats_data, stats);
  CHECK(workq_stats(q, &stats.it) == 0);
  CHECK(stats.it.ready == 3 && stats.it.buried == 1 && stats.it.capacity == 10);
  UNTOUCHED(stats);
  GUARDED(workq_measures, measures);
  CHECK(workq_measure(q, &measures.it) == 0);
  CHECK(measures.it.stats.ready == 3 && measures.it.depth[128 + 3] == 3);
  UNTOUCHED(measures);
#ifdef NEWER
  CHECK(stats.it.future == 0 && measures.it.future == 0);
#endif
  workq_measures both[2] = {measures.it, measures.it};
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  CHECK(out && workq_metrics_print(both, 2, out) == 0);
  CHECK(fclose(out) == 0 && strstr(text, "workqueue_depth"));
  free(text);
}

static void run_pool(workq *q) {
  GUARDED(workq_pool, pool);
  memset(&pool.it, 0, sizeof pool.it);
  pool.it.until_empty = 1;
#ifdef NEWER
  pool.it.future = 1;
  CHECK(workq_run(q, &pool.it, handle_key) == -EINVAL);
  pool.it.future = 0;
#endif
  CHECK(workq_run(q, &pool.it, handle_key) == 0);
  CHECK(workq_len(q) == 0);
  UNTOUCHED(pool);
}

int main(int argc, char **argv) {
  workq *q;
  CHECK(argc == 2);
  make_queue(argv[1], &q);
  add_keys(q);
  look_at_keys(q);
  look_at_figures(q);
  run_pool(q);
  CHECK(workq_close(q) == 0);
  CHECK(workq_unlink(argv[1]) == 0);
  return 0;
}
