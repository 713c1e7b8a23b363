/*
 * `workq remove` and `workq kick`: changes to keys that are in the queue already.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/escape.h"
#include "common/open.h"
#include "common/queue_error.h"
#include "common/say.h"
#include "options.h"
#include "subcommands.h"

struct request {
  const char *name; /* of the queue */
  workq *q;
  char **keys; /* ends with a null pointer */
  bool verbose;
};

/* Reads the arguments and opens the queue.  Returns STATUS_OK or the status to end with. */
static int read_request(int argc, char **argv, int min_arguments, struct request *out) {
  static const struct option options[] = {{"verbose", no_argument, NULL, 'v'}, LONG_OPTION_SHARED, LONG_OPTION_END};
  bool shared = false;
  out->verbose = false;
  for (int option; (option = next_option(argc, argv, ":v", options)) != -1;) {
    if (option == 'v') out->verbose = true;
    else if (option == OPTION_SHARED) shared = true;
    else return STATUS_USAGE;
  }
  if (expect_arguments(argc, argv, min_arguments, argc) != STATUS_OK) return STATUS_USAGE;
  out->name = argv[optind];
  out->keys = argv + optind + 1;
  return open_queue(out->name, 0, shared, &out->q);
}

/* Says what became of a key that was not changed: result is 0 or an error. */
static void say_unchanged(const struct request *request, const char *key, const char *reason, int result) {
  char *text = escape(key, strlen(key));
  if (result == 0) say("key '%s': %s", text, reason);
  else if (result == -EMSGSIZE || result == -EINVAL) say("key '%s': %s", text, workq_strerror(result));
  else queue_failed(request->name, request->q, result);
  free(text);
}

/* Calls change for each key; those that it does not concern are named, and the others go on. */
static int change_keys(const struct request *request, int (*change)(workq *q, const void *key, size_t len),
                       const char *reason, const char *word) {
  int status = STATUS_OK;
  size_t changed = 0;
  for (char **key = request->keys; *key != NULL; key++) {
    int result = change(request->q, *key, strlen(*key));
    if (result > 0) {
      changed++;
      continue;
    }
    say_unchanged(request, *key, reason, result);
    status = STATUS_ERROR;
    if (result < 0 && result != -EMSGSIZE && result != -EINVAL) break;
  }
  note(request->verbose, "%s %zu", word, changed);
  return status;
}

int cmd_remove(int argc, char **argv) {
  struct request request;
  int status = read_request(argc, argv, 2, &request);
  if (status != STATUS_OK) return status;
  status = change_keys(&request, workq_remove, "nothing to remove", "removed");
  workq_close(request.q);
  return status;
}

static int kick_all(const struct request *request) {
  int result = workq_kick(request->q, NULL, 0);
  if (result < 0) return queue_failed(request->name, request->q, result);
  note(request->verbose, "kicked %d", result);
  return STATUS_OK;
}

int cmd_kick(int argc, char **argv) {
  struct request request;
  int status = read_request(argc, argv, 1, &request);
  if (status != STATUS_OK) return status;
  status = *request.keys == NULL ? kick_all(&request) : change_keys(&request, workq_kick, "not buried", "kicked");
  workq_close(request.q);
  return status;
}
