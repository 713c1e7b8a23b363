/*
 * Scenarios: coming, going, reaping, and queues made anew.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "keys.h"

static const workq_options two_handles = {.capacity = 64, .key_max = 32, .handles = 2, .flags = WORKQ_NO_SPIN};
static const workq_options fatal = {
    .capacity = 64, .key_max = 32, .handles = 6, .flags = WORKQ_NO_SPIN, .max_crashes = 1};

/* ---- Start states */

static void several(workq *q) {
  keys_add_many(q, 5);
  keys_add_at(q, "high", 5);
  keys_add_at(q, "low", -7);
}

static void deep(workq *q) {
  keys_delay_many(q);
  several(q);
}

static void take_three(workq *q) {
  keys_take(q, 3);
}

static void take_three_dirty(workq *q) {
  take_three(q);
  keys_add(q, "k0");
  keys_delay(q, "high", 100);
}

static void worker_died(workq *q) {
  several(q);
  scene_casualty(take_three);
}

static void worker_died_dirty(workq *q) {
  deep(q);
  scene_casualty(take_three_dirty);
}

static void worker_died_idle(workq *q) {
  several(q);
  scene_casualty(NULL);
}

static void worker_died_and_sleeper(workq *q) {
  keys_add_many(q, 3);
  scene_sleeper(WAIT_GET);
  scene_casualty(take_three);
}

/* ---- Operations */

static int first_call(workq *q, unsigned parts) {
  (void)parts;
  return workq_pause(q);
}

static int attach(workq *q, unsigned parts) {
  workq *mine;
  workq_options options = scene_timed(NULL);
  (void)q;
  (void)parts;
  return workq_open(scene_name(), &options, &mine);
}

static int close_handle(workq *q, unsigned parts) {
  (void)parts;
  return workq_close(q);
}

static int reap(workq *q, unsigned parts) {
  (void)parts;
  return workq_reap(q);
}

static int create(workq *q, unsigned parts) {
  workq *mine;
  workq_options options = scene_timed(NULL);
  (void)q;
  (void)parts;
  return workq_create(scene_other_name(), &options, &mine);
}

enum { COMING = SCENE_UNATTACHED | SCENE_KERNEL, MAKING = SCENE_NEW_NAME | SCENE_UNATTACHED | SCENE_KERNEL };

const scenario scenarios_slots[] = {
    {"reap", "died with nothing", SCENE_COMMITS, .result = 1, .set = worker_died_idle, .act = reap},
    {"reap", "died with three", SCENE_COMMITS, .result = 1, .set = worker_died, .act = reap},
    {"reap", "dirty and delayed, deep heap", SCENE_COMMITS, .result = 1, .set = worker_died_dirty, .act = reap},
    {"reap", "a worker sleeps", SCENE_COMMITS, .result = 1, .set = worker_died_and_sleeper, .act = reap},
    {"reap that buries", "died with three", SCENE_COMMITS, 0, 1, &fatal, worker_died, NULL, reap},
    {"close", "nothing in hand", .set = several, .act = close_handle},
    {"close", "three in hand", SCENE_COMMITS, .set = several, .prepare = take_three, .act = close_handle},
    {"close", "dirty and delayed, deep heap", SCENE_COMMITS, .set = deep, .prepare = take_three_dirty,
     .act = close_handle},
    {"first call after fork", "several", COMING | SCENE_COMMITS, .result = 1, .set = several, .act = first_call},
    {"attach", "several", COMING, .set = several, .act = attach},
    {"attach to a dead worker's slot", "died with three", COMING | SCENE_COMMITS, 0, 0, &two_handles, worker_died, NULL,
     attach},
    {"create", "by another name", MAKING, .act = create},
    {"create", "no file without a name", MAKING | SCENE_NO_PROC, .act = create},
    {0}};

const scenario *const scenarios_all[4] = {scenarios_adding, scenarios_working, scenarios_naming, scenarios_slots};
