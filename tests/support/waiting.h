/*
 * Processes that stand in line: waiting until one does, and stopping one there; for the plain test programs.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WAITING_H
#define WAITING_H

#include <stdint.h>
#include <sys/types.h>

#include "workq.h"

/* As workq_worker.waiting has it. */
enum { WAITING_GET = 1, WAITING_SPACE = 2, WAITING_DRAIN = 3 };

/* A bound for what must come, and no test of how long that takes, ns; below the longest interval in which a queue is reaped. */
#define WAITING_EVENT_NS INT64_C(50000000000)

/* A pause of a fraction of a millisecond, for who waits for something that makes no event. */
void waiting_moment(void);

/* What a process waits for, 0 for nothing.  A WORKQ_RAW handle will do. */
uint32_t waiting_for(workq *q, pid_t pid);

/* Returns when that process waits for that; fails if that does not come. */
void waiting_await(workq *q, pid_t pid, uint32_t what);

/* Waits until a child has exited with 0, and says this if it does not. */
void waiting_await_end(pid_t pid, const char *what_if_not);

/* Opens a handle for waiting_stop(). */
workq *waiting_open(const char *name);

/* Stops a child that waits with SIGSTOP, and not in the lock, which it takes whenever it wakes: probe is from waiting_open(). */
void waiting_stop(workq *probe, pid_t pid);

#endif
