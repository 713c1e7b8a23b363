/*
 * `workq dump`: the queue, its workers and its keys, as text for people or as JSON, one object a
 * line.  The library's text is ASCII; on a terminal with UTF-8 characters it passes a stream that
 * shows them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/escape.h"
#include "common/open.h"
#include "common/output.h"
#include "common/queue_error.h"
#include "options.h"
#include "subcommands.h"

static int visit_worker(void *arg, const workq_worker *worker) {
  (void)arg;
  output_print(stdout, output_worker_json(worker));
  return ferror(stdout) != 0 ? -EIO : 0;
}

static int visit_item(void *arg, const workq_info *info) {
  (void)arg;
  output_print(stdout, output_item_json(info));
  return ferror(stdout) != 0 ? -EIO : 0;
}

static int dump_json(workq *q) {
  workq_stats_data stats;
  workq_limiter limiter;
  int result = workq_stats(q, &stats);
  if (result < 0) return result;
  result = workq_get_limiter(q, &limiter);
  if (result < 0) return result;
  output_print(stdout, output_queue_json(&stats, &limiter));
  result = workq_iterate_workers(q, visit_worker, NULL);
  return result < 0 ? result : workq_iterate(q, visit_item, NULL);
}

/* ---- On a terminal with UTF-8 characters -------------------------------------------------------------------- */

/* What was written of a line that has not ended. */
struct unfinished {
  char *line;
  size_t len, size;
};

/* Writes the line, which ends there, with its characters.  Returns whether that was possible. */
static bool print_line(const char *line, size_t len) {
  char *ended = strndup(line, len), *shown = malloc(4 * len + 1);
  bool printed = ended != NULL && shown != NULL;
  if (printed) {
    escape_restore(shown, ended);
    printed = puts(shown) >= 0;
  }
  free(ended);
  free(shown);
  return printed;
}

static ssize_t write_shown(void *cookie, const char *bytes, size_t count) {
  struct unfinished *unfinished = cookie;
  if (unfinished->size - unfinished->len < count) {
    size_t size = 2 * (unfinished->len + count);
    char *grown = realloc(unfinished->line, size);
    if (grown == NULL) return 0;
    unfinished->line = grown;
    unfinished->size = size;
  }
  memcpy(unfinished->line + unfinished->len, bytes, count);
  unfinished->len += count;
  size_t done = 0;
  for (char *end; (end = memchr(unfinished->line + done, '\n', unfinished->len - done)) != NULL;) {
    size_t len = (size_t)(end - unfinished->line) - done;
    if (!print_line(unfinished->line + done, len)) return 0;
    done += len + 1;
  }
  memmove(unfinished->line, unfinished->line + done, unfinished->len - done);
  unfinished->len -= done;
  return (ssize_t)count;
}

static int dump_shown(workq *q) {
  struct unfinished unfinished = {0};
  FILE *out = fopencookie(&unfinished, "w", (cookie_io_functions_t){.write = write_shown});
  if (out == NULL) return -ENOMEM;
  int result = workq_dump(q, out);
  if (fclose(out) != 0 && result == 0) result = -EIO;
  free(unfinished.line);
  return result;
}

int cmd_dump(int argc, char **argv) {
  static const struct option options[] = {
      {"json", no_argument, NULL, 'j'}, {"raw", no_argument, NULL, 'r'}, LONG_OPTION_SHARED, LONG_OPTION_END};
  bool json = false, shared = false;
  uint32_t flags = 0;
  for (int option; (option = next_option(argc, argv, ":", options)) != -1;) {
    if (option == 'j') json = true;
    else if (option == 'r') flags = WORKQ_RAW;
    else if (option == OPTION_SHARED) shared = true;
    else return STATUS_USAGE;
  }
  if (expect_arguments(argc, argv, 1, 1) != STATUS_OK) return STATUS_USAGE;
  const char *name = argv[optind];
  workq *q;
  if (open_queue(name, flags, shared, &q) != STATUS_OK) return STATUS_ERROR;
  int result = json ? dump_json(q) : escape_is_utf8(STDOUT_FILENO) ? dump_shown(q) : workq_dump(q, stdout);
  /* -EIO: standard output failed, which main() says. */
  int status = result < 0 && result != -EIO ? queue_failed(name, q, result) : STATUS_OK;
  workq_close(q);
  return status;
}
