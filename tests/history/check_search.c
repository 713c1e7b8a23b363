/*
 * The checker checked: small histories written by hand, of which it is plain whether some order explains them.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "search.h"
#include "support/plain.h"
#include "workq.h"

#include <errno.h>
#include <string.h>

enum { A, B, NONE = HISTORY_NO_KEY };
enum { NEVER = 0 }; /* it did not return */

static history h;
static unsigned expectations;

/* ---- Writing histories --------------------------------------------------------------------------------------- */

/* Two keys, no delays, no limits. */
static void start(void) {
  memset(&h, 0, sizeof h);
  h.rules = (history_rules){.keys = 2, .capacity = 2};
  h.process_count = 4;
  for (unsigned i = 0; i < h.process_count; i++) h.processes[i].pid = 100 + (int)i;
}

static history_op *op(unsigned process, int64_t call, int64_t ret, enum history_kind kind, int8_t key, int result) {
  history_process *p = &h.processes[process];
  history_op *o = &p->ops[atomic_fetch_add(&p->count, 1)];
  o->call_ns = call;
  o->kind = (uint8_t)kind;
  o->key = key;
  o->result = result;
  atomic_store(&o->ret_ns, ret);
  return o;
}

static void add(unsigned process, int64_t call, int64_t ret, int8_t key, int result) {
  op(process, call, ret, OP_ADD, key, result);
}

static void got(unsigned process, int64_t call, int64_t ret, int8_t key) {
  op(process, call, ret, OP_GET, key, 0);
}

static void got_nothing(unsigned process, int64_t call, int64_t ret) {
  op(process, call, ret, OP_GET, NONE, -ETIMEDOUT);
}

/* Of the run that this process's first operation got. */
static void done(unsigned process, int64_t call, int64_t ret, int8_t key, int result) {
  op(process, call, ret, OP_DONE, key, result);
}

static history_op *state(unsigned process, int64_t call, int64_t ret, int8_t key, int result) {
  return op(process, call, ret, OP_STATE, key, result);
}

static void died(unsigned process, int64_t after, int64_t before) {
  h.processes[process].killed = true;
  h.processes[process].death_after_ns = after;
  h.processes[process].death_before_ns = before;
}

static const char *const verdicts[] = {"explained", "impossible", "given up"};

static void expect_of(int only, const char *words, enum search_verdict want) {
  search_result result;
  search(&h, only, INT64_MAX, &result);
  expectations++;
  if (result.verdict != want) plain_fail("%s: %s instead of %s", words, verdicts[result.verdict], verdicts[want]);
}

/* Of the key A alone and of the whole. */
static void explained(const char *words) {
  expect_of(A, words, SEARCH_EXPLAINED);
  expect_of(B, words, SEARCH_EXPLAINED);
  expect_of(SPEC_WHOLE, words, SEARCH_EXPLAINED);
}

static void impossible(const char *words) {
  expect_of(A, words, SEARCH_IMPOSSIBLE);
  expect_of(SPEC_WHOLE, words, SEARCH_IMPOSSIBLE);
}

/* Each key alone can be explained, all together cannot. */
static void impossible_together(const char *words) {
  expect_of(A, words, SEARCH_EXPLAINED);
  expect_of(B, words, SEARCH_EXPLAINED);
  expect_of(SPEC_WHOLE, words, SEARCH_IMPOSSIBLE);
}

/* ---- Histories ----------------------------------------------------------------------------------------------- */

static void one_key(void) {
  start();
  add(0, 1, 2, A, 1);
  got(1, 3, 4, A);
  done(1, 5, 6, A, 0);
  got_nothing(1, 7, 8);
  explained("add, get, done");

  start();
  add(0, 1, 10, A, 1);
  got(1, 2, 3, A);
  explained("a get inside the add");

  start();
  got(1, 2, 3, A);
  add(0, 4, 5, A, 1);
  impossible("a get before the add");

  start();
  add(0, 1, 2, A, 1);
  got_nothing(1, 3, 4);
  impossible("nothing after an add");

  for (int first = 0; first < 2; first++) {
    start();
    add(0, 1, 5, A, first);
    add(1, 2, 6, A, !first);
    explained("one of two adds at a time is coalesced");
  }
  start();
  add(0, 1, 5, A, 1);
  add(1, 2, 6, A, 1);
  impossible("neither of two adds at a time is coalesced");
}

