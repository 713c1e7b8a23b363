/*
 * What an error of the library means for a queue, and what to do about it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "queue_error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "say.h"
#include "trust.h"

static int mismatch(const char *name) {
  char difference[256];
  if (workq_describe_mismatch(name, difference, sizeof difference) < 1)
    snprintf(difference, sizeof difference, "%s", workq_strerror(-EPROTONOSUPPORT));
  return fail("queue '%s' cannot be used from here: %s; if nobody uses it any more: workq rm '%s'", name, difference,
              name);
}

/* Opens the queue to look at it, whoever made it. */
static int open_to_look(const char *name, workq **out) {
  workq_options options = {.flags = WORKQ_RAW};
  trust_others(&options, true);
  return workq_open(name, &options, out);
}

/* Where the queue could not even be opened: the process that holds its lock now, 0 if none does. */
static int present_owner(const char *name) {
  workq *q;
  if (open_to_look(name, &q) < 0) return 0;
  int pid = workq_lock_owner(q);
  workq_close(q);
  return pid;
}

static int lock_held(const char *name, const workq *q) {
  int pid = q == NULL ? present_owner(name) : workq_lock_owner(q);
  if (pid == 0)
    return fail("queue '%s': its lock is held by a process that does not let go of it; is one of its users stopped?  "
                "Look with: workq dump --raw '%s'",
                name, name);
  return fail("queue '%s': its lock is held by process %d, which does not let go of it; continue it (kill -CONT %d) or "
              "end it (kill -KILL %d)",
              name, pid, pid, pid);
}

static int not_trusted(const char *name) {
  workq *q;
  int result = open_to_look(name, &q);
  if (result >= 0) workq_close(q);
  /* A mode of which --shared is no cure. */
  if (result == -EPERM)
    return fail("queue '%s' has a mode by which some may read it but not write to it, and they could keep everyone "
                "else out; its owner can change that: chmod go-r its file (see: man workq, FILES)",
                name);
  return fail("queue '%s' belongs to another user, or others may write to it; use --shared if you trust them", name);
}

int queue_failed(const char *name, const workq *q, int error) {
  switch (error) {
  case -ENOENT:
    return fail("there is no queue '%s'; those that are: workq ls; to make it: workq create '%s'", name, name);
  case -EEXIST:
    return fail("queue '%s' exists already; accept that with --if-missing, or remove it with: workq rm '%s'", name,
                name);
  case -EINVAL:
    return fail("'%s' is no name for a queue: it has 1 to %u bytes, no '/' and no control characters, and is not '.' "
                "or '..'",
                name, WORKQ_NAME_MAX);
  case -ENAMETOOLONG:
    return fail("the queue's name has %zu bytes; at most %u are allowed", strlen(name), WORKQ_NAME_MAX);
  case -EPROTONOSUPPORT:
    return mismatch(name);
  case -EUCLEAN:
    return fail("'%s' is damaged, or not a queue; look with: workq dump --raw '%s', remove it with: workq rm '%s'",
                name, name, name);
  case -EPERM:
    return not_trusted(name);
  case -EACCES:
    return fail("permission denied for queue '%s'; its owner can change its file's mode (see: man workq, FILES)", name);
  case -EUSERS:
    return fail("queue '%s': all its handles are taken; end a process that uses it (workq dump --raw '%s' shows them), "
                "or make it again with more --handles",
                name, name);
  case -ENOSPC:
    return fail("queue '%s' is full (see: workq stats '%s'), or " MEMORY_IS_FULL, name, name);
  case -ESHUTDOWN:
    return fail("queue '%s' is shut down; open it again with: workq resume '%s'", name, name);
  case -ETIMEDOUT:
    return lock_held(name, q);
  default:
    return fail("queue '%s': %s", name, workq_strerror(error));
  }
}
