/*
 * The roles.  Each plays until it is killed, or until the stage says that its time is over.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "soak.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Workers and producers ---- */

static int64_t random_timeout(uint64_t *random) {
  uint64_t choice = random_below(random, 4);
  if (choice == 0) return 0;
  return choice == 1 ? WORKQ_FOREVER : (int64_t)random_below(random, 2000000);
}

/* Works off what is left, wherever it is. */
static void late_worker(player *p) {
  for (unsigned i = 0; i < QUEUES; i++) p->q[i] = open_queue(i);
  for (unsigned i = 0; goes_on(p, STAGE_WORK_OFF); i++)
    work_once(p, i % QUEUES, (int64_t)random_below(&p->random, 300000));
  for (unsigned i = 0; i < QUEUES; i++) close_queue(p->q[i]);
}

/* Some keep to one queue, so that they sleep there; they could not sleep for ever in both. */
static void worker(player *p) {
  bool both = random_chance(&p->random, 30);
  unsigned queue = (unsigned)random_below(&p->random, COMMON_QUEUES);
  if (atomic_load(&shared->stage) != STAGE_PLAY) {
    late_worker(p);
    return;
  }
  open_both(p);
  while (goes_on(p, STAGE_WORK_OFF)) {
    if (both) queue = !queue;
    work_once(p, queue, both ? (int64_t)random_below(&p->random, 300000) : random_timeout(&p->random));
    idle_fork(p);
  }
  close_both(p);
}

/* Its forked children share two handles with it, as those of a worker do. */
static void full_worker(player *p) {
  p->q[WIDE] = open_queue(WIDE);
  p->q[FULL] = open_queue(FULL);
  while (goes_on(p, STAGE_WORK_OFF)) {
    work_once(p, FULL, random_timeout(&p->random));
    idle_fork(p);
  }
  close_queue(p->q[FULL]);
  close_queue(p->q[WIDE]);
}

static void producer(player *p) {
  open_both(p);
  while (goes_on(p, STAGE_PLAY)) produce_once(p, random_chance(&p->random, 70) ? WIDE : NARROW);
  close_both(p);
}

/* ---- The operator ---- */

static void open_for_business(workq *q) {
  if (soak.mutant == STUCK) return;
  expect(CALL(CALL_QUEUE, workq_unpause(q)), "workq_unpause", 0, 0);
  expect(CALL(CALL_QUEUE, workq_resume(q)), "workq_resume", 0, 0);
}

/* In the end the main process opens the queues, too, while this one may be draining. */
static void drain(workq *q, uint64_t *random) {
  int64_t timeout_ns = (int64_t)random_below(random, 200) * MILLISECOND;
  int result = CALL(CALL_DRAIN, workq_shutdown_drain(q, timeout_ns));
  if (result == -ECANCELED && atomic_load(&shared->stage) != STAGE_PLAY) return;
  if (expect(result, "workq_shutdown_drain", -ETIMEDOUT, 0) == 0) atomic_fetch_add(&shared->drains, 1);
}

static void operate(workq *q, uint64_t *random) {
  switch (random_below(random, 5)) {
  case 0:
    expect(CALL(CALL_QUEUE, workq_pause(q)), "workq_pause", 0, 0);
    nap((int64_t)random_below(random, 5000000));
    break;
  case 1:
    drain(q, random);
    break;
  case 2:
    expect(CALL(CALL_QUEUE, workq_shutdown(q)), "workq_shutdown", 0, 0);
    nap((int64_t)random_below(random, 2000000));
    break;
  default:
    expect(CALL(CALL_KEY, workq_kick(q, NULL, 0)), "workq_kick", 0, 0);
  }
}

/* Whoever waits for room is sent away by a shutdown, so that is seldom in FULL, and never while it is seen whether all
   get some. */
static unsigned choose_queue(uint64_t *random) {
  bool full = queue_is_used(FULL) && random_chance(random, 10) && !atomic_load(&shared->fair);
  return full ? FULL : (unsigned)random_below(random, COMMON_QUEUES);
}

/* Its predecessor may have been killed before it opened the queues again. */
static void operator(player *p) {
  open_both(p);
  p->q[FULL] = open_queue(FULL);
  for (unsigned i = 0; i <= FULL; i++) open_for_business(p->q[i]);
  while (goes_on(p, STAGE_PLAY)) {
    workq *q = p->q[choose_queue(&p->random)];
    operate(q, &p->random);
    open_for_business(q);
    nap((int64_t)random_below(&p->random, 20000000));
  }
  close_queue(p->q[FULL]);
  close_both(p);
}

/* ---- Those who come and go ---- */

