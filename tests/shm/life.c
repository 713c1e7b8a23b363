/*
 * The life of a key, step by step, in the library and in a model; see life.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "life.h"

#include <stdio.h>
#include <stdlib.h>

#include "shm/delay.h"
#include "shm/state.h"
#include "shm/table.h"

const int64_t life_far_ns = 3600 * NS_PER_S;

workq *life_handles[LIFE_HANDLES], *life_q, *life_reaper;

static const char *const state_names[STATES] = {"gone",  "ready",      "delayed", "running",
                                                "dirty", "running at", "buried",  "idle"};
static const char *const step_names[STEPS] = {"mark",    "mark at", "start",  "finish", "retry", "give up",
                                              "release", "crash",   "forget", "remove", "kick"};

/* ---- The model ---- */

static bool in_hand(const struct key *key) {
  return key->state == RUNNING || key->state == DIRTY || key->state == RUNNING_AT;
}

static bool is_pending(const struct key *key) {
  return key->state == READY || key->state == DELAYED || key->state == DIRTY || key->state == RUNNING_AT;
}

static void forget_counts(struct key *key) {
  key->failures = key->crashes = 0;
}

static void rest(struct key *key) {
  key->state = key->failures || key->crashes ? IDLE : GONE;
}

static int model_mark(struct key *key, int64_t due_ns, int priority) {
  enum state now = in_hand(key) ? DIRTY : READY, at = in_hand(key) ? RUNNING_AT : DELAYED;
  if (!is_pending(key) || priority > key->priority) key->priority = priority;
  if (key->state == now) return 0;
  if (due_ns == DUE_NOW) {
    key->state = now;
    return 1;
  }
  if (key->state == at && due_ns >= key->due_ns) return 0;
  key->state = at;
  key->due_ns = due_ns;
  return 1;
}

static int model_finish(struct key *key) {
  if (key->state == DIRTY) {
    key->state = READY;
    return 1;
  }
  if (key->state == RUNNING_AT) key->state = DELAYED;
  else rest(key);
  return 0;
}

static int model_give_up(struct key *key, bool drop) {
  bool again = is_pending(key);
  if (drop) forget_counts(key);
  if (drop || again || key->removed) {
    (void)model_finish(key);
    return again;
  }
  key->priority = key->run_priority;
  key->state = BURIED;
  return 0;
}

static void model_again(struct key *key) {
  int64_t due_ns = inner_now_ns + (LIFE_FAIL_NS << key->failures++);
  (void)model_mark(key, due_ns, key->run_priority);
  (void)model_finish(key);
}

static int model_end_removed(struct key *key) {
  bool again = is_pending(key);
  (void)model_finish(key);
  return again;
}

static int model_remove(struct key *key) {
  bool something = is_pending(key) || key->failures || key->crashes || !in_hand(key) || !key->removed;
  forget_counts(key);
  if (in_hand(key)) {
    key->removed = true;
    key->state = RUNNING;
    key->priority = key->run_priority;
  } else {
    key->state = GONE;
  }
  return something;
}

static int model_forget(struct key *key) {
  if (!key->failures && !key->crashes) return 0;
  forget_counts(key);
  if (key->state == IDLE) key->state = GONE;
  return 1;
}

/* What the step must give, -EUCLEAN where it has no place; the key is then as it was. */
static int model_step(struct key *key, enum step step, int64_t due_ns, int priority) {
  if (step >= FINISH && step <= CRASH && !in_hand(key)) return -EUCLEAN;
  switch (step) {
  case MARK:
    return model_mark(key, DUE_NOW, priority);
  case MARK_AT:
    return model_mark(key, due_ns, priority);
  case START:
    if (key->state != READY) return -EUCLEAN;
    key->state = RUNNING;
    key->removed = false;
    key->run_priority = key->priority;
    return 0;
  case FINISH:
    return model_finish(key);
  case RETRY:
    if (key->removed) return model_end_removed(key);
    if (key->failures >= LIFE_MAX_RETRIES) return model_give_up(key, life_q->header.give_up == WORKQ_DROP);
    model_again(key);
    return 1;
  case GIVE_UP:
    return model_give_up(key, life_q->header.give_up == WORKQ_DROP);
  case RELEASE:
    if (!key->removed) (void)model_mark(key, DUE_NOW, key->run_priority);
    (void)model_finish(key);
    return 0;
  case CRASH:
    if (key->removed) (void)model_end_removed(key);
    else if (++key->crashes >= LIFE_MAX_CRASHES) (void)model_give_up(key, false);
    else if (key->failures >= LIFE_MAX_RETRIES) (void)model_give_up(key, life_q->header.give_up == WORKQ_DROP);
    else model_again(key);
    return 0;
  case FORGET:
    return model_forget(key);
  case REMOVE:
    return model_remove(key);
  default:
    if (key->state != BURIED) return 0;
    forget_counts(key);
    key->state = READY;
    return 1;
  }
}

/* ---- The library ---- */

int life_create(uint32_t number, uint32_t *index) {
  char key[32];
  size_t len = inner_key(number, key);
  uint32_t hash = table_hash(life_q, key, len);
  struct item *item;
  return state_create(life_q, table_bucket(life_q, hash), hash, key, len, index, &item);
}

int life_crash(uint32_t index, struct item *item) {
  struct slot *dead = &life_reaper->slots[life_q->slot_id];
  journal_save(life_reaper, &dead->own);
  return state_crash(life_reaper, dead, index, item, inner_now_ns);
}

