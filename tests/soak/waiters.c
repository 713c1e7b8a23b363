/*
 * Producers that wait for room in a queue that has room for few keys.  What they were promised is in the accounts, as
 * for every add; besides, no one of them may wait while the others get in again and again.
 *
 * That is counted in adds, not in time: a producer that sleeps in one call and stands in line, whenever it is looked at,
 * while hundreds of adds of others have returned, was passed over.  One that was woken and has no processor yet does not
 * sleep, one that waits for the lock does not stand in line, and one that was stopped since the last look, however short it was meant to be, is not counted: who
 * stops it may be without a processor itself.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "soak.h"

#include <errno.h>
#include <stdio.h>

enum { MANY_ADDS = 300, SERVED_ADDS = 3000, LOOK_MS = 10, RARE_MS = 40 };

/* ---- The role ---- */

/* One of them waits as if for room, but takes part in nothing. */
static void starve(life_record *me) {
  uint32_t nobody = 0;
  if (!atomic_load(&shared->fair) || !atomic_compare_exchange_strong(&shared->starved, &nobody, my_life)) return;
  atomic_store(&me->for_ever, true);
  call_begin(CALL_ADD_WAIT);
  for (;;) nap(SECOND);
}

static int add(player *p, const key_bytes *bytes, size_t len, bool for_ever) {
  workq *q = p->q[FULL];
  int64_t wait_ns = for_ever ? WORKQ_FOREVER : 1 + (int64_t)random_below(&p->random, 20000000);
  if (random_chance(&p->random, 50)) return CALL(CALL_ADD_WAIT, workq_add_wait(q, bytes, len, wait_ns));
  workq_add_options options = random_options(&p->random);
  options.wait_ns = wait_ns;
  return CALL(CALL_ADD_WAIT, workq_add_opts(q, bytes, len, &options));
}

static void add_waiting_for_room(player *p) {
  life_record *me = life_of(my_life);
  uint32_t number = (uint32_t)random_below(&p->random, FULL_KEYS);
  bool for_ever = atomic_load(&shared->fair) || random_chance(&p->random, 50);
  key_bytes bytes;
  size_t len = key_write(&bytes, number);
  account_audit(p->q[FULL], FULL, number);
  uint32_t version = account_add(FULL, number);
  atomic_store(&me->for_ever, for_ever);
  int result = expect(add(p, &bytes, len, for_ever), "an add that waits", -ESHUTDOWN, for_ever ? 0 : -ETIMEDOUT);
  atomic_store(&me->for_ever, false);
  if (result == -ESHUTDOWN) nap(MILLISECOND / 5);
  if (result < 0) {
    atomic_fetch_add(&shared->given_up, 1);
    return;
  }
  account_added(FULL, number, version);
  atomic_fetch_add(&me->waited, 1);
  atomic_fetch_add(&shared->waited, 1);
  if (soak.mutant == LOSE_WAITED) workq_remove(p->q[FULL], &bytes, len);
}

void waiter(player *p) {
  p->q[FULL] = open_queue(FULL);
  while (goes_on(p, STAGE_PLAY)) {
    if (soak.mutant == STARVE) starve(life_of(my_life));
    add_waiting_for_room(p);
  }
  close_queue(p->q[FULL]);
}

/* ---- Whether each gets something ---- */

typedef struct search {
  pid_t tid;
  bool waits;
} search;

static int find_waiting(void *arg, const workq_worker *worker) {
  search *s = arg;
  if (worker->tid != s->tid) return 0;
  s->waits = worker->waiting == 2;
  return 1;
}

static bool stands_in_line(pid_t tid) {
  static workq *raw;
  workq_options options = {.flags = WORKQ_RAW};
  search s = {.tid = tid};
  if (raw == NULL) plain_ok(workq_open(queue_names[FULL], &options, &raw), "workq_open");
  workq_iterate_workers(raw, find_waiting, &s);
  return s.waits;
}

/* It was seen asleep, as it is now, in the call in which it was seen last. */
static bool still_waits(const part *p) {
  const life_record *record = life_of(p->life);
  if (p->pid == 0 || p->dying || p->stopped_until_ns != 0 || !atomic_load(&record->for_ever)) return false;
  if (atomic_load(&record->calls) != p->waited_calls || life_state(p->life) != 'S') return false;
  return stands_in_line(record->tid) || atomic_load(&shared->starved) == p->life;
}

/* May more have happened to it since the last look than is told by the two?  Where this process itself gets no processor, nothing
   is known of what a waiter did meanwhile. */
static bool was_out_of_sight(part *p, int64_t before_ns, int64_t after_ns) {
  bool out_of_sight = p->was_stopped || after_ns - p->looked_ns > RARE_MS * MILLISECOND;
  p->was_stopped = false;
  p->looked_ns = before_ns;
  return out_of_sight;
}

static void watch_waiter(part *p) {
  int64_t before_ns = plain_now_ns();
  uint64_t all = atomic_load(&shared->waited);
  bool waits = still_waits(p);
  if (was_out_of_sight(p, before_ns, plain_now_ns()) || !waits) {
    p->waited_all = all;
    p->waited_calls = atomic_load(&life_of(p->life)->calls);
  } else if (all - p->waited_all > MANY_ADDS) {
    dump_queues();
    plain_fail("waiter %d has waited for room in %s while others got some %llu times", (int)p->pid, queue_names[FULL],
               (unsigned long long)(all - p->waited_all));
  }
}

void watch_waiters(void) {
  static int64_t next_ns;
  int64_t now_ns = plain_now_ns();
  if (now_ns < next_ns) return;
  next_ns = now_ns + LOOK_MS * MILLISECOND;
  for (unsigned i = 0; i < parts_count; i++)
    if (parts[i].role == WAITER) watch_waiter(&parts[i]);
}

bool waiters_all_served(void) {
  static uint64_t from;
  static struct {
    uint32_t life;
    uint64_t waited;
  } seen[PLAYERS_MAX];
  bool all = true;
  if (!atomic_load(&shared->fair)) {
    from = atomic_load(&shared->waited);
    atomic_store(&shared->fair, true);
  }
  for (unsigned i = 0; i < parts_count; i++) {
    const part *p = &parts[i];
    uint64_t waited = atomic_load(&life_of(p->life)->waited);
    if (p->role != WAITER) continue;
    if (seen[i].life != p->life) {
      seen[i].life = p->life;
      seen[i].waited = waited;
    }
    if (waited == seen[i].waited) all = false;
  }
  return all && atomic_load(&shared->waited) - from >= SERVED_ADDS;
}

bool waiters_shares(uint64_t *least, uint64_t *most) {
  bool found = false;
  for (unsigned i = 0; i < parts_count; i++) {
    const part *p = &parts[i];
    if (p->role != WAITER) continue;
    uint64_t waited = p->waited + atomic_load(&life_of(p->life)->waited);
    *least = !found || waited < *least ? waited : *least;
    *most = !found || waited > *most ? waited : *most;
    found = true;
  }
  return found;
}
