/*
 * What the library tells about a queue, a worker and a key, as text and as JSON.  Both forms of the
 * queue come from one table, so that a figure has the same name everywhere.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "output.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "escape.h"
#include "hex.h"
#include "parse.h"
#include "say.h"

/* ---- The queue's figures ------------------------------------------------------------------------------------- */

enum kind { KIND_COUNT, KIND_TOTAL, KIND_FLAG, KIND_DURATION };

static const struct figure {
  const char *name;
  size_t offset; /* in workq_stats_data */
  enum kind kind;
} figures[] = {
    {"shut_down", offsetof(workq_stats_data, shut_down), KIND_FLAG},
    {"paused", offsetof(workq_stats_data, paused), KIND_FLAG},
    {"ready", offsetof(workq_stats_data, ready), KIND_COUNT},
    {"processing", offsetof(workq_stats_data, processing), KIND_COUNT},
    {"dirty", offsetof(workq_stats_data, dirty), KIND_COUNT},
    {"delayed", offsetof(workq_stats_data, delayed), KIND_COUNT},
    {"buried", offsetof(workq_stats_data, buried), KIND_COUNT},
    {"idle", offsetof(workq_stats_data, idle), KIND_COUNT},
    {"keys", offsetof(workq_stats_data, keys), KIND_COUNT},
    {"capacity", offsetof(workq_stats_data, capacity), KIND_COUNT},
    {"key_max", offsetof(workq_stats_data, key_max), KIND_COUNT},
    {"handles", offsetof(workq_stats_data, handles), KIND_COUNT},
    {"attached", offsetof(workq_stats_data, attached), KIND_COUNT},
    {"waiting", offsetof(workq_stats_data, waiting), KIND_COUNT},
    {"next_due_in_ns", offsetof(workq_stats_data, next_due_in_ns), KIND_DURATION},
    {"reap_interval_ns", offsetof(workq_stats_data, reap_interval_ns), KIND_DURATION},
    {"crash_forget_ns", offsetof(workq_stats_data, crash_forget_ns), KIND_DURATION},
    {"metrics", offsetof(workq_stats_data, metrics), KIND_FLAG},
    {"unfinished_ns", offsetof(workq_stats_data, unfinished_ns), KIND_DURATION},
    {"longest_ns", offsetof(workq_stats_data, longest_ns), KIND_DURATION},
    {"size", offsetof(workq_stats_data, size), KIND_TOTAL},
    {"committed", offsetof(workq_stats_data, committed), KIND_TOTAL},
    {"adds", offsetof(workq_stats_data, adds), KIND_TOTAL},
    {"coalesced", offsetof(workq_stats_data, coalesced), KIND_TOTAL},
    {"after_adds", offsetof(workq_stats_data, after_adds), KIND_TOTAL},
    {"queued", offsetof(workq_stats_data, queued), KIND_TOTAL},
    {"gets", offsetof(workq_stats_data, gets), KIND_TOTAL},
    {"dones", offsetof(workq_stats_data, dones), KIND_TOTAL},
    {"retries", offsetof(workq_stats_data, retries), KIND_TOTAL},
    {"gave_up", offsetof(workq_stats_data, gave_up), KIND_TOTAL},
    {"crashes", offsetof(workq_stats_data, crashes), KIND_TOTAL},
    {"crash_buried", offsetof(workq_stats_data, crash_buried), KIND_TOTAL},
    {"reaped", offsetof(workq_stats_data, reaped), KIND_TOTAL},
    {"recoveries", offsetof(workq_stats_data, recoveries), KIND_TOTAL},
    {"evictions", offsetof(workq_stats_data, evictions), KIND_TOTAL},
    {"lock_losses", offsetof(workq_stats_data, lock_losses), KIND_TOTAL},
};

#define FIGURE_COUNT (sizeof figures / sizeof figures[0])

static int64_t figure_value(const workq_stats_data *stats, const struct figure *figure) {
  const char *at = (const char *)stats + figure->offset;
  if (figure->kind == KIND_COUNT || figure->kind == KIND_FLAG) {
    uint32_t count;
    memcpy(&count, at, sizeof count);
    return count;
  }
  int64_t total;
  memcpy(&total, at, sizeof total);
  return total;
}

/* As the options of `workq create` have it: 0 for no limit. */
static int crash_limit(const workq_stats_data *stats) {
  return stats->max_crashes == WORKQ_NEVER ? 0 : stats->max_crashes;
}

static const char *give_up_name(const workq_stats_data *stats) {
  return stats->give_up == WORKQ_DROP ? "drop" : "bury";
}

/* ---- As text ------------------------------------------------------------------------------------------------- */

static void print_text(const char *name, int name_len, const char *value) {
  printf("%-*.*s %s\n", 14, name_len, name, value);
}

static void print_figure(const struct figure *figure, int64_t value) {
  char text[DURATION_TEXT_SIZE];
  int len = (int)strlen(figure->name);
  if (figure->kind == KIND_FLAG) {
    snprintf(text, sizeof text, "%s", value != 0 ? "yes" : "no");
  } else if (figure->kind == KIND_DURATION) {
    len -= (int)strlen("_ns");
    if (value < 0) snprintf(text, sizeof text, "never");
    else format_duration(value, text);
  } else {
    snprintf(text, sizeof text, "%" PRId64, value);
  }
  print_text(figure->name, len, text);
}

