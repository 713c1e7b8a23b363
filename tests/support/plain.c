/*
 * The common part of the plain test programs; see plain.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "plain.h"

#include "random.h"
#include "workq.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { OWNED_MAX = 8 };

static char owned[OWNED_MAX][64];
static unsigned owned_count;
static pid_t owner_pid;

uint64_t plain_number(const char *text, const char *what) {
  char *end;
  errno = 0;
  uint64_t value = strtoull(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0') plain_fail("%s is not a number: %s", what, text);
  return value;
}

uint64_t plain_begin(int *argc, char **argv) {
  const char *seed = NULL;
  int kept = 1;
  for (int i = 1; i < *argc; i++) {
    if (strcmp(argv[i], "--seed") == 0 && i + 1 < *argc) {
      seed = argv[++i];
    } else {
      argv[kept++] = argv[i];
    }
  }
  *argc = kept;
  argv[kept] = NULL;
  return random_seed(seed);
}

unsigned plain_scaled(unsigned count) {
  const char *percent = getenv("WORKQ_TEST_SCALE");
  if (percent == NULL) return count;
  uint64_t scaled = count * plain_number(percent, "WORKQ_TEST_SCALE") / 100;
  return scaled == 0 ? 1 : (unsigned)scaled;
}

static void say(const char *what, const char *format, va_list args) {
  char line[1024];
  vsnprintf(line, sizeof line, format, args);
  fprintf(stderr, "%s: %s\n", what, line);
  fflush(stderr);
}

void plain_fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  say("FAIL", format, args);
  va_end(args);
  exit(PLAIN_FAIL);
}

void plain_skip(const char *format, ...) {
  va_list args;
  va_start(args, format);
  say("SKIP", format, args);
  va_end(args);
  exit(PLAIN_SKIP);
}

int plain_ok(int result, const char *what) {
  if (result < 0) plain_fail("%s: %s (%d)", what, workq_strerror(result), result);
  return result;
}

/* A forked child runs this, too, when it calls exit(); the names are not its own. */
static void unlink_owned(void) {
  if (getpid() != owner_pid) return;
  for (unsigned i = 0; i < owned_count; i++) workq_unlink(owned[i]);
}

void plain_own(char *name, size_t size, const char *prefix) {
  if (owned_count == 0) {
    owner_pid = getpid();
    atexit(unlink_owned);
  }
  if (owned_count == OWNED_MAX) plain_fail("too many queues of one's own");
  snprintf(name, size, "%s-%d-%u", prefix, (int)getpid(), owned_count);
  snprintf(owned[owned_count++], sizeof owned[0], "%s", name);
}

int64_t plain_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The end of the pipe that only the watched process holds is closed when it ends: that is the event waited for. */
static void watch(pid_t watched, int alive, unsigned seconds, const char *name) {
  struct pollfd end = {.fd = alive, .events = POLLIN};
  int64_t until_ns = plain_now_ns() + (int64_t)seconds * 1000000000;
  for (;;) {
    int64_t left_ms = (until_ns - plain_now_ns()) / 1000000;
    if (left_ms <= 0) break;
    if (poll(&end, 1, (int)left_ms) > 0) _exit(0);
  }
  fprintf(stderr, "FAIL: stuck: no end after %u s; queue %s as it is:\n", seconds, name);
  workq_options raw = {.flags = WORKQ_RAW};
  workq *q;
  int result = workq_open(name, &raw, &q);
  if (result < 0) {
    fprintf(stderr, "cannot be opened: %s\n", workq_strerror(result));
  } else {
    workq_dump(q, stderr);
  }
  fflush(stderr);
  kill(watched, SIGKILL);
  workq_unlink(name);
  _exit(PLAIN_FAIL);
}

void plain_watchdog(unsigned seconds, const char *name) {
  int ends[2];
  if (pipe(ends) != 0) plain_fail("pipe: %s", strerror(errno));
  pid_t watched = getpid();
  fflush(NULL);
  pid_t pid = fork();
  if (pid < 0) plain_fail("fork: %s", strerror(errno));
  if (pid == 0) {
    close(ends[1]);
    watch(watched, ends[0], seconds, name);
  }
  close(ends[0]);
}

static void print_problem(void *arg, const char *line) {
  fprintf(stderr, "%s: %s\n", (const char *)arg, line);
}

void plain_check(workq *q, const char *when) {
  char label[128];
  snprintf(label, sizeof label, "%s", when);
  int faults = plain_ok(workq_check(q, print_problem, label), "workq_check");
  if (faults > 0) plain_fail("%s: %d faults found by workq_check", when, faults);
}
