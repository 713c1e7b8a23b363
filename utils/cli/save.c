/*
 * `workq save`: the whole logical state of a queue, at one moment, as JSON lines: the queue with
 * its options, its keys in their order, and a last line that tells a whole file from one that was
 * cut off.
 *
 * The file appears under its name when it is whole.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/open.h"
#include "common/output.h"
#include "common/queue_error.h"
#include "common/say.h"
#include "options.h"
#include "savefile.h"
#include "subcommands.h"
#include "whole_file.h"

struct saver {
  const char *name; /* of the queue */
  const char *path; /* "-": standard output */
  bool no_replace;  /* a file that is there stays */
  struct whole_file file;
  FILE *out; /* of the file, or what is written in place */
  uint32_t keys;
  uint32_t faults;   /* of a damaged segment */
  uint32_t undue;    /* delayed keys whose time is damaged */
  uint32_t expected; /* keys that there are, as the segment counts them */
};

/* ---- The file ------------------------------------------------------------------------------------------------ */

static int cannot_write(const struct saver *saver) {
  if (errno == EEXIST) return fail("not saved: '%s' exists, and is not replaced (--no-replace)", saver->path);
  const char *why = errno == EBUSY ? "another process is saving to it" : strerror(errno);
  return fail("cannot write '%s': %s", saver->path, why);
}

/* A device, a pipe or what else is no file is written in place: a file must not take its name. */
static bool is_special(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

static int open_file(struct saver *saver) {
  if (strcmp(saver->path, "-") == 0) {
    saver->out = stdout;
    return STATUS_OK;
  }
  errno = EEXIST;
  if (saver->no_replace && access(saver->path, F_OK) == 0) return cannot_write(saver);
  if (is_special(saver->path)) saver->out = fopen(saver->path, "we");
  else if (whole_file_open(&saver->file, saver->path)) saver->out = saver->file.out;
  return saver->out != NULL ? STATUS_OK : cannot_write(saver);
}

/* What was written in place. */
static int close_stream(struct saver *saver, int status) {
  bool whole = fflush(saver->out) == 0 && ferror(saver->out) == 0;
  if (!whole && status == STATUS_OK) status = cannot_write(saver);
  if (fclose(saver->out) != 0 && status == STATUS_OK) status = cannot_write(saver);
  return status;
}

/* Gives a whole file its name; one that is not whole goes. */
static int close_file(struct saver *saver, int status) {
  if (saver->out == stdout) return status;
  if (saver->file.out == NULL) return close_stream(saver, status);
  if (status == STATUS_OK) return whole_file_commit(&saver->file, !saver->no_replace) ? STATUS_OK : cannot_write(saver);
  whole_file_abandon(&saver->file);
  return status;
}

/* ---- The lines ----------------------------------------------------------------------------------------------- */

static void print_queue(struct saver *saver, const workq_stats_data *stats, const workq_limiter *limiter) {
  json_t *object = output_queue_json(stats, limiter);
  output_set_integer(object, SAVED_FORMAT_NAME, SAVED_FORMAT);
  output_set_integer(object, SAVED_AT_NAME, clock_wall_ns());
  char incarnation[32];
  snprintf(incarnation, sizeof incarnation, "%016" PRIx64, stats->incarnation);
  output_set(object, SAVED_INCARNATION_NAME, json_string(incarnation));
  output_print(saver->out, object);
}

static int print_key(void *arg, const workq_info *info) {
  struct saver *saver = arg;
  workq_info item = *info;
  /* No delay is that long: its entry in the heap is damaged. */
  if (item.due_in_ns > WORKQ_DURATION_MAX) {
    item.due_in_ns = 0;
    saver->undue++;
  }
  output_print(saver->out, output_item_json(&item));
  saver->keys++;
  return ferror(saver->out) != 0 ? -EIO : 0;
}

static void count_fault(void *arg, const char *line) {
  (void)line;
  ((struct saver *)arg)->faults++;
}

/* Writes the copy of a queue.  Returns 0 or an error of the library. */
static int print_copy(struct saver *saver, workq *copy) {
  workq_stats_data stats;
  workq_limiter limiter;
  int result = workq_stats(copy, &stats);
  if (result >= 0) result = workq_get_limiter(copy, &limiter);
  if (result >= 0) result = workq_check(copy, count_fault, saver);
  if (result < 0) return result;
  saver->expected = stats.keys;
  print_queue(saver, &stats, &limiter);
  result = workq_iterate_order(copy, print_key, saver);
  if (result < 0) return result;
  json_t *end = output_new("end");
  output_set_integer(end, SAVED_KEYS_NAME, saver->keys);
  output_print(saver->out, end);
  return 0;
}

static int save_copy(struct saver *saver, workq *copy) {
  int status = open_file(saver);
  if (status != STATUS_OK) return status;
  errno = 0;
  int result = print_copy(saver, copy);
  if (result == -EIO && saver->out != stdout) status = cannot_write(saver);
  else if (result < 0 && result != -EIO) status = queue_failed(saver->name, copy, result);
  return close_file(saver, status);
}

/* ---- The queue ----------------------------------------------------------------------------------------------- */

/* A queue that is damaged is opened as it is: what can be read of it is saved. */
static int open_any(const char *name, bool raw, bool shared, workq **out) {
  int status = raw ? STATUS_DECLINED : open_queue_unless(name, 0, shared, -EUCLEAN, out);
  return status == STATUS_DECLINED ? open_queue(name, WORKQ_RAW, shared, out) : status;
}

/* What is missing in the file is said. */
static int report_damage(const struct saver *saver) {
  if (saver->faults == 0) return STATUS_OK;
  say("queue '%s' is damaged (details: workq check '%s'): saved the %u keys that could be read", saver->name,
      saver->name, saver->keys);
  if (saver->expected > saver->keys)
    say("skipped: %u keys that the queue counts and that could not be read", saver->expected - saver->keys);
  if (saver->undue > 0) say("%u delayed keys have lost their due time: they will be ready at once", saver->undue);
  return STATUS_ERROR;
}

static int save(struct saver *saver, workq *q, bool verbose) {
  workq *copy;
  int result = workq_snapshot(q, &copy);
  if (result == -ENOSPC) return fail("out of memory: cannot copy queue '%s'", saver->name);
  if (result < 0) return queue_failed(saver->name, q, result);
  int status = save_copy(saver, copy);
  workq_close(copy);
  if (status != STATUS_OK) return status;
  note(verbose, "saved %u keys", saver->keys);
  return report_damage(saver);
}

int cmd_save(int argc, char **argv) {
  static const struct option options[] = {{"no-replace", no_argument, NULL, 'n'},
                                          {"raw", no_argument, NULL, 'r'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          LONG_OPTION_SHARED,
                                          LONG_OPTION_END};
  bool no_replace = false, raw = false, shared = false, verbose = false;
  for (int option; (option = next_option(argc, argv, ":v", options)) != -1;) {
    if (option == 'r') raw = true;
    else if (option == 'n') no_replace = true;
    else if (option == 'v') verbose = true;
    else if (option == OPTION_SHARED) shared = true;
    else return STATUS_USAGE;
  }
  if (expect_arguments(argc, argv, 2, 2) != STATUS_OK) return STATUS_USAGE;
  struct saver saver = {.name = argv[optind], .path = argv[optind + 1], .no_replace = no_replace};
  workq *q;
  int status = open_any(saver.name, raw, shared, &q);
  if (status != STATUS_OK) return status;
  status = save(&saver, q, verbose);
  workq_close(q);
  return status;
}
