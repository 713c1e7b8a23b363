/*
 * What operations.c of the model test calls here instead of the library and the model: opening and closing without a file, and
 * operations that are several transactions, which are noted.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INSIDE_H
#define INSIDE_H

#include "model/trial.h"

int inside_open(const char *name, const workq_options *options, workq **out);
int inside_close(workq *q);

/* Does trial_compare() look at all keys by workq_iterate(), too?  That allocates: it is slow after each operation. */
extern bool inside_iterates;
int inside_iterate(workq *q, int (*visit)(void *arg, const workq_info *info), void *arg);

int inside_add_batch(model *m, int handle, const workq_key *keys, size_t n, const workq_add_options *options,
                     size_t *marked);
int inside_get_batch(model *m, int handle, model_item *items, size_t n);
int inside_done_batch(model *m, int handle, const uint64_t *tickets, size_t n);
int inside_kick(model *m, const void *key, size_t len);
void inside_close_model(model *m, int handle);

#endif
