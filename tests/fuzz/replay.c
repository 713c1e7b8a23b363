/*
 * Runs a fuzz target on inputs that are kept, with any compiler: all files of the directories given.
 *
 * Where death is at another store under another compiler, each input dies at a number of places in turn.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "replay.h"

enum { INPUT_MAX = 1 << 16 };

static void run_file(const char *path) {
  static uint8_t bytes[INPUT_MAX];
  FILE *in = fopen(path, "rb");
  if (!in) {
    perror(path);
    exit(1);
  }
  size_t size = fread(bytes, 1, sizeof bytes, in);
  fclose(in);
  /* Said before, so that it is known which one it was. */
  printf("%s\n", path);
  fflush(stdout);
  for (unsigned shift = 0; shift < replay_shifts; shift++) {
    replay_shift = shift;
    /* In memory of its own size, so that a sanitizer sees each byte beyond it. */
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) exit(1);
    memcpy(copy, bytes, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
  }
}

static unsigned run_directory(const char *name) {
  DIR *directory = opendir(name);
  if (!directory) {
    perror(name);
    exit(1);
  }
  unsigned files = 0;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    char path[4096];
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "%s/%s", name, entry->d_name);
    run_file(path);
    files++;
  }
  closedir(directory);
  return files;
}

int main(int argc, char **argv) {
#ifdef WORKQ_JOURNAL_CHECK
  /* Bytes of the segment are put back between two calls, which that check takes for lines that nobody has saved. */
  printf("SKIPPED: the journal check wants a segment that nobody else changes\n");
  return 77;
#endif
  const char *top = getenv("WORKQ_SRCDIR");
  char corpus[4096];
  unsigned files = 0;
  snprintf(corpus, sizeof corpus, "%s/tests/fuzz/corpus/%s", top ? top : ".", replay_name);
  if (argc < 2) files = run_directory(corpus);
  for (int i = 1; i < argc; i++) files += run_directory(argv[i]);
  printf("%u inputs\n", files);
  return files == 0;
}
