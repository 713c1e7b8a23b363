/*
 * Many processes share a queue: 1 to 16 producers and consumers in several mixtures.  No key is lost, none is in two
 * hands at a time, every key runs after its last add, and one consumer sees the keys of a priority in the order in
 * which they were added.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/plain.h"
#include "support/process.h"
#include "support/random.h"

#include "workq.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { KEYS = 64, PROCESSES_MAX = 16, ADDS = 4000, FIFO_KEYS = 3000, FIFO_BANDS = 3 };

/* What all processes of a mixture see of a key. */
typedef struct key_account {
  _Atomic uint32_t holder;  /* number of the process that has it in hand, 0 for nobody */
  _Atomic uint32_t version; /* raised before each add */
  _Atomic uint32_t seen;    /* version that the last finished run began with */
} key_account;

typedef struct account {
  key_account keys[KEYS];
  _Atomic uint64_t marked; /* adds that gave 1 */
  _Atomic uint64_t runs;   /* keys handed out */
  _Atomic uint64_t released;
} account;

/* How the processes of a mixture behave. */
typedef struct mixture {
  unsigned producers;
  unsigned consumers;
  bool scarce; /* room for a quarter of the keys: producers wait for it */
  bool varied; /* delays, priorities, batches, retries and releases, too */
  bool sleepy; /* consumers do not spin */
} mixture;

static account *shared;
static char name[64];

static workq *open_queue(const mixture *m) {
  workq_options options = {.flags = m->sleepy ? WORKQ_NO_SPIN : 0};
  workq *q;
  plain_ok(workq_open(name, &options, &q), "workq_open");
  return q;
}

/* ---- Producers ----------------------------------------------------------------------------------------------- */

static void count_marked(int result, const char *what) {
  if (plain_ok(result, what) > 0) atomic_fetch_add(&shared->marked, (uint64_t)result);
}

static void add_varied(workq *q, uint64_t *random, unsigned key) {
  workq_add_options options = {.priority = (int)random_below(random, 3),
                               .after_ns = random_chance(random, 30) ? (int64_t)random_below(random, 500000) : 0};
  workq_key keys[3];
  unsigned numbers[3] = {key, (unsigned)random_below(random, KEYS), (unsigned)random_below(random, KEYS)};
  for (int i = 0; i < 3; i++) keys[i] = (workq_key){&numbers[i], sizeof numbers[i]};
  if (random_chance(random, 20)) {
    atomic_fetch_add(&shared->keys[numbers[1]].version, 1);
    atomic_fetch_add(&shared->keys[numbers[2]].version, 1);
    int taken = plain_ok(workq_add_batch(q, keys, 3, &options, NULL), "workq_add_batch");
    if (taken != 3) plain_fail("workq_add_batch took %d of 3 keys", taken);
  } else if (random_chance(random, 20)) {
    plain_ok(workq_add_rate_limited(q, &key, sizeof key), "workq_add_rate_limited");
  } else {
    plain_ok(workq_add_opts(q, &key, sizeof key, &options), "workq_add_opts");
  }
}

static void produce(const mixture *m, uint64_t random) {
  workq *q = open_queue(m);
  unsigned adds = plain_scaled(ADDS);
  for (unsigned i = 0; i < adds; i++) {
    unsigned key = (unsigned)random_below(&random, KEYS);
    atomic_fetch_add(&shared->keys[key].version, 1);
    if (m->varied) {
      add_varied(q, &random, key);
    } else if (m->scarce) {
      count_marked(workq_add_wait(q, &key, sizeof key, WORKQ_FOREVER), "workq_add_wait");
    } else {
      count_marked(workq_add(q, &key, sizeof key), "workq_add");
    }
    if (random_chance(&random, 1)) sched_yield();
  }
  plain_ok(workq_close(q), "workq_close");
}

/* ---- Consumers ----------------------------------------------------------------------------------------------- */

typedef struct run {
  workq_item item;
  unsigned key;
  uint32_t version;
} run;

static void begin_run(run *r, uint32_t me) {
  if (r->item.key_len != sizeof r->key) plain_fail("a key of %zu bytes", r->item.key_len);
  memcpy(&r->key, r->item.key, sizeof r->key);
  if (r->key >= KEYS) plain_fail("a key that nobody added: %u", r->key);
  key_account *k = &shared->keys[r->key];
  uint32_t other = atomic_exchange(&k->holder, me);
  if (other != 0) plain_fail("key %u is in two hands: %u and %u", r->key, other, me);
  r->version = atomic_load(&k->version);
  atomic_fetch_add(&shared->runs, 1);
}

static void end_run(const run *r, uint32_t me) {
  key_account *k = &shared->keys[r->key];
  atomic_store(&k->seen, r->version);
  uint32_t other = atomic_exchange(&k->holder, 0);
  if (other != me) plain_fail("key %u was taken away by %u from %u", r->key, other, me);
}

