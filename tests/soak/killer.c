/*
 * The killer.  Most victims are asked to set a timer that the kernel answers with SIGKILL: they die at a random
 * instruction while they run.  The others are killed from here wherever they are, asleep mostly.  Besides, single
 * players are stopped for a while, now and then all of them; and now and then all are killed, and others start on what
 * is left.
 *
 * It watches, too: a queue in which no key runs for too long, or a call that does not return, ends the soak.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "soak.h"

#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif

enum {
  CALLS_BEFORE_DEATH = 3,
  FUSE_PATIENCE_MS = 250,
  STOPS_PER_SECOND = 10,
  LOOKS_FOR_HOLDER = 3000,
  STRIKES = 20,
  EXTENSION_SECONDS = 900
};

killer_report report;

/* What comes next, and when. */
static struct { int64_t kill_ns, strike_ns, stop_ns, freeze_ns, blackout_ns, weather_ns; } next;

/* To see from outside who holds the locks. */
static workq *raw[QUEUES];

static uint64_t dice;

static int64_t random_ns(int64_t below_ns) {
  return (int64_t)plain_below(&dice, (uint64_t)below_ns);
}

/* ---- Killing ---- */

static void kill_one(int64_t now_ns) {
  unsigned i = (unsigned)plain_below(&dice, parts_count);
  part *p = &parts[i];
  if (p->dying || p->fuse_until_ns != 0 || p->pid == 0) return;
  if (life_of(p->life)->calls < CALLS_BEFORE_DEATH) return;
  if (p->role == BYSTANDER && !plain_chance(&dice, 5)) return;
  next.kill_ns += random_ns(2 * SECOND / soak.kills_per_second);
  if (p->role != POOL && plain_chance(&dice, 75)) {
    p->fuse_until_ns = now_ns + FUSE_PATIENCE_MS * MILLISECOND;
    atomic_store(&life_of(p->life)->fuse_ns, 1 + random_ns(plain_chance(&dice, 70) ? SHORT_FUSE_NS : LONG_FUSE_NS));
    return;
  }
  report.direct++;
  stage_kill(i);
}

/* A player that sleeps does not see that it was given a fuse. */
static void kill_overdue(int64_t now_ns) {
  for (unsigned i = 0; i < parts_count; i++) {
    part *p = &parts[i];
    if (p->dying || p->fuse_until_ns == 0 || p->fuse_until_ns > now_ns) continue;
    report.direct++;
    stage_kill(i);
  }
}

static void kill_some(int64_t now_ns) {
  kill_overdue(now_ns);
  if (next.kill_ns < now_ns - SECOND / 10) next.kill_ns = now_ns - SECOND / 10;
  for (unsigned tries = 0; tries < parts_count && next.kill_ns <= now_ns; tries++) kill_one(now_ns);
}

/* As the OOM killer does it: the memory goes first, and with it the list by which the kernel finds what mutexes the
   dead held. */
static void kill_and_reap_memory(unsigned i) {
  int fd = (int)syscall(SYS_pidfd_open, parts[i].pid, 0);
  stage_kill(i);
  if (fd >= 0 && syscall(SYS_process_mrelease, fd, 0) == 0) report.reaped_memory++;
  if (fd >= 0) close(fd);
}

/* Kills that player if it is stopped with the lock in its hands. */
static bool strike(unsigned i, unsigned queue) {
  part *p = &parts[i];
  if (p->dying || p->stopped_until_ns != 0) return false;
  kill(p->pid, SIGSTOP);
  nap(MILLISECOND / 10);
  if (workq_lock_owner(raw[queue]) != p->pid) {
    kill(p->pid, SIGCONT);
    return false;
  }
  report.direct++;
  report.holders++;
  if (plain_chance(&dice, 75)) {
    kill_and_reap_memory(i);
  } else {
    stage_kill(i);
  }
  return true;
}

/* By chance alone a holder's memory would nearly never go first. */
static void strike_holder(int64_t now_ns) {
  if (next.strike_ns > now_ns) return;
  next.strike_ns = now_ns + random_ns(SECOND);
  unsigned queue = (unsigned)plain_below(&dice, QUEUES);
  unsigned strikes = 0;
  for (unsigned look = 0; look < LOOKS_FOR_HOLDER && strikes < STRIKES; look++) {
    pid_t pid = workq_lock_owner(raw[queue]);
    for (unsigned i = 0; pid != 0 && i < parts_count; i++) {
      if (parts[i].pid != pid) continue;
      if (strike(i, queue)) return;
      strikes++;
    }
  }
}

