/*
 * `workq dump`: the queue, its workers and its keys, as text for people or as JSON, one object a
 * line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdio.h>

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
  int opened = flags ? open_queue(name, flags, shared, &q) : open_queue_to_read(name, shared, 0, &q);
  if (opened != STATUS_OK) return STATUS_ERROR;
  int result = json ? dump_json(q) : workq_dump(q, stdout);
  /* -EIO: standard output failed, which main() says. */
  int status = result < 0 && result != -EIO ? queue_failed(name, q, result) : STATUS_OK;
  workq_close(q);
  return status;
}
