/*
 * The command that `workq run` runs for each key: its arguments, and its process until it executes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_CLI_EXEC_H
#define WORKQ_UTILS_CLI_EXEC_H

#include <signal.h>
#include <sys/types.h>

#include <workq.h>

struct command {
  const char *queue_name;
  char **arguments;     /* of the command, its name first; ends with a null pointer */
  sigset_t signal_mask; /* as it was when `workq run` was started: commands get it back */
  sigset_t ignored;     /* what was ignored then, stays so for them */
};

/* Whether the command can be found at all.  STATUS_OK, or STATUS_ERROR with the reason said. */
int exec_check(const struct command *command);

/* Notes the signals as they are now, for the commands. */
void exec_keep_signals(struct command *command);

/*
 * Starts the command for the key.  *result_fd becomes a pipe to read: it ends when the command has been
 * executed, and has an errno before that where it could not be.  Returns the pid, which is the
 * number of its process group and session, too; or -errno.
 */
pid_t exec_start(const struct command *command, const workq_item *item, unsigned worker, _Atomic pid_t *group,
                 int *result_fd);

#endif
