/*
 * Takes a queue's lock, prints its pid, and stays with the lock until it is killed or its standard input ends.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "shm/operation.h"

int main(int argc, char **argv) {
  workq *q;
  if (argc != 2 || workq_open(argv[1], NULL, &q) < 0 || op_begin(q, CLOCK_NEVER) < 0) {
    fputs("hold_lock: the lock cannot be had\n", stderr);
    return EXIT_FAILURE;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  printf("%d\n", (int)getpid());
  fflush(stdout);
  while (getchar() != EOF) continue;
  op_end(q);
  workq_close(q);
  return EXIT_SUCCESS;
}
