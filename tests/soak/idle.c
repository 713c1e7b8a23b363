/*
 * Forked children that never touch their copy of a handle, and live on when their parent is killed: what they share
 * with it, a lock on the queue's file above all, must not hide its death.
 *
 * They have a process group of their own, by which the main process tells them from everybody else.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "soak.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ONE_FORK_IN = 200 };

static bool has_place(void) {
  for (unsigned i = 0; i < IDLE_MAX; i++)
    if (atomic_load(&shared->idle[i]) == 0) return true;
  return false;
}

static bool take_place(uint32_t life) {
  for (unsigned i = 0; i < IDLE_MAX; i++) {
    uint32_t nobody = 0;
    if (atomic_compare_exchange_strong(&shared->idle[i], &nobody, life)) return true;
  }
  return false;
}

/* It is ended by the main process, which it belongs to when its parent has died; where that one is gone, too, by
   itself. */
static void idle(player *p, uint32_t life, pid_t parent, pid_t grandparent) {
  life_begin(life);
  setpgid(0, 0);
  if (!take_place(life)) _exit(PLAIN_PASS);
  if (soak.mutant == RESTLESS && workq_len(p->q[WIDE]) < 0) _exit(PLAIN_FAIL);
  while (getppid() == parent || getppid() == grandparent) nap(20 * MILLISECOND);
  _exit(PLAIN_PASS);
}

void idle_fork(player *p) {
  if (soak.without[WITH_IDLE] || random_below(&p->random, ONE_FORK_IN) != 0 || !has_place()) return;
  if (atomic_load(&shared->stage) != STAGE_PLAY) return;
  uint32_t life = life_new(IDLE_CHILD);
  pid_t parent = getpid(), grandparent = getppid();
  pid_t pid = fork();
  if (pid < 0) plain_fail("fork: %s", strerror(errno));
  if (pid == 0) idle(p, life, parent, grandparent);
  atomic_store(&life_of(my_life)->idle, life);
}

/* A pid is safe to kill if it is a child's of this process: it is not used again before it is waited for. */
void idle_end(uint64_t *random, bool all) {
  for (unsigned i = 0; i < IDLE_MAX; i++) {
    uint32_t life = atomic_load(&shared->idle[i]);
    siginfo_t info;
    if (life == 0 || (!all && !random_chance(random, 10))) continue;
    pid_t pid = life_of(life)->pid;
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0) kill(pid, SIGKILL);
  }
}

void idle_buried(uint32_t life) {
  for (unsigned i = 0; i < IDLE_MAX; i++) {
    uint32_t here = life;
    if (atomic_compare_exchange_strong(&shared->idle[i], &here, 0)) report.idle_ended++;
  }
}

bool idle_child_of(uint32_t life) {
  uint32_t idle = atomic_load(&life_of(life)->idle);
  return idle != 0 && life_of(idle)->pid != 0 && !life_of(idle)->dead;
}
