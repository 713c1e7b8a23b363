/*
 * A worker of `workq run`, with its command; see attend.h and run_shared.h.
 *
 * A command is waited for in ppoll(2): that returns when a child ends (SIGCHLD), when the
 * supervisor wants something (SIGTERM), when the command has been executed or could not be, and when
 * time is up.  The signals are blocked but there, so that none is missed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "attend.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/escape.h"
#include "common/parse.h"
#include "common/say.h"

/* How long a command that was asked to end because its time is up may take for that. */
#define GRACE_NS (2 * NS_PER_S)

/* How long after a command that was ended by such a signal a stop may come that was for all of us. */
#define SETTLE_NS (NS_PER_S / 5)

/* How long it may take a command to die of SIGKILL until that is worth a word. */
#define DYING_NS (2 * NS_PER_S)

/* How often a worker looks whether a command that has outlived its worker has ended. */
#define LOOK_NS (NS_PER_S / 50)

/* Commands cannot be started: the pauses between attempts. */
#define PAUSE_MIN_NS (10 * NS_PER_MS)
#define PAUSE_MAX_NS NS_PER_S

/* The exit status by which a command gives its key up at once. */
enum { EXIT_GIVE_UP = 100 };

/* After so many failures without a limit on retries the user hears of it. */
enum { MANY_FAILURES = 10 };

/* A worker's own state. */
static struct {
  sigset_t waiting_mask; /* in ppoll() */
  int64_t pause_ns;      /* before the next key: the last command could not be started */
  char *key;             /* of the key in flight, as it is shown */
  uint32_t failures;     /* of the key, with the one that has just happened */
  char how[96];          /* how its command failed */
} own;

/* ---- Signals ---- */

static pid_t supervisor;
static struct sigaction library_term;
static volatile sig_atomic_t signalled_by_others;

/* If another process than the supervisor sends it, commands most likely got it, too. */
static void on_term(int signal, siginfo_t *info, void *context) {
  (void)context;
  if (info->si_pid != supervisor && getppid() == supervisor) signalled_by_others = 1;
  library_term.sa_handler(signal);
}

static void on_child(int signal) {
  (void)signal; /* only ends ppoll() */
}

int attend_start(struct attend *attend, unsigned worker) {
  struct sigaction action = {.sa_handler = on_child};
  sigemptyset(&action.sa_mask);
  sigaction(SIGCHLD, &action, NULL);
  signal(SIGHUP, SIG_IGN);
  supervisor = attend->supervisor;
  action = (struct sigaction){.sa_sigaction = on_term, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  sigaction(SIGTERM, &action, &library_term);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGCHLD);
  sigaddset(&blocked, SIGTSTP);
  sigprocmask(SIG_BLOCK, &blocked, &own.waiting_mask);
  sigdelset(&own.waiting_mask, SIGCHLD);
  sigdelset(&own.waiting_mask, SIGTSTP);
  sigdelset(&own.waiting_mask, SIGTERM);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  atomic_store(&attend->shared->running[worker].attached, 1);
  return 0;
}

static void block_term(int how) {
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  sigprocmask(how, &term, NULL);
}

/* Until a signal, until *fd (if not -1) can be read, or until then (CLOCK_NEVER: without an end). */
static void wait_until(int64_t deadline_ns, int fd) {
  struct pollfd watched = {.fd = fd, .events = POLLIN};
  struct timespec left = clock_left_until(deadline_ns);
  ppoll(&watched, 1, deadline_ns == INT64_MAX ? NULL : &left, &own.waiting_mask);
}

/* ---- Before a key ---- */

/* Here SIGTSTP may stop the worker: it is not inside the library. */
static void let_stop(void) {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTSTP);
  sigprocmask(SIG_UNBLOCK, &stop, NULL);
  sigprocmask(SIG_BLOCK, &stop, NULL);
}

int attend_before_get(struct attend *attend) {
  let_stop();
  if (own.pause_ns == 0) return 0;
  block_term(SIG_BLOCK);
  for (int64_t end_ns = clock_now_ns() + own.pause_ns; clock_now_ns() < end_ns && !workq_pool_stopping();) {
    if (atomic_load(&attend->shared->failing_since_ns) == 0) break; /* another could */
    wait_until(end_ns, -1);
  }
  block_term(SIG_UNBLOCK);
  return 0;
}

/* ---- Commands that cannot be started ---- */

