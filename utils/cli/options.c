/*
 * Options and arguments of the subcommands.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/open.h"
#include "common/say.h"

int usage_error(const char *command, const char *format, ...) {
  char *text;
  va_list arguments;
  va_start(arguments, format);
  int length = vasprintf(&text, format, arguments);
  va_end(arguments);
  say("%s: %s (see: workq help %s)", command, length < 0 ? "invalid usage" : text, command);
  if (length >= 0) free(text);
  return STATUS_USAGE;
}

/* Whether getopt_long() refused the word --NAME=VALUE because NAME takes no value. */
static bool has_unwanted_value(const char *word, const struct option *long_options) {
  if (strncmp(word, "--", 2) != 0 || strchr(word, '=') == NULL) return false;
  for (; long_options->name != NULL; long_options++)
    if (long_options->val == optopt && long_options->has_arg == no_argument) return true;
  return false;
}

int next_option(int argc, char **argv, const char *short_options, const struct option *long_options) {
  opterr = 0;
  int option = getopt_long(argc, argv, short_options, long_options, NULL);
  if (option != '?' && option != ':') return option;
  /* A long option is whole in the word just read; of a short one only optopt tells which it was. */
  const char *word = argv[optind - 1];
  char letter[3] = {'-', (char)optopt, '\0'};
  bool is_long = strncmp(word, "--", 2) == 0 && (option == ':' || optopt == 0);
  if (option == ':') usage_error(argv[0], "option '%s' requires a value", is_long ? word : letter);
  else if (has_unwanted_value(word, long_options))
    usage_error(argv[0], "option '%.*s' takes no value", (int)strcspn(word, "="), word);
  else usage_error(argv[0], "unknown option '%s'", is_long ? word : letter);
  return '?';
}

int expect_arguments(int argc, char **argv, int min, int max) {
  int given = argc - optind;
  if (given == 0 && min > 0) return usage_error(argv[0], "missing queue name");
  if (given < min) return usage_error(argv[0], "missing argument");
  if (given > max) return usage_error(argv[0], "unexpected argument '%s'", argv[optind + max]);
  return STATUS_OK;
}

int open_argument(int argc, char **argv, const char **name, workq **out) {
  static const struct option options[] = {LONG_OPTION_SHARED, LONG_OPTION_END};
  bool shared = false;
  for (int option; (option = next_option(argc, argv, ":", options)) != -1;) {
    if (option != OPTION_SHARED) return STATUS_USAGE;
    shared = true;
  }
  if (expect_arguments(argc, argv, 1, 1) != STATUS_OK) return STATUS_USAGE;
  *name = argv[optind];
  return open_queue(*name, 0, shared, out);
}
