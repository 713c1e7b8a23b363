/*
 * The subcommands without options of their own: resume, pause, unpause, rm.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>

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

int cmd_rm(int argc, char **argv) {
  static const struct option options[] = {LONG_OPTION_END};
  if (next_option(argc, argv, ":", options) != -1) return STATUS_USAGE;
  if (expect_arguments(argc, argv, 1, 1) != STATUS_OK) return STATUS_USAGE;
  int result = workq_unlink(argv[optind]);
  if (result == -ENOENT) return fail("there is no queue '%s'; workq ls lists those there are", argv[optind]);
  return result < 0 ? queue_failed(argv[optind], NULL, result) : STATUS_OK;
}
