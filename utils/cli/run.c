/*
 * `workq run`: workers that run a command for each key.  This file has the subcommand and its
 * supervisor; run_shared.h says which process does what.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attend.h"
#include "common/clock.h"
#include "common/escape.h"
#include "common/open.h"
#include "common/parse.h"
#include "common/queue_error.h"
#include "common/say.h"
#include "common/signals.h"
#include "options.h"
#include "progress.h"
#include "subcommands.h"

/* Commands may fail to start for that long. */
#define START_TIMEOUT_NS (30 * NS_PER_S)

/* A terminal that is closed: its commands have that long. */
#define HANG_UP_NS (2 * NS_PER_S)

/* How often the supervisor checks whether the queue is empty, and what is left of dead workers. */
#define TICK_NS (50 * NS_PER_MS)

/* A delay below that needs no word. */
#define LONG_DELAY_NS NS_PER_S

struct run {
  const char *name; /* of the queue */
  bool shared;
  bool until_empty, no_wait, forward_stop;
  int64_t kill_after_ns; /* -1: not */
  workq_pool pool;
  struct attend attend;

  workq *q;
  workq_supervisor *supervisor;
  pid_t *pids; /* of the workers; 0: not running */
  sigset_t waiting_mask;
  int signal_fd;
  int64_t begun_ns;
  bool ending;                      /* no more keys are taken */
  int stops;                        /* signals that stop it, so far */
  int stop_signal;                  /* the first of them */
  int64_t kill_ns;                  /* when commands are killed; INT64_MAX: not */
  int64_t reported_due_ns;          /* the longest delay that was reported */
  int64_t workers_failing_since_ns; /* no worker can be started; 0: they can */
  bool failing_reported;
  int status; /* STATUS_ERROR: why has been said */
};

/* ---- Arguments ---- */

enum {
  OPTION_FORWARD_STOP = OPTION_SHARED + 1,
  OPTION_KILL_AFTER,
  OPTION_MAX_KEYS,
  OPTION_NO_WAIT,
  OPTION_START_TIMEOUT
};

static int read_duration(const char *command, const char *option, int64_t min_ns, int64_t *out) {
  if (parse_duration(optarg, out) && *out >= min_ns) return STATUS_OK;
  return usage_error(command, "%s takes a duration such as 30s, not '%s'", option, optarg);
}

static int read_number(const char *command, int option, struct run *run) {
  int64_t number;
  if (option == 'j') {
    if (!parse_integer(optarg, 1, WORKQ_HANDLES_MAX - 1, &number))
      return usage_error(command, "-j takes a number of workers from 1 to %u, not '%s'", WORKQ_HANDLES_MAX - 1, optarg);
    run->pool.workers = (unsigned)number;
    return STATUS_OK;
  }
  if (!parse_integer(optarg, 1, INT64_MAX, &number))
    return usage_error(command, "--max-keys takes a number of keys from 1, not '%s'", optarg);
  run->pool.max_keys = (uint64_t)number;
  return STATUS_OK;
}

static int read_options(int argc, char **argv, struct run *run) {
  static const struct option options[] = {{"jobs", required_argument, NULL, 'j'},
                                          {"until-empty", no_argument, NULL, 'u'},
                                          {"no-wait", no_argument, NULL, OPTION_NO_WAIT},
                                          {"max-keys", required_argument, NULL, OPTION_MAX_KEYS},
                                          {"timeout", required_argument, NULL, 't'},
                                          {"start-timeout", required_argument, NULL, OPTION_START_TIMEOUT},
                                          {"forward-stop", no_argument, NULL, OPTION_FORWARD_STOP},
                                          {"kill-after", required_argument, NULL, OPTION_KILL_AFTER},
                                          {"quiet", no_argument, NULL, 'q'},
                                          LONG_OPTION_SHARED,
                                          LONG_OPTION_END};
  int status = STATUS_OK;
  for (int option; status == STATUS_OK && (option = next_option(argc, argv, ":j:q", options)) != -1;) {
    if (option == 'j' || option == OPTION_MAX_KEYS) status = read_number(argv[0], option, run);
    else if (option == 'u') run->until_empty = true;
    else if (option == OPTION_NO_WAIT) run->no_wait = true;
    else if (option == 't') status = read_duration(argv[0], "--timeout", 1, &run->attend.timeout_ns);
    else if (option == OPTION_START_TIMEOUT)
      status = read_duration(argv[0], "--start-timeout", 0, &run->attend.start_timeout_ns);
    else if (option == OPTION_FORWARD_STOP) run->forward_stop = true;
    else if (option == OPTION_KILL_AFTER) status = read_duration(argv[0], "--kill-after", 0, &run->kill_after_ns);
    else if (option == 'q') run->attend.quiet = true;
    else if (option == OPTION_SHARED) run->shared = true;
    else status = STATUS_USAGE;
  }
  if (status == STATUS_OK && run->no_wait && !run->until_empty)
    return usage_error(argv[0], "--no-wait says how --until-empty ends, which is missing");
  return status;
}

