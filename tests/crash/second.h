/*
 * Death during recovery: a process has died inside the lock, the one that rolls it back and reaps it is killed at its own
 * instructions, and a third recovers.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SECOND_H
#define SECOND_H

#include "sweep.h"

/* What the second process does when it dies. */
enum second_call { SECOND_LOOK, SECOND_REAP, SECOND_ADD, SECOND_CALLS };

/* Can a victim of this scenario be the first to die? */
bool second_possible(const scenario *s);

/*
 * A sweep over the rescue from a death of first's operation at step k, which must be in the journal; first stands.  The first
 * death is real; its memory is put back for each death of its rescuer.  False where the first did not get there.
 */
bool second_open(sweep *w, sweep *first, size_t k, enum second_call call);
void second_close(sweep *w);

#endif
