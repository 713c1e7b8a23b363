/*
 * Fuzz target: operations decoded from the input, on a queue and on the reference model, with death at any store.
 *
 * The operations, their choices and the comparison of the states are those of the model test (tests/model); its random numbers
 * come from the input.  Some operations are to die at a store: then the bytes at that moment are brought back, another
 * handle comes along, and the queue must be as the model was before the operation or after it, or, where
 * that is several transactions, between two of them.  Then the dead handle is reaped.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bytes.h"
#include "handles.h"
#include "inside.h"
#include "limiter.h"
#include "model/trial.h"
#include "replay.h"
#include "stores.h"

enum {
  CAPACITY = 12,
  KEY_MAX = 70,
  KEYS = 20,
  POOL = TRIAL_HANDLES + 1, /* the last one is a stranger, where no other is left to find the dead */
  OPERATIONS = 48,
  DEATH_EVERY = 3,
  STORES = 256
};

static trial t;
static unsigned char *pristine; /* the segment before a run */

static jmp_buf not_equal;
static bool probing;
static int only = -1; /* the handle that looks, if there is no choice */

const char replay_name[] = "operations";
const unsigned replay_shifts = 40;
unsigned replay_shift; /* added to the number of each store at which an operation dies */

/* ---- What tests/model asks for ---- */

void trial_log(trial *of, const char *format, ...) {
  static int wanted = -1; /* writing it costs as much as the operations */
  if (wanted < 0) wanted = getenv("FUZZ_LOG") != NULL;
  if (!wanted || probing) return;
  va_list args;
  va_start(args, format);
  vsnprintf(of->log[of->log_count++ % TRIAL_LOG], sizeof of->log[0], format, args);
  va_end(args);
}

void trial_mismatch(trial *of, const char *format, ...) {
  if (probing) longjmp(not_equal, 1);
  va_list args;
  va_start(args, format);
  fprintf(stderr, "MISMATCH at operation %llu: ", (unsigned long long)of->operation);
  vfprintf(stderr, format, args);
  va_end(args);
  fprintf(stderr, "\nthe last operations (none without FUZZ_LOG in the environment):\n");
  unsigned kept = of->log_count < TRIAL_LOG ? of->log_count : TRIAL_LOG;
  for (unsigned i = of->log_count - kept; i < of->log_count; i++) fprintf(stderr, "  %s\n", of->log[i % TRIAL_LOG]);
  model_print(&of->model);
  workq_dump(of->handles[trial_any_handle(of)], stderr);
  abort();
}

int trial_any_handle(trial *of) {
  if (only >= 0) return only;
  int h = (int)bytes_below(TRIAL_HANDLES);
  while (of->handles[h] == NULL) h = (h + 1) % TRIAL_HANDLES;
  return h;
}

static int64_t read_clock(void *arg) {
  (void)arg;
  return t.model.now_ns;
}

/* ---- Handles ---- */

int inside_open(const char *name, const workq_options *options, workq **out) {
  (void)name;
  (void)options;
  int h = (int)(out - t.handles), rc = handles_attach(h);
  if (rc == 0) *out = handles[h];
  return rc;
}

int inside_close(workq *q) {
  return handles_detach(handles_number(q));
}

/* ---- Several transactions in one operation ---- */

/* The last operation that is several, as it was asked for. */
static struct {
  enum { SINGLE, ADD_BATCH, GET_BATCH, DONE_BATCH, KICK_ALL, CLOSE } kind;
  int handle;
  size_t n;
  workq_key keys[TRIAL_BATCH];
  uint64_t tickets[TRIAL_BATCH];
  workq_add_options options;
} asked;

int inside_add_batch(model *m, int handle, const workq_key *keys, size_t n, const workq_add_options *options,
                     size_t *marked) {
  asked.kind = ADD_BATCH;
  asked.handle = handle;
  asked.n = n;
  memcpy(asked.keys, keys, n * sizeof *keys);
  asked.options = *options;
  return model_add_batch(m, handle, keys, n, options, marked);
}

int inside_get_batch(model *m, int handle, model_item *items, size_t n) {
  asked.kind = GET_BATCH;
  asked.handle = handle;
  asked.n = n;
  return model_get_batch(m, handle, items, n);
}

