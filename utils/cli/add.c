/*
 * `workq add`: adds the keys of the command line, or those on standard input, as they come.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/escape.h"
#include "common/open.h"
#include "common/parse.h"
#include "common/queue_error.h"
#include "common/say.h"
#include "keys.h"
#include "options.h"
#include "progress.h"
#include "subcommands.h"

enum {
  BATCH_KEYS = 512, /* keys handed to the library at a time */
  KEPT_BYTES = WORKQ_KEY_MAX + 1 /* of a key that is too long, only so much is kept: enough for it to be refused */,
  BUFFER_SIZE = 4 * KEPT_BYTES, /* so that each read has space for much more than one key */
  SHOWN_FAULTS = 10             /* refused keys that get a line of their own */
};

/* One run of the subcommand. */
struct adder {
  const char *name; /* of the queue */
  workq *q;
  workq_add_options options;
  bool verbose;
  bool shared;
  bool from_input;    /* keys have line numbers rather than names */
  char delimiter;     /* between the keys on standard input */
  uint64_t position;  /* keys seen so far */
  uint64_t added;     /* newly marked */
  uint64_t coalesced; /* marked already */
  uint64_t refused;   /* empty, or too long */
  struct progress progress;
  double total; /* keys, or bytes of standard input; 0: not known */
  double used;  /* of these */
};

/* "line 12" or "key 'x'", for an error line; to be freed. */
static char *describe_key(const struct adder *adder, const workq_key *key) {
  char *text = NULL;
  if (adder->from_input) {
    if (asprintf(&text, "%s %llu", adder->delimiter == '\n' ? "line" : "key", (unsigned long long)adder->position) < 0)
      return NULL;
    return text;
  }
  char *escaped = escape(key->data, key->len);
  int length = asprintf(&text, "key '%s'", escaped);
  free(escaped);
  return length < 0 ? NULL : text;
}

/* A key that can never be added; the others go on. */
static void refuse(struct adder *adder, const workq_key *key, int error) {
  if (++adder->refused > SHOWN_FAULTS) return;
  workq_stats_data stats = {0};
  char *where = describe_key(adder, key);
  if (error == -EMSGSIZE && workq_stats(adder->q, &stats) >= 0)
    say("%s: longer than the key limit of queue '%s', %u bytes", where, adder->name, stats.key_max);
  else say("%s: %s", where, error == -EINVAL ? "empty key" : workq_strerror(error));
  free(where);
}

/*
 * Something that every further key would meet as well.  Says what was not added and returns
 * STATUS_ERROR.
 */
static int stop(const struct adder *adder, const workq_key *key, int error) {
  workq_stats_data stats;
  bool no_space = error == -ENOSPC || (error == -ETIMEDOUT && workq_lock_owner(adder->q) == 0);
  if (error != -EIDRM && (!no_space || workq_stats(adder->q, &stats) < 0))
    return queue_failed(adder->name, adder->q, error);
  char *where = describe_key(adder, key);
  if (error == -EIDRM)
    say("from %s on nothing was added: queue '%s' was removed while it was used, and what was added before went with "
        "it (make it again: workq create '%s')",
        where, adder->name, adder->name);
  else if (stats.keys < stats.capacity && error == -ENOSPC) say("from %s on nothing was added: " MEMORY_IS_FULL, where);
  else if (error == -ENOSPC)
    say("from %s on nothing was added: queue '%s' is full with %u keys (wait for space: --wait DUR)", where,
        adder->name, stats.keys);
  else
    say("from %s on nothing was added: timed out waiting for space in queue '%s' (%u of %u keys)", where, adder->name,
        stats.keys, stats.capacity);
  free(where);
  return STATUS_ERROR;
}

/*
 * Adds one key that found no space in its batch, waiting for it.  Returns 1 or 0 as workq_add(), or
 * an error.
 */
static int add_waiting(const struct adder *adder, const workq_key *key) {
  int result;
  do result = workq_add_opts(adder->q, key->data, key->len, &adder->options);
  while (result == -EINTR);
  return result;
}

static void show_progress(struct adder *adder) {
  progress_update(&adder->progress,
                  &(struct progress_state){.done = adder->added + adder->coalesced,
                                           .failed = adder->refused,
                                           .share = adder->total > 0 ? adder->used / adder->total : -1});
}

/* Adds n keys.  Returns STATUS_OK to go on, else the status to end with, which was explained. */
static int add_keys(struct adder *adder, const workq_key *keys, size_t n) {
  size_t next = 0;
  while (next < n) {
    size_t marked = 0;
    int result = workq_add_batch(adder->q, keys + next, n - next, &adder->options, &marked);
    if (result > 0) {
      adder->added += marked;
      adder->coalesced += (uint64_t)result - marked;
      adder->position += (uint64_t)result;
      next += (size_t)result;
      if (!adder->from_input) adder->used += result;
      show_progress(adder);
      continue;
    }
    adder->position++;
    if (result == -ENOSPC && adder->options.wait_ns != 0) result = add_waiting(adder, &keys[next]);
    if (result == -EINVAL || result == -EMSGSIZE) refuse(adder, &keys[next], result);
    else if (result < 0) return stop(adder, &keys[next], result);
    else if (result > 0) adder->added++;
    else adder->coalesced++;
    next++;
  }
  return STATUS_OK;
}

/*
 * Adds the whole keys in the buffer and moves the rest to its front.  At the end of the input the
 * rest is a key, too.
 */
