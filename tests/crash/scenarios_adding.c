/*
 * Scenarios: adding keys.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "keys.h"

#include "shm/journal.h"
#include "shm/lock.h"
#include "shm/wait.h"
#include "support/plain.h"

enum { BATCH = 5, MANY = 24 /* more than one transaction takes */, LARGE = 300 };

static const workq_options large = {.capacity = LARGE, .key_max = 32, .handles = 6, .flags = WORKQ_NO_SPIN};
static const workq_options tiny = {.capacity = 4, .key_max = 32, .handles = 6, .flags = WORKQ_NO_SPIN};
static const workq_options bucket = {.capacity = 64,
                                     .key_max = 32,
                                     .handles = 6,
                                     .flags = WORKQ_NO_SPIN,
                                     .limiter = {.kinds = WORKQ_LIMIT_EXPONENTIAL | WORKQ_LIMIT_BUCKET,
                                                 .exp_initial_ns = 1000,
                                                 .exp_max_ns = 1000000,
                                                 .bucket_rate = 10,
                                                 .bucket_burst = 2}};

/* ---- Start states */

static void one(workq *q) {
  keys_add(q, "one");
}

static workq_key many_keys[MANY];

static void several(workq *q) {
  keys_add_many(q, 3);
  keys_add_at(q, "high", 5);
  keys_add_at(q, "key", 0);
  keys_add_at(q, "low", -7);
  keys_add(q, "last");
}

static void several_and_names(workq *q) {
  static char texts[MANY][8];
  several(q);
  for (int i = 0; i < MANY; i++)
    many_keys[i] = (workq_key){texts[i], (size_t)snprintf(texts[i], sizeof texts[i], "m%d", i)};
}

static void processing(workq *q) {
  keys_add(q, "key");
  keys_take(q, 1);
  keys_add(q, "other");
}

static void dirty(workq *q) {
  processing(q);
  keys_add(q, "key");
}

static void buried(workq *q) {
  keys_bury(q, "key");
  keys_bury(q, "other");
}

static void idle(workq *q) {
  keys_idle(q, 3);
}

static void deep(workq *q) {
  keys_delay_many(q);
}

static void processing_and_deep(workq *q) {
  processing(q);
  deep(q);
}

static void due(workq *q) {
  deep(q);
  scene_pass_ns(3500);
}

static void full_of_idle(workq *q) {
  keys_idle(q, 3);
  keys_add(q, "one");
}

static void full(workq *q) {
  keys_add_many(q, 4);
}

static void before_split(workq *q) {
  keys_add_many(q, BUCKETS_MIN * BUCKET_LOAD);
}

static void memory_used_up(workq *q) {
  char key[] = "m000";
  for (unsigned i = 0; i < q->control->cold.items_committed || i == 0; i++) {
    for (unsigned digit = 0, rest = i; digit < 3; digit++, rest /= 10) key[3 - digit] = (char)('0' + rest % 10);
    keys_add(q, key);
  }
}

static void line_full(workq *q) {
  keys_crowd(q, BUCKET_ENTRIES);
}

static void line_with_chain(workq *q) {
  keys_crowd(q, BUCKET_ENTRIES + 2);
}

static void paused(workq *q) {
  several(q);
  plain_ok(workq_pause(q), "workq_pause");
}

static void shut_down(workq *q) {
  several(q);
  plain_ok(workq_shutdown(q), "workq_shutdown");
}

static void sleeper_waits(workq *q) {
  (void)q;
  scene_sleeper(WAIT_GET);
}

static void dies_in_line(workq *q) {
  plain_ok(lock_acquire(q, CLOCK_NEVER), "lock_acquire");
  journal_begin(q);
  plain_ok(wait_enter(q, WAIT_GET, SCENE_START_NS + NS_PER_S, false), "wait_enter");
  journal_commit(q);
  wait_arm(q);
  lock_release(q);
}

static void sleeper_died(workq *q) {
  (void)q;
  scene_casualty(dies_in_line);
}

/* ---- Operations */

static int add_key(workq *q, unsigned parts) {
  (void)parts;
  return keys_try_add(q, "key");
}

static int raise_key(workq *q, unsigned parts) {
  (void)parts;
  return keys_try_add_at(q, "key", 5, 0);
}

static int raise_delayed(workq *q, unsigned parts) {
  (void)parts;
  return keys_try_add_at(q, "d15", 5, NS_PER_S);
}

static int add_delayed_now(workq *q, unsigned parts) {
  (void)parts;
  return keys_try_add(q, "d15");
}

static int add_idle(workq *q, unsigned parts) {
  (void)parts;
  return keys_try_add(q, "i1");
}

static int delay_key(workq *q, unsigned parts) {
  (void)parts;
  return keys_try_delay(q, "key", 500);
}

static int delay_latest(workq *q, unsigned parts) {
  (void)parts;
  return keys_try_delay(q, "key", NS_PER_S);
}

static int delay_earlier(workq *q, unsigned parts) {
  (void)parts;
  return keys_try_delay(q, "d29", 500);
}

