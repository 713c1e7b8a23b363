/*
 * A queue that has everything, and a process that makes every call on what damage leaves of it; see damage.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#define XXH_INLINE_ALL
#include "shm/segment.h" /* before fixture.h, whose q would be hidden by its parameters */

#include "damage.h"
#include "support/fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <xxhash.h>

#include "support/calls.h"

enum {
  CROWDED = 3, /* buckets that half of the keys are in */
  KEY_MAX = 40,
  SLEEPERS = 2,
  CALLS = 60,
  HANG_SECONDS = 300
};

struct damage_report *damage_report;

static unsigned char *snapshot; /* as it was before any damage */
static pid_t sleepers[SLEEPERS];

/* ---- The queue ---- */

static char keys[DAMAGE_KEYS + DAMAGE_STRANGERS][16];

const char *damage_key(uint64_t number) {
  return keys[number % (DAMAGE_KEYS + DAMAGE_STRANGERS)];
}

static uint32_t hash_of(const char *key, uint64_t seed) {
  return (uint32_t)XXH3_64bits_withSeed(key, strlen(key), seed);
}

/* Half of the keys crowd in a few buckets of the table, so that these have long chains. */
static void choose_keys(uint64_t seed) {
  unsigned suffix = 0;
  for (unsigned i = 0; i < DAMAGE_KEYS + DAMAGE_STRANGERS; i++) {
    do snprintf(keys[i], sizeof keys[i], "%u.%u", i, suffix++);
    while (i % 2 && hash_of(keys[i], seed) % BUCKETS_MIN >= CROWDED);
  }
}

static void add_number(unsigned number, int64_t after_ns, int priority) {
  const workq_add_options how = {.priority = priority, .after_ns = after_ns};
  ok(workq_add_opts(q, keys[number], strlen(keys[number]), &how));
}

static pid_t fork_sleeper(void) {
  pid_t child = process_fork();
  if (child > 0) return child;
  workq *own = open_again();
  workq_item item;
  workq_get(own, &item, WORKQ_FOREVER);
  _exit(EXIT_FAILURE);
}

/* Keys in every state, by turns. */
static void populate(void) {
  workq_item item;
  workq_info info;
  for (unsigned i = 0; i < DAMAGE_KEYS; i++) {
    switch (i % 7) {
    case 0: /* buried */
      add_number(i, 0, 127);
      ok(workq_get(q, &item, 0));
      ok(workq_give_up(q, &item));
      break;
    case 1: /* idle */
      add_number(i, 0, 127);
      ok(workq_peek(q, &info));
      ok(workq_add_rate_limited(q, info.key, info.key_len)); /* counted, and no more */
      ok(workq_get(q, &item, 0));
      ok(workq_done(q, &item));
      break;
    case 2: /* processing */
      add_number(i, 0, 127);
      ok(workq_get(q, &item, 0));
      break;
    case 3: /* processing, and to run again now or later */
      add_number(i, 0, 127);
      ok(workq_get(q, &item, 0));
      add_number(i, i % 2 ? S : 0, 3);
      break;
    case 4:
    case 5:
      add_number(i, (int64_t)(1 + i * 7919 % 1000) * MS, 0);
      break;
    default:
      add_number(i, 0, (int)(i % 256) - 128);
    }
  }
  for (unsigned i = 6; i < DAMAGE_KEYS; i += 70) ok(workq_remove(q, keys[i], strlen(keys[i]))); /* free records */
}

/* The hash's seed is part of what a trial can be given back by. */
static void set_hash_seed(uint64_t seed) {
  struct header header;
  int fd = open(engine_path(name), O_RDWR | O_CLOEXEC);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(pread(fd, &header, sizeof header, 0), sizeof header);
  header.seed = seed;
  header.checksum = XXH3_64bits(&header, offsetof(struct header, checksum));
  ck_assert_int_eq(pwrite(fd, &header, sizeof header, 0), sizeof header);
  close(fd);
}

/* Each slot's journal gets its memory. */
static void use_every_slot(void) {
  workq *handles[DAMAGE_HANDLES];
  for (int i = 1; i < DAMAGE_HANDLES; i++) handles[i] = open_again();
  for (int i = 1; i < DAMAGE_HANDLES; i++) ok(workq_close(handles[i]));
}

/* The queue is paused, so that the sleepers sleep although keys are ready. */
static void set_up_queue(uint64_t seed, uint32_t capacity) {
  options.capacity = capacity;
  options.key_max = KEY_MAX;
  options.handles = DAMAGE_HANDLES;
  options.reap_interval_ns = WORKQ_REAP_INTERVAL_MAX; /* no sleeper wakes by itself */
  create();
  ok(workq_close(q));
  set_hash_seed(seed);
  q = open_again();
  choose_keys(seed);
  populate();
  use_every_slot();
  ok(workq_pause(q));
  for (int i = 0; i < SLEEPERS; i++) sleepers[i] = fork_sleeper();
  await_waiting(1, SLEEPERS);
  for (int i = 0; i < SLEEPERS; i++) {
    process_stop(sleepers[i]);
  }
}

static void each_range(unsigned char *to, const unsigned char *from) {
  struct damage_area ranges[DAMAGE_RANGES];
  unsigned n = damage_ranges(ranges);
  for (unsigned i = 0; i < n; i++) memcpy(to + ranges[i].from, from + ranges[i].from, ranges[i].to - ranges[i].from);
}

