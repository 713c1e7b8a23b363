/*
 * What victims do; see two_operations.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "two_operations.h"

#include "support/plain.h"

static workq_item in_hand;

static void add_one(workq *q) {
  plain_ok(key_add(q, VICTIMS_KEY), "workq_add");
}

static void take_one(workq *q) {
  add_one(q);
  plain_ok(workq_get(q, &in_hand, 0), "workq_get");
  key_take(&in_hand, HAND_VICTIM);
}

static int add(workq *q) {
  return key_add(q, VICTIMS_KEY);
}

static int delay(workq *q) {
  return workq_add_after(q, "key 0", 5, NS_PER_MS);
}

static int len(workq *q) {
  return workq_len(q);
}

static int get(workq *q) {
  return workq_get(q, &in_hand, 0);
}

static int done(workq *q) {
  key_put_down(&in_hand, HAND_VICTIM);
  return workq_done(q, &in_hand);
}

static int retry(workq *q) {
  key_put_down(&in_hand, HAND_VICTIM);
  return workq_retry(q, &in_hand);
}

static int reap(workq *q) {
  return workq_reap(q);
}

static int wait_for_one(workq *q) {
  return workq_get(q, &in_hand, WORKQ_FOREVER);
}

const victim_operation operation_add = {"add", NULL, add, true};
const victim_operation operation_delay = {"add_after", NULL, delay, true};
const victim_operation operation_len = {"len", NULL, len, true};
const victim_operation operation_get = {"get", add_one, get, false};
const victim_operation operation_done = {"done", take_one, done, false};
const victim_operation operation_retry = {"retry", take_one, retry, false};
const victim_operation operation_reap = {"reap", NULL, reap, true};
const victim_operation operation_wait = {"get that waits", NULL, wait_for_one, false};
