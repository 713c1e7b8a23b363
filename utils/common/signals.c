/*
 * Signals as something to wait for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "signals.h"

#include <stddef.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int open_blocked(const sigset_t *set) {
  sigprocmask(SIG_BLOCK, set, NULL);
  return signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int signals_open_end(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return open_blocked(&set);
}

static void add_unless_ignored(sigset_t *set, int signal) {
  struct sigaction action;
  sigaction(signal, NULL, &action);
  if (action.sa_handler != SIG_IGN) sigaddset(set, signal);
}

int signals_open_stop(void) {
  sigset_t set;
  sigemptyset(&set);
  add_unless_ignored(&set, SIGINT);
  add_unless_ignored(&set, SIGTERM);
  add_unless_ignored(&set, SIGHUP);
  sigaddset(&set, SIGCHLD);
  /* Ignored, it would leave no statuses of children. */
  signal(SIGCHLD, SIG_DFL);
  return open_blocked(&set);
}

void signals_hold_terminal_stop(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTSTP);
  sigprocmask(SIG_BLOCK, &set, NULL);
}

void signals_while_waiting(sigset_t *mask) {
  sigprocmask(SIG_SETMASK, NULL, mask);
  sigdelset(mask, SIGTSTP);
}

_Noreturn void signals_die_of(int signal_number) {
  fflush(NULL);
  signal(signal_number, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal_number);
  raise(signal_number);
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  _exit(128 + signal_number); /* the first process of a pid namespace does not die of it */
}
