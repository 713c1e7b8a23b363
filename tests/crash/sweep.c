/*
 * Killing a process at the instructions of one operation; see sweep.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sweep.h"

#include "support/plain.h"
#include "support/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXACT_TRIES = 50, REPEATS = 3, SAMPLE_IN_JOURNAL = 8 };

/* No call of the survivor may take longer; where one does, the point is repeated, for the machine may have been busy. */
#define WAIT_MAX_NS (200 * NS_PER_MS)

size_t sweep_steps_max = SIZE_MAX;
unsigned sweep_walk_percent;

/* ---- Children -------------------------------------------------------------------------------------------------- */

/* What the next child is to do; children inherit it. */
static struct {
  const scenario *s;
  workq *q;
  unsigned parts;
} order;

static void prepare(void *arg) {
  (void)arg;
  if (!(order.s->flags & SCENE_UNATTACHED)) plain_ok(workq_len(order.q), "the victim's attach");
  if (order.s->prepare) order.s->prepare(order.q);
  scene_hide_proc((order.s->flags & SCENE_NO_PROC) != 0);
}

static void act(void *arg) {
  (void)arg;
  scene_tell(order.s->act(order.q, order.parts));
}

static pid_t start_child(sweep *w, unsigned parts) {
  static const tracer_job job = {.prepare = prepare, .act = act};
  scene_put(w->clean);
  if (w->s->flags & SCENE_NEW_NAME) (void)scene_left_files();
  order.s = w->s;
  order.q = w->q;
  order.parts = parts;
  return tracer_start(&job);
}

/* All children must have the same slot; one that finds its tokens busy for a moment takes the next. */
pid_t sweep_child(sweep *w, unsigned parts) {
  pid_t pid = start_child(w, parts);
  for (int tries = 0; !(w->s->flags & SCENE_UNATTACHED) && w->q->slots[w->slot].attachment.pid != pid; tries++) {
    tracer_kill(pid);
    if (tries == REPEATS) plain_fail("%s, %s: the victim is not in slot %u", w->s->operation, w->s->state, w->slot);
    w->counts.misplaced++;
    pid = start_child(w, parts);
  }
  if (w->dirty) scene_put_around(w->dirty, w->slot);
  w->recoveries = w->q->control->totals.recoveries;
  return pid;
}

static unsigned parts_of(const scenario *s) {
  return s->parts ? s->parts : 1;
}

static uint32_t holder_now(const workq *q) {
  return atomic_load(&q->mutexes[atomic_load(&q->control->lock.epoch) % LOCK_MUTEXES].holder);
}

static void fail(const sweep *w, const char *what, size_t k) {
  fprintf(stderr, "victim in slot %u, mutex held by slot %d, epoch %u, journal lines recorded %u\n", w->slot,
          (int)holder_now(w->q) - 1, atomic_load(&w->q->control->lock.epoch), w->lines[k]);
  plain_fail("%s, %s, killed at step %zu of %zu: %s", w->s->operation, w->s->state, k, w->trace.steps, what);
}

/* ---- What is to be seen of the child ----------------------------------------------------------------------------- */

static uint8_t lines_now(const workq *q) {
  uint32_t most = 0;
  for (uint32_t i = 0; i < q->geometry.handles; i++) {
    uint32_t count = atomic_load(&q->slots[i].journal.count);
    if (count > most) most = count;
  }
  return (uint8_t)most;
}

static bool child_in_lock(const sweep *w) {
  return holder_now(w->q) == w->slot + 1;
}

static void look(void *arg, size_t step) {
  sweep *w = arg;
  if (step >= w->room) {
    w->room = 2 * step + 1024;
    w->in_lock = realloc(w->in_lock, w->room);
    w->lines = realloc(w->lines, w->room);
    if (!w->in_lock || !w->lines) plain_fail("no memory for a trace");
  }
  w->in_lock[step] = child_in_lock(w);
  w->lines[step] = lines_now(w->q);
}

bool sweep_record(sweep *w) {
  pid_t pid = sweep_child(w, parts_of(w->s));
  bool whole = tracer_record(pid, &w->trace, sweep_steps_max, look, w);
  tracer_kill(pid);
  w->counts.steps = w->trace.steps;
  return whole;
}

/* ---- Afterwards --------------------------------------------------------------------------------------------------- */

/* A call of the survivor that began then has returned. */
static int timed(sweep *w, int64_t start_ns, int result) {
  int64_t took_ns = plain_now_ns() - start_ns;
  if (took_ns > w->counts.slowest_ns) w->counts.slowest_ns = took_ns;
  return result;
}

