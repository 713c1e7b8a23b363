/*
 * The supervisor's side of a pool, in steps; see pool.h.
 *
 * Deaths of workers are found by waiting for each of them in every step.  What makes the caller take
 * a step is SIGCHLD in workq_run(), and in a caller's own loop a pidfd for each worker; where there
 * is none (Linux before 5.3, no descriptor left), a short tick.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "sizes.h"

/* How often the supervisor checks without an event: whether the queue is empty; whether it was
 * resumed while some workers have ended; for deaths of workers that have no pidfd; and for deaths
 * whose SIGCHLD another thread has taken. */
#define EMPTY_TICK_NS   (50 * NS_PER_MS)
#define RESUME_TICK_NS  (200 * NS_PER_MS)
#define UNKNOWN_TICK_NS (50 * NS_PER_MS)
#define IDLE_TICK_NS    NS_PER_S

/* ---- Workers ---- */

static void notify(const struct workq_supervisor *pool, const struct pool_worker *worker, int what, pid_t pid,
                   int status) {
  if (pool->options.event) pool->options.event(pool->options.arg, what, worker->number, pid, status);
}

/* By the pidfd where there is one: the caller may have waited for the process already, as loops do
 * that wait for all children, and then another may have its number. */
static void signal_worker(const struct pool_worker *worker, int signal) {
  if (worker->pid_fd >= 0 && syscall(SYS_pidfd_send_signal, worker->pid_fd, signal, NULL, 0) == 0) return;
  if (worker->pid_fd < 0 || errno != ESRCH) kill(worker->pid, signal);
}

static void signal_workers(struct workq_supervisor *pool, int signal) {
  for (unsigned i = 0; i < pool->options.workers; i++) {
    pool->workers[i].start_at_ns = CLOCK_NEVER;
    if (pool->workers[i].pid != 0) signal_worker(&pool->workers[i], signal);
  }
}

void pool_enter_phase(struct workq_supervisor *pool, enum pool_phase phase) {
  if (phase <= pool->phase) return;
  pool->phase = phase;
  signal_workers(pool, phase == POOL_KILL ? SIGKILL : SIGTERM);
}

static void fail(struct workq_supervisor *pool, int error) {
  if (pool->error == 0) pool->error = error;
  pool_enter_phase(pool, POOL_FINISH);
}

static int64_t restart_delay(const struct workq_supervisor *pool, unsigned crashes) {
  int64_t delay = pool->options.restart_initial_ns;
  for (unsigned i = 1; i < crashes && delay < pool->options.restart_max_ns; i++) delay = clock_add_ns(delay, delay);
  return delay < pool->options.restart_max_ns ? delay : pool->options.restart_max_ns;
}

/* A worker that lived for the longest backoff has done well: its crashes are counted from 0
 * again. */
static void restart_later(struct workq_supervisor *pool, struct pool_worker *worker) {
  int64_t now = clock_monotonic_ns();
  if (now - worker->started_ns >= pool->options.restart_max_ns) worker->crashes = 0;
  worker->crashes++;
  if (pool->phase == POOL_RUN) worker->start_at_ns = clock_add_ns(now, restart_delay(pool, worker->crashes));
}

/* Without a pidfd the supervisor looks often. */
static void watch_worker(struct workq_supervisor *pool, struct pool_worker *worker) {
  if (pool->poll_fd < 0) return;
  worker->pid_fd = (int)syscall(SYS_pidfd_open, worker->pid, 0);
  struct epoll_event event = {.events = EPOLLIN};
  if (worker->pid_fd < 0 || epoll_ctl(pool->poll_fd, EPOLL_CTL_ADD, worker->pid_fd, &event) == 0) return;
  close(worker->pid_fd);
  worker->pid_fd = -1;
}

/* It is taken out of the set by name: a worker that was forked later may still have a copy. */
static void forget_worker(struct workq_supervisor *pool, struct pool_worker *worker) {
  worker->pid = 0;
  if (worker->pid_fd < 0) return;
  epoll_ctl(pool->poll_fd, EPOLL_CTL_DEL, worker->pid_fd, NULL);
  close(worker->pid_fd);
  worker->pid_fd = -1;
}