/* Returns how the key is finished: it is not its fault. */
static int cannot_start(struct attend *attend, int error) {
  struct run_shared *shared = attend->shared;
  int64_t now_ns = clock_now_ns(), since_ns = 0;
  own.pause_ns = own.pause_ns == 0 ? PAUSE_MIN_NS : own.pause_ns * 2 < PAUSE_MAX_NS ? own.pause_ns * 2 : PAUSE_MAX_NS;
  if (atomic_compare_exchange_strong(&shared->failing_since_ns, &since_ns, now_ns)) since_ns = now_ns;
  atomic_store(&shared->failing_error, error);
  if (atomic_exchange(&shared->failing_reported, 1) == 0) {
    char limit[DURATION_TEXT_SIZE];
    format_duration(attend->start_timeout_ns, limit);
    say("cannot start '%s': %s; keys go back untried, and it is tried again for %s", attend->command.arguments[0],
        strerror(error), limit);
  }
  if (now_ns - since_ns >= attend->start_timeout_ns && atomic_exchange(&shared->failed, 1) == 0) {
    uint64_t one = 1;
    if (write(attend->wake_fd, &one, sizeof one) < 0) kill(attend->supervisor, SIGCHLD); /* wakes it as well */
  }
  return WORKQ_RELEASE;
}

static void could_start(struct attend *attend) {
  struct run_shared *shared = attend->shared;
  own.pause_ns = 0;
  if (atomic_exchange(&shared->failing_since_ns, 0) != 0 && atomic_exchange(&shared->failing_reported, 0) != 0)
    say("'%s' can be started again", attend->command.arguments[0]);
}

/* ---- The command's processes ---- */

bool attend_group_lives(pid_t group) {
  pid_t ended;
  do {
    ended = waitpid(-group, NULL, WNOHANG);
  } while (ended > 0 || (ended < 0 && errno == EINTR));
  return ended == 0;
}

int attend_signal_group(pid_t group, int signal) {
  if (kill(-group, signal) == 0) return 0;
  int error = errno;
  /* A child that has not yet made itself the leader. */
  if (error == ESRCH && kill(group, signal) == 0) return 0;
  return -error;
}

/* A command that runs. */
struct attempt {
  struct attend *attend;
  pid_t pid;
  int result_fd; /* the result of execvp(); -1 when that is known */
  int error;
  int status;
  bool ended;          /* the command itself */
  bool timed_out;      /* its time was up */
  bool stopped;        /* the supervisor had it stopped */
  bool killed;         /* SIGKILL was sent */
  bool reported_dying; /* that it does not die */
  int64_t timeout_ns;  /* when its time is up; INT64_MAX: never */
  int64_t kill_ns;     /* when SIGKILL is due */
  int64_t dying_ns;    /* when it should be dead */
};

/* Waits for what has ended: the command, and what it has left to us. */
static void collect(struct attempt *attempt, _Atomic pid_t *group) {
  for (;;) {
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno != EINTR) return;
    if (info.si_pid == 0) return;
    if (info.si_pid != attempt->pid) {
      waitpid(info.si_pid, NULL, WNOHANG);
      continue;
    }
    /* The group is forgotten before its number can be used again; but where all of it has to
     * end, it is known by its living members. */
    if (!attempt->killed && !attempt->timed_out && !attempt->stopped) atomic_store(group, 0);
    if (waitpid(attempt->pid, &attempt->status, WNOHANG) == attempt->pid) attempt->ended = true;
  }
}

static void read_result(struct attempt *attempt) {
  if (attempt->result_fd < 0) return;
  struct pollfd watched = {.fd = attempt->result_fd, .events = POLLIN};
  if (poll(&watched, 1, 0) != 1) return;
  ssize_t len = read(attempt->result_fd, &attempt->error, sizeof attempt->error);
  if (len < 0 && errno == EINTR) return;
  if (len != (ssize_t)sizeof attempt->error) {
    attempt->error = 0;
    could_start(attempt->attend);
  }
  close(attempt->result_fd);
  attempt->result_fd = -1;
}

static bool lives(const struct attempt *attempt) {
  return !attempt->ended || attend_group_lives(attempt->pid);
}

static void kill_it(struct attempt *attempt) {
  attempt->killed = true;
  attempt->dying_ns = clock_now_ns() + DYING_NS;
  if (lives(attempt)) attend_signal_group(attempt->pid, SIGKILL);
}

