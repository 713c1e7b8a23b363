/*
 * Fuzz target: bytes as a segment.
 *
 * A queue that has something of everything is changed as the input says: its control block, slots, journals, table, heap and
 * records, or its header, with or without a checksum and a size that fit; not its mutexes.  Then come an attach, a
 * fixed series of calls that look at it, and calls that the input chooses.  Errors and wrong answers are fine.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#define XXH_INLINE_ALL
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#include "bytes.h"
#include "handles.h"
#include "replay.h"
#include "shm/journal.h"
#include "shm/operation.h"
#include "shm/segment.h"
#include "shm/slot.h"
#include "stores.h"
#include "support/calls.h"
#include "support/plain.h"

enum { CAPACITY = 24, KEYS = 20, KEY_MAX = 24, POOL = 4, CALLS = 24, EDITS = 16, LARGEST = 1 << 24 };

const char replay_name[] = "segment";
const unsigned replay_shifts = 1;
unsigned replay_shift;

static int64_t now_ns = NS_PER_S;
static unsigned char *pristine;
static char file_name[64]; /* a segment with a name, for headers */
static int file = -1;
static struct header good; /* its header */

static int64_t read_clock(void *arg) {
  (void)arg;
  return now_ns;
}

static const workq_options options = {.capacity = CAPACITY,
                                      .key_max = KEY_MAX,
                                      .handles = POOL + 1,
                                      .lock_timeout_ns = 1,
                                      .reap_interval_ns = WORKQ_REAP_INTERVAL_MAX,
                                      .flags = WORKQ_NO_SPIN,
                                      .no_metrics = 1,
                                      .clock = read_clock};

/* ---- The queue ---- */

static size_t write_key(unsigned number, char *key) {
  return (size_t)snprintf(key, KEY_MAX, "key-%u", number);
}

/* By turns ready, delayed, buried, idle, in hand and to run again. */
static void populate(workq *q) {
  char key[KEY_MAX];
  workq_item item;
  for (unsigned i = 0; i < KEYS; i++) {
    size_t len = write_key(i, key);
    const workq_add_options how = {.priority = (int)(i % 3), .after_ns = i % 4 == 1 ? NS_PER_S + i : 0};
    plain_ok(workq_add_opts(q, key, len, &how), "add");
    if (i % 4 < 2 || workq_get(q, &item, 0) < 0) continue;
    if (i % 8 == 2) plain_ok(workq_give_up(q, &item), "give_up");
    if (i % 8 == 3) plain_ok(workq_add(q, item.key, item.key_len), "add");
    if (i % 8 == 6) plain_ok(workq_retry(q, &item), "retry");
  }
}

/* A sleeper in line, as far as the segment knows. */
static void wait_in_line(workq *q) {
  plain_ok(lock_acquire(q, CLOCK_NEVER), "lock");
  journal_begin(q);
  plain_ok(wait_enter(q, WAIT_GET, CLOCK_NEVER, false), "wait");
  journal_commit(q);
  lock_release(q);
}

static void take_file_away(void) {
  workq_unlink(file_name);
}

static void set_up_once(void) {
  handles_make(&options, POOL);
  stores_begin(handles[0]);
  for (int h = 0; h < 3; h++) plain_ok(handles_attach(h), "attach");
  populate(handles[0]);
  wait_in_line(handles[2]);
  pristine = calloc(1, handles[0]->size);
  if (!pristine) plain_fail("no memory");
  stores_copy(handles[0], pristine, handles[0]->base);
  workq *q;
  snprintf(file_name, sizeof file_name, "fuzz-%d-file", (int)getpid());
  plain_ok(workq_create(file_name, &options, &q), "create");
  atexit(take_file_away);
  populate(q);
  plain_ok(workq_close(q), "close");
  char path[96];
  snprintf(path, sizeof path, "/dev/shm/workq.%s", file_name);
  file = open(path, O_RDWR | O_CLOEXEC);
  if (file < 0 || pread(file, &good, sizeof good, 0) != sizeof good) plain_fail("no file");
}

/* The same three slots for the same three handles, each time. */
static void reset(void) {
  for (int h = 0; h < POOL; h++) {
    handles_let_go(h);
    handles[h]->held = NULL;
    handles[h]->wakes.count = 0;
    handles[h]->wakes.keeps_next = false;
  }
  stores_copy(handles[0], handles[0]->base, pristine);
  for (uint32_t i = 0; i < handles[0]->geometry.handles; i++) {
    handles[0]->slots[i].attachment.state = SLOT_FREE;
    memset(handles[0]->journals[i].line, 0, sizeof handles[0]->journals[i].line);
  }
  for (int h = 0; h < 3; h++) plain_ok(handles_attach(h), "attach");
  stores_copy(handles[0], handles[0]->base, pristine);
  for (int h = 0; h < 3; h++) handles[h]->generation = handles[h]->slot->attachment.generation;
  now_ns = NS_PER_S;
}

/* ---- Damage ---- */

struct area {
  uint64_t from, to;
};

static struct area choose_area(void) {
  const struct geometry *g = &handles[0]->geometry;
  uint64_t slot = g->slots_off + bytes_below(g->handles) * sizeof(struct slot);
  uint64_t journal = g->journals_off + bytes_below(POOL) * sizeof(struct journal);
  uint64_t item = g->items_off + bytes_below(CAPACITY) * g->item_size;
  switch (bytes_below(8)) {
  case 0:
    return (struct area){g->control_off, g->control_off + sizeof(struct control)};
  case 1:
    return (struct area){slot + offsetof(struct slot, attachment), slot + sizeof(struct slot)};
  case 2:
    return (struct area){journal, journal + JOURNAL_LINES * sizeof(uint32_t)};
  case 3:
    return (struct area){g->table_off, g->table_off + BUCKETS_MIN * sizeof(struct bucket)};
  case 4:
    return (struct area){g->heap_off, g->heap_off + g->heap_max * sizeof(struct heap_entry)};
  case 5:
    return (struct area){g->control_off, g->control_off + offsetof(struct control, bands)};
  default:
    return (struct area){item, item + g->item_size};
  }
}

