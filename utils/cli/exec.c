/*
 * The command that `workq run` runs for each key: its arguments, its process, its end.
 *
 * A command is a child of its worker and the leader of a process group of its own, so that an
 * interrupt typed at the terminal reaches the supervisor only, and the commands in hand can finish.
 * It dies with its worker: the kernel kills it then (PR_SET_PDEATHSIG), and the supervisor kills
 * the rest of its group.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/escape.h"
#include "common/say.h"

/* How long a command that was asked to end because its time is up may take for that. */
#define GRACE_NS (2 * NS_PER_S)

/*
 * The exit status by which a command gives its key up at once, and that of one that could not be
 * executed.
 */
enum { EXIT_GIVE_UP = 100, EXIT_NOT_EXECUTED = 127 };

/* ---- Is there such a command? -------------------------------------------------------------------------------- */

static bool is_executable(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

/* Whether execvp() would find the name in one of the directories of PATH. */
static bool is_in_path(const char *name) {
  const char *path = getenv("PATH");
  if (path == NULL) path = "/bin:/usr/bin";
  for (;;) {
    size_t len = strcspn(path, ":");
    char *file;
    if (asprintf(&file, "%.*s%s%s", (int)len, path, len > 0 ? "/" : "", name) < 0) return false;
    bool found = is_executable(file);
    free(file);
    if (found || path[len] == '\0') return found;
    path += len + 1;
  }
}

int exec_check(const struct command *command) {
  const char *name = command->arguments[0];
  if (*name == '\0') return fail("empty command name");
  if (strchr(name, '/') != NULL) {
    if (is_executable(name)) return STATUS_OK;
    return fail("'%s' is not an executable file", name);
  }
  return is_in_path(name) ? STATUS_OK : fail("command '%s' not found in PATH", name);
}

/* ---- The supervisor's part ----------------------------------------------------------------------------------- */

static int open_pidfd(pid_t pid) {
  return (int)syscall(SYS_pidfd_open, pid, 0);
}

int exec_prepare(struct command *command, const workq_stats_data *stats, unsigned workers) {
  if (command->timeout_ns > 0) {
    int probe = open_pidfd(getpid());
    if (probe < 0) return fail("--timeout requires a kernel with pidfd_open (Linux 5.3): %s", strerror(errno));
    close(probe);
  }
  void *shared =
      mmap(NULL, workers * sizeof *command->groups, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return fail("out of memory");
  command->groups = shared;
  command->workers = workers;
  command->max_retries = stats->max_retries;
  sigprocmask(SIG_SETMASK, NULL, &command->signal_mask);
  return STATUS_OK;
}

void exec_kill(struct command *command, unsigned worker) {
  pid_t group = atomic_exchange(&command->groups[worker], 0);
  if (group > 0) kill(-group, SIGKILL);
}

void exec_finish(struct command *command) {
  for (unsigned worker = 0; worker < command->workers; worker++) exec_kill(command, worker);
  munmap((void *)command->groups, command->workers * sizeof *command->groups);
}

/* ---- Arguments ----------------------------------------------------------------------------------------------- */

/* The argument with each {} replaced by the key; to be freed.  Null without memory. */
static char *substitute(const char *argument, const char *key) {
  size_t places = 0;
  for (const char *at = argument; (at = strstr(at, "{}")) != NULL; at += 2) places++;
  char *text = malloc(strlen(argument) + places * strlen(key) + 1);
  if (text == NULL) return NULL;
  char *end = text;
  for (const char *place; (place = strstr(argument, "{}")) != NULL; argument = place + 2) {
    end = mempcpy(end, argument, (size_t)(place - argument));
    end = stpcpy(end, key);
  }
  strcpy(end, argument);
  return text;
}

static void free_arguments(char **arguments) {
  for (char **at = arguments; at != NULL && *at != NULL; at++) free(*at);
  free(arguments);
}

/*
 * The command's arguments for this key, which is the last of them where none has a {}.  Null
 * without memory.
 */
static char **make_arguments(const struct command *command, const char *key) {
  size_t count = 0;
  bool has_place = false;
  for (; command->arguments[count] != NULL; count++)
    if (count > 0 && strstr(command->arguments[count], "{}") != NULL) has_place = true;
  char **arguments = calloc(count + 2, sizeof *arguments);
  if (arguments == NULL) return NULL;
  size_t wanted = has_place ? count : count + 1;
  for (size_t i = 0; i < wanted; i++) {
    /* The command's own name is taken as it is: a key is never a program to run. */
    const char *from = i < count ? command->arguments[i] : "{}";
    arguments[i] = i == 0 ? strdup(from) : substitute(from, key);
    if (arguments[i] != NULL) continue;
    free_arguments(arguments);
    return NULL;
  }
  return arguments;
}

/* ---- The process --------------------------------------------------------------------------------------------- */

static void set_environment(const struct command *command, const workq_item *item, unsigned worker, const char *key) {
  char number[16];
  setenv("WORKQ_NAME", command->queue_name, 1);
  setenv("WORKQ_KEY", key, 1);
  snprintf(number, sizeof number, "%u", item->failures);
  setenv("WORKQ_FAILURES", number, 1);
  snprintf(number, sizeof number, "%u", worker);
  setenv("WORKQ_WORKER", number, 1);
}

/* In the new process: becomes the command. */
static _Noreturn void execute(const struct command *command, char **arguments, unsigned worker, pid_t parent) {
  setpgid(0, 0);
  atomic_store(&command->groups[worker], getpid());
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(EXIT_NOT_EXECUTED); /* the worker died before the line above */
  int null = open("/dev/null", O_RDONLY);
  if (null > STDIN_FILENO) {
    dup2(null, STDIN_FILENO);
    close(null);
  }
  static const int changed_by_pool[] = {SIGINT, SIGTERM, SIGCHLD, SIGPIPE};
  for (size_t i = 0; i < sizeof changed_by_pool / sizeof changed_by_pool[0]; i++) signal(changed_by_pool[i], SIG_DFL);
  sigprocmask(SIG_SETMASK, &command->signal_mask, NULL);
  execvp(arguments[0], arguments);
  say("cannot execute '%s': %s", arguments[0], strerror(errno));
  _exit(EXIT_NOT_EXECUTED);
}

/* Waits until the process has ended, at most timeout_ns.  Returns whether it has. */
static bool wait_for_end(int pidfd, int64_t timeout_ns) {
  int64_t deadline_ns = clock_now_ns() + timeout_ns;
  for (;;) {
    struct timespec left = clock_left_until(deadline_ns);
    struct pollfd watched = {.fd = pidfd, .events = POLLIN};
    int result = ppoll(&watched, 1, &left, NULL);
    if (result > 0) return true;
    if (result == 0 || errno != EINTR) return false;
  }
}

/* Ends the command when its time is up.  Returns whether that was necessary. */
static bool enforce_timeout(const struct command *command, pid_t pid) {
  if (command->timeout_ns == 0) return false;
  int pidfd = open_pidfd(pid);
  bool ended = pidfd >= 0 && wait_for_end(pidfd, command->timeout_ns);
  if (!ended) {
    kill(-pid, SIGTERM);
    if (pidfd >= 0) wait_for_end(pidfd, GRACE_NS);
    kill(-pid, SIGKILL);
  }
  if (pidfd >= 0) close(pidfd);
  return !ended;
}

/*
 * Runs the command and returns its status as waitpid(2) has it, or -errno where no process could be
 * had.
 */
static int run_process(const struct command *command, char **arguments, unsigned worker, bool *timed_out) {
  pid_t parent = getpid();
  pid_t pid = fork();
  if (pid < 0) return -errno;
  if (pid == 0) execute(command, arguments, worker, parent);
  setpgid(pid, pid); /* the child does so as well; the first one wins */
  *timed_out = enforce_timeout(command, pid);
  /* The group is forgotten before its number can be used again: while the process is still to be waited for. */
  siginfo_t info;
  while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) continue;
  atomic_store(&command->groups[worker], 0);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return status;
}

/* ---- A key --------------------------------------------------------------------------------------------------- */

/* Says how the command failed and what becomes of the key. */
static void report(const struct command *command, const workq_item *item, const char *how, int outcome) {
  if (command->quiet) return;
  bool last = command->max_retries > 0 && item->failures >= (uint32_t)command->max_retries;
  char *key = escape(item->key, item->key_len);
  if (outcome == WORKQ_RETRY && last) say("key '%s': %s, given up after %u failures", key, how, item->failures + 1);
  else say("key '%s': %s, %s", key, how, outcome == WORKQ_RETRY ? "retry" : "given up");
  free(key);
}

/* What the command's end means for its key. */
static int judge(const struct command *command, const workq_item *item, int status, bool timed_out) {
  char how[64];
  int outcome = WORKQ_RETRY;
  if (status < 0) {
    snprintf(how, sizeof how, "cannot start a process (%s)", strerror(-status));
  } else if (timed_out) {
    snprintf(how, sizeof how, "timed out");
  } else if (WIFSIGNALED(status)) {
    snprintf(how, sizeof how, "killed by signal %d", WTERMSIG(status));
  } else if (WEXITSTATUS(status) == 0) {
    return WORKQ_OK;
  } else {
    snprintf(how, sizeof how, "exit status %d", WEXITSTATUS(status));
    if (WEXITSTATUS(status) == EXIT_GIVE_UP) outcome = WORKQ_GIVE_UP;
  }
  report(command, item, how, outcome);
  return outcome;
}

int exec_run(struct command *command, const workq_item *item, unsigned worker) {
  if (memchr(item->key, '\0', item->key_len) != NULL) {
    report(command, item, "a key with a NUL byte cannot be an argument", WORKQ_GIVE_UP);
    return WORKQ_GIVE_UP;
  }
  char *key = strndup(item->key, item->key_len);
  char **arguments = key == NULL ? NULL : make_arguments(command, key);
  int status = -ENOMEM;
  bool timed_out = false;
  if (arguments != NULL) {
    set_environment(command, item, worker, key);
    status = run_process(command, arguments, worker, &timed_out);
  }
  free_arguments(arguments);
  free(key);
  return judge(command, item, status, timed_out);
}
