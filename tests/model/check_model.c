/*
 * The model test: many small queues, each driven with random operations beside the reference model; after every
 * operation the complete states are equal.
 *
 * --trial N runs only the trial of this number (a failure names it); --mutant N alters the model, which must be found;
 * --mutants prints how many mutants there are; --verbose tells how often each operation had each result.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "trial.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  OPERATIONS = 220000, /* at scale 100 */
  SMALL_OPERATIONS = 600,
  BIG_OPERATIONS = 1500,
  BIG_EVERY = 64 /* one of so many trials has thousands of keys */
};

typedef struct settings {
  uint64_t seed;
  enum model_mutant mutant;
  long trial; /* -1: all */
  bool verbose;
} settings;

void trial_log(trial *t, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *line = t->log[t->log_count++ % TRIAL_LOG];
  int at = snprintf(line, sizeof t->log[0], "%llu: ", (unsigned long long)t->operation);
  vsnprintf(line + at, sizeof t->log[0] - (size_t)at, format, args);
  va_end(args);
}

void trial_mismatch(trial *t, const char *format, ...) {
  char what[512];
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof what, format, args);
  va_end(args);
  fprintf(stderr, "MISMATCH: seed %llu, trial %u, operation %llu: %s\n", (unsigned long long)t->seed, t->number,
          (unsigned long long)t->operation, what);
  fprintf(stderr, "capacity %u, key_max %u, limiter kinds %u, max_retries %d, max_crashes %d, give_up %u\n",
          t->options.capacity, t->options.key_max, t->options.limiter.kinds, t->options.max_retries,
          t->options.max_crashes, t->options.give_up);
  fprintf(stderr, "the last operations:\n");
  unsigned kept = t->log_count < TRIAL_LOG ? t->log_count : TRIAL_LOG;
  for (unsigned i = t->log_count - kept; i < t->log_count; i++) fprintf(stderr, "  %s\n", t->log[i % TRIAL_LOG]);
  model_print(&t->model);
  workq_dump(t->handles[0], stderr);
  exit(PLAIN_FAIL);
}

int trial_any_handle(trial *t) {
  for (;;) {
    int h = (int)random_below(&t->random, TRIAL_HANDLES);
    if (t->handles[h] != NULL) return h;
  }
}

static int64_t model_clock(void *arg) {
  const trial *t = arg;
  return t->model.now_ns;
}

/* Rates have a whole number of ns a token, and factors are exact in a double, so that both sides round alike. */
static workq_limiter any_limiter(trial *t) {
  static const uint32_t kinds[] = {0,
                                   WORKQ_LIMIT_NONE,
                                   WORKQ_LIMIT_EXPONENTIAL,
                                   WORKQ_LIMIT_FAST_SLOW,
                                   WORKQ_LIMIT_BUCKET,
                                   WORKQ_LIMIT_EXPONENTIAL | WORKQ_LIMIT_BUCKET,
                                   WORKQ_LIMIT_FAST_SLOW | WORKQ_LIMIT_BUCKET,
                                   WORKQ_LIMIT_EXPONENTIAL | WORKQ_LIMIT_FAST_SLOW | WORKQ_LIMIT_BUCKET};
  static const double factors[] = {0, 1, 1.5, 2, 3, 10};
  static const double rates[] = {10, 100, 1000, 1e6, 0.5};
  uint64_t *r = &t->random;
  workq_limiter l = {.kinds = kinds[random_below(r, sizeof kinds / sizeof kinds[0])]};
  if (l.kinds & WORKQ_LIMIT_EXPONENTIAL) {
    l.exp_initial_ns = INT64_C(1) << (10 + random_below(r, 14));
    l.exp_max_ns = l.exp_initial_ns + (int64_t)random_below(r, 100000000);
    l.exp_factor = factors[random_below(r, sizeof factors / sizeof factors[0])];
  }
  if (l.kinds & WORKQ_LIMIT_FAST_SLOW) {
    l.fast_ns = (int64_t)random_below(r, 3) * 1000000;
    l.slow_ns = (int64_t)random_below(r, 20000000);
    l.fast_attempts = (uint32_t)random_below(r, 4);
  }
  if (l.kinds & WORKQ_LIMIT_BUCKET) {
    l.bucket_rate = rates[random_below(r, sizeof rates / sizeof rates[0])];
    l.bucket_burst = 1 + (uint32_t)random_below(r, 10);
  }
  if (random_chance(r, 30)) l.max_wait_ns = 1 + (int64_t)random_below(r, 10000000);
  return l;
}

