/*
 * Random operations of the model test: each is done on the queue and on the model, and has to have one result.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "trial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- What was seen ------------------------------------------------------------------------------------------- */

/* How often an operation had a result: 0, a positive number, or a certain error. */
typedef struct outcome {
  const char *operation;
  int result; /* 0, 1 for all that are positive, or -errno */
  uint64_t count;
} outcome;

enum { OUTCOMES_MAX = 160 };

static outcome outcomes[OUTCOMES_MAX];
static unsigned outcome_count;

static outcome *outcome_of(const char *operation, int result) {
  if (result > 0) result = 1;
  for (unsigned i = 0; i < outcome_count; i++)
    if (outcomes[i].result == result && strcmp(outcomes[i].operation, operation) == 0) return &outcomes[i];
  if (outcome_count == OUTCOMES_MAX) plain_fail("too many outcomes");
  outcomes[outcome_count] = (outcome){.operation = operation, .result = result};
  return &outcomes[outcome_count++];
}

void trial_expect(trial *t, const char *operation, int got, int want) {
  if (got != want)
    trial_mismatch(t, "%s: queue %d (%s), model %d (%s)", operation, got, got < 0 ? workq_strerror(got) : "ok", want,
                   want < 0 ? workq_strerror(want) : "ok");
  outcome_of(operation, got)->count++;
}

void trial_print_coverage(void) {
  for (unsigned i = 0; i < outcome_count; i++)
    printf("%8llu  %s: %s\n", (unsigned long long)outcomes[i].count, outcomes[i].operation,
           outcomes[i].result < 0    ? workq_strerror(outcomes[i].result)
           : outcomes[i].result == 0 ? "0"
                                     : "positive");
}

void trial_require_coverage(void) {
  static const struct {
    const char *operation;
    int results[8]; /* INT32_MAX ends them */
  } required[] = {
      {"add", {0, 1, -EINVAL, -EMSGSIZE, -ENOSPC, -ESHUTDOWN, INT32_MAX}},
      {"add_after", {0, 1, -EINVAL, -EMSGSIZE, -ENOSPC, -ESHUTDOWN, INT32_MAX}},
      {"add_rate_limited", {0, 1, -EINVAL, -EMSGSIZE, -ENOSPC, -ESHUTDOWN, INT32_MAX}},
      {"add_opts", {0, 1, -EINVAL, -EMSGSIZE, -ENOSPC, -ESHUTDOWN, INT32_MAX}},
      {"add_wait", {0, 1, -EINVAL, -EMSGSIZE, -ENOSPC, -ESHUTDOWN, INT32_MAX}},
      {"add_batch", {1, -EINVAL, -EMSGSIZE, -ENOSPC, -ESHUTDOWN, INT32_MAX}},
      {"add_batch partly", {1, INT32_MAX}},
      {"get", {0, -ETIMEDOUT, -ESHUTDOWN, INT32_MAX}},
      {"get_batch", {1, -EINVAL, -ETIMEDOUT, -ESHUTDOWN, INT32_MAX}},
      {"done", {0, 1, -ESTALE, INT32_MAX}},
      {"done_key", {0, 1, -ESTALE, -ENOENT, -EINVAL, -EMSGSIZE, INT32_MAX}},
      {"done_batch", {1, -ESTALE, -EINVAL, INT32_MAX}},
      {"done_batch partly", {1, INT32_MAX}},
      {"complete", {0, 1, -ESTALE, INT32_MAX}},
      {"next", {0, -ETIMEDOUT, -ESHUTDOWN, -ESTALE, INT32_MAX}},
      {"retry", {0, 1, -ESTALE, INT32_MAX}},
      {"give_up", {0, 1, -ESTALE, INT32_MAX}},
      {"release", {0, -ESTALE, INT32_MAX}},
      {"forget", {0, 1, -EINVAL, -EMSGSIZE, INT32_MAX}},
      {"num_requeues", {0, 1, -EINVAL, -EMSGSIZE, INT32_MAX}},
      {"remove", {0, 1, -EINVAL, -EMSGSIZE, INT32_MAX}},
      {"kick", {0, 1, -EINVAL, -EMSGSIZE, INT32_MAX}},
      {"kick all", {0, 1, INT32_MAX}},
      {"state", {1, -ENOENT, -EINVAL, -EMSGSIZE, INT32_MAX}},
      {"peek", {0, 1, INT32_MAX}},
      {"len", {0, 1, INT32_MAX}},
      {"shutdown", {0, INT32_MAX}},
      {"shutdown_drain", {0, -ETIMEDOUT, INT32_MAX}},
      {"shutting_down", {0, 1, INT32_MAX}},
      {"resume", {0, 1, INT32_MAX}},
      {"pause", {0, 1, INT32_MAX}},
      {"unpause", {0, 1, INT32_MAX}},
      {"close with keys", {0, INT32_MAX}},
      {"open", {0, INT32_MAX}},
      {"reap", {0, 1, INT32_MAX}},
      {"get before a crash", {1, INT32_MAX}},
      {"expect_exit", {1, INT32_MAX}},
  };
  for (size_t i = 0; i < sizeof required / sizeof required[0]; i++)
    for (const int *result = required[i].results; *result != INT32_MAX; result++)
      if (outcome_of(required[i].operation, *result)->count == 0)
        plain_fail("never seen: %s with result %d", required[i].operation, *result);
}