static int delay_later(workq *q, unsigned parts) {
  (void)parts;
  return keys_try_delay(q, "d29", NS_PER_S);
}

static int rate_limited(workq *q, unsigned parts) {
  (void)parts;
  return workq_add_rate_limited(q, "key", 3);
}

static const char *crowd_key;

static void choose_crowd_key(workq *q) {
  crowd_key = keys_crowd_name(q, BUCKET_ENTRIES + 3);
}

static int add_crowded(workq *q, unsigned parts) {
  (void)parts;
  return keys_try_add(q, crowd_key);
}

static int add_wait(workq *q, unsigned parts) {
  (void)parts;
  return workq_add_wait(q, "key", 3, 1);
}

static int add_batch(workq *q, unsigned parts) {
  static const workq_key keys[BATCH] = {{"new", 3}, {"key", 3}, {"newer", 5}, {"high", 4}, {"newest", 6}};
  static const workq_add_options options = {.priority = 1};
  return workq_add_batch(q, keys, parts, &options, NULL);
}

static int add_many(workq *q, unsigned parts) {
  (void)parts;
  return workq_add_batch(q, many_keys, MANY, NULL, NULL);
}

static int batch_evicts(workq *q, unsigned parts) {
  static const workq_key keys[3] = {{"new", 3}, {"newer", 5}, {"newest", 6}};
  return workq_add_batch(q, keys, parts, NULL, NULL);
}

const scenario scenarios_adding[] = {
    {"add", "empty", .result = 1, .act = add_key},
    {"add", "one ready", .result = 1, .set = one, .act = add_key},
    {"add", "several, paused", .result = 1, .set = paused, .act = add_idle},
    {"add", "some are due", .result = 1, .set = due, .act = add_key},
    {"add", "no line of the table has room", .result = 1, .set = line_full, .prepare = choose_crowd_key,
     .act = add_crowded},
    {"add", "a chain in the table", .result = 1, .set = line_with_chain, .prepare = choose_crowd_key,
     .act = add_crowded},
    {"add", "a worker sleeps", .result = 1, .set = sleeper_waits, .act = add_key},
    {"add", "a worker died asleep", .result = 1, .set = sleeper_died, .act = add_key},
    {"add", "full", SCENE_SAME, 0, -ENOSPC, &tiny, full, NULL, add_key},
    {"add", "shut down", SCENE_SAME, .result = -ESHUTDOWN, .set = shut_down, .act = add_key},
    {"add that evicts", "full", 0, 0, 1, &tiny, full_of_idle, NULL, add_key},
    {"add that splits a line", "257 keys", 0, 0, 1, &large, before_split, NULL, add_key},
    {"add that grows the segment", "no memory left", 0, 0, 1, &large, memory_used_up, NULL, add_key},
    {"add coalesced", "ready", .result = 0, .set = several, .act = add_key},
    {"add coalesced", "dirty", .result = 0, .set = dirty, .act = add_key},
    {"add", "buried", .result = 1, .set = buried, .act = add_key},
    {"add to idle", "three idle", .result = 1, .set = idle, .act = add_idle},
    {"add dirty", "processing", .result = 1, .set = processing, .act = add_key},
    {"add raises", "ready", .result = 0, .set = several, .act = raise_key},
    {"add raises", "delayed", .result = 0, .set = deep, .act = raise_delayed},
    {"add raises", "dirty", .result = 0, .set = dirty, .act = raise_key},
    {"add of a delayed key", "deep heap", .result = 1, .set = deep, .act = add_delayed_now},
    {"add_after", "empty", .result = 1, .act = delay_key},
    {"add_after", "deep heap, first", .result = 1, .set = deep, .act = delay_key},
    {"add_after", "deep heap, last", .result = 1, .set = deep, .act = delay_latest},
    {"add_after", "processing", .result = 1, .set = processing_and_deep, .act = delay_key},
    {"add_after", "a worker sleeps", .result = 1, .set = sleeper_waits, .act = delay_key},
    {"add_after earlier", "deep heap", .result = 1, .set = deep, .act = delay_earlier},
    {"add_after later", "deep heap", .result = 0, .set = deep, .act = delay_later},
    {"add_rate_limited", "empty", .result = 1, .act = rate_limited},
    {"add_rate_limited", "ready, a bucket", 0, 0, 0, &bucket, several, NULL, rate_limited},
    {"add_rate_limited", "processing, a bucket", 0, 0, 1, &bucket, processing, NULL, rate_limited},
    {"add_batch", "several", .parts = BATCH, .result = BATCH, .set = several, .act = add_batch},
    {"add_batch", "24 new keys", SCENE_COMMITS, .result = MANY, .set = several_and_names, .act = add_many},
    {"add_batch that evicts", "full", 0, 3, 3, &tiny, full_of_idle, NULL, batch_evicts},
    {"add_wait", "full", SCENE_SAME, 0, -ETIMEDOUT, &tiny, full, NULL, add_wait},
    {0}};
