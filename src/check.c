/*
 * check.c: the invariants of a segment.
 *
 * Each record in use must be in just the places that its own line names: found by its key, in one list or in
 * the heap or in a slot's hands, and counted there once.  The walks are bounded, so that a damaged segment is reported
 * and not followed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stdlib.h>

#include "delay.h"
#include "inspect.h"
#include "table.h"

#define PROBLEMS_MAX 100

/* Where a record has been met, as bits of its mark. */
enum { MET_TABLE = 1, MET_LIST = 2, MET_HEAP = 4, MET_FREE = 8 };

struct check {
  workq *q;
  void (*problem)(void *arg, const char *line);
  void *arg;
  int problems;
  uint32_t fresh;
  unsigned char *marks;  /* one for each record, from 1 */
  uint32_t dirty[BANDS]; /* keys in hand that will be ready, as met */
};

__attribute__((format(printf, 2, 3))) static void fault(struct check *c, const char *format, ...) {
  if (c->problems++ >= PROBLEMS_MAX || !c->problem) return;
  char line[256];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  c->problem(c->arg, line);
}

/* The record of that index if it is one that was ever used, marked as met; null, and a fault, otherwise. */
static struct item *meet(struct check *c, uint32_t index, unsigned char where, const char *place) {
  if (index == 0 || index > c->fresh) {
    fault(c, "%s: index %u is out of range", place, index);
    return NULL;
  }
  if (c->marks[index] & where) {
    fault(c, "%s: record %u is met twice", place, index);
    return NULL;
  }
  c->marks[index] |= where;
  return item_at(c->q, index);
}

/* Walks a list; each of its records must be in the given place.  Returns how many there are. */
static uint32_t check_list(struct check *c, const struct list *list, uint8_t place, const char *name) {
  uint32_t count = 0, before = 0;
  for (uint32_t at = list->head; at;) {
    const struct item *item = meet(c, at, MET_LIST, name);
    if (!item) return count;
    count++;
    if (item->place != place) fault(c, "%s: record %u is in place %u", name, at, item->place);
    if (before && item->prev != before) fault(c, "%s: record %u does not point back", name, at);
    before = at;
    at = item->next;
  }
  if (list->tail != before) fault(c, "%s: the tail is %u, not %u", name, list->tail, before);
  if (list->count != count) fault(c, "%s: %u records, counted as %u", name, count, list->count);
  return count;
}

static void check_ready(struct check *c) {
  const struct control *control = c->q->control;
  uint32_t total = 0;
  for (uint32_t i = 0; i < BANDS; i++) {
    char name[48];
    int priority = 127 - (int)i;
    const struct band *band = &control->bands[i];
    bool marked = control->hot.bitmap[i / 64] >> i % 64 & 1;
    if (!marked && !band->keys.head && !band->keys.tail && !band->keys.count) continue; /* as nearly all are */
    snprintf(name, sizeof name, "ready keys of priority %d", priority);
    if (marked != (band->keys.head != 0)) fault(c, "%s: the bitmap says %d", name, marked);
    total += check_list(c, &band->keys, PLACE_READY, name);
    for (uint32_t at = band->keys.head, n = 0; at && at <= c->fresh && n <= c->fresh; n++) {
      const struct item *item = item_at(c->q, at);
      if (item->priority != priority) fault(c, "%s: record %u has priority %d", name, at, item->priority);
      at = item->next;
    }
  }
  if (total != control->hot.ready) fault(c, "%u ready keys, counted as %u", total, control->hot.ready);
}

