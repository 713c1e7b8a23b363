/*
 * Queues with a fault; see mutant.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mutant.h"

#include "shm/operation.h"
#include "shm/ready.h"
#include "support/plain.h"

#include <errno.h>

enum mutant mutant_active;

const char *mutant_name(enum mutant mutant) {
  static const char *const names[MUTANTS] = {"none",
                                             "done forgets dirty",
                                             "get hands a key to two",
                                             "a coalesced add loses a raise",
                                             "reaping loses a key",
                                             "order broken",
                                             "crash not counted",
                                             "retry not counted",
                                             "retry in two steps",
                                             "remove does not",
                                             "pause ignored",
                                             "delay cut short",
                                             "a batch loses its last key",
                                             "done with a stale ticket"};
  return names[mutant];
}

/* ---- Other calls --------------------------------------------------------------------------------------------- */

int mutant_add(workq *q, const void *key, size_t len, const workq_add_options *options) {
  workq_add_options changed = *options;
  if (mutant_active == MUTANT_DELAY_CUT_SHORT) changed.after_ns /= 4;
  return workq_add_opts(q, key, len, &changed);
}

int mutant_add_batch(workq *q, const workq_key *keys, size_t n, const workq_add_options *options, size_t *marked) {
  if (mutant_active != MUTANT_BATCH_LOSES_LAST || n == 1) return workq_add_batch(q, keys, n, options, marked);
  int taken = workq_add_batch(q, keys, n - 1, options, marked);
  return taken == (int)n - 1 ? (int)n : taken;
}

/* The head of the highest priority goes behind the others of that priority. */
static void break_order(workq *q) {
  plain_ok(op_begin(q, CLOCK_NEVER), "op_begin");
  uint32_t index;
  plain_ok(ready_first(q, &index), "ready_first");
  struct item *item = item_at(q, index);
  if (item != NULL) {
    journal_begin_item(q, item);
    plain_ok(ready_remove(q, index, item), "ready_remove");
    plain_ok(ready_push(q, index, item), "ready_push");
    journal_commit(q);
  }
  op_end(q);
}

int mutant_get(workq *q, workq_item *item, int64_t timeout_ns) {
  if (mutant_active == MUTANT_ORDER_BROKEN) break_order(q);
  bool resumed = mutant_active == MUTANT_PAUSE_IGNORED && workq_unpause(q) == 1;
  int rc = workq_get(q, item, timeout_ns);
  if (resumed) workq_pause(q);
  /* The caller keeps it in hand, and the next who comes gets it, too. */
  if (mutant_active == MUTANT_TWO_HANDS && rc == 0) plain_ok(workq_release(q, item), "workq_release");
  return rc;
}

static int done_without_dirty(workq *q, const workq_item *item) {
  workq_info info;
  int state = workq_state(q, item->key, item->key_len, &info);
  if (state == WORKQ_STATE_DIRTY && info.failures == 0 && info.crashes == 0)
    plain_ok(workq_remove(q, item->key, item->key_len), "workq_remove");
  return workq_done(q, item);
}

int mutant_done(workq *q, const workq_item *item) {
  if (mutant_active == MUTANT_DONE_FORGETS_DIRTY) return done_without_dirty(q, item);
  int rc = workq_done(q, item);
  if (rc == -ESTALE && mutant_active == MUTANT_TWO_HANDS) return 0;
  if (rc == -ESTALE && mutant_active == MUTANT_STALE_DONE) {
    int again = workq_done_key(q, item->key, item->key_len);
    return again < 0 ? rc : again;
  }
  return rc;
}

int mutant_retry(workq *q, const workq_item *item) {
  if (mutant_active != MUTANT_RETRY_IN_TWO_STEPS) return workq_retry(q, item);
  int rc = workq_add_rate_limited(q, item->key, item->key_len);
  if (rc < 0) return workq_retry(q, item);
  rc = workq_done(q, item);
  return rc < 0 ? rc : 1;
}

/* ---- Other steps inside: the linker puts these in place of the library's -------------------------------------- */

int __real_state_add_known(workq *q, uint32_t index, struct item *item, int64_t due_ns, int priority);
int __wrap_state_add_known(workq *q, uint32_t index, struct item *item, int64_t due_ns, int priority);
int __wrap_state_add_known(workq *q, uint32_t index, struct item *item, int64_t due_ns, int priority) {
  if (mutant_active == MUTANT_RAISE_LOST && item->place == PLACE_READY) return 0;
  return __real_state_add_known(q, index, item, due_ns, priority);
}

int __real_state_crash(workq *q, struct slot *slot, uint32_t index, struct item *item, int64_t now_ns);
int __wrap_state_crash(workq *q, struct slot *slot, uint32_t index, struct item *item, int64_t now_ns);
int __wrap_state_crash(workq *q, struct slot *slot, uint32_t index, struct item *item, int64_t now_ns) {
  if (mutant_active == MUTANT_CRASH_NOT_COUNTED) return state_release(q, slot, index, item);
  if (mutant_active != MUTANT_REAP_LOSES_KEY) return __real_state_crash(q, slot, index, item, now_ns);
  plain_ok(state_remove(q, index, item), "state_remove");
  return state_end_run(q, slot, index, item);
}

int __real_state_retry(workq *q, struct slot *slot, uint32_t index, struct item *item, int64_t now_ns);
int __wrap_state_retry(workq *q, struct slot *slot, uint32_t index, struct item *item, int64_t now_ns);
int __wrap_state_retry(workq *q, struct slot *slot, uint32_t index, struct item *item, int64_t now_ns) {
  if (mutant_active != MUTANT_RETRY_NOT_COUNTED) return __real_state_retry(q, slot, index, item, now_ns);
  int rc = state_release(q, slot, index, item);
  return rc < 0 ? rc : 1;
}

int __real_state_remove(workq *q, uint32_t index, struct item *item);
int __wrap_state_remove(workq *q, uint32_t index, struct item *item);
int __wrap_state_remove(workq *q, uint32_t index, struct item *item) {
  if (mutant_active == MUTANT_REMOVE_DOES_NOT && item->place == PLACE_READY) return 1;
  return __real_state_remove(q, index, item);
}
