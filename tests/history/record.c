/*
 * Recording a history; see record.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "record.h"

#include "mutant.h"
#include "support/plain.h"
#include "support/process.h"
#include "support/random.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CLOSER = 1, STOP_MAX_NS = 500000, AIMS = 40 };

record_plan record_plan_of(uint64_t seed) {
  uint64_t random = seed;
  record_plan plan = {.seed = seed};
  history_rules *rules = &plan.rules;
  rules->keys = 1 + (unsigned)random_below(&random, HISTORY_KEYS);
  rules->capacity = rules->keys;
  if (rules->keys > 1 && random_chance(&random, 35))
    rules->capacity = 1 + (unsigned)random_below(&random, rules->keys - 1);
  if (random_chance(&random, 60)) rules->delay_first_ns = 10000 + (int64_t)random_below(&random, 100000);
  rules->delay_max_ns = 4 * rules->delay_first_ns;
  rules->max_retries = random_chance(&random, 50) ? 1 + (int)random_below(&random, 3) : 0;
  rules->max_crashes = random_chance(&random, 50) ? 1 + (int)random_below(&random, 3) : 0;
  if (random_chance(&random, 10)) rules->max_retries = WORKQ_NEVER;
  rules->drop = random_chance(&random, 30);
  plan.ops = 15 + (unsigned)random_below(&random, 40);
  plan.kills = random_chance(&random, 60) ? 1 + (unsigned)random_below(&random, 5) : 0;
  plan.stops = random_chance(&random, 60) ? 1 + (unsigned)random_below(&random, 8) : 0;
  plan.storm = random_chance(&random, 70);
  plan.priorities = random_chance(&random, 50);
  plan.switches = random_chance(&random, 40);
  return plan;
}

/* ---- The director -------------------------------------------------------------------------------------------- */

typedef struct director {
  history *h;
  const record_plan *plan;
  const char *name;
  workq *raw; /* takes no part, but sees who has the lock */
  uint64_t random;
  _Atomic unsigned *present; /* shared: workers that have opened the queue */
  bool alive[HISTORY_PROCESSES];
  unsigned living;
  unsigned kills_left;
  unsigned stops_left;
  uint64_t next_event; /* when so many operations have begun */
  record_counts *counts;
} director;

static uint64_t count_begun(const history *h) {
  uint64_t begun = 0;
  for (unsigned i = 0; i < h->process_count; i++) begun += atomic_load(&h->processes[i].count);
  return begun;
}

/* Returns its number. */
static unsigned new_process(history *h) {
  unsigned process = h->process_count++;
  history_process *p = &h->processes[process];
  p->pid = 0;
  p->killed = false;
  p->death_after_ns = p->death_before_ns = 0;
  atomic_store(&p->count, 0);
  return process;
}

/* together: the first operations of all come at once. */
static void start_worker(director *d, unsigned ops, bool together) {
  unsigned process = new_process(d->h);
  uint64_t seed = random_next(&d->random);
  pid_t pid = process_fork();
  if (pid == 0) {
    worker w;
    worker_open(&w, d->plan, d->h, process, d->name, seed);
    if (together) {
      atomic_fetch_add(d->present, 1);
      while (atomic_load(d->present) < HISTORY_WORKERS) sched_yield();
    }
    worker_work(&w, ops);
    _exit(PLAIN_PASS);
  }
  d->h->processes[process].pid = pid;
  d->alive[process] = true;
  d->living++;
}

static void note_end(director *d, unsigned process, int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) plain_fail("a worker ended with %d", WEXITSTATUS(status));
  if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) plain_fail("a worker ended by signal %d", WTERMSIG(status));
  d->alive[process] = false;
  d->living--;
}

static void collect(director *d) {
  for (unsigned i = 0; i < d->h->process_count; i++) {
    int status;
    if (!d->alive[i]) continue;
    pid_t ended = waitpid(d->h->processes[i].pid, &status, WNOHANG);
    if (ended < 0) plain_fail("waitpid: %s", strerror(errno));
    if (ended == 0) continue;
    if (!WIFEXITED(status)) plain_fail("a worker ended by a signal that nobody sent");
    note_end(d, i, status);
  }
}

static unsigned any_living(director *d) {
  for (;;) {
    unsigned i = (unsigned)random_below(&d->random, d->h->process_count);
    if (d->alive[i]) return i;
  }
}

/* Returns false if it had ended. */
static bool stop(director *d, unsigned victim) {
  int status;
  pid_t pid = d->h->processes[victim].pid;
  kill(pid, SIGSTOP);
  if (waitpid(pid, &status, WUNTRACED) < 0) plain_fail("waitpid: %s", strerror(errno));
  if (WIFSTOPPED(status)) return true;
  note_end(d, victim, status);
  return false;
}

/* Stops somebody: whoever holds the lock, as well as can be told from outside, or anybody.  Returns -1 for nobody. */
static int stop_any(director *d) {
  bool aimed = random_chance(&d->random, 70);
  for (int aim = 0; aim < AIMS && aimed && d->living > 0; aim++) {
    int owner = workq_lock_owner(d->raw);
    for (unsigned i = 0; i < d->h->process_count; i++) {
      if (!d->alive[i] || d->h->processes[i].pid != owner || !stop(d, i)) continue;
      if (workq_lock_owner(d->raw) == owner) return (int)i;
      kill(owner, SIGCONT);
    }
  }
  if (d->living == 0) return -1;
  unsigned victim = any_living(d);
  return stop(d, victim) ? (int)victim : -1;
}