static void expect(const sweep *w, const char *call, int is, int expected) {
  if (is != expected)
    plain_fail("%s, %s: the survivor's %s says %d (%s), not %d", w->s->operation, w->s->state, call, is,
               is < 0 ? workq_strerror(is) : "", expected);
}

/* The next add, get and done of the survivor. */
static void go_on(sweep *w, workq *q) {
  workq_stats_data s;
  workq_item item;
  plain_ok(workq_resume(q), "workq_resume");
  plain_ok(workq_unpause(q), "workq_unpause");
  plain_ok(workq_stats(q, &s), "workq_stats");
  bool full = s.keys == s.capacity && s.idle == 0;
  int64_t start_ns = plain_now_ns();
  expect(w, "add", timed(w, start_ns, workq_add(q, "probe", 5)), full ? -ENOSPC : 1);
  start_ns = plain_now_ns();
  bool any = s.ready > 0 || !full;
  expect(w, "get", timed(w, start_ns, workq_get(q, &item, 0)), any ? 0 : -ETIMEDOUT);
  start_ns = plain_now_ns();
  if (any) expect(w, "done", timed(w, start_ns, workq_done(q, &item)), 0);
  plain_check(q, "after add, get, done");
}

static void tell_outcome(sweep *w, workq *q, uint32_t own_slot, uint32_t own_handles, outcome *o) {
  int64_t start_ns = plain_now_ns();
  plain_ok(timed(w, start_ns, workq_len(q)), "the survivor's first call");
  plain_check(q, "after the roll-back");
  state_tell(&o->recovered, q, "recovered:");
  start_ns = plain_now_ns();
  plain_ok(timed(w, start_ns, workq_reap(q)), "workq_reap");
  plain_check(q, "after reaping");
  state_tell(&o->reaped, q, "reaped:");
  state_check_tidy(q, own_slot, own_handles, w->s->operation);
}

/* A queue of another name is whole, or is not there. */
static void look_at_new(sweep *w, outcome *o) {
  workq *q;
  workq_options options = scene_timed(NULL);
  int result = workq_open(scene_other_name(), &options, &q);
  if (result == -ENOENT) {
    state_say_none(&o->recovered);
  } else {
    plain_ok(result, "opening what a dead creator left");
    tell_outcome(w, q, 1, 1, o);
    go_on(w, q);
    workq_close(q);
    plain_ok(workq_unlink(scene_other_name()), "workq_unlink");
  }
}

void sweep_aftermath(sweep *w, outcome *o) {
  o->recovered.len = o->reaped.len = 0;
  o->recovered.text[0] = o->reaped.text[0] = '\0';
  if (w->s->flags & SCENE_NEW_NAME) {
    look_at_new(w, o);
    unsigned files = scene_left_files();
    if (files > (w->s->flags & SCENE_NO_PROC ? 1 : 0)) plain_fail("%s: files are left over", w->s->operation);
    w->counts.files += files;
  }
  if (w->s->flags & SCENE_NEW_NAME) return;
  tell_outcome(w, w->q, 0, scene_own_handles(), o);
  go_on(w, w->q);
}

