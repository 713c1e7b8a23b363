/*
 * Death at any moment: workers, producers, processes that are just attaching and processes that are just creating are
 * killed with SIGKILL while the others go on.  Afterwards the checker finds nothing, every key has run since its last
 * add, no key was ever in two hands, no slot has leaked, and nothing is stuck.
 *
 * The rhythm of the kills is random, and that is all that sleeping is used for here.  A test in which nobody died
 * with the lock held, or with keys in hand, would prove little; so it goes on until both have happened.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/plain.h"
#include "support/process.h"
#include "support/random.h"

#include "workq.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum role { WORKER, PRODUCER, ATTACHER, CREATOR };

static const enum role cast[] = {WORKER, WORKER, WORKER, WORKER, PRODUCER, PRODUCER, ATTACHER, CREATOR, CREATOR};

enum {
  KEYS = 48,
  BATCH = 16,
  CAST = sizeof cast / sizeof cast[0],
  HANDLES = CAST + 2, /* so few that an attach must often find a dead one's slot */
  CAPACITY = 20000,
  SCARCE = 6,
  NOISE_MAX = 3000, /* keys that only make the queue grow */
  LIVES_MAX = 1 << 16,
  KILLS = 600, /* at scale 100 */
  ROUND_KILLS = 60,
  MORE_KILLS_MAX = 6000 /* until somebody has died in the lock */
};

static const char *const role_names[] = {"worker", "producer", "attacher", "creator"};

/* What everybody sees of a key.  A life is one process's: its number is never used again. */
typedef struct key_account {
  _Atomic uint32_t holder;  /* life that has it in hand, 0 for nobody */
  _Atomic uint32_t version; /* raised before each add */
  _Atomic uint32_t added;   /* highest version whose add has returned */
  _Atomic uint32_t seen;    /* version that the last run began with */
} key_account;

typedef struct account {
  key_account keys[KEYS];
  _Atomic bool stop;              /* all but the workers end */
  _Atomic bool doomed[LIVES_MAX]; /* set before the life is killed */
} account;

typedef struct player {
  enum role role;
  pid_t pid;
  uint32_t life;
} player;

static account *shared;
static char name[64];
static char other_name[64]; /* of the creators */
static uint32_t last_life;
static bool scarce; /* the queue has room for few of the keys: adds wait, and push idle records out */

static workq_options queue_options(void) {
  return (workq_options){.capacity = scarce ? SCARCE : CAPACITY,
                         .key_max = 16,
                         .handles = HANDLES,
                         .max_crashes = WORKQ_NEVER,
                         .reap_interval_ns = 2000000,
                         .limiter = {.kinds = WORKQ_LIMIT_EXPONENTIAL, .exp_initial_ns = 10000, .exp_max_ns = 1000000}};
}

/* ---- Workers ------------------------------------------------------------------------------------------------- */

typedef struct run {
  workq_item item;
  uint32_t key; /* >= KEYS: noise */
  uint32_t version;
} run;

/* Another's claim counts only while it may still act on it. */
static void begin_run(run *r, uint32_t life) {
  memcpy(&r->key, r->item.key, sizeof r->key);
  if (r->key >= KEYS) return;
  key_account *k = &shared->keys[r->key];
  uint32_t other = atomic_exchange(&k->holder, life);
  if (other != 0 && !atomic_load(&shared->doomed[other]))
    plain_fail("key %u is in two hands: %u and %u", r->key, other, life);
  r->version = atomic_load(&k->version);
}

/* Also those who are to be killed find out here that a key was taken from them while they lived. */
static void end_run(const run *r, uint32_t life) {
  if (r->key >= KEYS) return;
  key_account *k = &shared->keys[r->key];
  atomic_store(&k->seen, r->version);
  uint32_t other = atomic_exchange(&k->holder, 0);
  if (other != life) plain_fail("key %u was given to %u while %u had it", r->key, other, life);
}

