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

double steady_cycles(steady *s, size_t count) {
  workq *q = s->q;
  workq_item item;
  bench_key *keys = next_keys(s, count);
  size_t wrap = s->depth ? SIZE_MAX : STEADY_NAMES - 1;
  double start_ns = bench_now_ns();
  for (size_t i = 0; i < count; i++) {
    const bench_key *key = &keys[i & wrap];
    if (workq_add(q, key->text, key->len) != 1 || workq_get(q, &item, 0) != 0 || workq_done(q, &item) != 0)
      bench_die("a cycle failed");
  }
  double took_ns = bench_now_ns() - start_ns;
  free(keys);
  return took_ns / (double)count;
}

double steady_batches(steady *s, size_t count, size_t batch) {
  workq *q = s->q;
  workq_item items[STEADY_BATCH_MAX];
  if (batch > STEADY_BATCH_MAX) bench_die("a batch of %zu is too large", batch);
  bench_key *texts = next_keys(s, count);
  workq_key *keys = bench_alloc(count * sizeof *keys);
  for (size_t i = 0; i < count; i++) {
    const bench_key *text = &texts[s->depth ? i : i % STEADY_NAMES];
    keys[i] = (workq_key){.data = text->text, .len = text->len};
  }
  int n = (int)batch;
  size_t rounds = count / batch, marked;
  double start_ns = bench_now_ns();
  for (size_t i = 0; i < rounds; i++)
    if (workq_add_batch(q, &keys[i * batch], batch, NULL, &marked) != n || marked != batch ||
        workq_get_batch(q, items, batch, 0) != n || workq_done_batch(q, items, batch) != n)
      bench_die("a batch failed");
  double took_ns = bench_now_ns() - start_ns;
  free(keys);
  free(texts);
  return took_ns / (double)(rounds * batch);
}
