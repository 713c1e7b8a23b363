/*
 * Queues, workers and keys as `workq serve` tells them in JSON, and the metrics.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/output.h"
#include "common/queue_list.h"
#include "serve.h"

/* Bounds of an answer: queues, workers, and how long keys are looked through. */
#define QUEUES_MAX   1024
#define WORKERS_MAX  500u
#define SCAN_NS      (100 * NS_PER_MS)
#define SCAN_STRETCH 256u

/* Samples over which rates are averaged, and those that the list of queues shows. */
#define RATE_SAMPLES   10u
#define RECENT_SAMPLES 60u

/* ---- Small things -------------------------------------------------------------------------------------------- */

unsigned api_status(int error) {
  switch (error) {
  case -ENOENT:
    return 404;
  case -EINVAL:
  case -EMSGSIZE:
  case -ENAMETOOLONG:
    return 400;
  case -EPERM:
  case -EACCES:
    return 403;
  default:
    return 503;
  }
}

json_t *api_error(unsigned status, const char *reason, unsigned *status_out) {
  json_t *object = json_object();
  output_set(object, "error", json_string(reason));
  *status_out = status;
  return object;
}

static json_t *read_failed(int error, unsigned *status) {
  return api_error(api_status(error), peek_error(error), status);
}

/* The name as it stands in a path: some names are no text. */
static void set_path(json_t *object, const char *name) {
  char path[3 * 256 + 1], *end = path;
  for (const unsigned char *at = (const unsigned char *)name; *at != '\0' && end < path + sizeof path - 4; at++)
    end += sprintf(end, isalnum(*at) || strchr("-._~", *at) != NULL ? "%c" : "%%%02X", *at);
  output_set(object, "path", json_string(path));
}

/* ---- All queues ---------------------------------------------------------------------------------------------- */

static json_t *queue_json(const char *name, const workq_measures *measures, const workq_limiter *limiter) {
  const workq_stats_data *stats = &measures->stats;
  json_t *object = output_queue_json(stats, limiter);
  set_path(object, name);
  output_set_integer(object, "dirty", stats->dirty);
  output_set_integer(object, "unfinished_ns", stats->unfinished_ns);
  output_set_integer(object, "longest_ns", stats->longest_ns);
  output_set(object, "metrics", json_boolean(stats->metrics != 0));
  return object;
}

/*
 * After how long a queue or a run is marked: a key that takes twice as long as most of this queue do
 * is nothing to mark yet.
 */
static int64_t stuck_after_ns(const struct serve *serve, const workq_measures *measures) {
  int64_t usual_ns = workq_histogram_quantile_ns(&measures->work_time, 0.99);
  return usual_ns > serve->stuck_ns / 2 ? 2 * usual_ns : serve->stuck_ns;
}

/* Why the queue does not go on as it should, and since when; null where nothing seems wrong. */
static json_t *stuck_json(const struct serve *serve, const workq_measures *measures, const struct history *history) {
  const workq_stats_data *stats = &measures->stats;
  bool waits = stats->ready > 0 && stats->paused == 0;
  int64_t after_ns = stuck_after_ns(serve, measures), for_ns = waits && history ? history_stalled_ns(history) : 0;
  const char *reason = stats->waiting == 0 && stats->processing == 0 ? "no worker" : "none done";
  if (for_ns < after_ns) {
    for_ns = stats->longest_ns;
    reason = "long run";
  }
  if (for_ns < after_ns) return json_null();
  json_t *object = json_object();
  output_set(object, "reason", json_string(reason));
  output_set_integer(object, "for_ns", for_ns);
  return object;
}

/* The averages of the last seconds. */
static json_t *rates_json(const struct history *history) {
  double adds = 0, dones = 0, retries = 0;
  uint64_t first = 0, end = history_end(history, &first), seen = 0;
  if (end - first > RATE_SAMPLES) first = end - RATE_SAMPLES;
  for (; first < end; first++) {
    const struct history_point *sample = history_at(history, first);
    if (!sample->is_there) continue;
    adds += sample->adds;
    dones += sample->dones;
    retries += sample->retries;
    seen++;
  }
  json_t *object = json_object();
  double count = seen > 0 ? (double)seen : 1;
  output_set(object, "adds", json_real(adds / count));
  output_set(object, "dones", json_real(dones / count));
  output_set(object, "retries", json_real(retries / count));
  return object;
}

/* How many keys were ready in the last minute; null where that is not known. */
static json_t *recent_json(const struct history *history) {
  uint64_t first = 0, end = history_end(history, &first);
  if (end - first > RECENT_SAMPLES) first = end - RECENT_SAMPLES;
  json_t *array = json_array();
  for (; first < end; first++) {
    const struct history_point *sample = history_at(history, first);
    output_append(array, sample->is_there ? json_integer(sample->ready) : json_null());
  }
  return array;
}