int inside_done_batch(model *m, int handle, const uint64_t *tickets, size_t n) {
  asked.kind = DONE_BATCH;
  asked.handle = handle;
  asked.n = n;
  memcpy(asked.tickets, tickets, n * sizeof *tickets);
  return model_done_batch(m, handle, tickets, n);
}

int inside_kick(model *m, const void *key, size_t len) {
  if (!key) {
    asked.kind = KICK_ALL;
    asked.n = m->key_count;
  }
  return model_kick(m, key, len);
}

void inside_close_model(model *m, int handle) {
  asked.kind = CLOSE;
  asked.handle = handle;
  asked.n = m->key_count;
  model_close(m, handle);
}

static void kick_oldest(model *m) {
  model_key *oldest = NULL;
  for (model_key *k = m->keys; k; k = k->next)
    if (k->buried && (!oldest || k->order < oldest->order)) oldest = k;
  if (oldest) model_kick(m, oldest->bytes, oldest->len);
}

/* As a close does it: no run is counted as done. */
static void put_oldest_back(model *m, int handle) {
  model_key *oldest = NULL;
  for (model_key *k = m->keys; k; k = k->next)
    if (k->holder == handle && (!oldest || k->ticket < oldest->ticket)) oldest = k;
  if (!oldest) return;
  model_release(m, handle, oldest->ticket);
  m->dones--;
  m->handles[handle].dones--;
}

/* The first `steps` transactions of what was asked for. */
static void do_part(model *m, size_t steps) {
  model_item items[TRIAL_BATCH];
  size_t marked;
  switch (asked.kind) {
  case ADD_BATCH:
    (void)model_add_batch(m, asked.handle, asked.keys, steps, &asked.options, &marked);
    break;
  case GET_BATCH:
    (void)model_get_batch(m, asked.handle, items, steps);
    break;
  case DONE_BATCH:
    (void)model_done_batch(m, asked.handle, asked.tickets, steps);
    break;
  case KICK_ALL:
    while (steps-- > 0) kick_oldest(m);
    break;
  case CLOSE:
    while (steps-- > 0) put_oldest_back(m, asked.handle);
    break;
  default:
    break;
  }
}

/* ---- Models ---- */

static void copy_model(const model *from, model *to) {
  *to = *from;
  model_key **link = &to->keys;
  for (const model_key *k = from->keys; k; k = k->next) {
    model_key *copy = malloc(sizeof *copy);
    if (!copy || !(*link = copy)) abort();
    *copy = *k;
    copy->bytes = malloc(k->len);
    if (!copy->bytes) abort();
    memcpy(copy->bytes, k->bytes, k->len);
    link = &copy->next;
  }
  *link = NULL;
}

/* Is the queue in the state of this model, which becomes the trial's?  If not, it is freed. */
static bool is_state(const model *from, size_t steps) {
  copy_model(from, &t.model);
  if (steps) do_part(&t.model, steps);
  if (handles_attached[TRIAL_STRANGER]) model_open(&t.model, TRIAL_STRANGER);
  probing = true;
  bool same = setjmp(not_equal) == 0;
  if (same) trial_compare(&t);
  probing = false;
  if (!same) model_end(&t.model);
  return same;
}

/* ---- Death ---- */

/* What there was before an operation that may die. */
struct before {
  model model;
  trial_item held[CAPACITY], stale[TRIAL_STALE];
  unsigned held_count, stale_count;
};

static void remember(struct before *b) {
  copy_model(&t.model, &b->model);
  memcpy(b->held, t.held, t.held_count * sizeof *t.held);
  memcpy(b->stale, t.stale, sizeof t.stale);
  b->held_count = t.held_count;
  b->stale_count = t.stale_count;
}

/* What the dead had in hand before is good for nothing; what it got in the operation it never had. */
static void forget_items(const struct before *b, int dead) {
  unsigned kept = 0;
  for (unsigned i = 0; i < t.held_count; i++)
    if (t.held[i].handle != dead) t.held[kept++] = t.held[i];
  t.held_count = kept;
  memcpy(t.stale, b->stale, sizeof t.stale);
  t.stale_count = b->stale_count;
  for (unsigned i = 0; i < b->held_count; i++)
    if (b->held[i].handle == dead) t.stale[t.stale_count++ % TRIAL_STALE] = b->held[i];
}

