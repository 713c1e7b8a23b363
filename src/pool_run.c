/*
 * workq_run: a pool that is driven to its end, and stopped by signals; see pool.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "pool.h"

/*
 * A signal that the caller ignores stays ignored, as that of a background job or of nohup(1).  One
 * that it handles is taken nevertheless, as SIGINT and SIGTERM say stop to nearly everyone; but
 * SIGHUP says "read your configuration" to many, and so is taken only where it would end them.
 */
static bool is_a_stop(int signal) {
  struct sigaction action;
  sigaction(signal, NULL, &action);
  if ((action.sa_flags & SA_SIGINFO) != 0) return signal != SIGHUP;
  return action.sa_handler == SIG_DFL || (action.sa_handler != SIG_IGN && signal != SIGHUP);
}

/* With SIGCHLD ignored the kernel would keep no statuses and send no signal; with the default it
 * does. */
static int take_signals(struct workq_supervisor *pool, sigset_t *old_mask) {
  static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
  sigemptyset(&pool->signals);
  sigaddset(&pool->signals, SIGCHLD);
  for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
    if (is_a_stop(stops[i])) sigaddset(&pool->signals, stops[i]);
  pool->signal_fd = signalfd(-1, &pool->signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (pool->signal_fd < 0) return -errno;
  struct sigaction action = {.sa_handler = SIG_DFL};
  sigemptyset(&action.sa_mask);
  pthread_sigmask(SIG_BLOCK, &pool->signals, old_mask);
  sigaction(SIGCHLD, &action, &pool->old_child_action);
  return 0;
}

static void read_signals(struct workq_supervisor *pool, unsigned *stops) {
  struct signalfd_siginfo info;
  while (read(pool->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
    if (info.ssi_signo != SIGCHLD) pool_enter_phase(pool, ++*stops > 1 ? POOL_KILL : POOL_FINISH);
}

static void supervise(struct workq_supervisor *pool, unsigned *stops) {
  while (pool_step(pool) > 0) {
    struct pollfd wait_for = {.fd = pool->signal_fd, .events = POLLIN};
    struct timespec timeout = clock_timespec(pool_next_step_ns(pool));
    ppoll(&wait_for, 1, &timeout, NULL);
    read_signals(pool, stops);
  }
}

int workq_run_sized(workq *q, const workq_pool *options, size_t size, workq_handler handler) {
  struct workq_supervisor pool;
  sigset_t old_mask;
  unsigned stops = 0;
  int result = pool_prepare(&pool, q, options, size, handler);
  if (result < 0) return result;
  result = take_signals(&pool, &old_mask);
  if (result == 0) {
    pool_start_workers(&pool);
    supervise(&pool, &stops);
    /* A stop request that arrives at the very end is meant for the pool, too: it is in the result,
     * and not sent again. */
    read_signals(&pool, &stops);
    sigaction(SIGCHLD, &pool.old_child_action, NULL);
    pthread_sigmask(SIG_SETMASK, &old_mask, NULL);
    close(pool.signal_fd);
    result = pool.error < 0 ? pool.error : (int)(stops < 2 ? stops : 2);
  }
  pool_release(&pool);
  return result;
}
