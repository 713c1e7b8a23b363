/*
 * Readers without the lock: every call that a WORKQ_RAW handle allows, on queues that change all the time.  What they
 * are told may be torn, and is not looked at but for being readable.  A reader that dies of a signal ends the soak, as
 * every player does.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "soak.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WAYS_TO_READ = 12, READS_OF_A_HANDLE = 100 };

typedef struct sight {
  uint64_t *random;
  FILE *nowhere;
  uint64_t sum; /* of all bytes that were shown, so that they are read */
} sight;

/* Some looks stop early. */
static int see_key(void *arg, const workq_info *info) {
  sight *s = arg;
  const unsigned char *key = info->key;
  if (info->key_len > KEY_MAX) plain_fail("a reader was shown a key of %zu bytes", info->key_len);
  for (size_t i = 0; i < info->key_len; i++) s->sum += key[i];
  s->sum += (uint64_t)info->state + info->failures;
  return random_below(s->random, 1000) == 0;
}

static int see_worker(void *arg, const workq_worker *worker) {
  sight *s = arg;
  s->sum += strnlen(worker->command, sizeof worker->command) + worker->waiting + worker->adds;
  return random_below(s->random, 10000) == 0;
}

static void see_problem(void *arg, const char *line) {
  ((sight *)arg)->sum += strlen(line);
}

static int read_numbers(workq *q, sight *s, unsigned way) {
  workq_stats_data stats;
  workq_measures measures;
  workq_limiter limiter;
  switch (way) {
  case 0:
    return CALL(CALL_LOOK, workq_stats(q, &stats));
  case 1:
    return CALL(CALL_LOOK, workq_measure(q, &measures));
  case 2:
    return CALL(CALL_LOOK, workq_metrics(q, s->nowhere));
  case 3:
    return CALL(CALL_LOOK, workq_get_limiter(q, &limiter));
  case 4:
    return CALL(CALL_LOOK, workq_lock_owner(q));
  default:
    return CALL(CALL_LOOK, workq_len(q));
  }
}

static int read_keys(workq *q, sight *s, unsigned way) {
  switch (way) {
  case 6:
    return CALL(CALL_LOOK, workq_iterate(q, see_key, s));
  case 7:
    return CALL(CALL_LOOK, workq_iterate_order(q, see_key, s));
  case 8: {
    int state = WORKQ_STATE_READY + (int)random_below(s->random, WORKQ_STATE_IDLE);
    int result = CALL(CALL_LOOK, workq_iterate_state(q, state, see_key, s));
    return result == -EINVAL && state == WORKQ_STATE_DIRTY ? 0 : result;
  }
  case 9:
    return CALL(CALL_LOOK, workq_iterate_workers(q, see_worker, s));
  case 10:
    return CALL(CALL_LOOK, workq_dump(q, s->nowhere));
  default:
    return CALL(CALL_LOOK, workq_check(q, see_problem, s));
  }
}

static void read_somehow(workq *q, sight *s) {
  unsigned way = (unsigned)random_below(s->random, WAYS_TO_READ);
  expect(way < 6 ? read_numbers(q, s, way) : read_keys(q, s, way), "a read without the lock", -EUCLEAN, 0);
  atomic_fetch_add_explicit(&shared->reads, 1, memory_order_relaxed);
}

/* The copy is as torn as what it was made from. */
static void read_snapshot(workq *q, sight *s) {
  workq *copy;
  if (expect(CALL(CALL_LOOK, workq_snapshot(q, &copy)), "workq_snapshot", -EUCLEAN, 0) < 0) return;
  for (unsigned i = 0; i < WAYS_TO_READ; i++) read_somehow(copy, s);
  close_queue(copy);
}

static void read_queue(player *p, sight *s, const char *name) {
  workq_options options = {.flags = WORKQ_RAW};
  workq *q;
  if (expect(CALL(CALL_OPEN, workq_open(name, &options, &q)), "workq_open to read", -ENOENT, 0) < 0) return;
  for (unsigned i = 0; i < READS_OF_A_HANDLE && goes_on(p, STAGE_PLAY); i++) read_somehow(q, s);
  read_snapshot(q, s);
  close_queue(q);
}

/* Mostly one in which much happens; QUEUES stands for the founder's. */
static unsigned choose_queue(uint64_t *random) {
  return (unsigned)random_below(random, random_chance(random, 75) ? FULL + 1 : QUEUES + 1);
}

/* A short pause: they are not to take all of a small machine's time. */
void reader(player *p) {
  sight s = {.random = &p->random, .nowhere = fopen("/dev/null", "we")};
  if (s.nowhere == NULL) plain_fail("/dev/null: %s", strerror(errno));
  while (goes_on(p, STAGE_PLAY)) {
    unsigned queue = choose_queue(&p->random);
    if (soak.mutant == WILD_READER && random_chance(&p->random, 5)) raise(SIGILL);
    if (queue < QUEUES && !queue_is_used(queue)) continue;
    read_queue(p, &s, queue < QUEUES ? queue_names[queue] : founders_name);
    nap((int64_t)random_below(&p->random, 3000000));
  }
  fclose(s.nowhere);
}
