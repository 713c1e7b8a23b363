/*
 * What the subcommands of `workq` share: opening a queue, lines for people, errors, options.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "common.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char hex_digits[] = "0123456789abcdef";

static bool is_printable(unsigned char byte) {
  return byte >= 0x20 && byte < 0x7f;
}

/* Writes all of the line in as few calls as the descriptor allows, so that lines of several processes stay whole. */
static void write_line(const char *line, size_t len) {
  while (len > 0) {
    ssize_t written = write(STDERR_FILENO, line, len);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    line += written;
    len -= (size_t)written;
  }
}

static bool line_to_clear;

void say_over_line(bool is_there) {
  line_to_clear = is_there;
}

static void say_list(const char *format, va_list arguments) {
  char *text;
  if (vasprintf(&text, format, arguments) < 0) return;
  const char *begin = line_to_clear && isatty(STDERR_FILENO) ? "\r\033[Kworkq: " : "workq: ";
  char *line = malloc(strlen(begin) + 4 * strlen(text) + 1);
  if (line != NULL) {
    char *end = stpcpy(line, begin);
    for (const char *at = text; *at != '\0'; at++) {
      unsigned char byte = (unsigned char)*at;
      if (is_printable(byte)) {
        *end++ = *at;
        continue;
      }
      *end++ = '\\';
      *end++ = 'x';
      *end++ = hex_digits[byte >> 4];
      *end++ = hex_digits[byte & 15];
    }
    *end++ = '\n';
    write_line(line, (size_t)(end - line));
  }
  free(line);
  free(text);
}

void say(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  say_list(format, arguments);
  va_end(arguments);
}

int fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  say_list(format, arguments);
  va_end(arguments);
  return STATUS_ERROR;
}

void note(bool verbose, const char *format, ...) {
  if (!verbose && !isatty(STDERR_FILENO)) return;
  va_list arguments;
  va_start(arguments, format);
  say_list(format, arguments);
  va_end(arguments);
}

char *escape(const void *bytes, size_t len) {
  const unsigned char *from = bytes;
  char *text = malloc(4 * len + 1);
  if (text == NULL) {
    say("out of memory");
    exit(STATUS_ERROR);
  }
  char *end = text;
  for (size_t i = 0; i < len; i++) {
    unsigned char byte = from[i];
    if (byte == '\\' || byte == '\n') {
      *end++ = '\\';
      *end++ = byte == '\n' ? 'n' : '\\';
    } else if (is_printable(byte)) {
      *end++ = (char)byte;
    } else {
      *end++ = '\\';
      *end++ = 'x';
      *end++ = hex_digits[byte >> 4];
      *end++ = hex_digits[byte & 15];
    }
  }
  *end = '\0';
  return text;
}

/* ---- Queues -------------------------------------------------------------------------------------------------- */

static int try_open(const char *name, uint32_t flags, bool shared, workq **out) {
  workq_options options = {.flags = flags, .lock_timeout_ns = LOCK_TIMEOUT_NS};
  if (shared) {
    options.flags |= WORKQ_ANY_OWNER;
    options.mode = 0666;
  }
  return workq_open(name, &options, out);
}

int open_queue(const char *name, uint32_t flags, bool shared, workq **out) {
  int result = try_open(name, flags, shared, out);
  return result < 0 ? queue_failed(name, NULL, result) : STATUS_OK;
}

int open_queue_unless(const char *name, uint32_t flags, bool shared, int declined, workq **out) {
  int result = try_open(name, flags, shared, out);
  if (result == declined) return STATUS_DECLINED;
  return result < 0 ? queue_failed(name, NULL, result) : STATUS_OK;
}

static int mismatch(const char *name) {
  char difference[256];
  if (workq_describe_mismatch(name, difference, sizeof difference) < 1)
    snprintf(difference, sizeof difference, "%s", workq_strerror(-EPROTONOSUPPORT));
  return fail("queue '%s' cannot be used from here: %s; if nobody uses it any more: workq rm '%s'", name, difference,
              name);
}

/* Where the queue could not even be opened: the process that holds its lock now, 0 if none does. */
static int present_owner(const char *name) {
  workq_options options = {.flags = WORKQ_RAW | WORKQ_ANY_OWNER, .mode = 0666};
  workq *q;
  if (workq_open(name, &options, &q) < 0) return 0;
  int pid = workq_lock_owner(q);
  workq_close(q);
  return pid;
}

static int lock_held(const char *name, const workq *q) {
  int pid = q == NULL ? present_owner(name) : workq_lock_owner(q);
  if (pid == 0)
    return fail("queue '%s': its lock is held by a process that does not let go of it; is one of its users stopped?  "
                "Look with: workq dump --raw '%s'",
                name, name);
  return fail("queue '%s': its lock is held by process %d, which does not let go of it; continue it (kill -CONT %d) or "
              "end it (kill -KILL %d)",
              name, pid, pid, pid);
}

