/*
 * `workq watch`: adds a key for each file that changes under a directory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/subcommands.h"
#include "common/clock.h"
#include "common/escape.h"
#include "common/open.h"
#include "common/parse.h"
#include "common/queue_error.h"
#include "common/say.h"
#include "common/signals.h"
#include "filter.h"
#include "informer.h"

/* How long one try to add a key may wait, so that a signal is noticed. */
#define SLICE_NS (200 * NS_PER_MS)

/* What ends informer_run(), besides its own errors. */
enum { END_SIGNAL = 1, END_QUEUE };

struct watch {
  const char *name; /* of the queue */
  const char *directory;
  workq *q;
  int64_t resync_ns, settle_ns;
  int32_t priority;
  bool resync_all;
  bool shared;
  struct filter filter;
  bool waiting;  /* that it waits was said */
  int signal_fd; /* readable when it shall end */
  int error;     /* of the library, with END_QUEUE */
};

static bool wants_to_end(const struct watch *watch, int timeout_ms) {
  struct pollfd wait_for = {.fd = watch->signal_fd, .events = POLLIN};
  return poll(&wait_for, 1, timeout_ms) > 0;
}

/*
 * Space will come, or the lock; until then the file system's events are kept by the kernel.  Said
 * once for each such time.
 */
static void say_waiting(struct watch *watch, int error) {
  if (watch->waiting) return;
  watch->waiting = true;
  int owner = workq_lock_owner(watch->q);
  if (error == -ETIMEDOUT && owner != 0) say("queue '%s': lock held by process %d; waiting for it", watch->name, owner);
  else if (error == -ETIMEDOUT) say("queue '%s' is full; waiting for space", watch->name);
  else say("queue '%s' cannot grow; waiting for space: " MEMORY_IS_FULL, watch->name);
}

static void say_too_long(const struct watch *watch, const char *key, size_t len) {
  workq_stats_data stats = {0};
  char *text = escape(key, len);
  workq_stats(watch->q, &stats);
  say("skipped file '%s': its name is longer than the key limit of queue '%s', %u bytes", text, watch->name,
      stats.key_max);
  free(text);
}

static int on_change(void *arg, const struct informer_change *change) {
  struct watch *watch = arg;
  if (change->kind == INFORMER_RESYNCED && !watch->resync_all) return 0;
  workq_add_options options = {.priority = watch->priority, .wait_ns = SLICE_NS};
  for (;;) {
    int result = workq_add_opts(watch->q, change->key, change->len, &options);
    switch (result) {
    case -EMSGSIZE:
      /* Once is enough, not at each change. */
      if (change->kind == INFORMER_LISTED || change->kind == INFORMER_ADDED)
        say_too_long(watch, change->key, change->len);
      return 0;
    case -ENOSPC:
    case -ETIMEDOUT:
      say_waiting(watch, result);
      if (wants_to_end(watch, result == -ENOSPC ? (int)(SLICE_NS / NS_PER_MS) : 0)) return END_SIGNAL;
      break;
    case -EINTR:
      break;
    default:
      watch->waiting = false;
      watch->error = result;
      return result < 0 ? END_QUEUE : 0;
    }
  }
}

/* While no file changes: whether the queue takes keys still. */
static int on_tick(void *arg) {
  struct watch *watch = arg;
  workq_stats_data stats;
  int result = workq_stats(watch->q, &stats);
  if (result == -ETIMEDOUT || result == -EINTR) return 0; /* an add will tell */
  if (result >= 0 && stats.shut_down) result = -ESHUTDOWN;
  watch->error = result;
  return result < 0 ? END_QUEUE : 0;
}

static bool is_wanted(void *arg, const char *key, bool directory) {
  const struct watch *watch = arg;
  return filter_takes(&watch->filter, key, directory);
}

static void on_trouble(void *arg, const char *path, int error) {
  (void)arg;
  if (error == ENOSPC)
    say("'%s' and possibly others are only checked at each resync: inotify watch limit reached; raise "
        "fs.inotify.max_user_watches",
        path);
  else say("cannot watch '%s': %s", path, strerror(error));
}

