/*
 * What players do with a queue: every call between an entry in the account and another, and every result that the
 * manual does not allow here is a failure.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "soak.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* ---- Helpers ---- */

int expect(int result, const char *what, int allowed, int allowed_too) {
  if (result < 0 && result != allowed && result != allowed_too)
    plain_fail("%s of %d (%s): %s", what, (int)getpid(), role_names[life_of(my_life)->role], workq_strerror(result));
  return result;
}

void nap(int64_t ns) {
  nanosleep(&(struct timespec){.tv_sec = ns / SECOND, .tv_nsec = (long)(ns % SECOND)}, NULL);
}

static _Thread_local bool in_a_hurry;

/* The kernel kills the process at a moment that has nothing to do with what it is doing then, and mostly while it runs.
   A forked child does not inherit the timer. */
void light_fuse(int64_t after_ns) {
  static pid_t lit_by;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
  struct itimerspec when = {.it_value.tv_nsec = (long)after_ns + 1};
  timer_t timer;
  if (lit_by == getpid()) return;
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) plain_fail("timer_create");
  if (timer_settime(timer, 0, &when, NULL) != 0) plain_fail("timer_settime");
  lit_by = getpid();
}

bool goes_on(player *p, uint32_t last_stage) {
  int64_t fuse_ns = atomic_exchange(&life_of(my_life)->fuse_ns, 0);
  if (fuse_ns > 0) {
    light_fuse(fuse_ns);
    in_a_hurry = fuse_ns <= SHORT_FUSE_NS;
  }
  uint32_t stage = atomic_load_explicit(&shared->stage, memory_order_relaxed);
  if (stage == STAGE_PLAY) return random_below(&p->random, 20000) != 0;
  return stage <= last_stage;
}

bool queue_is_used(unsigned queue) {
  return !(queue == FULL && soak.without[WITH_WAITERS]) && !(queue == CROWDED && soak.without[WITH_CROWD]);
}

workq *open_queue(unsigned queue) {
  workq *q;
  expect(CALL(CALL_OPEN, workq_open(queue_names[queue], NULL, &q)), "workq_open", 0, 0);
  return q;
}

void close_queue(workq *q) {
  expect(CALL(CALL_CLOSE, workq_close(q)), "workq_close", 0, 0);
}

void open_both(player *p) {
  for (unsigned i = 0; i < COMMON_QUEUES; i++) p->q[i] = open_queue(i);
}

void close_both(player *p) {
  for (unsigned i = 0; i < COMMON_QUEUES; i++) close_queue(p->q[i]);
}

/* ---- Producing ---- */

static int random_priority(uint64_t *random) {
  return random_chance(random, 5) ? (int)random_below(random, 256) - 128 : (int)random_below(random, 3) - 1;
}

static int64_t random_delay(uint64_t *random) {
  return random_chance(random, 30) ? (int64_t)random_below(random, 2000000) : 0;
}

workq_add_options random_options(uint64_t *random) {
  return (workq_add_options){
      .priority = random_priority(random), .rate_limited = random_chance(random, 10), .after_ns = random_delay(random)};
}

/* WIDE and CROWDED have room for every key there is. */
static int full_of(unsigned queue) {
  return queue == NARROW || queue == FULL ? -ENOSPC : 0;
}

static int add_waiting(player *p, unsigned queue, const key_bytes *bytes, size_t len) {
  workq *q = p->q[queue];
  int64_t wait_ns = 1 + (int64_t)random_below(&p->random, 20000000);
  int result;
  if (random_chance(&p->random, 50)) {
    result = CALL(CALL_ADD_WAIT, workq_add_wait(q, bytes, len, wait_ns));
  } else {
    workq_add_options options = random_options(&p->random);
    options.wait_ns = wait_ns;
    result = CALL(CALL_ADD_WAIT, workq_add_opts(q, bytes, len, &options));
  }
  return expect(result, "an add that waits", -ESHUTDOWN, -ETIMEDOUT);
}

static int add_somehow(player *p, unsigned queue, const key_bytes *bytes, size_t len) {
  workq *q = p->q[queue];
  workq_add_options options = random_options(&p->random);
  uint64_t way = random_below(&p->random, 10);
  if (way == 0) return add_waiting(p, queue, bytes, len);
  int result;
  if (way < 3) {
    result = CALL(CALL_ADD, workq_add_after(q, bytes, len, options.after_ns));
  } else if (way < 4) {
    result = CALL(CALL_ADD, workq_add_rate_limited(q, bytes, len));
  } else if (way < 7) {
    result = CALL(CALL_ADD, workq_add_opts(q, bytes, len, &options));
  } else {
    result = CALL(CALL_ADD, workq_add(q, bytes, len));
  }
  return expect(result, "an add", -ESHUTDOWN, full_of(queue));
}

