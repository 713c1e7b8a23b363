/*
 * `workq top`: a live view of the queues of this machine.  This file has its arguments.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "top.h"

#include <unistd.h>

#include "cli/options.h"
#include "cli/subcommands.h"
#include "common/clock.h"
#include "common/open.h"
#include "common/parse.h"
#include "common/say.h"

#define INTERVAL_MIN_NS (NS_PER_S / 10)

static int read_options(int argc, char **argv, struct top *top) {
  static const struct option options[] = {
      {"interval", required_argument, NULL, 'n'}, LONG_OPTION_SHARED, LONG_OPTION_END};
  for (int option; (option = next_option(argc, argv, ":", options)) != -1;) {
    if (option == OPTION_SHARED) top->shared = true;
    else if (option != 'n') return STATUS_USAGE;
    else if (!parse_duration(optarg, &top->interval_ns) || top->interval_ns < INTERVAL_MIN_NS)
      return usage_error(argv[0], "--interval takes a duration from 100ms on, like 1s, not '%s'", optarg);
  }
  if (expect_arguments(argc, argv, 0, 1) != STATUS_OK) return STATUS_USAGE;
  if (optind < argc) top->only = argv[optind];
  return STATUS_OK;
}

/* That there is such a queue, and that it may be read. */
static int try_queue(const struct top *top) {
  workq *q;
  if (top->only == NULL) return STATUS_OK;
  int status = open_queue(top->only, WORKQ_RAW, top->shared, &q);
  if (status == STATUS_OK) workq_close(q);
  return status;
}

int cmd_top(int argc, char **argv) {
  struct top top = {.interval_ns = NS_PER_S};
  int status = read_options(argc, argv, &top);
  if (status != STATUS_OK) return status;
  if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
    return fail("top: standard input and output must be a terminal; for scripts use: workq stats, workq dump --json");
  status = try_queue(&top);
  return status == STATUS_OK ? top_run(&top) : status;
}