static int real_step(uint32_t index, struct item *item, enum step step, int64_t due_ns, int priority) {
  switch (step) {
  case MARK:
    return state_add(life_q, index, item, DUE_NOW, priority);
  case MARK_AT:
    return state_add(life_q, index, item, due_ns, priority);
  case START:
    return state_start_run(life_q, index, item);
  case FINISH:
    return state_end_run(life_q, life_q->slot, index, item);
  case RETRY:
    return state_retry(life_q, life_q->slot, index, item, inner_now_ns);
  case GIVE_UP:
    return state_give_up(life_q, life_q->slot, index, item);
  case RELEASE:
    return state_release(life_q, life_q->slot, index, item);
  case CRASH:
    return life_crash(index, item);
  case FORGET:
    return state_forget(life_q, index, item);
  case REMOVE:
    return state_remove(life_q, index, item);
  default:
    return state_kick(life_q, index, item);
  }
}

static enum state state_of(const struct item *item) {
  switch (item->place) {
  case PLACE_READY:
    return READY;
  case PLACE_DELAYED:
    return DELAYED;
  case PLACE_PROCESSING:
    return item->pending == PENDING_NONE ? RUNNING : item->pending == PENDING_NOW ? DIRTY : RUNNING_AT;
  case PLACE_BURIED:
    return BURIED;
  case PLACE_IDLE:
    return IDLE;
  default:
    return GONE;
  }
}

void life_assert(const struct key *key, const char *what) {
  const struct item *item = item_at(life_q, key->index);
  ck_assert_msg(state_of(item) == key->state, "%s: is %s, not %s", what, state_names[state_of(item)],
                state_names[key->state]);
  if (key->state == GONE) return;
  ck_assert_msg(item->failures == key->failures && item->crashes == key->crashes, "%s: %u failures, %u crashes", what,
                item->failures, item->crashes);
  ck_assert_msg(item->priority == key->priority, "%s: priority", what);
  if (in_hand(key)) ck_assert_msg(item->run_priority == key->run_priority, "%s: priority of the run", what);
  if (in_hand(key)) ck_assert_msg(item->removed == key->removed, "%s: removed %u", what, item->removed);
  if (key->state == DELAYED || key->state == RUNNING_AT)
    ck_assert_msg(delay_due_ns(life_q, item) == key->due_ns, "%s: due at another time", what);
  ck_assert_uint_eq(item->owner, in_hand(key) ? life_q->slot_id + 1 : 0);
}

/* Where the model refuses a step, nothing may change. */
void life_step(struct key *key, enum step step, int64_t due_ns, int priority) {
  char what[64];
  struct key expected = *key;
  snprintf(what, sizeof what, "%s, from %s", step_names[step], state_names[key->state]);
  int rc = model_step(&expected, step, due_ns, priority);
  struct picture *before = rc < 0 ? inner_take(life_q) : NULL;
  workq *actor = step == CRASH ? life_reaper : life_q;
  struct item *item = item_at(actor, key->index);
  inner_begin(actor);
  journal_save(actor, item);
  int got = inner_end(actor, real_step(key->index, item, step, due_ns, priority));
  ck_assert_msg(got == rc, "%s: gives %d, not %d", what, got, rc);
  if (before) inner_assert_same(life_q, before);
  else *key = expected;
  free(before);
  life_assert(key, what);
}

struct key life_born(uint32_t number, int64_t due_ns, int priority) {
  struct key key = {.state = due_ns == DUE_NOW ? READY : DELAYED, .priority = priority, .due_ns = due_ns};
  inner_begin(life_q);
  ck_assert_int_eq(life_create(number, &key.index), 0);
  ck_assert_int_eq(inner_end(life_q, state_add(life_q, key.index, item_at(life_q, key.index), due_ns, priority)), 1);
  life_assert(&key, "born");
  return key;
}

void life_start_with(const workq_options *options) {
  inner_open(options, life_handles, LIFE_HANDLES);
  life_q = life_handles[0];
  life_reaper = life_handles[1];
}

workq_options life_options(uint32_t capacity, uint32_t give_up) {
  return (workq_options){.capacity = capacity,
                         .key_max = 40,
                         .handles = LIFE_HANDLES,
                         .max_retries = LIFE_MAX_RETRIES,
                         .max_crashes = LIFE_MAX_CRASHES,
                         .give_up = give_up,
                         .reap_interval_ns = WORKQ_DURATION_MAX,
                         .limiter = {.exp_initial_ns = LIFE_FAIL_NS, .exp_max_ns = NS_PER_S}};
}

void life_start(uint32_t give_up) {
  workq_options options = life_options(LIFE_CAPACITY, give_up);
  life_start_with(&options);
}

struct key life_key_in(enum state state, uint32_t number, uint32_t failures, int priority) {
  struct key key = life_born(number, DUE_NOW, priority);
  item_at(life_q, key.index)->failures = key.failures = state == IDLE && !failures ? 1 : failures;
  if (state == DELAYED) {
    life_step(&key, START, 0, 0);
    life_step(&key, MARK_AT, life_far_ns, priority);
    life_step(&key, FINISH, 0, 0);
  }
  if (state == READY || state == DELAYED) return key;
  life_step(&key, START, 0, 0);
  if (state == DIRTY) life_step(&key, MARK, 0, priority);
  if (state == RUNNING_AT) life_step(&key, MARK_AT, life_far_ns, priority);
  if (state == IDLE) life_step(&key, FINISH, 0, 0);
  if (state == BURIED) {
    key.crashes = LIFE_MAX_CRASHES - 1;
    item_at(life_q, key.index)->crashes = (uint16_t)key.crashes;
    life_step(&key, CRASH, 0, 0);
  }
  ck_assert_int_eq(key.state, state);
  return key;
}

void life_close(void) {
  for (int h = 0; h < LIFE_HANDLES; h++) inner_close(life_handles[h]);
}