struct figures {
  workq_measures measures;
  workq_limiter limiter;
};

static int read_figures(workq *q, void *arg) {
  struct figures *figures = arg;
  int result = workq_measure(q, &figures->measures);
  return result < 0 ? result : workq_get_limiter(q, &figures->limiter);
}

static json_t *broken_json(const char *name, int error) {
  workq_stats_data stats = {0};
  json_t *full, *object = output_new("queue");
  const char *key;
  json_t *value;
  snprintf(stats.name, sizeof stats.name, "%s", name);
  full = output_queue_json(&stats, &(workq_limiter){.kinds = WORKQ_LIMIT_NONE});
  json_object_foreach(full, key, value) if (strncmp(key, "name", 4) == 0) output_set(object, key, json_incref(value));
  json_decref(full);
  set_path(object, name);
  output_set(object, "error", json_string(peek_error(error)));
  return object;
}

static void append_queue(const struct serve *serve, json_t *queues, const char *name) {
  struct figures figures;
  int result = peek_at(name, serve->shared, read_figures, &figures);
  if (result == -ENOENT) return; /* removed since the names were read */
  if (result < 0) {
    output_append(queues, broken_json(name, result));
    return;
  }
  json_t *object = queue_json(name, &figures.measures, &figures.limiter);
  const struct history *history = history_find(serve->histories, name);
  output_set(object, "stuck", stuck_json(serve, &figures.measures, history));
  if (history != NULL) {
    output_set(object, "rates", rates_json(history));
    output_set(object, "recent_ready", recent_json(history));
  }
  output_append(queues, object);
}

static json_t *list_failed(int error, unsigned *status) {
  char reason[256];
  snprintf(reason, sizeof reason, "cannot list the queues: %s", workq_strerror(error));
  return api_error(503, reason, status);
}

json_t *api_queues(const struct serve *serve, unsigned *status) {
  char **names;
  int count = queue_list_read(&names);
  if (count < 0) return list_failed(count, status);
  json_t *object = json_object(), *queues = json_array();
  for (int i = 0; i < count && i < QUEUES_MAX; i++) append_queue(serve, queues, names[i]);
  queue_list_free(names, count);
  output_set(object, "version", json_string(workq_version()));
  output_set(object, "actions", json_boolean(serve->token != NULL));
  output_set(object, "cut", json_boolean(count > QUEUES_MAX));
  output_set(object, "queues", queues);
  *status = 200;
  return object;
}

/* ---- One queue ----------------------------------------------------------------------------------------------- */

/* Workers, and handles that have taken no key: those that only add, or read. */
struct whole {
  struct figures figures;
  json_t *workers;
  json_t *others;
  bool workers_cut;
};

static bool is_worker(const workq_worker *worker) {
  return worker->gets > 0 || worker->processing > 0 || worker->waiting == 1;
}

static int visit_worker(void *arg, const workq_worker *worker) {
  struct whole *whole = arg;
  json_t *array = is_worker(worker) ? whole->workers : whole->others;
  if (json_array_size(array) == WORKERS_MAX) {
    whole->workers_cut = true;
    return 0;
  }
  json_t *object = output_worker_json(worker);
  output_set(object, "works", json_boolean(is_worker(worker)));
  output_set_integer(object, "failed", (int64_t)worker->failed);
  output_set_integer(object, "gave_up", (int64_t)worker->gave_up);
  output_set_integer(object, "running_ns", worker->running_ns);
  output_append(array, object);
  return 0;
}

/* Workers first: those are what one asks for. */
static void join_handles(struct whole *whole) {
  for (size_t i = 0; i < json_array_size(whole->others); i++) {
    if (json_array_size(whole->workers) == WORKERS_MAX) {
      whole->workers_cut = true;
      break;
    }
    output_append(whole->workers, json_incref(json_array_get(whole->others, i)));
  }
  json_decref(whole->others);
}

static int read_whole(workq *q, void *arg) {
  struct whole *whole = arg;
  int result = read_figures(q, &whole->figures);
  return result < 0 ? result : workq_iterate_workers(q, visit_worker, whole);
}

/* Highest priority first. */
static json_t *depth_json(const workq_measures *measures) {
  json_t *array = json_array();
  for (int priority = INT8_MAX; priority >= INT8_MIN; priority--) {
    uint32_t keys = measures->depth[priority - INT8_MIN];
    if (keys == 0) continue;
    json_t *object = json_object();
    output_set_integer(object, "priority", priority);
    output_set_integer(object, "keys", keys);
    output_append(array, object);
  }
  return array;
}

