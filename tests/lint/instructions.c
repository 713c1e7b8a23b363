/*
 * What instructions.sh counts under callgrind: stretches of calls, each of two lengths, so that what is not a part of the calls
 * drops out of the difference.  Prints a line "NAME ROUNDS" for each stretch, in order; or one that begins with
 * "SKIPPED" where instructions.txt does not speak of this build.
 *
 * The clock is a counter, so that nothing depends on how long anything takes.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/plain.h"
#include "workq.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
  KEYS = 1024,
  GROWN = 4 * KEYS,
  BATCH = 32,
  SHORT = 512,
  LONG = 1024,
  KEY_SIZE = 32,
  KEY_MAX = 64,
  TICK_NS = 100
};

typedef struct operation {
  const char *name;
  uint32_t unmeasured;
  void (*before)(unsigned rounds); /* or null */
  void (*run)(unsigned rounds);
} operation;

static char name[WORKQ_NAME_MAX + 1];
static workq *queue;
static char texts[GROWN][KEY_SIZE];
static workq_key keys[GROWN];
static workq_item items[LONG];

static int64_t tick(void *arg) {
  int64_t *now_ns = arg;
  return *now_ns += TICK_NS;
}

static void make_keys(void) {
  for (unsigned i = 0; i < GROWN; i++) {
    int len = snprintf(texts[i], sizeof texts[i], "default/configmap-%u", i);
    keys[i] = (workq_key){.data = texts[i], .len = (size_t)len};
  }
}

static void add(unsigned rounds) {
  for (unsigned i = 0; i < rounds; i++)
    if (workq_add(queue, keys[i].data, keys[i].len) != 1) plain_fail("an add is not 1");
}

static void get(unsigned rounds) {
  for (unsigned i = 0; i < rounds; i++)
    if (workq_get(queue, &items[i], 0) != 0) plain_fail("a get is not 0");
}

static void done(unsigned rounds) {
  for (unsigned i = 0; i < rounds; i++)
    if (workq_done(queue, &items[i]) != 0) plain_fail("a done is not 0");
}

static void add_and_get(unsigned rounds) {
  add(rounds);
  get(rounds);
}

static void add_all(unsigned rounds) {
  (void)rounds;
  add(KEYS);
}

static void add_known(unsigned rounds) {
  for (unsigned i = 0; i < rounds; i++)
    if (workq_add(queue, keys[i].data, keys[i].len) != 0) plain_fail("an add of a queued key is not 0");
}

static void cycle(unsigned rounds) {
  for (unsigned i = 0; i < rounds; i++)
    if (workq_add(queue, keys[i].data, keys[i].len) != 1 || workq_get(queue, items, 0) != 0 ||
        workq_done(queue, items) != 0)
      plain_fail("a cycle failed");
}

static void cycle_next(unsigned rounds) {
  for (unsigned i = 0; i < rounds; i++)
    if (workq_add(queue, keys[i].data, keys[i].len) != 1 || workq_next(queue, items, 0) != 0)
      plain_fail("a cycle by next failed");
}

static void one_in_hand(unsigned rounds) {
  (void)rounds;
  plain_ok(workq_add(queue, "first", 5), "add");
  get(1);
}

static void cycle_batch(unsigned rounds) {
  for (unsigned i = 0; i < rounds; i += BATCH)
    if (workq_add_batch(queue, &keys[i], BATCH, NULL, NULL) != BATCH ||
        workq_get_batch(queue, items, BATCH, 0) != BATCH || workq_done_batch(queue, items, BATCH) != BATCH)
      plain_fail("a batch failed");
}

static void fail_once(unsigned rounds) {
  for (unsigned i = 0; i < rounds; i++)
    if (workq_add(queue, keys[i].data, keys[i].len) != 1 || workq_get(queue, items, 0) != 0 ||
        workq_retry(queue, items) != 1 || workq_get(queue, items, 0) != 0 || workq_complete(queue, items) != 0)
      plain_fail("a failure failed");
}

static const operation operations[] = {{"cycle/0", 0, NULL, cycle},
                                       {"cycle-unmeasured/0", 1, NULL, cycle},
                                       {"cycle-next/0", 0, one_in_hand, cycle_next},
                                       {"cycle-batch/0", 0, NULL, cycle_batch},
                                       {"add", 0, NULL, add},
                                       {"get", 0, add, get},
                                       {"done", 0, add_and_get, done},
                                       {"dedup", 0, add_all, add_known},
                                       {"fail-once", 0, NULL, fail_once}};

/* A queue that has been in use: its table and its records are there. */
static void make_queue(const operation *o, int64_t *now_ns) {
  workq_options options = {.key_max = KEY_MAX,
                           .no_metrics = o->unmeasured,
                           .limiter = {.kinds = WORKQ_LIMIT_NONE},
                           .clock = tick,
                           .clock_arg = now_ns};
  plain_ok(workq_create(name, &options, &queue), "create");
  add(GROWN);
  for (unsigned i = 0; i < GROWN; i++) {
    plain_ok(workq_get(queue, items, 0), "get");
    plain_ok(workq_done(queue, items), "done");
  }
}

#ifdef __clang__
#define KEPT __attribute__((noinline))
#else
#define KEPT __attribute__((noinline, noclone))
#endif

/* Callgrind counts what is inside of this, and writes a file at each return. */
void instructions_stretch(void (*run)(unsigned rounds), unsigned rounds);

KEPT void instructions_stretch(void (*run)(unsigned rounds), unsigned rounds) {
  run(rounds);
}

static void count(const operation *o, unsigned rounds) {
  int64_t now_ns = 1;
  make_queue(o, &now_ns);
  if (o->before) o->before(rounds);
  instructions_stretch(o->run, rounds);
  printf("%s %u\n", o->name, rounds);
  workq_close(queue);
  plain_ok(workq_unlink(name), "unlink");
}

/* Of the compiler's switches instructions.sh knows more. */
static const char *unlike(void) {
#if !defined(__x86_64__) || !defined(__LP64__)
  return "this is no x86-64";
#elif !defined(__GLIBC__)
  return "the C library is not glibc";
#elif defined(__clang__) || !defined(__GNUC__)
  return "the compiler is not gcc";
#elif defined(WORKQ_JOURNAL_CHECK)
  return "this build checks the journal";
#else
  return NULL;
#endif
}

int main(void) {
  if (unlike()) {
    printf("SKIPPED: %s\n", unlike());
    return PLAIN_SKIP;
  }
#ifdef __GLIBC__
  printf("build gcc %d, glibc %d.%d, x86-64, -O2\n", __GNUC__, __GLIBC__, __GLIBC_MINOR__);
#endif
  make_keys();
  plain_own(name, sizeof name, "instructions");
  for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
    count(&operations[i], SHORT);
    count(&operations[i], LONG);
  }
  return PLAIN_PASS;
}