static uint32_t choose_word(const struct area *area) {
  const uint32_t words[] = {0, 1, POOL, CAPACITY, CAPACITY + 1, CAPACITY + 2, INT32_MAX, UINT32_MAX};
  uint32_t word;
  switch (bytes_below(4)) {
  case 0:
    return words[bytes_below(sizeof words / sizeof *words)];
  case 1:
    return (uint32_t)bytes_below(CAPACITY + 2);
  case 2:
    return (uint32_t)bytes_below(UINT32_MAX);
  default:
    memcpy(&word, handles[0]->base + area->from + 4 * bytes_below((area->to - area->from) / 4), sizeof word);
    return word;
  }
}

static void edit(void) {
  struct area area = choose_area();
  uint64_t at = area.from + 4 * bytes_below((area.to - area.from) / 4);
  for (uint64_t n = 1 + bytes_below(4); n > 0 && at < area.to; n--, at += sizeof(uint32_t)) {
    uint32_t word = choose_word(&area);
    memcpy(handles[0]->base + at, &word, sizeof word);
  }
}

/* The rest of the input over one area. */
static void overlay(void) {
  struct area area = choose_area();
  for (uint64_t at = area.from; at < area.to && !bytes_end(); at++)
    handles[0]->base[at] = (unsigned char)bytes_below(256);
}

/* ---- Calls ---- */

static int visit_info(void *arg, const workq_info *info) {
  unsigned *sum = arg;
  for (size_t i = 0; i < info->key_len; i++) *sum += ((const unsigned char *)info->key)[i];
  return 0;
}

static void look(workq *q) {
  unsigned sum = 0;
  workq_stats_data stats;
  (void)workq_stats(q, &stats);
  (void)workq_check(q, NULL, NULL);
  (void)workq_iterate(q, visit_info, &sum);
}

static void run_any_call(void) {
  static workq_item item;
  char key[KEY_MAX];
  int h = (int)bytes_below(POOL);
  size_t len = write_key((unsigned)bytes_below(KEYS + 4), key);
  if (!handles_attached[h]) {
    (void)handles_attach(h);
    return;
  }
  switch (bytes_below(8)) {
  case 0:
    (void)workq_add(handles[h], key, len);
    return;
  case 1:
    (void)workq_add_after(handles[h], key, len, (int64_t)bytes_below(1000));
    return;
  case 2:
    (void)workq_remove(handles[h], key, len);
    return;
  case 3:
    now_ns += (int64_t)(bytes_below(4) * NS_PER_S);
    return;
  case 4:
    if (workq_get(handles[h], &item, 0) == 0 && bytes_below(2)) (void)workq_retry(handles[h], &item);
    return;
  case 5:
    (void)handles_detach(h);
    return;
  default: {
    const call *any = &calls[bytes_below(calls_count)];
    /* The pool forks; others open files. */
    if (strcmp(any->name, "run") != 0 && strcmp(any->name, "dump") != 0 && strcmp(any->name, "metrics") != 0)
      (void)any->run(handles[h]);
  }
  }
}

/* ---- Headers ---- */

static void repair_header(struct header *header) {
  struct geometry g;
  if (bytes_below(2) && geometry_compute(header->capacity, header->key_max, header->handles, &g) == 0 &&
      g.total_size <= LARGEST && ftruncate(file, (off_t)g.total_size) == 0)
    header->total_size = g.total_size;
  header->checksum = XXH3_64bits(header, offsetof(struct header, checksum));
}

/* Opens a file whose header is what the input makes of a good one. */
static void open_header(void) {
  struct header header = good;
  if (ftruncate(file, (off_t)good.total_size) != 0) plain_fail("ftruncate");
  bool repaired = bytes_below(4) != 0;
  for (uint64_t n = 1 + bytes_below(6); n > 0 && !bytes_end(); n--) {
    size_t at = bytes_below(2) ? bytes_below(sizeof header) : offsetof(struct header, seed) + bytes_below(64);
    ((unsigned char *)&header)[at] = (unsigned char)bytes_below(256);
  }
  if (repaired) repair_header(&header);
  if (pwrite(file, &header, sizeof header, 0) != sizeof header) plain_fail("pwrite");
  workq_options how = options;
  how.flags |= bytes_below(4) ? 0 : WORKQ_RAW;
  workq *q;
  if (workq_open(file_name, &how, &q) != 0) return;
  look(q);
  char key[KEY_MAX];
  for (unsigned i = 0; i < 4; i++) (void)workq_add(q, key, write_key(i, key));
  (void)workq_close(q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!pristine) set_up_once();
  bytes_begin(data, size);
  uint64_t mode = bytes_below(64);
  if (mode == 0) {
    open_header();
    return 0;
  }
  reset();
  if (mode % 4 == 0) overlay();
  for (uint64_t n = 1 + bytes_below(EDITS); n > 0 && !bytes_end(); n--) edit();
  if (mode % 2) stores_bereave(&handles[0]->mutexes[0].mutex);
  (void)handles_attach(3);
  for (int i = 0; i < CALLS && !bytes_end(); i++) run_any_call();
  look(handles[bytes_below(3)]);
  return 0;
}