static workq_options any_options(trial *t, bool big) {
  static const uint32_t key_maxes[] = {1, 2, 8, 16, 63, 64, 65, 128, 300};
  static const int32_t most[] = {0, 1, 2, 3, 5};
  uint64_t *r = &t->random;
  workq_options o = {.capacity = 1 + (uint32_t)random_below(r, 40),
                     .key_max = key_maxes[random_below(r, sizeof key_maxes / sizeof key_maxes[0])],
                     .handles = TRIAL_HANDLES + 1,
                     .limiter = any_limiter(t),
                     .max_retries = most[random_below(r, sizeof most / sizeof most[0])],
                     .max_crashes = most[random_below(r, sizeof most / sizeof most[0])],
                     .give_up = random_chance(r, 50) ? WORKQ_BURY : WORKQ_DROP,
                     .clock = model_clock,
                     .clock_arg = t};
  if (random_chance(r, 15)) o.max_crashes = WORKQ_NEVER;
  if (random_chance(r, 15)) o.max_retries = WORKQ_NEVER;
  if (random_chance(r, 50)) o.crash_forget_ns = random_chance(r, 30) ? WORKQ_FOREVER : INT64_C(1000000000);
  if (big) {
    o.capacity = 1500 + (uint32_t)random_below(r, 2500);
    if (o.key_max < 8) o.key_max = 8;
  }
  return o;
}

/* Random bytes; short ones, keys that begin alike, and equal lengths all come up. */
static void any_keys(trial *t, bool big) {
  uint64_t *r = &t->random;
  unsigned most = t->options.key_max == 1 ? 200 : UINT_MAX;
  t->key_count = 1 + (unsigned)random_below(r, t->options.capacity + t->options.capacity / 2 + 2);
  if (big) t->key_count = t->options.capacity + 500;
  if (t->key_count > most) t->key_count = most;
  t->keys = calloc(t->key_count, sizeof t->keys[0]);
  if (t->keys == NULL) abort();
  for (unsigned i = 0; i < t->key_count;) {
    trial_key *k = &t->keys[i];
    k->len = 1 + random_below(r, random_chance(r, 30) && !big ? 1 : t->options.key_max);
    if (big && k->len < 3) k->len = 3;
    k->bytes = malloc(k->len);
    if (k->bytes == NULL) abort();
    for (size_t b = 0; b < k->len; b++) k->bytes[b] = (unsigned char)random_next(r);
    if (i > 0 && random_chance(r, 20)) memcpy(k->bytes, t->keys[i - 1].bytes, t->keys[i - 1].len < k->len ? 1 : 0);
    bool known = false;
    for (unsigned j = 0; j < i && !known; j++)
      known = t->keys[j].len == k->len && memcmp(t->keys[j].bytes, k->bytes, k->len) == 0;
    if (known) {
      free(k->bytes);
    } else {
      i++;
    }
  }
}

static void begin(trial *t, const settings *s, bool big) {
  t->model.now_ns = 1000000000 + (int64_t)random_below(&t->random, 1000000000);
  t->options = any_options(t, big);
  any_keys(t, big);
  t->crash_chance = 400;
  t->held = calloc(t->options.capacity, sizeof t->held[0]);
  t->order = calloc(t->options.capacity, sizeof t->order[0]);
  if (t->held == NULL || t->order == NULL) abort();
  model_init(&t->model, &t->options, s->mutant);
  plain_ok(workq_create(t->name, &t->options, &t->handles[0]), "workq_create");
  model_open(&t->model, 0);
}

