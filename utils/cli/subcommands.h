/*
 * The table of the subcommands, with the help for each.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_CLI_SUBCOMMANDS_H
#define WORKQ_UTILS_CLI_SUBCOMMANDS_H

struct subcommand {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *arguments; /* its usage line, without `workq NAME` */
  const char *summary;   /* one line */
  const char *help;      /* what `workq help NAME` says of it, besides */
};

/* Null where there is none of this name. */
const struct subcommand *commands_find(const char *name);

/* Print to standard output: all of them, and one. */
void commands_print_all(void);
void commands_print(const struct subcommand *command);

#endif