static void add_one(player *p, unsigned queue, uint32_t number) {
  key_bytes bytes;
  size_t len = key_write(&bytes, number);
  account_audit(p->q[queue], queue, number);
  uint32_t version = account_add(queue, number);
  if (add_somehow(p, queue, &bytes, len) >= 0) account_added(queue, number, version);
}

static void add_batch(player *p, unsigned queue) {
  key_bytes bytes[HANDS];
  uint32_t versions[HANDS];
  workq_key keys[HANDS];
  size_t n = 1 + random_below(&p->random, HANDS);
  workq_add_options options = random_options(&p->random);
  for (size_t i = 0; i < n; i++) {
    uint32_t number = (uint32_t)random_below(&p->random, keys_of(queue));
    if (random_chance(&p->random, 50)) account_audit(p->q[queue], queue, number);
    keys[i] = (workq_key){&bytes[i], key_write(&bytes[i], number)};
    versions[i] = account_add(queue, number);
  }
  int taken = expect(CALL(CALL_BATCH, workq_add_batch(p->q[queue], keys, n, &options, NULL)), "workq_add_batch",
                     -ESHUTDOWN, full_of(queue));
  for (int i = 0; i < taken; i++) account_added(queue, bytes[i].number, versions[i]);
}

/* ---- Keys by name, and looking ---- */

static void remove_one(player *p, unsigned queue) {
  key_bytes bytes;
  uint32_t number = (uint32_t)random_below(&p->random, keys_of(queue) / 8) * 8;
  size_t len = key_write(&bytes, number);
  account_remove(queue, number);
  expect(CALL(CALL_KEY, workq_remove(p->q[queue], &bytes, len)), "workq_remove", 0, 0);
  account_removed(queue, number);
}

static void ask_of_one(player *p, unsigned queue) {
  workq *q = p->q[queue];
  key_bytes bytes;
  size_t len = key_write(&bytes, (uint32_t)random_below(&p->random, keys_of(queue)));
  switch (random_below(&p->random, 3)) {
  case 0:
    expect(CALL(CALL_KEY, workq_forget(q, &bytes, len)), "workq_forget", 0, 0);
    break;
  case 1:
    expect(CALL(CALL_KEY, workq_num_requeues(q, &bytes, len)), "workq_num_requeues", 0, 0);
    break;
  default:
    expect(CALL(CALL_KEY, workq_kick(q, &bytes, len)), "workq_kick", 0, 0);
  }
}

static int count_key(void *arg, const workq_info *info) {
  *(unsigned *)arg += info->key_len >= sizeof(uint32_t);
  return 0;
}

static int count_worker(void *arg, const workq_worker *worker) {
  *(unsigned *)arg += worker->self;
  return 0;
}

static void look(player *p, unsigned queue) {
  workq *q = p->q[queue];
  workq_info info;
  unsigned count = 0;
  switch (random_below(&p->random, 8)) {
  case 0:
    expect(CALL(CALL_LOOK, workq_iterate(q, count_key, &count)), "workq_iterate", 0, 0);
    break;
  case 1:
    expect(CALL(CALL_LOOK, workq_iterate_workers(q, count_worker, &count)), "workq_iterate_workers", 0, 0);
    if (count != 1) plain_fail("a handle finds itself %u times", count);
    break;
  case 2:
    expect(CALL(CALL_QUEUE, workq_reap(q)), "workq_reap", 0, 0);
    break;
  case 3:
    expect(CALL(CALL_LOOK, workq_len(q)), "workq_len", 0, 0);
    break;
  default:
    expect(CALL(CALL_LOOK, workq_peek(q, &info)), "workq_peek", 0, 0);
  }
}

void produce_once(player *p, unsigned queue) {
  uint64_t choice = random_below(&p->random, 100);
  if (choice < 65 && !in_a_hurry) {
    add_one(p, queue, (uint32_t)random_below(&p->random, keys_of(queue)));
  } else if (choice < 85) {
    add_batch(p, queue);
  } else if (choice < 89) {
    remove_one(p, queue);
  } else if (choice < 95) {
    ask_of_one(p, queue);
  } else {
    look(p, queue);
  }
  if (!in_a_hurry && atomic_load_explicit(&shared->calm, memory_order_relaxed))
    nap((int64_t)random_below(&p->random, 500000));
}

/* ---- Working ---- */

/* A retry and a release ask for another run, as an add does. */
static void give_back(workq *q, const run *r, bool retry) {
  uint32_t version = account_add(r->queue, r->number);
  account_ran(r);
  int result = CALL(CALL_FINISH, retry ? workq_retry(q, &r->item) : workq_release(q, &r->item));
  expect(result, retry ? "workq_retry" : "workq_release", 0, 0);
  account_added(r->queue, r->number, version);
}

