/*
 * Stepping through one call of a forked child; see tracer.h.
 *
 * The call stands between two int3 instructions.  Each raises SIGTRAP, which stops the child for its tracer; at the second the
 * call is over.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tracer.h"

#include "support/plain.h"
#include "support/process.h"

#ifdef __x86_64__

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* A stop at a breakpoint costs about as much as this many single steps: going on, and stepping over it. */
#define HIT_COST 2

#define INT3      0xccL
#define LOW_BYTE  0xffL
#define RIP       offsetof(struct user, regs.rip)
#define ROOM_STEP 4096

/* void tracer_bracket(tracer_call *act, void *arg) */
void tracer_bracket(tracer_call *act, void *arg) __attribute__((visibility("hidden")));
extern const char tracer_begun[] __attribute__((visibility("hidden")));
extern const char tracer_over[] __attribute__((visibility("hidden")));
__asm__(".text\n"
        ".hidden tracer_bracket, tracer_begun, tracer_over\n"
        ".globl tracer_bracket, tracer_begun, tracer_over\n"
        ".type tracer_bracket, @function\n"
        "tracer_bracket:\n"
        "  sub $8, %rsp\n"
        "  mov %rdi, %rax\n"
        "  mov %rsi, %rdi\n"
        "  int3\n"
        "tracer_begun:\n"
        "  call *%rax\n"
        "tracer_over:\n"
        "  int3\n"
        "  add $8, %rsp\n"
        "  ret\n"
        ".size tracer_bracket, . - tracer_bracket\n");

static uintptr_t address_of(const char *mark) {
  return (uintptr_t)mark;
}

/* The system call itself: the C libraries declare ptrace() differently, and its result for a peek is ambiguous. */
static void trace(int request, pid_t pid, uintptr_t address, uintptr_t data) {
  if (syscall(SYS_ptrace, (long)request, (long)pid, address, data) < 0)
    plain_fail("ptrace request %d on process %d: %s", request, (int)pid, strerror(errno));
}

static long peek(int request, pid_t pid, uintptr_t address) {
  long word = 0;
  trace(request, pid, address, (uintptr_t)&word);
  return word;
}

static bool trace_me(void) {
  return syscall(SYS_ptrace, (long)PTRACE_TRACEME, 0L, 0L, 0L) == 0;
}

/* ---- Children ------------------------------------------------------------------------------------------------ */

static void run_job(const tracer_job *job) {
  if (!trace_me()) _exit(PLAIN_SKIP);
  if (job->prepare) job->prepare(job->arg);
  tracer_bracket(job->act, job->arg);
  if (job->after) job->after(job->arg);
  _exit(0);
}

static uint64_t stops;

/* Waits for the child's next stop by SIGTRAP; other signals go to it as they would without a tracer. */
static void await_trap(pid_t pid) {
  stops++;
  for (;;) {
    int status;
    while (waitpid(pid, &status, __WALL) < 0)
      if (errno != EINTR) plain_fail("waitpid: %s", strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == PLAIN_SKIP)
      plain_skip("a child said that it cannot be traced here");
    if (WIFEXITED(status)) plain_fail("traced process %d exited with %d", (int)pid, WEXITSTATUS(status));
    if (WIFSIGNALED(status)) plain_fail("traced process %d died by signal %d", (int)pid, WTERMSIG(status));
    if (WSTOPSIG(status) == SIGTRAP) return;
    trace(PTRACE_CONT, pid, 0, (uintptr_t)WSTOPSIG(status));
  }
}

uint64_t tracer_stops(void) {
  return stops;
}

void tracer_need(void) {
  pid_t pid = process_fork();
  if (pid == 0) _exit(trace_me() ? PLAIN_PASS : PLAIN_SKIP);
  if (process_wait(pid) != 0) plain_skip("ptrace is not permitted here");
}

pid_t tracer_start(const tracer_job *job) {
  pid_t pid = process_fork();
  if (pid == 0) run_job(job);
  await_trap(pid);
  if (tracer_where(pid) != address_of(tracer_begun)) plain_fail("process %d stopped before its call", (int)pid);
  trace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_EXITKILL);
  return pid;
}

uintptr_t tracer_where(pid_t pid) {
  return (uintptr_t)peek(PTRACE_PEEKUSER, pid, RIP);
}

void tracer_kill(pid_t pid) {
  kill(pid, SIGKILL);
  int status;
  do {
    while (waitpid(pid, &status, __WALL) < 0)
      if (errno != EINTR) plain_fail("waitpid: %s", strerror(errno));
  } while (!WIFSIGNALED(status) && !WIFEXITED(status)); /* a stop may have been on its way */
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) plain_fail("process %d was not killed", (int)pid);
}

void tracer_resume(pid_t pid) {
  trace(PTRACE_CONT, pid, 0, 0);
}

void tracer_interrupt(pid_t pid, int signal) {
  trace(PTRACE_CONT, pid, 0, (uintptr_t)signal);
}

void tracer_wait_end(pid_t pid) {
  await_trap(pid);
  if (tracer_where(pid) - 1 != address_of(tracer_over)) plain_fail("process %d stopped inside its call", (int)pid);
}

void tracer_finish(pid_t pid) {
  if (tracer_where(pid) == address_of(tracer_over)) trace(PTRACE_POKEUSER, pid, RIP, address_of(tracer_over) + 1);
  trace(PTRACE_DETACH, pid, 0, 0);
  int status = process_wait(pid);
  if (status != 0) plain_fail("traced process %d ended with status %d", (int)pid, status);
}

/* ---- Stepping ------------------------------------------------------------------------------------------------ */

bool tracer_step(pid_t pid) {
  if (tracer_where(pid) == address_of(tracer_over)) return false;
  trace(PTRACE_SINGLESTEP, pid, 0, 0);
  await_trap(pid);
  return true;
}

