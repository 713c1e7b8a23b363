/*
 * What raw_loads.sh looks at under valgrind's lackey: each function of a WORKQ_RAW handle on a small queue that has keys in all
 * states and does not change; then calls of an ordinary handle that give up because another thread has the lock, so that
 * all they load is loaded without it.
 *
 * Before it begins, it says in lines of words where everything is, addresses being hexadecimal:
 *
 *   anchor ADDRESS              of main()
 *   region ADDRESS SIZE NAME    a part of the mapping
 *   call ADDRESS NAME           a byte that is loaded just before the call; the last is named "end"
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/plain.h"

#include "shm/handle.h"
#include "shm/lock.h"
#include "workq.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

enum { CAPACITY = 24, KEY_MAX = 48, HANDLES = 4 };

static char name[WORKQ_NAME_MAX + 1];
static workq *raw;     /* the reader */
static workq *refused; /* whose calls find the lock taken */
static FILE *nowhere;
static int64_t now_ns = NS_PER_S;

static int64_t read_now(void *arg) {
  (void)arg;
  return now_ns;
}

/* ---- The queue ---- */

static void add(workq *q, const char *key, int priority, int64_t after_ns) {
  workq_add_options options = {.priority = priority, .after_ns = after_ns};
  plain_ok(workq_add_opts(q, key, strlen(key), &options), "add");
}

static void get(workq *q, const char *key, workq_item *item) {
  add(q, key, 100, 0);
  plain_ok(workq_get(q, item, 0), "get");
}

/* Two or three keys in each state, and records that were used and are free. */
static void fill(workq *q) {
  workq_item item[3];
  const char *const gone[] = {"gone/one", "gone/two"}, *const idle[] = {"idle/one", "idle/two"};
  const char *const buried[] = {"buried/one", "buried/two"}, *const in_hand[] = {"hand/one", "hand/two", "hand/dirty"};
  for (int i = 0; i < 3; i++) get(q, in_hand[i], &item[i]);
  add(q, in_hand[2], 7, 0);
  for (int i = 0; i < 2; i++) {
    workq_item taken;
    get(q, buried[i], &taken);
    plain_ok(workq_give_up(q, &taken), "give up");
    get(q, idle[i], &taken);
    plain_ok(workq_retry(q, &taken), "retry");
    plain_ok(workq_get(q, &taken, 0), "get");
    plain_ok(workq_done(q, &taken), "done");
  }
  for (int i = 0; i < 2; i++) {
    workq_item taken;
    get(q, gone[i], &taken);
    plain_ok(workq_complete(q, &taken), "complete");
  }
  add(q, "ready/low", -3, 0);
  add(q, "ready/one", 0, 0);
  add(q, "ready/two, a key of more than a few bytes", 0, 0);
  for (int i = 0; i < 6; i++) {
    char key[16];
    snprintf(key, sizeof key, "delayed/%d", i);
    add(q, key, 0, (10 - i) * NS_PER_S);
  }
}

/* ---- The calls ---- */

static int visit_info(void *arg, const workq_info *info) {
  unsigned *count = arg;
  ++*count;
  (void)info;
  return 0;
}

static int visit_worker(void *arg, const workq_worker *worker) {
  (void)arg;
  (void)worker;
  return 0;
}

static void show(void *arg, const char *line) {
  (void)arg;
  plain_fail("a sound queue is blamed: %s", line);
}

