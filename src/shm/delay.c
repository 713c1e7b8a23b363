/*
 * delay.c: the delayed keys; see delay.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "delay.h"

#include "grow.h"
#include "journal.h"
#include "read.h"

/* The place behind the last entry; all before it has memory; 0 if the count is damaged. */
static uint32_t heap_end(const workq *q) {
  uint32_t count = read_u32(&q->control->hot.delayed);
  if (unlikely(count > q->geometry.capacity)) return 0;
  uint32_t end = count + HEAP_FIRST;
  return likely(end <= q->regions.heap.units) || !count || region_has(&q->regions.heap, end) ? end : 0;
}

uint32_t delay_count(const workq *q) {
  uint32_t end = heap_end(q);
  return end > HEAP_FIRST ? end - HEAP_FIRST : 0;
}

static int heap_set(workq *q, uint32_t place, const struct heap_entry *entry) {
  struct item *item = item_at(q, entry->item);
  if (unlikely(!item)) return -EUCLEAN;
  journal_save(q, &q->heap[place]);
  q->heap[place] = *entry;
  journal_save(q, item);
  item->heap_place = place;
  return 0;
}

/* Moves entry, which belongs at place or above, up to where it belongs. */
static int sift_up(workq *q, uint32_t place, struct heap_entry entry) {
  while (place > HEAP_FIRST) {
    uint32_t parent = delay_parent(place);
    struct heap_entry above = q->heap[parent];
    if (!delay_before(&entry, &above)) break;
    int rc = heap_set(q, place, &above);
    if (unlikely(rc < 0)) return rc;
    place = parent;
  }
  return heap_set(q, place, &entry);
}

static uint32_t earliest_child(const workq *q, uint32_t place, uint32_t end) {
  uint32_t child = delay_first_child(place), best = child;
  for (uint32_t i = child + 1; i < end && i < child + HEAP_ARITY; i++)
    if (delay_before(&q->heap[i], &q->heap[best])) best = i;
  return best;
}

static int sift_down(workq *q, uint32_t place, struct heap_entry entry, uint32_t end) {
  while (delay_first_child(place) < end) {
    uint32_t child = earliest_child(q, place, end);
    struct heap_entry below = q->heap[child];
    if (!delay_before(&below, &entry)) break;
    int rc = heap_set(q, place, &below);
    if (unlikely(rc < 0)) return rc;
    place = child;
  }
  return heap_set(q, place, &entry);
}

static struct heap_entry new_entry(workq *q, uint32_t index, int64_t due_ns) {
  journal_save(q, &q->control->cold);
  return (struct heap_entry){.due_ns = due_ns, .round = q->control->cold.delay_round++, .item = index};
}

int delay_push(workq *q, uint32_t index, struct item *item, int64_t due_ns) {
  uint32_t end = heap_end(q);
  if (unlikely(!end || end >= q->geometry.heap_max || item->heap_place)) return -EUCLEAN;
  int rc = grow_to(q, &q->regions.heap, end + 1);
  if (unlikely(rc < 0)) return rc;
  struct heap_entry entry = new_entry(q, index, due_ns);
  q->control->hot.delayed++;
  return sift_up(q, end, entry);
}

/* The item's place, checked; 0 where it is damaged. */
static uint32_t place_of(const workq *q, const struct item *item) {
  uint32_t place = item->heap_place;
  if (unlikely(place < HEAP_FIRST || place >= heap_end(q))) return 0;
  return item_at(q, q->heap[place].item) == item ? place : 0;
}

int delay_bring_forward(workq *q, struct item *item, int64_t due_ns) {
  uint32_t place = place_of(q, item);
  if (unlikely(!place)) return -EUCLEAN;
  return sift_up(q, place, new_entry(q, q->heap[place].item, due_ns));
}

int delay_remove(workq *q, struct item *item) {
  uint32_t place = place_of(q, item);
  if (unlikely(!place)) return -EUCLEAN;
  uint32_t last = heap_end(q) - 1;
  struct heap_entry moved = q->heap[last];
  item->heap_place = 0;
  q->control->hot.delayed--;
  if (place == last) return 0;
  if (place > HEAP_FIRST && delay_before(&moved, &q->heap[delay_parent(place)])) return sift_up(q, place, moved);
  return sift_down(q, place, moved, last);
}

int64_t delay_due_ns(const workq *q, const struct item *item) {
  uint32_t place = place_of(q, item);
  return place ? q->heap[place].due_ns : CLOCK_NEVER;
}

int64_t delay_read_due_ns(const workq *q, uint32_t index, uint32_t place) {
  if (place < HEAP_FIRST || place >= heap_end(q)) return CLOCK_NEVER;
  struct heap_entry entry;
  read_lines(&entry, &q->heap[place], sizeof entry);
  return entry.item == index ? entry.due_ns : CLOCK_NEVER;
}

static bool root_has_memory(const workq *q) {
  return likely(q->regions.heap.units > HEAP_FIRST) || region_probe(&q->regions.heap, HEAP_FIRST);
}

int64_t delay_next_ns(const workq *q) {
  if (!read_u32(&q->control->hot.delayed)) return CLOCK_NEVER;
  return root_has_memory(q) ? __atomic_load_n(&q->heap[HEAP_FIRST].due_ns, __ATOMIC_RELAXED) : INT64_MIN;
}

uint32_t delay_first(const workq *q) {
  return q->control->hot.delayed && root_has_memory(q) ? q->heap[HEAP_FIRST].item : 0;
}
