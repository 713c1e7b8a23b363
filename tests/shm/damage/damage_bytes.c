/*
 * Which bytes of a queue to change, and into what; see damage.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "damage.h"
#include "support/fixture.h"

unsigned char *damage_image;
struct geometry damage_geometry;

static const struct control *control(void) {
  return (const void *)(damage_image + damage_geometry.control_off);
}

/* ---- Where ---- */

static uint64_t slot_off(uint64_t slot) {
  return damage_geometry.slots_off + slot * sizeof(struct slot);
}

static uint64_t journal_off(uint64_t slot) {
  return damage_geometry.journals_off + slot * sizeof(struct journal);
}

/* How much of them had memory before any damage. */
static uint32_t records, buckets, entries;

unsigned damage_ranges(struct damage_area *ranges) {
  const struct geometry *g = &damage_geometry;
  unsigned n = 0;
  if (!records) {
    const struct cold_line *cold = &control()->cold;
    records = cold->items_committed;
    buckets = cold->buckets_committed;
    entries = cold->heap_committed;
  }
  ranges[n++] = (struct damage_area){g->control_off, g->control_off + sizeof(struct control)};
  for (uint32_t i = 0; i < LOCK_MUTEXES; i++) {
    uint64_t holder = g->mutexes_off + i * sizeof(struct lock_mutex) + offsetof(struct lock_mutex, holder);
    ranges[n++] = (struct damage_area){holder, holder + sizeof(uint32_t)};
  }
  for (uint32_t i = 0; i < DAMAGE_HANDLES; i++) {
    ranges[n++] = (struct damage_area){slot_off(i) + offsetof(struct slot, attachment), slot_off(i + 1)};
    ranges[n++] = (struct damage_area){journal_off(i), journal_off(i + 1)};
  }
  ranges[n++] = (struct damage_area){g->measures_off, g->measures_off + DAMAGE_HANDLES * sizeof(struct measures)};
  ranges[n++] = (struct damage_area){g->table_off, g->table_off + buckets * sizeof(struct bucket)};
  ranges[n++] = (struct damage_area){g->heap_off, g->heap_off + entries * sizeof(struct heap_entry)};
  ranges[n++] = (struct damage_area){g->items_off, g->items_off + (uint64_t)records * g->item_size};
  return n;
}

static struct damage_area an_item(uint64_t *random) {
  uint64_t item = damage_geometry.items_off + random_below(random, DAMAGE_KEYS) * damage_geometry.item_size;
  return (struct damage_area){item, item + sizeof(struct item)};
}

/* Each kind of thing is hit equally often, though most bytes are those of items. */
static struct damage_area choose_area(uint64_t *random) {
  struct damage_area ranges[DAMAGE_RANGES];
  unsigned n = damage_ranges(ranges);
  switch (random_below(random, 9)) {
  case 0:
    return ranges[1 + random_below(random, LOCK_MUTEXES)];
  case 1:
  case 2:
    return ranges[1 + LOCK_MUTEXES + 2 * random_below(random, DAMAGE_HANDLES)];
  case 3: /* the control block without the bands, which are most of it */
    return (struct damage_area){ranges[0].from, ranges[0].from + offsetof(struct control, bands)};
  case 4:
    return ranges[0];
  case 5:
    return ranges[n - 4 + random_below(random, 4)];
  case 6: { /* where saved lines belong, or the lines */
    uint64_t journal = journal_off(random_below(random, DAMAGE_HANDLES));
    uint64_t size = random_below(random, 4) ? JOURNAL_LINES * sizeof(uint32_t) : sizeof(struct journal);
    return (struct damage_area){journal, journal + size};
  }
  default:
    return an_item(random);
  }
}

/* ---- Into what ---- */

/* What stands at the same place in another item: a link from it leads into another list, or round in the same. */
static uint32_t word_of_another_item(uint64_t *random, uint64_t at) {
  uint64_t within = (at - damage_geometry.items_off) % damage_geometry.item_size;
  uint64_t other = random_below(random, DAMAGE_KEYS) * damage_geometry.item_size;
  uint32_t word;
  memcpy(&word, damage_image + damage_geometry.items_off + other + within, sizeof word);
  return word;
}

