/*
 * The engine whose queues the tests use, and what only some engines have.  Here, and in in_lock.h, stands all that the
 * suite of the public API knows of an engine.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_ENGINE_H
#define TEST_ENGINE_H

#include <stdbool.h>

/* What the header promises of some engines only.  Tests of it are in cases made by fixture_case_with(). */
enum {
  ENGINE_FILE = 1u << 0,      /* a queue is a file: it has a size, opening it takes descriptors and addresses, and it
                                 outlives its name */
  ENGINE_LOCK = 1u << 1,      /* an operation holds a lock, in which its process may be stopped or die, and for which
                                 others wait */
  ENGINE_READ_ONLY = 1u << 2, /* WORKQ_RAW */
};

/* Chooses the engine that WORKQ_TEST_ENGINE names.  "shm" if that is unset, or this is not called; fails if it is another. */
void engine_choose(void);

/* Has the engine all of these? */
bool engine_has(unsigned features);
const char *engine_name(void);

/* Removes the queues whose names begin with "prefix-". */
void engine_remove_all(const char *prefix);

/* ---- With ENGINE_FILE ---- */

/* The path of a queue's file. */
const char *engine_path(const char *of_name);
/* Is that where a descriptor of a handle leads to? */
bool engine_is_path(const char *path);

#endif
