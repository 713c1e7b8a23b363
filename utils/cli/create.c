/*
 * `workq create`: makes a queue.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/open.h"
#include "common/parse.h"
#include "common/queue_error.h"
#include "common/say.h"
#include "options.h"
#include "subcommands.h"

enum {
  OPTION_CAPACITY = 1,
  OPTION_KEY_MAX,
  OPTION_HANDLES,
  OPTION_MODE,
  OPTION_GROUP,
  OPTION_LIMITER,
  OPTION_MAX_RETRIES,
  OPTION_MAX_CRASHES,
  OPTION_GIVE_UP,
  OPTION_REAP_INTERVAL,
  OPTION_NO_METRICS,
  OPTION_IF_MISSING
};

static const struct option long_options[] = {{"capacity", required_argument, NULL, OPTION_CAPACITY},
                                             {"key-max", required_argument, NULL, OPTION_KEY_MAX},
                                             {"handles", required_argument, NULL, OPTION_HANDLES},
                                             {"mode", required_argument, NULL, OPTION_MODE},
                                             {"group", required_argument, NULL, OPTION_GROUP},
                                             {"limiter", required_argument, NULL, OPTION_LIMITER},
                                             {"max-retries", required_argument, NULL, OPTION_MAX_RETRIES},
                                             {"max-crashes", required_argument, NULL, OPTION_MAX_CRASHES},
                                             {"give-up", required_argument, NULL, OPTION_GIVE_UP},
                                             {"reap-interval", required_argument, NULL, OPTION_REAP_INTERVAL},
                                             {"no-metrics", no_argument, NULL, OPTION_NO_METRICS},
                                             {"if-missing", no_argument, NULL, OPTION_IF_MISSING},
                                             LONG_OPTION_END};

/* Reads a number for an option.  Returns STATUS_OK, or STATUS_USAGE with the fault said. */
static int read_number(const char *option, int64_t min, int64_t max, int64_t *out) {
  if (parse_integer(optarg, min, max, out)) return STATUS_OK;
  return usage_error("create", "%s takes a number from %lld to %lld, not '%s'", option, (long long)min, (long long)max,
                     optarg);
}

static int read_count(const char *option, uint32_t max, uint32_t *out) {
  int64_t value = 0;
  int status = read_number(option, 1, max, &value);
  if (status == STATUS_OK) *out = (uint32_t)value;
  return status;
}

static int read_limit(const char *option, int32_t for_zero, int32_t *out) {
  int64_t value = 0;
  int status = read_number(option, 0, INT32_MAX, &value);
  if (status == STATUS_OK) *out = value == 0 ? for_zero : (int32_t)value;
  return status;
}

/* Its owner reads and writes; group and others may write if they may read. */
static int read_mode(workq_options *out) {
  size_t len = strlen(optarg);
  unsigned long mode = strtoul(optarg, NULL, 8);
  if (len == 0 || len > 4 || strspn(optarg, "01234567") != len || mode > 0666 || (mode & 0711) != 0600)
    return usage_error("create", "--mode takes 0600, 0660, 0606 or 0666, not '%s'", optarg);
  if (((mode & 044) >> 1 & ~mode) != 0)
    return usage_error("create",
                       "--mode takes 0600, 0660, 0606 or 0666, not '%s': a user with read but not write permission "
                       "could lock everyone else out",
                       optarg);
  out->mode = (uint32_t)mode;
  return STATUS_OK;
}

/* A group's name or number. */
static int read_group(workq_options *out) {
  int64_t number;
  const struct group *entry = getgrnam(optarg);
  if (entry != NULL) number = entry->gr_gid;
  else if (!parse_integer(optarg, 0, UINT32_MAX - 1, &number))
    return usage_error("create", "--group takes the name or number of a group, and there is none named '%s'", optarg);
  if (number == 0) return usage_error("create", "--group takes another group than root's, not '%s'", optarg);
  out->group = (uint32_t)number;
  return STATUS_OK;
}

static int read_limiter(workq_options *out) {
  const char *problem = parse_limiter(optarg, &out->limiter);
  return problem == NULL ? STATUS_OK : usage_error("create", "--limiter '%s': %s", optarg, problem);
}

static int read_give_up(workq_options *out) {
  if (strcmp(optarg, "bury") != 0 && strcmp(optarg, "drop") != 0)
    return usage_error("create", "--give-up takes 'bury' or 'drop', not '%s'", optarg);
  out->give_up = strcmp(optarg, "drop") == 0 ? WORKQ_DROP : WORKQ_BURY;
  return STATUS_OK;
}

static int read_reap_interval(workq_options *out) {
  if (!parse_duration(optarg, &out->reap_interval_ns) || out->reap_interval_ns < NS_PER_MS ||
      out->reap_interval_ns > WORKQ_REAP_INTERVAL_MAX)
    return usage_error("create", "--reap-interval takes a duration from 1ms to 1m, such as 100ms, not '%s'", optarg);
  return STATUS_OK;
}

static int read_option(int option, workq_options *out) {
  switch (option) {
  case OPTION_CAPACITY:
    return read_count("--capacity", WORKQ_CAPACITY_MAX, &out->capacity);
  case OPTION_KEY_MAX:
    return read_count("--key-max", WORKQ_KEY_MAX, &out->key_max);
  case OPTION_HANDLES:
    return read_count("--handles", WORKQ_HANDLES_MAX, &out->handles);
  case OPTION_MODE:
    return read_mode(out);
  case OPTION_GROUP:
    return read_group(out);
  case OPTION_LIMITER:
    return read_limiter(out);
  case OPTION_MAX_RETRIES:
    return read_limit("--max-retries", 0, &out->max_retries);
  case OPTION_MAX_CRASHES:
    return read_limit("--max-crashes", WORKQ_NEVER, &out->max_crashes);
  case OPTION_GIVE_UP:
    return read_give_up(out);
  case OPTION_REAP_INTERVAL:
    return read_reap_interval(out);
  default:
    return STATUS_USAGE;
  }
}

int cmd_create(int argc, char **argv) {
  workq_options options = {.lock_timeout_ns = LOCK_TIMEOUT_NS};
  bool if_missing = false;
  for (int option; (option = next_option(argc, argv, ":", long_options)) != -1;) {
    if (option == OPTION_IF_MISSING) if_missing = true;
    else if (option == OPTION_NO_METRICS) options.no_metrics = 1;
    else if (read_option(option, &options) != STATUS_OK) return STATUS_USAGE;
  }
  if (expect_arguments(argc, argv, 1, 1) != STATUS_OK) return STATUS_USAGE;
  if (options.group != 0 && options.mode != 0 && (options.mode & 020) == 0)
    return usage_error("create", "--group needs a --mode in which the group may write, such as 0660");
  const char *name = argv[optind];
  workq *q;
  int result = if_missing ? workq_open_or_create(name, &options, &q) : workq_create(name, &options, &q);
  if (result == -EPERM && options.group != 0 && !if_missing)
    return fail("queue '%s' cannot be given to group %u: you are not in it (see: id)", name, (unsigned)options.group);
  if (result == -ENOSPC) return fail("no space for queue '%s': " MEMORY_IS_FULL, name);
  if (result == -EFBIG)
    return fail("queue '%s' would exceed the file size limit (ulimit -f); raise it, or use a smaller --capacity", name);
  if (result < 0) return queue_failed(name, NULL, result);
  workq_close(q);
  return STATUS_OK;
}
