/*
 * The complete logical state of a queue as text: two queues are in the same state if their texts are equal.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef STATE_H
#define STATE_H

#include "shm/handle.h"

enum { STATE_SIZE = 64 << 10 };

typedef struct state_text {
  size_t len;
  char text[STATE_SIZE];
} state_text;

/*
 * Appends a line of heading, all counts and counters (but for those of deaths found and of roll-backs), flags, every key with
 * all that is known of it, the order of the ready, delayed, buried and idle keys, and who has what in hand.  Who holds
 * slots counts, by which process does not; who stands in line does not, since a death may have told a waiter in vain.
 */
void state_tell(state_text *to, workq *q, const char *heading);

/* There is no queue. */
void state_say_none(state_text *to);

/* Fails unless nothing of the dead is left: slots taken, journals, lines, holders of a mutex.  The living have own_handles slots from own_slot on. */
void state_check_tidy(workq *q, uint32_t own_slot, uint32_t own_handles, const char *when);

/* Prints the first line in which they differ. */
void state_print_difference(const state_text *is, const state_text *expected);

#endif
