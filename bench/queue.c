/*
 * A queue for a benchmark; see queue.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { KEY_MAX = 64, FILL = 256, NAME_SIZE = 64 };

void bench_name(char *name, size_t size) {
  static unsigned number;
  snprintf(name, size, "bench%u-%d", number++, (int)getpid());
}

/* The queues that are to be removed. */
struct made {
  struct made *next;
  workq *q;
  char name[NAME_SIZE];
};

static struct made *all_made;
static pid_t maker;

/* A forked child runs this, too, if it calls exit(). */
static void remove_all(void) {
  if (getpid() != maker) return;
  for (const struct made *made = all_made; made; made = made->next) workq_unlink(made->name);
}

static void note_made(workq *q, const char *name) {
  struct made *made = bench_alloc(sizeof *made);
  if (!maker) atexit(remove_all);
  maker = getpid();
  *made = (struct made){.next = all_made, .q = q};
  snprintf(made->name, sizeof made->name, "%s", name);
  all_made = made;
}

void bench_close(workq *q) {
  workq_close(q);
  for (struct made **place = &all_made; *place; place = &(*place)->next) {
    struct made *made = *place;
    if (made->q != q) continue;
    workq_unlink(made->name);
    *place = made->next;
    free(made);
    return;
  }
}

workq *bench_queue_named(size_t keys, const workq_options *options, char *name, size_t size) {
  workq_options own = options ? *options : (workq_options){0};
  workq *q;
  if (own.key_max == 0) own.key_max = KEY_MAX;
  if (own.capacity < keys) own.capacity = (uint32_t)keys;
  bench_name(name, size);
  bench_ok(workq_create(name, &own, &q), "workq_create");
  note_made(q, name);
  return q;
}

workq *bench_queue(size_t keys, const workq_options *options) {
  char name[NAME_SIZE];
  return bench_queue_named(keys, options, name, sizeof name);
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
    if (workq_done_batch(q, items, (size_t)n) != n) bench_die("a key that was in hand could not be finished");
  if (n != -ETIMEDOUT) bench_ok(n, "workq_get_batch");
}
