/*
 * Many handles: a thousand threads in a few processes wait for what a feeder adds, all of it with a delay, so that
 * nothing but the queue's own clock wakes them.  And threads that end without a close, again and again, with keys in
 * hand and without.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "soak.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
  STACK_SIZE = 256 * 1024,
  DESCRIPTORS_SPARE = 100,
  LEFT_OPEN_MAX = 4 * HANDLES /* more than there are slots */,
  CLOSE_SECONDS = 300
};

/* ---- Threads ---- */

static int thread_start(pthread_t *thread, void *(*body)(void *), void *arg) {
  pthread_attr_t attr;
  size_t size = STACK_SIZE > PTHREAD_STACK_MIN ? STACK_SIZE : (size_t)PTHREAD_STACK_MIN;
  if (pthread_attr_init(&attr) != 0 || pthread_attr_setstacksize(&attr, size) != 0) plain_fail("pthread_attr_init");
  int error = pthread_create(thread, &attr, body, arg);
  pthread_attr_destroy(&attr);
  return error;
}

static void *wait_for_gate(void *gate) {
  pthread_mutex_lock(gate);
  pthread_mutex_unlock(gate);
  return NULL;
}

static unsigned threads_possible(unsigned wanted) {
  pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
  pthread_t *threads = calloc(wanted, sizeof *threads);
  unsigned n = 0;
  if (threads == NULL) plain_fail("no memory for %u threads", wanted);
  pthread_mutex_lock(&gate);
  while (n < wanted && thread_start(&threads[n], wait_for_gate, &gate) == 0) n++;
  pthread_mutex_unlock(&gate);
  for (unsigned i = 0; i < n; i++) pthread_join(threads[i], NULL);
  free(threads);
  return n;
}

/* The warm-up opens as many handles in one process. */
static unsigned descriptors_possible(unsigned wanted) {
  const rlim_t others = CROWD_SPARE + DESCRIPTORS_SPARE;
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) plain_fail("getrlimit: %s", strerror(errno));
  if (limit.rlim_cur < wanted + others) {
    limit.rlim_cur = limit.rlim_max < wanted + others ? limit.rlim_max : wanted + others;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) plain_fail("setrlimit: %s", strerror(errno));
  }
  if (limit.rlim_cur >= wanted + others) return wanted;
  return limit.rlim_cur > others ? (unsigned)(limit.rlim_cur - others) : 0;
}

unsigned crowd_possible(unsigned wanted) {
  unsigned n = descriptors_possible(wanted);
  if (n > 0) n = threads_possible(n);
  n -= n % CROWD_PROCESSES;
  if (n < wanted) printf("the crowd has %u handles instead of %u: this machine's limits\n", n, wanted);
  return n;
}

/* ---- The crowd ---- */

static _Atomic unsigned attached;

static void *work_in_crowd(void *arg) {
  player p = {.random = *(uint64_t *)arg};
  life_begin(life_new(THREAD));
  p.q[CROWDED] = open_queue(CROWDED);
  atomic_fetch_add(&attached, 1);
  while (atomic_load(&shared->stage) <= STAGE_WORK_OFF)
    work_once(&p, CROWDED, random_chance(&p.random, 80) ? WORKQ_FOREVER : (int64_t)random_below(&p.random, 5000000000));
  close_queue(p.q[CROWDED]);
  return NULL;
}

/* One that ends before its time cannot wake its threads: they die with it. */
void crowd(player *p) {
  unsigned n = soak.crowd / CROWD_PROCESSES;
  pthread_t *threads = calloc(n, sizeof *threads);
  uint64_t *seeds = calloc(n, sizeof *seeds);
  if (threads == NULL || seeds == NULL) plain_fail("no memory for %u threads", n);
  for (unsigned i = 0; i < n; i++) {
    seeds[i] = random_next(&p->random);
    int error = thread_start(&threads[i], work_in_crowd, &seeds[i]);
    if (error != 0) plain_fail("pthread_create: %s", strerror(error));
  }
  while (goes_on(p, STAGE_WORK_OFF)) {
    if (atomic_load(&attached) == n) call_end(0);
    nap(5 * MILLISECOND);
  }
  if (atomic_load(&shared->stage) != STAGE_END) _exit(PLAIN_PASS);
  for (unsigned i = 0; i < n; i++) pthread_join(threads[i], NULL);
  free(threads);
  free(seeds);
}

void crowd_came(uint32_t number) {
  int64_t due_ns = atomic_exchange(&shared->due_ns[number], 0);
  if (due_ns == 0) return;
  int64_t late_ns = plain_now_ns() - due_ns;
  int64_t latest_ns = atomic_load(&shared->latest_ns);
  atomic_fetch_add(&shared->due_runs, 1);
  while (late_ns > latest_ns && !atomic_compare_exchange_weak(&shared->latest_ns, &latest_ns, late_ns)) continue;
}

