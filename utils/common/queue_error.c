/*
 * What an error of the library means for a queue, and what to do about it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "queue_error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "say.h"
#include "shm.h"
#include "trust.h"

static int mismatch(const char *name) {
  char difference[256];
  if (workq_describe_mismatch(name, difference, sizeof difference) < 1)
    snprintf(difference, sizeof difference, "%s", workq_strerror(-EPROTONOSUPPORT));
  return fail("queue '%s' cannot be used from here: %s; if nobody uses it any more: workq rm '%s'", name, difference,
              name);
}

/* Where the queue could not even be opened: the process that holds its lock now, 0 if none does. */
static int present_owner(const char *name) {
  workq_options options = {.flags = WORKQ_RAW};
  workq *q;
  trust_others(&options, true);
  if (workq_open(name, &options, &q) < 0) return 0;
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
  char path[sizeof SHM_DIRECTORY SHM_PREFIX + WORKQ_NAME_MAX + 1];
  struct stat file;
  snprintf(path, sizeof path, SHM_DIRECTORY "/" SHM_PREFIX "%s", name);
  /* A read bit whose write bit is missing; --shared does not help against that. */
  if (stat(path, &file) == 0 && ((file.st_mode & 044) >> 1 & ~file.st_mode) != 0)
    return fail(
        "queue '%s' has mode %04o: who may read it but not write to it could keep everyone else out; its owner can "
        "change that: chmod go-r %s'%s'",
        name, file.st_mode & 07777, SHM_DIRECTORY "/" SHM_PREFIX, name);
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
    return fail("no permission for queue '%s'; its owner can give it: chmod %s/%s'%s'", name, SHM_DIRECTORY, SHM_PREFIX,
                name);
  case -EUSERS:
    return fail("queue '%s': all its handles are taken; end a process that uses it (workq dump --raw '%s' shows them), "
                "or make it again with more --handles",
                name, name);
  case -ENOSPC:
    return fail("queue '%s': it is full, or " SHM_DIRECTORY " is; see: workq stats '%s' and df " SHM_DIRECTORY, name,
                name);
  case -ESHUTDOWN:
    return fail("queue '%s' is shut down; open it again with: workq resume '%s'", name, name);
  case -ETIMEDOUT:
    return lock_held(name, q);
  default:
    return fail("queue '%s': %s", name, workq_strerror(error));
  }
}
