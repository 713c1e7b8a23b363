/*
 * workq_dump: the queue, its workers and its keys as lines of text for people.  It uses only the
 * public functions, so it shows what any program can see.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "workq.h"

static bool is_printable(unsigned char byte) {
  return byte >= 0x20 && byte < 0x7f;
}

/* Prints bytes with backslash escapes, so that no key can be mistaken for another or moves a
 * terminal's cursor. */
static void print_escaped(FILE *out, const void *bytes, size_t len) {
  const unsigned char *from = bytes;
  for (size_t i = 0; i < len; i++) {
    if (from[i] == '\\') fputs("\\\\", out);
    else if (from[i] == '\n') fputs("\\n", out);
    else if (is_printable(from[i])) putc(from[i], out);
    else fprintf(out, "\\x%02x", from[i]);
  }
}

static double seconds(int64_t ns) {
  return (double)ns / 1e9;
}

/* ---- The queue ---- */

static void print_limiter(FILE *out, const workq_limiter *limiter) {
  fprintf(out, "  limiter     ");
  if ((limiter->kinds & WORKQ_LIMIT_NONE) != 0) fprintf(out, " none;");
  if ((limiter->kinds & WORKQ_LIMIT_EXPONENTIAL) != 0)
    fprintf(out, " exponential from %gs to %gs by %g;", seconds(limiter->exp_initial_ns), seconds(limiter->exp_max_ns),
            limiter->exp_factor);
  if ((limiter->kinds & WORKQ_LIMIT_FAST_SLOW) != 0)
    fprintf(out, " %" PRIu32 " times %gs, then %gs;", limiter->fast_attempts, seconds(limiter->fast_ns),
            seconds(limiter->slow_ns));
  if ((limiter->kinds & WORKQ_LIMIT_BUCKET) != 0)
    fprintf(out, " %g a second, burst %" PRIu32 ";", limiter->bucket_rate, limiter->bucket_burst);
  if (limiter->max_wait_ns > 0) fprintf(out, " at most %gs;", seconds(limiter->max_wait_ns));
  fprintf(out, " jitter %g\n", limiter->jitter);
}

static void print_limits(FILE *out, const workq_stats_data *stats) {
  fprintf(out, "  limits       ");
  if (stats->max_retries == 0) fprintf(out, "retries without limit, ");
  else
    fprintf(out, "%" PRId32 " retries, then %s, ", stats->max_retries, stats->give_up == WORKQ_DROP ? "drop" : "bury");
  if (stats->max_crashes == WORKQ_NEVER) fprintf(out, "crashes without limit\n");
  else fprintf(out, "%" PRId32 " crashes, then bury\n", stats->max_crashes);
}

static void print_queue(FILE *out, const workq_stats_data *stats, const workq_limiter *limiter) {
  fprintf(out, "queue ");
  print_escaped(out, stats->name, strnlen(stats->name, sizeof stats->name));
  fprintf(out, ": %s%s, %" PRIu32 " of %" PRIu32 " keys of at most %" PRIu32 " bytes\n",
          stats->shut_down != 0 ? "shut down" : "open", stats->paused != 0 ? ", paused" : "", stats->keys,
          stats->capacity, stats->key_max);
  fprintf(out,
          "  keys         %" PRIu32 " ready, %" PRIu32 " processing, %" PRIu32 " delayed, %" PRIu32 " buried, %" PRIu32
          " idle\n",
          stats->ready, stats->processing, stats->delayed, stats->buried, stats->idle);
  if (stats->next_due_in_ns >= 0) fprintf(out, "  next due in  %.3fs\n", seconds(stats->next_due_in_ns));
  fprintf(out, "  workers      %" PRIu32 " of %" PRIu32 " handles, %" PRIu32 " waiting, checked every %gs\n",
          stats->attached, stats->handles, stats->waiting, seconds(stats->reap_interval_ns));
  fprintf(out, "  memory       %" PRIu64 " of %" PRIu64 " bytes, mode %04" PRIo32 "\n", stats->committed, stats->size,
          stats->mode);
  print_limits(out, stats);
  print_limiter(out, limiter);
  fprintf(out,
          "  work         %" PRIu64 " adds, %" PRIu64 " coalesced, %" PRIu64 " gets, %" PRIu64 " dones, %" PRIu64
          " retries, %" PRIu64 " given up\n",
          stats->adds, stats->coalesced, stats->gets, stats->dones, stats->retries, stats->gave_up);
  fprintf(out,
          "  deaths       %" PRIu64 " workers reaped, %" PRIu64 " keys put back, %" PRIu64 " of them buried, %" PRIu64
          " changes undone, %" PRIu64 " locks abandoned\n",
          stats->reaped, stats->crashes, stats->crash_buried, stats->recoveries, stats->lock_losses);
}

/* ---- Workers and keys ---- */

static const char *waiting_words(uint32_t waiting) {
  static const char *const words[] = {"not waiting", "waiting for a key", "waiting for space", "waiting for the drain"};
  return waiting < sizeof words / sizeof words[0] ? words[waiting] : "waiting";
}

static int visit_worker(void *arg, const workq_worker *worker) {
  FILE *out = arg;
  fprintf(out, "worker %" PRIu32 ": pid %" PRId32 " tid %" PRId32 " ", worker->slot, worker->pid, worker->tid);
  print_escaped(out, worker->command, strnlen(worker->command, sizeof worker->command));
  fprintf(out,
          "%s, %" PRIu32 " in flight, %s, since %.3fs; %" PRIu64 " adds, %" PRIu64 " coalesced, %" PRIu64
          " gets, %" PRIu64 " dones, %" PRIu64 " retries\n",
          worker->self != 0 ? " (this one)" : "", worker->processing, waiting_words(worker->waiting),
          seconds(worker->age_ns), worker->adds, worker->coalesced, worker->gets, worker->dones, worker->retries);
  return ferror(out) != 0 ? -EIO : 0;
}

static int visit_item(void *arg, const workq_info *info) {
  FILE *out = arg;
  fprintf(out, "%-10s  priority %" PRId32 "  failures %" PRIu32 "  crashes %" PRIu32, workq_state_name(info->state),
          info->priority, info->failures, info->crashes);
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