static void finish(workq *q, uint64_t *random, const mixture *m, run *runs, size_t n, uint32_t me) {
  workq_item items[4];
  for (size_t i = 0; i < n; i++) {
    end_run(&runs[i], me);
    items[i] = runs[i].item;
  }
  if (n > 1 && random_chance(random, 50)) {
    int done = plain_ok(workq_done_batch(q, items, n), "workq_done_batch");
    if (done != (int)n) plain_fail("workq_done_batch finished %d of %zu", done, n);
    return;
  }
  for (size_t i = 0; i < n; i++) {
    uint64_t choice = m->varied ? random_below(random, 10) : 9;
    if (choice == 0) {
      plain_ok(workq_retry(q, &items[i]), "workq_retry");
    } else if (choice == 1) {
      plain_ok(workq_release(q, &items[i]), "workq_release");
    } else if (choice == 2) {
      plain_ok(workq_complete(q, &items[i]), "workq_complete");
    } else if (choice == 3) {
      plain_ok(workq_done_key(q, &runs[i].key, sizeof runs[i].key), "workq_done_key");
    } else {
      plain_ok(workq_done(q, &items[i]), "workq_done");
    }
  }
}

/* Takes keys and works on them; returns what get said. */
static int work_once(workq *q, uint64_t *random, const mixture *m, uint32_t me, int64_t timeout_ns) {
  run runs[4];
  workq_item items[4];
  int got = 1;
  if (m->varied && random_chance(random, 30)) {
    got = workq_get_batch(q, items, 1 + random_below(random, 4), timeout_ns);
  } else {
    int result = workq_get(q, &items[0], timeout_ns);
    if (result < 0) got = result;
  }
  if (got < 0) return got;
  for (int i = 0; i < got; i++) {
    runs[i].item = items[i];
    begin_run(&runs[i], me);
  }
  if (random_chance(random, 10)) sched_yield();
  finish(q, random, m, runs, (size_t)got, me);
  return got;
}

static void consume(const mixture *m, uint64_t random, uint32_t me) {
  workq *q = open_queue(m);
  int result;
  do result = work_once(q, &random, m, me, WORKQ_FOREVER);
  while (result > 0);
  if (result != -ESHUTDOWN) plain_fail("workq_get: %s", workq_strerror(result));
  plain_ok(workq_close(q), "workq_close");
}

/* ---- A mixture ----------------------------------------------------------------------------------------------- */

static workq *create_queue(const mixture *m) {
  workq_options options = {.capacity = m->scarce ? KEYS / 4 : 2 * KEYS,
                           .key_max = 8,
                           .handles = PROCESSES_MAX + 1,
                           .limiter = {.kinds = WORKQ_LIMIT_EXPONENTIAL, .exp_initial_ns = 1000, .exp_max_ns = 200000}};
  workq *q;
  plain_ok(workq_create(name, &options, &q), "workq_create");
  return q;
}

/* Nothing is added any more: works beside the others until nothing is left, delayed runs with it. */
static void drain(workq *q, const mixture *m, uint64_t random) {
  for (;;) {
    workq_stats_data stats;
    plain_ok(workq_stats(q, &stats), "workq_stats");
    if (stats.ready + stats.processing + stats.delayed == 0) break;
    int result = work_once(q, &random, m, PROCESSES_MAX + 1, 1000000);
    if (result < 0 && result != -ETIMEDOUT) plain_fail("workq_get: %s", workq_strerror(result));
  }
  plain_ok(workq_shutdown_drain(q, WORKQ_FOREVER), "workq_shutdown_drain");
}

static void verify(workq *q, const mixture *m) {
  for (unsigned i = 0; i < KEYS; i++) {
    const key_account *k = &shared->keys[i];
    if (k->seen != k->version) plain_fail("key %u ran last for add %u of %u", i, k->seen, k->version);
    if (k->holder != 0) plain_fail("key %u is still in the hands of %u", i, k->holder);
  }
  plain_check(q, "after a mixture");
  workq_stats_data stats;
  plain_ok(workq_stats(q, &stats), "workq_stats");
  if (stats.keys != stats.idle) plain_fail("%u keys are left, %u of them idle", stats.keys, stats.idle);
  if (stats.attached != 1) plain_fail("%u handles are left", stats.attached);
  if (stats.gets != shared->runs)
    plain_fail("%llu gets counted, %llu seen", (unsigned long long)stats.gets, (unsigned long long)shared->runs);
  if (m->varied) return;
  if (stats.adds != shared->marked)
    plain_fail("%llu adds counted, %llu seen", (unsigned long long)stats.adds, (unsigned long long)shared->marked);
  if (stats.gets != stats.adds)
    plain_fail("%llu keys marked, %llu handed out", (unsigned long long)stats.adds, (unsigned long long)stats.gets);
}

