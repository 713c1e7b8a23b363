/*
 * The queues of this machine, as their names in /dev/shm tell.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "queue_list.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "shm.h"

#define PREFIX_LENGTH (sizeof SHM_PREFIX - 1)

static int is_segment(const struct dirent *entry) {
  return strncmp(entry->d_name, SHM_PREFIX, PREFIX_LENGTH) == 0 && entry->d_name[PREFIX_LENGTH] != '\0';
}

static int by_name(const struct dirent **left, const struct dirent **right) {
  return strcmp((*left)->d_name, (*right)->d_name);
}

int queue_list_read(char ***names) {
  struct dirent **entries;
  int count = scandir(SHM_DIRECTORY, &entries, is_segment, by_name);
  if (count < 0) return -1;
  *names = calloc((size_t)count + 1, sizeof **names);
  for (int i = 0; i < count; i++) {
    if (*names) (*names)[i] = strdup(entries[i]->d_name + PREFIX_LENGTH);
    free(entries[i]);
  }
  free(entries);
  for (int i = 0; i < count; i++) {
    if (*names && (*names)[i]) continue;
    if (*names) queue_list_free(*names, count);
    return -1;
  }
  return count;
}

void queue_list_free(char **names, int count) {
  for (int i = 0; i < count; i++) free(names[i]);
  free(names);
}
