/*
 * Killing a process at the instructions of one operation, and looking at what the others then find.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SWEEP_H
#define SWEEP_H

#include "scene.h"
#include "state.h"
#include "tracer.h"

enum { SWEEP_STATES = 24 };

/* What is left after a death: once the lock was taken again, and once the dead were reaped. */
typedef struct outcome {
  state_text recovered;
  state_text reaped;
} outcome;

/* What a sweep has met. */
typedef struct sweep_counts {
  size_t steps;
  size_t points;      /* deaths inside the operation, its return included */
  size_t in_lock;     /* of these, with the queue lock in hand */
  size_t owner_died;  /* ... as the C library told the survivor */
  size_t rolled_back; /* ... and with lines in the journal */
  size_t before;      /* of all, how many left the state from before, */
  size_t between;     /* that after a transaction which is not the last (a batch), */
  size_t after;       /* or the one from after */
  size_t strayed;     /* did not go the recorded way */
  size_t ended;       /* ended before the point was reached: no point */
  size_t walked;      /* by single steps alone */
  size_t misplaced;   /* children that took another slot, and were sent away */
  size_t repeated;    /* because the survivor waited too long once */
  size_t files;       /* temporary files found */
  int64_t slowest_ns; /* any call of the survivor */
} sweep_counts;

/* A sweep that is set up.  Its parts are large: it is never on the stack. */
typedef struct sweep {
  const scenario *s;
  workq *q;
  struct image *clean;
  const struct image *dirty; /* put over it when the child stands before its call; null: nothing */
  uint32_t slot;             /* the child's */
  uint64_t recoveries;       /* counted before the child's call */
  tracer_trace trace;
  size_t room;
  uint8_t *in_lock; /* by step: does the child hold the lock? */
  uint8_t *lines;   /* by step: lines that the journals hold */
  unsigned state_count;
  unsigned state; /* the latest that was met: there is no way back */
  outcome states[SWEEP_STATES];
  outcome last;
  sweep_counts counts;
} sweep;

/* How many steps a call may have; longer ones are left out, aloud. */
extern size_t sweep_steps_max;
/* Percent of the points that are reached by single steps alone. */
extern unsigned sweep_walk_percent;

/* Makes the queue, records the operation, and takes the references, each by a real death.  False if it is too long. */
bool sweep_open(sweep *w, const scenario *s);
void sweep_close(sweep *w);
/* The same on a queue that stands, for another child on a dirty image. */
bool sweep_record(sweep *w);
void sweep_refer(sweep *w);
void sweep_forget(sweep *w);

/* One death at step k.  Fails the test where anything is not as it must be. */
void sweep_kill(sweep *w, size_t k, uint64_t *random);
/* All steps; or count of them, among which are some with lines in the journal. */
void sweep_all(sweep *w, uint64_t *random);
void sweep_some(sweep *w, size_t count, uint64_t *random);
/* Fails where the sweep has not met what it was for. */
void sweep_judge(const sweep *w, bool all);

/* A child of the sweep's operation that stands at its first instruction. */
pid_t sweep_child(sweep *w, unsigned parts);
/* After a death: what the survivor finds.  Fails where it cannot go on as it must. */
void sweep_aftermath(sweep *w, outcome *o);

#endif
