/*
 * What an operation waits for at most while another process does something that takes long.
 *
 * Two processes, each on a processor of its own: one acts, the other is the witness, which works all the time.  Where that is
 * allowed, both run before all ordinary processes.  Where not, either may be ready to run while a stranger runs; the kernel
 * tells for how long, and that is taken off.  And the same is done once more with the witness at another queue, where nothing
 * but the machine can make it wait.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crew.h"
#include "preempt.h"
#include "queue.h"

const char *const bench_who = "workq";

enum { MILLION = 1000000, SMALL = 1000, GROWN = 200000, CYCLES = 200000, DEATHS = 20, REAPS = 5, IN_HAND = 1000 };

#define US 1e-3 /* ns */

/* What takes no longer was not preempted; but the actor may meanwhile have waited for processes that it has itself begun. */
#define SHORT_NS 100e3

#define HOUR_NS (3600 * INT64_C(1000000000))

/* ---- The actor and the witness ---- */

typedef void act(workq *q);

typedef struct scene {
  workq *q;     /* the act's */
  workq *other; /* the witness's: the same, or one that the act has nothing to do with */
  act *play;
  struct seen {
    _Atomic uint32_t over; /* the act is */
    _Atomic uint32_t left; /* the witness has */
    double longest_ns;
    double net_ns; /* the longest without the time that the witness or the actor was ready to run and did not */
    uint32_t operations;
  } * seen;
} scene;

/* The witness works all the time, and times each of its operations, between two readings of the scheduler. */
typedef struct witness {
  struct seen *seen;
  int self_fd, actor_fd;
  uint64_t queued_ns;
  double start_ns;
} witness;

static void begin(witness *w) {
  w->start_ns = bench_now_ns();
}

static void end(witness *w) {
  double took_ns = bench_now_ns() - w->start_ns;
  uint64_t queued_ns = preempt_read(w->self_fd).queued_ns + preempt_read(w->actor_fd).queued_ns;
  double net_ns = took_ns > SHORT_NS ? took_ns - (double)(queued_ns - w->queued_ns) : took_ns;
  if (took_ns > w->seen->longest_ns) w->seen->longest_ns = took_ns;
  if (net_ns > w->seen->net_ns) w->seen->net_ns = net_ns;
  w->seen->operations++;
  w->queued_ns = queued_ns;
}

/* Its own key comes first, however many there are.  If the actor processes it, it may be pending still: only what was newly marked
 * can be waited for. */
static void bear_witness(workq *q, witness *w) {
  static const workq_add_options first = {.priority = 127};
  workq_item item;
  while (!atomic_load(&w->seen->over)) {
    begin(w);
    int marked = bench_ok(workq_add_opts(q, "witness", 7, &first), "workq_add_opts");
    end(w);
    if (!marked) continue;
    begin(w);
    bench_ok(workq_get(q, &item, WORKQ_FOREVER), "workq_get");
    end(w);
    begin(w);
    bench_ok(workq_done(q, &item), "workq_done");
    end(w);
  }
}

/* 0 is the actor, 1 the witness. */
static void perform(bench_crew *crew, void *arg, unsigned number) {
  static const struct timespec moment = {.tv_nsec = 100000};
  const scene *s = arg;
  workq *q = number == 0 ? s->q : s->other;
  bench_on_cpu(number);
  preempt_all();
  bench_ok(workq_len(q), "workq_len");
  if (number == 0) {
    (void)bench_crew_ready(crew);
    s->play(q);
    atomic_store(&s->seen->over, 1);
    while (!atomic_load(&s->seen->left)) nanosleep(&moment, NULL); /* it still looks at this process */
    return;
  }
  witness w = {.seen = s->seen, .self_fd = preempt_open(getpid()), .actor_fd = preempt_open(bench_crew_pid(crew, 0))};
  (void)bench_crew_ready(crew);
  bear_witness(q, &w);
  atomic_store(&s->seen->left, 1);
}

static struct seen perform_before(workq *q, workq *other, act *play) {
  scene s = {.q = q, .other = other, .play = play, .seen = bench_share(sizeof *s.seen)};
  bench_crew_join(bench_crew_start(2, perform, &s));
  struct seen seen = *s.seen;
  munmap(s.seen, sizeof *s.seen);
  return seen;
}

/* ---- The acts ---- */

static void act_dump(workq *q) {
  FILE *out = fopen("/dev/null", "w");
  if (!out) bench_die("no /dev/null");
  bench_ok(workq_dump(q, out), "workq_dump");
  fclose(out);
}

static void act_snapshot(workq *q) {
  workq *copy;
  bench_ok(workq_snapshot(q, &copy), "workq_snapshot");
  workq_close(copy);
}

/* Records, buckets and heap grow. */
static void act_grow(workq *q) {
  const bench_key *keys = bench_keys(0, GROWN);
  for (size_t i = 0; i < GROWN; i++)
    if (workq_add_after(q, keys[i].text, keys[i].len, HOUR_NS) != 1) bench_die("an add failed");
}

