/*
 * workq_run: forks workers that get keys and call the handler, and supervises them.
 *
 * The supervisor sleeps in poll() on a signalfd; it waits for its own children only, never for the
 * caller's others.  A worker reports how it ended in a few bytes that it shares with the
 * supervisor, so that a handler that calls exit() or abort() is distinguished from a worker that
 * ended on request.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "sizes.h"
#include "workq.h"

/* A stop request that comes just before a worker falls asleep is noticed after this long. */
#define SLICE_NS (200 * NS_PER_MS)

/* How often the supervisor checks without an event: whether the queue is empty; whether it was
 * resumed while some workers have ended; and for deaths whose SIGCHLD another thread has taken. */
#define EMPTY_TICK_NS  (50 * NS_PER_MS)
#define RESUME_TICK_NS (200 * NS_PER_MS)
#define IDLE_TICK_NS   NS_PER_S

/* How a worker ended; a negative value is the error that ended it. */
enum { OUTCOME_DIED = 0, OUTCOME_TOLD = 1, OUTCOME_DRAINED = 2 };

/* Shared with the worker.  Written by it, reset by the supervisor while it does not run. */
struct report {
  atomic_int outcome;
  atomic_int attached; /* this worker had a slot before: there are enough for all */
};

struct worker {
  pid_t pid; /* 0: not running */
  unsigned number;
  unsigned crashes; /* in a row */
  bool drained;     /* has ended because the queue is shut down and nothing is ready */
  int64_t started_ns;
  int64_t start_at_ns; /* while it does not run: when to start it; CLOCK_NEVER: not */
  struct report *report;
};

enum phase { PHASE_RUN, PHASE_END, PHASE_KILL };

struct pool {
  workq *q;
  workq_pool options; /* defaults filled in */
  workq_handler handler;
  struct worker *workers;
  struct report *reports;
  enum phase phase;
  int error;      /* what ended it, or 0 */
  unsigned stops; /* stop signals seen */
  int signal_fd;
  int gate[2]; /* start barrier: a pipe whose closing releases the first workers; -1 afterwards */
  pid_t supervisor;
  sigset_t old_mask;
  struct sigaction old_child_action;
};

/* ---- The worker ---- */

/* In a worker process only. */
static volatile sig_atomic_t stop_requested;

static void request_stop(int signal) {
  (void)signal;
  stop_requested = 1;
}

/* A key in flight must be finished, however long the lock is not available. */
static int finish(workq *q, const workq_item *item, int verdict) {
  for (;;) {
    int result;
    switch (verdict) {
    case WORKQ_OK:
      result = workq_complete(q, item);
      break;
    case WORKQ_GIVE_UP:
      result = workq_give_up(q, item);
      break;
    case WORKQ_RELEASE:
      result = workq_release(q, item);
      break;
    default:
      result = workq_retry(q, item);
      break;
    }
    if (result != -ETIMEDOUT) return result;
  }
}

/* Returns the outcome. */
static int work(const struct pool *pool, const struct worker *worker) {
  while (!stop_requested) {
    workq_item item;
    int result = workq_get(pool->q, &item, SLICE_NS);
    if (result == -ETIMEDOUT || result == -EINTR) continue;
    if (result == -ESHUTDOWN) return OUTCOME_DRAINED;
    if (result < 0) return result;

    int verdict = pool->handler(pool->q, &item, worker->number, pool->options.arg);
    result = finish(pool->q, &item, verdict);
    if (result < 0 && result != -ESTALE) return result;
  }
  return OUTCOME_TOLD;
}

/* SIGINT is left to the supervisor: a terminal sends it to the whole group.  The signals are still
 * blocked here. */
static void worker_signals(const struct pool *pool) {
  struct sigaction action = {.sa_handler = request_stop}; /* no SA_RESTART: it ends a sleep */
  sigemptyset(&action.sa_mask);
  sigaction(SIGTERM, &action, NULL);
  action.sa_handler = SIG_IGN;
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGCHLD, &pool->old_child_action, NULL);

  /* The supervisor may have died before prctl() asked the kernel to report its death. */
  stop_requested = 0;
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != pool->supervisor) stop_requested = 1;

  sigset_t mask = pool->old_mask;
  sigdelset(&mask, SIGTERM);
  pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

