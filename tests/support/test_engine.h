/*
 * The engine whose queues the tests use, and what only some engines have.  Here, and in in_lock.h,
 * stands all that the suite of the public API knows of an engine.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_ENGINE_H
#define TEST_ENGINE_H

#include <stdbool.h>

/* What only some engines have.  Tests of it are in cases made by fixture_case_with(). */
enum {
  /* A queue is a file: it has a size, needs descriptors and addresses, and outlives its name. */
  ENGINE_FILE = 1u << 0,
  /* An operation holds a lock, for which others wait, and in which its process may stop or die. */
  ENGINE_LOCK = 1u << 1,
  /* There are handles of WORKQ_RAW. */
  ENGINE_READ_ONLY = 1u << 2,
};

/* Takes the engine that WORKQ_TEST_ENGINE names; "shm" if it is unset, or this is not called. */
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
