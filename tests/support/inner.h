/*
 * What the tests of the inner modules share: a private segment, transactions on it, records, pictures of the segment
 * to compare with, and a seed.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INNER_H
#define INNER_H

#include <check.h>

#include "plain.h"
#include "random.h"
#include "shm/handle.h"

/* The time that handles read. */
extern int64_t inner_now_ns;

/* Runs a suite.  Each test starts with the same seed, whichever run before it. */
int inner_main(int argc, char **argv, Suite *suite);
TCase *inner_case(Suite *suite, const char *name);

/* A random number in 0 ... n - 1; true in percent of 100 cases; an index that is wild more often than not. */
uint32_t inner_below(uint32_t n);
bool inner_chance(unsigned percent);
uint32_t inner_wild(const workq *q);

/*
 * n handles of this thread on one new segment that has no name any more.  clock is set if options leave it null.  A
 * reap_interval_ns that is longer than a queue may have is that of these handles alone: they never look for the dead by
 * themselves, whatever the clock says.
 * What a test does not close itself, by inner_close(), is closed after it.
 */
void inner_open(const workq_options *options, workq **handles, unsigned n);
/* And one more, which only reads. */
void inner_open_raw(const workq_options *options, workq **handles, unsigned n, workq **raw);
/* One handle on a small segment of that capacity. */
workq *inner_create(uint32_t capacity);

void inner_close(workq *q);

/* The lock and a transaction.  inner_end() commits where rc >= 0, else aborts; returns rc. */
void inner_begin(workq *q);
int inner_end(workq *q, int rc);

/* In a transaction: a new record, in no list, for the key of that number; 0 if there is no room. */
uint32_t inner_record(workq *q, uint32_t number);
/* The same for any key and hash: 0 or -errno. */
int inner_make(workq *q, uint32_t hash, const void *key, size_t len, uint32_t *index);
/* Looks a key up: 0 or -EUCLEAN; *index is 0 if it is unknown. */
int inner_find(const workq *q, uint32_t hash, const void *key, size_t len, uint32_t *index);
/* A key's bytes; returns how many.  text has 32 places. */
size_t inner_key(uint32_t number, char *text);

/* How many lines the largest transaction since inner_count_lines() has saved. */
void inner_count_lines(workq *q);
uint32_t inner_lines(const workq *q);

/* Fails if workq_check() finds a fault. */
void inner_assert_sound(workq *q);

/* The whole segment as it is. */
struct picture;
struct picture *inner_take(const workq *q);
/* Puts everything but the mutexes back. */
void inner_put(workq *q, const struct picture *picture);
/* Fails if a line that the journal must cover differs. */
void inner_assert_same(const workq *q, const struct picture *picture);
/* What differs in words, null if nothing does. */
const char *inner_difference(const workq *q, const struct picture *picture);

#endif