/* ---- Stopping ---- */

static void stop_some(int64_t now_ns) {
  for (unsigned i = 0; i < parts_count; i++)
    if (parts[i].stopped_until_ns != 0 && parts[i].stopped_until_ns <= now_ns) stage_continue(i);
  if (next.stop_ns > now_ns) return;
  next.stop_ns = now_ns + random_ns(2 * SECOND / STOPS_PER_SECOND);
  part *p = &parts[plain_below(&dice, parts_count)];
  if (p->dying || p->stopped_until_ns != 0 || p->pid == 0) return;
  kill(p->pid, SIGSTOP);
  p->stopped_until_ns = now_ns + random_ns((plain_chance(&dice, 10) ? 300 : 20) * MILLISECOND);
  report.stops++;
}

/* Some die while all are stopped. */
static void freeze(void) {
  for (unsigned i = 0; i < parts_count; i++)
    if (parts[i].pid != 0) kill(parts[i].pid, SIGSTOP);
  nap(random_ns(50 * MILLISECOND));
  for (unsigned i = 0; i < parts_count; i++)
    if (plain_chance(&dice, 20)) stage_kill(i);
  unsigned first = (unsigned)plain_below(&dice, parts_count);
  for (unsigned i = 0; i < parts_count; i++) {
    stage_continue((first + i) % parts_count);
    if (plain_chance(&dice, 20)) nap(random_ns(MILLISECOND));
  }
  report.freezes++;
}

/* Nobody has anything in hand when everybody is dead. */
static void check_survivor(unsigned queue) {
  workq_options options = {.lock_timeout_ns = 300 * SECOND};
  workq_stats_data stats;
  workq *q;
  plain_ok(workq_open(queue_names[queue], &options, &q), "workq_open after all were killed");
  plain_ok(workq_reap(q), "workq_reap after all were killed");
  plain_check(q, "after all were killed");
  plain_ok(workq_stats(q, &stats), "workq_stats");
  if (stats.attached != 1 || stats.processing != 0)
    plain_fail("%s: all are dead, and %u are attached, %u keys in hand", stats.name, stats.attached - 1,
               stats.processing);
  plain_ok(workq_close(q), "workq_close");
}

/* Half of the time the first to come are those who play. */
static void blackout(void) {
  stage_clear();
  if (plain_chance(&dice, 50))
    for (unsigned i = 0; i < QUEUES; i++) check_survivor(i);
  for (unsigned i = 0; i < parts_count; i++) stage_start(i);
  report.blackouts++;
}

static void disturb_all(int64_t now_ns) {
  /* A short soak has some of each, too. */
  int64_t often_ns = soak.duration_ns / 4;
  if (next.blackout_ns <= now_ns) {
    next.blackout_ns = now_ns + random_ns(often_ns < 12 * SECOND ? often_ns : 12 * SECOND);
    blackout();
  } else if (next.freeze_ns <= now_ns) {
    next.freeze_ns = now_ns + random_ns(often_ns < 8 * SECOND ? often_ns : 8 * SECOND);
    freeze();
  }
  if (next.weather_ns <= now_ns) {
    next.weather_ns = now_ns + random_ns(2 * SECOND);
    atomic_store(&shared->calm, !atomic_load(&shared->calm));
  }
}

/* ---- Watching ---- */

void dump_queues(void) {
  workq_options options = {.flags = WORKQ_RAW};
  for (unsigned i = 0; i < QUEUES; i++) {
    workq *q;
    if (workq_open(queue_names[i], &options, &q) < 0) continue;
    fprintf(stderr, "---- %s, its lock held by %d\n", queue_names[i], workq_lock_owner(q));
    workq_dump(q, stderr);
    workq_close(q);
  }
}

static bool must_return(uint32_t inside) {
  return inside != CALL_NONE && inside != CALL_GET && inside != CALL_ADD_WAIT && inside != CALL_DRAIN;
}