static int add_buffered(struct adder *adder, char *buffer, size_t *used, bool at_end) {
  workq_key keys[BATCH_KEYS];
  size_t n = 0, start = 0;
  int status = STATUS_OK;
  for (const char *end; (end = memchr(buffer + start, adder->delimiter, *used - start)) != NULL;) {
    keys[n++] = (workq_key){buffer + start, (size_t)(end - buffer) - start};
    start = (size_t)(end - buffer) + 1;
    if (n < BATCH_KEYS) continue;
    if ((status = add_keys(adder, keys, n)) != STATUS_OK) return status;
    n = 0;
  }
  if (at_end && start < *used) {
    keys[n++] = (workq_key){buffer + start, *used - start};
    start = *used;
  }
  status = add_keys(adder, keys, n);
  *used -= start;
  memmove(buffer, buffer + start, *used);
  return status;
}

/*
 * Reads keys as they come: what one read gives is added before the next, so that a slow source's
 * keys do not wait.
 */
static int add_input(struct adder *adder) {
  char *buffer = malloc(BUFFER_SIZE);
  if (buffer == NULL) return fail("out of memory");
  size_t used = 0;
  int status = STATUS_OK;
  for (bool at_end = false; !at_end && status == STATUS_OK;) {
    ssize_t got = read(STDIN_FILENO, buffer + used, BUFFER_SIZE - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      status = fail("cannot read standard input: %s", strerror(errno));
      break;
    }
    at_end = got == 0;
    used += (size_t)got;
    adder->used += (double)got;
    status = add_buffered(adder, buffer, &used, at_end);
    if (used > KEPT_BYTES) used = KEPT_BYTES;
  }
  free(buffer);
  return status;
}

/* What there is to read, 0 where that is not known: a pipe tells nothing. */
static double input_bytes(void) {
  struct stat status;
  if (fstat(STDIN_FILENO, &status) != 0 || !S_ISREG(status.st_mode)) return 0;
  off_t at = lseek(STDIN_FILENO, 0, SEEK_CUR);
  return at >= 0 && at < status.st_size ? (double)(status.st_size - at) : 0;
}

static int add_arguments(struct adder *adder, char **arguments, size_t n) {
  int status = check_keys(adder->name, adder->q, arguments, "added");
  if (status != STATUS_OK) return status;
  workq_key *keys = calloc(n, sizeof *keys);
  if (keys == NULL) return fail("out of memory");
  for (size_t i = 0; i < n; i++) keys[i] = (workq_key){arguments[i], strlen(arguments[i])};
  status = add_keys(adder, keys, n);
  free(keys);
  return status;
}

/* Reads the options into *adder.  Returns STATUS_OK or STATUS_USAGE. */
static int read_options(int argc, char **argv, struct adder *adder) {
  static const struct option options[] = {{"null", no_argument, NULL, '0'},
                                          {"priority", required_argument, NULL, 'p'},
                                          {"after", required_argument, NULL, 'a'},
                                          {"rate-limited", no_argument, NULL, 'r'},
                                          {"wait", required_argument, NULL, 'w'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          LONG_OPTION_SHARED,
                                          LONG_OPTION_END};
  for (int option; (option = next_option(argc, argv, ":0v", options)) != -1;) {
    int64_t priority;
    if (option == '0') {
      adder->delimiter = '\0';
    } else if (option == 'p') {
      if (!parse_integer(optarg, -128, 127, &priority))
        return usage_error(argv[0], "--priority takes a number from -128 to 127, not '%s'", optarg);
      adder->options.priority = (int32_t)priority;
    } else if (option == 'a') {
      if (!parse_duration(optarg, &adder->options.after_ns))
        return usage_error(argv[0], "--after takes a duration such as 250ms or 1m30s, not '%s'", optarg);
    } else if (option == 'r') {
      adder->options.rate_limited = 1;
    } else if (option == 'w') {
      if (strcmp(optarg, "forever") == 0) adder->options.wait_ns = WORKQ_FOREVER;
      else if (!parse_duration(optarg, &adder->options.wait_ns))
        return usage_error(argv[0], "--wait takes a duration such as 5s, or forever, not '%s'", optarg);
    } else if (option == 'v') {
      adder->verbose = true;
    } else if (option == OPTION_SHARED) {
      adder->shared = true;
    } else {
      return STATUS_USAGE;
    }
  }
  return STATUS_OK;
}

int cmd_add(int argc, char **argv) {
  struct adder adder = {.delimiter = '\n'};
  if (read_options(argc, argv, &adder) != STATUS_OK) return STATUS_USAGE;
  if (expect_arguments(argc, argv, 1, argc) != STATUS_OK) return STATUS_USAGE;
  adder.name = argv[optind++];
  adder.from_input = optind == argc;
  if (adder.delimiter == '\0' && !adder.from_input)
    return usage_error(argv[0], "-0 reads keys from standard input and cannot be combined with keys as arguments");
  if (adder.from_input && isatty(STDIN_FILENO))
    return usage_error(argv[0], "missing key, and standard input is a terminal (to type keys: cat | workq add '%s')",
                       adder.name);
  if (open_queue(adder.name, 0, adder.shared, &adder.q) != STATUS_OK) return STATUS_ERROR;
  progress_begin(&adder.progress, "added", true);
  adder.total = adder.from_input ? input_bytes() : argc - optind;
  int status = adder.from_input ? add_input(&adder) : add_arguments(&adder, argv + optind, (size_t)(argc - optind));
  progress_end(&adder.progress);
  if (adder.refused > SHOWN_FAULTS)
    say("%llu more keys were rejected", (unsigned long long)(adder.refused - SHOWN_FAULTS));
  note(adder.verbose, "added %llu, coalesced %llu", (unsigned long long)adder.added,
       (unsigned long long)adder.coalesced);
  workq_close(adder.q);
  return adder.refused > 0 ? STATUS_ERROR : status;
}
