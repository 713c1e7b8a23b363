/*
 * Child processes; see process.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plain.h"

enum { PASSED_MAX = 64 };

pid_t process_fork(void) {
  pid_t parent = getpid();
  fflush(NULL);
  pid_t pid = fork();
  if (pid < 0) plain_fail("fork: %s", strerror(errno));
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(PLAIN_FAIL);
  }
  return pid;
}

/* Not exit(): what the parent has registered for its own end is not the child's. */
void process_done(void) {
  _exit(PLAIN_PASS);
}

void *process_share(size_t size) {
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) plain_fail("mmap: %s", strerror(errno));
  return memory;
}

static int wait_for(pid_t pid, int how) {
  int status;
  while (waitpid(pid, &status, how) < 0)
    if (errno != EINTR) plain_fail("waitpid: %s", strerror(errno));
  return status;
}

int process_wait(pid_t pid) {
  return wait_for(pid, 0);
}

void process_join(pid_t pid) {
  int status = process_wait(pid);
  if (WIFSIGNALED(status)) plain_fail("process %d was killed by signal %d", (int)pid, WTERMSIG(status));
  if (WEXITSTATUS(status) != 0) plain_fail("process %d: exit %d", (int)pid, WEXITSTATUS(status));
}

void process_kill(pid_t pid) {
  if (kill(pid, SIGKILL) != 0) plain_fail("kill: %s", strerror(errno));
  int status = process_wait(pid);
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
    plain_fail("process %d had ended before it was killed: status %x", (int)pid, (unsigned)status);
}

void process_await_stop(pid_t pid) {
  int status = wait_for(pid, WUNTRACED);
  if (!WIFSTOPPED(status))
    plain_fail("process %d ended with status %x instead of stopping", (int)pid, (unsigned)status);
}

void process_stop(pid_t pid) {
  if (kill(pid, SIGSTOP) != 0) plain_fail("kill: %s", strerror(errno));
  process_await_stop(pid);
}

void process_resume(pid_t pid) {
  if (kill(pid, SIGCONT) != 0) plain_fail("kill: %s", strerror(errno));
}

/* The child that ends first may be another than the one waited for; that it failed must be known at once, because the
   others may never end without it. */
void process_wait_pass(pid_t pid, const char *what) {
  static pid_t passed[PASSED_MAX];
  static unsigned passed_count;
  for (;;) {
    for (unsigned i = 0; i < passed_count; i++) {
      if (passed[i] != pid) continue;
      passed[i] = passed[--passed_count];
      return;
    }
    int status;
    pid_t ended = wait(&status);
    if (ended < 0 && errno == EINTR) continue;
    if (ended < 0) plain_fail("waiting for a %s: %s", what, strerror(errno));
    if (WIFSIGNALED(status)) plain_fail("process %d was killed by signal %d", (int)ended, WTERMSIG(status));
    if (WEXITSTATUS(status) != 0) plain_fail("process %d: exit %d", (int)ended, WEXITSTATUS(status));
    if (passed_count == PASSED_MAX) plain_fail("too many children");
    passed[passed_count++] = ended;
  }
}
