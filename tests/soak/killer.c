/*
 * The killer.  Most victims are asked to set a timer that the kernel answers with SIGKILL: they die at a random
 * instruction while they run.  The others are killed from here wherever they are, asleep mostly.  Besides, single
 * players are stopped for a while, now and then all of them; and now and then all are killed, and others start on what
 * is left.
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
  LEADERS_PER_SECOND = 4,
  LOOKS_FOR_HOLDER = 1000,
  STRIKES = 40,
  EXTENSION_SECONDS = 900
};

killer_report report;

/* What comes next, and when. */
static struct { int64_t kill_ns, strike_ns, stop_ns, leader_ns, idle_ns, freeze_ns, blackout_ns, weather_ns; } next;

/* To see from outside who holds the locks. */
static workq *raw[QUEUES];

static uint64_t dice;
/* The time is up, but not everything was seen. */
static bool overtime;

static int64_t random_ns(int64_t below_ns) {
  return (int64_t)random_below(&dice, (uint64_t)below_ns);
}

/* ---- Killing ---- */

/* As the OOM killer does it: the memory goes first, and with it the list by which the kernel finds what mutexes the
   dead held. */
static bool kill_and_reap_memory(unsigned i) {
  int fd = (int)syscall(SYS_pidfd_open, parts[i].pid, 0);
  stage_kill(i);
  bool reaped = fd >= 0 && syscall(SYS_process_mrelease, fd, 0) == 0;
  if (reaped) report.reaped_memory++;
  if (fd >= 0) close(fd);
  return reaped;
}

/* In percent.  To bring a hundred threads into their places, or as many to their ends, takes longer than most lives. */
static unsigned chance_to_die(role r) {
  switch (r) {
  case BYSTANDER:
  case ENDER:
    return 5;
  case CROWD:
    return 1;
  case WAITER:
    return 30;
  default:
    return 100;
  }
}

/* On a slow machine the whole crowd would never come together while its members die: once the time is up it is let. */
static bool gathers(void) {
  return overtime && !soak.without[WITH_CROWD] && shared->most_attached < soak.crowd;
}

static bool is_spared(unsigned i) {
  return parts[i].role == CROWD && gathers();
}

