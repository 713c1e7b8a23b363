/*
 * What strace.sh looks at: stretches of calls that must not enter the kernel, each between two calls of getppid().
 *
 *   strace_cycles cycles   10,000 times add, get and done of one key, alone on the queue
 *   strace_cycles adds     10,000 adds of keys that are not queued, and 10,000 of keys that are, with a second process
 *                          attached that does not wait for any
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/plain.h"
#include "support/process.h"
#include "workq.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 10000, KEYS = 16 };

static workq *queue;

static void mark(void) {
  (void)getppid();
}

static void cycle(void) {
  workq_item item;
  if (workq_add(queue, "key", 3) != 1) plain_fail("add of an unknown key is not 1");
  plain_ok(workq_get(queue, &item, 0), "get");
  plain_ok(workq_done(queue, &item), "done");
}

static void cycles(void) {
  cycle();
  mark();
  for (int i = 0; i < ROUNDS; i++) cycle();
  mark();
}

static void add_and_empty(void) {
  static const char keys[KEYS + 1] = "abcdefghijklmnop";
  workq_item item;
  for (int i = 0; i < KEYS; i++)
    if (workq_add(queue, &keys[i], 1) != 1 || workq_add(queue, &keys[i], 1) != 0) plain_fail("add is not 1, then 0");
  for (int i = 0; i < KEYS; i++) {
    plain_ok(workq_get(queue, &item, 0), "get");
    plain_ok(workq_done(queue, &item), "done");
  }
}

static void adds(const char *name) {
  int attached[2];
  if (pipe(attached) != 0) plain_fail("pipe failed");
  pid_t other = process_fork();
  if (other == 0) {
    workq *second;
    plain_ok(workq_open(name, NULL, &second), "open");
    if (write(attached[1], "", 1) != 1) plain_fail("write failed");
    for (;;) pause();
  }
  char byte;
  if (read(attached[0], &byte, 1) != 1) plain_fail("read failed");

  /* The first add of each key may have to take memory. */
  add_and_empty();
  mark();
  for (int i = 0; i < ROUNDS; i += KEYS) add_and_empty();
  mark();
  process_kill(other);
}

int main(int argc, char **argv) {
  plain_begin(&argc, argv);
  if (argc != 2) plain_fail("usage: strace_cycles cycles|adds");
  char name[WORKQ_NAME_MAX + 1];
  plain_own(name, sizeof(name), "strace");
  plain_ok(workq_create(name, NULL, &queue), "create");
  if (strcmp(argv[1], "cycles") == 0) cycles();
  else adds(name);
  plain_ok(workq_close(queue), "close");
  return PLAIN_PASS;
}
