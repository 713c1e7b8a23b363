/*
 * Handles that are only for reading (WORKQ_RAW) look at a queue without the lock while another process changes it as fast as
 * it can.  What they see may be torn; but every function that works on such a handle comes back, and with a result that its
 * description knows.
 *
 * raw_readers
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/plain.h"
#include "support/process.h"
#include "support/random.h"

#include "workq.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
  READERS = 2,
  ROUNDS = 60000,
  SELDOM = 32, /* what takes much longer than the rest is done once in so many rounds */
  KEYS = 4,
  KEY_MAX = 32,
  PRIORITIES = 3
};

static struct {
  _Atomic bool stop;
  _Atomic uint32_t sum; /* so that what is read counts */
} * shared;

static char name[64];

/* ---- The one that changes ------------------------------------------------------------------------------------- */

static void make_key(char *key, uint64_t number) {
  memset(key, 'a' + (int)number, KEY_MAX);
}

static void add(workq *q, uint64_t *random) {
  char key[KEY_MAX];
  workq_add_options options = {.priority = (int32_t)random_below(random, PRIORITIES)};
  uint64_t number = random_below(random, KEYS);
  make_key(key, number);
  if (random_chance(random, 30)) options.after_ns = 1 + (int64_t)random_below(random, 20000);
  plain_ok(workq_add_opts(q, key, 8 * (number + 1), &options), "workq_add_opts");
}

static void finish(workq *q, uint64_t *random, const workq_item *item) {
  switch (random_below(random, 4)) {
  case 0:
    plain_ok(workq_retry(q, item), "workq_retry");
    break;
  case 1:
    plain_ok(workq_give_up(q, item), "workq_give_up");
    break;
  default:
    plain_ok(workq_complete(q, item), "workq_complete");
  }
}

static void change(uint64_t random) {
  workq *q;
  plain_ok(workq_open(name, NULL, &q), "workq_open");
  while (!atomic_load(&shared->stop)) {
    workq_item item[2];
    unsigned got = 0;
    for (int i = 0; i < KEYS; i++) add(q, &random);
    while (got < 2 && workq_get(q, &item[got], 0) == 0) got++;
    for (unsigned i = 0; i < got; i++) finish(q, &random, &item[i]);
    if (random_chance(&random, 50)) plain_ok(workq_kick(q, NULL, 0), "workq_kick");
  }
  plain_ok(workq_close(q), "workq_close");
  _exit(PLAIN_PASS);
}

/* ---- Those that look ------------------------------------------------------------------------------------------ */

/* What a look may say. */
static void expect(int rc, const char *what) {
  if (rc < 0 && rc != -EUCLEAN) plain_fail("%s: %s", what, workq_strerror(rc));
}

static int visit_key(void *arg, const workq_info *info) {
  const unsigned char *key = info->key;
  uint32_t sum = 0;
  (void)arg;
  if (info->key_len > KEY_MAX) plain_fail("a key of %zu bytes", info->key_len);
  if (info->state < WORKQ_STATE_READY || info->state > WORKQ_STATE_IDLE) plain_fail("a key in state %d", info->state);
  for (size_t i = 0; i < info->key_len; i++) sum += key[i];
  atomic_fetch_add_explicit(&shared->sum, sum, memory_order_relaxed);
  return 0;
}

static int visit_worker(void *arg, const workq_worker *worker) {
  (void)arg;
  if (memchr(worker->command, 0, sizeof worker->command) == NULL) plain_fail("a command without an end");
  if (worker->waiting > 3) plain_fail("a worker that waits for %u", worker->waiting);
  return 0;
}

