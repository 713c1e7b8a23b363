/*
 * What the Check programs about the queue as a whole share: a queue for each test, a clock that tests own, words for the
 * usual operations on keys that are C strings, and child processes in the usual parts.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <check.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "plain.h"
#include "process.h"
#include "random.h"
#include "test_engine.h"
#include "workq.h"

#define US INT64_C(1000)
#define MS INT64_C(1000000)
#define S  INT64_C(1000000000)

/* Memory that a test has in common with its children; zero at first but for now_ns. */
struct shared {
  _Atomic int64_t now_ns; /* what fixture_clock() says */
  atomic_int steps[8];
  _Atomic uint64_t ticket; /* of an item in a child's hands */
  /* Of in_lock.c: the signal that fixture_clock() raises in the victim, once; its readings meanwhile. */
  atomic_int armed, victim, readings;
};
extern struct shared *shared;

/* Each test starts with options that have the clock, and no queue. */
extern workq_options options;
extern char name[WORKQ_NAME_MAX + 1];
extern workq *q;

/* ---- The program ---- */

typedef Suite *suite_maker(void);

/* Runs the suites, removes the queues that tests have left, and returns what main() is to return. */
int fixture_run(const char *prefix, suite_maker *const *suites, size_t count);
/* A case whose tests have all that is said above. */
TCase *fixture_case(Suite *suite, const char *words);
/* A case of tests that only engines with these features (test_engine.h) pass; says so and skips it for another engine. */
TCase *fixture_case_with(Suite *suite, const char *words, unsigned features);

/* ---- Queues ---- */

/* Writes a name that no other test has. */
void fixture_name(char *to);
/* Creates the test's queue from options. */
void create(void);
/* Another handle of the calling thread. */
workq *open_again(void);

/* Says shared->now_ns. */
int64_t fixture_clock(void *arg);
/* Lets the clock go on. */
void pass(int64_t ns);

/* Asserts that a call went well; returns what it gave. */
int ok(int result);
/* Asserts that the checker finds nothing wrong. */
void assert_sound(workq *handle);

/* ---- Keys ---- */

int add(const char *key);
int add_after(const char *key, int64_t delay_ns);
int add_rate_limited(const char *key);
int add_priority(const char *key, int priority);
/* Gets without waiting; the key must be this one. */
workq_item take(const char *key);
workq_item take_by(workq *handle, const char *key);
/* take() and workq_done(). */
void finish(const char *key);
/* take() and workq_give_up(): the key is buried. */
void bury(const char *key);
/* take() and workq_retry(), which must say that it will run again. */
void retry(const char *key);
bool is_key(const void *bytes, size_t len, const char *key);
/* WORKQ_STATE_*, or -ENOENT. */
int state_of(const char *key);
workq_info info_of(const char *key);
int requeues(const char *key);
workq_stats_data stats(void);
/* Takes and finishes all that is ready; these must be the keys (words, parted by a space), in this order. */
void assert_ready(const char *words);

/* ---- Children and threads ---- */

/* Waits until the word has reached the value; fails if a child fails meanwhile. */
void await(const atomic_int *word, int value);
/* Waits until so many handles wait for that (1 for a key, 2 for room, 3 for a drain). */
void await_waiting(uint32_t kind, unsigned count);
/* A child that has opened the queue, taken the key and raised steps[0]; it does not end by itself. */
pid_t fork_worker_with(const char *key);
/* The same, and kills it. */
void die_with(const char *key);

#endif
