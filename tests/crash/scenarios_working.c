/*
 * Scenarios: getting and finishing.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "keys.h"

#include "support/plain.h"

enum { BATCH = 4, MANY = 32 /* more than one transaction takes */ };

static const workq_options tiny = {.capacity = 4, .key_max = 32, .handles = 6, .flags = WORKQ_NO_SPIN};
static const workq_options one_retry = {
    .capacity = 64, .key_max = 32, .handles = 6, .flags = WORKQ_NO_SPIN, .max_retries = 1};
static const workq_options one_retry_drop = {
    .capacity = 64, .key_max = 32, .handles = 6, .flags = WORKQ_NO_SPIN, .max_retries = 1, .give_up = WORKQ_DROP};

static const char *crowd_key;
static unsigned crowd_place;

/* ---- Start states */

static void one(workq *q) {
  keys_add(q, "one");
}

static void many(workq *q) {
  keys_add_many(q, MANY);
}

static void several(workq *q) {
  keys_add_many(q, 5);
  keys_add_at(q, "high", 5);
  keys_add_at(q, "low", -7);
}

static void raised(workq *q) {
  several(q);
  keys_add_at(q, "k2", 5);
}

static void shut_down(workq *q) {
  several(q);
  plain_ok(workq_shutdown(q), "workq_shutdown");
}

static void deep(workq *q) {
  keys_delay_many(q);
}

static void one_due(workq *q) {
  deep(q);
  scene_pass_ns(1000);
}

static void five_due(workq *q) {
  deep(q);
  keys_add_at(q, "low", -7);
  scene_pass_ns(5000);
}

static void die_with_three(workq *q) {
  keys_take(q, 3);
}

static void worker_died(workq *q) {
  several(q);
  scene_casualty(die_with_three);
  scene_pass_ns(NS_PER_S);
}

static void crowded(workq *q) {
  keys_crowd(q, BUCKET_ENTRIES + 3);
}

static void full_and_sleeper(workq *q) {
  keys_add_many(q, 4);
  scene_sleeper(WAIT_SPACE);
}

static void drain_waits(workq *q) {
  one(q);
  plain_ok(workq_shutdown(q), "workq_shutdown");
  scene_sleeper(WAIT_DRAIN);
}

static void one_and_sleeper(workq *q) {
  one(q);
  scene_sleeper(WAIT_GET);
}

static void failed_once(workq *q) {
  several(q);
  plain_ok(workq_add_rate_limited(q, "high", 4), "workq_add_rate_limited");
}

/* ---- What the victim has in hand */

static void take_one(workq *q) {
  keys_take(q, 1);
}

static void take_four(workq *q) {
  keys_take(q, BATCH);
}

static void take_many(workq *q) {
  keys_take(q, MANY);
}

static void take_and_dirty(workq *q) {
  take_one(q);
  keys_add_at(q, "high", 3);
}

static void take_and_delay(workq *q) {
  take_one(q);
  keys_delay(q, "high", 700);
}

static void take_and_pass_time(workq *q) {
  take_and_delay(q);
  scene_pass_ns(700);
}

/* Takes keys until it has the one at that place of the crowded line. */
static void take_crowded(workq *q) {
  crowd_key = keys_crowd_name(q, crowd_place);
  do keys_take(q, 1);
  while (memcmp(scene_hand[0].key, crowd_key, scene_hand[0].key_len) != 0 || crowd_key[scene_hand[0].key_len] != '\0');
}

static void take_in_line(workq *q) {
  crowd_place = 3;
  take_crowded(q);
}

static void take_in_chain(workq *q) {
  crowd_place = BUCKET_ENTRIES + 1;
  take_crowded(q);
}

/* ---- Operations */

static int get(workq *q, unsigned parts) {
  (void)parts;
  return workq_get(q, &scene_hand[0], 0);
}

static int get_waiting(workq *q, unsigned parts) {
  (void)parts;
  return workq_get(q, &scene_hand[0], 1);
}

static int get_batch(workq *q, unsigned parts) {
  return workq_get_batch(q, scene_hand, parts, 0);
}

static int done(workq *q, unsigned parts) {
  (void)parts;
  return workq_done(q, &scene_hand[0]);
}

static int done_second(workq *q, unsigned parts) {
  (void)parts;
  return workq_done(q, &scene_hand[1]);
}

static int done_key(workq *q, unsigned parts) {
  (void)parts;
  return workq_done_key(q, scene_hand[2].key, scene_hand[2].key_len);
}

static int done_batch(workq *q, unsigned parts) {
  return workq_done_batch(q, scene_hand, parts);
}

static int done_many(workq *q, unsigned parts) {
  (void)parts;
  return workq_done_batch(q, scene_hand, MANY);
}

