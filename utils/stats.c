/*
 * `workq stats`: the queue's figures, a name and a value on each line, or as one JSON object.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "common.h"
#include "report.h"

int cmd_stats(int argc, char **argv) {
  static const struct option options[] = {{"json", no_argument, NULL, 'j'}, LONG_OPTION_SHARED, LONG_OPTION_END};
  bool json = false, shared = false;
  for (int option; (option = next_option(argc, argv, ":", options)) != -1;) {
    if (option == 'j') json = true;
    else if (option == OPTION_SHARED) shared = true;
    else return STATUS_USAGE;
  }
  if (expect_arguments(argc, argv, 1, 1) != STATUS_OK) return STATUS_USAGE;
  const char *name = argv[optind];
  workq *q;
  if (open_queue(name, 0, shared, &q) != STATUS_OK) return STATUS_ERROR;
  workq_stats_data stats;
  workq_limiter limiter;
  int result = workq_stats(q, &stats);
  if (result >= 0) result = workq_get_limiter(q, &limiter);
  int status = STATUS_OK;
  if (result < 0) status = queue_failed(name, q, result);
  else if (json) report_print(stdout, report_queue_json(&stats, &limiter));
  else report_queue_text(&stats, &limiter);
  workq_close(q);
  return status;
}
