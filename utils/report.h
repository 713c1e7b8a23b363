/*
 * What the library tells about a queue, a worker and a key, in forms for `stats` and `dump`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_REPORT_H
#define WORKQ_UTILS_REPORT_H

#include <workq.h>

/* Prints the queue's figures as lines of a name and a value. */
void report_queue_text(const workq_stats_data *stats, const workq_limiter *limiter);

/* Each prints one JSON object and a newline. */
void report_queue_json(const workq_stats_data *stats, const workq_limiter *limiter);
void report_worker_json(const workq_worker *worker);
void report_item_json(const workq_info *info);

#endif
