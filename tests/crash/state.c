/*
 * The logical state of a queue as text; see state.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "state.h"

#include "shm/delay.h"
#include "shm/inspect.h"
#include "support/plain.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DELAYED_MAX = 512 };

static void say(state_text *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(state_text *to, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int len = vsnprintf(to->text + to->len, STATE_SIZE - to->len, format, args);
  va_end(args);
  if (len < 0 || (size_t)len >= STATE_SIZE - to->len) plain_fail("a state is too long to be told");
  to->len += (size_t)len;
}

static void say_key(state_text *to, struct item *item) {
  if (!item) plain_fail("a wild index");
  say(to, " %.*s", (int)item->key_len, (const char *)item_key(item));
}

static void tell_counts(state_text *to, workq *q) {
  workq_stats_data s;
  plain_ok(workq_stats(q, &s), "workq_stats");
  say(to, "ready %u processing %u delayed %u buried %u idle %u keys %u attached %u\n", s.ready, s.processing, s.delayed,
      s.buried, s.idle, s.keys, s.attached);
  say(to, "shut_down %u paused %u next_due %" PRId64 " bucket %" PRId64 " drains %u\n", s.shut_down, s.paused,
      s.next_due_in_ns, q->control->cold.bucket_ns, q->control->cold.drain_round);
  say(to,
      "adds %" PRIu64 " coalesced %" PRIu64 " gets %" PRIu64 " dones %" PRIu64 " retries %" PRIu64 " gave_up %" PRIu64,
      s.adds, s.coalesced, s.gets, s.dones, s.retries, s.gave_up);
  say(to, " crashes %" PRIu64 " crash_buried %" PRIu64 " evictions %" PRIu64 " lock_losses %" PRIu64 "\n", s.crashes,
      s.crash_buried, s.evictions, s.lock_losses);
}

static int64_t due_of(const workq *q, const struct item *item) {
  return item->pending == PENDING_AT ? delay_due_ns(q, item) : -1;
}

/* By record, which is the same after a roll-back. */
static void tell_keys(state_text *to, const workq *q) {
  for (uint32_t index = 1; index <= q->control->hot.fresh; index++) {
    struct item *item = item_at(q, index);
    if (!item || item->place == PLACE_FREE) continue;
    say(to, "key");
    say_key(to, item);
    say(to, " place %u pending %u priority %d run %d failures %u crashes %u ticket %u owner %u due %" PRId64 "\n",
        item->place, item->pending, item->priority, item->run_priority, item->failures, item->crashes, item->ticket,
        item->owner, due_of(q, item));
  }
}

static int tell_ready_key(void *arg, const void *key, size_t len, int priority) {
  say(arg, " %.*s/%d", (int)len, (const char *)key, priority);
  return 0;
}

static void tell_list(state_text *to, const workq *q, const char *heading, const struct list *list) {
  say(to, "%s:", heading);
  uint32_t seen = 0;
  for (uint32_t index = list->head; index != 0 && seen <= q->geometry.items_max; seen++) {
    struct item *item = item_at(q, index);
    say_key(to, item);
    index = item->next;
  }
  say(to, "\n");
}

static int by_due(const void *a, const void *b) {
  const struct heap_entry *x = a, *y = b;
  return delay_before(x, y) ? -1 : delay_before(y, x) ? 1 : 0;
}

static void tell_delayed(state_text *to, const workq *q) {
  static struct heap_entry entries[DELAYED_MAX];
  uint32_t count = q->control->hot.delayed;
  if (count > DELAYED_MAX) plain_fail("too many delayed keys");
  if (count > 0) memcpy(entries, q->heap + HEAP_FIRST, count * sizeof *entries);
  qsort(entries, count, sizeof *entries, by_due);
  say(to, "delayed:");
  for (uint32_t i = 0; i < count; i++) say_key(to, item_at(q, entries[i].item));
  say(to, "\n");
}

static void tell_slots(state_text *to, const workq *q) {
  for (uint32_t i = 0; i < q->geometry.handles; i++) {
    const struct slot *slot = &q->slots[i];
    if (slot->attachment.state != SLOT_ATTACHED) continue;
    say(to, "slot %u, ", i);
    tell_list(to, q, "in hand", &slot->own.processing);
  }
}

void state_tell(state_text *to, workq *q, const char *heading) {
  say(to, "%s\n", heading);
  tell_counts(to, q);
  tell_keys(to, q);
  say(to, "ready:");
  plain_ok(inspect_ready_order(q, tell_ready_key, to), "inspect_ready_order");
  say(to, "\n");
  tell_delayed(to, q);
  tell_list(to, q, "buried", &q->control->cold.buried);
  tell_list(to, q, "idle", &q->control->cold.idle);
  tell_slots(to, q);
}

void state_say_none(state_text *to) {
  say(to, "none\n");
}

/* ---- What the dead must not leave */

static void check_slot(const workq *q, uint32_t i, bool own, const char *when) {
  const struct slot *slot = &q->slots[i];
  bool attached = slot->attachment.state == SLOT_ATTACHED;
  if (attached != own) plain_fail("%s: slot %u is %s", when, i, attached ? "still attached" : "not attached any more");
  if (atomic_load(&slot->journal.count) != 0) plain_fail("%s: the journal of slot %u is not empty", when, i);
  if (own) return;
  if (slot->wait.kind != WAIT_NONE) plain_fail("%s: slot %u still stands in line", when, i);
  if (slot->own.processing.count != 0) plain_fail("%s: slot %u still has keys in hand", when, i);
}

void state_check_tidy(workq *q, uint32_t own_slot, uint32_t own_handles, const char *when) {
  for (uint32_t i = 0; i < q->geometry.handles; i++) check_slot(q, i, i - own_slot < own_handles, when);
  for (uint32_t i = 0; i < LOCK_MUTEXES; i++)
    if (atomic_load(&q->mutexes[i].holder) != 0) plain_fail("%s: mutex %u still names a holder", when, i);
  for (uint32_t kind = 0; kind < WAIT_KINDS; kind++)
    if (q->control->wait.list[kind].count > own_handles - 1) plain_fail("%s: the dead stand in line %u", when, kind);
  if (atomic_load(&q->control->lock.settled) != 0) plain_fail("%s: the lock was abandoned, or is damaged", when);
}

void state_print_difference(const state_text *is, const state_text *expected) {
  const char *a = is->text, *b = expected->text;
  while (*a != '\0' && *b != '\0') {
    size_t a_len = strcspn(a, "\n"), b_len = strcspn(b, "\n");
    if (a_len != b_len || memcmp(a, b, a_len) != 0) break;
    a += a_len + (a[a_len] != '\0');
    b += b_len + (b[b_len] != '\0');
  }
  fprintf(stderr, "is:       %.*s\nexpected: %.*s\n", (int)strcspn(a, "\n"), a, (int)strcspn(b, "\n"), b);
}
