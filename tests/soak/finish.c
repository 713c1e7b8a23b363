/*
 * Before and after: the warm-up makes the segments as large as they may ever be, and the end proves that nothing was
 * lost, nothing is left, and nothing has grown.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "soak.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { END_SECONDS = 300 };

/* ---- The warm-up ---- */

static unsigned handles_of(unsigned queue) {
  return queue == CROWDED ? soak.crowd + CROWD_SPARE : HANDLES;
}

static workq *create_queue(unsigned queue) {
  const queue_kind *kind = &queue_kinds[queue];
  workq_options options = {.capacity = kind->capacity,
                           .key_max = KEY_MAX,
                           .handles = handles_of(queue),
                           .max_crashes = kind->max_crashes,
                           .max_retries = kind->max_retries,
                           .give_up = WORKQ_BURY,
                           .reap_interval_ns = kind->reap_interval_ns,
                           .lock_timeout_ns = 10 * SECOND,
                           .limiter = {.kinds = WORKQ_LIMIT_EXPONENTIAL,
                                       .exp_initial_ns = 10 * MICROSECOND,
                                       .exp_max_ns = 2 * MILLISECOND,
                                       .jitter = 0.5}};
  workq *q;
  plain_ok(workq_create(queue_names[queue], &options, &q), "workq_create");
  return q;
}

/* Every slot gets memory when it is first used. */
static void use_all_slots(unsigned queue) {
  unsigned n = handles_of(queue) - 1;
  workq **others = calloc(n, sizeof(workq *));
  if (others == NULL) plain_fail("no memory for %u handles", n);
  for (unsigned i = 0; i < n; i++) plain_ok(workq_open(queue_names[queue], NULL, &others[i]), "workq_open");
  for (unsigned i = 0; i < n; i++) plain_ok(workq_close(others[i]), "workq_close");
  free(others);
}

/* Every key at a time, all of them delayed; and where there is no room for all, one that pushes an idle one out. */
static void use_all_records(workq *q, unsigned queue) {
  key_bytes bytes;
  workq_item item;
  plain_ok(workq_add_rate_limited(q, &bytes, key_write(&bytes, 0)), "workq_add_rate_limited");
  plain_ok(workq_get(q, &item, SECOND), "workq_get");
  plain_ok(workq_done(q, &item), "workq_done");
  for (uint32_t i = 1; i < keys_of(queue); i++) {
    int result = workq_add_after(q, &bytes, key_write(&bytes, i), 3600 * SECOND);
    if (queue_kinds[queue].keys > queue_kinds[queue].capacity && result == -ENOSPC) break;
    plain_ok(result, "workq_add_after");
  }
  for (uint32_t i = 0; i < keys_of(queue); i++) workq_remove(q, &bytes, key_write(&bytes, i));
}

void warm_up(void) {
  for (unsigned i = 0; i < QUEUES; i++) {
    workq_stats_data stats;
    workq *q = create_queue(i);
    use_all_slots(i);
    use_all_records(q, i);
    plain_ok(workq_stats(q, &stats), "workq_stats");
    if (stats.keys != 0 || stats.attached != 1) plain_fail("the warm-up left something in %s", stats.name);
    atomic_store(&shared->committed[i], stats.committed);
    plain_ok(workq_close(q), "workq_close");
  }
}

void print_memory(unsigned queue) {
  char path[96];
  snprintf(path, sizeof path, "/dev/shm/workq.%s", queue_names[queue]);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  fprintf(stderr, "%s has memory at", queue_names[queue]);
  for (off_t from = 0, to; fd >= 0 && (from = lseek(fd, from, SEEK_DATA)) >= 0; from = to) {
    to = lseek(fd, from, SEEK_HOLE);
    if (to <= from) break;
    fprintf(stderr, " %lld-%lld", (long long)from, (long long)to);
  }
  fputc('\n', stderr);
  if (fd >= 0) close(fd);
}

/* ---- The end ---- */

static workq *mine[QUEUES];

static void open_mine(void) {
  workq_options options = {.lock_timeout_ns = END_SECONDS * SECOND};
  for (unsigned i = 0; i < QUEUES; i++) plain_ok(workq_open(queue_names[i], &options, &mine[i]), "workq_open");
}

static void not_after(int64_t until_ns, const char *what) {
  if (plain_now_ns() < until_ns) return;
  dump_queues();
  plain_fail("%s not within %d s", what, (int)END_SECONDS);
}

static bool somebody_plays(role first) {
  for (role r = first; r < ROLES; r++)
    if (stage_has(r)) return true;
  return false;
}

/* Each producer that waits for room, and is not disturbed, gets some. */
static void serve_waiters(void) {
  int64_t until_ns = plain_now_ns() + END_SECONDS * SECOND;
  if (soak.without[WITH_WAITERS]) return;
  while (!waiters_all_served()) {
    stage_collect(true);
    watch_waiters();
    nap(MILLISECOND);
    not_after(until_ns, "producers that wait get room");
  }
}

/* All but the workers end.  The operator may have left the queues shut down or paused, so that others wait; and the last
   deaths, and the choice of those who live, may have left a queue without a worker. */
