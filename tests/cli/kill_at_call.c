/*
 * kill_at_call N [--no-tmpfile] COMMAND [ARGUMENT...]: runs the command and kills it just before its system call N,
 * counted from 1 behind execve().  With --no-tmpfile its file system seems to have no O_TMPFILE.
 *
 * Exit status: 9 where it was killed; where it has ended before, its own; 77 where it may not be traced.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILLED = 9, SKIPPED = 77, BROKEN = 99 };

static void broken(const char *what) {
  perror(what);
  _exit(BROKEN);
}

/* The low half of an argument, on a machine of either byte order. */
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + 8 * (n) + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4u : 0u))

static void refuse_tmpfile(void) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_openat, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(2)),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_TMPFILE & ~O_DIRECTORY, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    broken("seccomp");
}

static void start(char **command, int no_tmpfile) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* the search for leaks traces, too */
  setenv("LSAN_OPTIONS", "detect_leaks=0", 1);
  if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(SKIPPED);
  if (no_tmpfile) refuse_tmpfile();
  execvp(*command, command);
  broken(*command);
}

static int wait_for(pid_t child) {
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) broken("waitpid");
  return status;
}

static int exit_status(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv) {
  if (argc < 3) return BROKEN;
  long calls = strtol(argv[1], NULL, 10);
  char **command = argv + 2;
  int no_tmpfile = strcmp(*command, "--no-tmpfile") == 0;
  command += no_tmpfile;
  pid_t child = fork();
  if (child < 0) broken("fork");
  if (child == 0) start(command, no_tmpfile);
  int status = wait_for(child);
  if (!WIFSTOPPED(status)) return exit_status(status);
  if (ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD) != 0) broken("ptrace");
  /* Each call stops it twice, before and after; the first stop of all is the end of execve(). */
  for (long stops = 0, deliver = 0; stops < 2 * calls - 1;) {
    if (ptrace(PTRACE_SYSCALL, child, NULL, deliver) != 0) broken("ptrace");
    status = wait_for(child);
    if (!WIFSTOPPED(status)) return exit_status(status);
    int is_call = WSTOPSIG(status) == (SIGTRAP | 0x80);
    stops += is_call;
    deliver = is_call || WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
  }
  kill(child, SIGKILL);
  wait_for(child);
  return KILLED;
}
