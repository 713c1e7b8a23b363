/*
 * Processes that are stopped, or die, inside an operation, with the queue's lock in hand: for
 * engines with ENGINE_LOCK.  Such an engine reads its clock with the lock in hand, and the clock of
 * the tests, fixture_clock(), does it.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef IN_LOCK_H
#define IN_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

#include "workq.h"

/*
 * Arms this process: fixture_clock() raises the signal, once, where clock_is_inside().  0 disarms.
 */
void arm_clock(int signal);
/*
 * For a clock of the armed process: is it read with the lock in hand?  That is the place to stop or
 * to die.  The first reading of a call, for its time stamps, comes before the lock; the second, for
 * what is delayed, after it.
 */
bool clock_is_inside(void);
/* What fixture_clock() does. */
void in_lock_act(void);

/* A child that holds the queue's lock and is stopped there.  When it is resumed it ends. */
pid_t fork_stopped_inside(void);
/* Lets a child run an operation on its own handle, and die in the middle of it, with the lock. */
void die_inside(int (*operation)(workq *handle));

#endif
