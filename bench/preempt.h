/*
 * What the scheduler does to a process: so that waiting for a processor is not taken for waiting for workq.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BENCH_PREEMPT_H
#define BENCH_PREEMPT_H

#include <stdint.h>

/* Since the process began. */
typedef struct preempt_times {
  uint64_t ran_ns;
  uint64_t queued_ns; /* ready to run, but another one did; of what has not ended yet it knows nothing */
  uint64_t runs;      /* how often it was given a processor */
} preempt_times;

/* For preempt_read(), of a process with one thread.  Ends the program, as skipped, where the kernel does not tell. */
int preempt_open(int pid);
preempt_times preempt_read(int fd);

/* From now on this process, and its children, run before all ordinary ones; where that is not allowed: nothing. */
void preempt_all(void);

#endif
