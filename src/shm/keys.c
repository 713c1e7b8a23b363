/*
 * keys.c: keys by name: forget, remove, kick.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <limits.h>

#include "operation.h"
#include "shm.h"
#include "table.h"

/* The most keys kicked under one hold of the lock. */
#define KICK_KEYS_PER_HOLD 64u

typedef int by_name(workq *q, uint32_t index, struct item *item);

/* Runs one operation on a key, as a transaction; 0 for an unknown key. */
static int on_key(workq *q, const void *key, size_t len, by_name *operation) {
  uint32_t index;
  struct item *item;
  int rc = op_begin_on_key(q, key, len, &index, &item);
  if (rc < 0) return rc;
  if (!item) return op_fail(q, 0);
  journal_begin(q);
  journal_save(q, item);
  return op_commit(q, operation(q, index, item));
}

static int count_failures(workq *q, uint32_t index, struct item *item) {
  (void)q;
  (void)index;
  return item->failures < INT_MAX ? (int)item->failures : INT_MAX;
}

int shmq_forget(workq *q, const void *key, size_t len) {
  return on_key(q, key, len, state_forget);
}
int shmq_remove(workq *q, const void *key, size_t len) {
  return on_key(q, key, len, state_remove);
}
int shmq_num_requeues(workq *q, const void *key, size_t len) {
  return on_key(q, key, len, count_failures);
}

/* As a transaction: the key is in the list of the buried ones. */
static int kick_one(workq *q, uint32_t index, struct item *item) {
  journal_begin(q);
  journal_save(q, item);
  int rc = state_kick(q, index, item);
  return journal_end(q, rc == 0 ? -EUCLEAN : rc);
}

/* Under the lock.  Returns how many keys were kicked. */
static int kick_some(workq *q) {
  int kicked = 0;
  while (kicked < (int)KICK_KEYS_PER_HOLD && q->control->cold.buried.head) {
    uint32_t index = q->control->cold.buried.head;
    struct item *item = item_at(q, index);
    if (!item) return -EUCLEAN;
    int rc = kick_one(q, index, item);
    if (rc < 0) return rc;
    kicked++;
  }
  return kicked;
}

int shmq_kick(workq *q, const void *key, size_t len) {
  return on_key(q, key, len, state_kick);
}

int shmq_kick_all(workq *q) {
  int total = 0, kicked;
  do {
    int rc = op_begin(q, CLOCK_NEVER);
    if (rc < 0) return rc;
    kicked = kick_some(q);
    op_end(q);
    if (kicked < 0) return kicked;
    total += kicked;
  } while (kicked == (int)KICK_KEYS_PER_HOLD);
  return total;
}