static void check_slots(struct check *c) {
  uint32_t total = 0;
  for (uint32_t i = 0; i < c->q->geometry.handles; i++) {
    const struct slot *slot = &c->q->slots[i];
    char name[32];
    snprintf(name, sizeof name, "slot %u", i);
    if (slot->who.state > SLOT_ATTACHED) fault(c, "%s: state %u", name, slot->who.state);
    if (slot->who.state == SLOT_FREE && slot->own.processing.head) fault(c, "%s: free, but has keys", name);
    if (slot->who.state == SLOT_FREE && slot->wait.kind) fault(c, "%s: free, but waits", name);
    if (!(c->q->flags & WORKQ_RAW) && slot != c->q->slot && atomic_load(&slot->journal.count))
      fault(c, "%s: its journal holds %u lines outside the lock", name, atomic_load(&slot->journal.count));
    total += check_list(c, &slot->own.processing, PLACE_PROCESSING, name);
    for (uint32_t at = slot->own.processing.head, n = 0; at && at <= c->fresh && n <= c->fresh; n++) {
      const struct item *item = item_at(c->q, at);
      if (item->owner != i + 1) fault(c, "%s: record %u has owner %u", name, at, item->owner);
      at = item->next;
    }
  }
  if (total != c->q->control->hot.processing)
    fault(c, "%u keys in hand, counted as %u", total, c->q->control->hot.processing);
}

static void check_waiters(struct check *c) {
  uint32_t handles = c->q->geometry.handles, waiting = 0, listed = 0;
  for (uint32_t i = 0; i < handles; i++) waiting += c->q->slots[i].wait.kind != WAIT_NONE;
  for (uint32_t kind = 0; kind < WAIT_KINDS; kind++) {
    const struct list *list = &c->q->control->wait.list[kind];
    uint32_t before = 0, count = 0;
    for (uint32_t at = list->head; at && count <= handles; count++) {
      const struct slot *slot = slot_at(c->q, at);
      if (!slot) {
        fault(c, "sleepers of kind %u: slot %u is out of range", kind, at);
        break;
      }
      if (slot->wait.kind != kind) fault(c, "sleepers of kind %u: slot %u waits for %u", kind, at - 1, slot->wait.kind);
      if (slot->wait.prev != before) fault(c, "sleepers of kind %u: slot %u does not point back", kind, at - 1);
      before = at;
      at = slot->wait.next;
    }
    if (list->tail != before) fault(c, "sleepers of kind %u: the tail is %u, not %u", kind, list->tail, before);
    if (list->count != count) fault(c, "sleepers of kind %u: %u slots, counted as %u", kind, count, list->count);
    listed += count;
  }
  if (listed != waiting) fault(c, "%u slots wait, %u are in a line", waiting, listed);
}

/* The leader must wake when the earliest delayed key is due. */
static void check_leader(struct check *c) {
  const struct control *control = c->q->control;
  const struct slot *leader = slot_at(c->q, control->wait.list[WAIT_GET].tail);
  if (!leader || !control->hot.delayed || control->hot.flags & QUEUE_SHUT_DOWN) return;
  if (leader->wait.wake_ns > delay_next_ns(c->q)) fault(c, "the oldest sleeper would sleep past the next delayed key");
}

static void check_heap(struct check *c) {
  const workq *q = c->q;
  uint32_t count = q->control->hot.delayed;
  if (count == 0) return;
  if (count > q->geometry.capacity || count + HEAP_FIRST > q->control->cold.heap_committed ||
      !reach_all(&q->heap_reach, count + HEAP_FIRST)) {
    fault(c, "the heap has %u entries, and memory for %u", count, q->control->cold.heap_committed);
    return;
  }
  for (uint32_t place = HEAP_FIRST; place < count + HEAP_FIRST; place++) {
    const struct heap_entry *entry = &q->heap[place];
    const struct item *item = meet(c, entry->item, MET_HEAP, "heap");
    if (!item) continue;
    if (item->heap_place != place)
      fault(c, "heap: record %u at %u believes it is at %u", entry->item, place, item->heap_place);
    if (item->pending != PENDING_AT) fault(c, "heap: record %u has no delayed run", entry->item);
    if (place > HEAP_FIRST && delay_before(entry, &q->heap[delay_parent(place)]))
      fault(c, "heap: the entry at %u is due before its parent", place);
  }
}

