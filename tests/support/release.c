/*
 * Killing and releasing the memory; see release.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "release.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "plain.h"

#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif

/* The victim must not run between its kill and the release of its memory: it gets the processor on which this process runs, when
 * nobody else wants it. */
static void share_a_processor(pid_t victim, bool begin) {
  static cpu_set_t all;
  struct sched_param none = {0};
  cpu_set_t one = all;
  if (begin) {
    int cpu = sched_getcpu();
    sched_getaffinity(0, sizeof all, &all);
    CPU_ZERO(&one);
    CPU_SET(cpu < 0 ? 0 : (size_t)cpu, &one);
  } else {
    one = all;
  }
  sched_setscheduler(victim, begin ? SCHED_IDLE : SCHED_OTHER, &none);
  sched_setaffinity(victim, sizeof one, &one);
  sched_setaffinity(0, sizeof one, &one);
}

bool release_kill(pid_t pid) {
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  if (pidfd < 0) plain_skip("this kernel has no pidfd_open: %s", strerror(errno));
  share_a_processor(pid, true);
  kill(pid, SIGKILL);
  long rc = syscall(SYS_process_mrelease, pidfd, 0);
  int why = errno;
  share_a_processor(pid, false);
  close(pidfd);
  if (rc != 0 && why == ENOSYS) plain_skip("this kernel has no process_mrelease");
  return rc == 0;
}
