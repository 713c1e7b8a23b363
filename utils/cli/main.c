/*
 * The `workq` command: finds the subcommand, and sees to it that output which could not be written
 * is an error.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <workq.h>

#include "common/say.h"
#include "subcommands.h"

/*
 * A standard descriptor that is closed would be given to the queue's segment, and output would be
 * written into it.  Each is opened here for the wrong direction, so that using it is the error that
 * it would have been.
 */
static void hold_standard_descriptors(void) {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; descriptor++)
    if (fcntl(descriptor, F_GETFD) < 0 && open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
      abort();
}

/* The status to end with, once everything is written. */
static int finish(int status) {
  errno = 0;
  if (fflush(stdout) == 0 && ferror(stdout) == 0) return status;
  if (errno == 0) return fail("cannot write to standard output");
  return fail("cannot write to standard output: %s", strerror(errno));
}

static int help(int argc, char **argv) {
  if (argc < 2) {
    subcommands_print_all();
    return STATUS_OK;
  }
  const struct subcommand *command = subcommands_find(argv[1]);
  if (command == NULL || argc > 2) {
    if (command == NULL) say("unknown command '%s' (see: workq help)", argv[1]);
    if (command != NULL) say("help takes one command (see: workq help)");
    return STATUS_USAGE;
  }
  subcommands_print(command);
  return STATUS_OK;
}

/* Whether the subcommand's own arguments (not those behind "--") ask for help. */
static bool asks_for_help(int argc, char **argv) {
  for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
    if (strcmp(argv[i], "--help") == 0) return true;
  return false;
}

static int dispatch(int argc, char **argv) {
  if (argc < 1) {
    say("missing command (see: workq help)");
    return STATUS_USAGE;
  }
  if (strcmp(argv[0], "help") == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
    return help(argc, argv);
  if (strcmp(argv[0], "--version") == 0) {
    printf("workq %s\n", workq_version());
    return STATUS_OK;
  }
  const struct subcommand *command = subcommands_find(argv[0]);
  if (command == NULL) {
    say("unknown command '%s' (see: workq help)", argv[0]);
    return STATUS_USAGE;
  }
  if (asks_for_help(argc, argv)) {
    subcommands_print(command);
    return STATUS_OK;
  }
  return command->run(argc, argv);
}

int main(int argc, char **argv) {
  hold_standard_descriptors();
  setlocale(LC_CTYPE, ""); /* which characters a terminal shows */
  return finish(dispatch(argc - 1, argv + 1));
}
