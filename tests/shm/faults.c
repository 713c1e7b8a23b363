/*
 * A queue that has everything, and each way to damage it; see faults.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "faults.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "shm/delay.h"
#include "shm/journal.h"
#include "shm/slot.h"
#include "shm/table.h"
#include "shm/wait.h"

/* Keys by number: what becomes of each. */
enum {
  READY = 0,
  READY_HIGH = 3,
  READY_LOW = 5,
  IN_HAND = 6,
  IN_HAND_DIRTY = 7,
  IN_HAND_AT = 8,
  OTHER = 9,
  DELAYED = 10,
  DELAYED_END = 18,
  BURIED = 18,
  IDLE = 21,
  FREED = 24,
  MORE = 27
};

workq *faults_q, *faults_raw;
struct picture *faults_sound;

static workq *other, *sleeper, *newest;
static uint32_t chained_bucket; /* has a chain */

/* ---- A queue that has everything ---- */

static uint32_t index_of(uint32_t number) {
  char key[32];
  size_t len = inner_key(number, key);
  uint32_t index;
  ck_assert_int_eq(inner_find(faults_q, table_hash(faults_q, key, len), key, len, &index), 0);
  ck_assert_uint_ne(index, 0);
  return index;
}

static struct item *record(uint32_t number) {
  return item_at(faults_q, index_of(number));
}

static void add(uint32_t number, int priority, int64_t after_ns, uint32_t rate_limited) {
  char key[32];
  size_t len = inner_key(number, key);
  workq_add_options options = {.priority = priority, .after_ns = after_ns, .rate_limited = rate_limited};
  ck_assert_int_eq(workq_add_opts(faults_q, key, len, &options), 1);
}

static workq_item get(workq *from) {
  workq_item item;
  ck_assert_int_eq(workq_get(from, &item, 0), 0);
  return item;
}

static void wait_in_line(workq *of) {
  inner_begin(of);
  ck_assert_int_eq(inner_end(of, wait_enter(of, WAIT_GET, slot_leader_wake_ns(of, inner_now_ns), false)), 0);
}

static void fill(void) {
  for (uint32_t n = IN_HAND; n <= OTHER; n++) {
    add(n, 0, 0, 0);
    (void)get(n == OTHER ? other : faults_q);
  }
  add(IN_HAND_DIRTY, 0, 0, 0);
  add(IN_HAND_AT, 0, 90 * NS_PER_S, 0);
  for (uint32_t n = DELAYED; n < DELAYED_END; n++) add(n, 0, (n + 1) * NS_PER_S, 0);
  for (uint32_t n = BURIED; n < MORE; n++) {
    add(n, 0, 0, n >= IDLE && n < FREED);
    workq_item item = get(faults_q);
    ck_assert_int_eq(n < IDLE ? workq_give_up(faults_q, &item) : workq_done(faults_q, &item), 0);
  }
  for (uint32_t n = READY; n < IN_HAND; n++) add(n, n < READY_HIGH ? 0 : n < READY_LOW ? 127 : -128, 0, 0);
}

/* Adds keys until a bucket overflows. */
static void fill_a_bucket(void) {
  for (uint32_t n = MORE;; n++) {
    add(n, 5, 0, 0);
    for (uint32_t b = 0; b < faults_q->control->hot.buckets; b++) {
      if (!faults_q->table[b].chain) continue;
      chained_bucket = b;
      return;
    }
  }
}

void faults_start(void) {
  workq_options options = {.capacity = FAULTS_CAPACITY,
                           .key_max = 40,
                           .handles = FAULTS_SLOTS,
                           .reap_interval_ns = WORKQ_DURATION_MAX,
                           .limiter = {.kinds = WORKQ_LIMIT_NONE}};
  workq *handles[4];
  inner_open_raw(&options, handles, 4, &faults_raw);
  faults_q = handles[0];
  other = handles[1];
  sleeper = handles[2];
  newest = handles[3];
  fill();
  fill_a_bucket();
  wait_in_line(sleeper);
  wait_in_line(newest);
  faults_sound = inner_take(faults_q);
}

void faults_end(void) {
  inner_put(faults_q, faults_sound);
  free(faults_sound);
}

void faults_add(uint32_t number) {
  add(number, 0, 0, 0);
}

/* ---- Damage ---- */

static struct faults_words words;

__attribute__((format(printf, 1, 2))) static void expect(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(words.line, sizeof words.line, format, args);
  va_end(args);
  words.locking = words.raw = true;
}

static struct hot_line *hot(void) {
  return &faults_q->control->hot;
}

