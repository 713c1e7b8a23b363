/*
 * A damaged segment: whatever bytes of it were changed, but for those of the C library's mutexes, no call crashes,
 * writes elsewhere or goes on for ever.  Errors and wrong answers are fine.
 *
 * Each trial damages a queue that has keys in every state and sleeping workers, then runs random calls on it in a process
 * of its own, under a watchdog.  WORKQ_SEED gives a run back, WORKQ_TRIAL one trial of it.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#define XXH_INLINE_ALL
#include "segment.h" /* before fixture.h, whose q would be hidden by its parameters */

#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <xxhash.h>

#include "calls.h"

enum {
  CAPACITY = 400,
  KEYS = 390,
  STRANGERS = 30, /* keys that are not in it */
  CROWDED = 3,    /* buckets that half of the keys are in */
  KEY_MAX = 40,
  HANDLES = 6,
  SLEEPERS = 2,
  TRIALS = 4000, /* at scale 100 */
  CALLS = 60,
  HANG_SECONDS = 60
};

static struct geometry geometry;
static unsigned char *image;    /* the segment */
static unsigned char *snapshot; /* as it was before any damage */
static pid_t sleepers[SLEEPERS];

/* ---- The queue ---- */

static char keys[KEYS + STRANGERS][16];

static uint32_t hash_of(const char *key, uint64_t seed) {
  return (uint32_t)XXH3_64bits_withSeed(key, strlen(key), seed);
}

/* Half of the keys crowd in a few buckets of the table, so that these have long chains. */
static void choose_keys(uint64_t seed) {
  unsigned suffix = 0;
  for (unsigned i = 0; i < KEYS + STRANGERS; i++) {
    do snprintf(keys[i], sizeof keys[i], "%u.%u", i, suffix++);
    while (i % 2 && hash_of(keys[i], seed) % BUCKETS_MIN >= CROWDED);
  }
}

static void add_number(unsigned number, int64_t after_ns, int priority) {
  const workq_add_options how = {.priority = priority, .after_ns = after_ns};
  ok(workq_add_opts(q, keys[number], strlen(keys[number]), &how));
}

