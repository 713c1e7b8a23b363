/*
 * The others and the victim; see two_others.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "two_others.h"

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shm/lock.h"
#include "support/own_shm.h"
#include "support/plain.h"
#include "support/process.h"

/* A bound for what must come, and is no test of how long that takes. */
#define EVENT_NS (300 * NS_PER_S)

#define MOMENT_NS (NS_PER_MS / 10)

struct stage *stage;

/* ---- Keys ---- */

static size_t key_text(uint32_t key, char *text, size_t size) {
  return (size_t)snprintf(text, size, "key %u", key);
}

static uint32_t key_number(const workq_item *item) {
  char text[16] = "";
  uint32_t key;
  if (item->key_len >= sizeof text) plain_fail("a key of %zu bytes", item->key_len);
  memcpy(text, item->key, item->key_len);
  if (sscanf(text, "key %u", &key) != 1 || key >= KEYS_MAX) plain_fail("a key that nobody added: %s", text);
  return key;
}

int key_add(workq *q, uint32_t key) {
  char text[16];
  size_t len = key_text(key, text, sizeof text);
  return workq_add(q, text, len);
}

void key_take(const workq_item *item, uint32_t hand) {
  uint32_t key = key_number(item), found = HAND_NONE;
  _Atomic uint32_t *place = &stage->keys[key].hand;
  if (!atomic_compare_exchange_strong(place, &found, hand)) {
    bool left_by_dead = found == HAND_VICTIM && atomic_load(&stage->victim_dead);
    if (!left_by_dead || !atomic_compare_exchange_strong(place, &found, hand))
      plain_fail("key %u in two hands: %u and %u", key, found, hand);
  }
  atomic_fetch_add(&stage->keys[key].runs, 1);
}

void key_put_down(const workq_item *item, uint32_t hand) {
  uint32_t key = key_number(item), found = hand;
  if (!atomic_compare_exchange_strong(&stage->keys[key].hand, &found, HAND_NONE))
    plain_fail("key %u was taken from %u by %u", key, hand, found);
}

static int get_and_complete(workq *q, uint32_t hand, int64_t timeout_ns) {
  workq_item item;
  int rc = workq_get(q, &item, timeout_ns);
  if (rc < 0) return rc;
  key_take(&item, hand);
  key_put_down(&item, hand);
  return workq_complete(q, &item);
}

void keys_drain(workq *q, const char *when) {
  plain_ok(workq_reap(q), "workq_reap");
  while (get_and_complete(q, HAND_PARENT, 0) >= 0) continue;
  plain_check(q, when);
  workq_stats_data stats;
  plain_ok(workq_stats(q, &stats), "workq_stats");
  if (stats.keys != 0) plain_fail("%s: %u keys are left", when, stats.keys);
  if (stats.attached != stage->count + 1) plain_fail("%s: %u handles, not %u", when, stats.attached, stage->count + 1);
  if (stats.waiting != 0) plain_fail("%s: %u wait", when, stats.waiting);
}

/* ---- The others ---- */

static void attach_and_detach(void) {
  workq *q;
  plain_ok(workq_open(stage->name, NULL, &q), "workq_open");
  plain_ok(workq_close(q), "workq_close");
}

static int make_call(workq *q, const struct other *me, uint32_t hand) {
  switch (me->kind) {
  case CALL_LEN:
    return workq_len(q);
  case CALL_ADD:
    return key_add(q, me->key);
  case CALL_GET:
    return get_and_complete(q, hand, EVENT_NS);
  case CALL_ATTACH:
    attach_and_detach();
    return 0;
  case CALL_END:
    break;
  }
  plain_ok(workq_close(q), "workq_close");
  _exit(PLAIN_PASS);
}

static void serve(unsigned i) {
  struct other *me = &stage->others[i];
  workq_options options = {.flags = WORKQ_NO_SPIN};
  workq *q;
  plain_ok(workq_open(stage->name, &options, &q), "workq_open");
  for (uint32_t n = 0;; n++) {
    atomic_store(&me->ended, n);
    while (atomic_load(&me->orders) == n) syscall(SYS_futex, &me->orders, FUTEX_WAIT, n, NULL, NULL, 0);
    atomic_store(&me->begun, n + 1);
    me->result = make_call(q, me, i + 1);
    me->ended_ns = clock_monotonic_ns();
  }
}