static void wild_head(void) {
  band_of(faults_q, 0)->keys.head = faults_q->geometry.items_max + 7;
  expect("ready keys of priority 0: index %u is out of range", faults_q->geometry.items_max + 7);
}
static void unused_head(void) {
  faults_q->control->cold.idle.head = hot()->fresh + 1;
  expect("idle keys: index %u is out of range", hot()->fresh + 1);
}
static void circle(void) {
  record(READY + 2)->next = index_of(READY);
  expect("ready keys of priority 0: item %u is found twice", index_of(READY));
}
static void two_lists(void) {
  struct list *buried = &faults_q->control->cold.buried;
  item_at(faults_q, buried->tail)->next = faults_q->control->cold.idle.head;
  expect("buried keys: item %u is found twice", faults_q->control->cold.idle.head);
}
static void wrong_place(void) {
  record(READY)->place = PLACE_IDLE;
  expect("ready keys of priority 0: item %u is in place %u", index_of(READY), PLACE_IDLE);
}
static void not_back(void) {
  record(READY + 1)->prev = index_of(READY + 2);
  expect("ready keys of priority 0: item %u does not point back", index_of(READY + 1));
}
static void wrong_tail(void) {
  faults_q->control->cold.buried.tail = index_of(BURIED + 1);
  expect("buried keys: the tail is %u, not %u", index_of(BURIED + 1), index_of(BURIED + 2));
}
static void wrong_list_count(void) {
  faults_q->control->cold.idle.count++;
  expect("idle keys: 3 items, counted as 4");
}
static void bit_of_empty_band(void) {
  hot()->bitmap[0] |= UINT64_C(1) << 1;
  expect("ready keys of priority 126: the bitmap says 1");
}
static void bit_missing(void) {
  hot()->bitmap[3] = 0;
  expect("ready keys of priority -128: the bitmap says 0");
}
static void wrong_priority(void) {
  record(READY_HIGH)->priority = 126;
  expect("ready keys of priority 127: item %u has priority 126", index_of(READY_HIGH));
}
static void wrong_ready(void) {
  hot()->ready += 2;
  expect("%u ready keys, counted as %u", hot()->ready - 2, hot()->ready);
}
static void wild_slot_state(void) {
  other->slot->attachment.state = 2;
  expect("slot %u: state 2", other->slot_id);
}
static void free_slot_with_keys(void) {
  other->slot->attachment.state = SLOT_FREE;
  expect("slot %u: free, but has keys", other->slot_id);
}
static void free_slot_that_waits(void) {
  sleeper->slot->attachment.state = SLOT_FREE;
  expect("slot %u: free, but waits", sleeper->slot_id);
}
static void journal_outside(void) {
  atomic_store(&other->slot->journal.count, 3);
  expect("slot %u: its journal holds 3 lines outside the lock", other->slot_id);
  words.raw = false; /* somebody may be inside */
}
static void wrong_owner(void) {
  record(OTHER)->owner = (uint16_t)(faults_q->slot_id + 1);
  expect("slot %u: item %u has owner %u", other->slot_id, index_of(OTHER), faults_q->slot_id + 1);
}
static void wrong_processing(void) {
  hot()->processing = 0;
  expect("4 keys in flight, counted as 0");
}
static void wild_sleeper(void) {
  newest->slot->wait.next = FAULTS_SLOTS + 1;
  expect("waiters of kind 1: slot %u is out of range", FAULTS_SLOTS + 1);
}
static void wrong_kind(void) {
  newest->slot->wait.kind = WAIT_SPACE;
  expect("waiters of kind 1: slot %u waits for 2", newest->slot_id);
}
static void sleeper_not_back(void) {
  sleeper->slot->wait.prev = 0;
  expect("waiters of kind 1: slot %u does not point back", sleeper->slot_id);
}
static void wrong_last_sleeper(void) {
  faults_q->control->wait.list[WAIT_GET].tail = newest->slot_id + 1;
  expect("waiters of kind 1: the tail is %u, not %u", newest->slot_id + 1, sleeper->slot_id + 1);
}
static void wrong_sleepers(void) {
  faults_q->control->wait.list[WAIT_DRAIN].count = 9;
  expect("waiters of kind 3: 0 slots, counted as 9");
}
static void sleeper_in_no_line(void) {
  other->slot->wait.kind = WAIT_GET;
  expect("3 slots wait, 2 are in a list");
}
static void late_leader(void) {
  sleeper->slot->wait.wake_ns = delay_next_ns(faults_q) + 1;
  expect("the leader would sleep past the next delayed key");
  words.raw = false; /* a promotion may be due */
}
static void wild_delayed(void) {
  hot()->delayed = FAULTS_CAPACITY + 1;
  expect("the heap has %u entries, and memory for %u", FAULTS_CAPACITY + 1, faults_q->control->cold.heap_committed);
}
static void heap_without_memory(void) {
  faults_q->control->cold.heap_committed = hot()->delayed + HEAP_FIRST - 1;
  expect("the heap has %u entries, and memory for %u", hot()->delayed, faults_q->control->cold.heap_committed);
}
static void wrong_heap_place(void) {
  record(DELAYED)->heap_place = HEAP_FIRST + 1;
  expect("heap: item %u at %u believes it is at %u", index_of(DELAYED), HEAP_FIRST, HEAP_FIRST + 1);
}
static void no_delayed_run(void) {
  record(IN_HAND_AT)->pending = PENDING_NOW;
  expect("heap: item %u has no delayed run", index_of(IN_HAND_AT));
}
static void wrong_heap_order(void) {
  faults_q->heap[HEAP_FIRST + 2].due_ns = faults_q->heap[HEAP_FIRST].due_ns - 1;
  expect("heap: the entry at %u is due before its parent", HEAP_FIRST + 2);
}
static void wrong_round(void) {
  faults_q->heap[HEAP_FIRST + 5].due_ns = faults_q->heap[HEAP_FIRST + 1].due_ns;
  faults_q->heap[HEAP_FIRST + 5].round = faults_q->heap[HEAP_FIRST + 1].round - 1;
  expect("heap: the entry at %u is due before its parent", HEAP_FIRST + 5);
}
static void wrong_entry_hash(void) {
  uint32_t index = faults_q->table[chained_bucket].item[0];
  faults_q->table[chained_bucket].hash[0] ^= 1;
  expect("table: item %u has hash %08x, entered as %08x", index, item_at(faults_q, index)->hash,
         item_at(faults_q, index)->hash ^ 1);
}
static void wild_key_len(void) {
  uint32_t index = index_of(BURIED);
  item_at(faults_q, index)->key_len = (uint16_t)(faults_q->geometry.key_max + 1);
  expect("table: item %u has a key of %u bytes", index, faults_q->geometry.key_max + 1);
}
static void no_key_len(void) {
  uint32_t index = index_of(READY);
  item_at(faults_q, index)->key_len = 0;
  expect("table: item %u has a key of 0 bytes", index);
}
static void wrong_key(void) {
  uint32_t index = index_of(IDLE);
  item_key(item_at(faults_q, index))[0] ^= 1;
  expect("table: item %u: wrong hash", index);
}
static void wrong_bucket(void) {
  struct bucket *bucket = &faults_q->table[chained_bucket];
  uint32_t index = bucket->item[0];
  uint32_t wrong = (chained_bucket + 1) % BUCKETS_MIN, last = 0;
  while (last < BUCKET_ENTRIES - 1 && faults_q->table[wrong].item[last]) last++;
  faults_q->table[wrong].item[last] = index;
  faults_q->table[wrong].hash[last] = bucket->hash[0];
  bucket->item[0] = bucket->item[1]; /* one twice instead */
  bucket->hash[0] = bucket->hash[1];
  expect("table: item %u is not found by its key", index);
}
static void wild_buckets(void) {
  hot()->buckets = faults_q->geometry.buckets_max + 1;
  expect("table: %u buckets, and memory for %u", hot()->buckets, faults_q->control->cold.buckets_committed);
}
static void buckets_without_memory(void) {
  faults_q->control->cold.buckets_committed = hot()->buckets - 1;
  expect("table: %u buckets, and memory for %u", hot()->buckets, hot()->buckets - 1);
}
static void chain_and_room(void) {
  faults_q->table[chained_bucket].item[BUCKET_ENTRIES - 1] = 0;
  expect("table: bucket %u has a chain and a free entry", chained_bucket);
}
static void gap(void) {
  struct bucket *bucket = &faults_q->table[chained_bucket];
  bucket->item[2] = 0;
  expect("table: bucket %u has a gap", chained_bucket);
}
static void wild_chain(void) {
  faults_q->table[chained_bucket].chain = UINT32_MAX;
  expect("table: bucket %u: chained item %u is out of range", chained_bucket, UINT32_MAX);
}
static void used_in_free_list(void) {
  hot()->free_head = index_of(READY);
  expect("free list: item %u is in place %u", index_of(READY), PLACE_READY);
}
static void wrong_used(void) {
  hot()->used++;
  expect("%u free items and %u used ones of %u", hot()->fresh - hot()->used + 1, hot()->used, hot()->fresh);
}
static void not_in_list(void) {
  struct list *idle = &faults_q->control->cold.idle;
  uint32_t index = idle->tail;
  idle->tail = item_at(faults_q, index)->prev;
  item_at(faults_q, idle->tail)->next = 0;
  idle->count--;
  expect("item %u in place %u, pending %u: found in %x, not %x", index, PLACE_IDLE, PENDING_NONE, 1, 3);
}
static void nowhere(void) {
  record(READY)->place = PLACE_NOWHERE;
  expect("item %u is in place %u", index_of(READY), PLACE_NOWHERE);
}
static void wrong_pending(void) {
  record(READY)->pending = PENDING_NONE;
  expect("item %u in place %u has pending %u", index_of(READY), PLACE_READY, PENDING_NONE);
}
static void wild_pending(void) {
  record(IN_HAND)->pending = 3;
  expect("item %u has pending 3", index_of(IN_HAND));
}
static void idle_for_nothing(void) {
  record(IDLE)->failures = 0;
  expect("item %u is idle for nothing", index_of(IDLE));
}
static void heap_place_for_nothing(void) {
  record(READY)->heap_place = HEAP_FIRST;
  expect("item %u: pending %u, heap place %u", index_of(READY), PENDING_NOW, HEAP_FIRST);
}
static void owner_for_nothing(void) {
  record(READY)->owner = 1;
  expect("item %u in place %u has owner 1", index_of(READY), PLACE_READY);
}
static void records_without_memory(void) {
  faults_q->control->cold.items_committed = hot()->fresh - 1;
  expect("%u items were used, %u have memory", hot()->fresh, hot()->fresh - 1);
}
static void given_up(void) {
  atomic_store(&faults_q->control->lock.settled, LOCK_DAMAGED);
  expect("a roll-back was not possible: the segment is given up");
  words.locking = false; /* nobody gets in */
}
static void wild_fresh(void) {
  hot()->fresh = faults_q->geometry.items_max + 1;
  expect("%u items were used, of %u", faults_q->geometry.items_max + 1, faults_q->geometry.items_max);
}
static void too_many_keys(void) {
  hot()->used = FAULTS_CAPACITY + 1;
  expect("%u keys, and space for %u", FAULTS_CAPACITY + 1, FAULTS_CAPACITY);
}
static void too_many_records(void) {
  faults_q->control->cold.items_committed = faults_q->geometry.items_max + 1;
  expect("memory for %u items, of %u", faults_q->geometry.items_max + 1, faults_q->geometry.items_max);
}
static void too_many_buckets(void) {
  faults_q->control->cold.buckets_committed = faults_q->geometry.buckets_max + 1;
  expect("memory for %u buckets, of %u", faults_q->geometry.buckets_max + 1, faults_q->geometry.buckets_max);
}
static void too_large_a_heap(void) {
  faults_q->control->cold.heap_committed = faults_q->geometry.heap_max + 1;
  expect("memory for %u entries of the heap, of %u", faults_q->geometry.heap_max + 1, faults_q->geometry.heap_max);
}

