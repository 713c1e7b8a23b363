/*
 * Starting and burying players.  The main process is the parent of all, and adopts the children of those who were
 * killed, so that nobody's end goes unnoticed.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "soak.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLEAR_SECONDS = 300, ORPHANS_MAX = 16384 };

part parts[PLAYERS_MAX];
unsigned parts_count;

static uint64_t seeds;

/* ---- Starting ---- */

static void become(role r, uint32_t life, uint64_t seed) {
  sigset_t none;
  sigemptyset(&none);
  signal(SIGINT, SIG_IGN); /* a terminal sends it to all; it is for the main process */
  sigprocmask(SIG_SETMASK, &none, NULL);
  life_begin(life);
  play(r, seed);
}

void stage_start(unsigned i) {
  part *p = &parts[i];
  uint32_t life = life_new(p->role);
  uint64_t seed = random_next(&seeds);
  pid_t pid = process_fork();
  if (pid == 0) become(p->role, life, seed);
  uint64_t waited = p->waited + (p->life != 0 ? atomic_load(&life_of(p->life)->waited) : 0);
  *p = (part){.role = p->role, .pid = pid, .life = life, .calls_ns = watch_now_ns(), .waited = waited};
  atomic_store(&life_of(life)->pid, pid);
}

static void cast(role r, unsigned count) {
  while (count-- > 0) {
    if (parts_count == PLAYERS_MAX) plain_fail("more than %d players", (int)PLAYERS_MAX);
    parts[parts_count++].role = r;
  }
}

void stage_add_worker(void) {
  cast(WORKER, 1);
  stage_start(parts_count - 1);
}

static unsigned count_of(role r) {
  switch (r) {
  case WORKER:
    return soak.workers;
  case PRODUCER:
    return soak.producers;
  case FULL_WORKER:
    return soak.without[WITH_WAITERS] ? 0 : 2;
  case WAITER:
    return soak.without[WITH_WAITERS] ? 0 : 5;
  case CROWD:
    return soak.without[WITH_CROWD] ? 0 : CROWD_PROCESSES;
  case FEEDER:
    return !soak.without[WITH_CROWD];
  case READER:
    return soak.without[WITH_READERS] ? 0 : 2;
  case ENDER:
    return !soak.without[WITH_ENDERS];
  default:
    return 1;
  }
}

void stage_fill(uint64_t random) {
  seeds = random;
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (role r = 0; r < ROLES; r++) cast(r, count_of(r));
  for (unsigned i = 0; i < parts_count; i++) stage_start(i);
}

/* ---- Ending ---- */

static part *part_of(pid_t pid) {
  for (unsigned i = 0; i < parts_count; i++)
    if (parts[i].pid == pid) return &parts[i];
  return NULL;
}

/* The mutant that loses what the dead had in hand. */
static void lose_keys_of(uint32_t life) {
  for (unsigned queue = 0; queue < QUEUES; queue++) {
    workq *q = NULL;
    for (uint32_t i = 0; i < keys_of(queue); i++) {
      key_bytes bytes;
      if (key_of(queue, i)->holder != life) continue;
      if (q == NULL) plain_ok(workq_open(queue_names[queue], NULL, &q), "workq_open");
      plain_ok(workq_reap(q), "workq_reap");
      workq_remove(q, &bytes, key_write(&bytes, i));
    }
    workq_close(q);
  }
}

/* A child whose parent was killed before it could ask to die with it ends itself; it has no life yet. */
static void judge(const siginfo_t *info, role r) {
  bool killed = info->si_code != CLD_EXITED;
  if (killed && info->si_status == SIGKILL) return;
  if (killed && r == POOL && info->si_status == SIGTERM && shared->stage != STAGE_PLAY) return;
  if (killed) plain_fail("%s %d died of signal %d", role_names[r], (int)info->si_pid, info->si_status);
  if (info->si_status != 0) plain_fail("%s %d failed, exit %d", role_names[r], (int)info->si_pid, info->si_status);
}

static void bury(const siginfo_t *info, bool restart) {
  part *p = part_of(info->si_pid);
  uint32_t life = p != NULL ? p->life : life_find(info->si_pid);
  if (life != 0) {
    judge(info, life_of(life)->role);
    if (soak.mutant == LOSE_ON_REAP) lose_keys_of(life);
    life_bury_threads(life);
    life_bury(life, info->si_code == CLD_EXITED ? 0 : info->si_status);
    idle_buried(life);
    if (info->si_code != CLD_EXITED && idle_child_of(life)) report.idle_left++;
  }
  process_wait(info->si_pid);
  if (p == NULL) return;
  p->pid = 0;
  if (restart) stage_start((unsigned)(p - parts));
}

bool stage_collect(bool restart) {
  for (;;) {
    siginfo_t info = {0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return false;
    if (info.si_pid == 0) return true;
    bury(&info, restart);
  }
}

bool stage_only_idle(void) {
  siginfo_t info;
  return waitid(P_PGID, (id_t)getpgrp(), &info, WEXITED | WNOHANG | WNOWAIT) != 0;
}

bool stage_is_empty(void) {
  siginfo_t info;
  return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0;
}

void stage_kill(unsigned i) {
  if (parts[i].pid != 0) kill(parts[i].pid, SIGKILL);
  parts[i].dying = true;
}

void stage_stop(part *p) {
  p->was_stopped = true;
  kill(p->pid, SIGSTOP);
}

void stage_continue(unsigned i) {
  if (parts[i].pid != 0) kill(parts[i].pid, SIGCONT);
  parts[i].stopped_until_ns = 0;
  parts[i].leads = false;
}

/* A pid is safe to kill if it is a child's of this process: it is not used again before it is waited for. */
static void kill_orphans(void) {
  uint32_t last = atomic_load(&shared->last_life);
  for (uint32_t life = last; life > 0 && last - life < ORPHANS_MAX; life--) {
    const life_record *record = life_of(life);
    siginfo_t info;
    if (record->pid == 0 || record->dead || record->role == IDLE_CHILD || record->role == THREAD) continue;
    if (waitid(P_PID, (id_t)record->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0) kill(record->pid, SIGKILL);
  }
}

void stage_clear(bool idle_too) {
  int64_t until_ns = plain_now_ns() + CLEAR_SECONDS * SECOND;
  for (unsigned i = 0; i < parts_count; i++) stage_kill(i);
  while (stage_collect(false) && (idle_too || !stage_only_idle())) {
    kill_orphans();
    if (idle_too) idle_end(NULL, true);
    nap(MILLISECOND / 5);
    if (plain_now_ns() > until_ns) plain_fail("a process does not die within %d s", (int)CLEAR_SECONDS);
  }
}

void stage_abandon(void) {
  for (unsigned i = 0; i < parts_count; i++) stage_kill(i);
  for (pid_t pid = 0; pid >= 0; pid = waitpid(-1, NULL, WNOHANG)) {
    kill_orphans();
    idle_end(NULL, true);
    if (pid == 0) nap(MILLISECOND / 5);
  }
}

bool stage_has(role r) {
  for (unsigned i = 0; i < parts_count; i++)
    if (parts[i].role == r && parts[i].pid != 0) return true;
  return false;
}
