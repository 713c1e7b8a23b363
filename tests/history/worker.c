/*
 * One process's part of a history: operations, each written down before and after.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mutant.h"
#include "record.h"
#include "support/plain.h"
#include "support/random.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

enum { BATCH_MAX = 3, LOCK_SLICE_NS = 50000000, DRAIN_TURNS = 200, DRAIN_WAIT_NS = 2000000, COMPANY_NS = 1000000 };

/* ---- Writing down -------------------------------------------------------------------------------------------- */

/* Room for n operations that are called at once; the caller's death from here on is the death inside. */
static history_op *begin_batch(worker *w, const history_op *requests, unsigned n) {
  uint32_t count = atomic_load(&w->me->count);
  if (count + n > HISTORY_OPS) plain_fail("no room for more operations");
  history_op *ops = &w->me->ops[count];
  memcpy(ops, requests, n * sizeof *ops);
  int64_t now_ns = plain_now_ns();
  for (unsigned i = 0; i < n; i++) ops[i].call_ns = now_ns;
  atomic_store(&w->me->count, count + n);
  return ops;
}

static history_op *begin(worker *w, const history_op *request) {
  return begin_batch(w, request, 1);
}

static int end(history_op *op, int result) {
  op->result = result;
  atomic_store(&op->ret_ns, plain_now_ns());
  return result;
}

/* A timeout may be the lock's, which is never shorter than a slice, and then says nothing of the queue. */
static void end_timed(history_op *op, int result) {
  if (result == -ETIMEDOUT && plain_now_ns() - op->call_ns >= LOCK_SLICE_NS) op->no_news = true;
  end(op, result);
}

static uint16_t number_of(const worker *w, const history_op *op) {
  return (uint16_t)(op - w->me->ops);
}

static char name_of(int8_t key) {
  return (char)('a' + key);
}

static int8_t key_named(const void *bytes, size_t len) {
  char name;
  if (len != 1) plain_fail("a key of %zu bytes", len);
  memcpy(&name, bytes, 1);
  if (name < 'a' || name >= 'a' + HISTORY_KEYS) plain_fail("a key that nobody added");
  return (int8_t)(name - 'a');
}

static int8_t any_key(worker *w) {
  return (int8_t)random_below(&w->random, w->plan->rules.keys);
}

/* ---- Adding -------------------------------------------------------------------------------------------------- */

static history_op request_add(worker *w) {
  history_op request = {.kind = OP_ADD, .key = any_key(w)};
  if (w->plan->priorities) request.priority = (int8_t)(random_below(&w->random, 3) - 1);
  if (random_chance(&w->random, 25)) request.delay_ns = 20000 + (int64_t)random_below(&w->random, 300000);
  request.rate_limited = random_chance(&w->random, 12);
  return request;
}

static workq_add_options options_of(const history_op *request) {
  return (workq_add_options){.priority = request->priority,
                             .rate_limited = request->rate_limited,
                             .when = request->keep ? WORKQ_KEEP : WORKQ_EARLIEST,
                             .after_ns = request->delay_ns};
}

static void act_add(worker *w) {
  history_op request = request_add(w);
  request.keep = random_chance(&w->random, 15);
  workq_add_options options = options_of(&request);
  if (random_chance(&w->random, 20)) options.wait_ns = 100000 + (int64_t)random_below(&w->random, 200000);
  char name = name_of(request.key);
  history_op *op = begin(w, &request);
  end_timed(op, mutant_add(w->q, &name, 1, &options));
}

/* The calls for one purpose. */
static void act_add_simply(worker *w) {
  history_op request = request_add(w);
  char name = name_of(request.key);
  bool patient = random_chance(&w->random, 20);
  request.priority = 0;
  request.keep_priority = request.rate_limited;
  if (request.rate_limited) request.delay_ns = 0;
  history_op *op = begin(w, &request);
  if (request.rate_limited) {
    end(op, workq_add_rate_limited(w->q, &name, 1));
  } else if (request.delay_ns > 0) {
    end(op, workq_add_after(w->q, &name, 1, request.delay_ns));
  } else if (patient) {
    end_timed(op, workq_add_wait(w->q, &name, 1, 100000));
  } else {
    end(op, workq_add(w->q, &name, 1));
  }
}

