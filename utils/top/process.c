/*
 * `workq top`: what a worker runs, from /proc.
 *
 * The queue knows a worker's process by its id and by the name that it had when it attached, which
 * for all workers of `workq run` is "workq".  Its arguments say more: those of `workq run` what it
 * runs for each key, those of a daemon how it was started.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "top.h"

/* As much of a process's arguments as is read. */
#define ARGUMENTS_MAX 4096

/* ---- Files of /proc ------------------------------------------------------------------------------------------ */

/* Reads a file of a process, with a NUL behind; how many bytes, 0 where it cannot be read. */
static size_t read_file(int pid, int tid, const char *name, char *text, size_t size) {
  char path[64];
  if (tid > 0) snprintf(path, sizeof path, "/proc/%d/task/%d/%s", pid, tid, name);
  else snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  size_t len = 0;
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor >= 0) {
    for (ssize_t got; len + 1 < size && (got = read(descriptor, text + len, size - 1 - len)) > 0;) len += (size_t)got;
    close(descriptor);
  }
  text[len] = '\0';
  return len;
}

/* When the thread began, in seconds since the machine started; negative where that is not known. */
static double start_of(int pid, int tid) {
  char text[1024];
  if (read_file(pid, tid, "stat", text, sizeof text) == 0) return -1;
  /* The name of the program is in parentheses, and may have any characters in it. */
  char *at = strrchr(text, ')'), *rest = NULL;
  if (at == NULL) return -1;
  int field = 2;
  for (char *word = strtok_r(at + 1, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
    if (++field == 22) return (double)strtoull(word, NULL, 10) / (double)sysconf(_SC_CLK_TCK);
  return -1;
}

/* Whether the process of that number is still the one that attached: a number may be used again. */
static bool is_same(const workq_worker *worker) {
  struct timespec now;
  double start = start_of(worker->pid, worker->tid);
  if (start < 0 || clock_gettime(CLOCK_BOOTTIME, &now) != 0) return false;
  /* Both clocks are rounded; a second makes up for that. */
  return start <= (double)now.tv_sec - (double)worker->age_ns / NS_PER_S + 1;
}

/* ---- Arguments ----------------------------------------------------------------------------------------------- */

static const char *base_of(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

static bool has_blank(const char *argument) {
  return *argument == '\0' || strpbrk(argument, " \t\n'\"") != NULL;
}

/*
 * Joins the arguments from `at` on into bytes, as one would type them; how many bytes that is.  In
 * short, the directories of the program, and of a script that it runs, are left out.
 */
static size_t join(const char *at, const char *end, bool in_short, char *bytes, size_t size) {
  size_t len = 0;
  int number = 0;
  for (; at < end && len + 1 < size; at += strlen(at) + 1, number++) {
    const char *word = in_short && number < 2 && (number == 0 || *at == '/') ? base_of(at) : at;
    const char *quote = has_blank(word) && (number > 0 || at + strlen(at) + 1 < end) ? "'" : "";
    int added = snprintf(bytes + len, size - len, "%s%s%s%s", number > 0 ? " " : "", quote, word, quote);
    len += added > 0 ? (size_t)added : 0;
  }
  return len < size ? len : size - 1;
}

/* Of `workq run` the arguments behind --: what it runs; null of another program. */
static const char *run_by(const char *at, const char *end) {
  bool runs = false;
  if (strncmp(base_of(at), "workq", strlen("workq")) != 0 && strstr(base_of(at), "-workq") == NULL) return NULL;
  for (at += strlen(at) + 1; at < end; at += strlen(at) + 1) {
    if (strcmp(at, "run") == 0) runs = true;
    if (runs && strcmp(at, "--") == 0 && at + 3 < end) return at + 3;
  }
  return NULL;
}

/* The process's arguments, each with a NUL behind; how many bytes.  Blanks at the end are left out. */
static size_t read_arguments(int pid, char text[ARGUMENTS_MAX]) {
  size_t len = read_file(pid, 0, "cmdline", text, ARGUMENTS_MAX);
  while (len > 0 && (text[len - 1] == '\0' || text[len - 1] == ' ')) len--;
  text[len] = '\0';
  return len;
}

size_t top_command_of(const workq_worker *worker, enum top_command which, char *bytes, size_t size) {
  char text[ARGUMENTS_MAX];
  size_t len = is_same(worker) ? read_arguments(worker->pid, text) : 0;
  if (len == 0)
    return (size_t)snprintf(bytes, size, "%.*s", (int)strnlen(worker->command, sizeof worker->command),
                            worker->command);
  const char *run = which == COMMAND_WHOLE ? NULL : run_by(text, text + len);
  return join(run != NULL ? run : text, text + len, which == COMMAND_SHORT, bytes, size);
}

bool top_is_supervisor(const workq_worker *worker) {
  char text[ARGUMENTS_MAX];
  if (worker->gets > 0 || worker->processing > 0 || worker->waiting > 0 || !is_same(worker)) return false;
  size_t len = read_arguments(worker->pid, text);
  return len > 0 && run_by(text, text + len) != NULL;
}

/* ---- Children ------------------------------------------------------------------------------------------------ */

void top_visit_children(const workq_worker *worker, void (*visit)(void *arg, int pid, const char *bytes, size_t len),
                        void *arg) {
  char children[1024], text[ARGUMENTS_MAX], bytes[ARGUMENTS_MAX], *rest = NULL;
  if (!is_same(worker) || read_file(worker->pid, worker->tid, "children", children, sizeof children) == 0) return;
  for (char *word = strtok_r(children, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
    int pid = atoi(word);
    size_t len = read_arguments(pid, text);
    if (len == 0) continue;
    const char *run = run_by(text, text + len);
    visit(arg, pid, bytes, join(run != NULL ? run : text, text + len, false, bytes, sizeof bytes));
  }
}