static void watch_players(int64_t now_ns) {
  for (unsigned i = 0; i < parts_count; i++) {
    part *p = &parts[i];
    const life_record *record = life_of(p->life);
    uint32_t calls = record->calls;
    if (calls != p->calls || p->stopped_until_ns != 0 || !must_return(record->inside)) {
      p->calls = calls;
      p->calls_ns = now_ns;
    } else if (now_ns - p->calls_ns > soak.stall_ns) {
      dump_queues();
      plain_fail("%s %d has been in '%s' for %lld s", role_names[p->role], (int)p->pid, call_names[record->inside],
                 (long long)(soak.stall_ns / SECOND));
    }
  }
}

/* Producers never end, so there is always work; nobody stops all of it for more than a moment.  A time in which this
   process did not run either says nothing of the queue. */
static void watch_queues(int64_t now_ns) {
  static uint64_t runs[QUEUES];
  static int64_t moved_ns[QUEUES];
  static int64_t last_ns;
  int64_t absent_ns = last_ns != 0 && now_ns - last_ns > SECOND / 2 ? now_ns - last_ns : 0;
  last_ns = now_ns;
  for (unsigned i = 0; i < QUEUES; i++) {
    uint64_t now = atomic_load(&shared->runs[i]);
    if (moved_ns[i] == 0) moved_ns[i] = now_ns;
    moved_ns[i] += absent_ns;
    int64_t pause_ns = now_ns - moved_ns[i];
    if (pause_ns > report.longest_ns[i]) report.longest_ns[i] = pause_ns;
    if (now != runs[i]) {
      runs[i] = now;
      moved_ns[i] = now_ns;
    } else if (pause_ns > soak.stall_ns) {
      dump_queues();
      plain_fail("no key of %s has run for %lld s", queue_names[i], (long long)(pause_ns / SECOND));
    }
  }
}

/* ---- All of it ---- */

static int64_t next_event_ns(void) {
  int64_t at_ns = next.kill_ns < next.stop_ns ? next.kill_ns : next.stop_ns;
  for (unsigned i = 0; i < parts_count; i++) {
    int64_t until_ns = parts[i].stopped_until_ns;
    if (until_ns != 0 && until_ns < at_ns) at_ns = until_ns;
  }
  return at_ns;
}

/* Sleeps until something is to be done, or somebody has died.  Returns false for a signal that ends the soak. */
static bool await_event(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  int64_t left_ns = next_event_ns() - plain_now_ns();
  if (left_ns < MILLISECOND / 5) left_ns = MILLISECOND / 5;
  if (left_ns > 10 * MILLISECOND) left_ns = 10 * MILLISECOND;
  struct timespec timeout = {.tv_nsec = (long)left_ns};
  int signal = sigtimedwait(&set, NULL, &timeout);
  return signal < 0 || signal == SIGCHLD;
}

/* A soak in which nobody died at a bad moment proves nothing: a short one goes on until somebody has. */
static bool is_over(int64_t now_ns, int64_t end_ns) {
  if (now_ns < end_ns) return false;
  if (now_ns > end_ns + EXTENSION_SECONDS * SECOND) plain_fail("nobody died inside the lock, or with keys in hand");
  bool in_lock = atomic_load(&shared->died_in_lock[WIDE]) || atomic_load(&shared->died_in_lock[NARROW]);
  return in_lock && atomic_load(&shared->died_holding[WIDE]) && atomic_load(&shared->died_holding[NARROW]);
}

static void look_from_outside(void) {
  workq_options options = {.flags = WORKQ_RAW};
  for (unsigned i = 0; i < QUEUES; i++) plain_ok(workq_open(queue_names[i], &options, &raw[i]), "workq_open");
}

bool killer_run(uint64_t random) {
  int64_t now_ns = plain_now_ns();
  int64_t end_ns = now_ns + soak.duration_ns;
  bool wanted = true;
  dice = random;
  look_from_outside();
  next.kill_ns = next.strike_ns = next.stop_ns = next.weather_ns = now_ns;
  next.freeze_ns = now_ns + soak.duration_ns / 8;
  next.blackout_ns = now_ns + soak.duration_ns / 4;
  while (wanted && !is_over(now_ns = plain_now_ns(), end_ns)) {
    stage_collect(true);
    kill_some(now_ns);
    strike_holder(now_ns);
    stop_some(now_ns);
    disturb_all(now_ns);
    watch_queues(now_ns);
    watch_players(now_ns);
    wanted = await_event();
  }
  for (unsigned i = 0; i < parts_count; i++) stage_continue(i);
  for (unsigned i = 0; i < QUEUES; i++) workq_close(raw[i]);
  return wanted;
}