/* None of the first workers runs before all are started: if a fork fails, nothing has happened. */
static void wait_at_gate(const struct pool *pool) {
  char byte;
  if (pool->gate[0] < 0) return;
  close(pool->gate[1]);
  while (read(pool->gate[0], &byte, 1) < 0 && errno == EINTR) continue;
  close(pool->gate[0]);
}

static int worker_outcome(const struct pool *pool, const struct worker *worker) {
  int attached = workq_len(pool->q);
  if (attached < 0) return attached;
  atomic_store(&worker->report->attached, 1);
  if (pool->options.worker_start && pool->options.worker_start(pool->q, worker->number, pool->options.arg) != 0)
    return OUTCOME_DIED;
  return work(pool, worker);
}

/* The worker must not run the caller's atexit functions or write its buffers; see
 * start_worker(). */
static _Noreturn void worker_main(const struct pool *pool, const struct worker *worker) {
  close(pool->signal_fd);
  wait_at_gate(pool);
  worker_signals(pool);
  int outcome = worker_outcome(pool, worker);
  fflush(stdout);
  fflush(stderr);
  workq_close(pool->q);
  atomic_store(&worker->report->outcome, outcome);
  _exit(outcome > 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* ---- The supervisor ---- */

static void notify(const struct pool *pool, const struct worker *worker, int what, pid_t pid, int status) {
  if (pool->options.event) pool->options.event(pool->options.arg, what, worker->number, pid, status);
}

static void signal_workers(struct pool *pool, int signal) {
  for (unsigned i = 0; i < pool->options.workers; i++) {
    pool->workers[i].start_at_ns = CLOCK_NEVER;
    if (pool->workers[i].pid != 0) kill(pool->workers[i].pid, signal);
  }
}

/* No worker is started from now on; the running ones finish their key (or not, in PHASE_KILL). */
static void enter_phase(struct pool *pool, enum phase phase) {
  if (phase <= pool->phase) return;
  pool->phase = phase;
  signal_workers(pool, phase == PHASE_KILL ? SIGKILL : SIGTERM);
}

static void fail(struct pool *pool, int error) {
  if (pool->error == 0) pool->error = error;
  enter_phase(pool, PHASE_END);
}

static int64_t restart_delay(const struct pool *pool, unsigned crashes) {
  int64_t delay = pool->options.restart_initial_ns;
  for (unsigned i = 1; i < crashes && delay < pool->options.restart_max_ns; i++) delay = clock_add_ns(delay, delay);
  return delay < pool->options.restart_max_ns ? delay : pool->options.restart_max_ns;
}

/* A worker that lived for the longest backoff has done well: its crashes are counted from 0
 * again. */
static void restart_later(struct pool *pool, struct worker *worker) {
  int64_t now = clock_monotonic_ns();
  if (now - worker->started_ns >= pool->options.restart_max_ns) worker->crashes = 0;
  worker->crashes++;
  if (pool->phase == PHASE_RUN) worker->start_at_ns = clock_add_ns(now, restart_delay(pool, worker->crashes));
}

/*
 * stdout and stderr are flushed first, so that the child begins with empty buffers and can write
 * its own output when it ends.  (Other streams are not touched: one could be locked by a thread
 * that is blocked in reading.)
 */
static int start_worker(struct pool *pool, struct worker *worker) {
  fflush(stdout);
  fflush(stderr);
  atomic_store(&worker->report->outcome, OUTCOME_DIED);
  worker->started_ns = clock_monotonic_ns();
  worker->start_at_ns = CLOCK_NEVER;
  worker->drained = false;
  pid_t pid = fork();
  if (pid < 0) return -errno;
  if (pid == 0) worker_main(pool, worker);
  worker->pid = pid;
  notify(pool, worker, WORKQ_EVENT_STARTED, pid, 0);
  return 0;
}

static void start_due_workers(struct pool *pool) {
  int64_t now = clock_monotonic_ns();
  for (unsigned i = 0; i < pool->options.workers; i++) {
    struct worker *worker = &pool->workers[i];
    if (worker->pid == 0 && worker->start_at_ns <= now && start_worker(pool, worker) < 0) restart_later(pool, worker);
  }
}

/* Errors that a retry cannot fix. */
static bool is_permanent(const struct worker *worker, int outcome) {
  switch (outcome) {
  case -EUCLEAN:
  case -EBADF:
  case -EIDRM:
  case -EPROTONOSUPPORT:
    return true;
  case -EUSERS:
  case -ENOSPC: /* no memory for the slot; a slot that has some keeps it */
    return atomic_load(&worker->report->attached) == 0;
  default:
    return false;
  }
}

static void reap(struct pool *pool) {
  int result = workq_reap(pool->q);
  if (result < 0 && result != -ETIMEDOUT) fail(pool, result);
}

static void worker_ended(struct pool *pool, struct worker *worker, int status) {
  pid_t pid = worker->pid;
  int outcome = atomic_load(&worker->report->outcome);
  bool well = WIFEXITED(status) && outcome > 0;
  worker->pid = 0;
  if (!well) reap(pool);

  if (well && outcome == OUTCOME_DRAINED) {
    worker->drained = true;
  } else if (outcome < 0 && is_permanent(worker, outcome)) {
    fail(pool, outcome);
  } else {
    restart_later(pool, worker); /* also if another process stopped it */
  }
  notify(pool, worker, well || pool->phase == PHASE_KILL ? WORKQ_EVENT_ENDED : WORKQ_EVENT_CRASHED, pid, status);
}

/* Returns how many workers run or wait for their start. */
static unsigned collect_workers(struct pool *pool) {
  unsigned living = 0;
  for (unsigned i = 0; i < pool->options.workers; i++) {
    struct worker *worker = &pool->workers[i];
    int status = 0;
    /* The error is ECHILD: another thread of the caller has taken the status. */
    if (worker->pid != 0 && waitpid(worker->pid, &status, WNOHANG) != 0) worker_ended(pool, worker, status);
  }
  for (unsigned i = 0; i < pool->options.workers; i++)
    if (pool->workers[i].pid != 0 || pool->workers[i].start_at_ns != CLOCK_NEVER) living++;
  return living;
}

static void read_signals(struct pool *pool) {
  struct signalfd_siginfo info;
  while (read(pool->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
    if (info.ssi_signo != SIGCHLD) enter_phase(pool, ++pool->stops > 1 ? PHASE_KILL : PHASE_END);
}

/* A queue that was resumed needs all its workers again. */
static void check_resumed(struct pool *pool) {
  int shut_down = -1;
  for (unsigned i = 0; i < pool->options.workers; i++) {
    struct worker *worker = &pool->workers[i];
    if (!worker->drained) continue;
    if (shut_down < 0) shut_down = workq_shutting_down(pool->q);
    if (shut_down != 0) return;
    worker->drained = false;
    worker->start_at_ns = clock_monotonic_ns();
  }
}

static void check_empty(struct pool *pool) {
  workq_stats_data stats;
  int result = workq_stats(pool->q, &stats);
  if (result == -ETIMEDOUT) return;
  if (result < 0) {
    fail(pool, result);
  } else if (stats.ready == 0 && stats.processing == 0 && stats.delayed == 0) {
    enter_phase(pool, PHASE_END);
  }
}

static int64_t next_look_ns(const struct pool *pool) {
  int64_t now = clock_monotonic_ns();
  int64_t tick = pool->options.until_empty && pool->phase == PHASE_RUN ? EMPTY_TICK_NS : IDLE_TICK_NS;
  for (unsigned i = 0; i < pool->options.workers; i++) {
    const struct worker *worker = &pool->workers[i];
    if (worker->drained && tick > RESUME_TICK_NS) tick = RESUME_TICK_NS;
    if (worker->start_at_ns == CLOCK_NEVER) continue;
    int64_t wait = worker->start_at_ns > now ? worker->start_at_ns - now : 0;
    if (wait < tick) tick = wait;
  }
  return tick;
}

static void supervise(struct pool *pool) {
  while (collect_workers(pool) > 0) {
    if (pool->phase == PHASE_RUN) check_resumed(pool);
    if (pool->phase == PHASE_RUN && pool->options.until_empty) check_empty(pool);
    if (pool->phase == PHASE_RUN) start_due_workers(pool);

    struct pollfd wait_for = {.fd = pool->signal_fd, .events = POLLIN};
    struct timespec timeout = clock_timespec(next_look_ns(pool));
    ppoll(&wait_for, 1, &timeout, NULL);
    read_signals(pool);
  }
}

static void open_gate(struct pool *pool) {
  for (int i = 0; i < 2; i++) {
    if (pool->gate[i] >= 0) close(pool->gate[i]);
    pool->gate[i] = -1;
  }
}

static void start_pool(struct pool *pool) {
  int result = pipe2(pool->gate, O_CLOEXEC) < 0 ? -errno : 0;
  for (unsigned i = 0; i < pool->options.workers; i++)
    pool->workers[i] = (struct worker){.number = i, .start_at_ns = CLOCK_NEVER, .report = &pool->reports[i]};
  for (unsigned i = 0; i < pool->options.workers && result == 0; i++) result = start_worker(pool, &pool->workers[i]);
  if (result < 0) {
    fail(pool, result);
    enter_phase(pool, PHASE_KILL);
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

/* With SIGCHLD ignored the kernel would keep no statuses and send no signal; with the default it
 * does. */
static int take_signals(struct pool *pool) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGCHLD);
  pool->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (pool->signal_fd < 0) return -errno;
  struct sigaction action = {.sa_handler = SIG_DFL};
  sigemptyset(&action.sa_mask);
  pthread_sigmask(SIG_BLOCK, &set, &pool->old_mask);
  sigaction(SIGCHLD, &action, &pool->old_child_action);
  return 0;
}

/* A stop request that arrives at the very end is meant for the pool, too: it is in the result, and
 * not sent again. */
static void give_signals_back(struct pool *pool) {
  read_signals(pool);
  sigaction(SIGCHLD, &pool->old_child_action, NULL);
  pthread_sigmask(SIG_SETMASK, &pool->old_mask, NULL);
  close(pool->signal_fd);
}

static int allocate(struct pool *pool) {
  pool->workers = calloc(pool->options.workers, sizeof *pool->workers);
  if (!pool->workers) return -ENOMEM;
  void *shared = mmap(NULL, pool->options.workers * sizeof *pool->reports, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) {
    free(pool->workers);
    return -ENOMEM;
  }
  pool->reports = shared;
  return 0;
}

/* Finds errors that would occur in every worker before one is forked. */
static int check_queue(const struct pool *pool) {
  workq_stats_data stats;
  int result = workq_reap(pool->q);
  if (result >= 0) result = workq_stats(pool->q, &stats);
  if (result < 0) return result;
  return pool->options.workers < stats.handles ? 0 : -EUSERS;
}

int workq_run_sized(workq *q, const workq_pool *options, size_t size, workq_handler handler) {
  struct pool pool = {.q = q, .handler = handler, .supervisor = getpid(), .gate = {-1, -1}};
  if (sizes_read(&pool.options, sizeof pool.options, options, size) < 0) return -EINVAL;
  if (!handler || !options_valid(&pool.options)) return -EINVAL;
  fill_defaults(&pool.options);

  int result = check_queue(&pool);
  if (result == 0) result = allocate(&pool);
  if (result < 0) return result;
  result = take_signals(&pool);
  if (result == 0) {
    start_pool(&pool);
    supervise(&pool);
    give_signals_back(&pool);
    result = pool.error < 0 ? pool.error : (int)(pool.stops < 2 ? pool.stops : 2);
  }
  munmap(pool.reports, pool.options.workers * sizeof *pool.reports);
  free(pool.workers);
  return result;
}