static void in_two_hands(void) {
  start();
  add(0, 1, 2, A, 1);
  got(1, 3, 4, A);
  got(2, 5, 6, A);
  done(1, 7, 8, A, 0);
  impossible("a key in two hands");

  start();
  add(0, 1, 2, A, 1);
  got(1, 3, 4, A);
  op(1, 5, 9, OP_RELEASE, A, 0);
  got(2, 6, 7, A);
  explained("a get inside a release");

  start();
  add(0, 1, 2, A, 1);
  got(1, 3, 4, A);
  done(1, 5, 6, A, 0);
  done(1, 7, 8, A, -ESTALE);
  explained("done twice is stale");

  start();
  add(0, 1, 2, A, 1);
  got(1, 3, 4, A);
  done(1, 5, 6, A, 0);
  done(1, 7, 8, A, 0);
  impossible("done twice");
}

static void dirty_keys(void) {
  start();
  add(0, 1, 2, A, 1);
  got(1, 3, 4, A);
  add(0, 5, 6, A, 1);
  done(1, 7, 8, A, 1);
  got(1, 9, 10, A);
  explained("a dirty key runs again");

  start();
  add(0, 1, 2, A, 1);
  got(1, 3, 4, A);
  add(0, 5, 6, A, 1);
  done(1, 7, 8, A, 0);
  impossible("a done that forgets dirty");

  start();
  add(0, 1, 2, A, 1);
  got(1, 3, 4, A);
  add(0, 5, 8, A, 1);
  done(1, 6, 7, A, 0);
  got(1, 9, 10, A);
  explained("an add after the done that it overlaps");
}

static void order(void) {
  start();
  add(0, 1, 2, A, 1);
  add(0, 3, 4, B, 1);
  got(1, 5, 6, B);
  impossible_together("the second before the first");

  start();
  add(0, 1, 4, A, 1);
  add(1, 2, 3, B, 1);
  got(1, 5, 6, B);
  explained("any of two that were added at a time");

  start();
  add(0, 1, 2, A, 1);
  add(0, 3, 4, B, 1);
  op(0, 5, 6, OP_ADD, B, 0)->priority = 1;
  op(1, 7, 8, OP_GET, B, 0)->answer.priority = 1;
  explained("a raised key comes first");

  start();
  add(0, 1, 2, A, 1);
  add(0, 3, 4, B, 1);
  op(0, 5, 6, OP_ADD, B, 0)->priority = 1;
  got(1, 7, 8, A);
  impossible_together("a raised key does not come first");

  start();
  add(0, 1, 2, A, 1);
  op(1, 3, 4, OP_LEN, NONE, 2);
  impossible_together("more are ready than were added");
}

static void deaths_inside(void) {
  for (int happened = 0; happened < 2; happened++) {
    start();
    add(0, 1, NEVER, A, 0);
    died(0, 5, 10);
    if (happened) got(1, 20, 21, A);
    else got_nothing(1, 20, 21);
    explained("an add that died may have happened or not");
  }
  start();
  add(0, 1, NEVER, A, 0);
  died(0, 5, 10);
  got_nothing(1, 20, 21);
  got(1, 22, 23, A);
  impossible("an add that happens after its caller's death");

  start();
  add(0, 3, NEVER, A, 0);
  died(0, 5, 10);
  got(1, 1, 2, A);
  impossible("an add that happens before its call");

  start();
  add(0, 1, NEVER, A, 0);
  add(0, 1, NEVER, B, 0);
  died(0, 5, 10);
  state(1, 20, 21, A, -ENOENT);
  state(1, 22, 23, B, WORKQ_STATE_READY);
  impossible_together("the second of a batch, but not the first");
}

/* P1 gets A, and is killed at 10. */
static void start_dead_worker(void) {
  start();
  add(0, 1, 2, A, 1);
  got(1, 3, 4, A);
  died(1, 9, 10);
}

