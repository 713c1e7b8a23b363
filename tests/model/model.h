/*
 * The reference model: what a queue must do, written once more as a simple list of keys with no shared memory, no
 * lock and no structure that could be wrong in the same way as the library's.  It follows the definitions of the
 * public header and shares no code with src/.
 *
 * Every operation has the result of the library's of the same name.  Handles are small numbers.  Time is the field
 * now_ns, moved by the caller.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_H
#define MODEL_H

#include "workq.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_HANDLES = 8, MODEL_NOBODY = -1 };

/*
 * Small faults that the model can be given.  The comparison with the library must find each of them, which shows that
 * it would find the same fault in the library.
 */
enum model_mutant {
  MUTANT_NONE,
  MUTANT_DONE_FORGETS_DIRTY,
  MUTANT_LAST_IN_FIRST_OUT,
  MUTANT_PRIORITY_SINKS,
  MUTANT_RETRY_NOT_COUNTED,
  MUTANT_ADD_MOVES_READY,
  MUTANT_RAISE_KEEPS_PLACE,
  MUTANT_LATEST_DUE_WINS,
  MUTANT_EVICT_NEWEST,
  MUTANT_NO_EVICTION,
  MUTANT_CRASH_NOT_COUNTED,
  MUTANT_KICK_KEEPS_COUNTS,
  MUTANT_REMOVE_KEEPS_DIRTY,
  MUTANT_FORGET_KEEPS_CRASHES,
  MUTANT_RELEASE_COUNTS_FAILURE,
  MUTANT_PROMOTE_WHILE_SHUT_DOWN,
  MUTANT_PROMOTE_BY_SCHEDULE,
  MUTANT_ONE_RETRY_MORE,
  MUTANT_ONE_CRASH_MORE,
  MUTANT_ANY_TICKET,
  MUTANT_PAUSE_IGNORED,
  MUTANT_BUCKET_BURST,
  MUTANT_MAX_WAIT_IGNORED,
  MUTANT_BATCH_SKIPS_STALE,
  MUTANT_RATE_LIMITED_LOSES_PRIORITY,
  MUTANT_ADD_LEAVES_BURIED,
  MUTANT_LAST_RUN_SWALLOWS_ADD,
  MUTANT_REMOVED_RUNS_AGAIN,
  MUTANT_REMOVED_LOSES_ADD,
  MUTANT_KEEP_ADDS,
  MUTANT_KEEP_NEVER_MARKS,
  MUTANT_LATER_OF_TWO_TIMES,
  MUTANT_TOKEN_FOR_NOTHING,
  MUTANT_CRASH_IS_NO_RETRY,
  MUTANT_CRASHES_NEVER_FORGOTTEN,
  MUTANT_EXPECTED_EXIT_IS_CRASH,
  MUTANT_CLOSE_NEWEST_FIRST,
  MUTANT_KICK_NEWEST_FIRST,
  MUTANT_DROP_FORGETS_PENDING,
  MUTANT_SHUTDOWN_STOPS_GET,
  MUTANT_COUNT
};

/* The mutant's name, for people. */
const char *model_mutant_name(enum model_mutant mutant);

enum model_pending { MODEL_NOTHING, MODEL_NOW, MODEL_AT };

/* A key that is known: something is pending, it is processed, buried, or has a count. */
typedef struct model_key {
  struct model_key *next; /* in the list of all, in no order that means anything */
  unsigned char *bytes;
  size_t len;
  enum model_pending pending;
  int priority;     /* of the pending run, or that a buried key will have when kicked */
  int64_t due_ns;   /* of a delayed run */
  uint64_t order;   /* rises with time: when it became ready, was scheduled, buried or idle */
  int holder;       /* handle that processes it, or MODEL_NOBODY */
  int run_priority; /* of the run that holder has */
  uint64_t ticket;  /* of that run; rises with time */
  bool buried;
  bool removed; /* during the run that holder has */
  uint32_t failures;
  uint32_t crashes;   /* of these, model_crashes() still count */
  int64_t crashed_ns; /* when the last one was */
} model_key;

