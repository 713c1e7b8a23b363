/*
 * Handles of one process on one segment without a name; see handles.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "handles.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lock.h"
#include "plain.h"
#include "segment.h"
#include "slot.h"
#include "stores.h"

workq *handles[HANDLES_MAX];
bool handles_attached[HANDLES_MAX];

/* All see the segment through the first one's mapping. */
static void share_mapping(workq *q) {
  const workq *first = handles[0];
  if (munmap(q->base, q->size) != 0) plain_fail("munmap");
  q->base = first->base;
  q->control = first->control;
  q->mutexes = first->mutexes;
  q->slots = first->slots;
  q->journals = first->journals;
  q->table = first->table;
  q->heap = first->heap;
  q->items = first->items;
  q->item_reach = first->item_reach;
  q->bucket_reach = first->bucket_reach;
  q->heap_reach = first->heap_reach;
}

void handles_make(const workq_options *options, int n) {
  char name[64];
  snprintf(name, sizeof name, "fuzz-%d", (int)getpid());
  plain_ok(workq_create(name, options, &handles[0]), "create");
  for (int h = 1; h < n; h++) plain_ok(workq_open(name, options, &handles[h]), "open");
  plain_ok(workq_unlink(name), "unlink");
  for (int h = 0; h < n; h++) plain_ok(slot_detach(handles[h]), "detach");
  for (int h = 1; h < n; h++) share_mapping(handles[h]);
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
  segment_byte_unlock(handles[h]->fd, handles[h]->slot_id);
  handles_attached[h] = false;
}

void handles_let_die(int h) {
  if (!handles_attached[h]) return;
  handles_let_go(h);
  stores_bereave(&handles[h]->slot->life.mutex);
}
