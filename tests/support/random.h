/*
 * Random numbers, the same on every machine for one seed.  A fuzz target takes them from its input
 * instead (fuzz/bytes.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* The seed: the number given unless null, else WORKQ_SEED, else one from the clock.  Prints it. */
uint64_t random_seed(const char *given);

/* The next random number of *state, which begins as a seed. */
uint64_t random_next(uint64_t *state);
/* One in 0 ... n - 1. */
uint64_t random_below(uint64_t *state, uint64_t n);
/* True in percent of 100 cases. */
bool random_chance(uint64_t *state, unsigned percent);

#endif
