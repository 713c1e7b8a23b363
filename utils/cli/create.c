/*
 * `workq create`: makes a queue.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/open.h"
#include "common/parse.h"
#include "common/queue_error.h"
#include "common/say.h"
#include "common/trust.h"
#include "logout.h"
#include "options.h"
#include "subcommands.h"

enum {
  OPTION_CAPACITY = 1,
  OPTION_KEY_MAX,
  OPTION_HANDLES,
  OPTION_MODE,
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

/* ---- --if-missing -------------------------------------------------------------------------------------------- */

/* An option's value as text; the same of both where they are the same. */
static void print_option(int option, const workq_options *options, char text[LIMITER_TEXT_SIZE]) {
  const size_t size = LIMITER_TEXT_SIZE;
  if (option == OPTION_CAPACITY) snprintf(text, size, "%u", options->capacity);
  else if (option == OPTION_KEY_MAX) snprintf(text, size, "%u", options->key_max);
  else if (option == OPTION_HANDLES) snprintf(text, size, "%u", options->handles);
  else if (option == OPTION_MODE) snprintf(text, size, "%04o", options->mode);
  else if (option == OPTION_LIMITER) format_limiter(&options->limiter, text);
  else if (option == OPTION_MAX_RETRIES) snprintf(text, size, "%d", options->max_retries);
  else if (option == OPTION_MAX_CRASHES)
    snprintf(text, size, "%d", options->max_crashes == WORKQ_NEVER ? 0 : options->max_crashes);
  else if (option == OPTION_GIVE_UP) snprintf(text, size, "%s", options->give_up == WORKQ_DROP ? "drop" : "bury");
  else if (option == OPTION_REAP_INTERVAL) format_duration(options->reap_interval_ns, text);
  else if (option == OPTION_NO_METRICS) snprintf(text, size, "%s", options->no_metrics != 0 ? "yes" : "no");
}

/* The options that the queue was made with. */
static int read_options(workq *q, workq_options *out) {
  workq_stats_data stats;
  int result = workq_stats(q, &stats);
  if (result < 0) return result;
  *out = (workq_options){.capacity = stats.capacity,
                         .key_max = stats.key_max,
                         .handles = stats.handles,
                         .mode = stats.mode,
                         .max_retries = stats.max_retries,
                         .max_crashes = stats.max_crashes,
                         .give_up = stats.give_up,
                         .reap_interval_ns = stats.reap_interval_ns,
                         .no_metrics = stats.metrics == 0};
  return workq_get_limiter(q, &out->limiter);
}

/*
 * Compares the options that were given on the command line with those of the queue, in one line for
 * all that differ.  Returns STATUS_OK where none does.
 */
static int compare_options(const char *name, workq *q, const workq_options *asked, uint32_t given) {
  workq_options has;
  int result = read_options(q, &has);
  if (result < 0) return queue_failed(name, q, result);
  char line[4 * LIMITER_TEXT_SIZE] = "";
  for (const struct option *option = long_options; option->name != NULL; option++) {
    char wanted[LIMITER_TEXT_SIZE] = "", found[LIMITER_TEXT_SIZE] = "";
    if ((given & 1u << option->val) == 0) continue;
    print_option(option->val, asked, wanted);
    print_option(option->val, &has, found);
    if (strcmp(wanted, found) == 0) continue;
    size_t used = strlen(line);
    snprintf(line + used, sizeof line - used, "%s--%s is %s, not %s", used == 0 ? "" : ", ", option->name, found,
             wanted);
  }
  if (*line == '\0') return STATUS_OK;
  return fail("queue '%s' exists with other options: %s; leave them out, or make it again (workq rm '%s')", name, line,
              name);
}

/* A queue that may not be used for its mode: where another mode was asked for, that is what differs. */
static int not_allowed(const char *name, const workq_options *asked, uint32_t given) {
  workq_options options = {.flags = WORKQ_RAW};
  workq *q;
  trust_others(&options, true);
  if ((given & 1u << OPTION_MODE) == 0 || workq_open(name, &options, &q) < 0) return queue_failed(name, NULL, -EPERM);
  int status = compare_options(name, q, asked, given & 1u << OPTION_MODE);
  workq_close(q);
  return status == STATUS_OK ? queue_failed(name, NULL, -EPERM) : status;
}

/* -------------------------------------------------------------------------------------------------------------- */

/* Tests have a system of their own in this folder. */
static const char *system_root(void) {
  const char *root = getenv("WORKQ_TEST_ROOT");
  return root == NULL ? "" : root;
}

static void warn_of_logout(const char *name) {
  const struct passwd *user = getpwuid(geteuid());
  if (!logout_removes(system_root(), geteuid(), user == NULL ? NULL : user->pw_name)) return;
  char number[32];
  snprintf(number, sizeof number, "%u", (unsigned)geteuid());
  const char *who = user == NULL ? number : user->pw_name;
  say("queue '%s' will be removed when user %s has logged out (RemoveIPC of systemd-logind); to keep it: loginctl "
      "enable-linger %s",
      name, who, who);
}

static int create_failed(const char *name, int error) {
  if (error == -ENOSPC) return fail("no space for queue '%s': " MEMORY_IS_FULL, name);
  if (error == -EFBIG)
    return fail("queue '%s' would exceed the file size limit (ulimit -f); raise it, or use a smaller --capacity", name);
  return queue_failed(name, NULL, error);
}

int cmd_create(int argc, char **argv) {
  workq_options options = {.lock_timeout_ns = LOCK_TIMEOUT_NS};
  uint32_t given = 0; /* a bit for each OPTION_ */
  for (int option; (option = next_option(argc, argv, ":", long_options)) != -1;) {
    if (option == OPTION_NO_METRICS) options.no_metrics = 1;
    else if (option != OPTION_IF_MISSING && read_option(option, &options) != STATUS_OK) return STATUS_USAGE;
    given |= 1u << option;
  }
  if (expect_arguments(argc, argv, 1, 1) != STATUS_OK) return STATUS_USAGE;
  bool if_missing = (given & 1u << OPTION_IF_MISSING) != 0;
  const char *name = argv[optind];
  workq *q;
  int result = if_missing ? workq_open_or_create(name, &options, &q) : workq_create(name, &options, &q);
  if (result == -EPERM && if_missing) return not_allowed(name, &options, given);
  if (result < 0) return create_failed(name, result);
  int status = STATUS_OK;
  if (if_missing && result == 0) status = compare_options(name, q, &options, given);
  else warn_of_logout(name);
  workq_close(q);
  return status;
}
