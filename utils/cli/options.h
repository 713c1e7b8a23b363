/*
 * Options and arguments of the subcommands.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_CLI_OPTIONS_H
#define WORKQ_UTILS_CLI_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>

#include <workq.h>

#include "common/status.h"

/* An option that every subcommand which opens a queue has: --shared. */
#define OPTION_SHARED 0x100
/* clang-format off */
#define LONG_OPTION_SHARED {"shared", no_argument, NULL, OPTION_SHARED}
#define LONG_OPTION_END    {NULL, 0, NULL, 0}
/* clang-format on */

/*
 * getopt_long() that names what is wrong in one line: returns '?' then, and the caller returns
 * STATUS_USAGE.  A subcommand's argv[0] is its own name.  short_options must begin with ':' ("+:"
 * is not supported).
 */
int next_option(int argc, char **argv, const char *short_options, const struct option *long_options);

/* Says what is wrong with the arguments, and where help is.  Returns STATUS_USAGE. */
int usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * The arguments that are no options: at least min, at most max of them, the first of which is the
 * queue's name.  Returns STATUS_OK, or STATUS_USAGE with the fault said.  They start at
 * argv[optind].
 */
int expect_arguments(int argc, char **argv, int min, int max);

/*
 * For a subcommand whose only argument is a queue, and whose only option is --shared: opens that
 * queue.  Returns STATUS_OK, or the status to end with.
 */
int open_argument(int argc, char **argv, const char **name, workq **out);

#endif
