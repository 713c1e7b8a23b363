/*
 * iterate_order.c: visits the keys of a handle that is only for reading (WORKQ_RAW, a snapshot) in
 * the order of lists and heap.
 *
 * In a damaged segment it visits what it can find: items that no list leads to are found by their
 * index.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "delay.h"
#include "inspect.h"
#include "ready.h"
#include "shm.h"
#include "table.h"

/* ---- All keys, in order ---- */

/* A walk through all keys. */
struct walk {
  workq *q;
  int64_t now_ns;
  uint8_t *seen; /* a bit per item */
  int (*visit)(void *arg, const workq_info *info);
  void *arg;
};

/* Of a handle that is only for reading.  Returns 0, -EINVAL or -ENOMEM. */
static int walk_begin(workq *q, int (*visit)(void *arg, const workq_info *info), void *arg, struct walk *walk) {
  if (!(q->flags & WORKQ_RAW)) return -EINVAL;
  int rc = read_begin(q);
  if (rc < 0) return rc;
  *walk = (struct walk){.q = q, .now_ns = handle_now_ns(q), .visit = visit, .arg = arg};
  walk->seen = calloc(q->geometry.items_max / 8 + 1, 1);
  if (walk->seen) return 0;
  read_end(q);
  return -ENOMEM;
}

static void walk_end(struct walk *walk) {
  free(walk->seen);
  read_end(walk->q);
}

/* Visits the item of that index, of which item is a copy, once.  Its key must have the item's hash,
 * or it is not a key. */
static int visit_item(struct walk *walk, uint32_t index, const struct item *item) {
  workq *q = walk->q;
  uint8_t bit = (uint8_t)(1u << index % 8);
  workq_info info;
  if (walk->seen[index / 8] & bit) return 0;
  if (!inspect_item(q, index, item, walk->now_ns, q->key_buffer, &info)) return 0;
  if (info.key_len == 0 || table_hash(q, info.key, info.key_len) != item->hash) return 0;
  walk->seen[index / 8] |= bit;
  return walk->visit(walk->arg, &info);
}

/* Visits the items of a list that have this place; a damaged list may lead anywhere, so the walk
 * ends after as many steps as there are items. */
static int visit_list(struct walk *walk, const struct list *list, uint8_t place) {
  workq *q = walk->q;
  int rc = 0;
  uint32_t index = read_u32(&list->head);
  for (uint32_t n = 0; index && n < q->geometry.items_max && rc == 0; n++) {
    struct item item;
    if (!read_item(q, index, &item)) break;
    if (item.place == place) rc = visit_item(walk, index, &item);
    index = item.next;
  }
  return rc;
}

static int visit_ready(struct walk *walk) {
  int rc = 0;
  for (int priority = INT8_MAX; priority >= INT8_MIN && rc == 0; priority--)
    rc = visit_list(walk, &band_of(walk->q, priority)->keys, PLACE_READY);
  return rc;
}

static int visit_processing(struct walk *walk) {
  int rc = 0;
  for (uint32_t i = 0; i < walk->q->geometry.handles && rc == 0; i++)
    rc = visit_list(walk, &walk->q->slots[i].own.processing, PLACE_PROCESSING);
  return rc;
}

static int by_time(const void *left, const void *right) {
  const struct heap_entry *a = left, *b = right;
  return delay_before(a, b) ? -1 : delay_before(b, a);
}

static int visit_delayed(struct walk *walk) {
  workq *q = walk->q;
  uint32_t count = delay_count(q);
  struct heap_entry *entries = malloc(((size_t)count + 1) * sizeof *entries);
  if (!entries) return -ENOMEM;
  read_lines(entries, q->heap + HEAP_FIRST, count * sizeof *entries);
  qsort(entries, count, sizeof *entries, by_time);
  int rc = 0;
  for (uint32_t i = 0; i < count && rc == 0; i++) {
    struct item item;
    if (read_item(q, entries[i].item, &item) && item.place == PLACE_DELAYED)
      rc = visit_item(walk, entries[i].item, &item);
  }
  free(entries);
  return rc;
}

