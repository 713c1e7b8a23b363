/*
 * What the library tells about a queue, a worker and a key, in forms for `stats` and `dump`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_OUTPUT_H
#define WORKQ_UTILS_COMMON_OUTPUT_H

#include <stdio.h>

#include <jansson.h>
#include <workq.h>

/* Prints the queue's figures as lines of a name and a value. */
void output_queue_text(const workq_stats_data *stats, const workq_limiter *limiter);

/* Each as a JSON object, which is the caller's. */
json_t *output_queue_json(const workq_stats_data *stats, const workq_limiter *limiter);
json_t *output_worker_json(const workq_worker *worker);
json_t *output_item_json(const workq_info *info);

/*
 * An object of this type, which is the caller's.  Without memory this and those below end the
 * program.
 */
json_t *output_new(const char *type);

/* One member, or one element, more; they take the value over. */
void output_set(json_t *object, const char *name, json_t *value);
void output_set_integer(json_t *object, const char *name, int64_t value);
void output_append(json_t *array, json_t *value);

/* Prints an object as one line, and lets go of it.  A failed write is to be seen by ferror(). */
void output_print(FILE *out, json_t *object);

#endif
