/*
 * Which files `workq watch` takes, by the patterns of --include and --exclude.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_WATCH_FILTER_H
#define WORKQ_UTILS_WATCH_FILTER_H

#include <stdbool.h>
#include <stddef.h>

struct pattern {
  char *glob;    /* as for fnmatch(3) */
  bool anchored; /* it is for a whole path, not for any component of it */
};

struct patterns {
  struct pattern *all;
  size_t count;
};

struct filter {
  struct patterns include, exclude; /* all zero: takes everything */
};

/*
 * Adds a pattern.  Returns null, or what is wrong with it: that it is empty, or that there is no
 * memory.
 */
const char *patterns_add(struct patterns *patterns, const char *text);

/*
 * Whether the file with this path is taken: it, or a directory above it, matches a pattern of
 * include, if there is any, and none of exclude.  A directory is taken if files in it could be.
 */
bool filter_takes(const struct filter *filter, const char *path, bool directory);

void filter_free(struct filter *filter);

#endif
