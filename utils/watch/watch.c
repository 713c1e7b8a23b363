/*
 * `workq watch`: adds a key for each file that changes under a directory, and all of them again now
 * and then.
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
#include "informer.h"

/* How long one try to add a key may wait, so that a signal is noticed. */
#define SLICE_NS (200 * NS_PER_MS)

/* What ends informer_run(), besides its own errors. */
enum { END_SIGNAL = 1, END_QUEUE };

struct watch {
  const char *name; /* of the queue */
  const char *directory;
  workq *q;
  int64_t resync_ns;
  bool shared;
  bool waiting;  /* that it waits was said */
  int signal_fd; /* readable when it shall end */
  int error;     /* of the library, with END_QUEUE */
};

static bool wants_to_end(const struct watch *watch, int timeout_ms) {
  struct pollfd wait_for = {.fd = watch->signal_fd, .events = POLLIN};
  return poll(&wait_for, 1, timeout_ms) > 0;
}

/*
 * Room will come, or the lock; until then the file system's events are kept by the kernel.  Said
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

static int on_change(void *arg, const char *key, size_t len, int kind) {
  struct watch *watch = arg;
  for (;;) {
    int result = workq_add_wait(watch->q, key, len, SLICE_NS);
    switch (result) {
    case -EMSGSIZE:
      /* Once is enough, not at each resync. */
      if (kind == INFORMER_ADDED) say_too_long(watch, key, len);
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

static void on_trouble(void *arg, const char *path, int error) {
  (void)arg;
  if (error == ENOSPC)
    say("'%s' and possibly others are only checked at each resync: inotify watch limit reached; raise "
        "fs.inotify.max_user_watches",
        path);
  else if (error == ENOENT) say("'%s' disappeared; will be checked again at the next resync", path);
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
  struct informer_options options = {.changed = on_change, .trouble = on_trouble, .arg = watch};
  struct informer *informer;
  int result = informer_open(watch->directory, &options, &informer);
  if (result < 0) return open_failed(watch, result);
  result = informer_run(informer, watch->resync_ns, watch->signal_fd);
  informer_close(informer);
  if (result == END_QUEUE) return queue_failed(watch->name, watch->q, watch->error);
  return result < 0 ? fail("stopped watching '%s': %s", watch->directory, strerror(-result)) : STATUS_OK;
}

int cmd_watch(int argc, char **argv) {
  static const struct option options[] = {
      {"resync", required_argument, NULL, 'r'}, LONG_OPTION_SHARED, LONG_OPTION_END};
  struct watch watch = {.resync_ns = 5 * NS_PER_S};
  for (int option; (option = next_option(argc, argv, ":", options)) != -1;) {
    if (option == OPTION_SHARED) {
      watch.shared = true;
    } else if (option == 'r') {
      if (!parse_duration(optarg, &watch.resync_ns))
        return usage_error(argv[0], "--resync takes a duration such as 30s, or 0 for never, not '%s'", optarg);
    } else {
      return STATUS_USAGE;
    }
  }
  if (expect_arguments(argc, argv, 2, 2) != STATUS_OK) return STATUS_USAGE;
  watch.name = argv[optind];
  watch.directory = argv[optind + 1];
  if (open_queue(watch.name, 0, watch.shared, &watch.q) != STATUS_OK) return STATUS_ERROR;
  watch.signal_fd = signals_open_end();
  int status = watch.signal_fd < 0 ? fail("signalfd: %s", strerror(errno)) : watch_directory(&watch);
  workq_close(watch.q);
  return status;
}
