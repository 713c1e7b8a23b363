/*
 * Calls from a signal handler on the handle whose call it interrupts.  A child is run to an instruction of a call, gets a
 * signal there, and its handler calls the library: with the same handle, with another one of the same queue and thread, or with
 * one of another queue.
 *
 * A call on a handle that is inside a call, or by a thread that has the queue's lock, is -EDEADLK and changes nothing; any other
 * does what it always does.  Both calls' results must agree with what is in the queue afterwards, and that must be sound.
 *
 * reenter [--full] [--seed N] [OPERATION]...
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/plain.h"
#include "support/process.h"
#include "support/random.h"
#include "tracer.h"

#include "workq.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SAMPLE = 48, STEPS_MAX = 400000, CAPACITY = 8, KEYS = 4, IN_HAND = 2 };

/* A call that is refused is refused at once: who waits for itself waits for so long. */
#define LOCK_TIMEOUT_NS INT64_C(5000000000)
#define WAIT_NS         200000

/* How the queue is made before the operation. */
enum { AS_IT_IS = 0, PAUSED, FULL };

typedef struct operation {
  const char *name;
  int scene;
  int (*act)(void);
  int result;      /* without a signal */
  int keys, hand;  /* by how many keys, and keys in hand, it changes the queue if it succeeds */
  bool may_wait;   /* a signal may end it */
  bool may_refuse; /* it is -ESHUTDOWN after a shutdown */
} operation;

typedef struct action {
  const char *name;
  int (*act)(workq *q);
  int keys, hand;
} action;

typedef enum { SAME, OTHER, ELSEWHERE, TARGETS } target;
static const char *const target_names[] = {"the same handle", "another handle", "another queue"};

/* What parent and child share. */
static struct {
  const operation *operation;
  const action *action; /* null: no signal comes */
  target target;
  int result;       /* of the operation */
  int handlers;     /* the handler's call */
  unsigned handled; /* times that the handler has run */
  bool closed[2];   /* [SAME], [OTHER] */
} * shared;

static char name[64], name_elsewhere[64];

/* ---- The child ------------------------------------------------------------------------------------------------ */

static workq *handles[TARGETS];
static workq *third;
static workq_item items[KEYS];  /* two in hand before: the first is the operation's, the second the handler's */
static workq_item got, got_too; /* by the operation, by the handler */

static workq *mine(void) {
  return handles[SAME];
}

static int op_add(void) {
  return workq_add(mine(), "new", 3);
}

static int op_add_after(void) {
  return workq_add_after(mine(), "new", 3, INT64_C(3600000000000));
}

static int op_add_batch(void) {
  static const workq_key three[] = {{"new1", 4}, {"new2", 4}, {"new3", 4}};
  return workq_add_batch(mine(), three, 3, NULL, NULL);
}

static int op_add_wait(void) {
  return workq_add_wait(mine(), "new", 3, WAIT_NS);
}

static int op_get(void) {
  return workq_get(mine(), &got, 0);
}

static int op_get_wait(void) {
  return workq_get(mine(), &got, WAIT_NS);
}

static int op_done(void) {
  return workq_done(mine(), &items[0]);
}

static int op_retry(void) {
  return workq_retry(mine(), &items[0]);
}

static int op_next(void) {
  return workq_next(mine(), &items[0], 0);
}

static int op_stats(void) {
  workq_stats_data stats;
  return workq_stats(mine(), &stats);
}

static int op_reap(void) {
  return workq_reap(mine());
}

static int op_shutdown(void) {
  return workq_shutdown(mine());
}

static int op_open(void) {
  return workq_open(name, NULL, &third);
}

static int op_close(void) {
  int result = workq_close(mine());
  shared->closed[SAME] = result == 0;
  return result;
}

static const operation operations[] = {
    {.name = "add", .act = op_add, .result = 1, .keys = 1, .may_refuse = true},
    {.name = "add_after", .act = op_add_after, .result = 1, .keys = 1, .may_refuse = true},
    {.name = "add_batch", .act = op_add_batch, .result = 3, .keys = 3, .may_refuse = true},
    {.name = "add_wait",
     .scene = FULL,
     .act = op_add_wait,
     .result = -ETIMEDOUT,
     .keys = 1,
     .may_wait = true,
     .may_refuse = true},
    {.name = "get", .act = op_get, .hand = 1},
    {.name = "get_wait", .scene = PAUSED, .act = op_get_wait, .result = -ETIMEDOUT, .hand = 1, .may_wait = true},
    {.name = "done", .act = op_done, .keys = -1, .hand = -1},
    {.name = "retry", .act = op_retry, .result = 1, .hand = -1},
    {.name = "next", .act = op_next, .keys = -1},
    {.name = "stats", .act = op_stats},
    {.name = "reap", .act = op_reap},
    {.name = "shutdown", .act = op_shutdown},
    {.name = "open", .act = op_open},
    {.name = "close", .act = op_close, .hand = -IN_HAND},
};