static void find_state(const struct before *b, model *after) {
  bool found = is_state(&b->model, 0) || is_state(after, 0);
  for (size_t steps = 1; !found && steps <= asked.n; steps++) found = is_state(&b->model, steps);
  if (!found) {
    copy_model(after, &t.model);
    trial_mismatch(&t, "after a death inside, the queue is neither as before nor as after");
  }
}

static void assert_sound(const char *when) {
  int faults = workq_check(t.handles[only], NULL, NULL);
  if (faults) trial_mismatch(&t, "%s: %d faults", when, faults);
}

/* Who looks: any other that is attached, else the stranger, in the place of the dead. */
static void choose_survivor(int dead) {
  for (only = TRIAL_HANDLES - 1; only >= 0 && (only == dead || !t.handles[only]); only--) continue;
  if (only >= 0) return;
  only = dead;
  t.handles[dead] = handles[TRIAL_STRANGER];
  if (handles_attach(TRIAL_STRANGER) < 0) plain_fail("no slot for a stranger");
}

/* The survivor finds the dead, and the state that it left. */
static void recover(const struct before *b, model *after, uint32_t lines) {
  struct totals *totals = &handles[0]->control->totals;
  uint64_t recoveries = totals->recoveries;
  plain_ok(workq_len(t.handles[only]), "the first call after a death");
  if (totals->recoveries + handles_attached[TRIAL_STRANGER] < recoveries + (lines > 0))
    trial_mismatch(&t, "%u lines were to be rolled back, and were not", lines);
  totals->recoveries = 0; /* the model knows of none */
  find_state(b, after);
  assert_sound("after a recovery");
}

static void reap(int dead) {
  bool open = t.model.handles[dead].open;
  if (open) model_crash(&t.model, dead, false);
  trial_expect(&t, "reap", workq_reap(t.handles[only]), open);
  trial_compare(&t);
  assert_sound("after a reaping");
}

static void die(const struct before *b, int slot) {
  int dead = 0;
  while (dead < POOL && handles[dead]->slot_id != (uint32_t)slot) dead++;
  workq *returns = dead < TRIAL_HANDLES ? t.handles[dead] : NULL;
  if (dead == POOL) plain_fail("slot %d is nobody's", slot);
  trial_log(&t, "... in which handle %d dies", dead);
  model after = t.model;
  uint32_t lines = stores_bring_back();
  handles_let_die(dead);
  handles[dead]->held = NULL;
  handles[dead]->wakes.count = 0;
  t.handles[dead] = NULL;
  bytes_spare(true);
  choose_survivor(dead);
  recover(b, &after, lines);
  model_end(&after);
  reap(dead);
  forget_items(b, dead);
  if (handles_attached[TRIAL_STRANGER]) {
    plain_ok(handles_detach(TRIAL_STRANGER), "close");
    model_close(&t.model, TRIAL_STRANGER);
  }
  t.handles[dead] = returns;
  if (returns) {
    plain_ok(handles_attach(dead), "attach");
    model_open(&t.model, dead);
  }
  only = -1;
  trial_compare(&t);
  bytes_spare(false);
}

/* ---- A run ---- */

/* Rates have a whole number of ns a token, and factors are exact in a double, so that both sides round alike. */
static const workq_limiter limiters[] = {
    {.kinds = 0},
    {.kinds = WORKQ_LIMIT_NONE},
    {.kinds = WORKQ_LIMIT_EXPONENTIAL, .exp_initial_ns = 4096, .exp_max_ns = 100000, .exp_factor = 1.5},
    {.kinds = WORKQ_LIMIT_FAST_SLOW, .fast_ns = 0, .slow_ns = 2000000, .fast_attempts = 2},
    {.kinds = WORKQ_LIMIT_BUCKET, .bucket_rate = 1000, .bucket_burst = 2, .max_wait_ns = 5000000},
    {.kinds = WORKQ_LIMIT_EXPONENTIAL | WORKQ_LIMIT_BUCKET,
     .exp_initial_ns = 1 << 20,
     .exp_max_ns = 1 << 22,
     .exp_factor = 2,
     .bucket_rate = 100,
     .bucket_burst = 1},
};

