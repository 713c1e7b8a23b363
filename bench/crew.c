/*
 * Processes that do a benchmark's work together; see crew.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "crew.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT_S = 120 };

struct bench_crew {
  _Atomic uint32_t prepared;
  uint32_t count;
  int pids[BENCH_CREW_MAX];
};

typedef struct place {
  bench_crew *crew;
  bench_work *work;
  void *arg;
  unsigned number;
} place;

static void take_place(void *arg) {
  const place *p = arg;
  p->work(p->crew, p->arg, p->number);
}

bench_crew *bench_crew_start(unsigned count, bench_work *work, void *arg) {
  if (count > BENCH_CREW_MAX) bench_die("%u processes are too many", count);
  bench_crew *crew = bench_share(sizeof *crew);
  crew->count = count;
  for (unsigned i = 0; i < count; i++) {
    place p = {crew, work, arg, i};
    crew->pids[i] = bench_fork(take_place, &p);
  }
  return crew;
}

double bench_crew_ready(bench_crew *crew) {
  uint32_t prepared = atomic_fetch_add(&crew->prepared, 1) + 1;
  if (prepared == crew->count) syscall(SYS_futex, &crew->prepared, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
  for (; prepared < crew->count; prepared = atomic_load(&crew->prepared))
    syscall(SYS_futex, &crew->prepared, FUTEX_WAIT, prepared, NULL, NULL, 0);
  return bench_now_ns();
}

static void be_interrupted(int signal_number) {
  (void)signal_number;
}

/* In whatever order they end, so that the first failure ends the program; and so does one that waits for what never comes. */
void bench_crew_join(bench_crew *crew) {
  const struct sigaction interrupt = {.sa_handler = be_interrupted};
  sigaction(SIGALRM, &interrupt, NULL);
  alarm(LIMIT_S);
  for (unsigned left = crew->count; left > 0; left--) {
    int status;
    if (waitpid(-1, &status, 0) < 0) {
      if (errno == EINTR) bench_die("%u processes of the benchmark have not ended within %d s", left, LIMIT_S);
      bench_die("waitpid: %s", strerror(errno));
    }
    if (status != 0) bench_die("a process of the benchmark failed, wait status %d", status);
  }
  alarm(0);
  munmap(crew, sizeof *crew);
}

int bench_crew_pid(const bench_crew *crew, unsigned number) {
  return crew->pids[number];
}

void bench_crew_kill(bench_crew *crew) {
  for (unsigned i = 0; i < crew->count; i++) kill(crew->pids[i], SIGKILL);
  for (unsigned i = 0; i < crew->count; i++) waitpid(crew->pids[i], NULL, 0);
  munmap(crew, sizeof *crew);
}
