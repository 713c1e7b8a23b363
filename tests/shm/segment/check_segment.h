/*
 * The suites of check_segment: the segment as a file, as an attacker or an accident may leave it.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHECK_SEGMENT_H
#define CHECK_SEGMENT_H

#include "shm/layout.h"
#include "support/fixture.h"

Suite *birth_suite(void);
Suite *file_suite(void);
Suite *header_suite(void);
Suite *older_suite(void);

/* Opens the test's queue with `options`, and closes it again if that succeeds.  Returns what open gave. */
int try_open(void);
/* The same with these flags added. */
int try_open_with(uint32_t flags);

/* Creates the test's queue, with two keys in it, and closes the handle: a file for tests to spoil. */
void create_closed(void);
/* Asserts that the queue of create_closed() is whole, and ends it. */
void assert_whole(void);

/* The header in the file.  sealed: with the checksum that belongs to it. */
struct header header_read(void);
void header_write(const struct header *header);
void header_write_sealed(const struct header *header);

#endif
