/*
 * prometheus.c: a queue's metrics in the text format of Prometheus.  It uses only the public
 * functions.
 *
 * Names, types, words and labels of workqueue_* are those of controller-runtime's
 * pkg/internal/metrics/workqueue.go, so that dashboards made for it work for these queues, too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "sizes.h"
#include "workq.h"

/* ---- Words ---- */

/* How many bytes from here on are one character of UTF-8; 0 if they are not one. */
static size_t character_length(const unsigned char *s) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  size_t len = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
  if (len < 2) return len;
  uint32_t c = s[0] & (0x7fu >> len);
  for (size_t i = 1; i < len; i++) {
    if (s[i] >> 6 != 2) return 0; /* this includes the closing NUL */
    c = c << 6 | (s[i] & 0x3fu);
  }
  return c >= least[len] && c <= 0x10ffff && c >> 11 != 0x1b ? len : 0;
}

static bool is_hex(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Text that could be taken for an escaped byte: without escaping it, two queues could have the same
 * labels. */
static bool looks_like_byte(const unsigned char *s) {
  return s[0] == '\\' && s[1] == 'x' && is_hex(s[2]) && is_hex(s[3]);
}

static void print_label(FILE *out, const char *label, const char *value) {
  fprintf(out, "%s=\"", label);
  for (const unsigned char *at = (const unsigned char *)value; *at;) {
    size_t len = character_length(at);
    if (len == 0 || looks_like_byte(at)) fprintf(out, "\\\\x%02x", *at);
    else if (*at == '\\' || *at == '"') fprintf(out, "\\%c", *at);
    else if (*at == '\n') fputs("\\n", out);
    else fwrite(at, 1, len, out);
    at += len ? len : 1;
  }
  putc('"', out);
}

/* A sample's name and labels, without the closing brace. */
static void print_start(FILE *out, const char *metric, const char *suffix, const workq_measures *queue) {
  fprintf(out, "%s%s{", metric, suffix);
  print_label(out, "name", queue->stats.name);
  if (strncmp(metric, "workqueue_", 10) != 0) return;
  putc(',', out);
  print_label(out, "controller", queue->stats.name);
}

static void print_seconds(FILE *out, uint64_t ns) {
  fprintf(out, "%" PRIu64 ".%09" PRIu64 "\n", ns / (uint64_t)NS_PER_S, ns % (uint64_t)NS_PER_S);
}

static void print_head(FILE *out, const char *metric, const char *type, const char *help) {
  fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", metric, help, metric, type);
}

/* ---- Single values ---- */

enum unit { COUNT_32, COUNT_64, SECONDS, SECONDS_MEASURED };

struct figure {
  const char *metric;
  const char *type;
  const char *help;
  size_t offset; /* in workq_stats_data */
  enum unit unit;
};

#define FIGURE(metric, type, help, field, unit)                                                                        \
  { metric, type, help, offsetof(workq_stats_data, field), unit }

static const struct figure figures[] = {
    FIGURE("workqueue_adds_total", "counter", "Total number of adds handled by workqueue", queued, COUNT_64),
    FIGURE(
        "workqueue_unfinished_work_seconds", "gauge",
        "How many seconds of work has been done that is in progress and hasn't been observed by work_duration. Large "
        "values indicate stuck threads. One can deduce the number of stuck threads by observing the rate at which this "
        "increases.",
        unfinished_ns, SECONDS_MEASURED),
    FIGURE("workqueue_longest_running_processor_seconds", "gauge",
           "How many seconds has the longest running processor for workqueue been running.", longest_ns,
           SECONDS_MEASURED),
    FIGURE("workq_ready", "gauge", "Keys that wait for a worker.", ready, COUNT_32),
    FIGURE("workq_processing", "gauge", "Keys that workers process.", processing, COUNT_32),
    FIGURE("workq_dirty", "gauge", "Keys that workers process and that will be ready again when done.", dirty,
           COUNT_32),
    FIGURE("workq_delayed", "gauge", "Keys with a run at a later time.", delayed, COUNT_32),
    FIGURE("workq_next_due_seconds", "gauge", "Time until the earliest of these is due.", next_due_in_ns, SECONDS),
    FIGURE("workq_buried", "gauge", "Keys set aside after too many failures or crashes.", buried, COUNT_32),
    FIGURE("workq_idle", "gauge", "Keys that are kept for their failure counts alone.", idle, COUNT_32),
    FIGURE("workq_keys", "gauge", "Keys in the queue, in any state.", keys, COUNT_32),
    FIGURE("workq_capacity", "gauge", "Most keys that the queue can have.", capacity, COUNT_32),
    FIGURE("workq_handles", "gauge", "Handles attached to the queue.", attached, COUNT_32),
    FIGURE("workq_handles_limit", "gauge", "Most handles that can be attached.", handles, COUNT_32),
    FIGURE("workq_waiting_workers", "gauge", "Handles that wait for a key.", waiting, COUNT_32),
    FIGURE("workq_memory_committed_bytes", "gauge", "Shared memory allocated.", committed, COUNT_64),
    FIGURE("workq_memory_size_bytes", "gauge", "Shared memory that a full queue takes.", size, COUNT_64),
    FIGURE("workq_paused", "gauge", "1 while gets are paused.", paused, COUNT_32),
    FIGURE("workq_shut_down", "gauge", "1 while the queue is shut down.", shut_down, COUNT_32),
    FIGURE("workq_adds_total", "counter", "Adds that marked a key, for now or for later.", adds, COUNT_64),
    FIGURE("workq_coalesced_adds_total", "counter", "Adds that found the key marked already.", coalesced, COUNT_64),
    FIGURE("workq_delayed_adds_total", "counter", "Adds with a delay.", after_adds, COUNT_64),
    FIGURE("workq_rate_limited_adds_total", "counter", "Rate-limited adds and retries.", retries, COUNT_64),
    FIGURE("workq_gets_total", "counter", "Keys handed to workers.", gets, COUNT_64),
    FIGURE("workq_dones_total", "counter", "Keys that workers have finished, in any way.", dones, COUNT_64),
    FIGURE("workq_gave_up_total", "counter", "Keys given up, after their last retry or at once.", gave_up, COUNT_64),
    FIGURE("workq_crashes_total", "counter", "Keys put back because their worker died.", crashes, COUNT_64),
    FIGURE("workq_crash_buried_total", "counter", "Keys buried because too many workers died of them.", crash_buried,
           COUNT_64),
    FIGURE("workq_reaped_handles_total", "counter", "Handles whose thread has died.", reaped, COUNT_64),
    FIGURE("workq_recoveries_total", "counter", "Transactions undone after a death inside the lock.", recoveries,
           COUNT_64),
    FIGURE("workq_lock_losses_total", "counter", "Locks abandoned because no thread held them.", lock_losses, COUNT_64),
    FIGURE("workq_evictions_total", "counter", "Idle keys forgotten because their space was needed.", evictions,
           COUNT_64),
};

/* Sets *value; returns whether there is one. */
static bool figure_read(const struct figure *figure, const workq_stats_data *stats, uint64_t *value) {
  const unsigned char *at = (const unsigned char *)stats + figure->offset;
  uint32_t narrow;
  if (figure->unit == SECONDS_MEASURED && !stats->metrics) return false;
  if (figure->unit == COUNT_32) {
    memcpy(&narrow, at, sizeof narrow);
    *value = narrow;
    return true;
  }
  memcpy(value, at, sizeof *value);
  return figure->unit != SECONDS || (int64_t)*value >= 0;
}

static void print_figure(FILE *out, const struct figure *figure, const workq_measures *queues, size_t count) {
  print_head(out, figure->metric, figure->type, figure->help);
  for (size_t i = 0; i < count; i++) {
    uint64_t value;
    if (!figure_read(figure, &queues[i].stats, &value)) continue;
    print_start(out, figure->metric, "", &queues[i]);
    fputs("} ", out);
    if (figure->unit == COUNT_32 || figure->unit == COUNT_64) fprintf(out, "%" PRIu64 "\n", value);
    else print_seconds(out, value);
  }
}

/* ---- Values by priority and histograms ---- */

/* client-go counts every delayed add as a retry. */
static void print_retries(FILE *out, const workq_measures *queues, size_t count) {
  print_head(out, "workqueue_retries_total", "counter", "Total number of retries handled by workqueue");
  for (size_t i = 0; i < count; i++) {
    print_start(out, "workqueue_retries_total", "", &queues[i]);
    fprintf(out, "} %" PRIu64 "\n", queues[i].stats.retries + queues[i].stats.after_adds);
  }
}

static void print_depth(FILE *out, const workq_measures *queue, const char *priority, uint64_t depth) {
  print_start(out, "workqueue_depth", "", queue);
  fprintf(out, ",priority=\"%s\"} %" PRIu64 "\n", priority, depth);
}

static void print_depths(FILE *out, const workq_measures *queues, size_t count) {
  print_head(out, "workqueue_depth", "gauge", "Current depth of workqueue by workqueue and priority");
  for (size_t i = 0; i < count; i++) {
    const workq_measures *queue = &queues[i];
    uint32_t shown = queue->shown < WORKQ_PRIORITIES_SHOWN ? queue->shown : WORKQ_PRIORITIES_SHOWN;
    uint64_t others = 0;
    for (size_t band = 0; band < sizeof queue->depth / sizeof *queue->depth; band++) others += queue->depth[band];
    for (uint32_t n = 0; n < shown; n++) {
      char priority[8];
      uint32_t depth = queue->depth[queue->shown_priority[n] + 128];
      snprintf(priority, sizeof priority, "%d", queue->shown_priority[n]);
      print_depth(out, queue, priority, depth);
      others -= depth;
    }
    if (shown == WORKQ_PRIORITIES_SHOWN) print_depth(out, queue, "exceeded_cardinality_limit", others);
  }
}

/* The bounds as Kubernetes' binaries write them, which reach them by multiplying: so that sums by
 * bucket across both go together. */
static const char *const bounds[] = {
    "1e-08", "1e-07", "1e-06", "9.999999999999999e-06", "9.999999999999999e-05", "0.001", "0.01", "0.1", "1",
    "10",    "100",   "1000"};

/* Every third of the histogram's bounds is a power of ten. */
#define DECADE 3u

static void print_histogram(FILE *out, const char *metric, const workq_measures *queue, const workq_histogram *h) {
  uint64_t below = 0;
  unsigned bucket = 0;
  for (unsigned i = 0; i < sizeof bounds / sizeof *bounds; i++) {
    for (; bucket <= i * DECADE; bucket++) below += h->buckets[bucket];
    print_start(out, metric, "_bucket", queue);
    fprintf(out, ",le=\"%s\"} %" PRIu64 "\n", bounds[i], below);
  }
  print_start(out, metric, "_bucket", queue);
  fprintf(out, ",le=\"+Inf\"} %" PRIu64 "\n", h->count);
  print_start(out, metric, "_sum", queue);
  fputs("} ", out);
  print_seconds(out, h->sum_ns);
  print_start(out, metric, "_count", queue);
  fprintf(out, "} %" PRIu64 "\n", h->count);
}

static const struct {
  const char *metric;
  const char *help;
  size_t offset; /* in workq_measures */
} histograms[] = {
    {"workqueue_queue_duration_seconds", "How long in seconds an item stays in workqueue before being requested",
     offsetof(workq_measures, queue_time)},
    {"workqueue_work_duration_seconds", "How long in seconds processing an item from workqueue takes.",
     offsetof(workq_measures, work_time)},
    {"workq_delay_duration_seconds", "How long in seconds a key was delayed before it was ready.",
     offsetof(workq_measures, delay_time)},
};

static void print_histograms(FILE *out, const workq_measures *queues, size_t count) {
  for (size_t kind = 0; kind < sizeof histograms / sizeof *histograms; kind++) {
    print_head(out, histograms[kind].metric, "histogram", histograms[kind].help);
    for (size_t i = 0; i < count; i++) {
      const unsigned char *at = (const unsigned char *)&queues[i] + histograms[kind].offset;
      if (queues[i].stats.metrics)
        print_histogram(out, histograms[kind].metric, &queues[i], (const workq_histogram *)(const void *)at);
    }
  }
}

/* ---- All ---- */

static int print_all(FILE *out, const workq_measures *queues, size_t count) {
  print_depths(out, queues, count);
  print_retries(out, queues, count);
  for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) print_figure(out, &figures[i], queues, count);
  print_histograms(out, queues, count);
  return fflush(out) != 0 || ferror(out) != 0 ? -EIO : 0;
}

/* Of a caller that knows another form of the structure.  0, -EINVAL or -ENOMEM. */
static int read_all(const void *given, size_t size, size_t count, workq_measures **queues) {
  *queues = calloc(count, sizeof **queues);
  if (!*queues) return -ENOMEM;
  for (size_t i = 0; i < count; i++)
    if (sizes_read(&(*queues)[i], sizeof **queues, (const char *)given + i * size, size) < 0) return -EINVAL;
  return 0;
}

int workq_metrics_print_sized(const workq_measures *given, size_t size, size_t count, FILE *out) {
  workq_measures *queues = NULL;
  if (!out || (count && (!given || size == 0))) return -EINVAL;
  if (size == sizeof *given || count == 0) return print_all(out, given, count);
  int rc = read_all(given, size, count, &queues);
  if (rc == 0) rc = print_all(out, queues, count);
  free(queues);
  return rc;
}

int workq_metrics(workq *q, FILE *out) {
  workq_measures measures;
  if (!out) return -EINVAL;
  int rc = workq_measure(q, &measures);
  return rc < 0 ? rc : workq_metrics_print(&measures, 1, out);
}