/* A signal that comes before the worker has its own handlers waits for them.  Returns the pid or an error. */
static pid_t fork_worker(struct workq_supervisor *pool, const struct pool_worker *worker) {
  const workq_pool *options = &pool->options;
  sigset_t all, old;
  sigfillset(&all);
  if (options->before_fork) options->before_fork(options->arg);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pid_t pid = fork();
  int error = errno;
  if (pid == 0) pool_worker_main(pool, worker);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (options->after_fork) options->after_fork(options->arg, pid);
  return pid < 0 ? -error : pid;
}

/*
 * stdout and stderr are flushed first, so that the child begins with empty buffers and can write
 * its own output when it ends.  (Other streams are not touched: one could be locked by a thread
 * that is blocked in reading.)
 */
static int start_worker(struct workq_supervisor *pool, struct pool_worker *worker) {
  fflush(stdout);
  fflush(stderr);
  atomic_store(&worker->report->outcome, POOL_DIED);
  worker->started_ns = clock_monotonic_ns();
  worker->start_at_ns = CLOCK_NEVER;
  worker->drained = false;
  pid_t pid = fork_worker(pool, worker);
  if (pid < 0) return pid;
  worker->pid = pid;
  watch_worker(pool, worker);
  notify(pool, worker, WORKQ_EVENT_STARTED, pid, 0);
  return 0;
}

static void start_due_workers(struct workq_supervisor *pool) {
  int64_t now = clock_monotonic_ns();
  for (unsigned i = 0; i < pool->options.workers; i++) {
    struct pool_worker *worker = &pool->workers[i];
    if (worker->pid == 0 && worker->start_at_ns <= now && start_worker(pool, worker) < 0) restart_later(pool, worker);
  }
}

/* Errors that a retry cannot fix. */
static bool is_permanent(const struct pool_worker *worker, int outcome) {
  switch (outcome) {
  case -EUCLEAN:
  case -EBADF:
  case -EPROTONOSUPPORT:
    return true;
  case -EUSERS:
  case -ENOSPC: /* no memory for the slot; a slot that has some keeps it */
    return atomic_load(&worker->report->attached) == 0;
  default:
    return false;
  }
}

static void reap(struct workq_supervisor *pool) {
  int result = workq_reap(pool->q);
  if (result < 0 && result != -ETIMEDOUT) fail(pool, result);
}

static void worker_ended(struct workq_supervisor *pool, struct pool_worker *worker, int status) {
  pid_t pid = worker->pid;
  int outcome = atomic_load(&worker->report->outcome);
  bool well = WIFEXITED(status) && outcome > 0;
  forget_worker(pool, worker);
  if (!well) reap(pool);

  if (well && outcome == POOL_DRAINED) {
    worker->drained = true;
  } else if (well && outcome == POOL_ENOUGH) {
    /* It is not needed any more. */
  } else if (outcome < 0 && is_permanent(worker, outcome)) {
    fail(pool, outcome);
  } else {
    restart_later(pool, worker); /* also if another process stopped it */
  }
  notify(pool, worker, well || pool->phase == POOL_KILL ? WORKQ_EVENT_ENDED : WORKQ_EVENT_CRASHED, pid, status);
}

/* Returns how many workers run or wait for their start. */
static unsigned collect_workers(struct workq_supervisor *pool) {
  unsigned living = 0;
  for (unsigned i = 0; i < pool->options.workers; i++) {
    struct pool_worker *worker = &pool->workers[i];
    int status = 0;
    /* The error is ECHILD: another thread of the caller has taken the status. */
    if (worker->pid != 0 && waitpid(worker->pid, &status, WNOHANG) != 0) worker_ended(pool, worker, status);
  }
  for (unsigned i = 0; i < pool->options.workers; i++)
    if (pool->workers[i].pid != 0 || pool->workers[i].start_at_ns != CLOCK_NEVER) living++;
  return living;
}