static void end(trial *t) {
  for (int h = 0; h < TRIAL_HANDLES; h++) plain_ok(workq_close(t->handles[h]), "workq_close");
  plain_ok(workq_unlink(t->name), "workq_unlink");
  model_end(&t->model);
  for (unsigned i = 0; i < t->key_count; i++) free(t->keys[i].bytes);
  free(t->keys);
  free(t->held);
  free(t->order);
}

/* Events of rare kinds, summed up: a test in which they never came would prove nothing about them. */
typedef struct rare {
  uint64_t evictions, crash_buried, gave_up, reaped;
} rare;

/* Returns how many operations were done. */
static uint64_t run_trial(const settings *s, const char *name, unsigned number, rare *seen) {
  static trial t;
  t = (trial){.seed = s->seed, .number = number, .random = s->seed + number * UINT64_C(0x632be59bd9b4e019)};
  snprintf(t.name, sizeof t.name, "%s", name);
  bool big = number % BIG_EVERY == BIG_EVERY / 2;
  begin(&t, s, big);
  if (big) trial_fill(&t);
  uint64_t operations = big ? BIG_OPERATIONS : SMALL_OPERATIONS;
  while (t.operation < operations) {
    if (trial_operation(&t)) {
      trial_compare(&t);
      t.operation++;
    } else if (random_chance(&t.random, 20)) {
      trial_compare(&t);
    }
  }
  seen->evictions += t.model.evictions;
  seen->crash_buried += t.model.crash_buried;
  seen->gave_up += t.model.gave_up;
  seen->reaped += t.model.reaped;
  end(&t);
  return operations;
}

static void parse(settings *s, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--mutants") == 0) {
      printf("%d\n", MUTANT_COUNT - 1);
      exit(PLAIN_PASS);
    } else if (strcmp(argv[i], "--verbose") == 0) {
      s->verbose = true;
    } else if (strcmp(argv[i], "--mutant") == 0 && i + 1 < argc) {
      int mutant = atoi(argv[++i]);
      if (mutant < 0 || mutant >= MUTANT_COUNT) plain_fail("no such mutant");
      s->mutant = (enum model_mutant)mutant;
      printf("mutant %d: %s\n", mutant, model_mutant_name(s->mutant));
      fflush(stdout);
    } else if (strcmp(argv[i], "--trial") == 0 && i + 1 < argc) {
      s->trial = atol(argv[++i]);
    } else {
      plain_fail("usage: check_model [--seed N] [--trial N] [--mutant N] [--mutants] [--verbose]");
    }
  }
}

int main(int argc, char **argv) {
  settings s = {.seed = plain_begin(&argc, argv), .trial = -1};
  parse(&s, argc, argv);
  char name[64];
  plain_own(name, sizeof name, "model");
  plain_watchdog(plain_scaled(600) + 900, name);
  rare seen = {0};
  uint64_t done = 0;
  if (s.trial >= 0) {
    done = run_trial(&s, name, (unsigned)s.trial, &seen);
  } else {
    unsigned wanted = plain_scaled(OPERATIONS);
    for (unsigned number = 0; done < wanted; number++) done += run_trial(&s, name, number, &seen);
    if (wanted >= OPERATIONS) {
      trial_require_coverage();
      if (seen.evictions == 0 || seen.crash_buried == 0 || seen.gave_up == 0) plain_fail("a rare event never came");
    }
  }
  if (s.verbose) trial_print_coverage();
  printf("%llu operations, %llu crashed workers, %llu evictions: queue and model agree\n", (unsigned long long)done,
         (unsigned long long)seen.reaped, (unsigned long long)seen.evictions);
  return PLAIN_PASS;
}