/* ---- Random choices ------------------------------------------------------------------------------------------ */

static uint64_t below(trial *t, uint64_t n) {
  return random_below(&t->random, n);
}

static bool chance(trial *t, unsigned percent) {
  return random_chance(&t->random, percent);
}

/* A key of the alphabet; now and then one of a length that is refused. */
static trial_key any_key(trial *t) {
  static unsigned char zeros[WORKQ_KEY_MAX + 1];
  if (chance(t, 1)) return (trial_key){zeros, chance(t, 50) ? 0 : t->options.key_max + 1};
  return t->keys[below(t, t->key_count)];
}

static unsigned key_number(const trial *t, trial_key key) {
  for (unsigned i = 0; i < t->key_count; i++)
    if (t->keys[i].bytes == key.bytes) return i;
  return UINT32_MAX;
}

/* Often the same few, so that runs become due at one time. */
static int64_t any_delay(trial *t) {
  static const int64_t usual[] = {-5, 0, 1, 1000000, 1000000, 2000000, 3000000, 5000000, 5000000, 20000000};
  if (chance(t, 75)) return usual[below(t, sizeof usual / sizeof usual[0])];
  if (chance(t, 5)) return chance(t, 50) ? INT64_MAX : WORKQ_DURATION_MAX;
  return (int64_t)below(t, 30000000);
}

static int any_priority(trial *t) {
  static const int usual[] = {0, 0, 0, 0, 1, 1, -1, 5, 127, -128};
  if (chance(t, 90)) return usual[below(t, sizeof usual / sizeof usual[0])];
  return chance(t, 5) ? (chance(t, 50) ? 128 : -129) : (int)below(t, 256) - 128;
}

static workq_add_options any_add_options(trial *t) {
  return (workq_add_options){.priority = any_priority(t),
                             .rate_limited = chance(t, 20),
                             .when = chance(t, 25) ? WORKQ_KEEP : WORKQ_EARLIEST,
                             .after_ns = chance(t, 60) ? 0 : any_delay(t)};
}

/* ---- Items in hand ------------------------------------------------------------------------------------------- */

void trial_expect_item(trial *t, const workq_item *item, const model_item *want) {
  const model_key *k = want->key;
  if (item->key_len != k->len || memcmp(item->key, k->bytes, k->len) != 0) trial_mismatch(t, "get: another key");
  if (item->priority != k->run_priority)
    trial_mismatch(t, "get: priority %d, model %d", item->priority, k->run_priority);
  if (item->failures != k->failures) trial_mismatch(t, "get: failures %u, model %u", item->failures, k->failures);
  uint32_t crashes = model_crashes(&t->model, k);
  if (item->crashes != crashes) trial_mismatch(t, "get: crashes %u, model %u", item->crashes, crashes);
}

