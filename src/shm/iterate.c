/*
 * iterate.c: reading keys and workers: one key, the next key, all keys, all workers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "inspect.h"
#include "shm.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "delay.h"
#include "ready.h"
#include "table.h"

/* Items read, and bytes of keys copied, under one hold of the lock. */
#define ITERATE_ITEMS 256u
#define ITERATE_BYTES (64u << 10)

static int state_of(const struct item *item) {
  switch (item->place) {
  case PLACE_READY:
    return WORKQ_STATE_READY;
  case PLACE_DELAYED:
    return WORKQ_STATE_DELAYED;
  case PLACE_PROCESSING:
    return item->pending == PENDING_NOW ? WORKQ_STATE_DIRTY : WORKQ_STATE_PROCESSING;
  case PLACE_BURIED:
    return WORKQ_STATE_BURIED;
  case PLACE_IDLE:
    return WORKQ_STATE_IDLE;
  default:
    return 0;
  }
}

/* Copies the owner of the slot with which the item is in flight.  Returns false if there is
 * none. */
static bool read_owner(const workq *q, const struct item *item, struct slot *copy) {
  const struct slot *slot = item->place == PLACE_PROCESSING ? slot_at(q, item->owner) : NULL;
  if (slot) read_attachment(copy, slot);
  return slot != NULL;
}

int inspect_item(workq *q, uint32_t index, const struct item *item, int64_t now_ns, unsigned char *key_copy,
                 workq_info *info) {
  struct item *place = item_at(q, index);
  int state = state_of(item);
  uint32_t len = item->key_len;
  if (!place || !state || len > q->geometry.key_max) return 0;
  read_key(key_copy, item_key(place), len);
  struct slot slot;
  const struct slot *owner = read_owner(q, item, &slot) ? &slot : NULL;
  bool pending = item->pending != PENDING_NONE;
  *info = (workq_info){.key = key_copy,
                       .key_len = len,
                       .state = state,
                       .priority = pending || !owner ? item->priority : item->run_priority,
                       .failures = item->failures,
                       .crashes = item_crashes(q, item, now_ns),
                       .pid = owner ? owner->attachment.pid : 0,
                       .tid = owner ? owner->attachment.tid : 0,
                       .due_in_ns = -1,
                       .waiting_ns = owner && !pending ? -1 : inspect_age_ns(q, item->since_ns),
                       .running_ns = owner ? inspect_age_ns(q, item->run_ns) : -1,
                       .removed = owner && item->removed};
  if (item->pending == PENDING_AT)
    info->due_in_ns = clock_since_ns(now_ns, delay_read_due_ns(q, index, item->heap_place));
  return state;
}

/* ---- One key ---- */

int shmq_state(workq *q, const void *key, size_t len, workq_info *info) {
  uint32_t index;
  struct item *item, copy;
  workq_info found;
  int rc = op_begin_on_key(q, key, len, &index, &item);
  if (rc < 0) return rc;
  rc = item && read_item(q, index, &copy) ? inspect_item(q, index, &copy, handle_now_ns(q), q->key_buffer, &found)
                                          : -ENOENT;
  op_end(q);
  if (rc > 0 && info) *info = found;
  return rc == 0 ? -EUCLEAN : rc;
}

int shmq_peek(workq *q, workq_info *info) {
  uint32_t index;
  workq_info found = {0};
  int rc = op_begin_all_due(q, CLOCK_NEVER, false);
  if (rc < 0) return rc;
  if (!(q->control->hot.flags & QUEUE_PAUSED)) {
    rc = ready_first(q, &index);
    struct item item;
    if (rc == 0 && index)
      rc = read_item(q, index, &item) && inspect_item(q, index, &item, handle_now_ns(q), q->key_buffer, &found)
               ? 1
               : -EUCLEAN;
  }
  op_end(q);
  if (rc > 0 && info) *info = found;
  return rc;
}

int shmq_len(workq *q) {
  int rc = read_begin(q);
  if (rc < 0) return rc;
  uint32_t ready = read_u32(&q->control->hot.ready);
  read_end(q);
  return ready < INT_MAX ? (int)ready : INT_MAX;
}

int inspect_ready_order(workq *q, int (*visit)(void *arg, const void *key, size_t len, int priority), void *arg) {
  int rc = op_begin(q, CLOCK_NEVER);
  if (rc < 0) return rc;
  for (int priority = INT8_MAX; priority >= INT8_MIN && rc == 0; priority--) {
    for (uint32_t index = band_of(q, priority)->keys.head; index && rc == 0;) {
      struct item *item = item_at(q, index);
      rc = item ? visit(arg, item_key(item), item->key_len, item->priority) : -EUCLEAN;
      if (item) index = item->next;
    }
  }
  op_end(q);
  return rc;
}

