/*
 * workq_dump: the queue, its workers and its keys as lines of text for people.  It uses only the
 * public functions, so it shows what any program can see.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "workq.h"

static bool is_printable(unsigned char byte) {
  return byte >= 0x20 && byte < 0x7f;
}

/*
 * Prints bytes with backslash escapes, so that no key can be mistaken for another or moves a
 * terminal's cursor.  Returns how many columns that took.
 */
static int print_escaped(FILE *out, const void *bytes, size_t len) {
  const unsigned char *from = bytes;
  int columns = 0;
  for (size_t i = 0; i < len; i++) {
    if (from[i] == '\\' || from[i] == '\n') {
      columns += fprintf(out, "\\%c", from[i] == '\n' ? 'n' : '\\');
    } else if (is_printable(from[i])) {
      putc(from[i], out);
      columns++;
    } else {
      columns += fprintf(out, "\\x%02x", from[i]);
    }
  }
  return columns;
}

static double seconds(int64_t ns) {
  return (double)ns / 1e9;
}

static const char *plural(uint64_t count) {
  return count == 1 ? "" : "s";
}

/* ---- Lists that are wrapped ---- */

/* A line that a terminal of 80 columns shows whole. */
#define LINE_MAX_COLUMNS 79
#define INDENT           15

/* A line in progress: a name, and parts that are separated by ", ". */
struct line {
  FILE *out;
  int column;
  int parts;
};

/* Ends the line before, and begins one whose first word, printed already, has so many columns. */
static struct line begin_line(FILE *out, int columns) {
  return (struct line){.out = out, .column = columns};
}

/* A line "  NAME  ". */
static struct line name_line(FILE *out, const char *name) {
  fprintf(out, "  %-*s", INDENT - 2, name);
  return begin_line(out, INDENT);
}

/* Another part; on a line of its own where this one is full. */
static void __attribute__((format(printf, 2, 3))) add_part(struct line *line, const char *format, ...) {
  char text[128];
  va_list arguments;
  va_start(arguments, format);
  int len = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (line->parts > 0) line->column += fprintf(line->out, ",");
  /* One column is for the comma that may follow. */
  if (line->parts > 0 && line->column + 1 + len + 1 > LINE_MAX_COLUMNS) {
    fprintf(line->out, "\n%*s", INDENT, "");
    line->column = INDENT;
  } else if (line->parts > 0) {
    line->column += fprintf(line->out, " ");
  }
  fputs(text, line->out);
  line->column += len;
  line->parts++;
}

static void add_count(struct line *line, uint64_t count, const char *what) {
  add_part(line, "%" PRIu64 " %s", count, what);
}

/* The same, of what has a plural in s. */
static void add_counted(struct line *line, uint64_t count, const char *what, const char *rest) {
  add_part(line, "%" PRIu64 " %s%s%s", count, what, plural(count), rest);
}

static void end_line(const struct line *line) {
  putc('\n', line->out);
}

/* ---- The queue ---- */

static void print_limiter(FILE *out, const workq_limiter *limiter) {
  struct line line = name_line(out, "limiter");
  if ((limiter->kinds & WORKQ_LIMIT_NONE) != 0) add_part(&line, "none");
  if ((limiter->kinds & WORKQ_LIMIT_EXPONENTIAL) != 0)
    add_part(&line, "exponential from %gs to %gs by %g", seconds(limiter->exp_initial_ns), seconds(limiter->exp_max_ns),
             limiter->exp_factor);
  if ((limiter->kinds & WORKQ_LIMIT_FAST_SLOW) != 0)
    add_part(&line, "%" PRIu32 " times %gs and then %gs", limiter->fast_attempts, seconds(limiter->fast_ns),
             seconds(limiter->slow_ns));
  if ((limiter->kinds & WORKQ_LIMIT_BUCKET) != 0)
    add_part(&line, "%g a second with a burst of %" PRIu32, limiter->bucket_rate, limiter->bucket_burst);
  if (limiter->max_wait_ns > 0) add_part(&line, "at most %gs", seconds(limiter->max_wait_ns));
  add_part(&line, "jitter %g", limiter->jitter);
  end_line(&line);
}

static void print_limits(FILE *out, const workq_stats_data *stats) {
  struct line line = name_line(out, "limits");
  const char *then = stats->give_up == WORKQ_DROP ? "drop" : "bury";
  if (stats->max_retries == 0) add_part(&line, "retries without limit");
  else if (stats->max_retries < 0) add_part(&line, "no retries: %s", then);
  else add_part(&line, "%" PRId32 " retr%s then %s", stats->max_retries, stats->max_retries == 1 ? "y" : "ies", then);
  if (stats->max_crashes == WORKQ_NEVER) add_part(&line, "crashes without limit");
  else add_part(&line, "%" PRId32 " crash%s then bury", stats->max_crashes, stats->max_crashes == 1 ? "" : "es");
  end_line(&line);
}

static void print_keys(FILE *out, const workq_stats_data *stats) {
  struct line line = name_line(out, "keys");
  add_count(&line, stats->ready, "ready");
  add_count(&line, stats->processing, "processing");
  add_count(&line, stats->delayed, "delayed");
  add_count(&line, stats->buried, "buried");
  add_count(&line, stats->idle, "idle");
  end_line(&line);
}

