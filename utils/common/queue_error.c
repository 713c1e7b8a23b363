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
  return fail("queue '%s' cannot be used here: %s; if it is no longer in use: workq rm --force '%s'", name, difference,
              name);
}

/* Opens the queue to look at it, of any owner. */
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
    return fail("queue '%s': lock held by a process that is not making progress; is one of its users stopped? (list: "
                "workq dump --raw '%s')",
                name, name);
  return fail("queue '%s': lock held by process %d, which is not making progress; resume it (kill -CONT %d) or kill it "
              "(kill -KILL %d)",
              name, pid, pid, pid);
}

static int not_trusted(const char *name) {
  workq *q;
  int result = open_to_look(name, &q);
  if (result >= 0) workq_close(q);
  /* A mode of which --shared is no cure. */
  if (result == -EPERM)
    return fail("queue '%s' has a mode with read but not write permission for some users, who could lock everyone else "
                "out; its owner can change that: chmod go-r its file (see: man workq, FILES)",
                name);
  return fail("queue '%s' belongs to another user, or others may write to it; use --shared if you trust them", name);
}

int queue_failed(const char *name, const workq *q, int error) {
  switch (error) {
  case -ENOENT:
    return fail("queue '%s' does not exist (list: workq ls; create: workq create '%s')", name, name);
  case -EEXIST:
    return fail("queue '%s' already exists (keep it: --if-missing; remove: workq rm '%s')", name, name);
  case -EINVAL:
    return fail("invalid queue name '%s': it must have 1 to %u bytes, no '/', no control characters, and not be '.' or "
                "'..'",
                name, WORKQ_NAME_MAX);
  case -ENAMETOOLONG:
    return fail("queue name too long: %zu bytes, at most %u are allowed", strlen(name), WORKQ_NAME_MAX);
  case -EPROTONOSUPPORT:
    return mismatch(name);
  case -EUCLEAN:
    return fail("'%s' is damaged, or not a queue (inspect: workq dump --raw '%s'; remove: workq rm --force '%s')", name,
                name, name);
  case -EPERM:
    return not_trusted(name);
  case -EACCES:
    return fail("permission denied for queue '%s'; its owner can change its file's mode (see: man workq, FILES)", name);
  case -EUSERS:
    return fail(
        "queue '%s': all handles are in use; end a process that uses it (list: workq dump --raw '%s'), or create "
        "the queue again with more --handles",
        name, name);
  case -ENOSPC:
    return fail("queue '%s' is full (see: workq stats '%s'), or " MEMORY_IS_FULL, name, name);
  case -EIDRM:
    return fail("queue '%s' was removed while it was used (make it again: workq create '%s')", name, name);
  case -ESHUTDOWN:
    return fail("queue '%s' is shut down (reopen: workq resume '%s')", name, name);
  case -ETIMEDOUT:
    return lock_held(name, q);
  default:
    return fail("queue '%s': %s", name, workq_strerror(error));
  }
}
