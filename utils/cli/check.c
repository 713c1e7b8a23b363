/*
 * `workq check`: verifies every invariant of the segment and says what is broken.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/escape.h"
#include "common/queue_error.h"
#include "common/say.h"
#include "options.h"
#include "subcommands.h"

static void print_problem(void *arg, const char *line) {
  (void)arg;
  char *text = escape(line, strlen(line));
  puts(text);
  free(text);
}

static int report_faults(const char *name, workq *q) {
  int faults = workq_check(q, print_problem, NULL);
  if (faults < 0) return queue_failed(name, q, faults);
  if (faults > 0)
    return fail("queue '%s' has %d fault%s; save what you need (workq dump --raw --json '%s'), then create it again",
                name, faults, faults == 1 ? "" : "s", name);
  workq_stats_data stats;
  int result = workq_stats(q, &stats);
  if (result < 0) return queue_failed(name, q, result);
  char *text = escape_shown(name, strlen(name), escape_is_utf8(STDOUT_FILENO));
  printf("%s: sound, %u key%s\n", text, stats.keys, stats.keys == 1 ? "" : "s");
  free(text);
  return STATUS_OK;
}

int cmd_check(int argc, char **argv) {
  const char *name;
  workq *q;
  int status = open_argument(argc, argv, &name, &q);
  if (status != STATUS_OK) return status;
  status = report_faults(name, q);
  workq_close(q);
  return status;
}
