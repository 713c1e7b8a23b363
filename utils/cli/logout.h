/*
 * Whether a user's shared memory is removed when he has logged out: systemd-logind's RemoveIPC.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_CLI_LOGOUT_H
#define WORKQ_UTILS_CLI_LOGOUT_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * True where logind runs, its RemoveIPC is on, and the user is neither a system user nor one who
 * lingers.  root is the directory that has etc, run, usr and var: "" but for tests.  name is the
 * user's, null where he has none.
 */
bool logout_removes(const char *root, uid_t uid, const char *name);

#endif
