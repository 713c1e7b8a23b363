/*
 * The sequential specification: what a queue must answer if its operations came one after another.  Written from
 * the definitions of the public header; it shares no code with src/, nor with the model of tests/model, which has one
 * exact clock where a history knows times only as intervals.
 *
 * A specification is of the whole queue, or of one key alone.  The second asks less: it knows no order between keys,
 * no room, and how many are ready; but any order that explains the whole explains each key, so that a key that cannot
 * be explained alone is a fault, and its part of the history is short.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SPEC_H
#define SPEC_H

#include "history.h"

enum { SPEC_WHOLE = -1 };

enum spec_place { SPEC_GONE, SPEC_READY, SPEC_DELAYED, SPEC_PROCESSING, SPEC_BURIED, SPEC_IDLE };
enum spec_pending { SPEC_NOTHING, SPEC_NOW, SPEC_AT };
enum { SPEC_SHUT_DOWN = 1, SPEC_PAUSED = 2 };

/* Fields that mean nothing in a place are 0, so that equal states have equal bytes. */
typedef struct spec_key {
  int64_t due_from_ns; /* a delayed run is due at some time from here */
  int64_t due_to_ns;   /* to here */
  uint16_t failures;
  uint16_t crashes;
  uint16_t run;   /* number of the operation that got it */
  uint8_t holder; /* process + 1 that processes it */
  uint8_t place;
  uint8_t pending;
  int8_t priority;
  int8_t run_priority;
  bool removed; /* during the run that holder has */
  uint8_t zero[4];
} spec_key;

typedef struct spec_state {
  spec_key keys[HISTORY_KEYS];
  uint8_t ready[HISTORY_KEYS]; /* in the order in which they became so; whole queue only */
  uint8_t idle[HISTORY_KEYS];  /* likewise */
  uint8_t ready_count;
  uint8_t idle_count;
  uint8_t flags;
  uint8_t zero;
  uint32_t reaped; /* bit of each process that was found dead */
  uint32_t zeroes;
} spec_state;

_Static_assert(sizeof(spec_key) == 32 && sizeof(spec_state) == HISTORY_KEYS * 34 + 12, "no byte is left to chance");

typedef struct spec {
  const history *h;
  int only; /* a key, or SPEC_WHOLE */
} spec;

/* An operation as the search sees it. */
typedef struct spec_op {
  const history_op *op;
  int64_t call_ns;
  int64_t ret_ns; /* or when its process was dead */
  uint16_t number;
  bool optional; /* may have happened or not */
  bool known;    /* has a result */
} spec_op;

/* Does the operation concern this specification? */
bool spec_includes(const spec *s, const history_op *op);

/*
 * The operation happens.  Returns false if it cannot, with that answer, in this state, which is then spoiled.
 * part: for an optional OP_CLOSE, how many keys were put back before the process died; else ignored.
 */
bool spec_apply(const spec *s, spec_state *state, const spec_op *op, unsigned process, unsigned part);
/* How many keys the process holds. */
unsigned spec_held(const spec_state *state, unsigned process);

/* Steps that no operation is: each returns false if it cannot be taken, and then the state is as before. */

/* The key's delayed run is due, at some time up to until_ns. */
bool spec_promote(const spec *s, spec_state *state, unsigned key, int64_t until_ns);
/* The key's worker was found dead, at some time between the two. */
bool spec_crash(const spec *s, spec_state *state, unsigned key, int64_t from_ns, int64_t until_ns);
/* An idle record gave way to another key's, or to a waiter for space, before that has come: the oldest one. */
bool spec_evict(const spec *s, spec_state *state, unsigned key);

/* One line a key that is known. */
void spec_print(FILE *out, const spec *s, const spec_state *state, int64_t base_ns);

#endif
