/*
 * Scenarios: keys by name, and the queue as a whole.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "keys.h"

#include "support/plain.h"

enum { BURIED = 3 };

/* ---- Start states */

static void several(workq *q) {
  keys_add_many(q, 3);
  keys_add_at(q, "key", 0);
  keys_add_at(q, "high", 5);
  keys_add(q, "last");
}

static void failed(workq *q) {
  several(q);
  plain_ok(workq_add_rate_limited(q, "key", 3), "workq_add_rate_limited");
}

static void processing_failed(workq *q) {
  keys_add(q, "key");
  plain_ok(workq_add_rate_limited(q, "key", 3), "workq_add_rate_limited");
  keys_take(q, 1);
}

static void idle(workq *q) {
  keys_idle(q, 3);
}

static void deep(workq *q) {
  keys_delay_many(q);
}

static void dirty(workq *q) {
  processing_failed(q);
  keys_add_at(q, "key", 7);
}

static void delayed_in_hand(workq *q) {
  processing_failed(q);
  deep(q);
  keys_delay(q, "key", 4500);
}

static void buried(workq *q) {
  several(q);
  keys_bury(q, "b0");
  keys_bury(q, "b1");
  keys_bury(q, "b2");
}

static void crowded(workq *q) {
  keys_crowd(q, BUCKET_ENTRIES + 3);
}

static void sleeper_waits(workq *q) {
  deep(q);
  scene_sleeper(WAIT_GET);
}

static void buried_and_sleeper(workq *q) {
  keys_bury(q, "b1");
  scene_sleeper(WAIT_GET);
}

static void shut_down(workq *q) {
  several(q);
  plain_ok(workq_shutdown(q), "workq_shutdown");
}

/* Ready keys keep a get from saying that it is shut down, and the pause lets it wait. */
static void shut_down_and_sleeper(workq *q) {
  deep(q);
  several(q);
  plain_ok(workq_pause(q), "workq_pause");
  plain_ok(workq_shutdown(q), "workq_shutdown");
  scene_sleeper(WAIT_GET);
}

static void paused(workq *q) {
  several(q);
  plain_ok(workq_pause(q), "workq_pause");
}

static void paused_and_sleeper(workq *q) {
  paused(q);
  scene_sleeper(WAIT_GET);
}

/* ---- Operations */

static const char *crowd_key;

static void choose_crowd_key(workq *q) {
  crowd_key = keys_crowd_name(q, BUCKET_ENTRIES + 1);
}

static int forget_key(workq *q, unsigned parts) {
  (void)parts;
  return workq_forget(q, "key", 3);
}

static int forget_idle(workq *q, unsigned parts) {
  (void)parts;
  return workq_forget(q, "i1", 2);
}

static int remove_key(workq *q, unsigned parts) {
  (void)parts;
  return workq_remove(q, "key", 3);
}

static int remove_delayed(workq *q, unsigned parts) {
  (void)parts;
  return workq_remove(q, "d7", 2);
}

static int remove_buried(workq *q, unsigned parts) {
  (void)parts;
  return workq_remove(q, "b1", 2);
}

static int remove_idle(workq *q, unsigned parts) {
  (void)parts;
  return workq_remove(q, "i1", 2);
}

static int remove_crowded(workq *q, unsigned parts) {
  (void)parts;
  return workq_remove(q, crowd_key, keys_length(crowd_key));
}

static int kick_one(workq *q, unsigned parts) {
  (void)parts;
  return workq_kick(q, "b1", 2);
}

/* The oldest first, as kicking all of them does. */
static int kick_all(workq *q, unsigned parts) {
  static const char keys[BURIED][2] = {{'b', '0'}, {'b', '1'}, {'b', '2'}};
  if (parts == BURIED) return workq_kick(q, NULL, 0);
  for (unsigned i = 0; i < parts; i++) plain_ok(workq_kick(q, keys[i], 2), "workq_kick");
  return (int)parts;
}

