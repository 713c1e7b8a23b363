/*
 * Histories: what many processes asked of a queue, when, and what it answered.
 *
 * A history lies in shared memory, so that a record survives its writer.  An operation is written down before it is
 * called, and its result after it has returned; one whose process died in between has no result, and may have happened
 * or not.  Times are CLOCK_MONOTONIC, which is the queue's own clock, too.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
  HISTORY_WORKERS = 8,    /* processes at a time */
  HISTORY_PROCESSES = 16, /* all that a history may have: workers, those that replace the killed, and the closer */
  HISTORY_OPS = 512,      /* of one process */
  HISTORY_KEYS = 6,
  HISTORY_NO_KEY = -1
};

enum history_kind {
  OP_ADD,
  OP_GET,
  OP_DONE,
  OP_DONE_KEY,
  OP_COMPLETE,
  OP_RETRY,
  OP_RELEASE,
  OP_GIVE_UP,
  OP_CLOSE,
  OP_FORGET,
  OP_REMOVE,
  OP_KICK,
  OP_NUM_REQUEUES,
  OP_STATE,
  OP_PEEK,
  OP_LEN,
  OP_SHUTDOWN,
  OP_RESUME,
  OP_PAUSE,
  OP_UNPAUSE,
  OP_REAP,
  OP_KINDS
};

/* What an operation's answer says of a key. */
typedef struct history_answer {
  int32_t state; /* WORKQ_STATE_*, for OP_STATE */
  int32_t priority;
  uint32_t failures;
  uint32_t crashes;
  int32_t pid;  /* of the worker, for OP_STATE */
  bool delayed; /* a delayed run is pending, for OP_STATE */
} history_answer;

typedef struct history_op {
  /* Before the call. */
  int64_t call_ns;
  int64_t delay_ns; /* OP_ADD: not before so much later */
  uint16_t run;     /* outcomes: number of the operation of this process that got the key */
  uint8_t kind;
  int8_t key; /* OP_GET and OP_PEEK: filled in afterwards */
  int8_t priority;
  bool rate_limited;  /* OP_ADD */
  bool keep_priority; /* OP_ADD: of the run that is processed */
  bool keep;          /* OP_ADD: WORKQ_KEEP */
  /* After the return. */
  bool any_result; /* it is known that it happened, but not what it said: one of a batch */
  bool no_news;    /* it returned, and that tells nothing */
  int32_t result;
  history_answer answer;
  _Atomic int64_t ret_ns; /* written last; 0: it never returned */
} history_op;

typedef struct history_process {
  int32_t pid;
  bool killed;
  int64_t death_after_ns;  /* killed: it still lived at this time, */
  int64_t death_before_ns; /* and was dead at this */
  _Atomic uint32_t count;  /* operations begun */
  history_op ops[HISTORY_OPS];
} history_process;

/* What the queue was made with. */
typedef struct history_rules {
  unsigned keys;
  unsigned capacity;      /* fewer than keys: adds may be refused */
  int64_t delay_first_ns; /* the limiter's delay: doubles with each failure; 0: no delay at all */
  int64_t delay_max_ns;
  int max_retries; /* 0: no limit */
  int max_crashes; /* 0: no limit */
  bool drop;       /* what becomes of a key that is given up */
} history_rules;

typedef struct history {
  history_rules rules;
  unsigned process_count;
  history_process processes[HISTORY_PROCESSES];
} history;

typedef struct history_counts {
  uint64_t operations;
  uint64_t unknown;  /* that never returned */
  uint64_t overlaps; /* pairs of operations of different processes whose times overlap */
} history_counts;

/* Adds to *counts what the history has. */
void history_count(const history *h, history_counts *counts);

/* One line a process's operation, without a newline.  base_ns is subtracted from all times. */
void history_print_op(FILE *out, const history *h, unsigned process, unsigned number, int64_t base_ns);
/* The time of the first call. */
int64_t history_base_ns(const history *h);
const char *history_kind_name(unsigned kind);

#endif
