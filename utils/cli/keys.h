/*
 * Keys that stand on the command line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_CLI_KEYS_H
#define WORKQ_UTILS_CLI_KEYS_H

#include <workq.h>

#include "common/status.h"

/*
 * Checks all of them (the list ends with a null pointer) before anything is done with the first: an
 * empty one is mostly a shell variable that was not set.  did is what is not done then, such as
 * "added".  Returns STATUS_OK, or STATUS_ERROR with the fault said.
 */
int check_keys(const char *name, workq *q, char *const *keys, const char *did);

#endif
