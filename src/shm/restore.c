/*
 * restore.c: restoring a key to a saved state.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "list.h"
#include "operation.h"
#include "shm.h"
#include "table.h"

static bool is_set_aside(const workq_info *info) {
  return info->state == WORKQ_STATE_BURIED || info->state == WORKQ_STATE_IDLE;
}

/* When the key is due.  One that was being processed is not in flight now: it is due at once, but
 * only at the time of an add after it was removed. */
static int64_t due_ns(workq *q, const workq_info *info) {
  bool removed = info->removed && info->state == WORKQ_STATE_PROCESSING;
  if ((info->state != WORKQ_STATE_DELAYED && !removed) || info->due_in_ns <= 0) return DUE_NOW;
  int64_t due_in_ns = info->due_in_ns < WORKQ_DURATION_MAX ? info->due_in_ns : WORKQ_DURATION_MAX;
  return clock_add_ns(handle_now_ns(q), due_in_ns);
}

/* Buries a key, or keeps only its counts.  Returns 1, or 0 if it is buried or idle already, or has
 * a run. */
static int set_aside(workq *q, const workq_info *info, uint32_t index, struct item *item) {
  bool was_idle = item->place == PLACE_IDLE;
  bool bury = info->state == WORKQ_STATE_BURIED;
  if (item->place != PLACE_NOWHERE && !(was_idle && bury)) return 0;
  int rc = was_idle ? list_remove(q, &q->control->cold.idle, index, item) : 0;
  if (rc < 0) return rc;
  item->priority = (int8_t)info->priority;
  rc = bury ? state_enter_buried(q, index, item) : state_retire(q, index, item);
  return rc < 0 ? rc : 1;
}

static void raise_counts(workq *q, const workq_info *info, struct item *item) {
  if (item->failures < info->failures) item->failures = info->failures;
  if (item_crashes(q, item, handle_now_ns(q)) >= info->crashes) return;
  item->crashes = (uint16_t)(info->crashes < CRASHES_MAX ? info->crashes : CRASHES_MAX);
  item->crash_time = crash_time(handle_now_ns(q));
}

/* In a transaction, the item's line being saved.  Returns 1 if more than the counts changed. */
static int restore_item(workq *q, const workq_info *info, uint32_t index, struct item *item) {
  raise_counts(q, info, item);
  if (is_set_aside(info)) return set_aside(q, info, index, item);
  int64_t at_ns = due_ns(q, info);
  int rc = state_add(q, index, item, at_ns, info->priority);
  if (rc > 0) q->slot->own.adds++;
  if (rc > 0 && at_ns != DUE_NOW) {
    journal_save(q, &q->slot->rare);
    q->slot->rare.scheduled++;
  }
  if (rc == 0) q->slot->own.coalesced++;
  return rc;
}

/* Was the key only being processed, and removed during that run?  Then it does not run again. */
static bool is_gone(const workq_info *info) {
  return info->removed && info->state == WORKQ_STATE_PROCESSING && info->due_in_ns < 0;
}

static int restore_locked(workq *q, const workq_info *info, uint32_t hash) {
  uint32_t index;
  struct item *item;
  int rc = op_find(q, hash, info->key, info->key_len, &index, &item);
  if (rc < 0) return rc;
  if (item) journal_save(q, item);
  else if (info->state == WORKQ_STATE_IDLE && !info->failures && !info->crashes) return 0;
  else rc = state_create(q, table_bucket(q, hash), hash, info->key, info->key_len, &index, &item);
  return rc < 0 ? rc : restore_item(q, info, index, item);
}

int shmq_restore(workq *q, const workq_info *info) {
  uint32_t hash = table_hash(q, info->key, info->key_len);
  table_prefetch(q, hash);
  int rc = op_begin(q, CLOCK_NEVER);
  if (rc < 0) return rc;
  if (q->control->hot.flags & QUEUE_SHUT_DOWN) return op_fail(q, -ESHUTDOWN);
  if (is_gone(info)) return op_fail(q, 0);
  if (table_is_crowded(q) && (rc = table_grow(q)) < 0) return op_fail(q, rc);
  journal_begin(q);
  return op_commit(q, restore_locked(q, info, hash));
}
