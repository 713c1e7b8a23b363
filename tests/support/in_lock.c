/*
 * Processes that are stopped, or die, inside an operation; see in_lock.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "in_lock.h"

#include <signal.h>
#include <sys/wait.h>

#include "fixture.h"

void arm_clock(int signal) {
  shared->victim = getpid();
  shared->armed = signal;
}

bool clock_is_inside(void) {
  return shared->armed && shared->victim == getpid() && shared->readings++ % 2 == 1;
}

void in_lock_act(void) {
  if (clock_is_inside()) raise(atomic_exchange(&shared->armed, 0));
}

pid_t fork_stopped_inside(void) {
  pid_t pid = process_fork();
  if (pid == 0) {
    workq *own;
    ok(workq_open(name, &options, &own));
    arm_clock(SIGSTOP);
    ok(workq_add_after(own, "stopped inside", 14, 3600 * S));
    ok(workq_close(own));
    process_done();
  }
  process_await_stop(pid);
  return pid;
}

void die_inside(int (*operation)(workq *handle)) {
  pid_t pid = process_fork();
  if (pid == 0) {
    workq *own = open_again();
    arm_clock(SIGKILL);
    (void)operation(own);
    _exit(EXIT_FAILURE);
  }
  int status = process_wait(pid);
  ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