/* The answer is of all keys together. */
static void end_batch(history_op *ops, int n, int taken, int marked) {
  for (int i = 0; i < n; i++) {
    ops[i].no_news = i > 0 && i >= taken;
    ops[i].any_result = i < taken && marked != 0 && marked != taken;
  }
  for (int i = 0; i < n; i++) end(&ops[i], taken < 0 ? taken : marked != 0);
}

static void act_add_batch(worker *w) {
  history_op requests[BATCH_MAX];
  char names[BATCH_MAX];
  workq_key keys[BATCH_MAX];
  unsigned n = 1 + (unsigned)random_below(&w->random, BATCH_MAX);
  requests[0] = request_add(w);
  for (unsigned i = 0; i < n; i++) {
    memcpy(&requests[i], &requests[0], sizeof requests[i]);
    requests[i].key = any_key(w);
    names[i] = name_of(requests[i].key);
    keys[i] = (workq_key){&names[i], 1};
  }
  workq_add_options options = options_of(&requests[0]);
  size_t marked;
  history_op *ops = begin_batch(w, requests, n);
  int taken = mutant_add_batch(w->q, keys, n, &options, &marked);
  end_batch(ops, (int)n, taken, (int)marked);
}

/* ---- Getting ------------------------------------------------------------------------------------------------- */

static void take(worker *w, history_op *op, const workq_item *item) {
  op->key = key_named(item->key, item->key_len);
  op->answer = (history_answer){.priority = item->priority, .failures = item->failures, .crashes = item->crashes};
  w->hands[w->held++] = (worker_run){*item, number_of(w, op), op->key};
}

static void get_within(worker *w, int64_t timeout_ns) {
  history_op request = {.kind = OP_GET, .key = HISTORY_NO_KEY};
  workq_item item;
  history_op *op = begin(w, &request);
  int result = mutant_get(w->q, &item, timeout_ns);
  if (result == 0) take(w, op, &item);
  end_timed(op, result);
}

static int64_t any_timeout_ns(worker *w) {
  return random_chance(&w->random, 70) ? 0 : 20000 + (int64_t)random_below(&w->random, 300000);
}

static void act_get(worker *w) {
  if (w->held < WORKER_HANDS) get_within(w, any_timeout_ns(w));
}

static void act_get_batch(worker *w) {
  history_op requests[BATCH_MAX];
  workq_item items[BATCH_MAX];
  unsigned n = 1 + (unsigned)random_below(&w->random, BATCH_MAX);
  if (w->held + n > WORKER_HANDS) return;
  memset(requests, 0, sizeof requests);
  for (unsigned i = 0; i < n; i++) {
    requests[i].kind = OP_GET;
    requests[i].key = HISTORY_NO_KEY;
  }
  history_op *ops = begin_batch(w, requests, n);
  int got = workq_get_batch(w->q, items, n, any_timeout_ns(w));
  for (int i = 0; i < got; i++) take(w, &ops[i], &items[i]);
  for (int i = 0; i < (int)n; i++) {
    ops[i].no_news = i > 0 && i >= got;
    end_timed(&ops[i], got < 0 ? got : 0);
  }
}

/* ---- Finishing ----------------------------------------------------------------------------------------------- */

static worker_run put_down_any(worker *w) {
  unsigned i = (unsigned)random_below(&w->random, w->held);
  worker_run run = w->hands[i];
  w->hands[i] = w->hands[--w->held];
  w->stale = run;
  return run;
}

typedef int outcome(workq *q, const workq_item *item);

static void finish(worker *w, const worker_run *run, enum history_kind kind, outcome *call) {
  history_op request = {.kind = (uint8_t)kind, .key = run->key, .run = run->run};
  history_op *op = begin(w, &request);
  end(op, call(w->q, &run->item));
}

static void act_finish(worker *w) {
  static const struct {
    enum history_kind kind;
    outcome *call;
  } outcomes[] = {{OP_DONE, mutant_done},        {OP_DONE, mutant_done},        {OP_DONE, mutant_done},
                  {OP_COMPLETE, workq_complete}, {OP_COMPLETE, workq_complete}, {OP_RETRY, mutant_retry},
                  {OP_RETRY, mutant_retry},      {OP_RELEASE, workq_release},   {OP_GIVE_UP, workq_give_up}};
  if (w->held == 0) return;
  worker_run run = put_down_any(w);
  uint64_t choice = random_below(&w->random, sizeof outcomes / sizeof outcomes[0]);
  finish(w, &run, outcomes[choice].kind, outcomes[choice].call);
}