static void kill_one(int64_t now_ns) {
  unsigned i = (unsigned)random_below(&dice, parts_count);
  part *p = &parts[i];
  if (p->dying || p->fuse_until_ns != 0 || p->pid == 0 || is_spared(i)) return;
  if (life_of(p->life)->calls < CALLS_BEFORE_DEATH) return;
  if (!random_chance(&dice, chance_to_die(p->role))) return;
  next.kill_ns += random_ns(2 * SECOND / soak.kills_per_second);
  if (p->role != POOL && random_chance(&dice, 75)) {
    p->fuse_until_ns = now_ns + FUSE_PATIENCE_MS * MILLISECOND;
    atomic_store(&life_of(p->life)->fuse_ns, 1 + random_ns(random_chance(&dice, 70) ? SHORT_FUSE_NS : LONG_FUSE_NS));
    return;
  }
  report.direct++;
  if (idle_child_of(p->life) && random_chance(&dice, 50)) {
    kill_and_reap_memory(i);
  } else {
    stage_kill(i);
  }
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

static bool holds_a_lock(pid_t pid) {
  for (unsigned i = 0; i < QUEUES; i++)
    if (workq_lock_owner(raw[i]) == pid) return true;
  return false;
}

/* Kills that player if it is stopped with a lock in its hands. */
static bool strike(unsigned i) {
  part *p = &parts[i];
  if (p->pid == 0 || p->dying || p->stopped_until_ns != 0 || is_spared(i)) return false;
  stage_stop(p);
  nap(MILLISECOND / 10);
  if (!holds_a_lock(p->pid)) {
    kill(p->pid, SIGCONT);
    return false;
  }
  report.direct++;
  report.holders++;
  if (random_chance(&dice, 75)) {
    bool idle = idle_child_of(p->life);
    if (kill_and_reap_memory(i) && idle) report.idle_reaped++;
  } else {
    stage_kill(i);
  }
  return true;
}

/* Those who hold a lock at a moment, and then whoever: where the processors are busy with others a holder is seldom
   seen, but one that is stopped somewhere may be one. */
static unsigned choose_victim(unsigned strikes) {
  pid_t pid = 0;
  for (unsigned look = 0; look < LOOKS_FOR_HOLDER && strikes < STRIKES / 2; look++) {
    if ((pid = workq_lock_owner(raw[look % QUEUES])) == 0) continue;
    for (unsigned i = 0; i < parts_count; i++)
      if (parts[i].pid == pid) return i;
  }
  return (unsigned)random_below(&dice, parts_count);
}

/* By chance alone a holder's memory would nearly never go first.  Those with an idle child are tried more often. */
static void strike_holder(int64_t now_ns) {
  if (next.strike_ns > now_ns) return;
  next.strike_ns = now_ns + random_ns(SECOND);
  for (unsigned strikes = 0; strikes < STRIKES; strikes++) {
    unsigned i = choose_victim(strikes);
    if (!idle_child_of(parts[i].life) && random_chance(&dice, 50)) continue;
    if (strike(i)) return;
  }
}

/* ---- Stopping ---- */

static void stop_some(int64_t now_ns) {
  for (unsigned i = 0; i < parts_count; i++)
    if (parts[i].stopped_until_ns != 0 && leader_is_free(&parts[i], now_ns)) stage_continue(i);
  if (next.leader_ns <= now_ns && !soak.without[WITH_LEADERS]) {
    next.leader_ns = now_ns + random_ns(2 * SECOND / LEADERS_PER_SECOND);
    stop_leader(now_ns, raw, &dice);
  }
  if (next.stop_ns > now_ns) return;
  next.stop_ns = now_ns + random_ns(2 * SECOND / STOPS_PER_SECOND);
  part *p = &parts[random_below(&dice, parts_count)];
  if (p->dying || p->stopped_until_ns != 0 || p->pid == 0) return;
  stage_stop(p);
  p->stopped_until_ns = now_ns + random_ns((random_chance(&dice, 10) ? 300 : 20) * MILLISECOND);
  report.stops++;
}

/* Some die while all are stopped. */
static void freeze(void) {
  for (unsigned i = 0; i < parts_count; i++)
    if (parts[i].pid != 0) stage_stop(&parts[i]);
  nap(random_ns(50 * MILLISECOND));
  for (unsigned i = 0; i < parts_count; i++)
    if (random_chance(&dice, 20) && !is_spared(i)) stage_kill(i);
  unsigned first = (unsigned)random_below(&dice, parts_count);
  for (unsigned i = 0; i < parts_count; i++) {
    stage_continue((first + i) % parts_count);
    if (random_chance(&dice, 20)) nap(random_ns(MILLISECOND));
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

/* Half of the time the first to come are those who play; and half of the time idle children live on. */
static void blackout(void) {
  bool idle_too = random_chance(&dice, 50);
  stage_clear(idle_too);
  if (!idle_too && !stage_is_empty()) report.idle_spared++;
  crowd_forget_due();
  if (random_chance(&dice, 50))
    for (unsigned i = 0; i < QUEUES; i++) check_survivor(i);
  for (unsigned i = 0; i < parts_count; i++) stage_start(i);
  report.blackouts++;
}

static void disturb_all(int64_t now_ns) {
  /* A short soak has some of each, too. */
  int64_t often_ns = soak.duration_ns / 4;
  if (next.blackout_ns <= now_ns && !gathers()) {
    next.blackout_ns = now_ns + random_ns(often_ns < 12 * SECOND ? often_ns : 12 * SECOND);
    blackout();
  } else if (next.freeze_ns <= now_ns) {
    next.freeze_ns = now_ns + random_ns(often_ns < 8 * SECOND ? often_ns : 8 * SECOND);
    freeze();
  }
  if (next.idle_ns <= now_ns) {
    next.idle_ns = now_ns + random_ns(200 * MILLISECOND);
    idle_end(&dice, false);
  }
  if (next.weather_ns <= now_ns) {
    next.weather_ns = now_ns + random_ns(2 * SECOND);
    atomic_store(&shared->calm, !atomic_load(&shared->calm));
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

/* A soak in which nobody died at a bad moment proves nothing: a short one goes on until all of this has been seen.
   Returns what has not, null for nothing. */
static const char *missing(void) {
  if (!atomic_load(&shared->died_in_lock[WIDE]) && !atomic_load(&shared->died_in_lock[NARROW]))
    return "a death inside the lock";
  if (!atomic_load(&shared->died_holding[WIDE]) || !atomic_load(&shared->died_holding[NARROW]))
    return "a death with keys in hand";
  if (!soak.without[WITH_WAITERS] && shared->most_waiting < 2) return "two producers that wait for room";
  if (!soak.without[WITH_READERS] && shared->reads == 0) return "a read without the lock";
  if (!soak.without[WITH_LEADERS] && report.leaders == 0) return "a stopped leader";
  if (!soak.without[WITH_IDLE] && report.idle_left == 0) return "a death that left an idle child";
  if (!soak.without[WITH_ENDERS] && shared->thread_keys == 0) return "a thread that ended with keys in hand";
  if (!soak.without[WITH_CROWD] && shared->most_attached < soak.crowd) return "the whole crowd at one time";
  return NULL;
}

static bool is_over(int64_t now_ns, int64_t end_ns) {
  if (now_ns < end_ns) return false;
  overtime = true;
  const char *what = missing();
  if (what != NULL && now_ns > end_ns + EXTENSION_SECONDS * SECOND) plain_fail("not seen: %s", what);
  return what == NULL;
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
  next.kill_ns = next.strike_ns = next.stop_ns = next.leader_ns = next.idle_ns = next.weather_ns = now_ns;
  next.freeze_ns = now_ns + soak.duration_ns / 8;
  next.blackout_ns = now_ns + soak.duration_ns / 4;
  while (wanted && !is_over(now_ns = plain_now_ns(), end_ns)) {
    stage_collect(true);
    kill_some(now_ns);
    strike_holder(now_ns);
    stop_some(now_ns);
    disturb_all(now_ns);
    watch(now_ns);
    wanted = await_event();
  }
  for (unsigned i = 0; i < parts_count; i++) stage_continue(i);
  for (unsigned i = 0; i < QUEUES; i++) workq_close(raw[i]);
  return wanted;
}