/* Splits the arguments at "--": before it our own, behind it the command's. */
static int read_arguments(int argc, char **argv, struct run *run) {
  int split = 1;
  while (split < argc && strcmp(argv[split], "--") != 0) split++;
  if (split + 1 >= argc) return usage_error(argv[0], "missing command after '--'");
  argv[split] = NULL;
  if (read_options(split, argv, run) != STATUS_OK) return STATUS_USAGE;
  if (expect_arguments(split, argv, 1, 1) != STATUS_OK) return STATUS_USAGE;
  run->name = argv[optind];
  run->attend.command.queue_name = run->name;
  run->attend.command.arguments = argv + split + 1;
  return STATUS_OK;
}

/* ---- What is shared ---- */

static void *share(size_t size) {
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

/* It is the process's until that ends. */
static int make_shared(struct run *run, const workq_stats_data *stats) {
  struct run_shared *shared = share(sizeof *shared);
  if (shared == NULL) return fail("out of memory");
  shared->workers = run->pool.workers;
  shared->entries = 4 * shared->workers + 64;
  shared->key_max = stats->key_max;
  shared->keys = share((size_t)shared->workers * shared->key_max);
  shared->running = share(shared->entries * sizeof *shared->running);
  run->pids = calloc(run->pool.workers, sizeof *run->pids);
  if (shared->keys == NULL || shared->running == NULL || run->pids == NULL) return fail("out of memory");
  run->attend.shared = shared;
  run->attend.max_retries = stats->max_retries;
  run->attend.supervisor = getpid();
  run->attend.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return run->attend.wake_fd >= 0 ? STATUS_OK : fail("cannot create an event descriptor: %s", strerror(errno));
}

static unsigned count_commands(const struct run *run) {
  unsigned count = 0;
  for (unsigned i = 0; i < run->pool.workers; i++) count += atomic_load(&run->attend.shared->running[i].group) != 0;
  return count;
}

/* ---- Its end ---- */

/* No more keys are taken. */
static void end(struct run *run) {
  if (!run->ending) workq_pool_stop(run->supervisor, WORKQ_STOP_FINISH);
  run->ending = true;
}

static void wake_workers(const struct run *run) {
  for (unsigned i = 0; i < run->pool.workers; i++) {
    if (run->pids[i] == 0) continue;
    kill(run->pids[i], SIGTERM);
    kill(run->pids[i], SIGCONT);
  }
}

static void stop_commands(struct run *run, int how) {
  if (how <= atomic_load(&run->attend.shared->stop)) return;
  atomic_store(&run->attend.shared->stop, how);
  wake_workers(run);
}

static void stop(struct run *run, int signal) {
  if (++run->stops > 1) {
    stop_commands(run, STOP_KILL);
    return;
  }
  bool forward = run->forward_stop || signal == SIGHUP;
  int64_t kill_after_ns = run->kill_after_ns >= 0 ? run->kill_after_ns : signal == SIGHUP ? HANG_UP_NS : INT64_MAX;
  int64_t now_ns = clock_now_ns();
  run->stop_signal = signal;
  run->kill_ns = kill_after_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + kill_after_ns;
  unsigned commands = count_commands(run);
  if (commands > 0)
    note(!run->attend.quiet, "%s %u command%s; again to kill %s", forward ? "stopping" : "finishing", commands,
         commands > 1 ? "s" : "", commands > 1 ? "them" : "it");
  atomic_store(&run->attend.shared->stop_signal, signal);
  if (forward) stop_commands(run, STOP_FORWARD);
  end(run);
}

static void read_signals(struct run *run) {
  struct signalfd_siginfo info;
  while (read(run->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
    if (info.ssi_signo != SIGCHLD) stop(run, (int)info.ssi_signo);
}

static void end_with_error(struct run *run) {
  run->status = STATUS_ERROR;
  end(run);
}

/* Commands or workers cannot be started. */
static void check_failing(struct run *run) {
  struct run_shared *shared = run->attend.shared;
  uint64_t count;
  if (read(run->attend.wake_fd, &count, sizeof count) < 0) count = 0;
  if (run->ending || atomic_load(&shared->failed) == 0) return;
  fail("cannot start '%s' (%s), so this run ends; its keys are in queue '%s' as before",
       run->attend.command.arguments[0], strerror(atomic_load(&shared->failing_error)), run->name);
  end_with_error(run);
}

/* The only reasons for which a queue is not looked at. */
static void check_empty(struct run *run) {
  workq_stats_data stats;
  if (run->ending || !run->until_empty) return;
  int result = workq_stats(run->q, &stats);
  if (result == -ETIMEDOUT) return;
  if (result < 0) {
    queue_failed(run->name, run->q, result);
    end_with_error(run);
  } else if (stats.processing > 0) {
    return;
  } else if (stats.ready == 0 && stats.delayed == 0) {
    end(run);
  } else if (stats.paused) {
    fail("queue '%s' is paused, with %" PRIu32 " key%s in it; let them run: workq unpause '%s'", run->name,
         stats.ready + stats.delayed, stats.ready + stats.delayed == 1 ? "" : "s", run->name);
    end_with_error(run);
  } else if (stats.ready == 0 && run->no_wait) {
    end(run);
  } else if (stats.ready == 0 && stats.next_due_in_ns >= LONG_DELAY_NS && stats.next_due_in_ns > run->reported_due_ns) {
    char due[DURATION_TEXT_SIZE];
    run->reported_due_ns = stats.next_due_in_ns <= INT64_MAX / 2 ? 2 * stats.next_due_in_ns : INT64_MAX;
    format_duration((stats.next_due_in_ns / NS_PER_S + 1) * NS_PER_S, due);
    note(!run->attend.quiet, "waiting for %" PRIu32 " delayed key%s, the next is due in %s (--no-wait would end here)",
         stats.delayed, stats.delayed == 1 ? "" : "s", due);
  }
}

/* ---- Workers that have ended ---- */

/*
 * What is left of its command has been adopted, and is killed by look_at_orphans().  As long as it
 * lives, its entry keeps others from starting a command for that key: so the new entry is made
 * before the worker's own is cleared.
 */
static void keep_orphan(struct run *run, unsigned worker) {
  struct run_shared *shared = run->attend.shared;
  struct running *entry = &shared->running[worker];
  pid_t group = atomic_load(&entry->group);
  if (group == 0) return;
  for (unsigned i = shared->workers; i < shared->entries; i++) {
    if (atomic_load(&shared->running[i].group) != 0) continue;
    atomic_store(&shared->running[i].key_hash, atomic_load(&entry->key_hash));
    atomic_store(&shared->running[i].group, group);
    atomic_store(&entry->group, 0);
    return;
  }
  fail("too many commands have outlived their workers and cannot be killed; this run ends");
  end_with_error(run);
}

/* Kills the commands that have outlived their workers.  Returns how many still live. */
static unsigned look_at_orphans(struct run *run) {
  struct run_shared *shared = run->attend.shared;
  unsigned living = 0;
  for (unsigned i = shared->workers; i < shared->entries; i++) {
    pid_t group = atomic_load(&shared->running[i].group);
    if (group == 0) continue;
    if (attend_group_lives(group)) {
      attend_signal_group(group, SIGKILL);
      living++;
    } else {
      atomic_store(&shared->running[i].group, 0);
    }
  }
  return living;
}

/* A key that its worker's death has used up. */
static void check_crashed_key(struct run *run, unsigned worker) {
  struct run_shared *shared = run->attend.shared;
  uint32_t len = atomic_exchange(&shared->running[worker].key_len, 0);
  const char *key = shared->keys + (size_t)worker * shared->key_max;
  workq_info info;
  if (len == 0 || len > shared->key_max || workq_state(run->q, key, len, &info) != WORKQ_STATE_BURIED) return;
  atomic_fetch_add(&shared->given_up, 1);
  if (run->attend.quiet) return;
  char *text = escape(key, len);
  say("key '%s': given up after %" PRIu32 " crash%s of its worker", text, info.crashes, info.crashes == 1 ? "" : "es");
  free(text);
}

/* That a worker cannot be started is the machine's fault: it is tried again for a while. */
static void worker_failed(struct run *run, const char *why) {
  if (run->ending) return;
  if (run->workers_failing_since_ns == 0) {
    run->workers_failing_since_ns = clock_now_ns();
    if (!run->failing_reported) say("cannot start a worker: %s; trying again", why);
    run->failing_reported = true;
  } else if (clock_now_ns() - run->workers_failing_since_ns >= run->attend.start_timeout_ns) {
    fail("cannot start a worker (%s), so this run ends; its keys are in queue '%s' as before", why, run->name);
    end_with_error(run);
  }
}

/* As long as one works, the run goes on. */
static void check_workers(struct run *run) {
  for (unsigned i = 0; i < run->pool.workers; i++)
    if (run->pids[i] != 0 && atomic_load(&run->attend.shared->running[i].attached) != 0)
      run->workers_failing_since_ns = 0;
}

static void after_fork(void *arg, int pid) {
  struct run *run = arg;
  if (pid < 0 && run->supervisor != NULL) worker_failed(run, strerror(errno));
}

/* Whether it has ended before its first key, by an error of the library. */
static bool has_failed_to_attach(const struct run *run, unsigned worker, int status) {
  return WIFEXITED(status) && atomic_load(&run->attend.shared->running[worker].attached) == 0;
}

static void on_event(void *arg, int what, unsigned worker, int pid, int status) {
  struct run *run = arg;
  run->pids[worker] = what == WORKQ_EVENT_STARTED ? pid : 0;
  if (what == WORKQ_EVENT_STARTED) return;
  bool failed_to_attach = what == WORKQ_EVENT_CRASHED && has_failed_to_attach(run, worker, status);
  if (failed_to_attach) worker_failed(run, "it cannot attach to the queue; no descriptors, memory or handles are left");
  atomic_store(&run->attend.shared->running[worker].attached, 0);
  keep_orphan(run, worker);
  look_at_orphans(run);
  if (what == WORKQ_EVENT_CRASHED && !failed_to_attach && !run->attend.quiet) {
    const char *next = run->ending ? "" : "; replacing it";
    if (WIFSIGNALED(status))
      say("worker %u (process %d) was killed by signal %d%s", worker, pid, WTERMSIG(status), next);
    else say("worker %u (process %d) exited with status %d%s", worker, pid, WEXITSTATUS(status), next);
  }
  check_crashed_key(run, worker);
}

/*
 * Waits for children that are neither workers nor the process that draws the progress: what commands
 * have left, and in a container whose first process this is, what anybody has left.
 */
static void reap_strangers(const struct run *run) {
  for (;;) {
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) return;
    /* The pool's next step takes it: its descriptor says so. */
    for (unsigned i = 0; i < run->pool.workers; i++)
      if (run->pids[i] == info.si_pid) return;
    waitpid(info.si_pid, NULL, WNOHANG);
  }
}

/* ---- The supervisor ---- */

static int on_start(workq *q, unsigned worker, void *arg) {
  struct run *run = arg;
  (void)q;
  close(run->signal_fd);
  return attend_start(&run->attend, worker);
}

static int on_before_get(workq *q, unsigned worker, void *arg) {
  struct run *run = arg;
  (void)q, (void)worker;
  return attend_before_get(&run->attend);
}

static int on_key(workq *q, const workq_item *item, unsigned worker, void *arg) {
  struct run *run = arg;
  (void)q;
  return attend_key(&run->attend, item, worker);
}

static void on_finished(workq *q, int verdict, int result, unsigned worker, void *arg) {
  struct run *run = arg;
  (void)q;
  attend_finished(&run->attend, verdict, result, worker);
}

/* Each worker needs a handle; without one it could only fail again and again. */
static int check_handles(const struct run *run, const workq_stats_data *stats) {
  uint32_t free_handles = stats->handles - stats->attached;
  if (run->pool.workers <= free_handles) return STATUS_OK;
  return fail("queue '%s' has free handles for %u workers, not for %u; use a smaller -j, or create it again with more "
              "--handles",
              run->name, free_handles, run->pool.workers);
}

/* Waits for the next event; SIGTSTP comes through here only. */
static void wait_for_event(const struct run *run, bool often) {
  struct pollfd watched[] = {{.fd = workq_pool_fd(run->supervisor), .events = POLLIN},
                             {.fd = run->signal_fd, .events = POLLIN},
                             {.fd = run->attend.wake_fd, .events = POLLIN}};
  int64_t next_ns = often ? clock_now_ns() + TICK_NS : INT64_MAX;
  if (run->kill_ns < next_ns && atomic_load(&run->attend.shared->stop) != STOP_KILL) next_ns = run->kill_ns;
  struct timespec left = clock_left_until(next_ns);
  ppoll(watched, 3, next_ns == INT64_MAX ? NULL : &left, &run->waiting_mask);
}

/* Until all workers have ended, and what has outlived one of them; a second stop does not wait for that. */
static void supervise(struct run *run) {
  for (;;) {
    read_signals(run);
    if (clock_now_ns() >= run->kill_ns) stop_commands(run, STOP_KILL);
    bool running = workq_pool_step(run->supervisor) == 1;
    check_workers(run);
    reap_strangers(run);
    unsigned orphans = look_at_orphans(run);
    if (!running && (orphans == 0 || run->stops > 1)) return;
    if (running) check_failing(run);
    if (running) check_empty(run);
    wait_for_event(run, orphans > 0 || (run->until_empty && !run->ending));
  }
}

/* "2001 done, 2 given up, 0 left, 9.8 s" */
static void sum_up(const struct run *run) {
  workq_stats_data stats;
  char took[DURATION_TEXT_SIZE];
  int64_t took_ns = clock_now_ns() - run->begun_ns;
  if (run->attend.quiet || workq_stats(run->q, &stats) < 0) return;
  if (took_ns < 60 * NS_PER_S) snprintf(took, sizeof took, "%.1f s", (double)took_ns / NS_PER_S);
  else format_duration(took_ns / NS_PER_S * NS_PER_S, took);
  say("%" PRIu64 " done, %" PRIu64 " given up, %" PRIu32 " left, %s", atomic_load(&run->attend.shared->done),
      atomic_load(&run->attend.shared->given_up), stats.ready + stats.processing + stats.delayed, took);
}

static int run_pool(struct run *run) {
  workq_stats_data stats;
  int result = workq_stats(run->q, &stats);
  if (result < 0) return queue_failed(run->name, run->q, result);
  if (check_handles(run, &stats) != STATUS_OK || make_shared(run, &stats) != STATUS_OK) return STATUS_ERROR;
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  run->signal_fd = signals_open_stop();
  if (run->signal_fd < 0) return fail("cannot create a signal descriptor: %s", strerror(errno));
  signals_while_waiting(&run->waiting_mask);
  run->pool.event = on_event;
  run->pool.worker_start = on_start;
  run->pool.before_get = on_before_get;
  run->pool.finished = on_finished;
  run->pool.after_fork = after_fork;
  run->pool.arg = run;
  result = workq_pool_start(run->q, &run->pool, on_key, &run->supervisor);
  if (result == -EAGAIN || result == -ENOMEM || result == -EMFILE || result == -ENFILE)
    return fail("cannot start the workers: %s", strerror(-result));
  if (result < 0) return queue_failed(run->name, run->q, result);
  supervise(run);
  result = workq_pool_end(run->supervisor);
  if (result < 0) return queue_failed(run->name, run->q, result);
  if (run->status != STATUS_OK) return run->status;
  return atomic_load(&run->attend.shared->given_up) > 0 ? STATUS_GIVEN_UP : STATUS_OK;
}

int cmd_run(int argc, char **argv) {
  struct run run = {.pool.workers = 1,
                    .attend.start_timeout_ns = START_TIMEOUT_NS,
                    .kill_after_ns = -1,
                    .kill_ns = INT64_MAX,
                    .signal_fd = -1};
  if (read_arguments(argc, argv, &run) != STATUS_OK) return STATUS_USAGE;
  if (exec_check(&run.attend.command) != STATUS_OK) return STATUS_ERROR;
  exec_keep_signals(&run.attend.command);
  signals_hold_terminal_stop();
  run.begun_ns = clock_now_ns();
  struct progress progress;
  progress_watch(&progress, run.name, run.shared, run.until_empty && !run.attend.quiet);
  int status = open_queue(run.name, 0, run.shared, &run.q);
  if (status == STATUS_OK) {
    status = run_pool(&run);
    progress_end(&progress);
    if (run.supervisor != NULL) sum_up(&run);
    workq_close(run.q);
  }
  progress_end(&progress);
  if (run.stop_signal != 0 && run.status == STATUS_OK) signals_die_of(run.stop_signal);
  return status;
}
