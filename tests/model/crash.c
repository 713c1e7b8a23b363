/*
 * Real deaths in the model test: a forked worker killed with SIGKILL, and a thread that ends without closing, each
 * with keys in hand.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "trial.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* What a worker tells of the keys it took; its item's key is an offset into bytes. */
typedef struct loot {
  int opened; /* result of workq_open() or, by a copied handle, 0 */
  int count;  /* result of get */
  workq_item items[3];
  unsigned char bytes[3][WORKQ_KEY_MAX];
} loot;

static void take_keys(workq *q, bool batch, unsigned n, loot *out) {
  if (batch) {
    out->count = workq_get_batch(q, out->items, n, 0);
  } else {
    out->count = 0;
    while (out->count < (int)n) {
      int result = workq_get(q, &out->items[out->count], 0);
      if (result < 0) {
        if (out->count == 0) out->count = result;
        break;
      }
      out->count++;
    }
  }
  for (int i = 0; i < out->count; i++) memcpy(out->bytes[i], out->items[i].key, out->items[i].key_len);
}

/* What the model says the worker has taken. */
static void compare_loot(trial *t, const char *operation, bool batch, unsigned n, const loot *got) {
  model_item items[3];
  int want = 0;
  if (batch) {
    want = model_get_batch(&t->model, TRIAL_STRANGER, items, n);
  } else {
    int result = 0;
    while (want < (int)n && (result = model_get(&t->model, TRIAL_STRANGER, &items[want])) == 0) want++;
    if (want == 0) want = result;
  }
  trial_expect(t, operation, got->count, want);
  for (int i = 0; i < got->count; i++) {
    workq_item item = got->items[i];
    item.key = got->bytes[i];
    trial_expect_item(t, &item, &items[i]);
  }
}

static void work_until_killed(trial *t, workq *copy, bool batch, unsigned n, int tell, loot *out) {
  workq *q = copy;
  out->opened = copy != NULL ? 0 : workq_open(t->name, &t->options, &q);
  if (out->opened == 0) take_keys(q, batch, n, out);
  char done = 1;
  if (write(tell, &done, 1) != 1) _exit(1);
  for (;;) pause();
}

void trial_crash_process(trial *t) {
  static loot *shared;
  if (shared == NULL) shared = process_share(sizeof *shared);
  workq *copy = random_chance(&t->random, 50) ? t->handles[trial_any_handle(t)] : NULL;
  bool batch = random_chance(&t->random, 30);
  unsigned n = 1 + (unsigned)random_below(&t->random, 3);
  trial_log(t, "a process takes %u keys (%s handle%s) and is killed", n, copy != NULL ? "copied" : "own",
            batch ? ", batch" : "");
  int told[2];
  if (pipe(told) != 0) plain_fail("pipe: %s", strerror(errno));
  pid_t pid = process_fork();
  if (pid == 0) work_until_killed(t, copy, batch, n, told[1], shared);
  close(told[1]);
  char done;
  if (read(told[0], &done, 1) != 1) trial_mismatch(t, "the worker ended by itself");
  close(told[0]);
  plain_ok(shared->opened, "workq_open in a child");
  model_open(&t->model, TRIAL_STRANGER);
  t->stranger_pid = pid;
  compare_loot(t, "get before a crash", batch, n, shared);
  if (random_chance(&t->random, 50)) trial_compare(t);
  bool expected = random_chance(&t->random, 30);
  if (expected) trial_expect(t, "expect_exit", workq_expect_exit(t->handles[trial_any_handle(t)], pid), 1);
  process_kill(pid);
  model_crash(&t->model, TRIAL_STRANGER, expected);
  trial_expect(t, "reap", workq_reap(t->handles[trial_any_handle(t)]), 1);
}

typedef struct thread_work {
  trial *t;
  workq *q;
  bool batch;
  unsigned n;
  loot loot;
} thread_work;

static void *work_and_end(void *arg) {
  thread_work *work = arg;
  work->loot.opened = workq_open(work->t->name, &work->t->options, &work->q);
  if (work->loot.opened == 0) take_keys(work->q, work->batch, work->n, &work->loot);
  return NULL;
}

void trial_crash_thread(trial *t) {
  static thread_work work;
  work = (thread_work){.t = t, .batch = random_chance(&t->random, 30), .n = 1 + (unsigned)random_below(&t->random, 3)};
  trial_log(t, "a thread takes %u keys%s and ends", work.n, work.batch ? " (batch)" : "");
  pthread_t thread;
  int result = pthread_create(&thread, NULL, work_and_end, &work);
  if (result != 0) plain_fail("pthread_create: %s", strerror(result));
  pthread_join(thread, NULL);
  plain_ok(work.loot.opened, "workq_open in a thread");
  model_open(&t->model, TRIAL_STRANGER);
  t->stranger_pid = getpid();
  compare_loot(t, "get before a crash", work.batch, work.n, &work.loot);
  model_crash(&t->model, TRIAL_STRANGER, false);
  trial_expect(t, "reap", workq_reap(t->handles[trial_any_handle(t)]), 1);
  trial_expect(t, "close of a dead thread's", workq_close(work.q), 0);
}