static void finish_one(workq *q, uint64_t *random, const run *r) {
  switch (r->key < KEYS ? random_below(random, 10) : 9) {
  case 0:
    plain_ok(workq_retry(q, &r->item), "workq_retry");
    break;
  case 1:
    plain_ok(workq_release(q, &r->item), "workq_release");
    break;
  case 2:
  case 3:
    plain_ok(workq_done(q, &r->item), "workq_done");
    break;
  case 4:
    plain_ok(workq_done_key(q, &r->key, sizeof r->key), "workq_done_key");
    break;
  default:
    plain_ok(workq_complete(q, &r->item), "workq_complete");
  }
}

/* Returns what get said. */
static int work_once(workq *q, uint64_t *random, uint32_t life, int64_t timeout_ns) {
  workq_item items[BATCH];
  run runs[BATCH];
  int got;
  if (random_chance(random, 50)) {
    got = workq_get_batch(q, items, 1 + random_below(random, BATCH), timeout_ns);
  } else {
    got = workq_get(q, &items[0], timeout_ns);
    if (got == 0) got = 1;
  }
  for (int i = 0; i < got; i++) {
    runs[i].item = items[i];
    begin_run(&runs[i], life);
  }
  if (random_chance(random, 20)) sched_yield();
  for (int i = 0; i < got; i++) end_run(&runs[i], life);
  if (got > 1 && random_chance(random, 60)) {
    int done = plain_ok(workq_done_batch(q, items, (size_t)got), "workq_done_batch");
    if (done != got) plain_fail("workq_done_batch finished %d of %d", done, got);
  } else {
    for (int i = 0; i < got; i++) finish_one(q, random, &runs[i]);
  }
  return got;
}

static void work(workq *q, uint64_t random, uint32_t life) {
  int result;
  do result = work_once(q, &random, life, WORKQ_FOREVER);
  while (result > 0);
  if (result != -ESHUTDOWN) plain_fail("workq_get: %s", workq_strerror(result));
}

/* ---- The others ---------------------------------------------------------------------------------------------- */

static uint32_t before_add(uint32_t key) {
  return atomic_fetch_add(&shared->keys[key].version, 1) + 1;
}

static void after_add(uint32_t key, uint32_t version) {
  _Atomic uint32_t *added = &shared->keys[key].added;
  uint32_t known = atomic_load(added);
  while (known < version && !atomic_compare_exchange_weak(added, &known, version)) continue;
}

/* A batch is nearly all of its time inside the lock, which is where death is to be met. */
static void add_many(workq *q, uint64_t *random) {
  workq_add_options options = {.priority = (int)random_below(random, 3),
                               .after_ns = random_chance(random, 30) ? (int64_t)random_below(random, 500000) : 0};
  uint32_t keys[BATCH];
  uint32_t versions[BATCH];
  workq_key batch[BATCH];
  for (int i = 0; i < BATCH; i++) {
    keys[i] = (uint32_t)random_below(random, KEYS);
    versions[i] = before_add(keys[i]);
    batch[i] = (workq_key){&keys[i], sizeof keys[i]};
  }
  int taken = plain_ok(workq_add_batch(q, batch, BATCH, &options, NULL), "workq_add_batch");
  if (taken != BATCH) plain_fail("workq_add_batch took %d of %d keys", taken, BATCH);
  for (int i = 0; i < BATCH; i++) after_add(keys[i], versions[i]);
}

/* Many keys that are added once, so that memory, table and heap grow while others die. */
static void add_noise(workq *q, uint64_t *random) {
  if (scarce || plain_ok(workq_len(q), "workq_len") > NOISE_MAX) return;
  for (int i = 0; i < 300; i++) {
    uint32_t key[2] = {KEYS + (uint32_t)random_below(random, UINT32_MAX - KEYS), 0};
    int64_t delay_ns = random_chance(random, 20) ? (int64_t)random_below(random, 3000000) : 0;
    plain_ok(workq_add_after(q, key, sizeof key, delay_ns), "workq_add_after");
  }
}

/*
 * Comes and goes of keys that nobody keeps account of: what changes the most lines of the segment, and so where a death
 * leaves the most to be undone.
 */
