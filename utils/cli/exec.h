/*
 * The command that `workq run` runs for each key.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_CLI_EXEC_H
#define WORKQ_UTILS_CLI_EXEC_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <workq.h>

struct command {
  const char *queue_name;
  char **arguments;      /* of the command, its name first; ends with a null pointer */
  int64_t timeout_ns;    /* how long it may take for a key; 0: as long as it likes */
  bool quiet;            /* says nothing about failures */
  int32_t max_retries;   /* of the queue; 0: no limit */
  unsigned workers;      /* how many there are */
  _Atomic pid_t *groups; /* by worker, shared with all of them: the process group of its command, 0 while it has none */
  sigset_t signal_mask;  /* as it was before the pool changed it: commands get it back */
};

/* Whether the command can be found at all.  STATUS_OK, or STATUS_ERROR with the reason said. */
int exec_check(const struct command *command);

/* In the supervisor, before the workers start.  STATUS_OK, or STATUS_ERROR with the reason said. */
int exec_prepare(struct command *command, const workq_stats_data *stats, unsigned workers);

/* In a worker: runs the command for one key.  Returns what a workq_handler returns. */
int exec_run(struct command *command, const workq_item *item, unsigned worker);

/* In the supervisor, when a worker has ended: kills what is left of its command. */
void exec_kill(struct command *command, unsigned worker);

/* In the supervisor, when all workers have ended. */
void exec_finish(struct command *command);

#endif
