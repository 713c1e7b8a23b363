/*
 * A worker of `workq run`, with its command; see run_shared.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_CLI_ATTEND_H
#define WORKQ_UTILS_CLI_ATTEND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "exec.h"
#include "run_shared.h"

struct attend {
  struct command command;
  struct run_shared *shared;
  int64_t timeout_ns;       /* how long a command may take for a key; 0: as long as it likes */
  int64_t start_timeout_ns; /* how long commands may fail to start before the run ends */
  int32_t max_retries;      /* of the queue; 0: no limit */
  bool quiet;               /* says nothing about failures */
  pid_t supervisor;
  int wake_fd; /* an eventfd that wakes the supervisor */
};

/* Callbacks of a worker, as workq_pool has them. */
int attend_start(struct attend *attend, unsigned worker);
int attend_before_get(struct attend *attend);
int attend_key(struct attend *attend, const workq_item *item, unsigned worker);
void attend_finished(struct attend *attend, int verdict, int result, unsigned worker);

/*
 * Whether this process has living children in the process group, which it had as its own or has
 * adopted.  Those that have ended are waited for.  While there are living ones, the number of the
 * group is that of no other.
 */
bool attend_group_lives(pid_t group);

/* Signals all of the process group.  Returns 0 or -errno. */
int attend_signal_group(pid_t group, int signal);

#endif