static void hold(trial *t, int handle, const workq_item *item, const model_item *want) {
  trial_expect_item(t, item, want);
  t->held[t->held_count++] = (trial_item){.item = *item, .ticket = want->ticket, .handle = handle};
}

/* The run is over: its ticket must be good for nothing from now on. */
static void let_go(trial *t, unsigned i) {
  t->stale[t->stale_count++ % TRIAL_STALE] = t->held[i];
  t->held[i] = t->held[--t->held_count];
}

static void let_go_ticket(trial *t, uint64_t ticket) {
  for (unsigned i = 0; i < t->held_count; i++) {
    if (t->held[i].ticket != ticket) continue;
    let_go(t, i);
    return;
  }
}

static trial_item stale_item(trial *t) {
  static const unsigned char key[1];
  if (t->stale_count == 0 || chance(t, 5))
    return (trial_item){.item = {.key = key, .key_len = 1, .ticket = chance(t, 50) ? 0 : UINT64_MAX}};
  unsigned kept = t->stale_count < TRIAL_STALE ? t->stale_count : TRIAL_STALE;
  trial_item item = t->stale[below(t, kept)];
  item.item.key = key; /* the record may be another key's by now */
  item.item.key_len = 1;
  return item;
}

/* Mostly an item in hand, and by its own handle; else one that must be refused. */
static trial_item any_item(trial *t) {
  if (t->held_count == 0 || chance(t, 10)) {
    trial_item item = stale_item(t);
    if (t->handles[item.handle] == NULL) item.handle = 0;
    return item;
  }
  trial_item item = t->held[below(t, t->held_count)];
  if (chance(t, 5)) item.handle = trial_any_handle(t);
  return item;
}

/* ---- Adds ---------------------------------------------------------------------------------------------------- */

static void operate_add(trial *t) {
  int h = trial_any_handle(t);
  trial_key k = any_key(t);
  trial_log(t, "handle %d: add key %u (%zu bytes)", h, key_number(t, k), k.len);
  trial_expect(t, "add", workq_add(t->handles[h], k.bytes, k.len), model_add(&t->model, h, k.bytes, k.len));
}

static void operate_add_after(trial *t) {
  int h = trial_any_handle(t);
  trial_key k = any_key(t);
  int64_t delay_ns = any_delay(t);
  trial_log(t, "handle %d: add_after key %u (%zu bytes) %lld", h, key_number(t, k), k.len, (long long)delay_ns);
  trial_expect(t, "add_after", workq_add_after(t->handles[h], k.bytes, k.len, delay_ns),
               model_add_after(&t->model, h, k.bytes, k.len, delay_ns));
}

static void operate_add_rate_limited(trial *t) {
  int h = trial_any_handle(t);
  trial_key k = any_key(t);
  trial_log(t, "handle %d: add_rate_limited key %u (%zu bytes)", h, key_number(t, k), k.len);
  trial_expect(t, "add_rate_limited", workq_add_rate_limited(t->handles[h], k.bytes, k.len),
               model_add_rate_limited(&t->model, h, k.bytes, k.len));
}

static void operate_add_opts(trial *t) {
  int h = trial_any_handle(t);
  trial_key k = any_key(t);
  workq_add_options o = any_add_options(t);
  if (o.priority < -128 || o.priority > 127) k = t->keys[0]; /* one fault at a time: which is told first is open */
  trial_log(t, "handle %d: add_opts key %u (%zu bytes) priority %d%s%s after %lld", h, key_number(t, k), k.len,
            o.priority, o.rate_limited ? " rate limited" : "", o.when == WORKQ_KEEP ? " keep" : "",
            (long long)o.after_ns);
  trial_expect(t, "add_opts", workq_add_opts(t->handles[h], k.bytes, k.len, &o),
               model_add_opts(&t->model, h, k.bytes, k.len, &o));
}