static void append(tracer_trace *t, uintptr_t at) {
  if (t->steps + 1 >= t->room) {
    t->room += t->room / 2 + ROOM_STEP;
    t->at = realloc(t->at, t->room * sizeof *t->at);
    t->turn = realloc(t->turn, t->room * sizeof *t->turn);
    if (!t->at || !t->turn) plain_fail("no memory for a trace");
  }
  t->at[t->steps] = at;
}

/* Counts how often each address occurs on the way, in a hash table of places in the trace. */
static void count_turns(tracer_trace *t) {
  size_t size = 1;
  while (size < 2 * (t->steps + 1)) size *= 2;
  size_t *latest = calloc(size, sizeof *latest);
  if (!latest) plain_fail("no memory for a trace");
  for (size_t k = 0; k <= t->steps; k++) {
    size_t slot = (size_t)((uint64_t)t->at[k] * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (size - 1);
    while (latest[slot] != 0 && t->at[latest[slot] - 1] != t->at[k]) slot = (slot + 1) & (size - 1);
    t->turn[k] = latest[slot] != 0 ? t->turn[latest[slot] - 1] + 1 : 1;
    latest[slot] = k + 1;
  }
  free(latest);
}

bool tracer_record(pid_t pid, tracer_trace *t, size_t max, void (*look)(void *arg, size_t step), void *arg) {
  t->steps = 0;
  append(t, tracer_where(pid));
  if (look) look(arg, 0);
  while (tracer_step(pid)) {
    if (t->steps == max) return false;
    t->steps++;
    append(t, tracer_where(pid));
    if (look) look(arg, t->steps);
  }
  count_turns(t);
  return true;
}

void tracer_forget(tracer_trace *t) {
  free(t->at);
  free(t->turn);
  memset(t, 0, sizeof *t);
}

/* ---- To one step ---------------------------------------------------------------------------------------------- */

enum tracer_place tracer_walk(pid_t pid, const tracer_trace *t, size_t k) {
  for (size_t i = 0; i < k; i++)
    if (!tracer_step(pid)) return TRACER_ENDED;
  return t && tracer_where(pid) != t->at[k] ? TRACER_ELSEWHERE : TRACER_THERE;
}

/* From which step on to go by single steps: a rare instruction shortly before k.  0: all the way. */
static size_t last_stop(const tracer_trace *t, size_t k) {
  size_t best = 0, cost = k;
  for (size_t back = 0; back < cost && back < k; back++) {
    size_t this_cost = (size_t)t->turn[k - back] * HIT_COST + back;
    if (this_cost >= cost) continue;
    cost = this_cost;
    best = k - back;
  }
  return best;
}

/* Runs until the breakpoint at that address has been met so many times; it is gone afterwards.  False at the call's end. */
static bool run_to(pid_t pid, uintptr_t address, uint32_t times) {
  long text = peek(PTRACE_PEEKTEXT, pid, address);
  long planted = (text & ~LOW_BYTE) | INT3;
  bool met = true;
  for (uint32_t n = 0; n < times && met; n++) {
    if (n > 0) {
      trace(PTRACE_SINGLESTEP, pid, 0, 0);
      await_trap(pid);
    }
    trace(PTRACE_POKETEXT, pid, address, (uintptr_t)planted);
    trace(PTRACE_CONT, pid, 0, 0);
    await_trap(pid);
    uintptr_t stopped = tracer_where(pid) - 1;
    met = stopped == address;
    if (!met && stopped != address_of(tracer_over)) plain_fail("process %d stopped at %lx", (int)pid, (long)stopped);
    trace(PTRACE_POKEUSER, pid, RIP, stopped);
    trace(PTRACE_POKETEXT, pid, address, (uintptr_t)text);
  }
  return met;
}

enum tracer_place tracer_go(pid_t pid, const tracer_trace *t, size_t k) {
  size_t stop = last_stop(t, k);
  if (stop > 0 && !run_to(pid, t->at[stop], t->turn[stop])) return TRACER_ENDED;
  for (size_t i = stop; i < k; i++)
    if (!tracer_step(pid)) return TRACER_ENDED;
  return tracer_where(pid) == t->at[k] ? TRACER_THERE : TRACER_ELSEWHERE;
}

#else

void tracer_need(void) {
  plain_skip("only x86-64 processes can be stepped by this test");
}

uint64_t tracer_stops(void) {
  return 0;
}

pid_t tracer_start(const tracer_job *job) {
  (void)job;
  tracer_need();
  return -1;
}

uintptr_t tracer_where(pid_t pid) {
  (void)pid;
  return 0;
}

bool tracer_step(pid_t pid) {
  (void)pid;
  return false;
}

bool tracer_record(pid_t pid, tracer_trace *t, size_t max, void (*look)(void *arg, size_t step), void *arg) {
  (void)pid;
  (void)t;
  (void)max;
  (void)look;
  (void)arg;
  return false;
}

void tracer_forget(tracer_trace *t) {
  (void)t;
}

enum tracer_place tracer_walk(pid_t pid, const tracer_trace *t, size_t k) {
  (void)pid;
  (void)t;
  (void)k;
  return TRACER_ENDED;
}

enum tracer_place tracer_go(pid_t pid, const tracer_trace *t, size_t k) {
  return tracer_walk(pid, t, k);
}

void tracer_kill(pid_t pid) {
  (void)pid;
}

void tracer_resume(pid_t pid) {
  (void)pid;
}

void tracer_interrupt(pid_t pid, int signal) {
  (void)pid;
  (void)signal;
}

void tracer_wait_end(pid_t pid) {
  (void)pid;
}

void tracer_finish(pid_t pid) {
  (void)pid;
}

#endif