/* Only NARROW buries; there the kicks let it run again. */
static void give_up(workq *q, const run *r) {
  account_ran(r);
  expect(CALL(CALL_FINISH, r->queue == NARROW ? workq_give_up(q, &r->item) : workq_complete(q, &r->item)),
         "workq_give_up or workq_complete", 0, 0);
}

static void say_done(workq *q, uint64_t *random, const run *r) {
  key_bytes bytes;
  size_t len = key_write(&bytes, r->number);
  account_ran(r);
  switch (random_below(random, 4)) {
  case 0:
    expect(CALL(CALL_FINISH, workq_done_key(q, &bytes, len)), "workq_done_key", 0, 0);
    break;
  case 1: {
    int result = expect(CALL(CALL_FINISH, workq_done(q, &r->item)), "workq_done", 0, 0);
    if (soak.mutant == LOSE_DIRTY && result == 1) workq_remove(q, &bytes, len);
    break;
  }
  default:
    expect(CALL(CALL_FINISH, workq_complete(q, &r->item)), "workq_complete", 0, 0);
  }
}

static void finish_one(player *p, const run *r) {
  workq *q = p->q[r->queue];
  uint64_t choice = random_below(&p->random, 100);
  if (atomic_load_explicit(&shared->stage, memory_order_relaxed) != STAGE_PLAY) choice = 99;
  if (choice < 6) {
    give_back(q, r, true);
  } else if (choice < 12) {
    give_back(q, r, false);
  } else if (choice < 13) {
    give_up(q, r);
  } else {
    say_done(q, &p->random, r);
  }
}

static void finish_many(player *p, const run *runs, int n) {
  workq_item items[HANDS];
  if (n == 1 || random_chance(&p->random, 50)) {
    for (int i = 0; i < n; i++) finish_one(p, &runs[i]);
    return;
  }
  for (int i = 0; i < n; i++) {
    items[i] = runs[i].item;
    account_ran(&runs[i]);
  }
  int done =
      expect(CALL(CALL_FINISH, workq_done_batch(p->q[runs[0].queue], items, (size_t)n)), "workq_done_batch", 0, 0);
  if (done != n) plain_fail("workq_done_batch finished %d of %d keys", done, n);
}

/* The work.  Sometimes a key in hand is added again, by its own worker. */
static void hold(player *p, const run *r) {
  uint64_t choice = random_below(&p->random, 100);
  if (choice < 20) {
    sched_yield();
  } else if (choice < 35) {
    int64_t until_ns = plain_now_ns() + (int64_t)random_below(&p->random, 20000);
    while (plain_now_ns() < until_ns) continue;
  } else if (choice < 40) {
    nap((int64_t)random_below(&p->random, 200000));
  } else if (choice < 45 && atomic_load(&shared->stage) == STAGE_PLAY) {
    add_one(p, r->queue, r->number);
  }
}

static void hold_in_two_hands(player *p, run *r) {
  workq_release(p->q[r->queue], &r->item);
  nap(MILLISECOND);
  account_ran(r);
}

/* Returns how many keys were taken. */
static int take(player *p, unsigned queue, workq_item *items, int64_t timeout_ns) {
  workq *q = p->q[queue];
  life_record *me = life_of(my_life);
  int got;
  atomic_store_explicit(&me->get_from, queue, memory_order_relaxed);
  atomic_store_explicit(&me->get_ns, plain_now_ns(), memory_order_relaxed);
  if (random_chance(&p->random, 40)) {
    got = CALL(CALL_GET, workq_get_batch(q, items, 1 + random_below(&p->random, HANDS), timeout_ns));
  } else {
    got = CALL(CALL_GET, workq_get(q, &items[0], timeout_ns));
    if (got == 0) got = 1;
  }
  atomic_store_explicit(&me->get_ns, 0, memory_order_relaxed);
  expect(got, "workq_get", -ESHUTDOWN, timeout_ns == WORKQ_FOREVER ? 0 : -ETIMEDOUT);
  if (got == -ESHUTDOWN) nap(MILLISECOND / 5);
  return got < 0 ? 0 : got;
}

void work_once(player *p, unsigned queue, int64_t timeout_ns) {
  workq_item items[HANDS];
  run runs[HANDS];
  int n = take(p, queue, items, timeout_ns);
  for (int i = 0; i < n; i++) account_run(&runs[i], queue, &items[i]);
  for (int i = 0; i < n && queue == CROWDED; i++) crowd_came(runs[i].number);
  if (n == 0) return;
  if (soak.mutant == TWO_HANDS && n == 1 && random_chance(&p->random, 1)) {
    hold_in_two_hands(p, &runs[0]);
    return;
  }
  /* Nothing is added to CROWDED but by its feeder: an add would let delayed keys come, whoever leads. */
  if (!in_a_hurry && queue != CROWDED) hold(p, &runs[0]);
  finish_many(p, runs, n);
}