/* A queue that was resumed needs all its workers again. */
static void check_resumed(struct workq_supervisor *pool) {
  int shut_down = -1;
  for (unsigned i = 0; i < pool->options.workers; i++) {
    struct pool_worker *worker = &pool->workers[i];
    if (!worker->drained) continue;
    if (shut_down < 0) shut_down = workq_shutting_down(pool->q);
    if (shut_down != 0) return;
    worker->drained = false;
    worker->start_at_ns = clock_monotonic_ns();
  }
}

static void check_empty(struct workq_supervisor *pool) {
  workq_stats_data stats;
  int result = workq_stats(pool->q, &stats);
  if (result == -ETIMEDOUT) return;
  if (result < 0) {
    fail(pool, result);
  } else if (stats.ready == 0 && stats.processing == 0 && stats.delayed == 0) {
    pool_enter_phase(pool, POOL_FINISH);
  }
}

int64_t pool_next_step_ns(const struct workq_supervisor *pool) {
  int64_t now = clock_monotonic_ns();
  int64_t tick = pool->options.until_empty && pool->phase == POOL_RUN ? EMPTY_TICK_NS : IDLE_TICK_NS;
  for (unsigned i = 0; i < pool->options.workers; i++) {
    const struct pool_worker *worker = &pool->workers[i];
    if (worker->drained && tick > RESUME_TICK_NS) tick = RESUME_TICK_NS;
    if (pool->poll_fd >= 0 && worker->pid != 0 && worker->pid_fd < 0 && tick > UNKNOWN_TICK_NS) tick = UNKNOWN_TICK_NS;
    if (worker->start_at_ns == CLOCK_NEVER) continue;
    int64_t wait = worker->start_at_ns > now ? worker->start_at_ns - now : 0;
    if (wait < tick) tick = wait;
  }
  return tick;
}

/* Also takes back the timer's readiness. */
unsigned pool_step(struct workq_supervisor *pool) {
  uint64_t expirations;
  if (pool->timer_fd >= 0 && read(pool->timer_fd, &expirations, sizeof expirations) < 0) expirations = 0;
  unsigned living = collect_workers(pool);
  if (living == 0) return 0;
  if (pool->phase == POOL_RUN) check_resumed(pool);
  if (pool->phase == POOL_RUN && pool->options.until_empty) check_empty(pool);
  if (pool->phase == POOL_RUN) start_due_workers(pool);
  return living;
}

static void open_gate(struct workq_supervisor *pool) {
  for (int i = 0; i < 2; i++) {
    if (pool->gate[i] >= 0) close(pool->gate[i]);
    pool->gate[i] = -1;
  }
}

void pool_start_workers(struct workq_supervisor *pool) {
  int result = pipe2(pool->gate, O_CLOEXEC) < 0 ? -errno : 0;
  for (unsigned i = 0; i < pool->options.workers && result == 0; i++) result = start_worker(pool, &pool->workers[i]);
  if (result < 0) {
    fail(pool, result);
    pool_enter_phase(pool, POOL_KILL);
  }
  open_gate(pool);
}

/* ---- Around it ---- */

static bool options_valid(const workq_pool *options) {
  return options->until_empty <= 1 && options->restart_initial_ns >= 0 && options->restart_max_ns >= 0;
}

static void fill_defaults(workq_pool *options) {
  if (options->workers == 0) options->workers = 1;
  if (options->restart_initial_ns == 0) options->restart_initial_ns = 10 * NS_PER_MS;
  if (options->restart_max_ns == 0) options->restart_max_ns = 5 * NS_PER_S;
}

static size_t shared_size(const struct workq_supervisor *pool) {
  return sizeof *pool->shared + pool->options.workers * sizeof pool->shared->reports[0];
}

static int allocate(struct workq_supervisor *pool) {
  pool->workers = calloc(pool->options.workers, sizeof *pool->workers);
  if (!pool->workers) return -ENOMEM;
  void *shared = mmap(NULL, shared_size(pool), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) {
    free(pool->workers);
    return -ENOMEM;
  }
  pool->shared = shared;
  for (unsigned i = 0; i < pool->options.workers; i++)
    pool->workers[i] = (struct pool_worker){
        .number = i, .pid_fd = -1, .start_at_ns = CLOCK_NEVER, .report = &pool->shared->reports[i]};
  return 0;
}

