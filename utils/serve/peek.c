/*
 * Looks of `workq serve` at queues, which may vanish, be damaged, or be another user's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>

#include "common/trust.h"
#include "serve.h"

/* Where the look that goes on is given up; there is one thread. */
static sigjmp_buf give_up;
static volatile sig_atomic_t looking;

/* The memory of a file that was cut off is gone.  Anywhere but in a look that is a fault of the program. */
static void on_bus_error(int number) {
  if (looking) siglongjmp(give_up, 1);
  signal(number, SIG_DFL);
  raise(number);
}

void peek_prepare(void) {
  struct sigaction action = {.sa_handler = on_bus_error, .sa_flags = SA_NODEFER};
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, NULL);
}

int peek_at(const char *name, bool shared, int (*look)(workq *q, void *arg), void *arg) {
  workq_options options = {.flags = WORKQ_RAW};
  trust_others(&options, shared);
  workq *q;
  int result = workq_open(name, &options, &q);
  if (result < 0) return result;
  if (sigsetjmp(give_up, 0) == 0) {
    looking = 1;
    result = look(q, arg);
  } else {
    result = -EUCLEAN;
  }
  looking = 0;
  workq_close(q);
  return result;
}

static int measure(workq *q, void *arg) {
  return workq_measure(q, arg);
}

int peek_measure(const char *name, bool shared, workq_measures *measures) {
  return peek_at(name, shared, measure, measures);
}

const char *peek_error(int error) {
  switch (error) {
  case -EPERM:
    return "belongs to another user, or others may write to it, or may only read it (see: workq help serve, --shared)";
  case -EUCLEAN:
    return "damaged, or not a queue";
  default:
    return workq_strerror(error);
  }
}
