/*
 * Two things that the C library and the kernel may do to a caller: a kernel that only claims to empty the fork page, and
 * pthread_cancel(3).
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "support/plain.h"
#include "support/process.h"
#include "workq.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

static char name[64];

/* The library's calls come here, too: nothing is emptied in a child. */
int madvise(void *at, size_t len, int advice) {
  return advice == MADV_WIPEONFORK ? 0 : (int)syscall(SYS_madvise, at, len, advice);
}

static int find_self(void *arg, const workq_worker *worker) {
  if (worker->self) *(pid_t *)arg = worker->pid;
  return 0;
}

static pid_t owner_of(workq *q) {
  pid_t pid = 0;
  plain_ok(workq_iterate_workers(q, find_self, &pid), "workq_iterate_workers");
  return pid;
}

/* The child has a slot of its own, and the parent's key stays the parent's. */
static void fork_is_noticed(workq *q) {
  workq_item item;
  plain_ok(workq_add(q, "parents", 7), "workq_add");
  plain_ok(workq_get(q, &item, 0), "workq_get");
  pid_t pid = process_fork();
  if (pid == 0) {
    if (owner_of(q) != getpid()) plain_fail("the child uses its parent's slot");
    if (workq_done(q, &item) != -ESTALE) plain_fail("the child has its parent's key");
    plain_ok(workq_close(q), "workq_close");
    _exit(PLAIN_PASS);
  }
  process_wait_pass(pid, "the child");
  pid = process_fork();
  if (pid == 0) _exit(workq_close(q) == 0 ? PLAIN_PASS : 1); /* a copy that was never used */
  process_wait_pass(pid, "the child that only closes");
  if (owner_of(q) != getpid()) plain_fail("the parent has lost its slot");
  plain_ok(workq_done(q, &item), "workq_done");
}

static char returns; /* its address is what a thread ends with that was not cancelled in the call */

static void *get_for_ever(void *arg) {
  workq *q;
  workq_item item;
  (void)arg;
  plain_ok(workq_open(name, NULL, &q), "workq_open");
  /* Some C libraries (musl) send a signal also where no cancellation is to be acted upon. */
  int rc;
  do {
    rc = workq_get(q, &item, WORKQ_FOREVER);
  } while (rc == -EINTR);
  /* What unwinds a thread is the C library's; AddressSanitizer's own end of threads does not bear it. */
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
  plain_ok(rc, "workq_get of a thread that was cancelled");
  plain_ok(workq_complete(q, &item), "workq_complete");
  plain_ok(workq_close(q), "workq_close");
  return &returns;
}

static int count_waiting(void *arg, const workq_worker *worker) {
  *(unsigned *)arg += worker->waiting == 1;
  return 0;
}

/* A get under way is not ended in the middle: it ends as without the cancellation. */
static void cancellation_does_not_end_a_get(workq *q) {
  pthread_t thread;
  void *result;
  unsigned waiting = 0;
  if (pthread_create(&thread, NULL, get_for_ever, NULL) != 0) plain_fail("no thread");
  while (!waiting) plain_ok(workq_iterate_workers(q, count_waiting, &waiting), "workq_iterate_workers");
  pthread_cancel(thread);
  plain_ok(workq_add(q, "after", 5), "workq_add");
  pthread_join(thread, &result);
  if (result != &returns) plain_fail("the call did not return");
}

int main(int argc, char **argv) {
  plain_begin(&argc, argv);
  plain_own(name, sizeof name, "sign");
  plain_watchdog(1800, name);
  workq *q;
  plain_ok(workq_create(name, &(workq_options){.capacity = 8, .handles = 8}, &q), "workq_create");
  fork_is_noticed(q);
  cancellation_does_not_end_a_get(q);
  plain_check(q, "at the end");
  plain_ok(workq_close(q), "workq_close");
  plain_ok(workq_unlink(name), "workq_unlink");
  return PLAIN_PASS;
}