static void call_len(void) {
  plain_ok(workq_len(raw), "workq_len");
}
static void call_stats(void) {
  workq_stats_data stats;
  plain_ok(workq_stats(raw, &stats), "workq_stats");
}
static void call_measure(void) {
  workq_measures measures;
  plain_ok(workq_measure(raw, &measures), "workq_measure");
}
static void call_metrics(void) {
  plain_ok(workq_metrics(raw, nowhere), "workq_metrics");
}
static void call_iterate(void) {
  unsigned count = 0;
  plain_ok(workq_iterate(raw, visit_info, &count), "workq_iterate");
}
static void call_order(void) {
  unsigned count = 0;
  plain_ok(workq_iterate_order(raw, visit_info, &count), "workq_iterate_order");
}
static void iterate_state(int state) {
  unsigned count = 0;
  plain_ok(workq_iterate_state(raw, state, visit_info, &count), "workq_iterate_state");
  if (count < 2) plain_fail("%u keys in state %d", count, state);
}
static void call_ready(void) {
  iterate_state(WORKQ_STATE_READY);
}
static void call_processing(void) {
  iterate_state(WORKQ_STATE_PROCESSING);
}
static void call_delayed(void) {
  iterate_state(WORKQ_STATE_DELAYED);
}
static void call_buried(void) {
  iterate_state(WORKQ_STATE_BURIED);
}
static void call_idle(void) {
  iterate_state(WORKQ_STATE_IDLE);
}
static void call_workers(void) {
  plain_ok(workq_iterate_workers(raw, visit_worker, NULL), "workq_iterate_workers");
}
static void call_check(void) {
  plain_ok(workq_check(raw, show, NULL), "workq_check");
}
static void call_dump(void) {
  plain_ok(workq_dump(raw, nowhere), "workq_dump");
}
static void call_snapshot(void) {
  workq *copy;
  plain_ok(workq_snapshot(raw, &copy), "workq_snapshot");
  plain_ok(workq_close(copy), "workq_close");
}
static void call_limiter(void) {
  workq_limiter limiter;
  plain_ok(workq_get_limiter(raw, &limiter), "workq_get_limiter");
}
static void call_owner(void) {
  plain_ok(workq_lock_owner(raw), "workq_lock_owner");
}

static void refuse(int result) {
  if (result != -ETIMEDOUT) plain_fail("a call got the lock: %d", result);
}
static void call_add(void) {
  refuse(workq_add(refused, "added", 5));
}
static void call_add_batch(void) {
  workq_key key = {"one", 3};
  refuse(workq_add_batch(refused, &key, 1, NULL, NULL));
}
static void call_get(void) {
  workq_item item;
  refuse(workq_get(refused, &item, 0));
}
static void call_forget(void) {
  refuse(workq_forget(refused, "idle/one", 8));
}
static void call_refused_workers(void) {
  refuse(workq_iterate_workers(refused, visit_worker, NULL));
}
static void call_refused_stats(void) {
  workq_stats_data stats;
  refuse(workq_stats(refused, &stats));
}

static const struct {
  const char *name;
  void (*run)(void);
} calls[] = {{"workq_len", call_len},
             {"workq_stats", call_stats},
             {"workq_measure", call_measure},
             {"workq_metrics", call_metrics},
             {"workq_iterate", call_iterate},
             {"workq_iterate_order", call_order},
             {"workq_iterate_state/ready", call_ready},
             {"workq_iterate_state/processing", call_processing},
             {"workq_iterate_state/delayed", call_delayed},
             {"workq_iterate_state/buried", call_buried},
             {"workq_iterate_state/idle", call_idle},
             {"workq_iterate_workers", call_workers},
             {"workq_check", call_check},
             {"workq_dump", call_dump},
             {"workq_snapshot", call_snapshot},
             {"workq_get_limiter", call_limiter},
             {"workq_lock_owner", call_owner},
             {"refused/add", call_add},
             {"refused/add_batch", call_add_batch},
             {"refused/get", call_get},
             {"refused/forget", call_forget},
             {"refused/iterate_workers", call_refused_workers},
             {"refused/stats", call_refused_stats},
             {"end", NULL}};

enum { CALLS = sizeof calls / sizeof calls[0] };
static volatile unsigned char marks[CALLS];

/* ---- Where everything is ---- */

static void region(const void *from, size_t size, const char *what) {
  printf("region %lx %zu %s\n", (unsigned long)(uintptr_t)from, size, what);
}

#define LINE_OF(part, what) region(&(part), sizeof(part), what)

static void say_slots(const workq *q) {
  for (uint32_t i = 0; i < HANDLES; i++) {
    const struct slot *slot = &q->slots[i];
    LINE_OF(slot->life, "life");
    LINE_OF(slot->attachment, "who");
    LINE_OF(slot->own, "own");
    LINE_OF(slot->wait, "wait");
    LINE_OF(slot->rare, "rare");
    LINE_OF(slot->futex, "futex");
    LINE_OF(slot->journal, "journal");
  }
}

