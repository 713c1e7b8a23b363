/*
 * errors.c: descriptions of errors that hold for every function that returns them; and the version.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "workq.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

static const struct {
  int code;
  const char *words;
} errors_own[] = {
    {0, "success"},
    {EACCES, "permission denied by the mode of the queue or of /dev/shm"},
    {EAGAIN, "not at the moment: no process can be started, or the queue comes and goes"},
    {EBADF, "the handle was opened for looking only"},
    {EBADFD, "the handle's descriptor was closed, and leads to another file or none"},
    {ECANCELED, "the wait was ended by a shutdown or resume"},
    {EDEADLK, "called by a signal handler that interrupted a call on the same queue"},
    {EEXIST, "a queue of this name exists already"},
    {EFBIG, "the process's file size limit is below the queue's size"},
    {EIDRM, "the queue was removed while it was in use"},
    {EINTR, "interrupted by a signal"},
    {EINVAL, "an argument is out of its range"},
    {EIO, "the output could not be written"},
    {EISDIR, "a directory has the queue's name"},
    {EMFILE, "this process has too many open files"},
    {EMSGSIZE, "the key is longer than the queue allows"},
    {ENAMETOOLONG, "the queue's name is too long"},
    {ENFILE, "the system has too many open files"},
    {ENOENT, "no such queue or key"},
    {ENOMEM, "out of memory"},
    {ENOSPC, "the queue or /dev/shm is full"},
    {EPERM, "the queue belongs to another user, or others may write to it, or may only read it"},
    {EPROTONOSUPPORT, "the queue was made by another version, C library, boot, namespace or kind of machine"},
    {ESHUTDOWN, "the queue is shut down"},
    {ESTALE, "the handle or item is no longer the caller's own"},
    {ETIMEDOUT, "the time allowed is over"},
    {EUCLEAN, "not a queue, or a damaged one"},
    {EUSERS, "the queue has no room for another handle"},
};

/* The description of a code that is not the library's own: the C library's, but never from a buffer
 * that threads share. */
static const char *errors_foreign(int error) {
  const char *words = NULL;
#ifdef HAVE_STRERRORDESC_NP
  words = strerrordesc_np(error);
#else
  (void)error;
#endif
  return words ? words : "unknown error";
}

const char *workq_strerror(int error) {
  int code = error < 0 && error > INT_MIN ? -error : error;
  for (size_t i = 0; i < sizeof(errors_own) / sizeof(errors_own[0]); i++)
    if (errors_own[i].code == code) return errors_own[i].words;
  return errors_foreign(code);
}

const char *workq_version(void) {
  return WORKQ_VERSION;
}
