/*
 * `workq ls`: the queues of this machine; in pipes separated by tabs, on a terminal a table.  Each
 * is read without its lock and without a slot, so that a stuck one does not hold the list up.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
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

/* ---- Lines for programs ---- */

static void print_line(const char *name, int result, const workq_stats_data *stats) {
  char *text = escape(name, strlen(name));
  if (result < 0) printf("%s\t-\t-\t-\t-\t-\t-\terror: %s\n", text, workq_strerror(result));
  else
    printf("%s\t%u\t%u\t%u\t%u\t%u\t%" PRIu64 "\t%s\n", text, stats->ready, stats->processing, stats->delayed,
           stats->buried, stats->attached, stats->committed, state_name(stats));
  free(text);
}

/* ---- A table for people ---- */

#define COLUMNS 7

/* The cells of one row; the state is the last. */
struct row {
  char *name;
  char figures[COLUMNS - 1][24];
  const char *state;
  bool error;
};

/* 512, 3.5M, 1.2G: bytes in units of 1024. */
static void print_bytes(char *text, size_t size, uint64_t bytes) {
  static const char units[] = " KMGTPE";
  double value = (double)bytes;
  int unit = 0;
  for (; value >= 999.5 && units[unit + 1] != '\0'; unit++) value /= 1024;
  if (unit == 0) snprintf(text, size, "%" PRIu64, bytes);
  else snprintf(text, size, "%.*f%c", value < 9.95 ? 1 : 0, value, units[unit]);
}

static struct row make_row(const char *name, int result, const workq_stats_data *stats, bool utf8) {
  struct row row = {.name = escape_shown(name, strlen(name), utf8), .error = result < 0};
  const uint32_t counts[] = {stats->ready, stats->processing, stats->delayed, stats->buried, stats->attached};
  for (int i = 0; i < COLUMNS - 2; i++) snprintf(row.figures[i], sizeof row.figures[i], "%" PRIu32, counts[i]);
  print_bytes(row.figures[COLUMNS - 2], sizeof row.figures[0], stats->committed);
  row.state = result < 0 ? workq_strerror(result) : state_name(stats);
  for (int i = 0; i < COLUMNS - 1 && row.error; i++) strcpy(row.figures[i], "-");
  return row;
}

static void print_table(struct row *rows, int count) {
  static const char *const heads[COLUMNS] = {"NAME", "READY", "PROCESSING", "DELAYED", "BURIED", "HANDLES", "MEMORY"};
  int widths[COLUMNS];
  for (int column = 0; column < COLUMNS; column++) {
    widths[column] = (int)strlen(heads[column]);
    for (int i = 0; i < count; i++) {
      int width = column == 0 ? escape_columns(rows[i].name) : (int)strlen(rows[i].figures[column - 1]);
      if (width > widths[column]) widths[column] = width;
    }
  }
  printf("%-*s", widths[0], heads[0]);
  for (int column = 1; column < COLUMNS; column++) printf("  %*s", widths[column], heads[column]);
  puts("  STATE");
  for (int i = 0; i < count; i++) {
    /* printf() would count bytes. */
    printf("%s%*s", rows[i].name, widths[0] - escape_columns(rows[i].name), "");
    for (int column = 1; column < COLUMNS; column++) printf("  %*s", widths[column], rows[i].figures[column - 1]);
    printf("  %s%s\n", rows[i].error ? "error: " : "", rows[i].state);
    free(rows[i].name);
  }
}

/* ---- Both ---- */

static int list(char **names, int count, bool table) {
  struct row *rows = table ? calloc((size_t)count, sizeof *rows) : NULL;
  if (table && rows == NULL) out_of_memory();
  int shown = 0;
  for (int i = 0; i < count; i++) {
    workq_stats_data stats = {0};
    int result = read_stats(names[i], &stats);
    if (result == -ENOENT) continue; /* removed since the names were read */
    if (table) rows[shown++] = make_row(names[i], result, &stats, escape_is_utf8(STDOUT_FILENO));
    else print_line(names[i], result, &stats);
  }
  if (shown > 0) print_table(rows, shown);
  free(rows);
  return STATUS_OK;
}

int cmd_ls(int argc, char **argv) {
  static const struct option options[] = {LONG_OPTION_END};
  if (next_option(argc, argv, ":", options) != -1) return STATUS_USAGE;
  if (expect_arguments(argc, argv, 0, 0) != STATUS_OK) return STATUS_USAGE;
  char **names;
  int count = queue_list_read(&names);
  if (count < 0) return fail("cannot list the queues: %s", workq_strerror(count));
  int status = list(names, count, count > 0 && isatty(STDOUT_FILENO));
  queue_list_free(names, count);
  return status;
}