static json_t *histogram_json(const workq_histogram *histogram) {
  static const struct {
    const char *name;
    double share;
  } quantiles[] = {{"p50_ns", 0.5}, {"p90_ns", 0.9}, {"p99_ns", 0.99}, {"max_ns", 1}};
  json_t *object = json_object();
  output_set_integer(object, "count", (int64_t)histogram->count);
  output_set_integer(object, "mean_ns", histogram->count > 0 ? (int64_t)(histogram->sum_ns / histogram->count) : -1);
  for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
    output_set_integer(object, quantiles[i].name, workq_histogram_quantile_ns(histogram, quantiles[i].share));
  return object;
}

static json_t *latency_json(const struct history *history, const workq_measures *measures) {
  json_t *object = json_object(), *always = json_object();
  output_set(always, "queue", histogram_json(&measures->queue_time));
  output_set(always, "work", histogram_json(&measures->work_time));
  output_set(always, "delay", histogram_json(&measures->delay_time));
  output_set(object, "always", always);
  if (history != NULL) {
    workq_histogram times[HISTORY_TIMES];
    json_t *minute = json_object();
    history_minute(history, measures, times);
    output_set(minute, "queue", histogram_json(&times[HISTORY_QUEUE_TIME]));
    output_set(minute, "work", histogram_json(&times[HISTORY_WORK_TIME]));
    output_set(object, "minute", minute);
  }
  return object;
}

static const char *const columns[] = {"ready",        "processing",     "delayed",    "buried",
                                      "adds",         "dones",          "retries",    "queue_median_ns",
                                      "queue_p99_ns", "work_median_ns", "work_p99_ns"};

#define COLUMN_COUNT (sizeof columns / sizeof columns[0])

static json_t *time_json(int64_t ns) {
  return ns < 0 ? json_null() : json_integer(ns);
}

static json_t *column_json(const struct history_point *sample, size_t column) {
  if (!sample->is_there) return json_null();
  switch (column) {
  case 0:
    return json_integer(sample->ready);
  case 1:
    return json_integer(sample->processing);
  case 2:
    return json_integer(sample->delayed);
  case 3:
    return json_integer(sample->buried);
  case 4:
    return json_real((double)sample->adds);
  case 5:
    return json_real((double)sample->dones);
  case 6:
    return json_real((double)sample->retries);
  case 7:
    return time_json(sample->median_ns[HISTORY_QUEUE_TIME]);
  case 8:
    return time_json(sample->p99_ns[HISTORY_QUEUE_TIME]);
  case 9:
    return time_json(sample->median_ns[HISTORY_WORK_TIME]);
  default:
    return time_json(sample->p99_ns[HISTORY_WORK_TIME]);
  }
}

static json_t *history_json(const struct history *history, uint64_t since) {
  json_t *object = json_object(), *data = json_object();
  uint64_t first = since, end = history_end(history, &first);
  output_set_integer(object, "interval_ns", NS_PER_S);
  output_set_integer(object, "kept", HISTORY_POINTS);
  output_set_integer(object, "first", (int64_t)first);
  output_set_integer(object, "end", (int64_t)end);
  for (size_t column = 0; column < COLUMN_COUNT; column++) {
    json_t *array = json_array();
    for (uint64_t number = first; number < end; number++)
      output_append(array, column_json(history_at(history, number), column));
    output_set(data, columns[column], array);
  }
  output_set(object, "samples", data);
  return object;
}

json_t *api_queue(const struct serve *serve, const char *name, uint64_t since, unsigned *status) {
  struct whole whole = {.workers = json_array(), .others = json_array()};
  int result = peek_at(name, serve->shared, read_whole, &whole);
  join_handles(&whole);
  if (result < 0) {
    json_decref(whole.workers);
    return read_failed(result, status);
  }
  const struct history *history = history_find(serve->histories, name);
  const workq_measures *measures = &whole.figures.measures;
  json_t *object = queue_json(name, measures, &whole.figures.limiter);
  output_set(object, "stuck", stuck_json(serve, measures, history));
  output_set_integer(object, "stuck_after_ns", stuck_after_ns(serve, measures));
  output_set(object, "depth", depth_json(measures));
  output_set(object, "latency", latency_json(history, measures));
  output_set(object, "workers", whole.workers);
  output_set(object, "workers_cut", json_boolean(whole.workers_cut));
  if (history != NULL) output_set(object, "rates", rates_json(history));
  if (history != NULL) output_set(object, "history", history_json(history, since));
  *status = 200;
  return object;
}

/* ---- Keys ---------------------------------------------------------------------------------------------------- */