static void churn(workq *q, uint64_t *random) {
  uint32_t keys[BATCH][2];
  workq_key batch[BATCH];
  for (int i = 0; i < BATCH; i++) {
    keys[i][0] = KEYS + (uint32_t)random_below(random, UINT32_MAX - KEYS);
    keys[i][1] = 0;
    batch[i] = (workq_key){keys[i], sizeof keys[i]};
  }
  workq_add_options options = {.after_ns = random_chance(random, 50) ? 1000000 : 0};
  int taken = plain_ok(workq_add_batch(q, batch, BATCH, &options, NULL), "workq_add_batch");
  if (taken != BATCH) plain_fail("workq_add_batch took %d of %d keys", taken, BATCH);
  for (int i = 0; i < BATCH; i++) plain_ok(workq_remove(q, keys[i], sizeof keys[i]), "workq_remove");
}

static void add_one(workq *q, uint64_t *random) {
  uint32_t key = (uint32_t)random_below(random, KEYS);
  uint32_t version = before_add(key);
  workq_add_options options = {.priority = (int)random_below(random, 3),
                               .rate_limited = random_chance(random, 10),
                               .after_ns = random_chance(random, 30) ? (int64_t)random_below(random, 500000) : 0,
                               .wait_ns = scarce ? WORKQ_FOREVER : 0};
  if (random_chance(random, 30)) {
    plain_ok(workq_add_opts(q, &key, sizeof key, &options), "workq_add_opts");
  } else if (scarce) {
    plain_ok(workq_add_wait(q, &key, sizeof key, WORKQ_FOREVER), "workq_add_wait");
  } else if (random_chance(random, 20)) {
    plain_ok(workq_add_rate_limited(q, &key, sizeof key), "workq_add_rate_limited");
  } else {
    plain_ok(workq_add(q, &key, sizeof key), "workq_add");
  }
  after_add(key, version);
  if (random_chance(random, 10)) plain_ok(workq_forget(q, &key, sizeof key), "workq_forget");
}

static void produce(workq *q, uint64_t random) {
  while (!atomic_load(&shared->stop)) {
    if (!scarce && random_chance(&random, 30)) {
      add_many(q, &random);
      for (int i = 0; i < 4; i++) churn(q, &random);
    } else {
      add_one(q, &random);
    }
  }
}

static int count_worker(void *arg, const workq_worker *worker) {
  *(unsigned *)arg += worker->self;
  return 0;
}

static void attach_and_detach(uint64_t random) {
  while (!atomic_load(&shared->stop)) {
    workq *q;
    plain_ok(workq_open(name, NULL, &q), "workq_open");
    unsigned selves = 0;
    plain_ok(workq_iterate_workers(q, count_worker, &selves), "workq_iterate_workers");
    if (selves != 1) plain_fail("a handle finds itself %u times", selves);
    if (random_chance(&random, 20)) add_noise(q, &random);
    plain_ok(workq_close(q), "workq_close");
  }
}

/* Two of these share a name: whatever they meet under it must be whole. */
static void create_and_unlink(uint64_t random) {
  workq_options options = {.capacity = 64, .key_max = 16, .handles = 4};
  while (!atomic_load(&shared->stop)) {
    workq *q;
    int result = workq_create(other_name, &options, &q);
    if (result == -EEXIST) result = workq_open(other_name, &options, &q);
    if (result == -ENOENT) continue;
    plain_ok(result, "workq_create or workq_open");
    uint32_t key = (uint32_t)random_below(&random, 64);
    result = workq_add(q, &key, sizeof key);
    if (result < 0) plain_fail("workq_add to a new queue: %s", workq_strerror(result));
    plain_check(q, "a new queue");
    if (random_chance(&random, 70)) {
      result = workq_unlink(other_name);
      if (result < 0 && result != -ENOENT) plain_fail("workq_unlink: %s", workq_strerror(result));
    }
    plain_ok(workq_close(q), "workq_close");
  }
}

/* ---- The play ------------------------------------------------------------------------------------------------ */

