/*
 * A thread run instruction by instruction with ptrace(2), until it is killed, or let go with a signal, where a test wants it;
 * and where threads sleep.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TWO_TRACE_H
#define TWO_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/handle.h"

/* What became of a step. */
enum {
  TRACE_STEPPED,
  TRACE_ASLEEP, /* the instruction is a system call that sleeps on a futex; trace_await_return() ends the step */
  TRACE_ENDED   /* the thread has ended */
};

/* Stops a thread of a child.  Skips the test where that is not allowed. */
void trace_seize(pid_t tid);
int trace_step(pid_t tid);
/* After TRACE_ASLEEP: waits until the call has returned.  False: not within that time. */
bool trace_await_return(pid_t tid, int64_t timeout_ns);
/* Lets the thread go, with a signal if that is not 0. */
void trace_let_go(pid_t tid, int signal);
/* Kills a child, traced or not, and waits for its end. */
void trace_kill(pid_t pid);

/* Does this thread of a child sleep on a futex other than that word? */
bool trace_sleeps(pid_t tid, const void *other_word);

/* The thread that the mutex says it belongs to, 0 for nobody; *died is set if it died holding it.  Changes nothing. */
pid_t trace_mutex_owner(const pthread_mutex_t *mutex, bool *died);
/* The same for the queue lock in force. */
pid_t trace_lock_owner(const workq *q);

#endif