/* A wait for room that would be real is not tried here. */
static void operate_add_wait(trial *t) {
  int h = trial_any_handle(t);
  trial_key k = any_key(t);
  trial_log(t, "handle %d: add_wait key %u (%zu bytes)", h, key_number(t, k), k.len);
  int want = model_add(&t->model, h, k.bytes, k.len);
  int64_t timeout_ns = want == -ENOSPC ? 0 : chance(t, 50) ? WORKQ_FOREVER : 1000000000;
  trial_expect(t, "add_wait", workq_add_wait(t->handles[h], k.bytes, k.len, timeout_ns), want);
}

static void add_batch(trial *t, int h, size_t n, const workq_add_options *o) {
  static workq_key batch[TRIAL_BATCH];
  for (size_t i = 0; i < n; i++) {
    trial_key k = o->priority < -128 || o->priority > 127 ? t->keys[0] : any_key(t);
    batch[i] = (workq_key){k.bytes, k.len};
  }
  trial_log(t, "handle %d: add_batch of %zu, priority %d%s after %lld", h, n, o->priority,
            o->rate_limited ? " rate limited" : "", (long long)o->after_ns);
  for (size_t i = 0; i < n && n <= 8; i++)
    trial_log(t, " ... key %u (%zu bytes)", key_number(t, (trial_key){(unsigned char *)batch[i].data, 0}),
              batch[i].len);
  size_t marked = 0;
  size_t want_marked;
  int got = workq_add_batch(t->handles[h], batch, n, o, &marked);
  int want = model_add_batch(&t->model, h, batch, n, o, &want_marked);
  trial_expect(t, got > 0 && (size_t)got < n ? "add_batch partly" : "add_batch", got, want);
  if (want >= 0 && marked != want_marked) trial_mismatch(t, "add_batch: marked %zu, model %zu", marked, want_marked);
}

static void operate_add_batch(trial *t) {
  workq_add_options o = any_add_options(t);
  add_batch(t, trial_any_handle(t), below(t, 7), &o);
}

void trial_fill(trial *t) {
  workq_add_options o = {0};
  trial_log(t, "fill");
  for (unsigned i = 0; i < t->options.capacity / TRIAL_BATCH; i++) {
    if (chance(t, 30)) o.priority = (int)below(t, 3);
    o.after_ns = chance(t, 10) ? (int64_t)below(t, 1000000000) : 0;
    add_batch(t, 0, TRIAL_BATCH, &o);
  }
}

/* ---- Work ---------------------------------------------------------------------------------------------------- */

static void operate_get(trial *t) {
  int h = trial_any_handle(t);
  trial_log(t, "handle %d: get", h);
  model_item want_item;
  int want = model_get(&t->model, h, &want_item);
  int64_t timeout_ns = want == -ETIMEDOUT || chance(t, 50) ? 0 : chance(t, 50) ? WORKQ_FOREVER : 1000000000;
  workq_item item;
  trial_expect(t, "get", workq_get(t->handles[h], &item, timeout_ns), want);
  if (want == 0) hold(t, h, &item, &want_item);
}

static void operate_get_batch(trial *t) {
  int h = trial_any_handle(t);
  size_t n = below(t, 7);
  trial_log(t, "handle %d: get_batch %zu", h, n);
  model_item want_items[8];
  workq_item items[8];
  int got = workq_get_batch(t->handles[h], items, n, 0);
  trial_expect(t, "get_batch", got, model_get_batch(&t->model, h, want_items, n));
  for (int i = 0; i < got; i++) hold(t, h, &items[i], &want_items[i]);
}

typedef int finish_queue(workq *q, const workq_item *item);
typedef int finish_model(model *m, int handle, uint64_t ticket);

