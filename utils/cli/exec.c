/*
 * The command's arguments, and its process until it executes; see exec.h and run_shared.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/say.h"

/* ---- Is there such a command? ---- */

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

/* ---- Arguments ---- */

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

/* ---- The process ---- */

/* The signals whose actions or blocking `workq run` changes. */
static const int changed_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGPIPE, SIGTSTP};
enum { CHANGED_SIGNALS = sizeof changed_signals / sizeof changed_signals[0] };

void exec_keep_signals(struct command *command) {
  sigprocmask(SIG_SETMASK, NULL, &command->signal_mask);
  sigemptyset(&command->ignored);
  for (size_t i = 0; i < CHANGED_SIGNALS; i++) {
    struct sigaction action;
    sigaction(changed_signals[i], NULL, &action);
    /* What starts us may ignore SIGPIPE for itself, as Python does; commands rely on the default. */
    if (changed_signals[i] == SIGPIPE || changed_signals[i] == SIGCHLD) continue;
    if (action.sa_handler == SIG_IGN) sigaddset(&command->ignored, changed_signals[i]);
  }
}

static void set_environment(const struct command *command, const workq_item *item, unsigned worker, const char *key) {
  char number[16];
  setenv("WORKQ_NAME", command->queue_name, 1);
  setenv("WORKQ_KEY", key, 1);
  snprintf(number, sizeof number, "%u", item->failures);
  setenv("WORKQ_FAILURES", number, 1);
  snprintf(number, sizeof number, "%u", worker);
  setenv("WORKQ_WORKER", number, 1);
}

static int empty_input(void) {
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null < 0) return -errno;
  if (null == STDIN_FILENO) return fcntl(null, F_SETFD, 0) < 0 ? -errno : 0;
  if (dup2(null, STDIN_FILENO) < 0) return -errno;
  close(null);
  return 0;
}

static void restore_signals(const struct command *command) {
  for (size_t i = 0; i < CHANGED_SIGNALS; i++) {
    bool ignored = sigismember(&command->ignored, changed_signals[i]) == 1;
    signal(changed_signals[i], ignored ? SIG_IGN : SIG_DFL);
  }
  sigprocmask(SIG_SETMASK, &command->signal_mask, NULL);
}

/*
 * In the new process: becomes the command.  The worker may die at any line: if it is no longer the
 * parent, nothing is started.
 */
static _Noreturn void execute(const struct command *command, char **arguments, _Atomic pid_t *group, pid_t parent,
                              int tell) {
  setsid();
  atomic_store(group, getpid());
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(EXIT_FAILURE);
  int error = -empty_input();
  if (error == 0) {
    restore_signals(command);
    execvp(arguments[0], arguments);
    error = errno;
  }
  /* An error that does not arrive is an end without a reason, which is a failure of the key. */
  while (write(tell, &error, sizeof error) < 0 && errno == EINTR) continue;
  _exit(EXIT_FAILURE);
}

static pid_t start(const struct command *command, char **arguments, _Atomic pid_t *group, int *result_fd) {
  int ends[2];
  pid_t parent = getpid();
  if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
  pid_t pid = fork();
  int error = errno;
  if (pid == 0) execute(command, arguments, group, parent, ends[1]);
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    return -error;
  }
  /* Not setpgid(), which would not let it begin a session. */
  atomic_store(group, pid);
  *result_fd = ends[0];
  return pid;
}

pid_t exec_start(const struct command *command, const workq_item *item, unsigned worker, _Atomic pid_t *group,
                 int *result_fd) {
  char *key = strndup(item->key, item->key_len);
  char **arguments = key == NULL ? NULL : make_arguments(command, key);
  pid_t pid = -ENOMEM;
  if (arguments != NULL) {
    set_environment(command, item, worker, key);
    pid = start(command, arguments, group, result_fd);
  }
  free_arguments(arguments);
  free(key);
  return pid;
}