static void act_done_batch(worker *w) {
  history_op requests[WORKER_HANDS];
  workq_item items[WORKER_HANDS];
  unsigned n = w->held;
  if (n == 0) return;
  memset(requests, 0, sizeof requests);
  for (unsigned i = 0; i < n; i++) {
    worker_run run = put_down_any(w);
    items[i] = run.item;
    requests[i].kind = OP_DONE;
    requests[i].key = run.key;
    requests[i].run = run.run;
  }
  history_op *ops = begin_batch(w, requests, n);
  int done = workq_done_batch(w->q, items, n);
  for (unsigned i = 0; i < n; i++) ops[i].any_result = (int)i < done;
  for (unsigned i = 0; i < n; i++) ops[i].no_news = i > 0 && (int)i >= done;
  for (unsigned i = 0; i < n; i++) end(&ops[i], done < 0 ? done : 0);
}

/* With a ticket that was used before. */
static void act_finish_stale(worker *w) {
  if (w->stale.item.key != NULL) finish(w, &w->stale, OP_DONE, mutant_done);
}

/* ---- By name, and the queue as a whole ----------------------------------------------------------------------- */

typedef int by_name(workq *q, const void *key, size_t len);

static void call_by_name(worker *w, enum history_kind kind, by_name *call, int8_t key) {
  history_op request = {.kind = (uint8_t)kind, .key = key};
  char name = name_of(key);
  history_op *op = begin(w, &request);
  end(op, call(w->q, &name, 1));
}

static void act_by_name(worker *w) {
  static const struct {
    enum history_kind kind;
    by_name *call;
  } calls[] = {{OP_FORGET, workq_forget},
               {OP_REMOVE, workq_remove},
               {OP_KICK, workq_kick},
               {OP_NUM_REQUEUES, workq_num_requeues}};
  uint64_t choice = random_below(&w->random, sizeof calls / sizeof calls[0]);
  call_by_name(w, calls[choice].kind, calls[choice].call, any_key(w));
}

/* It may be one of the keys in hand: then that is finished. */
static void act_done_key(worker *w) {
  int8_t key = any_key(w);
  for (unsigned i = 0; i < w->held; i++) {
    if (w->hands[i].key != key) continue;
    w->stale = w->hands[i];
    w->hands[i] = w->hands[--w->held];
    break;
  }
  call_by_name(w, OP_DONE_KEY, workq_done_key, key);
}

static void keep_answer(history_op *op, const workq_info *info) {
  op->answer = (history_answer){.state = info->state,
                                .priority = info->priority,
                                .failures = info->failures,
                                .crashes = info->crashes,
                                .pid = info->pid,
                                .delayed = info->due_in_ns >= 0};
}

static void look_at(worker *w, int8_t key) {
  history_op request = {.kind = OP_STATE, .key = key};
  char name = name_of(key);
  workq_info info;
  history_op *op = begin(w, &request);
  int result = workq_state(w->q, &name, 1, &info);
  if (result > 0) keep_answer(op, &info);
  end(op, result);
}

static void act_look(worker *w) {
  look_at(w, any_key(w));
}

static void act_peek(worker *w) {
  history_op request = {.kind = OP_PEEK, .key = HISTORY_NO_KEY};
  workq_info info;
  history_op *op = begin(w, &request);
  int result = workq_peek(w->q, &info);
  if (result > 0) {
    keep_answer(op, &info);
    op->key = key_named(info.key, info.key_len);
  }
  end(op, result);
}

typedef int of_queue(workq *q);

static void call_of_queue(worker *w, enum history_kind kind, of_queue *call) {
  history_op request = {.kind = (uint8_t)kind, .key = HISTORY_NO_KEY};
  history_op *op = begin(w, &request);
  end(op, call(w->q));
}

static void act_len(worker *w) {
  call_of_queue(w, OP_LEN, workq_len);
}

static void act_reap(worker *w) {
  call_of_queue(w, OP_REAP, workq_reap);
}

