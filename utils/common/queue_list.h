/*
 * The queues of this machine, as their names in /dev/shm tell.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_QUEUE_LIST_H
#define WORKQ_UTILS_COMMON_QUEUE_LIST_H

/*
 * Fills *names, in order.  Returns how many there are; -1, with errno, where the directory cannot
 * be read.
 */
int queue_list_read(char ***names);

void queue_list_free(char **names, int count);

#endif