void output_queue_text(const workq_stats_data *stats, const workq_limiter *limiter) {
  char text[LIMITER_TEXT_SIZE];
  char *name = escape_shown(stats->name, strlen(stats->name), escape_is_utf8(STDOUT_FILENO));
  print_text("name", 4, name);
  free(name);
  for (size_t i = 0; i < FIGURE_COUNT; i++) print_figure(&figures[i], figure_value(stats, &figures[i]));
  format_limiter(limiter, text);
  print_text("limiter", 7, text);
  snprintf(text, sizeof text, "%d", stats->max_retries);
  print_text("max_retries", 11, text);
  snprintf(text, sizeof text, "%d", crash_limit(stats));
  print_text("max_crashes", 11, text);
  print_text("give_up", 7, give_up_name(stats));
  snprintf(text, sizeof text, "%04o", stats->mode);
  print_text("mode", 4, text);
}

/* ---- As JSON ------------------------------------------------------------------------------------------------- */

void output_set(json_t *object, const char *name, json_t *value) {
  if (json_object_set_new(object, name, value) != 0) out_of_memory();
}

void output_append(json_t *array, json_t *value) {
  if (json_array_append_new(array, value) != 0) out_of_memory();
}

void output_set_integer(json_t *object, const char *name, int64_t value) {
  output_set(object, name, json_integer(value));
}

static void set_string(json_t *object, const char *name, const char *value) {
  output_set(object, name, json_string(value));
}

/* Bytes under the name where they are UTF-8, else in hexadecimal under NAME_hex. */
static void set_bytes(json_t *object, const char *name, const void *bytes, size_t len) {
  json_t *string = json_stringn(bytes, len);
  if (string != NULL) {
    output_set(object, name, string);
    return;
  }
  const unsigned char *from = bytes;
  char hex_name[32];
  snprintf(hex_name, sizeof hex_name, "%s_hex", name);
  char *hex = malloc(2 * len + 1);
  if (hex != NULL) {
    for (size_t i = 0; i < len; i++) hex_put(hex + 2 * i, from[i]);
    string = json_stringn(hex, 2 * len);
  }
  output_set(object, hex_name, string);
  free(hex);
}

json_t *output_new(const char *type) {
  json_t *object = json_object();
  set_string(object, "type", type);
  return object;
}

void output_print(FILE *out, json_t *object) {
  json_dumpf(object, out, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_PRESERVE_ORDER);
  putc('\n', out);
  json_decref(object);
}

json_t *output_queue_json(const workq_stats_data *stats, const workq_limiter *limiter) {
  char text[LIMITER_TEXT_SIZE];
  json_t *object = output_new("queue");
  set_bytes(object, "name", stats->name, strlen(stats->name));
  for (size_t i = 0; i < FIGURE_COUNT; i++) {
    int64_t value = figure_value(stats, &figures[i]);
    output_set(object, figures[i].name, figures[i].kind == KIND_FLAG ? json_boolean(value != 0) : json_integer(value));
  }
  format_limiter(limiter, text);
  set_string(object, "limiter", text);
  output_set_integer(object, "max_retries", stats->max_retries);
  output_set_integer(object, "max_crashes", crash_limit(stats));
  set_string(object, "give_up", give_up_name(stats));
  snprintf(text, sizeof text, "%04o", stats->mode);
  set_string(object, "mode", text);
  return object;
}

static const char *waiting_name(uint32_t waiting) {
  static const char *const names[] = {"no", "key", "room", "drain"};
  return waiting < sizeof names / sizeof names[0] ? names[waiting] : "unknown";
}

json_t *output_worker_json(const workq_worker *worker) {
  json_t *object = output_new("worker");
  output_set_integer(object, "slot", worker->slot);
  output_set_integer(object, "pid", worker->pid);
  output_set_integer(object, "tid", worker->tid);
  set_bytes(object, "command", worker->command, strnlen(worker->command, sizeof worker->command));
  output_set(object, "self", json_boolean(worker->self != 0));
  set_string(object, "waiting", waiting_name(worker->waiting));
  output_set_integer(object, "processing", worker->processing);
  output_set_integer(object, "age_ns", worker->age_ns);
  output_set_integer(object, "adds", (int64_t)worker->adds);
  output_set_integer(object, "coalesced", (int64_t)worker->coalesced);
  output_set_integer(object, "gets", (int64_t)worker->gets);
  output_set_integer(object, "dones", (int64_t)worker->dones);
  output_set_integer(object, "retries", (int64_t)worker->retries);
  output_set_integer(object, "failed", (int64_t)worker->failed);
  output_set_integer(object, "gave_up", (int64_t)worker->gave_up);
  if (worker->running_ns >= 0) output_set_integer(object, "running_ns", worker->running_ns);
  return object;
}

json_t *output_item_json(const workq_info *info) {
  json_t *object = output_new("item");
  set_bytes(object, "key", info->key, info->key_len);
  set_string(object, "state", workq_state_name(info->state));
  output_set_integer(object, "priority", info->priority);
  output_set_integer(object, "failures", info->failures);
  output_set_integer(object, "crashes", info->crashes);
  if (info->pid != 0) {
    output_set_integer(object, "pid", info->pid);
    output_set_integer(object, "tid", info->tid);
  }
  if (info->due_in_ns >= 0) output_set_integer(object, "due_in_ns", info->due_in_ns);
  if (info->waiting_ns >= 0) output_set_integer(object, "waiting_ns", info->waiting_ns);
  if (info->running_ns >= 0) output_set_integer(object, "running_ns", info->running_ns);
  if (info->removed) output_set(object, "removed", json_true());
  return object;
}
