/*
 * Processes that stand in line; see waiting.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "waiting.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "plain.h"

#define MOMENT_NS 200000
#define LOCK_NS   200000000

void waiting_moment(void) {
  nanosleep(&(struct timespec){.tv_nsec = MOMENT_NS}, NULL);
}

typedef struct search {
  pid_t pid;
  uint32_t waiting;
} search;

static int find_worker(void *arg, const workq_worker *worker) {
  search *s = arg;
  if (worker->pid == s->pid) s->waiting = worker->waiting;
  return 0;
}

uint32_t waiting_for(workq *q, pid_t pid) {
  search s = {.pid = pid};
  plain_ok(workq_iterate_workers(q, find_worker, &s), "workq_iterate_workers");
  return s.waiting;
}

void waiting_await(workq *q, pid_t pid, uint32_t what) {
  int64_t end_ns = plain_now_ns() + WAITING_EVENT_NS;
  while (waiting_for(q, pid) != what) {
    if (plain_now_ns() > end_ns) plain_fail("process %d does not come to wait", (int)pid);
    waiting_moment();
  }
}

void waiting_await_end(pid_t pid, const char *what_if_not) {
  int64_t end_ns = plain_now_ns() + WAITING_EVENT_NS;
  int status;
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (plain_now_ns() > end_ns) plain_fail("%s", what_if_not);
    waiting_moment();
  }
  if (status != 0) plain_fail("process %d ended with status 0x%x", (int)pid, (unsigned)status);
}

workq *waiting_open(const char *name) {
  workq_options options = {.lock_timeout_ns = LOCK_NS};
  workq *probe;
  plain_ok(workq_open(name, &options, &probe), "workq_open");
  return probe;
}

void waiting_stop(workq *probe, pid_t pid) {
  for (;;) {
    int status;
    kill(pid, SIGSTOP);
    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status)) plain_fail("process %d is gone", (int)pid);
    int rc = workq_len(probe);
    if (rc != -ETIMEDOUT) {
      plain_ok(rc, "workq_len");
      return;
    }
    kill(pid, SIGCONT);
    waiting_moment();
  }
}
