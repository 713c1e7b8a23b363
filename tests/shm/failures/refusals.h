/*
 * A system that refuses: each call of the library into the kernel or the C library that can fail goes through a function
 * which lets the nth of them fail.  The program is linked with --wrap for each of them; refusals.sh holds that none is
 * forgotten.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef REFUSALS_H
#define REFUSALS_H

#include <stdbool.h>

/* What happens after the nth call. */
enum refusals_mode {
  REFUSE_ONCE,     /* nothing more */
  REFUSE_FUNCTION, /* every further call of the same function is refused, too */
  REFUSE_ALL,      /* every further call is */
  REFUSE_MODES
};

/* In memory that children share. */
struct refusals {
  /* The plan. */
  unsigned nth;
  unsigned which; /* of the errors that this call may give */
  enum refusals_mode mode;
  bool in_children;     /* in forked children instead of here */
  bool without_proc;    /* access() says that there is no /proc, which does not count as refused */
  const char *unlinked; /* an object that somebody unlinks just before the next fstat() */
  const char *only;     /* calls of other functions do not count; null if all do */
  unsigned most;        /* so many are refused; then the system relents, for no shortage lasts for ever */
  /* What came of it. */
  unsigned seen;
  unsigned refused;
  const char *function; /* the first that was refused; null if none was */
  int error;            /* what it said */
  bool given[256];      /* all errors that were given */
  const char *careless; /* null, or what was opened in a way that is not safe */
};
extern struct refusals *refusals;

/* Forgets what came of the last plan, and sets the next one. */
void refusals_plan(unsigned nth, unsigned which, enum refusals_mode mode);

/* Only what lies between these two is refused: Check and the test itself make such calls, too.  Returns rc. */
void refusals_arm(void);
int refusals_disarm(int rc);

/* What this process holds: what was got by the wrapped functions and not given back. */
struct holdings {
  unsigned blocks;      /* of malloc and its kin */
  int mappings;         /* of mmap */
  unsigned descriptors; /* in /proc/self/fd */
  unsigned segments;    /* in /proc/self/maps */
};
struct holdings holdings_now(void);

/* The last name that was made by shm_open(O_CREAT), "" if there was none. */
extern char refusals_temporary[64];

#endif