static trial_key keys[KEYS];

static void make_keys(void) {
  static unsigned char bytes[KEYS][KEY_MAX];
  for (unsigned i = 0; i < KEYS; i++) {
    static const size_t lengths[] = {1, 2, 8, 63, 64, 65, KEY_MAX};
    keys[i] = (trial_key){.bytes = bytes[i], .len = lengths[i % (sizeof lengths / sizeof *lengths)]};
    bytes[i][0] = (unsigned char)('a' + i);
  }
}

/* What a handle knows of the header is its own: each run has other settings in the same segment. */
static void set_options(workq *q) {
  q->header.capacity = q->geometry.capacity = t.options.capacity;
  q->geometry.items_max = t.options.capacity + 1;
  q->regions.items.max = q->geometry.items_max;
  q->header.limiter = t.options.limiter;
  if (limiter_normalize(&q->header.limiter) < 0) abort();
  q->header.max_retries = t.options.max_retries;
  q->header.max_crashes = t.options.max_crashes ? t.options.max_crashes : 5;
  q->header.give_up = t.options.give_up;
}

static void choose_options(void) {
  t.options.capacity = 1 + (uint32_t)bytes_below(CAPACITY);
  t.options.limiter = limiters[bytes_below(sizeof limiters / sizeof *limiters)];
  t.options.max_retries = (int32_t)bytes_below(4);
  t.options.max_crashes = (int32_t)bytes_below(4);
  t.options.give_up = bytes_below(2) ? WORKQ_BURY : WORKQ_DROP;
  t.key_count = 1 + (unsigned)bytes_below(KEYS);
}

static void set_up_once(void) {
  snprintf(t.name, sizeof t.name, "fuzz-%d", (int)getpid());
  t.options = (workq_options){.capacity = CAPACITY,
                              .key_max = KEY_MAX,
                              .handles = POOL + 1,
                              .reap_interval_ns = WORKQ_REAP_INTERVAL_MAX,
                              .no_metrics = 1,
                              .clock = read_clock};
  handles_make(&t.options, POOL);
  pristine = calloc(1, handles[0]->size);
  t.held = calloc(CAPACITY, sizeof *t.held);
  t.order = calloc(CAPACITY, sizeof *t.order);
  if (!pristine || !t.held || !t.order) plain_fail("no memory");
  stores_copy(handles[0], pristine, handles[0]->base);
  stores_begin(handles[0]);
  make_keys();
  t.keys = keys;
  t.crash_chance = 256; /* then nothing happens: deaths come otherwise here */
}

static void begin(void) {
  for (int h = 0; h < POOL; h++) handles_let_go(h);
  handles[0]->geometry.items_max = CAPACITY + 1;
  stores_copy(handles[0], handles[0]->base, pristine);
  memset(t.handles, 0, sizeof t.handles);
  t.operation = t.held_count = t.stale_count = t.log_count = 0;
  t.model.now_ns = 1000000000;
  choose_options();
  for (int h = 0; h < POOL; h++) set_options(handles[h]);
  model_init(&t.model, &t.options, MUTANT_NONE);
  plain_ok(handles_attach(0), "attach");
  t.handles[0] = handles[0];
  model_open(&t.model, 0);
}

/* One operation, and the look that follows it; either may die. */
static void operate(void) {
  static struct before before;
  bool deadly = bytes_below(DEATH_EVERY) == 0;
  uint64_t store = deadly ? 1 + (bytes_below(STORES) + replay_shift) % STORES : 0;
  asked.kind = SINGLE;
  asked.n = 0;
  if (deadly) {
    remember(&before);
    stores_arm(store);
  }
  (void)trial_operation(&t);
  bytes_spare(true);
  trial_compare(&t);
  bytes_spare(false);
  int slot = stores_disarm();
  if (deadly && slot >= 0) die(&before, slot);
  if (deadly) model_end(&before.model);
  t.operation++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!handles[0]) set_up_once();
  bytes_begin(data, size);
  begin();
  while (!bytes_end() && t.operation < OPERATIONS) operate();
  only = trial_any_handle(&t);
  assert_sound("at the end");
  inside_iterates = true;
  trial_compare(&t);
  inside_iterates = false;
  only = -1;
  model_end(&t.model);
  return 0;
}