static void play(const player *p, workq *copy, uint64_t random) {
  /* Attaching and creating is all system calls: without this they would leave little time to those who use the lock. */
  if ((p->role == ATTACHER || p->role == CREATOR) && nice(15) == -1) plain_fail("nice");
  if (p->role == ATTACHER) attach_and_detach(random);
  if (p->role == CREATOR) create_and_unlink(random);
  if (p->role == ATTACHER || p->role == CREATOR) _exit(PLAIN_PASS);
  workq *q = copy;
  if (random_chance(&random, 50)) plain_ok(workq_open(name, NULL, &q), "workq_open");
  if (p->role == WORKER) {
    work(q, random, p->life);
  } else {
    produce(q, random);
  }
  plain_ok(workq_close(q), "workq_close");
  _exit(PLAIN_PASS);
}

static void start(player *p, workq *q, uint64_t *random) {
  p->life = ++last_life;
  if (last_life >= LIVES_MAX) plain_fail("too many lives");
  uint64_t seed = random_next(random);
  p->pid = process_fork();
  if (p->pid == 0) play(p, q, seed);
}

static void let_live(uint64_t *random) {
  uint64_t rhythm = random_below(random, 10);
  if (rhythm == 0) return;
  int64_t ns = (int64_t)random_below(random, rhythm < 5 ? 300000 : 3000000);
  if (rhythm < 3) {
    for (int64_t until_ns = plain_now_ns() + ns; plain_now_ns() < until_ns;) continue;
  } else {
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
  }
}

static void expect_killed(const player *p) {
  int status = process_wait(p->pid);
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
    plain_fail("%s %d ended by itself, status 0x%x", role_names[p->role], (int)p->pid, (unsigned)status);
}

/* Kills 1 to 3 at a time, and lets others take their places.  Returns how many. */
static unsigned kill_some(player *players, workq *q, uint64_t *random) {
  unsigned n = random_chance(random, 80) ? 1 : 1 + (unsigned)random_below(random, 3);
  unsigned first = (unsigned)random_below(random, CAST);
  for (unsigned i = 0; i < n; i++) {
    player *p = &players[(first + i) % CAST];
    atomic_store(&shared->doomed[p->life], true);
    kill(p->pid, SIGKILL);
  }
  for (unsigned i = 0; i < n; i++) expect_killed(&players[(first + i) % CAST]);
  if (random_chance(random, 50)) plain_ok(workq_reap(q), "workq_reap");
  for (unsigned i = 0; i < n; i++) start(&players[(first + i) % CAST], q, random);
  return n;
}

/* ---- The end of a round -------------------------------------------------------------------------------------- */

/* The parent works, too, until nothing is left that would run. */
static void drain(workq *q, uint64_t *random, uint32_t life) {
  for (;;) {
    workq_stats_data stats;
    plain_ok(workq_stats(q, &stats), "workq_stats");
    if (stats.ready + stats.processing + stats.delayed == 0) return;
    int result = work_once(q, random, life, 1000000);
    if (result < 0 && result != -ETIMEDOUT) plain_fail("workq_get: %s", workq_strerror(result));
  }
}

/* A version that is higher than added belongs to a producer that died before its add. */
static void verify_keys(const char *when) {
  for (uint32_t i = 0; i < KEYS; i++) {
    const key_account *k = &shared->keys[i];
    if (k->seen < k->added) plain_fail("%s: key %u was added for %u, and ran last for %u", when, i, k->added, k->seen);
    if (k->holder != 0 && !shared->doomed[k->holder]) plain_fail("%s: key %u is still held by %u", when, i, k->holder);
  }
}

static void run_all_once_more(workq *q, uint64_t *random, uint32_t life) {
  for (uint32_t key = 0; key < KEYS; key++) {
    uint32_t version = before_add(key);
    plain_ok(workq_add_wait(q, &key, sizeof key, WORKQ_FOREVER), "workq_add_wait");
    after_add(key, version);
  }
  drain(q, random, life);
  verify_keys("in the end");
}

