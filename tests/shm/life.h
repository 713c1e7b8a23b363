/*
 * The life of a key, step by step, in the library and in a model that knows one key at a time.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LIFE_H
#define LIFE_H

#include "support/inner.h"

enum { LIFE_CAPACITY = 40, LIFE_MAX_RETRIES = 3, LIFE_MAX_CRASHES = 2, LIFE_HANDLES = 4 };

/* The limiter's first delay, ns; each is twice the one before. */
#define LIFE_FAIL_NS INT64_C(100)

enum state { GONE, READY, DELAYED, RUNNING, DIRTY, RUNNING_AT, BURIED, IDLE, STATES };
enum step { MARK, MARK_AT, START, FINISH, RETRY, GIVE_UP, RELEASE, CRASH, FORGET, REMOVE, KICK, STEPS };

struct key {
  enum state state;
  uint32_t index, failures, crashes;
  bool removed; /* during the run */
  int priority, run_priority;
  int64_t due_ns;
};

/* A time that no test reaches. */
extern const int64_t life_far_ns;

/* All handles; the one that has keys in hand; and one that finds that one dead. */
extern workq *life_handles[LIFE_HANDLES], *life_q, *life_reaper;

workq_options life_options(uint32_t capacity, uint32_t give_up);
void life_start_with(const workq_options *options);
void life_start(uint32_t give_up);
void life_close(void);

/* In a transaction: a record for a key, in no list.  0 or -errno. */
int life_create(uint32_t number, uint32_t *index);
/* In a transaction of life_reaper: life_q died with the key in hand. */
int life_crash(uint32_t index, struct item *item);

/* A key that did not exist, ready, or delayed until due_ns. */
struct key life_born(uint32_t number, int64_t due_ns, int priority);
/* A key in that state, with so many failures (one at least where it is idle). */
struct key life_key_in(enum state state, uint32_t number, uint32_t failures, int priority);

/* A step in both worlds, which must agree.  due_ns is for MARK_AT, priority for both marks. */
void life_step(struct key *key, enum step step, int64_t due_ns, int priority);
/* Fails unless the key is as the model has it. */
void life_assert(const struct key *key, const char *what);

#endif