static void check_table_record(struct check *c, uint32_t index, uint32_t hash) {
  struct item *item = meet(c, index, MET_TABLE, "table");
  if (!item) return;
  uint32_t found;
  if (item->hash != hash) fault(c, "table: record %u has hash %08x, entered as %08x", index, item->hash, hash);
  if (item->key_len == 0 || item->key_len > c->q->geometry.key_max) {
    fault(c, "table: record %u has a key of %u bytes", index, item->key_len);
    return;
  }
  if (table_hash(c->q, item_key(item), item->key_len) != item->hash) fault(c, "table: record %u: wrong hash", index);
  const struct bucket *bucket = table_bucket(c->q, item->hash);
  if (table_find(c->q, bucket, item->hash, item_key(item), item->key_len, &found) < 0 || found != index)
    fault(c, "table: record %u is not found by its key", index);
}

static void check_table(struct check *c) {
  const workq *q = c->q;
  uint32_t buckets = q->control->hot.buckets;
  if (buckets < BUCKETS_MIN || buckets > q->geometry.buckets_max || buckets > q->control->cold.buckets_committed ||
      !reach_all(&q->bucket_reach, buckets)) {
    fault(c, "table: %u buckets, and memory for %u", buckets, q->control->cold.buckets_committed);
    return;
  }
  for (uint32_t b = 0; b < buckets; b++) {
    const struct bucket *bucket = &q->table[b];
    uint32_t i = 0;
    for (; i < BUCKET_ENTRIES && bucket->item[i]; i++) check_table_record(c, bucket->item[i], bucket->hash[i]);
    if (i < BUCKET_ENTRIES && bucket->chain) fault(c, "table: bucket %u has a chain and room", b);
    for (; i < BUCKET_ENTRIES; i++)
      if (bucket->item[i]) fault(c, "table: bucket %u has a gap", b);
    for (uint32_t at = bucket->chain, n = 0; at && n <= c->fresh; n++) {
      const struct item *item = item_at(q, at);
      if (!item) {
        fault(c, "table: bucket %u: chained record %u is out of range", b, at);
        break;
      }
      check_table_record(c, at, item->hash);
      at = item->chain;
    }
  }
}

static void check_free(struct check *c) {
  uint32_t count = 0;
  for (uint32_t at = c->q->control->hot.free_head; at; count++) {
    const struct item *item = meet(c, at, MET_FREE, "free list");
    if (!item) return;
    if (item->place != PLACE_FREE) fault(c, "free list: record %u is in place %u", at, item->place);
    at = item->next;
  }
  if (count + c->q->control->hot.used != c->fresh)
    fault(c, "%u free records and %u used ones of %u", count, c->q->control->hot.used, c->fresh);
}

/* Each record was met just where it must be. */
static void check_record(struct check *c, uint32_t index) {
  const struct item *item = item_at(c->q, index);
  unsigned char want = MET_TABLE;
  switch (item->place) {
  case PLACE_FREE:
    want = MET_FREE;
    break;
  case PLACE_DELAYED:
    want |= MET_HEAP;
    break;
  case PLACE_PROCESSING:
    want |= MET_LIST | (item->pending == PENDING_AT ? MET_HEAP : 0);
    break;
  default:
    want |= MET_LIST;
  }
  if (c->marks[index] != want)
    fault(c, "record %u in place %u, pending %u: met in %x, not %x", index, item->place, item->pending, c->marks[index],
          want);
  if (item->place == PLACE_FREE) return;
  static const uint8_t pending_of[PLACE_NOWHERE] = {[PLACE_READY] = PENDING_NOW, [PLACE_DELAYED] = PENDING_AT};
  if (item->place >= PLACE_NOWHERE) fault(c, "record %u is in place %u", index, item->place);
  else if (item->place != PLACE_PROCESSING && item->pending != pending_of[item->place])
    fault(c, "record %u in place %u has pending %u", index, item->place, item->pending);
  if (item->place == PLACE_PROCESSING && item->pending == PENDING_NOW) c->dirty[127 - item->priority]++;
  if (item->pending > PENDING_AT) fault(c, "record %u has pending %u", index, item->pending);
  if (item->place == PLACE_IDLE && !item->failures && !item->crashes) fault(c, "record %u is idle for nothing", index);
  if ((item->pending == PENDING_AT) != (item->heap_place != 0))
    fault(c, "record %u: pending %u, heap place %u", index, item->pending, item->heap_place);
  if ((item->place == PLACE_PROCESSING) != (item->owner != 0))
    fault(c, "record %u in place %u has owner %u", index, item->place, item->owner);
}