/* Visits items that no list led to: an undamaged segment has none. */
static int visit_unreachable(struct walk *walk) {
  workq *q = walk->q;
  int rc = 0;
  for (uint32_t index = 1; index <= q->geometry.items_max && rc == 0; index++) {
    struct item item;
    if (!read_item(q, index, &item)) break;
    rc = visit_item(walk, index, &item);
  }
  return rc;
}

int shmq_iterate_order(workq *q, int (*visit)(void *arg, const workq_info *info), void *arg) {
  struct walk walk;
  int rc = walk_begin(q, visit, arg, &walk);
  if (rc < 0) return rc;
  rc = visit_ready(&walk);
  if (rc == 0) rc = visit_processing(&walk);
  if (rc == 0) rc = visit_delayed(&walk);
  if (rc == 0) rc = visit_list(&walk, &q->control->cold.buried, PLACE_BURIED);
  if (rc == 0) rc = visit_list(&walk, &q->control->cold.idle, PLACE_IDLE);
  if (rc == 0) rc = visit_unreachable(&walk);
  walk_end(&walk);
  return rc;
}

/* ---- The keys in one state ---- */

/* How often the walk of a list starts again after a key has left the list during the walk. */
#define LIST_TRIES 4

/*
 * As visit_list(), for a queue that others change: a key that has left may lead to any other list,
 * so the walk begins again there, and passes what it has visited.
 */
static int visit_moving_list(struct walk *walk, const struct list *list, uint8_t place) {
  workq *q = walk->q;
  int rc = 0;
  bool moved = true;
  for (int i = 0; i < LIST_TRIES && moved && rc == 0; i++) {
    moved = false;
    uint32_t index = read_u32(&list->head), count = read_u32(&list->count);
    uint32_t most = count < q->geometry.items_max ? count : q->geometry.items_max;
    for (uint32_t left = most; index && left > 0 && !moved && rc == 0; left--) {
      struct item item;
      if (!read_item(q, index, &item)) return 0;
      moved = item.place != place;
      if (!moved) rc = visit_item(walk, index, &item);
      index = item.next;
    }
  }
  return rc;
}

static int visit_moving_ready(struct walk *walk) {
  int rc = 0;
  for (int priority = INT8_MAX; priority >= INT8_MIN && rc == 0; priority--)
    rc = visit_moving_list(walk, &band_of(walk->q, priority)->keys, PLACE_READY);
  return rc;
}

static int visit_moving_processing(struct walk *walk) {
  int rc = 0;
  for (uint32_t i = 0; i < walk->q->geometry.handles && rc == 0; i++)
    if (read_u32(&walk->q->slots[i].attachment.state) == SLOT_ATTACHED)
      rc = visit_moving_list(walk, &walk->q->slots[i].own.processing, PLACE_PROCESSING);
  return rc;
}

static int visit_heap(struct walk *walk) {
  workq *q = walk->q;
  int rc = 0;
  uint32_t count = delay_count(q);
  for (uint32_t i = 0; i < count && rc == 0; i++) {
    uint32_t index = read_u32(&q->heap[HEAP_FIRST + i].item);
    struct item item;
    if (read_item(q, index, &item) && item.place == PLACE_DELAYED) rc = visit_item(walk, index, &item);
  }
  return rc;
}

static int visit_state(struct walk *walk, int state) {
  switch (state) {
  case WORKQ_STATE_READY:
    return visit_moving_ready(walk);
  case WORKQ_STATE_PROCESSING:
    return visit_moving_processing(walk);
  case WORKQ_STATE_DELAYED:
    return visit_heap(walk);
  case WORKQ_STATE_BURIED:
    return visit_moving_list(walk, &walk->q->control->cold.buried, PLACE_BURIED);
  case WORKQ_STATE_IDLE:
    return visit_moving_list(walk, &walk->q->control->cold.idle, PLACE_IDLE);
  default:
    return -EINVAL;
  }
}

int shmq_iterate_state(workq *q, int state, int (*visit)(void *arg, const workq_info *info), void *arg) {
  struct walk walk;
  int rc = walk_begin(q, visit, arg, &walk);
  if (rc < 0) return rc;
  rc = visit_state(&walk, state);
  walk_end(&walk);
  return rc;
}