static void take_snapshot(uint32_t capacity) {
  struct geometry *g = &damage_geometry;
  ck_assert_int_eq(geometry_compute(capacity, KEY_MAX, DAMAGE_HANDLES, g), 0);
  int fd = open(engine_path(name), O_RDWR | O_CLOEXEC);
  ck_assert_int_ge(fd, 0);
  damage_image = mmap(NULL, g->total_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ck_assert_ptr_ne(damage_image, MAP_FAILED);
  close(fd);
  snapshot = calloc(1, g->total_size);
  ck_assert_ptr_nonnull(snapshot);
  each_range(snapshot, damage_image);
}

void damage_begin(uint64_t seed, uint32_t capacity) {
  damage_report = mmap(NULL, sizeof *damage_report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne(damage_report, MAP_FAILED);
  set_up_queue(seed, capacity);
  assert_sound(q);
  take_snapshot(capacity);
}

void damage_end(void) {
  for (int i = 0; i < SLEEPERS; i++) process_kill(sleepers[i]);
  munmap(damage_image, damage_geometry.total_size);
  munmap(damage_report, sizeof *damage_report);
  free(snapshot);
  ok(workq_reap(q));
}

void damage_undo(void) {
  each_range(damage_image, snapshot);
}

/* ---- The victim ---- */

static int visit_info(void *arg, const workq_info *info) {
  unsigned *sum = arg;
  for (size_t i = 0; i < info->key_len; i++) *sum += ((const unsigned char *)info->key)[i];
  return 0;
}

static int visit_worker(void *arg, const workq_worker *worker) {
  *(size_t *)arg += strlen(worker->command);
  return 0;
}

static void look(workq *handle) {
  unsigned sum = 0;
  size_t length = 0;
  (void)workq_iterate(handle, visit_info, &sum);
  (void)workq_iterate_workers(handle, visit_worker, &length);
  (void)workq_check(handle, NULL, NULL);
  FILE *out = fopen("/dev/null", "w");
  if (out) {
    (void)workq_dump(handle, out);
    fclose(out);
  }
}

/* Makes one call; returns its name. */
static const char *run_random_call(workq *handle, uint64_t *random) {
  static workq_item item;
  const char *key = damage_key(random_next(random));
  size_t len = strlen(key);
  switch (random_below(random, 11)) {
  case 0:
    (void)workq_add(handle, key, len);
    return "add";
  case 1:
    (void)workq_add_after(handle, key, len, (int64_t)random_below(random, 1000) * MS);
    return "add_after";
  case 2:
    (void)workq_remove(handle, key, len);
    return "remove";
  case 3:
    pass((int64_t)random_below(random, 100) * MS);
    return "nothing";
  case 4:
    (void)workq_state(handle, key, len, NULL);
    return "state";
  case 5:
  case 6: {
    int rc = workq_get(handle, &item, random_below(random, 20) == 0 ? MS : 0);
    unsigned sum = 0;
    for (size_t i = 0; rc == 0 && i < item.key_len; i++) sum += ((const unsigned char *)item.key)[i];
    if (rc == 0 && sum % 3) (void)workq_retry(handle, &item);
    return "get and retry";
  }
  case 7: { /* one more attacher */
    workq *more;
    if (workq_open(name, &options, &more) != 0) return "open";
    (void)workq_add(more, key, len);
    (void)workq_close(more);
    return "open, add and close";
  }
  default: {
    const call *any = &calls[random_below(random, calls_count)];
    if (strcmp(any->name, "run") != 0) (void)any->run(handle);
    return any->name;
  }
  }
}

/* What counts is the processor's time, which does not depend on what else the machine does; a wait without end is an alarm. */
static int64_t own_time_ns(void) {
  return clock_read(CLOCK_PROCESS_CPUTIME_ID);
}

static void note(const char *what, int64_t start_ns) {
  int64_t took_ns = own_time_ns() - start_ns;
  if (took_ns > damage_report->longest_ns) {
    damage_report->longest_ns = took_ns;
    damage_report->longest = what;
  }
  damage_report->calls++;
}

static workq *open_noted(void) {
  workq *handle;
  int64_t start_ns = own_time_ns();
  int rc = workq_open(name, &options, &handle);
  note("open", start_ns);
  return rc == 0 ? handle : NULL;
}

static void close_noted(workq *handle) {
  int64_t start_ns = own_time_ns();
  (void)workq_close(handle);
  note("close", start_ns);
}

static void look_raw(void) {
  uint32_t flags = options.flags;
  options.flags |= WORKQ_RAW;
  workq *raw = open_noted();
  options.flags = flags;
  if (!raw) return;
  int64_t start_ns = own_time_ns();
  look(raw);
  note("a look by a raw handle", start_ns);
  close_noted(raw);
}

void damage_be_victim(uint64_t random, bool doing) {
  bool attach_first = random_below(&random, 2);
  workq *handle = NULL;
  alarm(HANG_SECONDS);
  options.lock_timeout_ns = 1;
  if (attach_first) handle = open_noted();
  if (doing) damage_do(&random);
  if (!attach_first) handle = open_noted();
  look_raw();
  for (unsigned i = 0; handle && i < CALLS; i++) {
    int64_t start_ns = own_time_ns();
    note(run_random_call(handle, &random), start_ns);
  }
  if (handle) {
    int64_t start_ns = own_time_ns();
    look(handle);
    note("a look", start_ns);
    close_noted(handle);
  }
  process_done();
}