void crowd_forget_due(void) {
  for (unsigned i = 0; i < CROWDED_KEYS; i++) atomic_store(&shared->due_ns[i], 0);
}

/* A key that is on its way is due at the earlier time. */
static void feed_one(player *p) {
  uint32_t number = (uint32_t)random_below(&p->random, CROWDED_KEYS);
  workq_add_options options = random_options(&p->random);
  int64_t never_ns = 0;
  key_bytes bytes;
  size_t len = key_write(&bytes, number);
  options.after_ns = MILLISECOND + (int64_t)random_below(&p->random, 30000000);
  account_audit(p->q[CROWDED], CROWDED, number);
  uint32_t version = account_add(CROWDED, number);
  int64_t due_ns = plain_now_ns() + options.after_ns;
  atomic_compare_exchange_strong(&shared->due_ns[number], &never_ns, due_ns);
  expect(CALL(CALL_ADD, workq_add_opts(p->q[CROWDED], &bytes, len, &options)), "an add with a delay", 0, 0);
  account_added(CROWDED, number, version);
}

/* Its calls would let delayed keys come, too; so it makes some at a time, and then none. */
void feeder(player *p) {
  p->q[CROWDED] = open_queue(CROWDED);
  crowd_forget_due();
  while (goes_on(p, STAGE_PLAY)) {
    for (unsigned i = 1 + (unsigned)random_below(&p->random, 8); i > 0; i--) feed_one(p);
    nap(5 * MILLISECOND + (int64_t)random_below(&p->random, 40000000));
  }
  close_queue(p->q[CROWDED]);
}

/* ---- Threads that end without a close ---- */

typedef struct ending {
  unsigned queue;
  unsigned keys; /* that it takes */
  uint32_t life;
  workq *q;
  unsigned in_hand;
} ending;

static void *attach_and_end(void *arg) {
  ending *e = arg;
  workq_item items[HANDS];
  run r;
  e->life = life_new(THREAD);
  life_begin(e->life);
  e->q = open_queue(e->queue);
  if (e->keys == 0) return NULL;
  int got = CALL(CALL_GET, workq_get_batch(e->q, items, e->keys, MILLISECOND / 2));
  expect(got, "workq_get_batch", -ETIMEDOUT, -ESHUTDOWN);
  for (int i = 0; i < got; i++) account_run(&r, e->queue, &items[i]);
  e->in_hand = got > 0 ? (unsigned)got : 0;
  while (soak.mutant == LINGER) nap(SECOND);
  atomic_store(&life_of(e->life)->ended, true);
  return NULL;
}

/* The thread has been waited for, but the kernel may still be busy with its end. */
static void close_for(workq *q) {
  int64_t until_ns = plain_now_ns() + CLOSE_SECONDS * SECOND;
  while (expect(CALL(CALL_CLOSE, workq_close(q)), "workq_close for a thread that has ended", -ESTALE, 0) < 0) {
    if (plain_now_ns() > until_ns) plain_fail("a handle cannot be closed though its thread has ended");
    nap(MILLISECOND / 10);
  }
}

static void let_one_end(player *p, ending *e) {
  pthread_t thread;
  e->queue = (unsigned)random_below(&p->random, queue_is_used(FULL) ? FULL + 1 : FULL);
  e->keys = (unsigned)random_below(&p->random, HANDS);
  int error = thread_start(&thread, attach_and_end, e);
  if (error != 0) plain_fail("pthread_create: %s", strerror(error));
  if (soak.mutant != LINGER) {
    pthread_join(thread, NULL);
    life_bury(e->life, 0);
  }
  atomic_fetch_add(&shared->thread_ends, 1);
  atomic_fetch_add(&shared->thread_keys, e->in_hand);
  call_end(0);
}

/* Some handles are closed by the process, later; the others stay as they are until it ends.  A close gives keys back in
   another way than a death; in the sum of WIDE that would show. */
void ender(player *p) {
  static ending endings[2 * LEFT_OPEN_MAX];
  unsigned left = 0;
  for (unsigned i = 0; left < LEFT_OPEN_MAX && i < 2 * LEFT_OPEN_MAX && goes_on(p, STAGE_PLAY); i++) {
    let_one_end(p, &endings[i]);
    nap((int64_t)random_below(&p->random, 2000000));
    if (soak.mutant != LINGER && endings[i].queue != WIDE && random_chance(&p->random, 50)) {
      close_for(endings[i].q);
    } else {
      left++;
    }
  }
}