/* A handle that has keys in hand when it is closed gives them back. */
static void attacher(player *p) {
  while (goes_on(p, STAGE_PLAY)) {
    workq_item items[HANDS];
    run runs[HANDS];
    p->q[NARROW] = open_queue(NARROW);
    int got = CALL(CALL_GET, workq_get_batch(p->q[NARROW], items, HANDS, 0));
    expect(got, "workq_get_batch", -ETIMEDOUT, -ESHUTDOWN);
    for (int i = 0; i < got; i++) account_run(&runs[i], NARROW, &items[i]);
    for (int i = 0; i < got; i++) account_dropped(&runs[i]);
    close_queue(p->q[NARROW]);
    nap((int64_t)random_below(&p->random, 500000));
  }
}

/* A queue of its own name, which grows and is removed: nobody ever finds half of one. */
static void founder(player *p) {
  workq_options options = {.capacity = 4000, .key_max = sizeof(uint64_t), .handles = 8};
  while (goes_on(p, STAGE_PLAY)) {
    workq *q;
    plain_ok(CALL(CALL_OPEN, workq_open_or_create(founders_name, &options, &q)), "workq_open_or_create");
    for (int i = 0; i < 200; i++) {
      uint64_t key = random_next(&p->random);
      int64_t delay_ns = random_chance(&p->random, 50) ? SECOND : 0;
      expect(CALL(CALL_ADD, workq_add_after(q, &key, sizeof key, delay_ns)), "workq_add_after", -ENOSPC, 0);
    }
    int faults = CALL(CALL_LOOK, workq_check(q, NULL, NULL));
    if (faults != 0) plain_fail("%d faults in the founder's queue", faults);
    if (random_chance(&p->random, 20)) expect(CALL(CALL_OPEN, workq_unlink(founders_name)), "workq_unlink", -ENOENT, 0);
    close_queue(q);
    nap((int64_t)random_below(&p->random, 3000000));
  }
}

/* ---- Forked children ---- */

static void child(player *p, uint32_t life) {
  life_begin(life);
  p->random ^= life;
  for (unsigned i = (unsigned)random_below(&p->random, 200); i > 0 && goes_on(p, STAGE_PLAY); i--) {
    unsigned queue = (unsigned)random_below(&p->random, COMMON_QUEUES);
    if (random_chance(&p->random, 50)) {
      produce_once(p, queue);
    } else {
      work_once(p, queue, (int64_t)random_below(&p->random, 1000000));
    }
    if (random_below(&p->random, 200) == 0) light_fuse((int64_t)random_below(&p->random, LONG_FUSE_NS));
  }
  close_both(p);
  _exit(PLAIN_PASS);
}

static void bury_child(pid_t pid, uint32_t life) {
  siginfo_t info;
  while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0)
    if (errno != EINTR) plain_fail("waitid: %s", strerror(errno));
  bool killed = info.si_code == CLD_KILLED && info.si_status == SIGKILL;
  if (!killed && (info.si_code != CLD_EXITED || info.si_status != 0))
    plain_fail("child %d of a parent ended with %d", (int)pid, info.si_status);
  life_bury(life, killed ? SIGKILL : 0);
  process_wait(pid);
}

/* What the parent has in hand at the fork stays its own, whatever becomes of the child. */
static void parent(player *p) {
  open_both(p);
  while (goes_on(p, STAGE_PLAY)) {
    workq_item item;
    run r;
    bool held = CALL(CALL_GET, workq_get(p->q[WIDE], &item, MILLISECOND)) == 0;
    if (held) account_run(&r, WIDE, &item);
    uint32_t life = life_new(CHILD);
    pid_t pid = process_fork();
    if (pid == 0) child(p, life);
    if (held) {
      account_ran(&r);
      expect(CALL(CALL_FINISH, workq_complete(p->q[WIDE], &r.item)), "workq_complete", 0, 0);
    }
    for (unsigned i = (unsigned)random_below(&p->random, 50); i > 0; i--) produce_once(p, WIDE);
    bury_child(pid, life);
  }
  close_both(p);
}

/* ---- A pool ---- */

static int pool_worker_start(workq *q, unsigned worker_number, void *arg) {
  (void)q;
  player *p = arg;
  life_begin(life_new(POOL_WORKER));
  p->random ^= (uint64_t)my_life << 8 | worker_number;
  return 0;
}

static int pool_work(workq *q, const workq_item *item, unsigned worker_number, void *arg) {
  (void)q;
  (void)worker_number;
  player *p = arg;
  run r;
  call_end(0);
  account_run(&r, WIDE, item);
  if (random_below(&p->random, 500) == 0) light_fuse((int64_t)random_below(&p->random, LONG_FUSE_NS));
  if (random_chance(&p->random, 10)) nap((int64_t)random_below(&p->random, 100000));
  account_ran(&r);
  call_begin(CALL_POOL);
  if (atomic_load(&shared->stage) != STAGE_PLAY || !random_chance(&p->random, 20)) return WORKQ_OK;
  return random_chance(&p->random, 50) ? WORKQ_RETRY : WORKQ_RELEASE;
}