static int restore(workq *q, const char *key, int state) {
  workq_info info = {.key = key,
                     .key_len = keys_length(key),
                     .state = state,
                     .priority = 3,
                     .failures = 2,
                     .crashes = 1,
                     .due_in_ns = state == WORKQ_STATE_DELAYED ? 5000 : -1};
  return workq_restore(q, &info);
}

static int restore_ready(workq *q, unsigned parts) {
  (void)parts;
  return restore(q, "saved", WORKQ_STATE_READY);
}

static int restore_delayed(workq *q, unsigned parts) {
  (void)parts;
  return restore(q, "saved", WORKQ_STATE_DELAYED);
}

static int restore_buried(workq *q, unsigned parts) {
  (void)parts;
  return restore(q, "saved", WORKQ_STATE_BURIED);
}

static int restore_known(workq *q, unsigned parts) {
  (void)parts;
  return restore(q, "i1", WORKQ_STATE_BURIED);
}

static int shutdown_queue(workq *q, unsigned parts) {
  (void)parts;
  return workq_shutdown(q);
}

static int drain(workq *q, unsigned parts) {
  (void)parts;
  return workq_shutdown_drain(q, 1);
}

static int resume(workq *q, unsigned parts) {
  (void)parts;
  return workq_resume(q);
}

static int pause_queue(workq *q, unsigned parts) {
  (void)parts;
  return workq_pause(q);
}

static int unpause(workq *q, unsigned parts) {
  (void)parts;
  return workq_unpause(q);
}

const scenario scenarios_naming[] = {
    {"forget", "ready", .result = 1, .set = failed, .act = forget_key},
    {"forget", "processing", .result = 1, .set = processing_failed, .act = forget_key},
    {"forget", "idle", .result = 1, .set = idle, .act = forget_idle},
    {"remove", "ready", .result = 1, .set = failed, .act = remove_key},
    {"remove", "delayed, deep heap", .result = 1, .set = deep, .act = remove_delayed},
    {"remove", "processing", .result = 1, .set = processing_failed, .act = remove_key},
    {"remove", "dirty", .result = 1, .set = dirty, .act = remove_key},
    {"remove", "processing and delayed", .result = 1, .set = delayed_in_hand, .act = remove_key},
    {"remove", "buried", .result = 1, .set = buried, .act = remove_buried},
    {"remove", "idle", .result = 1, .set = idle, .act = remove_idle},
    {"remove", "chain of a line", .result = 1, .set = crowded, .prepare = choose_crowd_key, .act = remove_crowded},
    {"kick", "one of three buried", .result = 1, .set = buried, .act = kick_one},
    {"kick", "a worker sleeps", .result = 1, .set = buried_and_sleeper, .act = kick_one},
    {"kick of all", "three buried", .parts = BURIED, .result = BURIED, .set = buried, .act = kick_all},
    {"restore", "a ready key", .result = 1, .set = several, .act = restore_ready},
    {"restore", "a ready key, a worker sleeps", .result = 1, .set = buried_and_sleeper, .act = restore_ready},
    {"restore", "a delayed key, deep heap", .result = 1, .set = deep, .act = restore_delayed},
    {"restore", "a buried key", .result = 1, .set = buried, .act = restore_buried},
    {"restore", "an idle key that was buried", .result = 1, .set = idle, .act = restore_known},
    {"shutdown", "several", .set = several, .act = shutdown_queue},
    {"shutdown", "a worker sleeps", .set = sleeper_waits, .act = shutdown_queue},
    {"shutdown_drain", "several", .result = -ETIMEDOUT, .set = several, .act = drain},
    {"resume", "shut down", .result = 1, .set = shut_down, .act = resume},
    {"resume", "a worker sleeps", .result = 1, .set = shut_down_and_sleeper, .act = resume},
    {"pause", "several", .result = 1, .set = several, .act = pause_queue},
    {"unpause", "several", .result = 1, .set = paused, .act = unpause},
    {"unpause", "a worker sleeps", .result = 1, .set = paused_and_sleeper, .act = unpause},
    {0}};
