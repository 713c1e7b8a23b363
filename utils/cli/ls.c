/*
 * `workq ls`: the queues of this machine.  Each is looked at without its lock and without a slot,
 * so that a stuck one does not hold the list up.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/escape.h"
#include "common/queue_list.h"
#include "common/say.h"
#include "common/trust.h"
#include "options.h"
#include "subcommands.h"

static const char *state_name(const workq_stats_data *stats) {
  if (stats->shut_down != 0) return "shut-down";
  return stats->paused != 0 ? "paused" : "open";
}

static int read_stats(const char *name, workq_stats_data *stats) {
  workq_options options = {.flags = WORKQ_RAW};
  workq *q;
  trust_others(&options, true);
  int result = workq_open(name, &options, &q);
  if (result < 0) return result;
  result = workq_stats(q, stats);
  workq_close(q);
  return result;
}

/* One line; for a terminal in columns of the given width, else separated by tabs. */
static void print_queue(const char *name, int width) {
  workq_stats_data stats;
  int result = read_stats(name, &stats);
  if (result == -ENOENT) return; /* removed since the names were read */
  char *text = escape(name, strlen(name));
  if (result < 0)
    printf(width > 0 ? "%-*s  %10s %10s %10s %10s %8s %12s  error: %s\n" : "%-*s\t%s\t%s\t%s\t%s\t%s\t%s\terror: %s\n",
           width, text, "-", "-", "-", "-", "-", "-", workq_strerror(result));
  else
    printf(width > 0 ? "%-*s  %10u %10u %10u %10u %8u %12" PRIu64 "  %s\n"
                     : "%-*s\t%u\t%u\t%u\t%u\t%u\t%" PRIu64 "\t%s\n",
           width, text, stats.ready, stats.processing, stats.delayed, stats.buried, stats.attached, stats.committed,
           state_name(&stats));
  free(text);
}

/* The widest name's columns, once escaped. */
static int name_width(char **names, int count) {
  size_t widest = strlen("NAME");
  for (int i = 0; i < count; i++) {
    char *text = escape(names[i], strlen(names[i]));
    if (strlen(text) > widest) widest = strlen(text);
    free(text);
  }
  return (int)widest;
}

int cmd_ls(int argc, char **argv) {
  static const struct option options[] = {LONG_OPTION_END};
  if (next_option(argc, argv, ":", options) != -1) return STATUS_USAGE;
  if (expect_arguments(argc, argv, 0, 0) != STATUS_OK) return STATUS_USAGE;
  char **names;
  int count = queue_list_read(&names);
  if (count < 0) return fail("cannot list the queues: %s", workq_strerror(count));
  int width = isatty(STDOUT_FILENO) && count > 0 ? name_width(names, count) : 0;
  if (width > 0)
    printf("%-*s  %10s %10s %10s %10s %8s %12s  STATE\n", width, "NAME", "READY", "PROCESSING", "DELAYED", "BURIED",
           "HANDLES", "BYTES");
  for (int i = 0; i < count; i++) print_queue(names[i], width);
  queue_list_free(names, count);
  return STATUS_OK;
}
