/*
 * One queue and one model that are put through the same random operations, and what the operations share: the keys,
 * the items in hand, the last operations' log.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIAL_H
#define TRIAL_H

#include "model.h"
#include "support/plain.h"
#include "support/process.h"
#include "support/random.h"

enum {
  TRIAL_HANDLES = 4,              /* of this process; the first is always open */
  TRIAL_STRANGER = TRIAL_HANDLES, /* the model's number for a worker that is going to die */
  TRIAL_LOG = 30,
  TRIAL_STALE = 16,
  TRIAL_BATCH = 64
};

typedef struct trial_key {
  unsigned char *bytes;
  size_t len;
} trial_key;

/* A run that was handed out, with its two names. */
typedef struct trial_item {
  workq_item item;
  uint64_t ticket;
  int handle;
} trial_item;

typedef struct trial {
  uint64_t seed;   /* of the program */
  unsigned number; /* of this trial */
  uint64_t random;
  uint64_t operation;
  workq_options options;
  char name[64];
  model model;
  workq *handles[TRIAL_HANDLES];
  int stranger_pid; /* of the worker that is going to die, while it has keys */
  trial_key *keys;
  unsigned key_count;
  trial_item *held;
  unsigned held_count;
  trial_item stale[TRIAL_STALE];
  unsigned stale_count; /* ever; the last TRIAL_STALE are kept */
  char log[TRIAL_LOG][200];
  unsigned log_count;
  uint64_t crash_chance;   /* one of so many operations is a crash */
  const model_key **order; /* room for a list of all keys */
} trial;

/* Notes an operation for the report of a mismatch. */
void trial_log(trial *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Ends the program with a report: seed, operation, the last operations, both states. */
void trial_mismatch(trial *t, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* Any of the open handles. */
int trial_any_handle(trial *t);

/* Fails unless queue and model are in the same state.  (compare.c) */
void trial_compare(trial *t);

/* One random operation on both; returns false if only time went by.  (operations.c) */
bool trial_operation(trial *t);
/* Adds to an empty queue many keys at once. */
void trial_fill(trial *t);
/* Prints how often each operation had each result. */
void trial_print_coverage(void);
/* Fails unless each result that the operations can have was seen. */
void trial_require_coverage(void);

/* For operations.c and crash.c: compares two results, and counts them. */
void trial_expect(trial *t, const char *operation, int got, int want);
/* A worker of another process or thread takes keys and dies.  (crash.c) */
void trial_crash_process(trial *t);
void trial_crash_thread(trial *t);
/* Fails unless the item that the queue handed out is the model's. */
void trial_expect_item(trial *t, const workq_item *item, const model_item *want);

#endif
