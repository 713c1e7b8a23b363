/*
 * What the benchmarks share: cases, and how often and in what order they are run.
 *
 * A program lists its cases; main() is here.  Cases run in turn, round by round (A B C A B C ...), the floor that a case is
 * judged by just before it, so that a machine that drifts moves all alike; a case's figure is the median of its rounds.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BENCH_KEY_SIZE = 32, BENCH_ROUNDS = 5, BENCH_ROUNDS_MAX = 1000 };

#define BENCH_NEVER 1e300

/* ---- Floors: what nothing can beat.  Each is ns per one; size: the footprint in bytes, where that matters. ---- */

typedef double bench_floor(size_t size);

bench_floor floor_lock;       /* an uncontended pair of lock and unlock of a robust mutex */
bench_floor floor_load;       /* a load at a place that depends on the load before it, anywhere in so many bytes */
bench_floor floor_cache_line; /* a word to another processor and back, both spinning */
bench_floor floor_futex;      /* the same between two that sleep */
bench_floor floor_syscall;    /* a system call that does nothing */

typedef struct bench_floor_case {
  const char *name;
  bench_floor *measure;
  size_t size;
} bench_floor_case;

/* ---- Cases ---- */

typedef struct bench_extra {
  const char *name;
  const char *unit; /* null: the case's */
} bench_extra;

typedef struct bench_case bench_case;
struct bench_case {
  const char *name;
  const char *unit;
  const char *what;       /* one line for --list */
  bench_floor_case floor; /* measure: null where it has none */
  size_t size;            /* for the functions */
  /* Before the first round; returns what is given to run, or ends the program by bench_die() or bench_skip(). */
  void *(*set)(const bench_case *c);
  /* One round: the figure.  Fills extra, where the case has such. */
  double (*run)(const bench_case *c, void *state, double *extra);
  void (*strike)(const bench_case *c, void *state);
  /* Figures that come with it: name/EXTRA, at most BENCH_EXTRAS, ended by one without a name. */
  const bench_extra *extras;
};

enum { BENCH_EXTRAS = 8 };

/* Given by each program: ended by an entry without a name; and whom it measures, as "workq". */
extern const bench_case bench_cases[];
extern const char *const bench_who;

/* ---- Tools ---- */

double bench_now_ns(void);

/* Says why on standard error, and ends the program: a failure, or (77) what is not available here. */
void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void bench_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Ends the program with these words unless rc >= 0, a result of workq or -errno. */
int bench_ok(int rc, const char *what);

void *bench_alloc(size_t size);
/* Memory that children share.  Never given back. */
void *bench_share(size_t size);

/* "default/configmap-<first>" and so on. */
typedef struct bench_key {
  char text[BENCH_KEY_SIZE];
  size_t len;
} bench_key;
bench_key *bench_keys(size_t first, size_t count);

/* 0 ... below - 1, the same sequence each time. */
uint64_t bench_below(uint64_t *random, uint64_t below);

/* The value that a share of them does not exceed.  Sorts. */
double bench_quantile(double *values, size_t count, double share);

/*
 * Does so many things in BENCH_PARTS parts, each of which is to do `count` of them from number `first`; returns ns for one: the
 * median of the parts, so that those in which the processor was taken away do not count.
 */
enum { BENCH_PARTS = 100 };
typedef void bench_part(void *arg, size_t first, size_t count);
double bench_in_parts(bench_part *part, void *arg, size_t count);

/* A child that dies with its parent, runs this and ends; bench_join() ends the program if that failed. */
int bench_fork(void (*run)(void *arg), void *arg);
void bench_join(int pid);

/* Binds this process to one of the processors that the program was started on; nothing where there are not so many. */
void bench_on_cpu(unsigned cpu);
/* Ends that. */
void bench_on_any_cpu(void);

#endif