static void finish(trial *t, const char *operation, finish_queue *on_queue, finish_model *on_model) {
  trial_item i = any_item(t);
  trial_log(t, "handle %d: %s ticket %llu, which is the model's %llu", i.handle, operation,
            (unsigned long long)i.item.ticket, (unsigned long long)i.ticket);
  int got = on_queue(t->handles[i.handle], &i.item);
  trial_expect(t, operation, got, on_model(&t->model, i.handle, i.ticket));
  if (got >= 0) let_go_ticket(t, i.ticket);
}

static void operate_done(trial *t) {
  finish(t, "done", workq_done, model_done);
}

static void operate_complete(trial *t) {
  finish(t, "complete", workq_complete, model_complete);
}

static void operate_next(trial *t) {
  trial_item i = any_item(t);
  workq_item item = i.item;
  model_item want_item;
  trial_log(t, "handle %d: next, ticket %llu, which is the model's %llu", i.handle, (unsigned long long)i.item.ticket,
            (unsigned long long)i.ticket);
  int got = workq_next(t->handles[i.handle], &item, 0);
  int want = model_next(&t->model, i.handle, i.ticket, &want_item);
  trial_expect(t, "next", got, want);
  if (got == -ESTALE) return;
  let_go_ticket(t, i.ticket);
  if (want == 0) hold(t, i.handle, &item, &want_item);
  else if (item.key) trial_mismatch(t, "next: a key, and the result %d", got);
}

static void operate_retry(trial *t) {
  finish(t, "retry", workq_retry, model_retry);
}

static void operate_give_up(trial *t) {
  finish(t, "give_up", workq_give_up, model_give_up);
}

static void operate_release(trial *t) {
  finish(t, "release", workq_release, model_release);
}

static void operate_done_key(trial *t) {
  int h = trial_any_handle(t);
  trial_key k = any_key(t);
  unsigned held = UINT32_MAX;
  if (t->held_count > 0 && chance(t, 70)) {
    held = (unsigned)below(t, t->held_count);
    if (chance(t, 80)) h = t->held[held].handle;
  }
  unsigned char *copy = NULL;
  if (held != UINT32_MAX) {
    k.len = t->held[held].item.key_len;
    k.bytes = copy = malloc(k.len);
    if (copy == NULL) abort();
    memcpy(copy, t->held[held].item.key, k.len);
  }
  trial_log(t, "handle %d: done_key %s key %u (%zu bytes)", h, copy != NULL ? "of a held" : "", key_number(t, k),
            k.len);
  const model_key *mk = model_find(&t->model, k.bytes, k.len);
  uint64_t ticket = mk != NULL && mk->holder != MODEL_NOBODY ? mk->ticket : 0;
  int got = workq_done_key(t->handles[h], k.bytes, k.len);
  trial_expect(t, "done_key", got, model_done_key(&t->model, h, k.bytes, k.len));
  if (got >= 0) let_go_ticket(t, ticket);
  free(copy);
}

static void operate_done_batch(trial *t) {
  workq_item items[6];
  uint64_t tickets[6];
  size_t n = below(t, 6);
  int h = t->held_count > 0 ? t->held[below(t, t->held_count)].handle : 0;
  for (size_t i = 0; i < n; i++) {
    trial_item item = stale_item(t);
    for (int tries = 0; tries < 8 && t->held_count > 0; tries++) {
      const trial_item *other = &t->held[below(t, t->held_count)];
      if (other->handle == h) item = *other;
    }
    items[i] = item.item;
    tickets[i] = item.ticket;
  }
  trial_log(t, "handle %d: done_batch of %zu", h, n);
  for (size_t i = 0; i < n; i++)
    trial_log(t, " ... ticket %llu, which is the model's %llu", (unsigned long long)items[i].ticket,
              (unsigned long long)tickets[i]);
  int got = workq_done_batch(t->handles[h], items, n);
  int want = model_done_batch(&t->model, h, tickets, n);
  trial_expect(t, got > 0 && (size_t)got < n ? "done_batch partly" : "done_batch", got, want);
  for (int i = 0; i < got; i++) let_go_ticket(t, tickets[i]);
}