void other_call(unsigned i, call_kind kind, uint32_t key) {
  struct other *o = &stage->others[i];
  o->kind = kind;
  o->key = key;
  atomic_fetch_add(&o->orders, 1);
  syscall(SYS_futex, &o->orders, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static int64_t late_ns;

void moment(void) {
  struct timespec pause = clock_timespec(MOMENT_NS);
  int64_t start_ns = clock_monotonic_ns();
  nanosleep(&pause, NULL);
  int64_t over_ns = clock_monotonic_ns() - start_ns - MOMENT_NS;
  if (over_ns > late_ns) late_ns = over_ns;
}

int64_t machine_late_ns(void) {
  int64_t late = late_ns;
  late_ns = 0;
  return late;
}

bool other_has_ended(unsigned i) {
  struct other *o = &stage->others[i];
  return atomic_load(&o->ended) == atomic_load(&o->orders);
}

bool other_await_sleep(unsigned i) {
  struct other *o = &stage->others[i];
  int64_t end_ns = clock_monotonic_ns() + EVENT_NS;
  while (!other_has_ended(i)) {
    if (atomic_load(&o->begun) == atomic_load(&o->orders) && trace_sleeps(o->pid, &o->orders)) return true;
    if (clock_monotonic_ns() >= end_ns) plain_fail("other %u neither sleeps nor comes back", i);
    moment();
  }
  return false;
}

bool other_await_end(unsigned i, int64_t end_ns) {
  while (!other_has_ended(i)) {
    if (clock_monotonic_ns() >= end_ns) return false;
    moment();
  }
  return true;
}

void others_go_on(const char *what, int64_t since_ns, int64_t *longest_ns) {
  for (unsigned i = 0; i < stage->count; i++) {
    if (!other_await_end(i, clock_monotonic_ns() + EVENT_NS)) plain_fail("%s: other %u waits for ever", what, i);
    plain_ok(stage->others[i].result, what);
    int64_t took_ns = stage->others[i].ended_ns - since_ns;
    if (took_ns > *longest_ns) *longest_ns = took_ns;
  }
}

int other_do(unsigned i, call_kind kind, uint32_t key) {
  other_call(i, kind, key);
  if (!other_await_end(i, clock_monotonic_ns() + EVENT_NS)) plain_fail("other %u does not come back", i);
  return plain_ok(stage->others[i].result, "a call of another");
}

workq *stage_open(const char *prefix, unsigned count, int64_t reap_interval_ns) {
  workq *q;
#ifdef WORKQ_JOURNAL_CHECK
  plain_skip("the journal check copies the segment at each transaction: too long in single steps");
#endif
  if (!stage) {
    own_shm_alone();
    stage = process_share(sizeof *stage);
  }
  memset(stage, 0, sizeof *stage);
  plain_own(stage->name, sizeof stage->name, prefix);
  workq_options options = {.capacity = 100,
                           .key_max = 64,
                           .handles = OTHERS_MAX + 4,
                           .reap_interval_ns = reap_interval_ns,
                           .limiter = {.kinds = WORKQ_LIMIT_NONE}};
  plain_ok(workq_create(stage->name, &options, &q), "workq_create");
  stage->count = count;
  for (unsigned i = 0; i < count; i++) {
    pid_t pid = process_fork();
    if (pid == 0) serve(i);
    stage->others[i].pid = pid;
  }
  for (unsigned i = 0; i < count; i++) other_do(i, CALL_LEN, 0);
  return q;
}

void stage_close(workq *q) {
  for (unsigned i = 0; i < stage->count; i++) other_call(i, CALL_END, 0);
  for (unsigned i = 0; i < stage->count; i++) process_wait_pass(stage->others[i].pid, "other");
  stage->count = 0;
  keys_drain(q, "at the end");
  plain_ok(workq_close(q), "workq_close");
  plain_ok(workq_unlink(stage->name), "workq_unlink");
}

/* ---- The victim ---- */

void victim_play(const victim_operation *operation, uint32_t flags) {
  workq_options options = {.flags = flags};
  workq *q;
  plain_ok(workq_open(stage->name, &options, &q), "workq_open");
  if (operation->prepare) operation->prepare(q);
  stage->slot = q->slot_id;
  atomic_store(&stage->ready, (pid_t)syscall(SYS_gettid));
  while (!atomic_load(&stage->go)) cpu_relax();
  atomic_store(&stage->at, 1);
  stage->result = operation->act(q);
  atomic_store(&stage->at, 2);
  for (;;) pause();
}

pid_t victim_begin(void) {
  while (!atomic_load(&stage->ready)) moment();
  pid_t tid = atomic_load(&stage->ready);
  trace_seize(tid);
  atomic_store(&stage->go, true);
  while (atomic_load(&stage->at) == 0)
    if (trace_step(tid) != TRACE_STEPPED) plain_fail("the victim does not begin");
  return tid;
}

void victim_prepare(void) {
  atomic_store(&stage->victim_dead, false);
  atomic_store(&stage->ready, 0);
  atomic_store(&stage->go, false);
  atomic_store(&stage->at, 0);
  atomic_store(&stage->told, 0);
}

pid_t victim_start(const victim_operation *operation, uint32_t flags) {
  victim_prepare();
  pid_t pid = process_fork();
  if (pid == 0) victim_play(operation, flags);
  return victim_begin();
}

unsigned victim_steps(pid_t tid, unsigned steps) {
  unsigned n = 0;
  while (n < steps && atomic_load(&stage->at) == 1 && trace_step(tid) == TRACE_STEPPED) n++;
  return n;
}

bool victim_into_lock(const workq *q, pid_t tid, unsigned inside) {
  while (trace_lock_owner(q) != tid) {
    if (atomic_load(&stage->at) == 2) return false;
    int state = trace_step(tid);
    if (state == TRACE_ENDED) plain_fail("the victim ended by itself");
    if (state == TRACE_ASLEEP && !trace_await_return(tid, EVENT_NS)) plain_fail("the victim does not get the lock");
  }
  victim_steps(tid, inside);
  return true;
}

unsigned victim_count(const workq *q, const victim_operation *operation) {
  unsigned inside = 0;
  pid_t pid = victim_start(operation, 0);
  while (victim_steps(pid, 1) == 1) inside += trace_lock_owner(q) == pid;
  if (atomic_load(&stage->at) == 2) plain_ok(stage->result, operation->name);
  victim_kill(pid);
  return inside;
}

void victim_kill(pid_t pid) {
  atomic_store(&stage->victim_dead, true);
  trace_kill(pid);
}
