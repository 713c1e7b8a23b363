/*
 * Death at a store: the segment as a dead process would leave it.
 *
 * At the chosen store inside the lock all bytes but those of mutexes are put aside, and the operation goes on to its end.
 * Then these bytes are brought back, and the mutex says, as the kernel would have it, that its owner has died.  What follows is
 * the library's own recovery.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef STORES_H
#define STORES_H

#include "shm/handle.h"

/* Once: q is any handle; all that take part are copies of one mapping. */
void stores_begin(workq *q);

/* Copies all that a run can change, without journals; to and from are segments. */
void stores_copy(const workq *q, unsigned char *to, const unsigned char *from);

/* The store of this number from now on, counted from 1, or the first after it that is inside the lock. */
void stores_arm(uint64_t store);
/* Returns the slot whose handle died there, or -1 if there was no such store. */
int stores_disarm(void);
/* After stores_disarm() gave a slot: the bytes are those at its death.  Returns how many lines its journal holds. */
uint32_t stores_bring_back(void);

/* Nobody holds the mutex: lets it look as if its owner had died. */
void stores_bereave(pthread_mutex_t *mutex);

#endif
