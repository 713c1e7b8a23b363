/*
 * `workq rm`: removes queues.  One that has keys or users goes by --force only; so does what cannot
 * be read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <workq.h>

#include "common/escape.h"
#include "common/open.h"
#include "common/queue_error.h"
#include "common/say.h"
#include "common/trust.h"
#include "options.h"
#include "subcommands.h"

/* ---- Who uses it --------------------------------------------------------------------------------------------- */

enum { NAMED_USERS = 5 /* processes that are named, others are only counted */ };

struct users {
  int32_t pids[NAMED_USERS];
  uint32_t handles; /* without that of this process */
  uint32_t named;
  char *text; /* "make (pid 12), workq (pid 13)" */
};

static bool is_named(const struct users *users, int32_t pid) {
  for (uint32_t i = 0; i < users->named; i++)
    if (users->pids[i] == pid) return true;
  return false;
}

/* A process is named once, however many handles it has. */
static int count_user(void *arg, const workq_worker *worker) {
  struct users *users = arg;
  if (worker->self != 0) return 0;
  users->handles++;
  if (users->named == NAMED_USERS || is_named(users, worker->pid)) return 0;
  char *command = escape(worker->command, strnlen(worker->command, sizeof worker->command));
  char *text = NULL;
  if (asprintf(&text, "%s%s%s (pid %d)", users->named == 0 ? "" : users->text, users->named == 0 ? "" : ", ", command,
               worker->pid) < 0)
    out_of_memory();
  free(command);
  free(users->text);
  users->text = text;
  users->pids[users->named++] = worker->pid;
  return 0;
}

/* ---- What is in it ------------------------------------------------------------------------------------------- */

static bool holds_keys(const workq_stats_data *stats) {
  return stats->ready > 0 || stats->processing > 0 || stats->delayed > 0 || stats->buried > 0;
}

/* Says what is in the queue and who uses it.  STATUS_ERROR. */
static int refuse(const char *name, const workq_stats_data *stats, const struct users *users) {
  char keys[128] = "no keys", use[64] = "";
  if (holds_keys(stats))
    snprintf(keys, sizeof keys, "keys: %u ready, %u in flight, %u delayed, %u buried", stats->ready, stats->processing,
             stats->delayed, stats->buried);
  if (users->handles > 0) snprintf(use, sizeof use, "; %u handles are attached: ", users->handles);
  return fail("queue '%s' has %s%s%s; to remove it all the same: workq rm --force '%s'", name, keys, use,
              users->text == NULL ? "" : users->text, name);
}

/*
 * Reads who is attached and what is there.  Returns STATUS_OK where the queue is empty and unused,
 * STATUS_ERROR with the reason said, or STATUS_DECLINED with the library's error in *error.
 */
static int inspect(const char *name, workq *q, int *error) {
  workq_stats_data stats;
  struct users users = {0};
  *error = workq_stats(q, &stats);
  if (*error >= 0) *error = workq_iterate_workers(q, count_user, &users);
  int status = *error < 0 ? STATUS_DECLINED : STATUS_OK;
  if (status == STATUS_OK && (holds_keys(&stats) || users.handles > 0)) status = refuse(name, &stats, &users);
  free(users.text);
  return status;
}

/* What cannot be read may still be somebody's. */
static int unreadable(const char *name, int error) {
  if (error == -EPROTONOSUPPORT || error == -EUCLEAN) return queue_failed(name, NULL, error);
  return fail("queue '%s' cannot be checked for keys and users: %s; to remove it all the same: workq rm --force '%s'",
              name, workq_strerror(error), name);
}

/*
 * A handle of its own finds the dead and frees their slots, but needs the lock and a queue that can
 * be trusted.  Where that fails it is read as it is.
 */
static int open_to_inspect(const char *name, workq **out) {
  workq_options options = {.lock_timeout_ns = LOCK_TIMEOUT_NS};
  if (workq_open(name, &options, out) >= 0) {
    if (workq_reap(*out) >= 0) return 0;
    workq_close(*out);
  }
  options.flags = WORKQ_RAW;
  trust_others(&options, true);
  return workq_open(name, &options, out);
}

/* STATUS_OK if the queue may be removed without --force, else STATUS_ERROR with the reason said. */
static int check_unused(const char *name) {
  workq *q;
  int error = open_to_inspect(name, &q), status = STATUS_DECLINED;
  if (error == -ENOENT || error == -EINVAL || error == -ENAMETOOLONG) return STATUS_OK; /* workq_unlink() says it */
  if (error >= 0) {
    status = inspect(name, q, &error);
    workq_close(q);
  }
  return status == STATUS_DECLINED ? unreadable(name, error) : status;
}

/* -------------------------------------------------------------------------------------------------------------- */

static int remove_queue(const char *name, bool force) {
  int status = force ? STATUS_OK : check_unused(name);
  if (status != STATUS_OK) return status;
  int result = workq_unlink(name);
  if (result == -ENOENT) return fail("queue '%s' does not exist (list: workq ls)", name);
  return result < 0 ? queue_failed(name, NULL, result) : STATUS_OK;
}

int cmd_rm(int argc, char **argv) {
  static const struct option options[] = {{"force", no_argument, NULL, 'f'}, LONG_OPTION_END};
  bool force = false;
  for (int option; (option = next_option(argc, argv, ":f", options)) != -1;) {
    if (option != 'f') return STATUS_USAGE;
    force = true;
  }
  if (expect_arguments(argc, argv, 1, argc) != STATUS_OK) return STATUS_USAGE;
  int status = STATUS_OK;
  for (int i = optind; i < argc; i++)
    if (remove_queue(argv[i], force) != STATUS_OK) status = STATUS_ERROR;
  return status;
}
