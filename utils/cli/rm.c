/*
 * `workq rm`: removes a queue.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>

#include <workq.h>

#include "common/queue_error.h"
#include "common/say.h"
#include "options.h"
#include "subcommands.h"

int cmd_rm(int argc, char **argv) {
  static const struct option options[] = {LONG_OPTION_END};
  if (next_option(argc, argv, ":", options) != -1) return STATUS_USAGE;
  if (expect_arguments(argc, argv, 1, 1) != STATUS_OK) return STATUS_USAGE;
  int result = workq_unlink(argv[optind]);
  if (result == -ENOENT) return fail("queue '%s' does not exist (list: workq ls)", argv[optind]);
  return result < 0 ? queue_failed(argv[optind], NULL, result) : STATUS_OK;
}