static void try_mixture(const mixture *m, uint64_t random) {
  memset(shared, 0, sizeof *shared);
  workq *q = create_queue(m);
  pid_t pids[PROCESSES_MAX];
  unsigned n = 0;
  for (unsigned i = 0; i < m->consumers + m->producers; i++) {
    uint64_t seed = random_next(&random);
    pid_t pid = process_fork();
    if (pid == 0) {
      if (i < m->consumers) {
        consume(m, seed, i + 1);
      } else {
        produce(m, seed);
      }
      _exit(PLAIN_PASS);
    }
    pids[n++] = pid;
  }
  for (unsigned i = m->consumers; i < n; i++) process_wait_pass(pids[i], "producer");
  drain(q, m, random_next(&random));
  for (unsigned i = 0; i < m->consumers; i++) process_wait_pass(pids[i], "consumer");
  verify(q, m);
  plain_ok(workq_close(q), "workq_close");
  plain_ok(workq_unlink(name), "workq_unlink");
}

/* ---- Order --------------------------------------------------------------------------------------------------- */

/* A key that is added once: who added it, and its number in that producer's band. */
typedef struct fifo_key {
  uint16_t producer;
  uint16_t band;
  uint32_t number;
} fifo_key;

static void produce_in_order(unsigned producer, uint64_t random) {
  workq *q = open_queue(&(mixture){0});
  uint32_t next[FIFO_BANDS] = {0};
  unsigned keys = plain_scaled(FIFO_KEYS);
  for (unsigned i = 0; i < keys; i++) {
    unsigned band = (unsigned)random_below(&random, FIFO_BANDS);
    fifo_key key = {.producer = (uint16_t)producer, .band = (uint16_t)band, .number = next[band]++};
    workq_add_options options = {.priority = (int)band - 1};
    int result = plain_ok(workq_add_opts(q, &key, sizeof key, &options), "workq_add_opts");
    if (result != 1) plain_fail("a new key was coalesced");
  }
  plain_ok(workq_close(q), "workq_close");
}

static void consume_in_order(workq *q, unsigned producers) {
  uint32_t next[PROCESSES_MAX][FIFO_BANDS] = {0};
  unsigned wanted = producers * plain_scaled(FIFO_KEYS);
  for (unsigned i = 0; i < wanted; i++) {
    workq_item item;
    fifo_key key;
    plain_ok(workq_get(q, &item, WORKQ_FOREVER), "workq_get");
    if (item.key_len != sizeof key) plain_fail("a key of %zu bytes", item.key_len);
    memcpy(&key, item.key, sizeof key);
    if (key.producer >= producers || key.band >= FIFO_BANDS) plain_fail("a key that nobody added");
    if (item.priority != key.band - 1) plain_fail("priority %d instead of %d", item.priority, key.band - 1);
    uint32_t expected = next[key.producer][key.band]++;
    if (key.number != expected)
      plain_fail("producer %u, priority %d: key %u came instead of %u", key.producer, item.priority, key.number,
                 expected);
    plain_ok(workq_done(q, &item), "workq_done");
  }
}

static void try_order(unsigned producers, uint64_t random) {
  workq_options options = {.key_max = sizeof(fifo_key), .handles = PROCESSES_MAX + 1};
  workq *q;
  plain_ok(workq_create(name, &options, &q), "workq_create");
  pid_t pids[PROCESSES_MAX];
  for (unsigned i = 0; i < producers; i++) {
    uint64_t seed = random_next(&random);
    pids[i] = process_fork();
    if (pids[i] == 0) {
      produce_in_order(i, seed);
      _exit(PLAIN_PASS);
    }
  }
  consume_in_order(q, producers);
  for (unsigned i = 0; i < producers; i++) process_wait_pass(pids[i], "producer");
  if (plain_ok(workq_len(q), "workq_len") != 0) plain_fail("keys are left");
  plain_check(q, "after an ordered run");
  plain_ok(workq_close(q), "workq_close");
  plain_ok(workq_unlink(name), "workq_unlink");
}

int main(int argc, char **argv) {
  uint64_t random = plain_begin(&argc, argv);
  static const struct {
    unsigned producers, consumers;
  } sizes[] = {{1, 1}, {1, 4}, {4, 1}, {2, 2}, {3, 13}, {13, 3}, {8, 8}, {1, 15}, {15, 1}};
  plain_own(name, sizeof name, "many");
  plain_watchdog(plain_scaled(300) + 900, name);
  shared = process_share(sizeof *shared);
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    for (unsigned kind = 0; kind < 4; kind++) {
      mixture m = {.producers = sizes[i].producers,
                   .consumers = sizes[i].consumers,
                   .scarce = kind == 1,
                   .varied = kind == 2,
                   .sleepy = kind == 3};
      try_mixture(&m, random_next(&random));
    }
  }
  static const unsigned producers[] = {1, 2, 5, 15};
  for (size_t i = 0; i < sizeof producers / sizeof producers[0]; i++) try_order(producers[i], random_next(&random));
  printf("all mixtures: nothing lost, nothing in two hands, in order\n");
  return PLAIN_PASS;
}