static void act_switch(worker *w) {
  if (!w->plan->switches) return;
  switch (random_below(&w->random, 6)) {
  case 0:
    call_of_queue(w, OP_SHUTDOWN, workq_shutdown);
    break;
  case 1:
    call_of_queue(w, OP_PAUSE, workq_pause);
    break;
  case 2:
  case 3:
    call_of_queue(w, OP_RESUME, workq_resume);
    break;
  default:
    call_of_queue(w, OP_UNPAUSE, workq_unpause);
  }
}

/* ---- A life -------------------------------------------------------------------------------------------------- */

static void act(worker *w) {
  static const struct {
    unsigned weight;
    void (*act)(worker *w);
  } acts[] = {{20, act_add},    {12, act_add_simply}, {4, act_add_batch},    {28, act_get},     {4, act_get_batch},
              {30, act_finish}, {3, act_done_batch},  {2, act_finish_stale}, {12, act_by_name}, {3, act_done_key},
              {8, act_look},    {3, act_peek},        {4, act_len},          {1, act_reap},     {8, act_switch}};
  unsigned sum = 0, i = 0;
  for (unsigned n = 0; n < sizeof acts / sizeof acts[0]; n++) sum += acts[n].weight;
  uint64_t choice = random_below(&w->random, sum);
  for (; choice >= acts[i].weight; i++) choice -= acts[i].weight;
  acts[i].act(w);
}

/* Is another process inside an operation? */
static bool has_company(const worker *w) {
  for (unsigned i = 0; i < HISTORY_PROCESSES; i++) {
    const history_process *p = &w->all->processes[i];
    uint32_t count = atomic_load(&p->count);
    if (p != w->me && count > 0 && !p->killed && atomic_load(&p->ops[count - 1].ret_ns) == 0) return true;
  }
  return false;
}

/* Read under the lock: whoever loses time here makes all others wait, and may be killed in the middle of things. */
static int64_t stormy_clock(void *arg) {
  worker *w = arg;
  int64_t now_ns = plain_now_ns();
  uint64_t weather = random_below(&w->random, 100);
  if (weather < 10) sched_yield();
  else if (weather < 20)
    while (plain_now_ns() < now_ns + (int64_t)weather * 200) continue;
  else if (weather < 40 && !w->lonely) {
    while (!has_company(w) && plain_now_ns() < now_ns + COMPANY_NS) sched_yield();
    w->lonely = !has_company(w);
  }
  return now_ns;
}

void worker_open(worker *w, const record_plan *plan, history *all, unsigned process, const char *name, uint64_t seed) {
  *w = (worker){.plan = plan, .all = all, .me = &all->processes[process], .random = seed};
  workq_options options = {0};
  if (plan->storm) options = (workq_options){.clock = stormy_clock, .clock_arg = w};
  plain_ok(workq_open(name, &options, &w->q), "workq_open");
}

static void close_queue(worker *w) {
  call_of_queue(w, OP_CLOSE, workq_close);
}

void worker_work(worker *w, unsigned ops) {
  for (uint32_t begun = 0; begun < ops; begun = atomic_load(&w->me->count)) {
    act(w);
    /* Else one might be through with all before the next has its turn. */
    if (random_chance(&w->random, 20)) sched_yield();
  }
  close_queue(w);
}

static bool is_empty(workq *q) {
  workq_stats_data stats;
  plain_ok(workq_stats(q, &stats), "workq_stats");
  return stats.ready == 0 && stats.delayed == 0;
}

void worker_finish_all(worker *w) {
  act_reap(w);
  act_len(w);
  for (unsigned i = 0; i < w->plan->rules.keys; i++) look_at(w, (int8_t)i);
  call_of_queue(w, OP_RESUME, workq_resume);
  call_of_queue(w, OP_UNPAUSE, workq_unpause);
  for (unsigned turn = 0; turn < DRAIN_TURNS && !is_empty(w->q); turn++) {
    get_within(w, DRAIN_WAIT_NS);
    if (w->held == 0) continue;
    worker_run run = put_down_any(w);
    finish(w, &run, OP_COMPLETE, workq_complete);
  }
  for (unsigned i = 0; i < w->plan->rules.keys; i++) look_at(w, (int8_t)i);
  close_queue(w);
}
