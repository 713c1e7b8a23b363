/*
 * `workq run`: workers that run a command for each key.  This file has the subcommand and its
 * supervisor's side; what a worker does with a key is in exec.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "common/open.h"
#include "common/parse.h"
#include "common/queue_error.h"
#include "common/say.h"
#include "exec.h"
#include "options.h"
#include "progress.h"
#include "subcommands.h"

struct run {
  const char *name; /* of the queue */
  bool shared;
  workq_pool pool;
  struct command command;
};

static int read_options(int argc, char **argv, struct run *run) {
  static const struct option options[] = {{"jobs", required_argument, NULL, 'j'},
                                          {"until-empty", no_argument, NULL, 'u'},
                                          {"timeout", required_argument, NULL, 't'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          LONG_OPTION_SHARED,
                                          LONG_OPTION_END};
  for (int option; (option = next_option(argc, argv, ":j:q", options)) != -1;) {
    int64_t jobs;
    if (option == 'j') {
      if (!parse_integer(optarg, 1, WORKQ_HANDLES_MAX - 1, &jobs))
        return usage_error(argv[0], "-j takes a number of workers from 1 to %u, not '%s'", WORKQ_HANDLES_MAX - 1,
                           optarg);
      run->pool.workers = (unsigned)jobs;
    } else if (option == 'u') {
      run->pool.until_empty = 1;
    } else if (option == 't') {
      if (!parse_duration(optarg, &run->command.timeout_ns) || run->command.timeout_ns == 0)
        return usage_error(argv[0], "--timeout takes a duration such as 30s, not '%s'", optarg);
    } else if (option == 'q') {
      run->command.quiet = true;
    } else if (option == OPTION_SHARED) {
      run->shared = true;
    } else {
      return STATUS_USAGE;
    }
  }
  return STATUS_OK;
}

/* Splits the arguments at "--": before it our own, behind it the command's. */
static int read_arguments(int argc, char **argv, struct run *run) {
  int split = 1;
  while (split < argc && strcmp(argv[split], "--") != 0) split++;
  if (split + 1 >= argc) return usage_error(argv[0], "missing command after '--'");
  argv[split] = NULL;
  if (read_options(split, argv, run) != STATUS_OK) return STATUS_USAGE;
  if (expect_arguments(split, argv, 1, 1) != STATUS_OK) return STATUS_USAGE;
  run->name = argv[optind];
  run->command.queue_name = run->name;
  run->command.arguments = argv + split + 1;
  return STATUS_OK;
}

static void on_event(void *arg, int what, unsigned worker, int pid, int status) {
  struct run *run = arg;
  if (what == WORKQ_EVENT_STARTED) return;
  /* Its command died with it; what that has started itself dies now. */
  exec_kill(&run->command, worker);
  if (what != WORKQ_EVENT_CRASHED || run->command.quiet) return;
  if (WIFSIGNALED(status))
    say("worker %u (process %d) was killed by signal %d; replacing it", worker, pid, WTERMSIG(status));
  else say("worker %u (process %d) exited with status %d; replacing it", worker, pid, WEXITSTATUS(status));
}

static int on_key(workq *q, const workq_item *item, unsigned worker, void *arg) {
  (void)q;
  struct run *run = arg;
  return exec_run(&run->command, item, worker);
}

/* Each worker needs a handle; without one it could only fail again and again. */
static int check_handles(const struct run *run, const workq_stats_data *stats) {
  uint32_t room = stats->handles - stats->attached;
  if (run->pool.workers <= room) return STATUS_OK;
  return fail("queue '%s' has free handles for %u workers, not for %u; use a smaller -j, or create it again with more "
              "--handles",
              run->name, room, run->pool.workers);
}

static int run_pool(struct run *run, workq *q) {
  workq_stats_data stats;
  int result = workq_stats(q, &stats);
  if (result < 0) return queue_failed(run->name, q, result);
  if (check_handles(run, &stats) != STATUS_OK) return STATUS_ERROR;
  if (exec_prepare(&run->command, &stats, run->pool.workers) != STATUS_OK) return STATUS_ERROR;
  run->pool.event = on_event;
  run->pool.arg = run;
  result = workq_run(q, &run->pool, on_key);
  exec_finish(&run->command);
  if (result == 2) return fail("stopped by a second signal; keys in flight were returned to queue '%s'", run->name);
  if (result == -EAGAIN || result == -ENOMEM || result == -EMFILE)
    return fail("cannot start the workers: %s", strerror(-result));
  return result < 0 ? queue_failed(run->name, q, result) : STATUS_OK;
}

int cmd_run(int argc, char **argv) {
  struct run run = {.pool.workers = 1};
  if (read_arguments(argc, argv, &run) != STATUS_OK) return STATUS_USAGE;
  if (exec_check(&run.command) != STATUS_OK) return STATUS_ERROR;
  struct progress progress;
  progress_watch(&progress, run.name, run.shared, run.pool.until_empty && !run.command.quiet);
  workq *q;
  int status = open_queue(run.name, 0, run.shared, &q);
  if (status == STATUS_OK) {
    status = run_pool(&run, q);
    workq_close(q);
  }
  progress_end(&progress);
  return status;
}
