/*
 * Stopped leaders.  Of those who sleep in get, the one that has done so for the longest waits for the next delayed key;
 * it is stopped, and stays so while delayed keys come due.  In CROWDED, where nothing else wakes anybody, it stays
 * stopped until such a key has come, within limits.  How late they come at most is told, not judged.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "soak.h"

#include <errno.h>

enum { SHORTEST_MS = 50, LONGEST_MS = 500, PATIENCE_SECONDS = 2 };

/* Those of CROWDED count who were stopped for so long that a key came due. */
bool leader_is_free(const part *p, int64_t now_ns) {
  if (p->stopped_until_ns > now_ns) return false;
  if (!p->leads) return true;
  if (atomic_load(&shared->due_runs) > p->due_runs) {
    report.led_on++;
    return true;
  }
  return now_ns > p->stopped_until_ns + PATIENCE_SECONDS * SECOND;
}

static part *part_of_life(uint32_t life) {
  pid_t pid = life_of(life)->pid;
  for (unsigned i = 0; i < parts_count; i++)
    if (parts[i].pid == pid && pid != 0) return &parts[i];
  return NULL;
}

static uint32_t oldest_part(void) {
  uint32_t oldest = UINT32_MAX;
  for (unsigned i = 0; i < parts_count; i++)
    if (parts[i].pid != 0 && parts[i].life < oldest) oldest = parts[i].life;
  return oldest;
}

/* Pools' workers and forked children are no children of this process, and are left alone. */
static uint32_t oldest_getter(unsigned queue) {
  uint32_t oldest = 0;
  int64_t since_ns = INT64_MAX;
  const uint32_t first = oldest_part();
  for (uint32_t life = atomic_load(&shared->last_life); life >= first; life--) {
    const life_record *record = life_of(life);
    int64_t get_ns = atomic_load(&record->get_ns);
    if (get_ns == 0 || get_ns >= since_ns || record->get_from != queue || record->dead) continue;
    if (part_of_life(life) == NULL) continue;
    oldest = life;
    since_ns = get_ns;
  }
  return oldest;
}

typedef struct search {
  pid_t tid;
  bool waits;
} search;

static int find_waiting(void *arg, const workq_worker *worker) {
  search *s = arg;
  if (worker->tid != s->tid) return 0;
  s->waits = worker->waiting == 1;
  return 1;
}

void stop_leader(int64_t now_ns, workq *const raw[QUEUES], uint64_t *random) {
  static const unsigned queues[] = {WIDE, NARROW, CROWDED, CROWDED};
  unsigned queue = queues[random_below(random, sizeof queues / sizeof queues[0])];
  uint32_t life = queue_is_used(queue) ? oldest_getter(queue) : 0;
  part *p = life == 0 ? NULL : part_of_life(life);
  if (p == NULL || p->dying || p->fuse_until_ns != 0 || p->stopped_until_ns != 0) return;
  search s = {.tid = life_of(life)->tid};
  stage_stop(p);
  nap(MILLISECOND / 10);
  workq_iterate_workers(raw[queue], find_waiting, &s);
  if (!s.waits || workq_lock_owner(raw[queue]) == p->pid) {
    kill(p->pid, SIGCONT);
    return;
  }
  p->leads = queue == CROWDED;
  p->due_runs = atomic_load(&shared->due_runs);
  p->stopped_until_ns =
      now_ns + SHORTEST_MS * MILLISECOND + (int64_t)random_below(random, (LONGEST_MS - SHORTEST_MS) * 1000000u);
  report.leaders++;
}