/* Nothing that takes long: one operation after another. */
static void act_work(workq *q) {
  workq_item item;
  for (int i = 0; i < CYCLES; i++) {
    if (bench_ok(workq_add(q, "actor", 5), "workq_add") == 0) continue;
    bench_ok(workq_get(q, &item, WORKQ_FOREVER), "workq_get");
    bench_ok(workq_done(q, &item), "workq_done");
  }
}

/* Where nothing is delayed, workq_add_after() reads the clock in the middle of its transaction. */
static bool die_at_clock;

static int64_t deadly_clock(void *arg) {
  (void)arg;
  if (die_at_clock) raise(SIGKILL);
  return (int64_t)bench_now_ns();
}

static void die_inside(void *arg) {
  bench_ok(workq_len(arg), "workq_len");
  die_at_clock = true;
  bench_ok(workq_add_after(arg, "victim", 6, HOUR_NS), "workq_add_after");
}

static void die_with_keys(void *arg) {
  static workq_item items[IN_HAND];
  bench_ok(workq_get_batch(arg, items, IN_HAND, 0), "workq_get_batch");
  raise(SIGKILL);
}

static void let_die(void (*how)(void *arg), workq *q) {
  int status, pid = bench_fork(how, q);
  if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status)) bench_die("a process was to die and did not");
}

static void act_die(workq *q) {
  workq_stats_data stats;
  for (int i = 0; i < DEATHS; i++) let_die(die_inside, q);
  bench_ok(workq_stats(q, &stats), "workq_stats");
  if (stats.recoveries % DEATHS != 0) bench_die("%d recoveries after %d deaths", (int)stats.recoveries, DEATHS);
}

static void act_reap(workq *q) {
  for (int i = 0; i < REAPS; i++) {
    let_die(die_with_keys, q);
    bench_ok(workq_reap(q), "workq_reap");
  }
}

/* ---- Its cases ---- */

static workq *million_keys; /* for those that need so many */
static workq *apart;        /* for the witness that has nothing to do with the act */

static void *set_apart(void) {
  if (!apart) apart = bench_queue(0, NULL);
  return NULL;
}

static void *set_million(const bench_case *c) {
  (void)c;
  if (!million_keys) {
    million_keys = bench_queue(MILLION + SMALL, NULL);
    bench_fill(million_keys, MILLION);
  }
  return set_apart();
}

static void *set_new(const bench_case *c) {
  (void)c;
  return set_apart();
}

/* What is done, and to which queue: null for a new one, with this clock. */
typedef struct burden {
  act *play;
  workq **on;
  int64_t (*clock)(void *);
} burden;

static const burden burdens[] = {{act_dump, &million_keys, NULL}, {act_snapshot, &million_keys, NULL},
                                 {act_grow, NULL, NULL},          {act_die, NULL, deadly_clock},
                                 {act_reap, &million_keys, NULL}, {act_work, NULL, NULL}};

static struct seen run_once(const burden *b, bool is_apart) {
  const workq_options options = {.clock = b->clock};
  workq *q = b->on ? *b->on : bench_queue(GROWN + SMALL, &options);
  struct seen seen = perform_before(q, is_apart ? apart : q, b->play);
  if (!b->on) workq_close(q);
  return seen;
}

static double run_burden(const bench_case *c, void *state, double *extra) {
  (void)state;
  const burden *b = &burdens[c->size];
  struct seen shared = run_once(b, false), alone = run_once(b, true);
  extra[0] = shared.longest_ns * US;
  extra[1] = alone.net_ns * US;
  extra[2] = alone.longest_ns * US;
  return shared.net_ns * US;
}

static void strike(const bench_case *c, void *state) {
  (void)c;
  (void)state;
  workq_close(million_keys);
  workq_close(apart);
  million_keys = apart = NULL;
}

static const bench_extra extras[] = {
    {"with-preemption", NULL}, {"elsewhere", NULL}, {"elsewhere-with-preemption", NULL}, {0}};

const bench_case bench_cases[] = {
    {"latency/work",
     "us",
     "longest wait of an operation while another process works all the time",
     {0},
     5,
     set_new,
     run_burden,
     strike,
     extras},
    {"latency/dump", "us", "while a million keys are dumped", {0}, 0, set_million, run_burden, strike, extras},
    {"latency/snapshot", "us", "while a million keys are copied", {0}, 1, set_million, run_burden, strike, extras},
    {"latency/growth", "us", "while records, table and heap grow", {0}, 2, set_new, run_burden, strike, extras},
    {"latency/recovery", "us", "while others die inside the lock", {0}, 3, set_new, run_burden, strike, extras},
    {"latency/reap",
     "us",
     "while the 1,000 keys of a dead worker are put back",
     {0},
     4,
     set_million,
     run_burden,
     strike,
     extras},
    {0}};
