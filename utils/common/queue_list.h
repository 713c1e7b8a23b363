/*
 * The names of all queues, in order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_QUEUE_LIST_H
#define WORKQ_UTILS_COMMON_QUEUE_LIST_H

/* Fills *names.  Returns how many there are; -errno where they cannot be listed. */
int queue_list_read(char ***names);

void queue_list_free(char **names, int count);

#endif
