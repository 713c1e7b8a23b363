/*
 * `workq pause`, `unpause`, `shutdown` and `resume`: what the queue lets happen.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>

#include "common/open.h"
#include "common/parse.h"
#include "common/queue_error.h"
#include "common/say.h"
#include "options.h"
#include "subcommands.h"

/* Opens the queue named by the arguments and calls change. */
static int change_queue(int argc, char **argv, int (*change)(workq *q)) {
  const char *name;
  workq *q;
  int status = open_argument(argc, argv, &name, &q);
  if (status != STATUS_OK) return status;
  int result = change(q);
  if (result < 0) status = queue_failed(name, q, result);
  workq_close(q);
  return status;
}

int cmd_resume(int argc, char **argv) {
  return change_queue(argc, argv, workq_resume);
}

int cmd_pause(int argc, char **argv) {
  return change_queue(argc, argv, workq_pause);
}

int cmd_unpause(int argc, char **argv) {
  return change_queue(argc, argv, workq_unpause);
}

/* ---- Shutdown ------------------------------------------------------------------------------------------------ */

/*
 * Keys that wait for their time, such as a retry, are no part of a drain: a script that goes on to remove
 * the queue should know.
 */
static void tell_what_stays(const char *name, workq *q) {
  workq_stats_data stats;
  if (workq_stats(q, &stats) == 0 && stats.delayed > 0)
    say("queue '%s' is drained; delayed keys that remain in it: %u", name, stats.delayed);
}

static int drain(const char *name, workq *q, int64_t timeout_ns) {
  int result = workq_shutdown_drain(q, timeout_ns);
  if (result == -ECANCELED) return fail("queue '%s': the wait was cancelled by another shutdown or resume", name);
  if (result == -ETIMEDOUT && workq_lock_owner(q) == 0) {
    workq_stats_data stats;
    if ((result = workq_stats(q, &stats)) >= 0)
      return fail("queue '%s' is shut down but not drained yet: %u ready, %u processing (keep waiting: workq shutdown "
                  "'%s' --drain)",
                  name, stats.ready, stats.processing, name);
  }
  if (result < 0) return queue_failed(name, q, result);
  tell_what_stays(name, q);
  return STATUS_OK;
}

int cmd_shutdown(int argc, char **argv) {
  static const struct option options[] = {{"drain", optional_argument, NULL, 'd'}, LONG_OPTION_SHARED, LONG_OPTION_END};
  bool drains = false, shared = false;
  int64_t timeout_ns = WORKQ_FOREVER;
  for (int option; (option = next_option(argc, argv, ":", options)) != -1;) {
    if (option == OPTION_SHARED) {
      shared = true;
    } else if (option == 'd') {
      drains = true;
      if (optarg != NULL && !parse_duration(optarg, &timeout_ns))
        return usage_error(argv[0], "--drain takes a duration such as 30s, not '%s'", optarg);
      /* getopt_long() knows no optional value in a word of its own; a following duration is one. */
      if (optarg == NULL && optind < argc && parse_duration(argv[optind], &timeout_ns)) optind++;
    } else {
      return STATUS_USAGE;
    }
  }
  if (expect_arguments(argc, argv, 1, 1) != STATUS_OK) return STATUS_USAGE;
  const char *name = argv[optind];
  workq *q;
  if (open_queue(name, 0, shared, &q) != STATUS_OK) return STATUS_ERROR;
  int status = STATUS_OK;
  if (drains) {
    status = drain(name, q, timeout_ns);
  } else {
    int result = workq_shutdown(q);
    if (result < 0) status = queue_failed(name, q, result);
  }
  workq_close(q);
  return status;
}