/* What is wanted of it by the supervisor or the clock. */
static void enforce(struct attempt *attempt) {
  struct run_shared *shared = attempt->attend->shared;
  int stop = atomic_load(&shared->stop);
  int64_t now_ns = clock_now_ns();
  if (stop != STOP_NONE && !attempt->stopped && lives(attempt)) {
    attempt->stopped = true;
    if (stop == STOP_FORWARD) {
      attend_signal_group(attempt->pid, atomic_load(&shared->stop_signal));
      attend_signal_group(attempt->pid, SIGCONT);
    }
  }
  if (now_ns >= attempt->timeout_ns && !attempt->timed_out) {
    attempt->timed_out = true;
    attempt->kill_ns = now_ns + GRACE_NS;
    if (lives(attempt)) attend_signal_group(attempt->pid, SIGTERM);
    if (lives(attempt)) attend_signal_group(attempt->pid, SIGCONT);
  }
  if ((stop == STOP_KILL || now_ns >= attempt->kill_ns) && !attempt->killed) kill_it(attempt);
  if (attempt->killed && now_ns >= attempt->dying_ns && !attempt->reported_dying) {
    attempt->reported_dying = true;
    int error = attend_signal_group(attempt->pid, SIGKILL);
    say("key '%s': its command (process group %d) cannot be killed%s%s; waiting until it ends", own.key,
        (int)attempt->pid, error < 0 ? ": " : "", error < 0 ? strerror(-error) : "");
  }
}

static int64_t next_ns(const struct attempt *attempt) {
  int64_t next = attempt->timed_out ? INT64_MAX : attempt->timeout_ns;
  if (!attempt->killed && attempt->kill_ns < next) next = attempt->kill_ns;
  if (attempt->killed && !attempt->reported_dying && attempt->dying_ns < next) next = attempt->dying_ns;
  return next;
}

/* Until it has ended; if it had to be ended, with all of its group. */
static void attend_to(struct attempt *attempt, _Atomic pid_t *group) {
  for (;;) {
    read_result(attempt);
    collect(attempt, group);
    bool had_to_be = attempt->timed_out || attempt->stopped || attempt->killed;
    if (attempt->ended && (!had_to_be || !attend_group_lives(attempt->pid))) break;
    enforce(attempt);
    if (!lives(attempt)) continue;
    wait_until(next_ns(attempt), attempt->result_fd);
  }
  atomic_store(group, 0);
  read_result(attempt);
  if (attempt->result_fd >= 0) close(attempt->result_fd);
}

/* ---- What its end means for the key ---- */

/* Whether it was ended by a signal that is sent to all processes at a stop. */
static bool ended_by_a_stop(int status) {
  int signal = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status) - 128; /* as a shell has it */
  return signal == SIGTERM || signal == SIGINT || signal == SIGHUP;
}

/* Whether a stop was sent to all processes, this command with them: a moment after it at the latest. */
static bool is_stopped(int status) {
  if (signalled_by_others) return true;
  if (!ended_by_a_stop(status)) return false;
  for (int64_t end_ns = clock_now_ns() + SETTLE_NS; !workq_pool_stopping() && clock_now_ns() < end_ns;)
    wait_until(end_ns, -1);
  return workq_pool_stopping();
}

static int judge(const struct attempt *attempt) {
  int status = attempt->status;
  bool by_signal = WIFSIGNALED(status);
  if (!attempt->timed_out) {
    if (!by_signal && WEXITSTATUS(status) == 0) return WORKQ_OK;
    if (!by_signal && WEXITSTATUS(status) == EXIT_GIVE_UP) {
      snprintf(own.how, sizeof own.how, "exit status %d", EXIT_GIVE_UP);
      return WORKQ_GIVE_UP;
    }
    if (attempt->stopped || is_stopped(status)) return WORKQ_RELEASE;
  }
  if (attempt->timed_out) snprintf(own.how, sizeof own.how, "timed out");
  else if (by_signal) snprintf(own.how, sizeof own.how, "killed by signal %d", WTERMSIG(status));
  else snprintf(own.how, sizeof own.how, "exit status %d", WEXITSTATUS(status));
  return WORKQ_RETRY;
}

/* ---- A key ---- */

/* FNV-1a; never 0. */
static uint64_t hash_of(const workq_item *item) {
  const unsigned char *bytes = item->key;
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (uint32_t i = 0; i < item->key_len; i++) hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
  return hash != 0 ? hash : 1;
}

/* The process group of a command that runs for the key though its worker has died; 0 for none. */
static pid_t find_other(const struct run_shared *shared, uint64_t hash, unsigned worker) {
  for (unsigned i = 0; i < shared->entries; i++) {
    if (i == worker || atomic_load(&shared->running[i].key_hash) != hash) continue;
    pid_t group = atomic_load(&shared->running[i].group);
    if (group != 0) return group;
  }
  return 0;
}

