/*
 * Reading a queue whose file others may cut off; see sigbus.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sigbus.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

/* Where the reading in progress is given up. */
static sigjmp_buf give_up;
static volatile sig_atomic_t reading;
static void (*on_other_fault)(int number);

static void on_bus_error(int number) {
  if (reading) siglongjmp(give_up, 1);
  signal(number, SIG_DFL);
  if (on_other_fault != NULL) on_other_fault(number);
  else raise(number);
}

void sigbus_prepare(void (*fault)(int number)) {
  struct sigaction action = {.sa_handler = on_bus_error, .sa_flags = SA_NODEFER};
  sigemptyset(&action.sa_mask);
  on_other_fault = fault;
  sigaction(SIGBUS, &action, NULL);
}

int sigbus_guard(workq *q, int (*read)(workq *q, void *arg), void *arg) {
  volatile int result = -EUCLEAN;
  if (sigsetjmp(give_up, 0) == 0) {
    reading = 1;
    result = read(q, arg);
  }
  reading = 0;
  return result;
}