static bool same_text(const state_text *a, const state_text *b) {
  return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

static bool same_outcome(const outcome *a, const outcome *b) {
  return same_text(&a->recovered, &b->recovered) && same_text(&a->reaped, &b->reaped);
}

/* ---- References ------------------------------------------------------------------------------------------------------ */

static void add_state(sweep *w, const outcome *o) {
  if (w->state_count > 0 && same_outcome(o, &w->states[w->state_count - 1])) return;
  if (w->state_count == SWEEP_STATES) plain_fail("%s, %s: too many states", w->s->operation, w->s->state);
  memcpy(&w->states[w->state_count++], o, sizeof *o);
}

/* A victim that dies before its first instruction, or (parts > 0) just after its return. */
static void refer_to(sweep *w, unsigned parts) {
  pid_t pid = sweep_child(w, parts);
  if (parts > 0) {
    tracer_resume(pid);
    tracer_wait_end(pid);
    int expected = parts == parts_of(w->s) ? w->s->result : (int)parts;
    expect(w, "operation", scene_told(), expected);
  }
  tracer_kill(pid);
  sweep_aftermath(w, &w->last);
  add_state(w, &w->last);
}

/* A reference must have gone the recorded way. */
static void kill_exactly_at(sweep *w, size_t k) {
  for (int tries = 0; tries < EXACT_TRIES; tries++) {
    pid_t pid = sweep_child(w, parts_of(w->s));
    enum tracer_place place = tracer_go(pid, &w->trace, k);
    tracer_kill(pid);
    if (place == TRACER_THERE) return;
  }
  fail(w, "no child goes the recorded way", k);
}

/* Where each transaction is the last, too: by deaths right after its commit. */
static void refer_to_commits(sweep *w) {
  for (size_t k = 1; k <= w->trace.steps; k++) {
    if (w->lines[k] != 0 || w->lines[k - 1] == 0) continue;
    kill_exactly_at(w, k);
    sweep_aftermath(w, &w->last);
    add_state(w, &w->last);
  }
}

void sweep_refer(sweep *w) {
  w->state_count = w->state = 0;
  refer_to(w, 0);
  if (w->s->flags & SCENE_COMMITS) refer_to_commits(w);
  for (unsigned parts = 1; parts <= parts_of(w->s); parts++) refer_to(w, parts);
  unsigned expected = w->s->flags & SCENE_SAME ? 1 : parts_of(w->s) + 1;
  if (!(w->s->flags & SCENE_COMMITS) && w->state_count != expected)
    plain_fail("%s, %s: %u states, not %u", w->s->operation, w->s->state, w->state_count, expected);
  memset(&w->counts, 0, sizeof w->counts);
  w->counts.steps = w->trace.steps;
}

static uint32_t first_free_slot(const workq *q) {
  uint32_t i = 0;
  while (i < q->geometry.handles && q->slots[i].attachment.state != SLOT_FREE) i++;
  /* Where none is free, the victim will take the last tenant's, who is dead. */
  return i < q->geometry.handles ? i : i - 1;
}

bool sweep_open(sweep *w, const scenario *s) {
  w->s = s;
  w->q = scene_set(s);
  w->clean = scene_take();
  w->dirty = NULL;
  w->slot = first_free_slot(w->q);
  memset(&w->counts, 0, sizeof w->counts);
  if (!sweep_record(w)) return false;
  sweep_refer(w);
  return true;
}

void sweep_forget(sweep *w) {
  tracer_forget(&w->trace);
  free(w->in_lock);
  free(w->lines);
  w->in_lock = w->lines = NULL;
  w->room = 0;
}

void sweep_close(sweep *w) {
  scene_put(w->clean);
  scene_drop(w->clean);
  scene_strike();
  sweep_forget(w);
}

/* ---- Deaths ------------------------------------------------------------------------------------------------------------ */

static void print_differences(const sweep *w) {
  for (unsigned i = 0; i < w->state_count; i++) {
    fprintf(stderr, "beside state %u of %u (latest: %u):\n", i, w->state_count, w->state);
    if (!same_text(&w->last.recovered, &w->states[i].recovered))
      state_print_difference(&w->last.recovered, &w->states[i].recovered);
    if (!same_text(&w->last.reaped, &w->states[i].reaped))
      state_print_difference(&w->last.reaped, &w->states[i].reaped);
  }
}

/* Where the outcome is among the states: at or after the one that was met last, unless the way was another. */
static void place_outcome(sweep *w, size_t k, bool strayed) {
  unsigned at = strayed ? 0 : w->state;
  while (at < w->state_count && !same_outcome(&w->last, &w->states[at])) at++;
  if (at == w->state_count) {
    print_differences(w);
    fail(w, "neither the state from before nor the one from after", k);
  }
  if (at == 0) w->counts.before++;
  else if (at + 1 < w->state_count) w->counts.between++;
  else w->counts.after++;
  if (!strayed) w->state = at;
}

/* Are lock and journal as they were at step k when this was recorded? */
static bool is_as_recorded(const sweep *w, size_t k) {
  return child_in_lock(w) == w->in_lock[k] && (lines_now(w->q) > 0) == (w->lines[k] > 0);
}

/*
 * Takes a child to step k.  Returns 0 where the call ended before.  A child that is not stepped through all of its way may have
 * come to the same instruction by a way that is a little longer or shorter: then it is elsewhere.
 */
static pid_t child_at(sweep *w, size_t k, uint64_t *random, enum tracer_place *place) {
  /* The end is where the call ends, whatever way it took. */
  bool walk = k < w->trace.steps && random_chance(random, sweep_walk_percent);
  pid_t pid = sweep_child(w, parts_of(w->s));
  *place = walk ? tracer_walk(pid, &w->trace, k) : tracer_go(pid, &w->trace, k);
  if (*place == TRACER_ENDED && !walk) {
    tracer_kill(pid);
    pid = sweep_child(w, parts_of(w->s));
    *place = tracer_walk(pid, &w->trace, k);
    if (*place == TRACER_THERE) *place = TRACER_ELSEWHERE;
  } else if (*place == TRACER_THERE && !walk && !is_as_recorded(w, k)) {
    *place = TRACER_ELSEWHERE;
  }
  w->counts.walked += walk;
  return pid;
}

/* The lock and the journal must be as the child's place says. */
static void count_death(sweep *w, size_t k, enum tracer_place place) {
  bool in_lock = child_in_lock(w);
  bool lines = lines_now(w->q) > 0;
  if (place == TRACER_THERE && in_lock != w->in_lock[k]) fail(w, "the lock is not as it was when this was recorded", k);
  if (place == TRACER_THERE && lines != (w->lines[k] > 0)) fail(w, "the journal is not as it was recorded", k);
  unsigned owner_deaths = scene_owner_deaths();
  sweep_aftermath(w, &w->last);
  w->counts.in_lock += in_lock;
  w->counts.owner_died += scene_owner_deaths() > owner_deaths;
  w->counts.rolled_back += lines;
  if (lines && w->q->control->totals.recoveries <= w->recoveries) fail(w, "its roll-back was not counted", k);
  if (in_lock && scene_owner_deaths() == owner_deaths) fail(w, "nobody was told that the lock's owner died", k);
}

void sweep_kill(sweep *w, size_t k, uint64_t *random) {
  for (int tries = 0;; tries++) {
    sweep_counts counts = w->counts;
    enum tracer_place place;
    pid_t pid = child_at(w, k, random, &place);
    tracer_kill(pid);
    if (place == TRACER_ENDED) {
      w->counts.ended++;
      return;
    }
    w->counts.points++;
    w->counts.strayed += place == TRACER_ELSEWHERE;
    w->counts.slowest_ns = 0;
    count_death(w, k, place);
    place_outcome(w, k, place == TRACER_ELSEWHERE);
    bool slow = w->counts.slowest_ns > WAIT_MAX_NS;
    if (!slow && counts.slowest_ns > w->counts.slowest_ns) w->counts.slowest_ns = counts.slowest_ns;
    if (!slow) return;
    if (tries == REPEATS) fail(w, "the survivor waits over 200 ms, again and again", k);
    counts.repeated++;
    w->counts = counts;
  }
}

void sweep_all(sweep *w, uint64_t *random) {
  for (size_t k = 0; k <= w->trace.steps; k++) sweep_kill(w, k, random);
}

/* Chooses steps by marks, so that they come in order. */
void sweep_some(sweep *w, size_t count, uint64_t *random) {
  size_t all = w->trace.steps + 1;
  if (count >= all) {
    sweep_all(w, random);
    return;
  }
  bool *chosen = calloc(all, sizeof *chosen);
  size_t *journaled = calloc(all, sizeof *journaled), in_journal = 0;
  if (!chosen || !journaled) plain_fail("no memory for a choice");
  for (size_t k = 0; k < all; k++)
    if (w->lines[k] > 0) journaled[in_journal++] = k;
  size_t left = count;
  chosen[0] = chosen[all - 1] = true;
  left -= left < 2 ? left : 2;
  for (int i = 0; i < SAMPLE_IN_JOURNAL && in_journal > 0; i++) {
    size_t k = journaled[random_below(random, in_journal)];
    if (left > 0 && !chosen[k]) left--;
    chosen[k] = true;
  }
  while (left > 0) {
    size_t k = random_below(random, all);
    left -= !chosen[k];
    chosen[k] = true;
  }
  for (size_t k = 0; k < all; k++)
    if (chosen[k]) sweep_kill(w, k, random);
  free(chosen);
  free(journaled);
}

void sweep_judge(const sweep *w, bool all) {
  const sweep_counts *c = &w->counts;
  bool journaled = false;
  for (size_t k = 0; k <= w->trace.steps; k++) journaled = journaled || w->lines[k] > 0;
  if (c->points == 0) fail(w, "nobody died", 0);
  /* A sample may miss what only few points show; all samples together are judged by every_instruction.c. */
  if (!all) return;
  if (w->state_count > 1 && c->before == 0) fail(w, "no death left the state from before", 0);
  /* Where a child did not come to its place, that may have been the last one. */
  bool certain = c->ended == 0 && c->strayed == 0;
  if (w->state_count > 1 && c->after == 0 && certain) fail(w, "no death left the state from after", 0);
  if (w->state + 1 != w->state_count) fail(w, "the last state was not met", 0);
  if (w->s->flags & SCENE_NEW_NAME) return;
  if (c->owner_died == 0) fail(w, "nobody died with the lock", 0);
  if (journaled && (c->rolled_back == 0 || c->in_lock == 0)) fail(w, "nothing was rolled back", 0);
}
