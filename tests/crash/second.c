/*
 * Death during recovery; see second.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "second.h"

#include "support/plain.h"

#include <string.h>

static int call_len(workq *q, unsigned parts) {
  (void)parts;
  return workq_len(q) < 0;
}

static int call_reap(workq *q, unsigned parts) {
  (void)parts;
  return workq_reap(q) < 0;
}

static int call_add(workq *q, unsigned parts) {
  (void)parts;
  int result = workq_add(q, "another", 7);
  return result < 0 && result != -ENOSPC && result != -ESHUTDOWN;
}

static const scenario calls[SECOND_CALLS] = {
    [SECOND_LOOK] = {"roll-back", "", SCENE_COMMITS, .act = call_len},
    [SECOND_REAP] = {"roll-back and reaping", "", SCENE_COMMITS, .act = call_reap},
    [SECOND_ADD] = {"roll-back and add", "", SCENE_COMMITS, .act = call_add},
};

/* The image of the second's child lacks the other's slot, so both must be free from the start, and the first must come second. */
bool second_possible(const scenario *s) {
  return !(s->flags & (SCENE_UNATTACHED | SCENE_COMMITS | SCENE_SAME));
}

/*
 * Makes the image: the second's child has its slot, the first dies at step k in the slot after it.  *alone becomes what is left
 * when nobody dies after that.
 */
static bool die_first(sweep *w, sweep *first, size_t k, outcome *alone) {
  struct image *clean = first->clean;
  w->clean = clean;
  w->dirty = NULL;
  w->slot = first->slot;
  pid_t second = sweep_child(w, 1);
  struct image *with_second = scene_take();
  first->clean = with_second;
  first->slot = w->slot + 1;
  pid_t pid = sweep_child(first, first->s->parts ? first->s->parts : 1);
  enum tracer_place place = tracer_go(pid, &first->trace, k);
  tracer_kill(pid);
  first->clean = clean;
  first->slot = w->slot;
  scene_drop(with_second);
  bool dirty = place != TRACER_ENDED && atomic_load(&w->q->slots[w->slot + 1].journal.count) > 0;
  if (dirty) w->dirty = scene_take();
  tracer_kill(second);
  if (dirty) sweep_aftermath(w, alone);
  return dirty;
}

bool second_open(sweep *w, sweep *first, size_t k, enum second_call call) {
  static outcome alone;
  w->s = &calls[call];
  w->q = first->q;
  memset(&w->counts, 0, sizeof w->counts);
  if (!die_first(w, first, k, &alone)) return false;
  if (!sweep_record(w)) plain_fail("%s: too many steps", w->s->operation);
  sweep_refer(w);
  for (unsigned i = 0; i < w->state_count && call != SECOND_ADD; i++) {
    if (w->states[i].reaped.len == alone.reaped.len && strcmp(w->states[i].reaped.text, alone.reaped.text) == 0)
      continue;
    state_print_difference(&w->states[i].reaped, &alone.reaped);
    plain_fail("%s, %s, %s: a second death changes what the first has left", first->s->operation, first->s->state,
               w->s->operation);
  }
  return true;
}

void second_close(sweep *w) {
  scene_drop((struct image *)(uintptr_t)w->dirty);
  w->dirty = NULL;
  sweep_forget(w);
}
