/*
 * main() of every benchmark; see bench.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

enum { SKIPPED = 77 };

/* ---- Tools ------------------------------------------------------------------------------------------------------ */

double bench_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void say_and_end(int status, const char *format, va_list args) __attribute__((format(printf, 2, 0), noreturn));

static void say_and_end(int status, const char *format, va_list args) {
  fprintf(stderr, "%s%s: ", program_invocation_short_name, status == SKIPPED ? ": skipped" : "");
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  exit(status);
}

void bench_die(const char *format, ...) {
  va_list args;
  va_start(args, format);
  say_and_end(1, format, args);
}

void bench_skip(const char *format, ...) {
  va_list args;
  va_start(args, format);
  say_and_end(SKIPPED, format, args);
}

int bench_ok(int rc, const char *what) {
  if (rc < 0) bench_die("%s: %s", what, strerror(-rc));
  return rc;
}

void *bench_alloc(size_t size) {
  void *memory = calloc(1, size);
  if (!memory) bench_die("no memory for %zu bytes", size);
  return memory;
}

void *bench_share(size_t size) {
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) bench_die("no memory for %zu bytes", size);
  return memory;
}

bench_key *bench_keys(size_t first, size_t count) {
  bench_key *keys = bench_alloc(count * sizeof *keys);
  for (size_t i = 0; i < count; i++)
    keys[i].len = (size_t)snprintf(keys[i].text, sizeof keys[i].text, "default/configmap-%zu", first + i);
  return keys;
}