static int do_add(workq *q) {
  return workq_add(q, "handler", 7);
}

static int do_add_wait(workq *q) {
  return workq_add_wait(q, "handler", 7, WAIT_NS);
}

static int do_get(workq *q) {
  return workq_get(q, &got_too, 0);
}

static int do_done(workq *q) {
  return workq_done(q, &items[1]);
}

static int do_retry(workq *q) {
  return workq_retry(q, &items[1]);
}

static int do_shutdown(workq *q) {
  return workq_shutdown(q);
}

static int do_stats(workq *q) {
  workq_stats_data stats;
  return workq_stats(q, &stats);
}

static int do_reap(workq *q) {
  return workq_reap(q);
}

/* Where the handle is inside of no call, closing it would be the caller's own fault: there another call stands for it. */
static int do_close(workq *q) {
  int result = workq_len(q);
  if (q != handles[OTHER] && result != -EDEADLK) return result < 0 ? result : 0;
  result = workq_close(q);
  if (q == handles[OTHER]) shared->closed[OTHER] = result == 0;
  return result;
}

static const action actions[] = {
    {"add", do_add, 1, 0},     {"add_wait", do_add_wait, 1, 0}, {"get", do_get, 0, 1},
    {"stats", do_stats, 0, 0}, {"shutdown", do_shutdown, 0, 0}, {"close", do_close, 0, 0},
    {"reap", do_reap, 0, 0},   {"done", do_done, -1, -1},       {"retry", do_retry, 0, -1},
};
/* Only a handle's own thread and handle have its items. */
enum { ACTIONS = sizeof actions / sizeof *actions, ACTIONS_WITHOUT_ITEMS = ACTIONS - 2 };

static void handle_signal(int signal) {
  int saved = errno;
  (void)signal;
  shared->handlers = shared->action->act(handles[shared->target]);
  shared->handled++;
  errno = saved;
}

static void add_text(const char *text) {
  plain_ok(workq_add(mine(), text, strlen(text)), "workq_add");
}

static void prepare(void *unused) {
  static const char *const texts[] = {"a", "b", "c", "d"};
  workq_options options = {.capacity = CAPACITY,
                           .key_max = 16,
                           .handles = 4,
                           .reap_interval_ns = INT64_C(60000000000),
                           .lock_timeout_ns = LOCK_TIMEOUT_NS,
                           .limiter = {.kinds = WORKQ_LIMIT_NONE}};
  (void)unused;
  plain_ok(workq_create(name, &options, &handles[SAME]), "workq_create");
  plain_ok(workq_open(name, &options, &handles[OTHER]), "workq_open");
  plain_ok(workq_create(name_elsewhere, &options, &handles[ELSEWHERE]), "workq_create");
  for (int i = 0; i < KEYS; i++) add_text(texts[i]);
  for (int i = 0; i < IN_HAND; i++) plain_ok(workq_get(mine(), &items[i], 0), "workq_get");
  for (int i = KEYS; i < CAPACITY && shared->operation->scene == FULL; i++) add_text(&"123456789"[i]);
  if (shared->operation->scene == PAUSED) plain_ok(workq_pause(mine()), "workq_pause");
  signal(SIGUSR1, handle_signal);
}

static void act(void *unused) {
  (void)unused;
  shared->result = shared->operation->act();
}

/* ---- What must be so afterwards -------------------------------------------------------------------------------- */

static bool result_is_right(const operation *o, int result) {
  bool worked = shared->action && shared->handlers >= 0;
  if (result == o->result) return true;
  if (!worked && !o->may_wait) return false;
  if (o->may_wait && (result == -EINTR || result == -ETIMEDOUT)) return true;
  if (!worked) return false;
  if (result == -ESHUTDOWN) return o->may_refuse && shared->action->act == do_shutdown;
  return o->scene == FULL && result == 1; /* the handler made room */
}