/* Adds the counters of the round to the sum. */
static void verify_queue(workq *q, workq_stats_data *sum) {
  plain_ok(workq_reap(q), "workq_reap");
  plain_check(q, "after the deaths");
  workq_stats_data stats;
  plain_ok(workq_stats(q, &stats), "workq_stats");
  if (stats.attached != 1) plain_fail("%u slots are in use instead of 1", stats.attached);
  if (stats.waiting != 0) plain_fail("%u sleepers are left", stats.waiting);
  if (stats.keys != stats.idle) plain_fail("%u keys are left, %u of them idle", stats.keys, stats.idle);
  sum->crashes += stats.crashes;
  sum->recoveries += stats.recoveries;
  sum->reaped += stats.reaped;
  sum->gets += stats.gets;
  sum->evictions += stats.evictions;
  sum->lock_losses += stats.lock_losses;
}

static unsigned play_round(unsigned kills, uint64_t *random, workq_stats_data *sum) {
  memset(shared, 0, sizeof *shared);
  last_life = 0;
  workq_options options = queue_options();
  workq *q;
  plain_ok(workq_create(name, &options, &q), "workq_create");
  uint32_t life = ++last_life;
  player players[CAST];
  for (unsigned i = 0; i < CAST; i++) {
    players[i].role = cast[i];
    start(&players[i], q, random);
  }
  unsigned killed = 0;
  while (killed < kills) {
    let_live(random);
    killed += kill_some(players, q, random);
  }
  atomic_store(&shared->stop, true);
  for (unsigned i = 0; i < CAST; i++)
    if (players[i].role != WORKER) process_wait_pass(players[i].pid, role_names[players[i].role]);
  drain(q, random, life);
  verify_keys("after the kills");
  run_all_once_more(q, random, life);
  plain_ok(workq_shutdown_drain(q, WORKQ_FOREVER), "workq_shutdown_drain");
  for (unsigned i = 0; i < CAST; i++)
    if (players[i].role == WORKER) process_wait_pass(players[i].pid, role_names[WORKER]);
  verify_queue(q, sum);
  plain_ok(workq_close(q), "workq_close");
  plain_ok(workq_unlink(name), "workq_unlink");
  return killed;
}

/* A creator that dies leaves a whole queue or nothing, and no file of another name either. */
static void verify_nothing_left(void) {
  workq *q;
  int result = workq_open(other_name, NULL, &q);
  if (result != -ENOENT) {
    plain_ok(result, "workq_open of what a dead creator left");
    plain_check(q, "what a dead creator left");
    plain_ok(workq_close(q), "workq_close");
    plain_ok(workq_unlink(other_name), "workq_unlink");
  }
  char pid_text[32];
  snprintf(pid_text, sizeof pid_text, "death-%d", (int)getpid());
  DIR *directory = opendir("/dev/shm");
  if (directory == NULL) plain_fail("/dev/shm: %s", strerror(errno));
  for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory))
    if (strstr(entry->d_name, pid_text) != NULL) plain_fail("/dev/shm/%s is left", entry->d_name);
  closedir(directory);
}

int main(int argc, char **argv) {
  uint64_t random = plain_begin(&argc, argv);
  plain_own(name, sizeof name, "death");
  plain_own(other_name, sizeof other_name, "death");
  plain_watchdog(plain_scaled(240) + 900, name);
  shared = process_share(sizeof *shared);
  workq_stats_data sum = {0};
  unsigned wanted = plain_scaled(KILLS);
  unsigned killed = 0;
  while (killed < wanted || sum.recoveries == 0 || sum.crashes == 0) {
    if (killed >= wanted + MORE_KILLS_MAX)
      plain_fail("after %u kills: %llu deaths in the lock, %llu keys in dead hands", killed,
                 (unsigned long long)sum.recoveries, (unsigned long long)sum.crashes);
    scarce = !scarce;
    killed += play_round(wanted < ROUND_KILLS ? wanted : ROUND_KILLS, &random, &sum);
  }
  verify_nothing_left();
  printf(
      "%u killed: %llu found dead, %llu of them in the lock; %llu keys put back, %llu locks given up, %llu idle keys "
      "evicted, %llu runs; nothing lost\n",
      killed, (unsigned long long)sum.reaped, (unsigned long long)sum.recoveries, (unsigned long long)sum.crashes,
      (unsigned long long)sum.lock_losses, (unsigned long long)sum.evictions, (unsigned long long)sum.gets);
  return PLAIN_PASS;
}
