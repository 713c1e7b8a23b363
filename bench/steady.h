/*
 * A queue that stays as deep as it is: each key that goes in at its end takes the place of one that comes out at its front.
 *
 * The queue's order is a random one of the places in memory, as that of a queue that has been in use for long, and each key
 * that is added is one that the queue does not know.  So a cycle meets three places that it has not met lately: the new
 * key's bucket, the first key's record, and its bucket.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef STEADY_H
#define STEADY_H

#include "queue.h"

/* What a queue of so many keys takes, about: a record and its part of a bucket each.  The floor's footprint. */
#define STEADY_FOOTPRINT(keys) ((size_t)(keys)*150)

enum { STEADY_NAMES = 1024, STEADY_BATCH_MAX = 1024 };

typedef struct steady {
  workq *q;
  size_t depth;
  size_t made; /* numbers of keys that were used */
  size_t users;
  bool unmeasured;
} steady;

/* Those of the same depth share one queue, which the last of them closes. */
steady *steady_open(size_t depth, bool unmeasured);
void steady_close(steady *s);

/* ns a key: so many cycles of add, get and done, one key at a time, done and the next get in one call, or by batches. */
double steady_cycles(steady *s, size_t count);
double steady_cycles_by_next(steady *s, size_t count);
double steady_batches(steady *s, size_t count, size_t batch);

#endif
