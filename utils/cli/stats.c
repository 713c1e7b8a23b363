/*
 * `workq stats`: the queue's figures, a name and a value on each line, as one JSON object, or in
 * the text format of Prometheus; in the last for all queues, too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/open.h"
#include "common/output.h"
#include "common/queue_error.h"
#include "common/queue_list.h"
#include "common/say.h"
#include "options.h"
#include "subcommands.h"

static int print_figures(const char *name, bool json, bool shared) {
  workq *q;
  if (open_queue_to_read(name, shared, 0, &q) != STATUS_OK) return STATUS_ERROR;
  workq_stats_data stats;
  workq_limiter limiter;
  int result = workq_stats(q, &stats);
  if (result >= 0) result = workq_get_limiter(q, &limiter);
  int status = STATUS_OK;
  if (result < 0) status = queue_failed(name, q, result);
  else if (json) output_print(stdout, output_queue_json(&stats, &limiter));
  else output_queue_text(&stats, &limiter);
  workq_close(q);
  return status;
}

/*
 * Returns STATUS_OK; STATUS_DECLINED if there is no such queue and that is no fault; STATUS_ERROR
 * with the reason said.  One of many is looked at without its lock and without a handle: one queue
 * that is stuck must not keep the others' figures back, and somebody who looks at all queues must
 * not be felt in any.
 */
static int measure(const char *name, bool shared, bool one_of_many, workq_measures *measures) {
  workq *q;
  int status =
      one_of_many ? open_queue_unless(name, WORKQ_RAW, shared, -ENOENT, &q) : open_queue_to_read(name, shared, 0, &q);
  if (status != STATUS_OK) return status;
  int result = workq_measure(q, measures);
  if (result < 0) status = queue_failed(name, q, result);
  workq_close(q);
  return status;
}

/* A failed write is seen by main(), which asks stdout at the end. */
static int print_metrics(const char *name, bool shared) {
  workq_measures measures;
  int status = measure(name, shared, false, &measures);
  if (status == STATUS_OK) (void)workq_metrics_print(&measures, 1, stdout);
  return status;
}

/* A queue that cannot be looked at is named on standard error, and the others are shown. */
static int print_all_metrics(bool shared) {
  char **names;
  int count = queue_list_read(&names), status = STATUS_OK;
  if (count < 0) return fail("cannot list the queues: %s", workq_strerror(count));
  workq_measures *measures = calloc((size_t)count + 1, sizeof *measures);
  size_t measured = 0;
  for (int i = 0; i < count && measures; i++) {
    int result = measure(names[i], shared, true, &measures[measured]);
    if (result == STATUS_OK) measured++;
    if (result == STATUS_ERROR) status = STATUS_ERROR;
  }
  if (measures) (void)workq_metrics_print(measures, measured, stdout);
  else status = fail("out of memory");
  free(measures);
  queue_list_free(names, count);
  return status;
}

int cmd_stats(int argc, char **argv) {
  static const struct option options[] = {
      {"json", no_argument, NULL, 'j'}, {"prometheus", no_argument, NULL, 'p'}, LONG_OPTION_SHARED, LONG_OPTION_END};
  bool json = false, prometheus = false, shared = false;
  for (int option; (option = next_option(argc, argv, ":", options)) != -1;) {
    if (option == 'j') json = true;
    else if (option == 'p') prometheus = true;
    else if (option == OPTION_SHARED) shared = true;
    else return STATUS_USAGE;
  }
  if (json && prometheus) return usage_error("stats", "--json and --prometheus cannot be combined");
  if (expect_arguments(argc, argv, prometheus ? 0 : 1, 1) != STATUS_OK) return STATUS_USAGE;
  if (!prometheus) return print_figures(argv[optind], json, shared);
  return optind < argc ? print_metrics(argv[optind], shared) : print_all_metrics(shared);
}