/* ---- Keys by name -------------------------------------------------------------------------------------------- */

typedef int by_key_queue(workq *q, const void *key, size_t len);
typedef int by_key_model(model *m, const void *key, size_t len);

static void by_key(trial *t, const char *operation, by_key_queue *on_queue, by_key_model *on_model) {
  int h = trial_any_handle(t);
  trial_key k = any_key(t);
  trial_log(t, "handle %d: %s key %u (%zu bytes)", h, operation, key_number(t, k), k.len);
  trial_expect(t, operation, on_queue(t->handles[h], k.bytes, k.len), on_model(&t->model, k.bytes, k.len));
}

static void operate_forget(trial *t) {
  by_key(t, "forget", workq_forget, model_forget);
}

static void operate_num_requeues(trial *t) {
  by_key(t, "num_requeues", workq_num_requeues, model_num_requeues);
}

static void operate_remove(trial *t) {
  by_key(t, "remove", workq_remove, model_remove);
}

static void operate_kick(trial *t) {
  by_key(t, "kick", workq_kick, model_kick);
}

static void operate_kick_all(trial *t) {
  int h = trial_any_handle(t);
  trial_log(t, "handle %d: kick all", h);
  trial_expect(t, "kick all", workq_kick(t->handles[h], NULL, 0), model_kick(&t->model, NULL, 0));
}

static int queue_state(workq *q, const void *key, size_t len) {
  return workq_state(q, key, len, NULL);
}

static int model_state(model *m, const void *key, size_t len) {
  int counted = model_num_requeues(m, key, len); /* promotes, and knows the errors */
  if (counted < 0) return counted;
  const model_key *k = model_find(m, key, len);
  return k == NULL ? -ENOENT : model_state_of(k);
}

static void operate_state(trial *t) {
  by_key(t, "state", queue_state, model_state);
}

/* ---- The whole queue ----------------------------------------------------------------------------------------- */

typedef int whole_queue(workq *q);
typedef int whole_model(model *m);

static void whole(trial *t, const char *operation, whole_queue *on_queue, whole_model *on_model) {
  int h = trial_any_handle(t);
  trial_log(t, "handle %d: %s", h, operation);
  trial_expect(t, operation, on_queue(t->handles[h]), on_model(&t->model));
}

static int queue_drain(workq *q) {
  return workq_shutdown_drain(q, 0);
}

static int model_shutting_down(model *m) {
  return m->shut_down;
}

static int model_reap(model *m) {
  model_promote(m);
  return 0;
}

static void operate_shutdown(trial *t) {
  whole(t, "shutdown", workq_shutdown, model_shutdown);
}

static void operate_shutdown_drain(trial *t) {
  whole(t, "shutdown_drain", queue_drain, model_shutdown_drain);
}

static void operate_shutting_down(trial *t) {
  whole(t, "shutting_down", workq_shutting_down, model_shutting_down);
}

static void operate_resume(trial *t) {
  whole(t, "resume", workq_resume, model_resume);
}

static void operate_pause(trial *t) {
  whole(t, "pause", workq_pause, model_pause);
}

static void operate_unpause(trial *t) {
  whole(t, "unpause", workq_unpause, model_unpause);
}

static void operate_reap(trial *t) {
  whole(t, "reap", workq_reap, model_reap);
}

static void operate_peek(trial *t) {
  int h = trial_any_handle(t);
  trial_log(t, "handle %d: peek, len", h);
  model_promote(&t->model);
  size_t ready = model_ready_order(&t->model, t->order, t->options.capacity);
  trial_expect(t, "len", workq_len(t->handles[h]), (int)ready);
  workq_info info;
  int got = workq_peek(t->handles[h], &info);
  trial_expect(t, "peek", got, ready > 0 && !t->model.paused);
  if (got == 0) return;
  const model_key *k = t->order[0];
  if (info.key_len != k->len || memcmp(info.key, k->bytes, k->len) != 0) trial_mismatch(t, "peek: another key");
  if (info.priority != k->priority) trial_mismatch(t, "peek: priority %d, model %d", info.priority, k->priority);
  if (info.state != WORKQ_STATE_READY) trial_mismatch(t, "peek: state %d", info.state);
}

