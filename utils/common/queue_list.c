/*
 * The names of all queues, in order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "queue_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <workq.h>

struct list {
  char **names;
  int count, places;
};

/* Makes room for one more.  Returns 0 or -ENOMEM. */
static int grow(struct list *list) {
  if (list->count < list->places) return 0;
  int places = list->places > 0 ? 2 * list->places : 16;
  char **grown = realloc(list->names, (size_t)places * sizeof *grown);
  if (grown == NULL) return -ENOMEM;
  list->names = grown;
  list->places = places;
  return 0;
}

static int keep_name(void *arg, const char *name) {
  struct list *list = arg;
  if (grow(list) < 0) return -ENOMEM;
  char *copy = strdup(name);
  if (copy == NULL) return -ENOMEM;
  list->names[list->count++] = copy;
  return 0;
}

static int by_name(const void *left, const void *right) {
  return strcmp(*(char *const *)left, *(char *const *)right);
}

int queue_list_read(char ***names) {
  struct list list = {0};
  int result = workq_list(keep_name, &list);
  if (result < 0) {
    queue_list_free(list.names, list.count);
    return result;
  }
  if (list.count > 0) qsort(list.names, (size_t)list.count, sizeof *list.names, by_name);
  *names = list.names;
  return list.count;
}

void queue_list_free(char **names, int count) {
  for (int i = 0; i < count; i++) free(names[i]);
  free(names);
}