/* xorshift64*; the high half is good enough to choose keys by. */
uint64_t bench_below(uint64_t *random, uint64_t below) {
  *random ^= *random >> 12;
  *random ^= *random << 25;
  *random ^= *random >> 27;
  return (uint64_t)((*random * UINT64_C(0x2545f4914f6cdd1d) >> 32) * below >> 32);
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double bench_quantile(double *values, size_t count, double share) {
  if (count == 0) return 0;
  qsort(values, count, sizeof *values, compare);
  size_t at = (size_t)(share * (double)count);
  return values[at < count ? at : count - 1];
}

double bench_in_parts(bench_part *part, void *arg, size_t count) {
  double times_ns[BENCH_PARTS];
  size_t each = count / BENCH_PARTS;
  for (size_t i = 0; i < BENCH_PARTS; i++) {
    double start_ns = bench_now_ns();
    part(arg, i * each, each);
    times_ns[i] = (bench_now_ns() - start_ns) / (double)each;
  }
  return bench_quantile(times_ns, BENCH_PARTS, 0.5);
}

int bench_fork(void (*run)(void *arg), void *arg) {
  pid_t parent = getpid(), pid = fork();
  if (pid < 0) bench_die("fork: %s", strerror(errno));
  if (pid > 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  run(arg);
  _exit(0);
}

void bench_join(int pid) {
  int status;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) bench_die("waitpid: %s", strerror(errno));
  if (status != 0) bench_die("a process of the benchmark failed, wait status %d", status);
}

/* The processors that the program was started on.  Children have them from their parent. */
static const cpu_set_t *all_cpus(void) {
  static cpu_set_t all;
  if (CPU_COUNT(&all) == 0) sched_getaffinity(0, sizeof all, &all);
  return &all;
}

void bench_on_cpu(unsigned cpu) {
  const cpu_set_t *all = all_cpus();
  cpu_set_t one;
  CPU_ZERO(&one);
  for (size_t i = 0; i < CPU_SETSIZE; i++) {
    if (!CPU_ISSET(i, all) || cpu-- > 0) continue;
    CPU_SET(i, &one);
    sched_setaffinity(0, sizeof one, &one);
    return;
  }
}

void bench_on_any_cpu(void) {
  sched_setaffinity(0, sizeof(cpu_set_t), all_cpus());
}

/* ---- Running ---------------------------------------------------------------------------------------------------- */

typedef struct running {
  const bench_case *c;
  void *state;
  double values[BENCH_ROUNDS_MAX];
  double floors[BENCH_ROUNDS_MAX];
  double extras[BENCH_ROUNDS_MAX][BENCH_EXTRAS];
} running;

static int rounds = BENCH_ROUNDS;
static bool as_json;
static bool exact; /* names are whole, not the beginnings of such */

static void run_round(running *r, int round) {
  const bench_case *c = r->c;
  if (c->floor.measure) r->floors[round] = c->floor.measure(c->floor.size);
  r->values[round] = c->run(c, r->state, r->extras[round]);
}

static double median_of(const double *values, size_t stride) {
  static double sorted[BENCH_ROUNDS_MAX];
  for (int i = 0; i < rounds; i++) sorted[i] = values[(size_t)i * stride];
  return bench_quantile(sorted, (size_t)rounds, 0.5);
}

static json_t *values_json(const double *values, size_t stride) {
  json_t *array = json_array();
  for (int i = 0; i < rounds; i++) json_array_append_new(array, json_real(values[(size_t)i * stride]));
  return array;
}

/* The same for a case and for the figures that come with it. */
static void print_figure(const char *name, const char *unit, const running *r, const double *values, size_t stride,
                         bool with_floor) {
  if (as_json) {
    json_t *line = json_pack("{s:s, s:s, s:s, s:f, s:o}", "figure", name, "who", bench_who, "unit", unit, "median",
                             median_of(values, stride), "values", values_json(values, stride));
    if (with_floor)
      json_object_set_new(line, "floor",
                          json_pack("{s:s, s:o}", "name", r->c->floor.name, "values", values_json(r->floors, 1)));
    json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(line);
    return;
  }
  double least = BENCH_NEVER, most = -BENCH_NEVER;
  for (int i = 0; i < rounds; i++) {
    double value = values[(size_t)i * stride];
    if (value < least) least = value;
    if (value > most) most = value;
  }
  printf("%-28s %12.4g %s (%.4g to %.4g, %d runs)", name, median_of(values, stride), unit, least, most, rounds);
  if (with_floor) {
    static double times[BENCH_ROUNDS_MAX];
    for (int i = 0; i < rounds; i++) times[i] = values[i] / r->floors[i];
    printf(", %.3g x %s", median_of(times, 1), r->c->floor.name);
  }
  putchar('\n');
}

static void print(const running *r) {
  print_figure(r->c->name, r->c->unit, r, r->values, 1, r->c->floor.measure != NULL);
  for (size_t i = 0; r->c->extras && r->c->extras[i].name; i++) {
    const bench_extra *extra = &r->c->extras[i];
    char name[128];
    snprintf(name, sizeof name, "%s/%s", r->c->name, extra->name);
    print_figure(name, extra->unit ? extra->unit : r->c->unit, r, &r->extras[0][i], BENCH_EXTRAS, false);
  }
  fflush(stdout);
}

/* A case's name, or a part of that up to a slash. */
static bool is_named(const char *name, char **words, int count) {
  for (int i = 0; i < count; i++) {
    size_t len = strlen(words[i]);
    if (strncmp(name, words[i], len) == 0 && (name[len] == '\0' || (name[len] == '/' && !exact))) return true;
  }
  return count == 0;
}

static void list(void) {
  for (const bench_case *c = bench_cases; c->name; c++) printf("%-28s %-6s %s\n", c->name, c->unit, c->what);
  exit(0);
}

static void usage(int status) {
  fprintf(status ? stderr : stdout,
          "usage: %s [--json] [--rounds N] [NAME...]   the figures of these names, or that begin with NAME/\n"
          "           with --exact: only those of these names\n"
          "       %s --list                            what they are\n",
          program_invocation_short_name, program_invocation_short_name);
  exit(status);
}

static void read_options(int argc, char **argv) {
  static const struct option options[] = {{"json", no_argument, NULL, 'j'},  {"rounds", required_argument, NULL, 'r'},
                                          {"exact", no_argument, NULL, 'e'}, {"list", no_argument, NULL, 'l'},
                                          {"help", no_argument, NULL, 'h'},  {0}};
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option == 'j') as_json = true;
    else if (option == 'e') exact = true;
    else if (option == 'l') list();
    else if (option == 'h') usage(0);
    else if (option != 'r' || (rounds = atoi(optarg)) < 1 || rounds > BENCH_ROUNDS_MAX) usage(2);
  }
}

int main(int argc, char **argv) {
  read_options(argc, argv);
  (void)all_cpus();
  size_t count = 0, all = 0;
  while (bench_cases[all].name) all++;
  running *chosen = bench_alloc((all + 1) * sizeof *chosen);
  for (const bench_case *c = bench_cases; c->name; c++)
    if (is_named(c->name, argv + optind, argc - optind)) chosen[count++].c = c;
  if (count == 0) bench_die("no figure is named so; --list names them");
  for (size_t i = 0; i < count; i++)
    if (chosen[i].c->set) chosen[i].state = chosen[i].c->set(chosen[i].c);
  for (int round = 0; round < rounds; round++)
    for (size_t i = 0; i < count; i++) run_round(&chosen[i], round);
  for (size_t i = 0; i < count; i++) {
    if (chosen[i].c->strike) chosen[i].c->strike(chosen[i].c, chosen[i].state);
    print(&chosen[i]);
  }
  free(chosen);
  return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