/* No part has got more memory than it may have, and no more keys are in use than may be. */
static void check_memory(struct check *c) {
  const struct geometry *g = &c->q->geometry;
  const struct control *control = c->q->control;
  const struct cold_line *cold = &control->cold;
  if (control->hot.used > g->capacity) fault(c, "%u keys, and room for %u", control->hot.used, g->capacity);
  if (cold->items_committed > g->records) fault(c, "memory for %u records, of %u", cold->items_committed, g->records);
  if (cold->buckets_committed > g->buckets_max)
    fault(c, "memory for %u buckets, of %u", cold->buckets_committed, g->buckets_max);
  if (cold->heap_committed > g->heap_max)
    fault(c, "memory for %u entries of the heap, of %u", cold->heap_committed, g->heap_max);
}

static void check_dirty(struct check *c) {
  for (uint32_t i = 0; i < BANDS; i++) {
    uint32_t counted = c->q->control->bands[i].dirty;
    if (counted != c->dirty[i])
      fault(c, "priority %d: %u keys in hand will be ready, counted as %u", 127 - (int)i, c->dirty[i], counted);
  }
}

/* There is one observation for each get and each done. */
static void check_measures(struct check *c) {
  workq_measures m;
  inspect_measure(c->q, &m);
  if (!m.stats.metrics) return;
  if (m.queue_time.count != m.stats.gets)
    fault(c, "gets and times in the queue differ by %d", (int)(m.stats.gets - m.queue_time.count));
  if (m.work_time.count != m.stats.dones)
    fault(c, "dones and times of work differ by %d", (int)(m.stats.dones - m.work_time.count));
}

static void check_all(struct check *c) {
  const struct cold_line *cold = &c->q->control->cold;
  if (atomic_load(&c->q->control->lock.settled) == LOCK_DAMAGED)
    fault(c, "a roll-back was not possible: the segment is given up");
  check_memory(c);
  check_table(c);
  check_free(c);
  check_ready(c);
  check_slots(c);
  check_list(c, &cold->idle, PLACE_IDLE, "idle keys");
  check_list(c, &cold->buried, PLACE_BURIED, "buried keys");
  check_heap(c);
  check_waiters(c);
  if (!(c->q->flags & WORKQ_RAW)) check_leader(c);
  for (uint32_t index = 1; index <= c->fresh; index++) check_record(c, index);
  check_dirty(c);
  if (!(c->q->flags & WORKQ_RAW)) check_measures(c);
}

/* How many records may be looked at: those that were ever used, if all of them have memory. */
static uint32_t check_fresh(struct check *c, uint32_t fresh) {
  const workq *q = c->q;
  uint32_t committed = q->control->cold.items_committed;
  if (fresh > q->geometry.records) {
    fault(c, "%u records were used, of %u", fresh, q->geometry.records);
    return 0;
  }
  if (fresh <= committed && reach_all(&q->item_reach, fresh)) return fresh;
  fault(c, "%u records were used, %u have memory", fresh, committed);
  return 0;
}

int workq_check(workq *q, void (*problem)(void *arg, const char *line), void *arg) {
  struct check c = {.q = q, .problem = problem, .arg = arg};
  int rc = look_begin(q);
  if (rc < 0) return rc;
  c.fresh = check_fresh(&c, q->control->hot.fresh);
  c.marks = calloc((size_t)c.fresh + 1, 1);
  if (c.marks) check_all(&c);
  look_end(q);
  free(c.marks);
  return c.marks ? c.problems : -ENOMEM;
}