/* Returns whether none runs any more; false: the worker is to end. */
static bool wait_for_other(const struct attend *attend, uint64_t hash, unsigned worker) {
  bool reported = false;
  int64_t begun_ns = clock_now_ns();
  for (pid_t group; (group = find_other(attend->shared, hash, worker)) != 0;) {
    if (workq_pool_stopping()) return false;
    int64_t now_ns = clock_now_ns();
    if (!reported && now_ns - begun_ns >= DYING_NS) {
      reported = true;
      say("key '%s': its last command (process group %d) has outlived its worker; waiting until it ends", own.key,
          (int)group);
    }
    wait_until(now_ns + LOOK_NS, -1);
  }
  return true;
}

static int run_command(struct attend *attend, const workq_item *item, unsigned worker) {
  struct running *entry = &attend->shared->running[worker];
  struct attempt attempt = {.attend = attend, .result_fd = -1, .timeout_ns = INT64_MAX, .kill_ns = INT64_MAX};
  attempt.pid = exec_start(&attend->command, item, worker, &entry->group, &attempt.result_fd);
  if (attempt.pid < 0) return cannot_start(attend, -attempt.pid);
  if (attend->timeout_ns > 0) attempt.timeout_ns = clock_now_ns() + attend->timeout_ns;
  attend_to(&attempt, &entry->group);
  if (attempt.error == 0) return judge(&attempt);
  if (attempt.error != E2BIG) return cannot_start(attend, attempt.error);
  could_start(attend); /* but for the key */
  snprintf(own.how, sizeof own.how, "its command's arguments would be too long");
  return WORKQ_GIVE_UP;
}

int attend_key(struct attend *attend, const workq_item *item, unsigned worker) {
  struct run_shared *shared = attend->shared;
  struct running *entry = &shared->running[worker];
  uint64_t hash = hash_of(item);
  own.key = escape(item->key, item->key_len);
  own.failures = item->failures + 1;
  memcpy(shared->keys + (size_t)worker * shared->key_max, item->key, item->key_len);
  atomic_store(&entry->key_hash, hash);
  atomic_store(&entry->key_len, (uint32_t)item->key_len);
  block_term(SIG_BLOCK);
  int verdict = WORKQ_RELEASE;
  if (memchr(item->key, '\0', item->key_len) != NULL) {
    snprintf(own.how, sizeof own.how, "a key with a NUL byte cannot be an argument");
    verdict = WORKQ_GIVE_UP;
  } else if (wait_for_other(attend, hash, worker)) {
    verdict = run_command(attend, item, worker);
  }
  block_term(SIG_UNBLOCK);
  return verdict;
}

/* That it will be tried for ever; of each key, or with --quiet of one. */
static void mention_many_failures(struct attend *attend) {
  if (attend->max_retries != 0 || own.failures != MANY_FAILURES) return;
  if (atomic_exchange(&attend->shared->many_failures_reported, 1) != 0 && attend->quiet) return;
  say("key '%s' has failed %d times, and the queue has no limit on retries: it will be tried again and again (give it "
      "up: exit status %d, or workq remove; limit: create --max-retries)",
      own.key, MANY_FAILURES, EXIT_GIVE_UP);
}

/* Says how the command failed and what became of the key. */
static void report(struct attend *attend, int verdict, int result) {
  bool given_up = verdict == WORKQ_GIVE_UP ? result == 0 : result != 1;
  if (!attend->quiet) {
    if (!given_up) say("key '%s': %s, retry", own.key, own.how);
    else if (verdict == WORKQ_GIVE_UP) say("key '%s': %s, given up", own.key, own.how);
    else say("key '%s': %s, given up after %u failures", own.key, own.how, own.failures);
  }
  if (given_up) atomic_fetch_add(&attend->shared->given_up, 1);
  else mention_many_failures(attend);
}

void attend_finished(struct attend *attend, int verdict, int result, unsigned worker) {
  atomic_store(&attend->shared->running[worker].key_len, 0);
  if (result >= 0 && verdict == WORKQ_OK) atomic_fetch_add(&attend->shared->done, 1);
  if (result >= 0 && (verdict == WORKQ_RETRY || verdict == WORKQ_GIVE_UP)) report(attend, verdict, result);
  free(own.key);
  own.key = NULL;
}
