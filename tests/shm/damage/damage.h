/*
 * A queue that has everything, sleeping workers with it; ways to change its bytes, and to put them back; and a process that
 * makes every call on what is left.
 *
 * The bytes of the C library's mutexes are left as they are: see workq.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DAMAGE_H
#define DAMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/layout.h"

enum { DAMAGE_KEYS = 390, DAMAGE_STRANGERS = 30 /* keys that are not in it */, DAMAGE_HANDLES = 6 };

/* ---- The queue (damage.c) ---- */

/* Makes the test's queue, for so many keys, and remembers it as it is.  The seed decides where its keys lie. */
void damage_begin(uint64_t seed, uint32_t capacity);
void damage_end(void);

/* Keys that are in it, and some that are not, by number. */
const char *damage_key(uint64_t number);

/* Puts back what was changed.  Nobody works on the queue. */
void damage_undo(void);

/* ---- The victim (damage.c) ---- */

/* What victims tell: how many calls they have made, and the longest. */
struct damage_report {
  _Atomic uint64_t calls;
  _Atomic int64_t longest_ns;
  const char *_Atomic longest; /* its name */
};
extern struct damage_report *damage_report;

/*
 * Opens the queue, and makes random calls; where `doing`, it does damage before or after the opening.  Ends the process: well,
 * or by a signal.
 */
void damage_be_victim(uint64_t random, bool doing) __attribute__((noreturn));

/* ---- The bytes (damage_bytes.c) ---- */

struct damage_area {
  uint64_t from, to;
};

/* The segment as it lies in memory, and its geometry. */
extern unsigned char *damage_image;
extern struct geometry damage_geometry;

/* The ranges that may be damaged: of what has memory, all but the header and the mutexes.  Returns how many. */
enum { DAMAGE_RANGES = LOCK_MUTEXES + 2 * DAMAGE_HANDLES + 5 };
unsigned damage_ranges(struct damage_area *ranges);

/* Changes a few bytes. */
void damage_do(uint64_t *random);

/* The segment says that all of it has memory. */
void damage_claim_memory(void);

#endif