static void print_workers(FILE *out, const workq_stats_data *stats) {
  struct line line = name_line(out, "workers");
  add_part(&line, "%" PRIu32 " of %" PRIu32 " handle%s", stats->attached, stats->handles, plural(stats->handles));
  add_count(&line, stats->waiting, "waiting");
  add_part(&line, "checked every %gs", seconds(stats->reap_interval_ns));
  end_line(&line);
}

static void print_work(FILE *out, const workq_stats_data *stats) {
  struct line line = name_line(out, "work");
  add_counted(&line, stats->adds, "add", "");
  add_count(&line, stats->coalesced, "coalesced");
  add_counted(&line, stats->gets, "get", "");
  add_count(&line, stats->dones, "done");
  add_part(&line, "%" PRIu64 " retr%s", stats->retries, stats->retries == 1 ? "y" : "ies");
  add_count(&line, stats->gave_up, "given up");
  end_line(&line);
}

static void print_deaths(FILE *out, const workq_stats_data *stats) {
  struct line line = name_line(out, "deaths");
  add_counted(&line, stats->reaped, "worker", " reaped");
  add_counted(&line, stats->crashes, "key", " put back");
  add_count(&line, stats->crash_buried, "of them buried");
  add_counted(&line, stats->recoveries, "change", " undone");
  add_counted(&line, stats->lock_losses, "lock", " abandoned");
  end_line(&line);
}

static void print_queue(FILE *out, const workq_stats_data *stats, const workq_limiter *limiter) {
  fprintf(out, "queue ");
  print_escaped(out, stats->name, strnlen(stats->name, sizeof stats->name));
  fprintf(out, ": %s%s, %" PRIu32 " of %" PRIu32 " keys of at most %" PRIu32 " bytes\n",
          stats->shut_down != 0 ? "shut down" : "open", stats->paused != 0 ? ", paused" : "", stats->keys,
          stats->capacity, stats->key_max);
  print_keys(out, stats);
  if (stats->next_due_in_ns >= 0) fprintf(out, "  next due in  %.3fs\n", seconds(stats->next_due_in_ns));
  print_workers(out, stats);
  fprintf(out, "  memory       %" PRIu64 " of %" PRIu64 " bytes, mode %04" PRIo32 "\n", stats->committed, stats->size,
          stats->mode);
  print_limits(out, stats);
  print_limiter(out, limiter);
  print_work(out, stats);
  print_deaths(out, stats);
}

/* ---- Workers and keys ---- */

static const char *waiting_words(uint32_t waiting) {
  static const char *const words[] = {"not waiting", "waiting for a key", "waiting for space", "waiting for the drain"};
  return waiting < sizeof words / sizeof words[0] ? words[waiting] : "waiting";
}

static int visit_worker(void *arg, const workq_worker *worker) {
  FILE *out = arg;
  int columns =
      fprintf(out, "worker %" PRIu32 ": pid %" PRId32 " tid %" PRId32 " ", worker->slot, worker->pid, worker->tid);
  columns += print_escaped(out, worker->command, strnlen(worker->command, sizeof worker->command));
  columns += fprintf(out, "%s, ", worker->self != 0 ? " (this one)" : "");
  struct line line = begin_line(out, columns);
  add_count(&line, worker->processing, "in flight");
  add_part(&line, "%s", waiting_words(worker->waiting));
  add_part(&line, "since %.3fs", seconds(worker->age_ns));
  add_counted(&line, worker->adds, "add", "");
  add_count(&line, worker->coalesced, "coalesced");
  add_counted(&line, worker->gets, "get", "");
  add_count(&line, worker->dones, "done");
  add_part(&line, "%" PRIu64 " retr%s", worker->retries, worker->retries == 1 ? "y" : "ies");
  end_line(&line);
  return ferror(out) != 0 ? -EIO : 0;
}

/* What most keys have is left out, so that a line with a short key is short. */
static int visit_item(void *arg, const workq_info *info) {
  FILE *out = arg;
  fprintf(out, "%-10s", workq_state_name(info->state));
  if (info->priority != 0) fprintf(out, "  priority %" PRId32, info->priority);
  if (info->failures > 0) fprintf(out, "  failures %" PRIu32, info->failures);
  if (info->crashes > 0) fprintf(out, "  crashes %" PRIu32, info->crashes);
  if (info->pid != 0) fprintf(out, "  pid %" PRId32, info->pid);
  if (info->due_in_ns >= 0) fprintf(out, "  due in %.3fs", seconds(info->due_in_ns));
  fprintf(out, "  key ");
  print_escaped(out, info->key, info->key_len);
  putc('\n', out);
  return ferror(out) != 0 ? -EIO : 0;
}

int workq_dump(workq *q, FILE *out) {
  workq_stats_data stats;
  workq_limiter limiter;
  if (!out) return -EINVAL;
  int result = workq_stats(q, &stats);
  if (result < 0) return result;
  if ((result = workq_get_limiter(q, &limiter)) < 0) return result;
  print_queue(out, &stats, &limiter);
  if (ferror(out) != 0) return -EIO;
  if ((result = workq_iterate_workers(q, visit_worker, out)) < 0) return result;
  if ((result = workq_iterate(q, visit_item, out)) < 0) return result;
  return fflush(out) != 0 || ferror(out) != 0 ? -EIO : 0;
}