static void wrong_dirty(void) {
  band_of(faults_q, 0)->dirty++;
  expect("priority 0: 1 keys in flight will be ready, counted as 2");
}
static void get_unmeasured(void) {
  faults_q->control->totals.gets++;
  expect("gets and times in the queue differ by 1");
  words.raw = false; /* the two are not read at one moment */
}
static void done_unmeasured(void) {
  faults_q->control->totals.dones++;
  expect("dones and times of work differ by 1");
  words.raw = false;
}

typedef void damage(void);

static damage *const damages[] = {
    wild_head,
    unused_head,
    circle,
    two_lists,
    wrong_place,
    not_back,
    wrong_tail,
    wrong_list_count,
    bit_of_empty_band,
    bit_missing,
    wrong_priority,
    wrong_ready,
    wild_slot_state,
    free_slot_with_keys,
    free_slot_that_waits,
    journal_outside,
    wrong_owner,
    wrong_processing,
    wild_sleeper,
    wrong_kind,
    sleeper_not_back,
    wrong_last_sleeper,
    wrong_sleepers,
    sleeper_in_no_line,
    late_leader,
    wild_delayed,
    heap_without_memory,
    wrong_heap_place,
    no_delayed_run,
    wrong_heap_order,
    wrong_round,
    wrong_entry_hash,
    wild_key_len,
    no_key_len,
    wrong_key,
    wrong_bucket,
    wild_buckets,
    buckets_without_memory,
    chain_and_room,
    gap,
    wild_chain,
    used_in_free_list,
    wrong_used,
    not_in_list,
    nowhere,
    wrong_pending,
    wild_pending,
    idle_for_nothing,
    heap_place_for_nothing,
    owner_for_nothing,
    records_without_memory,
    given_up,
    wild_fresh,
    too_many_keys,
    too_many_records,
    too_many_buckets,
    too_large_a_heap,
    wrong_dirty,
    get_unmeasured,
    done_unmeasured,
};

int faults_count(void) {
  return sizeof damages / sizeof *damages;
}

const struct faults_words *faults_do(int which) {
  damages[which]();
  return &words;
}
