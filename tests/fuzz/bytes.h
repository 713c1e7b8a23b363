/*
 * The input of a fuzz target as a source of decisions.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BYTES_H
#define BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What libFuzzer calls, and replay.c with the inputs that are kept. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void bytes_begin(const uint8_t *data, size_t size);
/* Have all been used?  From then on every decision is the first of its choices. */
bool bytes_end(void);
/* A number below n, from as few bytes as it takes. */
uint64_t bytes_below(uint64_t n);
/* From now on, and until it is called again with false, decisions use no bytes. */
void bytes_spare(bool spare);

#endif