static bool handlers_is_right(int result) {
  if (result == -EDEADLK) return shared->target != ELSEWHERE;
  if (shared->action->act == do_get && result == -ETIMEDOUT)
    return shared->operation->scene == PAUSED || shared->target == ELSEWHERE;
  if (shared->operation->scene == FULL && shared->target != ELSEWHERE) {
    if (shared->action->act == do_add && result == -ENOSPC) return true;
    if (shared->action->act == do_add_wait && result == -ETIMEDOUT) return true;
  }
  if (shared->operation->act == op_shutdown && result == -ESHUTDOWN) return true;
  return result >= 0;
}

static workq *checking_handle(void) {
  workq *q = NULL;
  if (!shared->closed[SAME]) return mine();
  plain_ok(workq_open(name, NULL, &q), "workq_open after the call");
  return q;
}

static void expect(const char *what, int is, int want) {
  if (is != want) plain_fail("%s afterwards: %d, not %d", what, is, want);
}

static void look_after(void *unused) {
  const operation *o = shared->operation;
  bool worked = shared->handled && shared->handlers >= 0 && shared->target != ELSEWHERE;
  bool succeeded = shared->result >= 0;
  (void)unused;
  if (shared->handled && !handlers_is_right(shared->handlers))
    plain_fail("the handler's call: %s", workq_strerror(shared->handlers));
  if (!result_is_right(o, shared->result))
    plain_fail("the call itself: %d (%s)", shared->result, shared->result < 0 ? workq_strerror(shared->result) : "");
  workq *q = checking_handle();
  plain_check(q, "after the call");
  workq_stats_data stats;
  plain_ok(workq_stats(q, &stats), "workq_stats after the call");
  int keys =
      KEYS + (o->scene == FULL ? CAPACITY - KEYS : 0) + (succeeded ? o->keys : 0) + (worked ? shared->action->keys : 0);
  int hand = IN_HAND + (succeeded ? o->hand : 0) + (worked ? shared->action->hand : 0);
  /* Whatever the handler has got or given back with the handle that was closed then. */
  if (shared->closed[SAME] && shared->target == SAME) hand = 0;
  expect("keys", (int)stats.keys, keys);
  expect("keys in hand", (int)stats.processing, hand);
  expect("handles", (int)stats.attached, 2 + (third != NULL) - shared->closed[OTHER]);
  plain_ok(workq_unlink(name), "workq_unlink");
  plain_ok(workq_unlink(name_elsewhere), "workq_unlink");
}

/* ---- The parent ------------------------------------------------------------------------------------------------ */

static const tracer_job job = {prepare, act, NULL, look_after};

static struct {
  const char *operation, *action, *target;
  size_t step, steps;
  unsigned points, refused, worked, had_lock;
} sum;

/* Says where it was that something failed. */
static void say_where(void) {
  if (sum.operation)
    fprintf(stderr, "where: %s, interrupted after %zu of %zu instructions by a handler that calls %s on %s\n",
            sum.operation, sum.step, sum.steps, sum.action ? sum.action : "nothing", sum.target);
}

static workq *look_from_outside(void) {
  workq_options raw = {.flags = WORKQ_RAW};
  workq *look;
  plain_ok(workq_open(name, &raw, &look), "workq_open of a raw handle");
  return look;
}

/* Who has the queue's lock, and whether the handle of the call is still attached. */
static pid_t lock_owner(bool *attached) {
  workq *look = look_from_outside();
  workq_stats_data stats;
  int owner = workq_lock_owner(look);
  plain_ok(workq_stats(look, &stats), "workq_stats of a raw handle");
  *attached = stats.attached >= 2;
  plain_ok(workq_close(look), "workq_close");
  return owner;
}

static pid_t start(const operation *o, const action *a, target t) {
  memset(shared, 0, sizeof *shared);
  shared->operation = o;
  shared->action = a;
  shared->target = t;
  return tracer_start(&job);
}

static void play_point(const operation *o, const action *a, target t, const tracer_trace *trace, size_t step) {
  bool attached;
  sum.action = a->name;
  sum.target = target_names[t];
  sum.step = step;
  pid_t pid = start(o, a, t);
  if (tracer_go(pid, trace, step) == TRACER_ENDED) {
    tracer_finish(pid);
    return;
  }
  bool has_lock = lock_owner(&attached) == pid;
  /* Once the handle is gone, nobody may use it any more. */
  if (o->act == op_close && t == SAME && !attached) {
    has_lock = false; /* it has, for a few instructions more, but no call is made */
    tracer_resume(pid);
  } else {
    tracer_interrupt(pid, SIGUSR1);
  }
  tracer_wait_end(pid);
  if (has_lock && t != ELSEWHERE && shared->handlers != -EDEADLK)
    plain_fail("a call by the thread that has the lock: %d, not -EDEADLK", shared->handlers);
  tracer_finish(pid);
  sum.points++;
  sum.had_lock += has_lock;
  sum.refused += shared->handlers == -EDEADLK;
  sum.worked += shared->handlers >= 0;
}

