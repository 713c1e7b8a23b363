/*
 * Single steps with ptrace(2); see two_trace.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "two_trace.h"

#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/lock.h"
#include "support/plain.h"

/* A step that takes longer than this may be asleep: then it is looked at. */
#define LOOK_NS (2 * NS_PER_MS)

static void block_sigchld(sigset_t *set) {
  sigemptyset(set);
  sigaddset(set, SIGCHLD);
  sigprocmask(SIG_BLOCK, set, NULL);
}

/* A stop for this signal is the step's own end; any other is delivered with the next step. */
static bool is_own_stop(int status) {
  return WSTOPSIG(status) == SIGTRAP;
}

/* The libraries disagree about the type of ptrace()'s first argument. */
static bool ask(int request, pid_t tid, int signal) {
  return syscall(SYS_ptrace, (long)request, (long)tid, 0L, (long)signal) == 0;
}

void trace_seize(pid_t tid) {
  if (!ask(PTRACE_SEIZE, tid, 0)) plain_skip("ptrace is not allowed here: %s", strerror(errno));
  if (!ask(PTRACE_INTERRUPT, tid, 0)) plain_fail("PTRACE_INTERRUPT: %s", strerror(errno));
  int status;
  if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status)) plain_fail("thread %d cannot be stopped", (int)tid);
}

/* Returns the thread's state, or -1 if nothing happened within LOOK_NS. */
static int await_stop(pid_t tid, int *status) {
  sigset_t child;
  block_sigchld(&child);
  pid_t found;
  while ((found = waitpid(tid, status, __WALL | WNOHANG)) == 0) {
    struct timespec look = clock_timespec(LOOK_NS);
    if (sigtimedwait(&child, NULL, &look) < 0 && errno == EAGAIN) break;
  }
  if (found == 0) found = waitpid(tid, status, __WALL | WNOHANG);
  if (found == 0) return -1;
  return found == tid && WIFSTOPPED(*status) ? TRACE_STEPPED : TRACE_ENDED;
}

int trace_step(pid_t tid) {
  for (int signal = 0;;) {
    if (!ask(PTRACE_SINGLESTEP, tid, signal)) return TRACE_ENDED;
    int status, state;
    while ((state = await_stop(tid, &status)) < 0)
      if (trace_sleeps(tid, NULL)) return TRACE_ASLEEP;
    if (state == TRACE_ENDED || is_own_stop(status)) return state;
    signal = WSTOPSIG(status);
  }
}

bool trace_await_return(pid_t tid, int64_t timeout_ns) {
  int64_t end_ns = clock_add_ns(clock_monotonic_ns(), timeout_ns);
  int status, state;
  while ((state = await_stop(tid, &status)) < 0)
    if (clock_monotonic_ns() >= end_ns) return false;
  if (state != TRACE_STEPPED) plain_fail("thread %d ended in its sleep", (int)tid);
  return true;
}

void trace_let_go(pid_t tid, int signal) {
  if (!ask(PTRACE_DETACH, tid, signal)) plain_fail("PTRACE_DETACH: %s", strerror(errno));
}

void trace_kill(pid_t pid) {
  int status = 0;
  kill(pid, SIGKILL);
  do {
    if (waitpid(pid, &status, __WALL) < 0 && errno != EINTR) plain_fail("waitpid: %s", strerror(errno));
  } while (!WIFSIGNALED(status) && !WIFEXITED(status));
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) plain_fail("the victim ended by itself: 0x%x", status);
}

/* Fallback: a process that sleeps at all. */
static bool is_in_state_s(pid_t tid) {
  char path[64], line[256] = "";
  snprintf(path, sizeof path, "/proc/%d/stat", (int)tid);
  FILE *file = fopen(path, "re");
  if (!file) return false;
  bool read = fgets(line, sizeof line, file) != NULL;
  fclose(file);
  const char *state = read ? strrchr(line, ')') : NULL;
  return state && state[1] == ' ' && state[2] == 'S';
}

bool trace_sleeps(pid_t tid, const void *other_word) {
  char path[64], line[256] = "";
  snprintf(path, sizeof path, "/proc/%d/syscall", (int)tid);
  FILE *file = fopen(path, "re");
  if (!file) return is_in_state_s(tid);
  bool read = fgets(line, sizeof line, file) != NULL;
  fclose(file);
  char *rest;
  long number = strtol(line, &rest, 10);
  if (!read || rest == line || number != SYS_futex) return false;
  return strtoull(rest, NULL, 16) != (uintptr_t)other_word;
}

/* Where the C library keeps the word that the kernel knows the mutex by. */
#ifdef __GLIBC__
#define MUTEX_WORD 0
#else
#define MUTEX_WORD 1
#endif

pid_t trace_mutex_owner(const pthread_mutex_t *mutex, bool *died) {
  const _Atomic uint32_t *words = (const void *)mutex;
  uint32_t word = atomic_load(&words[MUTEX_WORD]);
  if (died) *died = word & FUTEX_OWNER_DIED;
  return (pid_t)(word & FUTEX_TID_MASK);
}

pid_t trace_lock_owner(const workq *q) {
  return trace_mutex_owner(&lock_mutex_of(q, atomic_load(&q->control->lock.epoch))->mutex, NULL);
}
