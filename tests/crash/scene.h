/*
 * The stage of the tests that kill a process at every instruction of one operation: the operations and their start
 * states, a queue in such a state, and its bytes, which are put back before each death.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCENE_H
#define SCENE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/handle.h"

enum {
  SCENE_SAME = 1,       /* the operation changes nothing that can be told afterwards */
  SCENE_COMMITS = 2,    /* several transactions, each of which may be the last; else all or nothing (or a prefix) */
  SCENE_NEW_NAME = 4,   /* it makes a queue of another name, and does not touch this one */
  SCENE_UNATTACHED = 8, /* the victim attaches in the operation */
  SCENE_NO_PROC = 16,   /* no file can be made without a name */
  SCENE_KERNEL = 32     /* mostly system calls and the C library: very long where sanitizers check those */
};

/* One operation from one start state. */
typedef struct scenario {
  const char *operation;
  const char *state;
  unsigned flags;
  unsigned parts; /* so many prefixes of it may be all that was done, as of a batch; 0 for all or nothing */
  int result;     /* what the operation returns */
  const workq_options *options;         /* null: scene_options */
  void (*set)(workq *q);                /* makes the start state; null: an empty queue */
  void (*prepare)(workq *q);            /* the victim's part of it, as keys in its hands; may be null */
  int (*act)(workq *q, unsigned parts); /* a batch: only the first so many parts of it */
} scenario;

/* The catalogue.  Each list ends with an entry without an operation. */
extern const scenario scenarios_adding[];
extern const scenario scenarios_working[];
extern const scenario scenarios_naming[];
extern const scenario scenarios_slots[];
extern const scenario *const scenarios_all[4];

extern const workq_options scene_options;

/* The seed of the hash, so that a run can be repeated; what getrandom(2) says is made from it. */
extern uint64_t scene_seed;

/* ---- For scenarios ---- */

enum { SCENE_HAND = 32, SCENE_START_NS = 1000000000 };

/* What is in the victim's hands (in its own memory), and in the survivor's. */
extern workq_item scene_hand[SCENE_HAND];
/* The clock that all handles read goes on. */
void scene_pass_ns(int64_t duration_ns);
/* A process attaches, does this, and dies by SIGKILL; its slot is left as it is. */
void scene_casualty(void (*last)(workq *q));
/* Another handle of the survivor stands in line, asleep. */
void scene_sleeper(uint32_t kind);
/* The queue's name, and that of the one that SCENE_NEW_NAME makes. */
const char *scene_name(void);
const char *scene_other_name(void);
/* Options with the scene's clock; null: scene_options. */
workq_options scene_timed(const workq_options *options);

/* ---- For sweeps ---- */

/* Once, first of all. */
void scene_begin(void);

/* Makes the scenario's queue; returns the survivor's handle.  scene_strike() takes it down. */
workq *scene_set(const scenario *s);
void scene_strike(void);

/* Everything that operations change, as it is; putting it back. */
struct image;
struct image *scene_take(void);
void scene_put(const struct image *image);
/* Puts it back but for what makes the slot its tenant's. */
void scene_put_around(const struct image *image, uint32_t slot);
void scene_drop(struct image *image);

/* Handles of the survivor, the sleeper's with it; slots below this are the survivor's. */
uint32_t scene_own_handles(void);
/* The tests' deaths are known to the C library only: how many dead owners of a queue mutex it has told of. */
unsigned scene_owner_deaths(void);
/* From now on, in this process: is there a /proc to name files by? */
void scene_hide_proc(bool hide);
/* Files of this process's scenes in /dev/shm, those of scenes that stand not counted.  Removes them. */
unsigned scene_left_files(void);

/* What a call in a child has returned. */
void scene_tell(int result);
int scene_told(void);

#endif