static void got_after_crash(int64_t call, unsigned crashes) {
  history_op *o = op(2, call, call + 1, OP_GET, A, 0);
  o->answer.failures = o->answer.crashes = crashes;
}

static void deaths_of_workers(void) {
  start_dead_worker();
  got_nothing(2, 12, 13);
  got_after_crash(20, 1);
  explained("a dead worker's key goes back");

  start_dead_worker();
  got_after_crash(20, 0);
  impossible("a crash that is not counted");

  start_dead_worker();
  got_after_crash(6, 1);
  impossible("a key taken from the living");

  start_dead_worker();
  op(2, 20, 21, OP_REAP, NONE, 1);
  state(2, 22, 23, A, -ENOENT);
  impossible("a key lost with its worker");

  start_dead_worker();
  op(2, 20, 21, OP_REAP, NONE, 1);
  state(2, 22, 23, A, WORKQ_STATE_PROCESSING)->answer.pid = 101;
  impossible("a key in dead hands after reaping");

  start_dead_worker();
  done(1, 5, NEVER, A, 0);
  state(2, 22, 23, A, -ENOENT);
  explained("a worker that died in done");

  start_dead_worker();
  h.rules.max_crashes = 1;
  history_op *o = state(2, 22, 23, A, WORKQ_STATE_BURIED);
  o->answer.crashes = 1;
  explained("a key buried after its last crash");
}

/* Due between 101 and 102. */
static void start_delayed(void) {
  start();
  op(0, 1, 2, OP_ADD, A, 1)->delay_ns = 100;
}

static void delays(void) {
  start_delayed();
  got_nothing(1, 90, 91);
  got(1, 103, 104, A);
  explained("a delayed key when it is due");

  start_delayed();
  got(1, 90, 91, A);
  impossible("a delayed key before it is due");

  start_delayed();
  got_nothing(1, 103, 104);
  impossible("no delayed key when it is due");

  start_delayed();
  state(1, 103, 104, A, WORKQ_STATE_DELAYED)->answer.delayed = true;
  impossible("delayed still when due");

  start_delayed();
  op(1, 50, 51, OP_SHUTDOWN, NONE, 0);
  state(1, 103, 104, A, WORKQ_STATE_DELAYED)->answer.delayed = true;
  explained("delayed still, since shut down");

  start_delayed();
  op(1, 10, 11, OP_ADD, A, 0)->delay_ns = 50;
  impossible("not brought forward");

  start_delayed();
  op(1, 10, 11, OP_ADD, A, 1)->delay_ns = 50;
  got(1, 62, 63, A);
  explained("brought forward");
}

static void whole_queue(void) {
  start();
  op(0, 1, 5, OP_SHUTDOWN, NONE, 0);
  add(1, 2, 3, A, -ESHUTDOWN);
  explained("refused inside the shutdown");

  start();
  add(1, 2, 3, A, -ESHUTDOWN);
  op(0, 4, 5, OP_SHUTDOWN, NONE, 0);
  impossible("refused before the shutdown");

  start();
  op(0, 1, 2, OP_PAUSE, NONE, 1);
  add(0, 3, 4, A, 1);
  got(1, 5, 6, A);
  impossible("a get while paused");

  start();
  h.rules.capacity = 1;
  add(0, 1, 2, A, 1);
  add(0, 3, 4, B, -ENOSPC);
  explained("full");

  start();
  h.rules.capacity = 1;
  add(0, 3, 4, B, -ENOSPC);
  impossible_together("full while empty");
}

static void shortest(void) {
  start();
  add(0, 1, 2, A, 1);
  got_nothing(1, 3, 4);
  got(1, 5, 6, A);
  done(1, 7, 8, A, 1);
  if (search_shortest(&h, A) != 4) plain_fail("the shortest part ends at %lld", (long long)search_shortest(&h, A));
}

int main(void) {
  one_key();
  in_two_hands();
  dirty_keys();
  order();
  deaths_inside();
  deaths_of_workers();
  delays();
  whole_queue();
  shortest();
  printf("%u verdicts as expected\n", expectations);
  return PLAIN_PASS;
}