/* The counters of workq_worker. */
typedef struct model_handle {
  bool open;
  uint64_t adds, coalesced, gets, dones, retries;
} model_handle;

typedef struct model {
  enum model_mutant mutant;
  uint32_t capacity;
  uint32_t key_max;
  workq_limiter limiter; /* as in force */
  int max_retries;
  int max_crashes; /* WORKQ_NEVER or > 0 */
  int64_t crash_forget_ns;
  uint32_t give_up;

  model_key *keys;
  uint32_t key_count;
  int64_t now_ns;
  uint64_t order; /* the last one given */
  bool shut_down;
  bool paused;
  int64_t bucket_next_ns; /* see model_limiter.c */
  model_handle handles[MODEL_HANDLES];
  uint64_t adds, coalesced, gets, dones, retries, gave_up, crashes, crash_buried, reaped, evictions;
} model;

/* What get hands out. */
typedef struct model_item {
  const model_key *key;
  uint64_t ticket;
} model_item;

void model_init(model *m, const workq_options *options, enum model_mutant mutant);
void model_end(model *m);

void model_open(model *m, int handle);
void model_close(model *m, int handle);
/* The handle's thread died, and somebody found out: workq_reap().  expected: workq_expect_exit(). */
void model_crash(model *m, int handle, bool expected);

int model_add(model *m, int handle, const void *key, size_t len);
int model_add_after(model *m, int handle, const void *key, size_t len, int64_t delay_ns);
int model_add_rate_limited(model *m, int handle, const void *key, size_t len);
int model_add_opts(model *m, int handle, const void *key, size_t len, const workq_add_options *options);
int model_add_batch(model *m, int handle, const workq_key *keys, size_t n, const workq_add_options *options,
                    size_t *marked);

/* Without waiting. */
int model_get(model *m, int handle, model_item *item);
int model_get_batch(model *m, int handle, model_item *items, size_t n);

/* A run is named by its ticket. */
int model_done(model *m, int handle, uint64_t ticket);
int model_done_key(model *m, int handle, const void *key, size_t len);
int model_done_batch(model *m, int handle, const uint64_t *tickets, size_t n);
int model_complete(model *m, int handle, uint64_t ticket);
int model_next(model *m, int handle, uint64_t ticket, model_item *item);
int model_retry(model *m, int handle, uint64_t ticket);
int model_give_up(model *m, int handle, uint64_t ticket);
int model_release(model *m, int handle, uint64_t ticket);

int model_forget(model *m, const void *key, size_t len);
int model_num_requeues(model *m, const void *key, size_t len);
int model_remove(model *m, const void *key, size_t len);
int model_kick(model *m, const void *key, size_t len);

int model_shutdown(model *m);
/* workq_shutdown_drain() that does not wait. */
int model_shutdown_drain(model *m);
int model_resume(model *m);
int model_pause(model *m);
int model_unpause(model *m);

/* What is due becomes ready, as before every operation. */
void model_promote(model *m);
model_key *model_find(const model *m, const void *key, size_t len);
int model_state_of(const model_key *k);
/* The crashes that still count. */
uint32_t model_crashes(const model *m, const model_key *k);
/* The ready keys in the order in which get would hand them out; returns how many, at most max. */
size_t model_ready_order(const model *m, const model_key **keys, size_t max);
/* How many delayed runs are due at the time. */
unsigned model_count_due(const model *m, int64_t time_ns);
/* The earliest due time, or -1. */
int64_t model_next_due(const model *m);
void model_print(const model *m);

/* The delay of a key that has failed so often; takes a token where there is a bucket.  (model_limiter.c) */
void model_limiter_init(model *m, const workq_limiter *limiter);
int64_t model_limiter_delay(model *m, uint32_t failures);

#endif