static void end_play(void) {
  int64_t until_ns = plain_now_ns() + END_SECONDS * SECOND;
  atomic_store(&shared->stage, STAGE_WORK_OFF);
  stage_add_worker();
  for (unsigned i = 0; i < parts_count; i++)
    if (parts[i].role == POOL && parts[i].pid != 0) kill(parts[i].pid, SIGTERM);
  while (somebody_plays(PRODUCER)) {
    stage_collect(false);
    for (unsigned i = 0; i < QUEUES; i++) {
      plain_ok(workq_unpause(mine[i]), "workq_unpause");
      plain_ok(workq_resume(mine[i]), "workq_resume");
    }
    nap(MILLISECOND);
    not_after(until_ns, "players end");
  }
}

/* Returns whether there is nothing left for the workers to do. */
static bool is_worked_off(unsigned queue) {
  workq_stats_data stats;
  plain_ok(workq_kick(mine[queue], NULL, 0), "workq_kick");
  plain_ok(workq_stats(mine[queue], &stats), "workq_stats");
  return stats.ready + stats.processing + stats.delayed + stats.buried == 0;
}

static bool all_worked_off(void) {
  bool all = true;
  for (unsigned i = 0; i < QUEUES; i++) all = is_worked_off(i) && all;
  return all;
}

static void work_off(void) {
  int64_t until_ns = plain_now_ns() + END_SECONDS * SECOND;
  while (!all_worked_off()) {
    stage_collect(false);
    nap(MILLISECOND);
    not_after(until_ns, "the rest is done");
  }
}

/* Idle children live on, until it is seen that nothing is left. */
static void end_workers(void) {
  int64_t until_ns = plain_now_ns() + END_SECONDS * SECOND;
  atomic_store(&shared->stage, STAGE_END);
  for (unsigned i = 0; i < QUEUES; i++)
    plain_ok(workq_shutdown_drain(mine[i], END_SECONDS * SECOND), "workq_shutdown_drain");
  while (stage_collect(false) && !stage_only_idle()) {
    nap(MILLISECOND);
    not_after(until_ns, "workers end");
  }
  life_bury_unseen();
}

/* ---- The proof ---- */

static void forget_all(unsigned queue) {
  key_bytes bytes;
  for (uint32_t i = 0; i < keys_of(queue); i++)
    plain_ok(workq_forget(mine[queue], &bytes, key_write(&bytes, i)), "workq_forget");
}

/* A key that was handed out is finished, or its worker has crashed; keys that a close gave back count as neither, and
   only NARROW and FULL have those. */
static void verify_sums(unsigned queue, const workq_stats_data *s) {
  uint64_t ended = s->dones + s->crashes;
  if (queue == WIDE || queue == CROWDED ? s->gets != ended : s->gets < ended)
    plain_fail("%s: %llu keys handed out, %llu finished, %llu crashed", s->name, (unsigned long long)s->gets,
               (unsigned long long)s->dones, (unsigned long long)s->crashes);
  if (shared->runs[queue] > s->gets)
    plain_fail("%s: %llu keys handed out, %llu runs seen", s->name, (unsigned long long)s->gets,
               (unsigned long long)shared->runs[queue]);
}

static void verify_queue(unsigned queue, workq_stats_data *s) {
  plain_ok(workq_reap(mine[queue]), "workq_reap");
  plain_check(mine[queue], "in the end");
  forget_all(queue);
  plain_check(mine[queue], "in the end, all keys forgotten");
  plain_ok(workq_stats(mine[queue], s), "workq_stats");
  if (s->keys != 0) plain_fail("%s: %u records are still in use", s->name, s->keys);
  if (s->attached != 1) plain_fail("%s: %u handles are left", s->name, s->attached - 1);
  if (s->waiting != 0) plain_fail("%s: %u sleepers are left", s->name, s->waiting);
  if (s->committed != shared->committed[queue]) {
    print_memory(queue);
    plain_fail("%s took %llu bytes after the warm-up, and takes %llu", s->name,
               (unsigned long long)shared->committed[queue], (unsigned long long)s->committed);
  }
  verify_sums(queue, s);
}

/* Mutants that leave something behind. */
static void misbehave(void) {
  workq *q = mine[WIDE];
  if (soak.mutant == LITTER) workq_add_after(q, "litter", 6, 3600 * SECOND);
  if (soak.mutant == SQUATTER) plain_ok(workq_open(queue_names[WIDE], NULL, &q), "workq_open");
  if (soak.mutant != LEAK) return;
  for (int i = 0; i < 2 * WIDE_KEYS; i++) workq_add_after(q, &i, sizeof i, 3600 * SECOND);
  for (int i = 0; i < 2 * WIDE_KEYS; i++) workq_remove(q, &i, sizeof i);
}

void finish(workq_stats_data sum[QUEUES]) {
  open_mine();
  serve_waiters();
  end_play();
  work_off();
  end_workers();
  account_verify();
  for (unsigned i = 0; i < QUEUES; i++) plain_ok(workq_resume(mine[i]), "workq_resume");
  misbehave();
  for (unsigned i = 0; i < QUEUES; i++) {
    verify_queue(i, &sum[i]);
    plain_ok(workq_close(mine[i]), "workq_close");
  }
  stage_clear(true);
}