static void pool_event(void *arg, int what, unsigned worker_number, int pid, int status) {
  (void)arg;
  (void)worker_number;
  if (what == WORKQ_EVENT_STARTED) return;
  uint32_t life = life_find(pid);
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) plain_fail("pool worker %d: exit %d", pid, WEXITSTATUS(status));
  if (life != 0) life_bury(life, status);
}

static void pool(player *p) {
  workq_pool options = {.workers = 2,
                        .restart_initial_ns = MILLISECOND,
                        .restart_max_ns = 2 * MILLISECOND,
                        .worker_start = pool_worker_start,
                        .event = pool_event,
                        .arg = p};
  p->q[WIDE] = open_queue(WIDE);
  int result = workq_run(p->q[WIDE], &options, pool_work);
  if (result < 0) plain_fail("workq_run: %s", workq_strerror(result));
  close_queue(p->q[WIDE]);
}

/* ---- The bystander ---- */

static void print_problem(void *arg, const char *line) {
  fprintf(stderr, "%s: %s\n", (const char *)arg, line);
}

/* What only ever grows. */
static void expect_growth(const workq_stats_data *old, const workq_stats_data *now) {
  const uint64_t *before = &old->adds;
  const uint64_t *after = &now->adds;
  for (size_t i = 0; i < (offsetof(workq_stats_data, lock_losses) - offsetof(workq_stats_data, adds)) / 8 + 1; i++)
    if (after[i] < before[i])
      plain_fail("%s: total number %zu fell from %llu to %llu", now->name, i, (unsigned long long)before[i],
                 (unsigned long long)after[i]);
}

static int count_waiting(void *arg, const workq_worker *worker) {
  *(uint32_t *)arg += worker->waiting == 2;
  return 0;
}

static void raise_to(_Atomic uint32_t *most, uint32_t now) {
  if (now > atomic_load(most)) atomic_store(most, now);
}

static void count_crowds(player *p, const workq_stats_data now[QUEUES]) {
  uint32_t waiting = 0;
  expect(CALL(CALL_LOOK, workq_iterate_workers(p->q[FULL], count_waiting, &waiting)), "workq_iterate_workers", 0, 0);
  raise_to(&shared->most_waiting, waiting);
  raise_to(&shared->most_attached, now[CROWDED].attached);
}

static void bystand(player *p, workq_stats_data last[QUEUES]) {
  for (unsigned i = 0; i < QUEUES; i++) {
    workq_stats_data now;
    int faults = expect(CALL(CALL_LOOK, workq_check(p->q[i], print_problem, queue_names[i])), "workq_check", 0, 0);
    if (faults > 0) plain_fail("%s: %d faults found by workq_check", queue_names[i], faults);
    expect(CALL(CALL_LOOK, workq_stats(p->q[i], &now)), "workq_stats", 0, 0);
    expect_growth(&last[i], &now);
    if (now.keys > now.capacity) plain_fail("%s: %u keys", now.name, now.keys);
    if (now.committed > shared->committed[i]) {
      print_memory(i);
      plain_fail("%s has grown from %llu bytes to %llu", now.name, (unsigned long long)shared->committed[i],
                 (unsigned long long)now.committed);
    }
    atomic_store(&shared->died_in_lock[i], now.recoveries > 0);
    atomic_store(&shared->died_holding[i], now.crashes > 0);
    last[i] = now;
  }
  count_crowds(p, last);
  atomic_fetch_add(&shared->looks, 1);
}

static void bystander(player *p) {
  static workq_stats_data last[QUEUES];
  for (unsigned i = 0; i < QUEUES; i++) p->q[i] = open_queue(i);
  while (goes_on(p, STAGE_PLAY)) {
    int64_t now_ns = plain_now_ns();
    if (now_ns >= atomic_load(&shared->next_look_ns)) {
      bystand(p, last);
      atomic_store(&shared->next_look_ns, now_ns + SECOND);
    }
    nap(10 * MILLISECOND);
  }
  for (unsigned i = 0; i < QUEUES; i++) close_queue(p->q[i]);
}

/* ---- All ---- */

void play(role r, uint64_t random) {
  static void (*const roles[ROLES])(player *) = {[WORKER] = worker,
                                                 [FULL_WORKER] = full_worker,
                                                 [CROWD] = crowd,
                                                 [PRODUCER] = producer,
                                                 [WAITER] = waiter,
                                                 [FEEDER] = feeder,
                                                 [OPERATOR] = operator,
                                                 [ATTACHER] = attacher,
                                                 [FOUNDER] = founder,
                                                 [PARENT] = parent,
                                                 [POOL] = pool,
                                                 [BYSTANDER] = bystander,
                                                 [READER] = reader,
                                                 [ENDER] = ender};
  static player p;
  /* Attaching and creating is all system calls: they must leave time to those who use the lock. */
  if ((r == ATTACHER || r == FOUNDER || r == ENDER) && nice(5) == -1) plain_fail("nice");
  p.random = random;
  roles[r](&p);
  _exit(PLAIN_PASS);
}
