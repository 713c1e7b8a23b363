/*
 * `workq remove` and `workq kick`: changes to keys that are in the queue already.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/escape.h"
#include "common/open.h"
#include "common/queue_error.h"
#include "common/say.h"
#include "keys.h"
#include "options.h"
#include "subcommands.h"

struct request {
  const char *name; /* of the queue */
  workq *q;
  char **keys; /* ends with a null pointer */
  bool all;    /* instead of keys */
  bool verbose;
};

/* What one of the subcommands does with a key. */
struct change {
  int (*call)(workq *q, const void *key, size_t len);
  const char *did;    /* to a key: "removed" */
  const char *not_so; /* why it could not */
};

/* Opens the queue of the request, and checks its keys. */
static int open_request(struct request *request, bool shared, const struct change *change) {
  int status = open_queue(request->name, 0, shared, &request->q);
  if (status != STATUS_OK) return status;
  status = check_keys(request->name, request->q, request->keys, change->did);
  if (status != STATUS_OK) workq_close(request->q);
  return status;
}

/* Reads the arguments into *out; what is there of getopt's table says whether --all is an option. */
static int read_request(int argc, char **argv, const struct option *options, bool *shared, struct request *out) {
  *out = (struct request){0};
  for (int option; (option = next_option(argc, argv, ":v", options)) != -1;) {
    if (option == 'v') out->verbose = true;
    else if (option == 'a') out->all = true;
    else if (option == OPTION_SHARED) *shared = true;
    else return STATUS_USAGE;
  }
  if (expect_arguments(argc, argv, 1, argc) != STATUS_OK) return STATUS_USAGE;
  out->name = argv[optind];
  out->keys = argv + optind + 1;
  return STATUS_OK;
}

/* Calls the change for each key.  One that it does not concern is named, and the others go on. */
static int change_keys(const struct request *request, const struct change *change, size_t *changed,
                       void (*each)(const struct request *request, const char *key, void *arg), void *arg) {
  int status = STATUS_OK;
  for (char **key = request->keys; *key != NULL; key++) {
    int result = change->call(request->q, *key, strlen(*key));
    if (result < 0) return queue_failed(request->name, request->q, result);
    if (result > 0) {
      ++*changed;
      if (each != NULL) each(request, *key, arg);
      continue;
    }
    char *text = escape(*key, strlen(*key));
    status = fail("key '%s': %s", text, change->not_so);
    free(text);
  }
  return status;
}

/* ---- Remove -------------------------------------------------------------------------------------------------- */

/* The run that a worker has at that time goes on. */
static void count_running(const struct request *request, const char *key, void *arg) {
  workq_info info;
  if (workq_state(request->q, key, strlen(key), &info) >= 0 &&
      (info.state == WORKQ_STATE_PROCESSING || info.state == WORKQ_STATE_DIRTY))
    ++*(size_t *)arg;
}

int cmd_remove(int argc, char **argv) {
  static const struct option options[] = {{"verbose", no_argument, NULL, 'v'}, LONG_OPTION_SHARED, LONG_OPTION_END};
  static const struct change change = {workq_remove, "removed", "nothing to remove"};
  struct request request;
  bool shared = false;
  if (read_request(argc, argv, options, &shared, &request) != STATUS_OK) return STATUS_USAGE;
  if (*request.keys == NULL) return usage_error(argv[0], "missing key");
  int status = open_request(&request, shared, &change);
  if (status != STATUS_OK) return status;
  size_t removed = 0, running = 0;
  status = change_keys(&request, &change, &removed, count_running, &running);
  if (running == 0) note(request.verbose, "removed %zu", removed);
  else note(request.verbose, "removed %zu; still being processed, for the last time: %zu", removed, running);
  workq_close(request.q);
  return status;
}

/* ---- Kick ---------------------------------------------------------------------------------------------------- */

static int kick_all(const struct request *request, size_t *kicked) {
  int result = workq_kick(request->q, NULL, 0);
  if (result < 0) return queue_failed(request->name, request->q, result);
  *kicked = (size_t)result;
  return STATUS_OK;
}

int cmd_kick(int argc, char **argv) {
  static const struct option options[] = {
      {"all", no_argument, NULL, 'a'}, {"verbose", no_argument, NULL, 'v'}, LONG_OPTION_SHARED, LONG_OPTION_END};
  static const struct change change = {workq_kick, "kicked", "not buried"};
  struct request request;
  bool shared = false;
  if (read_request(argc, argv, options, &shared, &request) != STATUS_OK) return STATUS_USAGE;
  if (!request.all && *request.keys == NULL)
    return usage_error(argv[0], "missing key; to kick all that are buried: workq kick '%s' --all", request.name);
  if (request.all && *request.keys != NULL) return usage_error(argv[0], "--all cannot be combined with keys");
  int status = open_request(&request, shared, &change);
  if (status != STATUS_OK) return status;
  size_t kicked = 0;
  status = request.all ? kick_all(&request, &kicked) : change_keys(&request, &change, &kicked, NULL, NULL);
  note(request.verbose, "kicked %zu", kicked);
  workq_close(request.q);
  return status;
}