static void operate_open(trial *t) {
  for (int h = 1; h < TRIAL_HANDLES; h++) {
    if (t->handles[h] != NULL) continue;
    trial_log(t, "handle %d: open", h);
    trial_expect(t, "open", workq_open(t->name, &t->options, &t->handles[h]), 0);
    model_open(&t->model, h);
    return;
  }
}

static void operate_close(trial *t) {
  int h = trial_any_handle(t);
  if (h == 0) return;
  unsigned keys = 0;
  for (unsigned i = t->held_count; i-- > 0;) {
    if (t->held[i].handle != h) continue;
    keys++;
    let_go(t, i);
  }
  trial_log(t, "handle %d: close with %u keys", h, keys);
  trial_expect(t, keys > 0 ? "close with keys" : "close", workq_close(t->handles[h]), 0);
  t->handles[h] = NULL;
  model_close(&t->model, h);
}

/* ---- Time ---------------------------------------------------------------------------------------------------- */

/* More than the queue promotes at one time (256) must not become due at once. */
enum { DUE_MAX = 200 };

static void operate_time(trial *t) {
  model *m = &t->model;
  int64_t next_ns = model_next_due(m);
  int64_t then_ns = m->now_ns + 1 + (int64_t)below(t, UINT64_C(1) << below(t, 30));
  if (chance(t, 30)) then_ns = m->now_ns + 1000000 * (int64_t)(1 + below(t, 5));
  /* Runs that are centuries away stay there: the clock must not come near its end. */
  if (next_ns > m->now_ns && next_ns < m->now_ns + 3600 * INT64_C(1000000000) && chance(t, 40))
    then_ns = chance(t, 30) ? next_ns - 1 : next_ns;
  while (then_ns > m->now_ns && model_count_due(m, then_ns) > DUE_MAX) then_ns = m->now_ns + (then_ns - m->now_ns) / 2;
  trial_log(t, "time passes: %lld ns", (long long)(then_ns - m->now_ns));
  m->now_ns = then_ns;
}

/* ---- One of them --------------------------------------------------------------------------------------------- */

typedef struct choice {
  unsigned weight;
  void (*run)(trial *t);
} choice;

static const choice choices[] = {
    {12, operate_add},           {8, operate_add_after},     {6, operate_add_rate_limited},
    {10, operate_add_opts},      {2, operate_add_wait},      {3, operate_add_batch},
    {20, operate_get},           {4, operate_get_batch},     {9, operate_done},
    {4, operate_done_key},       {3, operate_done_batch},    {4, operate_complete},
    {4, operate_next},           {8, operate_retry},         {2, operate_give_up},
    {4, operate_release},        {3, operate_forget},        {2, operate_num_requeues},
    {3, operate_remove},         {3, operate_kick},          {1, operate_kick_all},
    {2, operate_state},          {2, operate_peek},          {1, operate_shutdown},
    {1, operate_shutdown_drain}, {1, operate_shutting_down}, {4, operate_resume},
    {1, operate_pause},          {3, operate_unpause},       {1, operate_reap},
    {2, operate_open},           {1, operate_close},         {14, operate_time},
};

enum { CHOICES = sizeof choices / sizeof choices[0] };

bool trial_operation(trial *t) {
  if (below(t, t->crash_chance) == 0) {
    if (chance(t, 50)) {
      trial_crash_process(t);
    } else {
      trial_crash_thread(t);
    }
    return true;
  }
  unsigned total = 0;
  for (unsigned i = 0; i < CHOICES; i++) total += choices[i].weight;
  uint64_t at = below(t, total);
  unsigned i = 0;
  while (at >= choices[i].weight) at -= choices[i++].weight;
  choices[i].run(t);
  return choices[i].run != operate_time;
}
