/*
 * Random numbers; see random.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "random.h"

#include <stdio.h>
#include <stdlib.h>

#include "plain.h"

uint64_t random_seed(const char *given) {
  if (given == NULL) given = getenv("WORKQ_SEED");
  uint64_t seed = given != NULL ? plain_number(given, "the seed") : (uint64_t)plain_now_ns() & UINT64_C(0xffffffffff);
  printf("WORKQ_SEED=%llu\n", (unsigned long long)seed);
  fflush(stdout);
  return seed;
}

/* splitmix64: every state is good, 0 too, so that a seed is a state. */
uint64_t random_next(uint64_t *state) {
  uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

uint64_t random_below(uint64_t *state, uint64_t n) {
  return random_next(state) % n;
}

bool random_chance(uint64_t *state, unsigned percent) {
  return random_below(state, 100) < percent;
}
