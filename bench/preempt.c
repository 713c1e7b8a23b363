/*
 * What the scheduler does to a process; see preempt.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "preempt.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"

int preempt_open(int pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) bench_skip("no %s", path);
  return fd;
}

preempt_times preempt_read(int fd) {
  char text[128];
  ssize_t len = pread(fd, text, sizeof text - 1, 0);
  if (len <= 0) bench_die("a process of the benchmark is gone");
  text[len] = '\0';
  char *at = text;
  preempt_times times;
  times.ran_ns = strtoull(at, &at, 10);
  times.queued_ns = strtoull(at, &at, 10);
  times.runs = strtoull(at, &at, 10);
  return times;
}

void preempt_all(void) {
  const struct sched_param lowest = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
  (void)sched_setscheduler(0, SCHED_FIFO, &lowest);
}