static pid_t fork_sleeper(void) {
  pid_t child = fork_child();
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
  for (unsigned i = 0; i < KEYS; i++) {
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
  for (unsigned i = 6; i < KEYS; i += 70) ok(workq_remove(q, keys[i], strlen(keys[i]))); /* free records */
}

static void take_snapshot(void) {
  ck_assert_int_eq(geometry_compute(CAPACITY, KEY_MAX, HANDLES, &geometry), 0);
  int fd = open(fixture_path(name), O_RDWR | O_CLOEXEC);
  ck_assert_int_ge(fd, 0);
  image = mmap(NULL, geometry.total_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ck_assert_ptr_ne(image, MAP_FAILED);
  close(fd);
  snapshot = malloc(geometry.total_size);
  ck_assert_ptr_nonnull(snapshot);
  memcpy(snapshot, image, geometry.total_size);
}

/* Calls visit for each range that holds no mutex. */
static void each_range(void (*visit)(uint64_t from, uint64_t to, void *arg), void *arg) {
  visit(geometry.control_off, geometry.control_off + sizeof(struct control), arg);
  for (uint32_t i = 0; i < LOCK_MUTEXES; i++) {
    uint64_t mutex = geometry.mutexes_off + i * sizeof(struct lock_mutex);
    visit(mutex + offsetof(struct lock_mutex, holder), mutex + offsetof(struct lock_mutex, holder) + 4, arg);
  }
  for (uint32_t i = 0; i < HANDLES; i++) {
    uint64_t slot = geometry.slots_off + i * sizeof(struct slot);
    visit(slot + offsetof(struct slot, who), slot + sizeof(struct slot), arg);
  }
  visit(geometry.journals_off, geometry.table_off, arg);
  visit(geometry.table_off, geometry.heap_off, arg);
  visit(geometry.heap_off, geometry.items_off, arg);
  visit(geometry.items_off, geometry.total_size, arg);
}

static void restore_range(uint64_t from, uint64_t to, void *arg) {
  (void)arg;
  memcpy(image + from, snapshot + from, to - from);
}

/* The hash's seed is part of what a trial can be given back by. */
static void set_hash_seed(uint64_t seed) {
  struct header header;
  int fd = open(fixture_path(name), O_RDWR | O_CLOEXEC);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(pread(fd, &header, sizeof header, 0), sizeof header);
  header.seed = seed;
  header.checksum = XXH3_64bits(&header, offsetof(struct header, checksum));
  ck_assert_int_eq(pwrite(fd, &header, sizeof header, 0), sizeof header);
  close(fd);
}

/* The queue is paused, so that the sleepers sleep although keys are ready. */
static void set_up_queue(uint64_t seed) {
  options.capacity = CAPACITY;
  options.key_max = KEY_MAX;
  options.handles = HANDLES;
  options.reap_interval_ns = WORKQ_DURATION_MAX; /* no sleeper wakes by itself */
  create();
  ok(workq_close(q));
  set_hash_seed(seed);
  q = open_again();
  choose_keys(seed);
  populate();
  ok(workq_pause(q));
  for (int i = 0; i < SLEEPERS; i++) sleepers[i] = fork_sleeper();
  await_waiting(1, SLEEPERS);
  for (int i = 0; i < SLEEPERS; i++) {
    kill(sleepers[i], SIGSTOP);
    await_stop(sleepers[i]);
  }
}

/* ---- The damage ---- */

struct area {
  uint64_t from, to;
};

struct areas {
  struct area list[LOCK_MUTEXES + HANDLES + 8];
  unsigned count;
};

static void note_area(uint64_t from, uint64_t to, void *arg) {
  struct areas *areas = arg;
  areas->list[areas->count++] = (struct area){from, to};
}

/* Each kind of thing is hit equally often, though most bytes are those of items. */
static struct area choose_area(uint64_t *random) {
  struct areas areas = {.count = 0};
  each_range(note_area, &areas);
  unsigned last = areas.count - 4;
  switch (fixture_below(random, 9)) {
  case 0:
    return areas.list[1 + fixture_below(random, LOCK_MUTEXES)];
  case 1:
  case 2:
    return areas.list[1 + LOCK_MUTEXES + fixture_below(random, HANDLES)];
  case 3: {
    struct area control = areas.list[0]; /* without the bands, which are most of it */
    control.to = control.from + offsetof(struct control, bands);
    return control;
  }
  case 4:
    return areas.list[0];
  case 5:
    return areas.list[last + fixture_below(random, 4)];
  case 6: { /* where saved lines belong */
    uint64_t journal = geometry.journals_off + fixture_below(random, HANDLES) * sizeof(struct journal);
    return (struct area){journal, journal + 4 * JOURNAL_LINES};
  }
  default: { /* the first line of an item */
    uint64_t item = geometry.items_off + fixture_below(random, CAPACITY) * geometry.item_size;
    return (struct area){item, item + sizeof(struct item)};
  }
  }
}

/* What stands at the same place in another item: a link from it leads into another list, or round in the same. */
static uint32_t word_of_another_item(uint64_t *random, uint64_t at) {
  uint64_t within = (at - geometry.items_off) % geometry.item_size;
  uint64_t other = fixture_below(random, CAPACITY) * geometry.item_size;
  uint32_t word;
  memcpy(&word, image + geometry.items_off + other + within, sizeof word);
  return word;
}

/* A number that means something: an index at an end of its range, another place's value. */
static uint32_t choose_word(uint64_t *random, const struct area *area, uint64_t at) {
  const uint32_t words[] = {
      0,    1,         2,          HANDLES,         HANDLES + 1, CAPACITY - 1, CAPACITY, CAPACITY + 1,
      KEYS, INT32_MAX, UINT32_MAX, LOCK_DAMAGED - 1};
  uint64_t which = fixture_below(random, 20);
  if (which < sizeof words / sizeof *words) return words[which];
  if (which < 14) return (uint32_t)fixture_below(random, CAPACITY + 2);
  if (which < 15) return (uint32_t)fixture_random(random);
  if (at >= geometry.items_off) return word_of_another_item(random, at);
  uint32_t word;
  memcpy(&word, image + area->from + 4 * fixture_below(random, (area->to - area->from) / 4), sizeof word);
  return word;
}

static void damage(uint64_t *random) {
  unsigned count = 1 + (unsigned)fixture_below(random, 6);
  for (unsigned i = 0; i < count; i++) {
    struct area area = choose_area(random);
    uint64_t size = area.to - area.from;
    uint64_t at = area.from + fixture_below(random, size);
    uint32_t word;
    switch (fixture_below(random, 4)) {
    case 0:
      image[at] ^= (unsigned char)(1u << fixture_below(random, 8));
      break;
    case 1:
      image[at] = (unsigned char)fixture_random(random);
      break;
    default:
      at = area.from + 4 * fixture_below(random, size / 4);
      word = choose_word(random, &area, at);
      memcpy(image + at, &word, sizeof word);
    }
  }
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

static void run_random_call(workq *handle, uint64_t *random) {
  static workq_item item;
  const char *key = keys[fixture_below(random, KEYS + STRANGERS)];
  size_t len = strlen(key);
  switch (fixture_below(random, 10)) {
  case 0:
    (void)workq_add(handle, key, len);
    break;
  case 1:
    (void)workq_add_after(handle, key, len, (int64_t)fixture_below(random, 1000) * MS);
    break;
  case 2:
    (void)workq_remove(handle, key, len);
    break;
  case 3:
    pass((int64_t)fixture_below(random, 100) * MS);
    break;
  case 4:
    (void)workq_state(handle, key, len, NULL);
    break;
  case 5:
  case 6: {
    int rc = workq_get(handle, &item, fixture_below(random, 20) == 0 ? MS : 0);
    unsigned sum = 0;
    for (size_t i = 0; rc == 0 && i < item.key_len; i++) sum += ((const unsigned char *)item.key)[i];
    if (rc == 0 && sum % 3) (void)workq_retry(handle, &item);
    break;
  }
  default: {
    const call *any = &calls[fixture_below(random, calls_count)];
    if (strcmp(any->name, "run") != 0) (void)any->run(handle);
  }
  }
}

/* What a trial is, by its number. */
static void be_victim(uint64_t random) {
  bool attach_first = fixture_below(&random, 2);
  workq *handle = NULL, *raw = NULL;
  alarm(HANG_SECONDS);
  options.lock_timeout_ns = 1;
  if (attach_first && workq_open(name, &options, &handle) != 0) handle = NULL;
  damage(&random);
  if (!attach_first && workq_open(name, &options, &handle) != 0) handle = NULL;
  options.flags = WORKQ_RAW;
  if (workq_open(name, &options, &raw) == 0) {
    look(raw);
    (void)workq_close(raw);
  }
  for (unsigned i = 0; handle && i < CALLS; i++) run_random_call(handle, &random);
  if (handle) {
    look(handle);
    (void)workq_close(handle);
  }
  child_done();
}

/* A process that dies inside an operation, so that there is something to roll back. */
static void die_inside(void) {
  pid_t child = fork_child();
  if (child == 0) {
    workq *own = open_again();
    shared->victim = getpid();
    shared->armed = SIGKILL;
    (void)workq_add_after(own, "inside", 6, S);
    _exit(EXIT_FAILURE);
  }
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void run_trial(uint64_t seed, unsigned trial) {
  uint64_t random = seed + trial;
  fixture_random(&random);
  shared->now_ns = 1000 * S;
  if (trial % 4 == 0) die_inside();
  pid_t child = fork_child();
  if (child == 0) be_victim(random);
  int status;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  each_range(restore_range, NULL);
  shared->now_ns = 1000 * S;
  ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
                "WORKQ_SEED=%llu WORKQ_TRIAL=%u: the victim ended with status %x (%s)", (unsigned long long)seed, trial,
                (unsigned)status, WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit");
}

START_TEST(no_damage_makes_a_call_crash_or_hang) {
  uint64_t seed = fixture_seed();
  const char *one = getenv("WORKQ_TRIAL");
  set_up_queue(seed);
  assert_sound(q);
  take_snapshot();
  if (one) run_trial(seed, (unsigned)strtoul(one, NULL, 10));
  else
    for (unsigned trial = 0; trial < fixture_scaled(TRIALS); trial++) run_trial(seed, trial);
  for (int i = 0; i < SLEEPERS; i++) kill_child(sleepers[i]);
  munmap(image, geometry.total_size);
  free(snapshot);
  ok(workq_reap(q));
}
END_TEST

static Suite *damage_suite(void) {
  Suite *suite = suite_create("damage");
  TCase *tcase = fixture_case(suite, "damage");
  tcase_add_test(tcase, no_damage_makes_a_call_crash_or_hang);
  return suite;
}

int main(void) {
  static suite_maker *const suites[] = {damage_suite};
  return fixture_run("check-damage", suites, 1);
}