static void kill_worker(director *d, unsigned victim) {
  history_process *p = &d->h->processes[victim];
  p->death_after_ns = plain_now_ns();
  kill(p->pid, SIGKILL);
  int status = process_wait(p->pid);
  p->death_before_ns = plain_now_ns();
  p->killed = WIFSIGNALED(status);
  note_end(d, victim, status);
  if (!p->killed) return;
  d->kills_left--;
  d->counts->kills++;
  if (d->h->process_count < HISTORY_PROCESSES - CLOSER) start_worker(d, 1 + d->plan->ops / 2, false);
}

/* Stopped wherever it is, it makes its operation, and those that wait for it, long. */
static void wait_for_others(director *d) {
  uint64_t enough = count_begun(d->h) + 1 + random_below(&d->random, 50);
  int64_t end_ns = plain_now_ns() + STOP_MAX_NS;
  while (count_begun(d->h) < enough && plain_now_ns() < end_ns) sched_yield();
}

/* Somebody is killed, somebody is stopped for a while, or first the one and then the other. */
static void interfere(director *d) {
  bool kills = random_below(&d->random, d->kills_left + d->stops_left) < d->kills_left;
  if (kills && random_chance(&d->random, 30)) {
    kill_worker(d, any_living(d));
    return;
  }
  int victim = stop_any(d);
  if (victim < 0) return;
  if (!kills || random_chance(&d->random, 30)) wait_for_others(d);
  if (kills) {
    kill_worker(d, (unsigned)victim);
    return;
  }
  d->stops_left--;
  d->counts->stops++;
  kill(d->h->processes[victim].pid, SIGCONT);
}

static void plan_next(director *d) {
  uint64_t all = (uint64_t)d->plan->ops * HISTORY_WORKERS, events = d->kills_left + d->stops_left;
  d->next_event = count_begun(d->h) + random_below(&d->random, 2 * all / (events + 1) + 1);
}

/* Nobody is stopped or killed before all have begun: the others would wait for it. */
static void direct(director *d) {
  while (atomic_load(d->present) < HISTORY_WORKERS) {
    collect(d);
    sched_yield();
  }
  plan_next(d);
  while (d->living > 0) {
    collect(d);
    if (d->living == 0) break;
    unsigned events = d->kills_left + d->stops_left;
    if (events == 0 || count_begun(d->h) < d->next_event) {
      sched_yield();
      continue;
    }
    int64_t then_ns = plain_now_ns() + (int64_t)random_below(&d->random, 20000);
    while (plain_now_ns() < then_ns) continue;
    interfere(d);
    plan_next(d);
  }
}

/* ---- A history ----------------------------------------------------------------------------------------------- */

static void create_queue(const record_plan *plan, const char *name) {
  const history_rules *rules = &plan->rules;
  workq_options options = {.capacity = rules->capacity,
                           .key_max = 8,
                           .handles = 2 * HISTORY_PROCESSES,
                           .limiter = {.kinds = WORKQ_LIMIT_NONE},
                           .max_retries = rules->max_retries,
                           .max_crashes = rules->max_crashes > 0 ? rules->max_crashes : WORKQ_NEVER,
                           .give_up = rules->drop ? WORKQ_DROP : WORKQ_BURY,
                           .reap_interval_ns = 1000000};
  if (rules->delay_first_ns > 0)
    options.limiter = (workq_limiter){
        .kinds = WORKQ_LIMIT_EXPONENTIAL, .exp_initial_ns = rules->delay_first_ns, .exp_max_ns = rules->delay_max_ns};
  workq *q;
  plain_ok(workq_create(name, &options, &q), "workq_create");
  plain_ok(workq_close(q), "workq_close");
}

/* The last process: all others have ended. */
static void finish_all(director *d) {
  worker w;
  workq_stats_data stats;
  unsigned process = new_process(d->h);
  d->h->processes[process].pid = getpid();
  workq *q;
  plain_ok(workq_open(d->name, NULL, &q), "workq_open");
  worker_open(&w, d->plan, d->h, process, d->name, random_next(&d->random));
  worker_finish_all(&w);
  if (mutant_active == MUTANT_NONE) plain_check(q, "after a history");
  plain_ok(workq_stats(q, &stats), "workq_stats");
  d->counts->crashes += stats.crashes;
  d->counts->recoveries += stats.recoveries;
  plain_ok(workq_close(q), "workq_close");
}

void record(history *h, const record_plan *plan, const char *name, record_counts *counts) {
  static _Atomic unsigned *present;
  if (present == NULL) present = process_share(sizeof *present);
  atomic_store(present, 0);
  director d = {.h = h,
                .plan = plan,
                .name = name,
                .random = plan->seed + 1,
                .present = present,
                .kills_left = plan->kills,
                .stops_left = plan->stops,
                .counts = counts};
  h->rules = plan->rules;
  h->process_count = 0;
  for (unsigned i = 0; i < HISTORY_PROCESSES; i++) atomic_store(&h->processes[i].count, 0);
  create_queue(plan, name);
  plain_ok(workq_open(name, &(workq_options){.flags = WORKQ_RAW}, &d.raw), "workq_open");
  for (unsigned i = 0; i < HISTORY_WORKERS; i++) start_worker(&d, plan->ops, true);
  direct(&d);
  plain_ok(workq_close(d.raw), "workq_close");
  finish_all(&d);
  plain_ok(workq_unlink(name), "workq_unlink");
}
