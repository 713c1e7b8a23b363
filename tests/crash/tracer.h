/*
 * A forked child under ptrace whose one call is stepped through: recorded instruction by instruction, stopped at exactly
 * one of them in a fresh child, killed there with a real SIGKILL, held there, or let go on.
 *
 *   step 0  before the first instruction of the call
 *   step k  after k instructions
 *   step n  the call has returned, where n is the trace's number of steps
 *
 * A single step costs tens of microseconds; so a fresh child gets to step k by a breakpoint at the recorded address,
 * whose hits are counted.  Children are forks of one process, so that addresses are the same in all of them.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRACER_H
#define TRACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a child does: prepare (may be null) at full speed, then act, which is what is traced, then after (may be null), at full
 * speed again; then it exits with 0. */
typedef void tracer_call(void *arg);

typedef struct tracer_job {
  tracer_call *prepare;
  tracer_call *act;
  void *arg;
  tracer_call *after;
} tracer_job;

/* The way through a call.  All zero is an empty one. */
typedef struct tracer_trace {
  uintptr_t *at;  /* [0 ... steps]: where the child stands after so many steps */
  uint32_t *turn; /* how many times it has stood there by then, this time included */
  size_t steps;
  size_t room;
} tracer_trace;

/* Where tracer_go() has led. */
enum tracer_place {
  TRACER_THERE,     /* at step k, at the recorded instruction */
  TRACER_ELSEWHERE, /* inside the call, off the recorded way */
  TRACER_ENDED      /* the call has returned without passing there */
};

/* Skips the test aloud where nothing can be traced: another processor, or ptrace not permitted. */
void tracer_need(void);

/* How often children have stopped by now: what tracing costs. */
uint64_t tracer_stops(void);

/* Forks a child, which stands at step 0 when this returns.  It dies with this process. */
pid_t tracer_start(const tracer_job *job);

/* Where a child that stands stands. */
uintptr_t tracer_where(pid_t pid);

/* Executes one instruction; blocks as long as that does.  Returns false, and does nothing, if the call has returned. */
bool tracer_step(pid_t pid);

/*
 * Steps through the whole call and records it; the child stands at its end.  look, if not null, is called at every step, 0
 * and the last included.  Gives up and returns false when there are more steps than max.
 */
bool tracer_record(pid_t pid, tracer_trace *trace, size_t max, void (*look)(void *arg, size_t step), void *arg);
void tracer_forget(tracer_trace *trace);

/* Takes a child that stands at step 0 to step k; where it strays from the trace, not farther than the call's end. */
enum tracer_place tracer_go(pid_t pid, const tracer_trace *trace, size_t k);
/* The same by single steps alone, k of them; never says TRACER_ELSEWHERE without a reason in trace, which may be null. */
enum tracer_place tracer_walk(pid_t pid, const tracer_trace *trace, size_t k);

/* Kills a child, wherever it is, and reaps it. */
void tracer_kill(pid_t pid);

/* Lets a child that stands run; tracer_wait_end() waits until its call has returned, where it stands again. */
void tracer_resume(pid_t pid);
/* The same with a signal, whose handler runs before the next instruction. */
void tracer_interrupt(pid_t pid, int signal);
void tracer_wait_end(pid_t pid);
/* From the call's end: lets it exit and reaps it; fails if it does not exit with 0. */
void tracer_finish(pid_t pid);

#endif
