/*
 * thread.c: the identity of the calling thread, and what fork(3) changes about it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "thread.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

__thread struct thread_state thread_state;

/* In the child: the thread that called fork(3). */
static pid_t forked_by;

pid_t thread_read_id(void) {
  return thread_state.cached_id = (pid_t)syscall(SYS_gettid);
}

pid_t thread_forked_by(void) {
  return forked_by;
}

/*
 * musl's fork(3) leaves the parent's list of robust mutexes to the child, whose next lock would write
 * to the parent's mutex: in the segment, or where the segment is no longer mapped.
 */
void thread_note_robust_list(void) {
  size_t size;
  if (syscall(SYS_get_robust_list, 0, &thread_state.robust_list, &size) != 0) thread_state.robust_list = NULL;
}

static void after_fork(void) {
  struct thread_state *state = &thread_state;
  forked_by = state->cached_id;
  state->cached_id = 0;
  if (state->robust_list) *state->robust_list = state->robust_list;
  state->robust_list = NULL;
}

static int watch_result;

static void watch_forks(void) {
  watch_result = -pthread_atfork(NULL, NULL, after_fork);
}

/* Once per process.  Returns 0 or -errno. */
static int thread_watch_forks(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch_forks);
  return watch_result;
}

int thread_map_fork_page(struct fork_page **page) {
  void *mapping = mmap(NULL, sizeof **page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return -errno;
  *page = mapping;
  if (madvise(mapping, (size_t)sysconf(_SC_PAGESIZE), MADV_WIPEONFORK) != 0) return -errno;
  return thread_watch_forks();
}