static void say_regions(const workq *q) {
  const struct control *control = q->control;
  LINE_OF(control->lock, "lock");
  LINE_OF(control->hot, "hot");
  LINE_OF(control->cold, "cold");
  LINE_OF(control->wait, "waiters");
  LINE_OF(control->totals, "totals");
  LINE_OF(control->measured, "measures");
  LINE_OF(control->exported, "shown");
  LINE_OF(control->reap, "reap");
  LINE_OF(control->bands, "bands");
  region(q->mutexes, LOCK_MUTEXES * sizeof *q->mutexes, "mutexes");
  say_slots(q);
  region(q->measures, HANDLES * sizeof *q->measures, "measures");
  region(q->table, q->geometry.buckets_max * sizeof *q->table, "table");
  region(q->heap, q->geometry.heap_max * sizeof *q->heap, "heap");
  for (uint32_t i = 0; i < q->geometry.items_max; i++) {
    const unsigned char *record = q->items + (size_t)i * q->geometry.item_size;
    region(record, sizeof(struct item), "item");
    region(record + sizeof(struct item), q->geometry.item_size - sizeof(struct item), "key");
  }
}

int main(int argc, char **argv);

static void say_places(void) {
  printf("anchor %lx\n", (unsigned long)(uintptr_t)&main);
  say_regions(raw);
  say_regions(refused);
  for (size_t i = 0; i < CALLS; i++) printf("call %lx %s\n", (unsigned long)(uintptr_t)&marks[i], calls[i].name);
  fflush(stdout);
}

/* ---- The lock is taken ---- */

static sem_t held, enough;

static void *hold_lock(void *arg) {
  workq *q;
  plain_ok(workq_open(name, NULL, &q), "workq_open");
  plain_ok(lock_acquire(q, CLOCK_NEVER), "lock_acquire");
  sem_post(&held);
  while (sem_wait(&enough) != 0) continue;
  lock_release(q);
  plain_ok(workq_close(q), "workq_close");
  return arg;
}

static void run_from(size_t first, const char *prefix) {
  size_t i = first;
  for (; calls[i].run && strncmp(calls[i].name, prefix, strlen(prefix)) == 0; i++) {
    (void)marks[i];
    calls[i].run();
  }
}

static size_t first_refused(void) {
  size_t i = 0;
  while (strncmp(calls[i].name, "refused/", 8) != 0) i++;
  return i;
}

static void run_refused(void) {
  pthread_t holder;
  sem_init(&held, 0, 0);
  sem_init(&enough, 0, 0);
  if (pthread_create(&holder, NULL, hold_lock, NULL) != 0) plain_fail("no thread");
  while (sem_wait(&held) != 0) continue;
  run_from(first_refused(), "refused/");
  (void)marks[CALLS - 1];
  sem_post(&enough);
  pthread_join(holder, NULL);
}

int main(int argc, char **argv) {
  (void)argc;
  (void)argv;
  workq_options options = {.capacity = CAPACITY, .key_max = KEY_MAX, .handles = HANDLES, .clock = read_now};
  workq_options reading = {.flags = WORKQ_RAW, .clock = read_now};
  workq_options hurried = {.flags = WORKQ_NO_SPIN, .lock_timeout_ns = 1};
  workq *q;
  options.limiter = (workq_limiter){.kinds = WORKQ_LIMIT_NONE};
  nowhere = fopen("/dev/null", "w");
  if (!nowhere) plain_fail("/dev/null");
  plain_own(name, sizeof name, "rawloads");
  plain_ok(workq_create(name, &options, &q), "workq_create");
  fill(q);
  plain_ok(workq_open(name, &reading, &raw), "workq_open");
  plain_ok(workq_open(name, &hurried, &refused), "workq_open");
  say_places();
  /* The second time everything is known to have memory; the first time it is found out. */
  for (int times = 0; times < 2; times++) run_from(0, "workq_");
  (void)marks[CALLS - 1];
  run_refused();
  plain_ok(workq_close(raw), "workq_close");
  plain_ok(workq_close(refused), "workq_close");
  plain_ok(workq_close(q), "workq_close");
  return PLAIN_PASS;
}
