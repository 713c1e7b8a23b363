/*
 * A queue that stays as deep as it is; see steady.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "steady.h"

#include <stdlib.h>

enum { SHARED_MAX = 16 };

static steady *shared[SHARED_MAX];

/* Keys go in by number with a low priority, and then rise to the usual one in random order. */
static void fill_in_random_order(workq *q, size_t count) {
  static const workq_add_options low = {.priority = -1};
  uint32_t *order = bench_alloc(count * sizeof *order);
  uint64_t random = 1;
  for (size_t i = 0; i < count; i++) order[i] = (uint32_t)i;
  bench_add_numbers(q, order, count, &low);
  for (size_t i = count - 1; i > 0; i--) {
    size_t other = bench_below(&random, i + 1);
    uint32_t number = order[i];
    order[i] = order[other];
    order[other] = number;
  }
  bench_add_numbers(q, order, count, NULL);
  free(order);
}

static steady *find(size_t depth, bool unmeasured, size_t *place) {
  for (*place = 0; *place < SHARED_MAX && shared[*place]; ++*place)
    if (shared[*place]->depth == depth && shared[*place]->unmeasured == unmeasured) return shared[*place];
  if (*place == SHARED_MAX) bench_die("more than %d queues", SHARED_MAX);
  return NULL;
}

steady *steady_open(size_t depth, bool unmeasured) {
  size_t place;
  steady *s = find(depth, unmeasured, &place);
  if (!s) {
    workq_options options = {.no_metrics = unmeasured};
    s = shared[place] = bench_alloc(sizeof *s);
    *s = (steady){.depth = depth, .made = depth, .unmeasured = unmeasured};
    s->q = bench_queue(depth + STEADY_BATCH_MAX, &options);
    if (depth) fill_in_random_order(s->q, depth);
  }
  s->users++;
  return s;
}

void steady_close(steady *s) {
  if (--s->users) return;
  size_t place, last = 0;
  find(s->depth, s->unmeasured, &place);
  while (last + 1 < SHARED_MAX && shared[last + 1]) last++;
  shared[place] = shared[last];
  shared[last] = NULL;
  workq_close(s->q);
  free(s);
}

/* The next keys; the empty queue knows only keys that it has met before. */
static bench_key *next_keys(steady *s, size_t count) {
  size_t names = s->depth ? count : STEADY_NAMES;
  bench_key *keys = bench_keys(s->made, names);
  if (s->depth) s->made += names;
  return keys;
}

typedef struct stretch {
  workq *q;
  const bench_key *texts;
  const workq_key *keys;
  size_t wrap; /* numbers of keys are cut to these bits */
  size_t batch;
} stretch;

static void cycles(void *arg, size_t first, size_t count) {
  const stretch *r = arg;
  workq_item item;
  for (size_t i = first; i < first + count; i++) {
    const bench_key *key = &r->texts[i & r->wrap];
    if (workq_add(r->q, key->text, key->len) != 1 || workq_get(r->q, &item, 0) != 0 || workq_done(r->q, &item) != 0)
      bench_die("a cycle failed");
  }
}

/* One key is in flight before and after. */
static void cycles_by_next(void *arg, size_t first, size_t count) {
  const stretch *r = arg;
  workq_item item;
  bench_ok(workq_add(r->q, "first", 5), "workq_add");
  bench_ok(workq_get(r->q, &item, 0), "workq_get");
  for (size_t i = first; i < first + count; i++) {
    const bench_key *key = &r->texts[i & r->wrap];
    if (workq_add(r->q, key->text, key->len) != 1 || workq_next(r->q, &item, 0) != 0) bench_die("a cycle failed");
  }
  bench_ok(workq_complete(r->q, &item), "workq_complete");
}

static double run_cycles(steady *s, size_t count, void (*part)(void *arg, size_t first, size_t count)) {
  bench_key *texts = next_keys(s, count);
  stretch r = {.q = s->q, .texts = texts, .wrap = s->depth ? SIZE_MAX : STEADY_NAMES - 1};
  double cycle_ns = bench_in_parts(part, &r, count);
  free(texts);
  return cycle_ns;
}

double steady_cycles(steady *s, size_t count) {
  return run_cycles(s, count, cycles);
}

double steady_cycles_by_next(steady *s, size_t count) {
  return run_cycles(s, count, cycles_by_next);
}

static void batches(void *arg, size_t first, size_t count) {
  const stretch *r = arg;
  workq_item items[STEADY_BATCH_MAX];
  int n = (int)r->batch;
  for (size_t i = first; i < first + count; i++) {
    size_t marked;
    if (workq_add_batch(r->q, &r->keys[i * r->batch], r->batch, NULL, &marked) != n || marked != r->batch ||
        workq_get_batch(r->q, items, r->batch, 0) != n || workq_done_batch(r->q, items, r->batch) != n)
      bench_die("a batch failed");
  }
}

double steady_batches(steady *s, size_t count, size_t batch) {
  if (batch > STEADY_BATCH_MAX) bench_die("a batch of %zu is too large", batch);
  /* A batch a part, at least. */
  if (count < batch * BENCH_PARTS) count = batch * BENCH_PARTS;
  bench_key *texts = next_keys(s, count);
  workq_key *keys = bench_alloc(count * sizeof *keys);
  for (size_t i = 0; i < count; i++) {
    const bench_key *text = &texts[s->depth ? i : i % STEADY_NAMES];
    keys[i] = (workq_key){.data = text->text, .len = text->len};
  }
  stretch r = {.q = s->q, .keys = keys, .batch = batch};
  double batch_ns = bench_in_parts(batches, &r, count / batch);
  free(keys);
  free(texts);
  return batch_ns / (double)batch;
}