/* Finds errors that would occur in every worker before one is forked. */
static int check_queue(const struct workq_supervisor *pool) {
  workq_stats_data stats;
  int result = workq_reap(pool->q);
  if (result >= 0) result = workq_stats(pool->q, &stats);
  if (result < 0) return result;
  return pool->options.workers < stats.handles ? 0 : -EUSERS;
}

int pool_prepare(struct workq_supervisor *pool, workq *q, const workq_pool *options, size_t size,
                 workq_handler handler) {
  *pool = (struct workq_supervisor){.q = q,
                                    .handler = handler,
                                    .supervisor = getpid(),
                                    .gate = {-1, -1},
                                    .poll_fd = -1,
                                    .timer_fd = -1,
                                    .signal_fd = -1};
  if (sizes_read(&pool->options, sizeof pool->options, options, size) < 0) return -EINVAL;
  if (!handler || !options_valid(&pool->options)) return -EINVAL;
  fill_defaults(&pool->options);
  pthread_sigmask(SIG_SETMASK, NULL, &pool->worker_mask);
  int result = check_queue(pool);
  return result < 0 ? result : allocate(pool);
}

void pool_release(struct workq_supervisor *pool) {
  munmap(pool->shared, shared_size(pool));
  free(pool->workers);
}

/* ---- Driven by a caller's own loop ---- */

static int open_poll(struct workq_supervisor *pool) {
  pool->poll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (pool->poll_fd < 0) return -errno;
  pool->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN};
  if (pool->timer_fd >= 0 && epoll_ctl(pool->poll_fd, EPOLL_CTL_ADD, pool->timer_fd, &event) == 0) return 0;
  int error = errno;
  if (pool->timer_fd >= 0) close(pool->timer_fd);
  close(pool->poll_fd);
  return -error;
}

static void close_poll(struct workq_supervisor *pool) {
  close(pool->timer_fd);
  close(pool->poll_fd);
}

/* A time of 0 would switch the timer off. */
static void arm_timer(struct workq_supervisor *pool) {
  int64_t wait_ns = pool_next_step_ns(pool);
  struct itimerspec until = {.it_value = clock_timespec(wait_ns > 0 ? wait_ns : 1)};
  timerfd_settime(pool->timer_fd, 0, &until, NULL);
}

static void kill_all(struct workq_supervisor *pool) {
  pool_enter_phase(pool, POOL_KILL);
  while (pool_step(pool) > 0) clock_sleep(NS_PER_MS);
}

int workq_pool_start_sized(workq *q, const workq_pool *options, size_t size, workq_handler handler,
                           workq_supervisor **out) {
  if (!out) return -EINVAL;
  struct workq_supervisor *pool = malloc(sizeof *pool);
  if (!pool) return -ENOMEM;
  int result = pool_prepare(pool, q, options, size, handler);
  if (result < 0) {
    free(pool);
    return result;
  }
  result = open_poll(pool);
  if (result == 0) {
    pool_start_workers(pool);
    arm_timer(pool);
    if (pool->error == 0) {
      *out = pool;
      return 0;
    }
    result = pool->error;
    kill_all(pool);
    close_poll(pool);
  }
  pool_release(pool);
  free(pool);
  return result;
}

int workq_pool_fd(const workq_supervisor *pool) {
  return pool->poll_fd;
}

int workq_pool_step(workq_supervisor *pool) {
  unsigned living = pool_step(pool);
  arm_timer(pool);
  return living > 0;
}

int workq_pool_stop(workq_supervisor *pool, int how) {
  if (how != WORKQ_STOP_FINISH && how != WORKQ_STOP_KILL) return -EINVAL;
  pool_enter_phase(pool, how == WORKQ_STOP_KILL ? POOL_KILL : POOL_FINISH);
  arm_timer(pool);
  return 0;
}

int workq_pool_end(workq_supervisor *pool) {
  kill_all(pool);
  int result = pool->error;
  close_poll(pool);
  pool_release(pool);
  free(pool);
  return result;
}
