/*
 * Every call of the library that takes a handle, so that what holds for all of them is tested for all of them.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CALLS_H
#define CALLS_H

#include <stdbool.h>
#include <stddef.h>

#include "workq.h"

/* The key that the calls are about. */
#define CALLS_KEY "the key of calls"

typedef struct call {
  const char *name;
  int (*run)(workq *q);
  bool enters; /* goes into the queue: takes its lock, and gives the errors that every such call gives */
  bool raw;    /* may be used on a handle that was opened with WORKQ_RAW */
} call;

extern const call calls[];
extern const size_t calls_count;

#endif
