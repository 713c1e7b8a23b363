/*
 * What a queue costs as a whole: attaching to it, and its memory.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue.h"

const char *const bench_who = "workq";

enum { ATTACHES = 1000, CREATES = 200, NAME_SIZE = 64, BLOCK = 512 };

#define US 1e3

/* ---- Attaching ---- */

static void attach(void *arg, size_t first, size_t count) {
  const char *name = arg;
  workq *q;
  (void)first;
  for (size_t i = 0; i < count; i++)
    if (workq_open(name, NULL, &q) == 0) workq_close(q);
}

static double run_attach(const bench_case *c, void *state, double *extra) {
  char name[NAME_SIZE];
  workq *q = bench_queue_named(0, NULL, name, sizeof name), *other;
  (void)c;
  (void)state;
  (void)extra;
  int rc = workq_open(name, NULL, &other);
  double attach_ns = bench_in_parts(attach, name, ATTACHES);
  bench_close(q);
  bench_ok(rc, "workq_open");
  workq_close(other);
  return attach_ns / US;
}

static void create(void *arg, size_t first, size_t count) {
  (void)arg;
  (void)first;
  for (size_t i = 0; i < count; i++) bench_close(bench_queue(0, NULL));
}

static double run_create(const bench_case *c, void *state, double *extra) {
  (void)c;
  (void)state;
  (void)extra;
  return bench_in_parts(create, NULL, CREATES) / US;
}

/* ---- Memory ---- */

typedef struct memory {
  bool known; /* it is the same each time, and so done once */
  double full, empty, after;
} memory;

/* What was asked for of a queue. */
enum { TIGHT, DEFAULT, DELAYED };

static double bytes_of(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) bench_die("fstat failed");
  return (double)status.st_blocks * BLOCK;
}

/* Opens the file, too. */
static workq *make(const workq_options *options, int *fd) {
  char name[NAME_SIZE], path[NAME_SIZE * 2];
  workq *q = bench_queue_named(0, options, name, sizeof name);
  snprintf(path, sizeof path, "/dev/shm/workq.%s", name);
  *fd = open(path, O_RDONLY | O_CLOEXEC);
  if (*fd < 0) bench_die("%s cannot be opened", path);
  return q;
}

/* Keys of 24 bytes. */
static void fill(workq *q, size_t count, const workq_add_options *options) {
  char key[BENCH_KEY_SIZE];
  for (size_t i = 0; i < count; i++) {
    int len = snprintf(key, sizeof key, "default/config-%09zu", i);
    if (workq_add_opts(q, key, (size_t)len, options) != 1) bench_die("key %zu could not be added", i);
  }
}

static void weigh(memory *m, size_t count, int kind) {
  workq_options options = {.key_max = 256};
  workq_add_options later = {.after_ns = INT64_C(3600000000000)};
  int fd;
  if (kind != DEFAULT) options = (workq_options){.key_max = 64, .capacity = (uint32_t)count};
  workq *q = make(&options, &fd);
  m->empty = bytes_of(fd);
  fill(q, count, kind == DELAYED ? &later : NULL);
  m->full = bytes_of(fd);
  bench_drain(q);
  m->after = bytes_of(fd);
  close(fd);
  bench_close(q);
}

static void *set(const bench_case *c) {
  (void)c;
  return bench_alloc(sizeof(memory));
}

static void strike(const bench_case *c, void *state) {
  (void)c;
  free(state);
}

static double tell(const bench_case *c, memory *m, int kind, double *extra) {
  if (!m->known) weigh(m, c->size, kind);
  m->known = true;
  extra[0] = m->empty;
  extra[1] = (m->after - m->empty) / (double)c->size;
  return (m->full - m->empty) / (double)c->size;
}

static double run_tight(const bench_case *c, void *state, double *extra) {
  return tell(c, state, TIGHT, extra);
}

static double run_default(const bench_case *c, void *state, double *extra) {
  return tell(c, state, DEFAULT, extra);
}

static double run_delayed(const bench_case *c, void *state, double *extra) {
  return tell(c, state, DELAYED, extra);
}

static const bench_extra extras[] = {{"empty", "bytes"}, {"drained", NULL}, {0}};
static const bench_extra delayed_extras[] = {{"empty", "bytes"}, {0}};

#define NONE                                                                                                           \
  { 0 }

const bench_case bench_cases[] = {
    {"attach", "us", "open and close of a queue", NONE, 0, NULL, run_attach, NULL, NULL},
    {"create", "us", "create, unlink and close of a queue", NONE, 0, NULL, run_create, NULL, NULL},
    {"memory/100k", "bytes/key", "/dev/shm for each of so many keys of 24 bytes, key_max 64; empty, when drained", NONE,
     100000, set, run_tight, strike, extras},
    {"memory/1m", "bytes/key", "the same", NONE, 1000000, set, run_tight, strike, extras},
    {"memory/10m", "bytes/key", "the same", NONE, 10000000, set, run_tight, strike, extras},
    {"memory-default/1m", "bytes/key", "the same, default options (key_max 256)", NONE, 1000000, set, run_default,
     strike, extras},
    {"memory-delayed/1m", "bytes/key", "the same, all delayed, key_max 64", NONE, 1000000, set, run_delayed, strike,
     delayed_extras},
    {0}};
