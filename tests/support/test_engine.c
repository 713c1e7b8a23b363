/*
 * The engine whose queues the tests use; see test_engine.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "test_engine.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plain.h"
#include "workq.h"

/* ---- Shared memory ---- */

#define SHM_FOLDER "/dev/shm"
#define SHM_PREFIX "workq."

static void remove_all_of_shm(const char *prefix) {
  DIR *shm = opendir(SHM_FOLDER);
  if (!shm) return;
  for (struct dirent *entry; (entry = readdir(shm)) != NULL;) {
    const char *of_queue = entry->d_name + strlen(SHM_PREFIX);
    if (strncmp(entry->d_name, SHM_PREFIX, strlen(SHM_PREFIX)) != 0) continue;
    if (strncmp(of_queue, prefix, strlen(prefix)) != 0 || of_queue[strlen(prefix)] != '-') continue;
    unlinkat(dirfd(shm), entry->d_name, 0);
    unlinkat(dirfd(shm), entry->d_name, AT_REMOVEDIR);
  }
  closedir(shm);
}

const char *engine_path(const char *of_name) {
  static char path[sizeof SHM_FOLDER "/" SHM_PREFIX + WORKQ_NAME_MAX];
  snprintf(path, sizeof path, SHM_FOLDER "/" SHM_PREFIX "%s", of_name);
  return path;
}

bool engine_is_path(const char *path) {
  return strstr(path, SHM_FOLDER) != NULL || strstr(path, "workq") != NULL;
}

/* ---- The engines ---- */

struct test_engine {
  const char *name;
  unsigned features;
  void (*remove_all)(const char *prefix);
};

static const struct test_engine engines[] = {
    {"shm", ENGINE_FILE | ENGINE_LOCK | ENGINE_READ_ONLY, remove_all_of_shm},
};
static const size_t engines_count = sizeof engines / sizeof *engines;

static const struct test_engine *engine = &engines[0];

void engine_choose(void) {
  const char *wanted = getenv("WORKQ_TEST_ENGINE");
  if (!wanted) return;
  for (size_t i = 0; i < engines_count; i++) {
    if (strcmp(engines[i].name, wanted) != 0) continue;
    engine = &engines[i];
    return;
  }
  char known[256] = "";
  for (size_t i = 0; i < engines_count; i++) {
    size_t at = strlen(known);
    snprintf(known + at, sizeof known - at, " %s", engines[i].name);
  }
  plain_fail("WORKQ_TEST_ENGINE=%s: there is no such engine; those that there are:%s", wanted, known);
}

bool engine_has(unsigned features) {
  return (engine->features & features) == features;
}

const char *engine_name(void) {
  return engine->name;
}

void engine_remove_all(const char *prefix) {
  engine->remove_all(prefix);
}
