/*
 * Child processes, which die with their parent.  Whatever goes wrong ends the program, as
 * plain_fail() does.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <stddef.h>
#include <sys/types.h>

/* fork(2) that cannot fail; the child is killed when the parent ends. */
pid_t process_fork(void);
/* Ends a child well. */
void process_done(void) __attribute__((noreturn));

/* Memory shared with all children, zeroed. */
void *process_share(size_t size);

/* Waits for the child to end; returns its status as waitpid(2) has it. */
int process_wait(pid_t pid);
/* Waits for a child that must end well. */
void process_join(pid_t pid);
/* The same; fails also as soon as another child fails.  "what" names what is waited for. */
void process_wait_pass(pid_t pid, const char *what);
/* Kills a child, which must not have ended before, with SIGKILL, and waits for its end. */
void process_kill(pid_t pid);

/* Stops a child. */
void process_stop(pid_t pid);
/* Waits until a child has stopped by itself. */
void process_await_stop(pid_t pid);
/* Lets a child that was stopped go on. */
void process_resume(pid_t pid);

#endif