/* A number that means something: an index at an end of its range, another place's value. */
static uint32_t choose_word(uint64_t *random, const struct damage_area *area, uint64_t at) {
  const uint32_t capacity = damage_geometry.capacity;
  const uint32_t words[] = {
      0,           1,         2,          DAMAGE_HANDLES,  DAMAGE_HANDLES + 1, capacity - 1, capacity, capacity + 1,
      DAMAGE_KEYS, INT32_MAX, UINT32_MAX, LOCK_DAMAGED - 1};
  uint64_t which = random_below(random, 20);
  if (which < sizeof words / sizeof *words) return words[which];
  if (which < 14) return (uint32_t)random_below(random, capacity + 2);
  if (which < 15) return (uint32_t)random_next(random);
  if (at >= damage_geometry.items_off) return word_of_another_item(random, at);
  uint32_t word;
  memcpy(&word, damage_image + area->from + 4 * random_below(random, (area->to - area->from) / 4), sizeof word);
  return word;
}

static void set_word(uint64_t at, uint32_t word) {
  memcpy(damage_image + at, &word, sizeof word);
}

static uint64_t any_word(uint64_t *random, const struct damage_area *area) {
  return area->from + 4 * random_below(random, (area->to - area->from) / 4);
}

/* A whole line of nonsense, of zeros, or of another place. */
static void spoil_line(uint64_t *random, const struct damage_area *area) {
  uint64_t lines = (area->to - area->from) / LINE_SIZE;
  if (!lines) return;
  unsigned char *line = damage_image + area->from + LINE_SIZE * random_below(random, lines);
  const unsigned char *other = damage_image + area->from + LINE_SIZE * random_below(random, lines);
  uint64_t which = random_below(random, 3);
  for (unsigned i = 0; i < LINE_SIZE; i++)
    line[i] = which == 0 ? (unsigned char)random_next(random) : which == 1 ? 0 : other[i];
}

static void swap_words(uint64_t *random, const struct damage_area *area) {
  uint64_t a = any_word(random, area), b = any_word(random, area);
  uint32_t one, other;
  memcpy(&one, damage_image + a, sizeof one);
  memcpy(&other, damage_image + b, sizeof other);
  set_word(a, other);
  set_word(b, one);
}

/* A link of an item leads back to itself or to any other. */
static void make_circle(uint64_t *random) {
  static const uint64_t links[] = {offsetof(struct item, next), offsetof(struct item, prev),
                                   offsetof(struct item, chain)};
  struct damage_area item = an_item(random);
  uint64_t own = (item.from - damage_geometry.items_off) / damage_geometry.item_size + 1;
  uint64_t to = random_below(random, 2) ? own : 1 + random_below(random, DAMAGE_KEYS);
  set_word(item.from + links[random_below(random, sizeof links / sizeof *links)], (uint32_t)to);
}

/* What counts something is wild. */
static void spoil_count(uint64_t *random) {
  static const uint64_t counts[] = {offsetof(struct control, hot.ready),
                                    offsetof(struct control, hot.processing),
                                    offsetof(struct control, hot.delayed),
                                    offsetof(struct control, hot.fresh),
                                    offsetof(struct control, hot.used),
                                    offsetof(struct control, hot.buckets),
                                    offsetof(struct control, hot.free_head),
                                    offsetof(struct control, cold.items_committed),
                                    offsetof(struct control, cold.heap_committed),
                                    offsetof(struct control, cold.buckets_committed),
                                    offsetof(struct control, cold.idle.count),
                                    offsetof(struct control, cold.buried.count),
                                    offsetof(struct control, wait.list[1].count)};
  uint64_t at = damage_geometry.control_off + counts[random_below(random, sizeof counts / sizeof *counts)];
  struct damage_area all = {damage_geometry.control_off, damage_geometry.control_off + sizeof(struct control)};
  set_word(at, choose_word(random, &all, at));
}

void damage_claim_memory(void) {
  const uint32_t most[] = {damage_geometry.items_max, damage_geometry.buckets_max, damage_geometry.heap_max};
  _Static_assert(offsetof(struct cold_line, heap_committed) - offsetof(struct cold_line, items_committed) == 8,
                 "one by one");
  memcpy(damage_image + damage_geometry.control_off + offsetof(struct control, cold.items_committed), most,
         sizeof most);
}

void damage_do(uint64_t *random) {
  unsigned count = 1 + (unsigned)random_below(random, 6);
  for (unsigned i = 0; i < count; i++) {
    struct damage_area area = choose_area(random);
    uint64_t at = area.from + random_below(random, area.to - area.from);
    switch (random_below(random, 10)) {
    case 0:
    case 1:
      damage_image[at] ^= (unsigned char)(1u << random_below(random, 8));
      break;
    case 2:
      damage_image[at] = (unsigned char)random_next(random);
      break;
    case 3:
      spoil_line(random, &area);
      break;
    case 4:
      swap_words(random, &area);
      break;
    case 5:
      make_circle(random);
      break;
    case 6:
      spoil_count(random);
      break;
    default:
      at = any_word(random, &area);
      set_word(at, choose_word(random, &area, at));
    }
  }
}