static void pick_action(const operation *o, uint64_t random, const action **a, target *t) {
  *t = (target)(random % 8 < 4 ? SAME : random % 8 < 7 ? OTHER : ELSEWHERE);
  /* The items are of the handle that is being closed, or nobody's any more. */
  bool items_too = *t == SAME && o->act != op_close;
  *a = &actions[random / 8 % (items_too ? ACTIONS : ACTIONS_WITHOUT_ITEMS)];
  /* What is inside of malloc() or free() must not be interrupted by another free(). */
  if (*t != SAME && (*a)->act == do_close && (o->act == op_open || o->act == op_close)) *t = SAME;
}

/* Steps at which the lock is held: those from first to before last, but for some in between. */
typedef struct locked_steps {
  const workq *look;
  pid_t pid;
  size_t first, last;
} locked_steps;

static void note_lock(void *arg, size_t step) {
  locked_steps *l = arg;
  if (workq_lock_owner(l->look) != l->pid) return;
  if (l->last == 0) l->first = step;
  l->last = step + 1;
}

/* Records the way through the operation, and lets it end. */
static locked_steps record(const operation *o, tracer_trace *trace) {
  locked_steps l = {.pid = start(o, NULL, SAME)};
  workq *look = look_from_outside();
  l.look = look;
  if (!tracer_record(l.pid, trace, STEPS_MAX, note_lock, &l))
    plain_fail("%s is longer than %d instructions", o->name, STEPS_MAX);
  tracer_finish(l.pid);
  plain_ok(workq_close(look), "workq_close");
  if (l.last == 0) plain_fail("%s never has the lock: the test tests nothing", o->name);
  return l;
}

/* In a sample half of the points are spread over the whole way, and half over where the lock is held. */
static void play_operation(const operation *o, unsigned sample, uint64_t *seed) {
  tracer_trace trace = {0};
  sum.operation = o->name;
  sum.action = NULL;
  sum.target = target_names[SAME];
  locked_steps locked = record(o, &trace);
  sum.steps = trace.steps;
  sum.points = sum.refused = sum.worked = sum.had_lock = 0;
  size_t points = sample ? sample : trace.steps;
  for (size_t i = 0; i < points; i++) {
    const action *a;
    target t;
    bool inside = sample && i % 2 == 0;
    size_t from = inside ? locked.first : 0, steps = inside ? locked.last - locked.first : trace.steps;
    size_t first = steps * i / points, last = steps * (i + 1) / points;
    pick_action(o, random_next(seed), &a, &t);
    play_point(o, a, t, &trace, from + first + (size_t)random_below(seed, last - first + (last == first)));
  }
  printf("%s: %zu instructions, %u points, %u of these with the lock; %u calls refused, %u worked\n", o->name,
         trace.steps, sum.points, sum.had_lock, sum.refused, sum.worked);
  tracer_forget(&trace);
}

static bool wanted(const operation *o, char **names) {
  if (!*names) return true;
  for (; *names; names++)
    if (strcmp(*names, o->name) == 0) return true;
  return false;
}

int main(int argc, char **argv) {
  uint64_t seed = plain_begin(&argc, argv);
  bool full = argc > 1 && strcmp(argv[1], "--full") == 0;
#ifdef WORKQ_JOURNAL_CHECK
  plain_skip("the journal check copies the segment at each transaction: too long in single steps");
#endif
  tracer_need();
  shared = process_share(sizeof *shared);
  plain_own(name, sizeof name, "reenter");
  plain_own(name_elsewhere, sizeof name_elsewhere, "reenter-elsewhere");
  plain_watchdog(full ? 7200 : 1800, name);
  atexit(say_where);
  for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
    if (wanted(&operations[i], argv + 1 + full)) play_operation(&operations[i], full ? 0 : plain_scaled(SAMPLE), &seed);
  sum.operation = NULL;
  return PLAIN_PASS;
}