static int complete(workq *q, unsigned parts) {
  (void)parts;
  return workq_complete(q, &scene_hand[0]);
}

static int next(workq *q, unsigned parts) {
  return parts == 1 ? workq_complete(q, &scene_hand[0]) + 1 : workq_next(q, &scene_hand[0], 0);
}

static int next_of_none(workq *q, unsigned parts) {
  (void)parts;
  return workq_next(q, &scene_hand[0], 0);
}

static int retry(workq *q, unsigned parts) {
  (void)parts;
  return workq_retry(q, &scene_hand[0]);
}

static int give_up(workq *q, unsigned parts) {
  (void)parts;
  return workq_give_up(q, &scene_hand[0]);
}

static int release(workq *q, unsigned parts) {
  (void)parts;
  return workq_release(q, &scene_hand[0]);
}

const scenario scenarios_working[] = {
    {"get", "one ready", .set = one, .act = get},
    {"get", "several", .set = several, .act = get},
    {"get", "raised", .set = raised, .act = get},
    {"get", "shut down", .set = shut_down, .act = get},
    {"get", "deep heap", .result = -ETIMEDOUT, .flags = SCENE_SAME, .set = deep, .act = get},
    {"get that promotes", "one of 30 due", .set = one_due, .act = get},
    {"get that promotes", "five of 30 due", .set = five_due, .act = get},
    {"get that reaps", "a worker died with three", SCENE_COMMITS, .set = worker_died, .act = get},
    {"get that waits", "empty", SCENE_SAME, .result = -ETIMEDOUT, .act = get_waiting},
    {"get that waits", "deep heap", SCENE_SAME, .result = -ETIMEDOUT, .set = deep, .act = get_waiting},
    {"get_batch", "several", .parts = BATCH, .result = BATCH, .set = several, .act = get_batch},
    {"get_batch", "five of 30 due", .parts = BATCH, .result = BATCH, .set = five_due, .act = get_batch},
    {"done", "one in hand", .set = one, .prepare = take_one, .act = done},
    {"done", "four in hand", .set = several, .prepare = take_four, .act = done_second},
    {"done", "delayed", .set = several, .prepare = take_and_delay, .act = done},
    {"done", "its delay is over", .result = 1, .set = several, .prepare = take_and_pass_time, .act = done},
    {"done", "crowded line", .set = crowded, .prepare = take_in_line, .act = done},
    {"done", "chain of a line", .set = crowded, .prepare = take_in_chain, .act = done},
    {"done", "an adder waits", 0, 0, 0, &tiny, full_and_sleeper, take_one, done},
    {"done", "a drain waits", .set = drain_waits, .prepare = take_one, .act = done},
    {"done dirty", "several", .result = 1, .set = several, .prepare = take_and_dirty, .act = done},
    {"done with failures", "failed once", .set = failed_once, .prepare = take_one, .act = done},
    {"done_key", "four in hand", .set = several, .prepare = take_four, .act = done_key},
    {"done_batch", "four in hand", 0, BATCH, BATCH, NULL, several, take_four, done_batch},
    {"done_batch", "32 in hand", SCENE_COMMITS, 0, MANY, NULL, many, take_many, done_many},
    {"complete", "never failed", .set = several, .prepare = take_one, .act = complete},
    {"complete", "failed once", .set = failed_once, .prepare = take_one, .act = complete},
    {"next", "several", .parts = 2, .set = several, .prepare = take_one, .act = next},
    {"next", "failed once", .parts = 2, .set = failed_once, .prepare = take_one, .act = next},
    {"next", "an adder waits", 0, 2, 0, &tiny, full_and_sleeper, take_one, next},
    {"next", "one in hand", .result = -ETIMEDOUT, .set = one, .prepare = take_one, .act = next_of_none},
    {"retry", "several", .result = 1, .set = several, .prepare = take_one, .act = retry},
    {"retry", "deep heap", .result = 1, .set = one_due, .prepare = take_one, .act = retry},
    {"retry", "dirty", .result = 1, .set = several, .prepare = take_and_dirty, .act = retry},
    {"retry", "delayed", .result = 1, .set = several, .prepare = take_and_delay, .act = retry},
    {"retry that buries", "failed once", 0, 0, 0, &one_retry, failed_once, take_one, retry},
    {"retry that drops", "failed once", 0, 0, 0, &one_retry_drop, failed_once, take_one, retry},
    {"give_up", "several", .set = several, .prepare = take_one, .act = give_up},
    {"give_up", "delayed", .result = 1, .set = several, .prepare = take_and_delay, .act = give_up},
    {"release", "several", .set = several, .prepare = take_one, .act = release},
    {"release", "delayed", .set = several, .prepare = take_and_delay, .act = release},
    {"release", "a worker sleeps", .set = one_and_sleeper, .prepare = take_one, .act = release},
    {0}};