/* ---- All keys ---- */

/* Copies of the keys read in one hold of the lock. */
struct page {
  uint32_t places;
  uint32_t count;
  workq_info *infos;
  unsigned char *keys;
};

static int page_make(const workq *q, struct page *page) {
  uint32_t places = ITERATE_BYTES / q->geometry.key_max;
  page->places = places > ITERATE_ITEMS ? ITERATE_ITEMS : places ? places : 1;
  page->infos = calloc(page->places, sizeof *page->infos);
  page->keys = calloc(page->places, q->geometry.key_max);
  return page->infos && page->keys ? 0 : -ENOMEM;
}

static void page_free(struct page *page) {
  free(page->infos);
  free(page->keys);
}

/* Fills a page from item *next on.  Returns 0, or 1 at the end. */
static int page_fill(workq *q, struct page *page, uint32_t *next) {
  int64_t now_ns = handle_now_ns(q);
  uint32_t fresh = read_u32(&q->control->hot.fresh);
  if (fresh > q->geometry.items_max) fresh = q->geometry.items_max;
  page->count = 0;
  for (uint32_t seen = 0; *next <= fresh && seen < ITERATE_ITEMS && page->count < page->places; seen++) {
    unsigned char *copy = page->keys + (size_t)page->count * q->geometry.key_max;
    uint32_t index = (*next)++;
    struct item item;
    if (!read_item(q, index, &item)) continue;
    if (inspect_item(q, index, &item, now_ns, copy, &page->infos[page->count])) page->count++;
  }
  return *next > fresh;
}

static int iterate_pages(workq *q, struct page *page, int (*visit)(void *, const workq_info *), void *arg) {
  uint32_t next = 1;
  int end = 0, rc = 0;
  while (!end && rc == 0) {
    if ((rc = read_begin(q)) < 0) return rc;
    end = page_fill(q, page, &next);
    read_end(q);
    for (uint32_t i = 0; i < page->count && rc == 0; i++) rc = visit(arg, &page->infos[i]);
  }
  return rc;
}

int shmq_iterate(workq *q, int (*visit)(void *arg, const workq_info *info), void *arg) {
  struct page page = {0};
  int rc = page_make(q, &page);
  if (rc == 0) rc = iterate_pages(q, &page, visit, arg);
  page_free(&page);
  return rc;
}

/* ---- Workers ---- */

/* Returns whether the slot is attached. */
static bool describe_worker(const workq *q, uint32_t i, int64_t now_ns, workq_worker *worker) {
  struct slot copy;
  const struct slot *slot = &copy;
  read_slot(&copy, &q->slots[i]);
  if (slot->attachment.state != SLOT_ATTACHED) return false;
  *worker = (workq_worker){.slot = i,
                           .pid = slot->attachment.pid,
                           .tid = slot->attachment.tid,
                           .waiting = slot->wait.kind == WAIT_GRANTED ? 0 : slot->wait.kind,
                           .processing = slot->own.processing.count,
                           .self = &q->slots[i] == q->slot,
                           .age_ns = clock_since_ns(slot->attachment.since_ns, now_ns),
                           .adds = slot->own.adds,
                           .coalesced = slot->own.coalesced,
                           .gets = slot->own.gets,
                           .dones = slot->own.dones,
                           .retries = slot->own.retries,
                           .failed = slot->rare.failed,
                           .gave_up = slot->rare.gave_up,
                           .running_ns = inspect_longest_run_ns(q, slot)};
  memcpy(worker->command, slot->attachment.command, sizeof worker->command);
  worker->command[sizeof worker->command - 1] = '\0';
  return true;
}

int shmq_iterate_workers(workq *q, int (*visit)(void *arg, const workq_worker *worker), void *arg) {
  /* A forked child takes its slot in its first call: before the loop, so that it is not a slot that
   * the loop has passed. */
  int rc = read_begin(q);
  if (rc < 0) return rc;
  read_end(q);
  for (uint32_t i = 0; i < q->geometry.handles && rc == 0; i++) {
    workq_worker worker;
    if (read_u32(&q->slots[i].attachment.state) != SLOT_ATTACHED) continue;
    if ((rc = read_begin(q)) < 0) return rc;
    bool attached = describe_worker(q, i, handle_now_ns(q), &worker);
    read_end(q);
    if (attached) rc = visit(arg, &worker);
  }
  return rc;
}
