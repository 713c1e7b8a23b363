/*
 * Handles of one process on one segment without a name; see handles.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "handles.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shm/lock.h"
#include "shm/owner.h"
#include "shm/segment.h"
#include "shm/slot.h"
#include "stores.h"
#include "support/plain.h"

workq *handles[HANDLES_MAX];
bool handles_attached[HANDLES_MAX];

/* Another handle with the first one's mapping: of its own it has what it writes, and the descriptor that locks its byte. */
static workq *copy_of_first(void) {
  workq *q = malloc(sizeof *q);
  if (!q) plain_fail("no memory");
  *q = *handles[0];
  plain_ok(segment_adopt(q, plain_ok(segment_reopen(handles[0]), "segment_reopen")), "segment_adopt");
  plain_ok(segment_mark(q), "segment_mark");
  q->wakes.slots = calloc(q->geometry.handles, sizeof *q->wakes.slots);
  q->wakes.noted = calloc((q->geometry.handles + 63) / 64, sizeof *q->wakes.noted);
  q->key_buffer = malloc(q->geometry.key_max);
  q->fork_page = malloc(sizeof *q->fork_page);
  if (!q->wakes.slots || !q->wakes.noted || !q->key_buffer || !q->fork_page) plain_fail("no memory");
  return q;
}

void handles_make(const workq_options *options, int n) {
  char name[64];
  plain_own(name, sizeof name, "fuzz"); /* removed at exit: a queue without a name takes no keys */
  plain_ok(workq_create(name, options, &handles[0]), "create");
  handles[0]->header.reap_interval_ns =
      WORKQ_DURATION_MAX; /* none looks for the dead by itself, whatever the clock says */
  plain_ok(slot_detach(handles[0]), "detach");
  for (int h = 1; h < n; h++) handles[h] = copy_of_first();
}

int handles_attach(int h) {
  int rc = slot_attach(handles[h]);
  handles_attached[h] = rc == 0;
  return rc;
}

int handles_detach(int h) {
  handles_attached[h] = false;
  return slot_detach(handles[h]);
}

int handles_number(const workq *q) {
  int h = 0;
  while (handles[h] != q) h++;
  return h;
}

void handles_let_go(int h) {
  if (!handles_attached[h]) return;
  life_release(handles[h], handles[h]->slot_id);
  atomic_store(&handles[h]->slot->owner.tid, 0);
  owner_byte_unlock(handles[h], handles[h]->slot_id, handles[h]->generation);
  handles_attached[h] = false;
}

void handles_let_die(int h) {
  if (!handles_attached[h]) return;
  handles_let_go(h);
  stores_bereave(&handles[h]->slot->life.mutex);
}
