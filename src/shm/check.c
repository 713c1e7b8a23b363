/*
 * check.c: the invariants of a segment.
 *
 * Each item in use must be in exactly the places that its own line names: found by its key, in one
 * list or in the heap or in flight with a slot, and counted there once.  The walks are bounded, so
 * that damage is reported and not followed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stdlib.h>

#include "delay.h"
#include "inspect.h"
#include "read.h"
#include "shm.h"
#include "table.h"

#define PROBLEMS_MAX 100

/* Where an item has been found, as bits of its mark. */
enum { FOUND_TABLE = 1, FOUND_LIST = 2, FOUND_HEAP = 4, FOUND_FREE = 8 };

struct check {
  workq *q;
  void (*problem)(void *arg, const char *line);
  void *arg;
  int problems;
  uint32_t fresh;
  unsigned char *marks;  /* one for each item, from 1 */
  unsigned char *keys;   /* space for copies of two keys */
  uint32_t dirty[BANDS]; /* keys in flight that become ready when done, as found */
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

/* Copies the item of that index, if it was ever used, and marks it as found; false, and a fault,
 * otherwise. */
static bool mark_found(struct check *c, uint32_t index, unsigned char where, const char *place, struct item *copy) {
  if (index == 0 || index > c->fresh) {
    fault(c, "%s: index %u is out of range", place, index);
    return false;
  }
  if (c->marks[index] & where) {
    fault(c, "%s: item %u is found twice", place, index);
    return false;
  }
  c->marks[index] |= where;
  return read_item(c->q, index, copy) != NULL;
}

/* Walks a list, which is a copy; each of its items must be in the given place.  Returns how many
 * there are. */
static uint32_t check_list(struct check *c, const struct list *list, uint8_t place, const char *name) {
  uint32_t count = 0, before = 0;
  for (uint32_t at = list->head; at;) {
    struct item item;
    if (!mark_found(c, at, FOUND_LIST, name, &item)) return count;
    count++;
    if (item.place != place) fault(c, "%s: item %u is in place %u", name, at, item.place);
    if (before && item.prev != before) fault(c, "%s: item %u does not point back", name, at);
    before = at;
    at = item.next;
  }
  if (list->tail != before) fault(c, "%s: the tail is %u, not %u", name, list->tail, before);
  if (list->count != count) fault(c, "%s: %u items, counted as %u", name, count, list->count);
  return count;
}

/* Each item of the list, which is a copy, has that priority. */
static void check_priorities(struct check *c, const struct list *list, int priority, const char *name) {
  struct item item;
  for (uint32_t at = list->head, n = 0; at && at <= c->fresh && n <= c->fresh; n++, at = item.next) {
    if (!read_item(c->q, at, &item)) return;
    if (item.priority != priority) fault(c, "%s: item %u has priority %d", name, at, item.priority);
  }
}

static void check_ready(struct check *c) {
  struct hot_line hot;
  uint32_t total = 0;
  read_line(&hot, &c->q->control->hot);
  for (uint32_t i = 0; i < BANDS; i++) {
    char name[48];
    int priority = 127 - (int)i;
    struct band copy;
    const struct band *band = &copy;
    read_lines(&copy, &c->q->control->bands[i], sizeof copy);
    bool marked = hot.bitmap[i / 64] >> i % 64 & 1;
    /* Most bands are empty. */
    if (!marked && !band->keys.head && !band->keys.tail && !band->keys.count) continue;
    snprintf(name, sizeof name, "ready keys of priority %d", priority);
    if (marked != (band->keys.head != 0)) fault(c, "%s: the bitmap says %d", name, marked);
    total += check_list(c, &band->keys, PLACE_READY, name);
    check_priorities(c, &band->keys, priority, name);
  }
  if (total != hot.ready) fault(c, "%u ready keys, counted as %u", total, hot.ready);
}

/* Each item of the list, which is a copy, is in flight with slot i. */
static void check_owners(struct check *c, const struct list *list, uint32_t i, const char *name) {
  struct item item;
  for (uint32_t at = list->head, n = 0; at && at <= c->fresh && n <= c->fresh; n++, at = item.next) {
    if (!read_item(c->q, at, &item)) return;
    if (item.owner != i + 1) fault(c, "%s: item %u has owner %u", name, at, item.owner);
  }
}

static void check_slots(struct check *c) {
  uint32_t total = 0, processing = read_u32(&c->q->control->hot.processing);
  for (uint32_t i = 0; i < c->q->geometry.handles; i++) {
    struct slot copy;
    const struct slot *slot = &copy;
    char name[32];
    read_slot(&copy, &c->q->slots[i]);
    snprintf(name, sizeof name, "slot %u", i);
    if (slot->attachment.state > SLOT_ATTACHED) fault(c, "%s: state %u", name, slot->attachment.state);
    if (slot->attachment.state == SLOT_FREE && slot->own.processing.head) fault(c, "%s: free, but has keys", name);
    if (slot->attachment.state == SLOT_FREE && slot->wait.kind) fault(c, "%s: free, but waits", name);
    uint32_t lines =
        c->q->flags & WORKQ_RAW || &c->q->slots[i] == c->q->slot ? 0 : atomic_load(&c->q->slots[i].journal.count);
    if (lines) fault(c, "%s: its journal holds %u lines outside the lock", name, lines);
    total += check_list(c, &slot->own.processing, PLACE_PROCESSING, name);
    check_owners(c, &slot->own.processing, i, name);
  }
  if (total != processing) fault(c, "%u keys in flight, counted as %u", total, processing);
}

static void check_waiters(struct check *c) {
  uint32_t handles = c->q->geometry.handles, waiting = 0, listed = 0;
  struct wait_line wait;
  for (uint32_t i = 0; i < handles; i++) waiting += read_u32(&c->q->slots[i].wait.kind) != WAIT_NONE;
  read_line(&wait, &c->q->control->wait);
  for (uint32_t kind = 0; kind < WAIT_KINDS; kind++) {
    const struct list *list = &wait.list[kind];
    uint32_t before = 0, count = 0;
    for (uint32_t at = list->head; at && count <= handles; count++) {
      struct slot copy;
      const struct slot *slot = slot_at(c->q, at);
      if (slot) read_slot(&copy, slot);
      else {
        fault(c, "waiters of kind %u: slot %u is out of range", kind, at);
        break;
      }
      if (copy.wait.kind != kind) fault(c, "waiters of kind %u: slot %u waits for %u", kind, at - 1, copy.wait.kind);
      if (copy.wait.prev != before) fault(c, "waiters of kind %u: slot %u does not point back", kind, at - 1);
      before = at;
      at = copy.wait.next;
    }
    if (list->tail != before) fault(c, "waiters of kind %u: the tail is %u, not %u", kind, list->tail, before);
    if (list->count != count) fault(c, "waiters of kind %u: %u slots, counted as %u", kind, count, list->count);
    listed += count;
  }
  if (listed != waiting) fault(c, "%u slots wait, %u are in a list", waiting, listed);
}

/* The leader must wake when the earliest delayed key is due. */
static void check_leader(struct check *c) {
  const struct control *control = c->q->control;
  const struct slot *leader = slot_at(c->q, control->wait.list[WAIT_GET].tail);
  if (!leader || !control->hot.delayed || control->hot.flags & QUEUE_SHUT_DOWN) return;
  if (leader->wait.wake_ns > delay_next_ns(c->q)) fault(c, "the leader would sleep past the next delayed key");
}

static void check_heap(struct check *c) {
  const workq *q = c->q;
  uint32_t count = read_u32(&q->control->hot.delayed), committed = read_u32(&q->control->cold.heap_committed);
  if (count == 0) return;
  if (count > q->geometry.capacity || count + HEAP_FIRST > committed ||
      !region_has(&q->regions.heap, count + HEAP_FIRST)) {
    fault(c, "the heap has %u entries, and memory for %u", count, committed);
    return;
  }
  for (uint32_t place = HEAP_FIRST; place < count + HEAP_FIRST; place++) {
    struct heap_entry entry, parent;
    struct item item;
    read_lines(&entry, &q->heap[place], sizeof entry);
    if (!mark_found(c, entry.item, FOUND_HEAP, "heap", &item)) continue;
    if (item.heap_place != place)
      fault(c, "heap: item %u at %u believes it is at %u", entry.item, place, item.heap_place);
    if (item.pending != PENDING_AT) fault(c, "heap: item %u has no delayed run", entry.item);
    if (place == HEAP_FIRST) continue;
    read_lines(&parent, &q->heap[delay_parent(place)], sizeof parent);
    if (delay_before(&entry, &parent)) fault(c, "heap: the entry at %u is due before its parent", place);
  }
}

/* Does the item of that index, which has memory, have the key in c->keys? */
static bool has_key(struct check *c, uint32_t index, const struct item *want) {
  struct item item, *at = read_item(c->q, index, &item);
  if (!at || item.hash != want->hash || item.key_len != want->key_len) return false;
  unsigned char *key = c->keys + c->q->geometry.key_max;
  read_key(key, item_key(at), want->key_len);
  return memcmp(key, c->keys, want->key_len) == 0;
}

/* As table_find(), which is for use under the lock: the index of the item that has the key in
 * c->keys; 0 for none. */
static uint32_t find_by_key(struct check *c, const struct item *want) {
  const struct bucket *place = table_bucket(c->q, want->hash);
  struct bucket bucket;
  struct item item;
  if (!place) return 0;
  read_line(&bucket, place);
  for (uint32_t i = 0; i < BUCKET_ENTRIES && bucket.item[i]; i++)
    if (bucket.hash[i] == want->hash && has_key(c, bucket.item[i], want)) return bucket.item[i];
  uint32_t at = bucket.chain;
  for (uint32_t n = 0; at && n <= c->fresh && read_item(c->q, at, &item); n++, at = item.chain)
    if (has_key(c, at, want)) return at;
  return 0;
}

static void check_table_item(struct check *c, uint32_t index, uint32_t hash) {
  struct item item;
  if (!mark_found(c, index, FOUND_TABLE, "table", &item)) return;
  if (item.hash != hash) fault(c, "table: item %u has hash %08x, entered as %08x", index, item.hash, hash);
  if (item.key_len == 0 || item.key_len > c->q->geometry.key_max) {
    fault(c, "table: item %u has a key of %u bytes", index, item.key_len);
    return;
  }
  read_key(c->keys, item_key(item_at(c->q, index)), item.key_len);
  if (table_hash(c->q, c->keys, item.key_len) != item.hash) fault(c, "table: item %u: wrong hash", index);
  if (find_by_key(c, &item) != index) fault(c, "table: item %u is not found by its key", index);
}

/* Walks the chain of bucket b, from the item `first` on. */
static void check_chain(struct check *c, uint32_t b, uint32_t first) {
  uint32_t at = first;
  for (uint32_t n = 0; at && n <= c->fresh; n++) {
    struct item item;
    if (!read_item(c->q, at, &item)) {
      fault(c, "table: bucket %u: chained item %u is out of range", b, at);
      return;
    }
    check_table_item(c, at, item.hash);
    at = item.chain;
  }
}

static void check_table(struct check *c) {
  const workq *q = c->q;
  uint32_t buckets = read_u32(&q->control->hot.buckets), committed = read_u32(&q->control->cold.buckets_committed);
  if (buckets < BUCKETS_MIN || buckets > q->geometry.buckets_max || buckets > committed ||
      !region_has(&q->regions.buckets, buckets)) {
    fault(c, "table: %u buckets, and memory for %u", buckets, committed);
    return;
  }
  for (uint32_t b = 0; b < buckets; b++) {
    struct bucket copy;
    const struct bucket *bucket = &copy;
    uint32_t i = 0;
    read_line(&copy, &q->table[b]);
    for (; i < BUCKET_ENTRIES && bucket->item[i]; i++) check_table_item(c, bucket->item[i], bucket->hash[i]);
    if (i < BUCKET_ENTRIES && bucket->chain) fault(c, "table: bucket %u has a chain and a free entry", b);
    for (; i < BUCKET_ENTRIES; i++)
      if (bucket->item[i]) fault(c, "table: bucket %u has a gap", b);
    check_chain(c, b, bucket->chain);
  }
}

static void check_free(struct check *c) {
  uint32_t count = 0, used = read_u32(&c->q->control->hot.used);
  for (uint32_t at = read_u32(&c->q->control->hot.free_head); at; count++) {
    struct item item;
    if (!mark_found(c, at, FOUND_FREE, "free list", &item)) return;
    if (item.place != PLACE_FREE) fault(c, "free list: item %u is in place %u", at, item.place);
    at = item.next;
  }
  if (count + used != c->fresh) fault(c, "%u free items and %u used ones of %u", count, used, c->fresh);
}

/* Each item, which is a copy, was found exactly where it must be. */
static void check_places(struct check *c, uint32_t index, const struct item *item) {
  unsigned char want = FOUND_TABLE;
  switch (item->place) {
  case PLACE_FREE:
    want = FOUND_FREE;
    break;
  case PLACE_DELAYED:
    want |= FOUND_HEAP;
    break;
  case PLACE_PROCESSING:
    want |= FOUND_LIST | (item->pending == PENDING_AT ? FOUND_HEAP : 0);
    break;
  default:
    want |= FOUND_LIST;
  }
  if (c->marks[index] != want)
    fault(c, "item %u in place %u, pending %u: found in %x, not %x", index, item->place, item->pending, c->marks[index],
          want);
}

static void check_item(struct check *c, uint32_t index) {
  struct item copy;
  const struct item *item = &copy;
  if (!read_item(c->q, index, &copy)) return;
  check_places(c, index, item);
  if (item->place == PLACE_FREE) return;
  static const uint8_t pending_of[PLACE_NOWHERE] = {[PLACE_READY] = PENDING_NOW, [PLACE_DELAYED] = PENDING_AT};
  if (item->place >= PLACE_NOWHERE) fault(c, "item %u is in place %u", index, item->place);
  else if (item->place != PLACE_PROCESSING && item->pending != pending_of[item->place])
    fault(c, "item %u in place %u has pending %u", index, item->place, item->pending);
  if (item->place == PLACE_PROCESSING && item->pending == PENDING_NOW) c->dirty[127 - item->priority]++;
  if (item->pending > PENDING_AT) fault(c, "item %u has pending %u", index, item->pending);
  if (item->place == PLACE_IDLE && !item->failures && !item->crashes) fault(c, "item %u is idle for nothing", index);
  if ((item->pending == PENDING_AT) != (item->heap_place != 0))
    fault(c, "item %u: pending %u, heap place %u", index, item->pending, item->heap_place);
  if ((item->place == PLACE_PROCESSING) != (item->owner != 0))
    fault(c, "item %u in place %u has owner %u", index, item->place, item->owner);
}

/* No region has more memory than its maximum, and no more keys are in use than the capacity. */
static void check_memory(struct check *c) {
  const struct geometry *g = &c->q->geometry;
  uint32_t used = read_u32(&c->q->control->hot.used);
  struct cold_line copy;
  const struct cold_line *cold = &copy;
  read_line(&copy, &c->q->control->cold);
  if (used > g->capacity) fault(c, "%u keys, and space for %u", used, g->capacity);
  if (cold->items_committed > g->items_max) fault(c, "memory for %u items, of %u", cold->items_committed, g->items_max);
  if (cold->buckets_committed > g->buckets_max)
    fault(c, "memory for %u buckets, of %u", cold->buckets_committed, g->buckets_max);
  if (cold->heap_committed > g->heap_max)
    fault(c, "memory for %u entries of the heap, of %u", cold->heap_committed, g->heap_max);
}

static void check_dirty(struct check *c) {
  for (uint32_t i = 0; i < BANDS; i++) {
    uint32_t counted = read_u32(&c->q->control->bands[i].dirty);
    if (counted != c->dirty[i])
      fault(c, "priority %d: %u keys in flight will be ready, counted as %u", 127 - (int)i, c->dirty[i], counted);
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
  struct cold_line cold;
  if (atomic_load(&c->q->control->lock.settled) == LOCK_DAMAGED)
    fault(c, "a roll-back was not possible: the segment is given up");
  check_memory(c);
  check_table(c);
  check_free(c);
  check_ready(c);
  check_slots(c);
  read_line(&cold, &c->q->control->cold);
  check_list(c, &cold.idle, PLACE_IDLE, "idle keys");
  check_list(c, &cold.buried, PLACE_BURIED, "buried keys");
  check_heap(c);
  check_waiters(c);
  if (!(c->q->flags & WORKQ_RAW)) check_leader(c);
  for (uint32_t index = 1; index <= c->fresh; index++) check_item(c, index);
  check_dirty(c);
  if (!(c->q->flags & WORKQ_RAW)) check_measures(c);
}

/* The number of items to check: those that were ever used, if all of them have memory. */
static uint32_t check_fresh(struct check *c, uint32_t fresh) {
  const workq *q = c->q;
  uint32_t committed = read_u32(&q->control->cold.items_committed);
  if (fresh > q->geometry.items_max) {
    fault(c, "%u items were used, of %u", fresh, q->geometry.items_max);
    return 0;
  }
  if (fresh <= committed && region_has(&q->regions.items, fresh)) return fresh;
  fault(c, "%u items were used, %u have memory", fresh, committed);
  return 0;
}

int shmq_check(workq *q, void (*problem)(void *arg, const char *line), void *arg) {
  struct check c = {.q = q, .problem = problem, .arg = arg};
  int rc = read_begin(q);
  if (rc < 0) return rc;
  c.fresh = check_fresh(&c, read_u32(&q->control->hot.fresh));
  c.marks = calloc((size_t)c.fresh + 1, 1);
  c.keys = calloc(2, q->geometry.key_max);
  bool enough = c.marks && c.keys;
  if (enough) check_all(&c);
  read_end(q);
  free(c.marks);
  free(c.keys);
  return enough ? c.problems : -ENOMEM;
}