struct scan {
  const struct api_filter *filter;
  json_t *items;
  uint32_t keys; /* in the queue */
  uint32_t scanned;
  uint32_t found;
  int64_t end_ns; /* when it is to be given up */
  const char *cut;
};

static unsigned char lower(unsigned char byte) {
  return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte | 0x20) : byte;
}

static bool contains(const struct api_filter *filter, const unsigned char *key, size_t len) {
  const unsigned char *search = (const unsigned char *)filter->search;
  for (size_t start = 0; start + filter->search_len <= len; start++) {
    size_t i = 0;
    while (i < filter->search_len && lower(key[start + i]) == lower(search[i])) i++;
    if (i == filter->search_len) return true;
  }
  return false;
}

/* A key that is processed and dirty is processed. */
static bool has_state(const struct api_filter *filter, int state) {
  return filter->state == 0 || filter->state == state ||
         (filter->state == WORKQ_STATE_PROCESSING && state == WORKQ_STATE_DIRTY);
}

bool api_wants(const struct api_filter *filter, const workq_info *info) {
  return has_state(filter, info->state) && contains(filter, info->key, info->key_len);
}

int api_visit(workq *q, int state, int (*visit)(void *arg, const workq_info *info), void *arg) {
  return state == 0 || state == WORKQ_STATE_DIRTY ? workq_iterate(q, visit, arg)
                                                  : workq_iterate_state(q, state, visit, arg);
}

static int visit_item(void *arg, const workq_info *info) {
  struct scan *scan = arg;
  scan->scanned++;
  if (scan->scanned % SCAN_STRETCH == 0 && clock_now_ns() > scan->end_ns) {
    scan->cut = "time";
    return 1;
  }
  if (!api_wants(scan->filter, info)) return 0;
  scan->found++;
  if (json_array_size(scan->items) == scan->filter->limit) {
    scan->cut = "limit";
    return scan->filter->count ? 0 : 1;
  }
  json_t *object = output_item_json(info);
  output_set_integer(object, "waiting_ns", info->waiting_ns);
  output_set_integer(object, "running_ns", info->running_ns);
  output_append(scan->items, object);
  return 0;
}

/* How many keys the state has; that of all for a state without a count of its own. */
static uint32_t count_of(const workq_stats_data *stats, int state) {
  switch (state) {
  case WORKQ_STATE_READY:
    return stats->ready;
  case WORKQ_STATE_PROCESSING:
    return stats->processing;
  case WORKQ_STATE_DIRTY:
    return stats->dirty;
  case WORKQ_STATE_DELAYED:
    return stats->delayed;
  case WORKQ_STATE_BURIED:
    return stats->buried;
  case WORKQ_STATE_IDLE:
    return stats->idle;
  default:
    return stats->keys;
  }
}

static int read_items(workq *q, void *arg) {
  struct scan *scan = arg;
  workq_stats_data stats;
  int result = workq_stats(q, &stats);
  if (result < 0) return result;
  scan->keys = stats.keys;
  scan->end_ns = clock_now_ns() + SCAN_NS;
  return count_of(&stats, scan->filter->state) > 0 ? api_visit(q, scan->filter->state, visit_item, scan) : 0;
}

json_t *api_items(const struct serve *serve, const char *name, const struct api_filter *filter, unsigned *status) {
  struct scan scan = {.filter = filter, .items = json_array()};
  int result = peek_at(name, serve->shared, read_items, &scan);
  if (result < 0) {
    json_decref(scan.items);
    return read_failed(result, status);
  }
  json_t *object = json_object();
  output_set(object, "items", scan.items);
  output_set_integer(object, "scanned", scan.scanned);
  output_set_integer(object, "keys", scan.keys);
  if (filter->count) output_set_integer(object, "found", scan.found);
  output_set(object, "cut", scan.cut != NULL ? json_string(scan.cut) : json_null());
  *status = 200;
  return object;
}

/* ---- Metrics ------------------------------------------------------------------------------------------------- */

int api_metrics(const struct serve *serve, char **text, size_t *len) {
  char **names;
  int count = queue_list_read(&names);
  if (count < 0) return count;
  workq_measures *measures = calloc((size_t)count + 1, sizeof *measures);
  *text = NULL;
  FILE *out = measures != NULL ? open_memstream(text, len) : NULL;
  size_t measured = 0;
  for (int i = 0; i < count && i < QUEUES_MAX && out != NULL; i++)
    if (peek_measure(names[i], serve->shared, &measures[measured]) >= 0) measured++;
  queue_list_free(names, count);
  int result = out != NULL && workq_metrics_print(measures, measured, out) == 0 ? 0 : -ENOMEM;
  if (out != NULL && fclose(out) != 0) result = -ENOMEM;
  free(measures);
  if (result < 0) free(*text);
  return result;
}