static int not_trusted(const char *name) {
  char path[sizeof SHM_DIRECTORY SHM_PREFIX + WORKQ_NAME_MAX + 1];
  struct stat file;
  snprintf(path, sizeof path, SHM_DIRECTORY "/" SHM_PREFIX "%s", name);
  /* A read bit whose write bit is missing; --shared does not help against that. */
  if (stat(path, &file) == 0 && ((file.st_mode & 044) >> 1 & ~file.st_mode) != 0)
    return fail(
        "queue '%s' has mode %04o: who may read it but not write to it could keep everyone else out; its owner can "
        "change that: chmod go-r %s'%s'",
        name, file.st_mode & 07777, SHM_DIRECTORY "/" SHM_PREFIX, name);
  return fail("queue '%s' belongs to another user, or others may write to it; use --shared if you trust them", name);
}

int queue_failed(const char *name, const workq *q, int error) {
  switch (error) {
  case -ENOENT:
    return fail("there is no queue '%s'; those that are: workq ls; to make it: workq create '%s'", name, name);
  case -EEXIST:
    return fail("queue '%s' exists already; accept that with --if-missing, or remove it with: workq rm '%s'", name,
                name);
  case -EINVAL:
    return fail("'%s' is no name for a queue: it has 1 to %u bytes, no '/' and no control characters, and is not '.' "
                "or '..'",
                name, WORKQ_NAME_MAX);
  case -ENAMETOOLONG:
    return fail("the queue's name has %zu bytes; at most %u are allowed", strlen(name), WORKQ_NAME_MAX);
  case -EPROTONOSUPPORT:
    return mismatch(name);
  case -EUCLEAN:
    return fail("'%s' is damaged, or not a queue; look with: workq dump --raw '%s', remove it with: workq rm '%s'",
                name, name, name);
  case -EPERM:
    return not_trusted(name);
  case -EACCES:
    return fail("no permission for queue '%s'; its owner can give it: chmod %s/%s'%s'", name, SHM_DIRECTORY, SHM_PREFIX,
                name);
  case -EUSERS:
    return fail("queue '%s': all its handles are taken; end a process that uses it (workq dump --raw '%s' shows them), "
                "or make it again with more --handles",
                name, name);
  case -ENOSPC:
    return fail("queue '%s': it is full, or " SHM_DIRECTORY " is; see: workq stats '%s' and df " SHM_DIRECTORY, name,
                name);
  case -ESHUTDOWN:
    return fail("queue '%s' is shut down; open it again with: workq resume '%s'", name, name);
  case -ETIMEDOUT:
    return lock_held(name, q);
  default:
    return fail("queue '%s': %s", name, workq_strerror(error));
  }
}

/* ---- Options ------------------------------------------------------------------------------------------------- */

int usage_error(const char *command, const char *format, ...) {
  char *text;
  va_list arguments;
  va_start(arguments, format);
  int length = vasprintf(&text, format, arguments);
  va_end(arguments);
  say("%s: %s (see: workq help %s)", command, length < 0 ? "wrong usage" : text, command);
  if (length >= 0) free(text);
  return STATUS_USAGE;
}

/* Whether getopt_long() refused the word --NAME=VALUE because NAME takes no value. */
static bool has_unwanted_value(const char *word, const struct option *long_options) {
  if (strncmp(word, "--", 2) != 0 || strchr(word, '=') == NULL) return false;
  for (; long_options->name != NULL; long_options++)
    if (long_options->val == optopt && long_options->has_arg == no_argument) return true;
  return false;
}

int next_option(int argc, char **argv, const char *short_options, const struct option *long_options) {
  opterr = 0;
  int option = getopt_long(argc, argv, short_options, long_options, NULL);
  if (option != '?' && option != ':') return option;
  /* A long option is whole in the word just read; of a short one only optopt tells which it was. */
  const char *word = argv[optind - 1];
  char letter[3] = {'-', (char)optopt, '\0'};
  bool is_long = strncmp(word, "--", 2) == 0 && (option == ':' || optopt == 0);
  if (option == ':') usage_error(argv[0], "option '%s' needs a value", is_long ? word : letter);
  else if (has_unwanted_value(word, long_options))
    usage_error(argv[0], "option '%.*s' takes no value", (int)strcspn(word, "="), word);
  else usage_error(argv[0], "there is no option '%s'", is_long ? word : letter);
  return '?';
}

int expect_arguments(int argc, char **argv, int min, int max) {
  int given = argc - optind;
  if (given == 0 && min > 0) return usage_error(argv[0], "the queue's name is missing");
  if (given < min) return usage_error(argv[0], "an argument is missing");
  if (given > max) return usage_error(argv[0], "there is no use for the argument '%s'", argv[optind + max]);
  return STATUS_OK;
}

int open_argument(int argc, char **argv, const char **name, workq **out) {
  static const struct option options[] = {LONG_OPTION_SHARED, LONG_OPTION_END};
  bool shared = false;
  for (int option; (option = next_option(argc, argv, ":", options)) != -1;) {
    if (option != OPTION_SHARED) return STATUS_USAGE;
    shared = true;
  }
  if (expect_arguments(argc, argv, 1, 1) != STATUS_OK) return STATUS_USAGE;
  *name = argv[optind];
  return open_queue(*name, 0, shared, out);
}
