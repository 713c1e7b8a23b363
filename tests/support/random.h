/*
 * Random numbers, the same on every machine for one seed.  A fuzz target has these from its input instead (fuzz/bytes.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* The seed: the number given, if it is not null, else WORKQ_SEED, else one from the clock.  Prints it. */
uint64_t random_seed(const char *given);

/* The next random number of *state, whose first value is a seed; one in 0 ... n - 1; true in percent of 100 cases. */
uint64_t random_next(uint64_t *state);
uint64_t random_below(uint64_t *state, uint64_t n);
bool random_chance(uint64_t *state, unsigned percent);

#endif