/* All that takes little time. */
static void look(workq *q) {
  workq_stats_data stats;
  workq_limiter limiter;
  expect(workq_stats(q, &stats), "workq_stats");
  expect(workq_len(q), "workq_len");
  expect(workq_iterate(q, visit_key, NULL), "workq_iterate");
  expect(workq_iterate_order(q, visit_key, NULL), "workq_iterate_order");
  for (int state = WORKQ_STATE_READY; state <= WORKQ_STATE_IDLE; state++)
    if (state != WORKQ_STATE_DIRTY) expect(workq_iterate_state(q, state, visit_key, NULL), "workq_iterate_state");
  expect(workq_iterate_workers(q, visit_worker, NULL), "workq_iterate_workers");
  expect(workq_get_limiter(q, &limiter), "workq_get_limiter");
  expect(workq_lock_owner(q), "workq_lock_owner");
  expect(workq_check(q, NULL, NULL), "workq_check");
}

static void look_at_snapshot(workq *q) {
  workq *copy;
  int rc = workq_snapshot(q, &copy);
  expect(rc, "workq_snapshot");
  if (rc < 0) return;
  look(copy);
  plain_ok(workq_close(copy), "workq_close");
}

static void look_at_all(workq *q, FILE *nowhere) {
  workq_measures measures;
  expect(workq_measure(q, &measures), "workq_measure");
  expect(workq_metrics(q, nowhere), "workq_metrics");
  expect(workq_dump(q, nowhere), "workq_dump");
  look_at_snapshot(q);
}

static void read_rounds(void) {
  workq_options raw = {.flags = WORKQ_RAW};
  workq *q;
  FILE *nowhere = fopen("/dev/null", "w");
  if (!nowhere) plain_fail("/dev/null cannot be opened");
  plain_ok(workq_open(name, &raw, &q), "workq_open");
  for (unsigned i = 0, rounds = plain_scaled(ROUNDS); i < rounds; i++) {
    look(q);
    if (i % SELDOM == 0) look_at_all(q, nowhere);
  }
  plain_ok(workq_close(q), "workq_close");
  fclose(nowhere);
  _exit(PLAIN_PASS);
}

/* ---- A look within a look ------------------------------------------------------------------------------------- */

static int look_again(void *arg, const workq_info *info) {
  workq_stats_data stats;
  (void)info;
  int rc = workq_stats(arg, &stats);
  if (rc != -EDEADLK) plain_fail("a look within a look on one handle: %s", workq_strerror(rc));
  return 1;
}

static void look_within_a_look_is_refused(void) {
  workq_options raw = {.flags = WORKQ_RAW};
  workq *q;
  plain_ok(workq_open(name, &raw, &q), "workq_open");
  int rc = plain_ok(workq_iterate_order(q, look_again, q), "workq_iterate_order");
  if (rc != 1) plain_fail("no key was visited");
  plain_ok(workq_len(q), "workq_len");
  plain_ok(workq_close(q), "workq_close");
}

/* ---- All ------------------------------------------------------------------------------------------------------ */

int main(int argc, char **argv) {
  uint64_t random = plain_begin(&argc, argv);
  workq_options options = {.capacity = 64, .key_max = KEY_MAX, .handles = 8, .max_retries = 3};
  workq *q;
  pid_t readers[READERS];
  options.limiter =
      (workq_limiter){.kinds = WORKQ_LIMIT_EXPONENTIAL, .exp_initial_ns = 1000, .exp_max_ns = 100000, .exp_factor = 2};
  shared = process_share(sizeof *shared);
  plain_own(name, sizeof name, "raw_readers");
  plain_watchdog(1800, name);
  plain_ok(workq_create(name, &options, &q), "workq_create");
  pid_t changer = process_fork();
  if (changer == 0) change(random);
  for (int i = 0; i < READERS; i++)
    if ((readers[i] = process_fork()) == 0) read_rounds();
  for (int i = 0; i < READERS; i++) process_wait_pass(readers[i], "reader");
  atomic_store(&shared->stop, true);
  process_wait_pass(changer, "changer");
  plain_ok(workq_add(q, "key", 3), "workq_add");
  look_within_a_look_is_refused();
  plain_check(q, "at the end");
  plain_ok(workq_close(q), "workq_close");
  plain_ok(workq_unlink(name), "workq_unlink");
  return PLAIN_PASS;
}
