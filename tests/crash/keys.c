/*
 * Words for writing scenarios down; see keys.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "keys.h"

#include "shm/table.h"
#include "support/plain.h"

#include <stdio.h>
#include <string.h>

size_t keys_length(const char *key) {
  return strlen(key);
}

int keys_try_add(workq *q, const char *key) {
  return workq_add(q, key, strlen(key));
}

int keys_try_delay(workq *q, const char *key, int64_t delay_ns) {
  return workq_add_after(q, key, strlen(key), delay_ns);
}

int keys_try_add_at(workq *q, const char *key, int priority, int64_t after_ns) {
  workq_add_options options = {.priority = priority, .after_ns = after_ns};
  return workq_add_opts(q, key, strlen(key), &options);
}

void keys_add(workq *q, const char *key) {
  plain_ok(keys_try_add(q, key), key);
}

void keys_add_at(workq *q, const char *key, int priority) {
  plain_ok(keys_try_add_at(q, key, priority, 0), key);
}

void keys_delay(workq *q, const char *key, int64_t delay_ns) {
  plain_ok(keys_try_delay(q, key, delay_ns), key);
}

void keys_add_many(workq *q, unsigned count) {
  char key[16];
  for (unsigned i = 0; i < count; i++) {
    snprintf(key, sizeof key, "k%u", i);
    keys_add(q, key);
  }
}

void keys_delay_many(workq *q) {
  char key[16];
  for (unsigned i = 0; i < KEYS_DEEP; i++) {
    unsigned number = i * 7 % KEYS_DEEP;
    snprintf(key, sizeof key, "d%u", number);
    keys_delay(q, key, 1000 * ((int64_t)number + 1));
  }
}

void keys_take(workq *q, unsigned count) {
  for (unsigned i = 0; i < count; i++) plain_ok(workq_get(q, &scene_hand[i], 0), "workq_get");
}

/* An item becomes idle by a rate-limited add while it is in hand, whose pending run is then taken and done, too. */
void keys_idle(workq *q, unsigned count) {
  char key[16];
  for (unsigned i = 0; i < count; i++) {
    workq_item item;
    snprintf(key, sizeof key, "i%u", i);
    keys_add_at(q, key, 100);
    plain_ok(workq_get(q, &item, 0), "workq_get");
    plain_ok(workq_add_rate_limited(q, key, strlen(key)), "workq_add_rate_limited");
    keys_add_at(q, key, 100);
    plain_ok(workq_done(q, &item), "workq_done");
    plain_ok(workq_get(q, &item, 0), "workq_get");
    plain_ok(workq_done(q, &item), "workq_done");
  }
}

void keys_bury(workq *q, const char *key) {
  workq_item item;
  keys_add_at(q, key, 100);
  plain_ok(workq_get(q, &item, 0), "workq_get");
  plain_ok(workq_give_up(q, &item), "workq_give_up");
}

/* All of them have the low bits of the hash at zero, which are the number of the line while the table is small. */
const char *keys_crowd_name(const workq *q, unsigned number) {
  static char key[16];
  unsigned found = 0;
  for (unsigned i = 0;; i++) {
    snprintf(key, sizeof key, "c%u", i);
    if (table_hash(q, key, strlen(key)) % BUCKETS_MIN == 0 && found++ == number) return key;
  }
}

void keys_crowd(workq *q, unsigned count) {
  for (unsigned i = 0; i < count; i++) keys_add(q, keys_crowd_name(q, i));
}
