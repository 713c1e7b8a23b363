/*
 * thread.h: which thread and process calls, and how a forked child is recognized.
 *
 * A handle belongs to the thread that attached it.  A child by fork(3) has a copy of the handle,
 * but not the slot: it must attach again before it touches the segment.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_THREAD_H
#define WORKQ_SHM_THREAD_H

#include <sys/types.h>

#include "compiler.h"
#include "workq.h"

/* The one page of a handle that the kernel empties in a forked child. */
struct fork_page {
  pid_t tid; /* the thread that the handle belongs to */
  pid_t pid; /* its process: where the kernel did not empty the page */
};

/* Maps the page: so a child is recognized without a system call.  Returns 0 or -errno; *page may be
 * set either way. */
int thread_map_fork_page(struct fork_page **page);

/*
 * What the library remembers of the calling thread.  To find a variable of a thread costs some five
 * instructions in a library that dlopen(3) can load, and more with compilers that know no TLS
 * descriptors: so a call finds this one once, in call_begin().
 */
struct thread_state {
  /* The thread's id, read from the kernel once per thread; 0 means "not read yet".  fork(3) resets
   * it to 0 in the child: that is the sign of a fork where the kernel only claims that it empties
   * the fork page. */
  pid_t cached_id;
  /* The handle that the thread is in a call on: the innermost one. */
  workq *calling;
  /* The head of the thread's list of robust mutexes, in the kernel's format. */
  void **robust_list;
};
extern __thread struct thread_state thread_state __attribute__((visibility("hidden")));
pid_t thread_read_id(void);

/* The address, so that the compiler keeps it: it would rather look it up again. */
static inline struct thread_state *thread_own_state(void) {
  struct thread_state *state = &thread_state;
  __asm__("" : "+r"(state));
  return state;
}

/* The id of the thread whose state this is, which must be the calling thread's. */
static inline pid_t thread_id_of(const struct thread_state *state) {
  pid_t tid = state->cached_id;
  return likely(tid != 0) ? tid : thread_read_id();
}

static inline pid_t thread_id(void) {
  return thread_id_of(&thread_state);
}

/* In a child by fork(3): the thread that called it; else 0. */
pid_t thread_forked_by(void);

/* Remembers the calling thread's list of robust mutexes, which a child by fork(3) must not
 * inherit. */
void thread_note_robust_list(void);

#endif
