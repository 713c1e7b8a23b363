/*
 * Which files `workq watch` takes: see filter.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "filter.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

const char *patterns_add(struct patterns *patterns, const char *text) {
  bool anchored = false;
  if (*text == '/') {
    anchored = true;
    text++;
  }
  size_t len = strlen(text);
  while (len > 0 && text[len - 1] == '/') len--;
  if (len == 0) return "it is empty";
  struct pattern *all = realloc(patterns->all, (patterns->count + 1) * sizeof *all);
  if (!all) return "out of memory";
  patterns->all = all;
  char *glob = strndup(text, len);
  if (!glob) return "out of memory";
  all[patterns->count++] = (struct pattern){.glob = glob, .anchored = anchored || strchr(glob, '/') != NULL};
  return NULL;
}

/* Whether one of the patterns matches this path itself, whose last component is name. */
static bool matches(const struct patterns *patterns, const char *path, const char *name) {
  for (size_t i = 0; i < patterns->count; i++) {
    const struct pattern *pattern = &patterns->all[i];
    if (fnmatch(pattern->glob, pattern->anchored ? path : name, FNM_PATHNAME) == 0) return true;
  }
  return false;
}

/* Whether one of the patterns matches the path or a directory above it. */
static bool matches_within(const struct patterns *patterns, const char *path) {
  char part[PATH_MAX];
  if (patterns->count == 0) return false;
  const char *name = path;
  for (const char *slash; (slash = strchr(name, '/')); name = slash + 1) {
    size_t len = (size_t)(slash - path);
    if (len >= sizeof part) return false;
    memcpy(part, path, len);
    part[len] = '\0';
    if (matches(patterns, part, part + (name - path))) return true;
  }
  return matches(patterns, path, name);
}

bool filter_takes(const struct filter *filter, const char *path, bool directory) {
  if (matches_within(&filter->exclude, path)) return false;
  return directory || filter->include.count == 0 || matches_within(&filter->include, path);
}

static void patterns_free(struct patterns *patterns) {
  for (size_t i = 0; i < patterns->count; i++) free(patterns->all[i].glob);
  free(patterns->all);
  *patterns = (struct patterns){.count = 0};
}

void filter_free(struct filter *filter) {
  patterns_free(&filter->include);
  patterns_free(&filter->exclude);
}
