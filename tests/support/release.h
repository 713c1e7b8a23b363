/*
 * A death of which the kernel does not tell by the dead thread's robust mutexes, because its memory was released before it could
 * exit: as the OOM killer's reaper does it, and process_mrelease(2).
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RELEASE_H
#define RELEASE_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Kills a child of one thread with SIGKILL, and releases its memory at once.  The child is still to be waited for.
 * Returns whether its memory was released before it was gone.  Skips the test where the kernel cannot do that.
 */
bool release_kill(pid_t pid);

#endif
