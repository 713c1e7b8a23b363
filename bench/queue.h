/*
 * A queue for a benchmark: it is removed when it is closed, and when this process exits.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BENCH_QUEUE_H
#define BENCH_QUEUE_H

#include "bench.h"
#include "workq.h"

/* With key_max 64 and space for `keys` of them; null: options of the default kind otherwise. */
workq *bench_queue(size_t keys, const workq_options *options);

/* The same, and tells its name. */
workq *bench_queue_named(size_t keys, const workq_options *options, char *name, size_t size);

/* Closes a handle, and removes the queue if it is the one that made it. */
void bench_close(workq *q);

/* A name that no other queue has. */
void bench_name(char *name, size_t size);

/* Adds keys 0 ... count - 1. */
void bench_fill(workq *q, size_t count);

/* Adds keys of these numbers (null: as above), by batches. */
void bench_add_numbers(workq *q, const uint32_t *numbers, size_t count, const workq_add_options *options);

/* Gets and finishes all that is ready. */
void bench_drain(workq *q);

#endif