static int open_failed(const struct watch *watch, int error) {
  switch (error) {
  case -ENOENT:
    return fail("directory '%s' does not exist", watch->directory);
  case -ENOTDIR:
    return fail("'%s' is not a directory", watch->directory);
  case -ENOSPC:
    return fail("cannot watch '%s': inotify watch limit reached; raise fs.inotify.max_user_watches", watch->directory);
  case -EMFILE:
    return fail("cannot watch '%s': too many open files or inotify instances; raise "
                "fs.inotify.max_user_instances",
                watch->directory);
  default:
    return fail("cannot watch '%s': %s", watch->directory, strerror(-error));
  }
}

static int watch_directory(struct watch *watch) {
  workq_stats_data stats;
  int result = workq_stats(watch->q, &stats);
  if (result < 0) return queue_failed(watch->name, watch->q, result);
  struct informer_options options = {.changed = on_change,
                                     .trouble = on_trouble,
                                     .wanted = is_wanted,
                                     .arg = watch,
                                     .settle_ns = watch->settle_ns,
                                     .tick = on_tick,
                                     .tick_ns = stats.reap_interval_ns};
  struct informer *informer;
  result = informer_open(watch->directory, &options, &informer);
  if (result < 0) return open_failed(watch, result);
  result = informer_run(informer, watch->resync_ns, watch->signal_fd);
  informer_close(informer);
  if (result == END_QUEUE) return queue_failed(watch->name, watch->q, watch->error);
  if (result == -ENOENT)
    return fail("stopped watching '%s': it was removed or moved away; start again when it exists", watch->directory);
  return result < 0 ? fail("stopped watching '%s': %s", watch->directory, strerror(-result)) : STATUS_OK;
}

static int add_pattern(const char *command, struct patterns *patterns, const char *option, const char *text) {
  const char *fault = patterns_add(patterns, text);
  return fault ? usage_error(command, "%s takes a pattern such as '*.c', not '%s': %s", option, text, fault)
               : STATUS_OK;
}

/* Reads the options into *watch.  Returns STATUS_OK or STATUS_USAGE. */
static int read_options(int argc, char **argv, struct watch *watch) {
  static const struct option options[] = {{"resync", required_argument, NULL, 'r'},
                                          {"resync-all", no_argument, NULL, 'a'},
                                          {"settle", required_argument, NULL, 's'},
                                          {"include", required_argument, NULL, 'i'},
                                          {"exclude", required_argument, NULL, 'x'},
                                          {"priority", required_argument, NULL, 'p'},
                                          LONG_OPTION_SHARED,
                                          LONG_OPTION_END};
  int status = STATUS_OK;
  for (int option; status == STATUS_OK && (option = next_option(argc, argv, ":", options)) != -1;) {
    int64_t priority;
    if (option == OPTION_SHARED) {
      watch->shared = true;
    } else if (option == 'r') {
      if (!parse_duration(optarg, &watch->resync_ns))
        status = usage_error(argv[0], "--resync takes a duration such as 30s, or 0 for never, not '%s'", optarg);
    } else if (option == 'a') {
      watch->resync_all = true;
    } else if (option == 's') {
      if (!parse_duration(optarg, &watch->settle_ns))
        status = usage_error(argv[0], "--settle takes a duration such as 500ms or 10s, not '%s'", optarg);
    } else if (option == 'i') {
      status = add_pattern(argv[0], &watch->filter.include, "--include", optarg);
    } else if (option == 'x') {
      status = add_pattern(argv[0], &watch->filter.exclude, "--exclude", optarg);
    } else if (option == 'p') {
      if (!parse_integer(optarg, -128, 127, &priority))
        status = usage_error(argv[0], "--priority takes a number from -128 to 127, not '%s'", optarg);
      else watch->priority = (int32_t)priority;
    } else {
      status = STATUS_USAGE;
    }
  }
  return status == STATUS_OK ? expect_arguments(argc, argv, 2, 2) : status;
}

static int run(struct watch *watch) {
  if (open_queue(watch->name, 0, watch->shared, &watch->q) != STATUS_OK) return STATUS_ERROR;
  watch->signal_fd = signals_open_end();
  int status = watch->signal_fd < 0 ? fail("signalfd: %s", strerror(errno)) : watch_directory(watch);
  workq_close(watch->q);
  return status;
}

int cmd_watch(int argc, char **argv) {
  struct watch watch = {.resync_ns = 5 * NS_PER_S};
  int status = read_options(argc, argv, &watch);
  if (status == STATUS_OK) {
    watch.name = argv[optind];
    watch.directory = argv[optind + 1];
    status = run(&watch);
  }
  filter_free(&watch.filter);
  return status;
}
