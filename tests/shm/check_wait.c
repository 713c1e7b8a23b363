/*
 * Sleeping and waking: who is told, who wakes by itself, and what becomes of a wake-up whose sleeper dies.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/inspect.h"
#include "support/plain.h"
#include "support/process.h"

/* Far longer than any tick of these queues, far shorter than the timeouts that a lost wake-up would run into. */
#define SOON_NS (50 * NS_PER_S) /* below the longest tick that there is */

struct shared {
  atomic_int got[16]; /* keys that child i has got */
  atomic_int step;
};

static struct shared *shared;
static workq *q;
static char name[64];

/* So rare a tick that a test which passes did not need one.  No queue may be made so: the handles are. */
#define RARE_NS (3600 * NS_PER_S)

static int64_t tick_ns;

static int attach(const char *to, const workq_options *options, workq **out) {
  int rc = workq_open(to, options, out);
  if (rc == 0) (*out)->header.reap_interval_ns = tick_ns;
  return rc;
}

static void setup_with(int64_t interval_ns) {
  tick_ns = interval_ns;
  shared = process_share(sizeof *shared);
  plain_own(name, sizeof name, "check_wait");
  workq_options options = {.capacity = 4, .key_max = 64, .handles = 80};
  ck_assert_int_eq(workq_create(name, &options, &q), 0);
  q->header.reap_interval_ns = tick_ns;
}

static void setup(void) {
  setup_with(20 * NS_PER_MS);
}

static void setup_without_tick(void) {
  setup_with(RARE_NS);
}

static void teardown(void) {
  workq_reap(q);
  ck_assert_int_eq(workq_check(q, NULL, NULL), 0);
  workq_close(q);
  workq_unlink(name);
}

static unsigned waiting(void) {
  workq_stats_data stats;
  ck_assert_int_eq(workq_stats(q, &stats), 0);
  return stats.waiting;
}

/* In line and asleep on its futex, or spinning before it. */
static void await_waiting(unsigned count) {
  while (waiting() != count) sched_yield();
}

/* A child that gets keys and finishes them until the queue is shut down; it sleeps at once, without spinning. */
static pid_t fork_worker(int number) {
  pid_t pid = process_fork();
  if (pid > 0) return pid;
  workq *mine;
  workq_item item;
  workq_options options = {.flags = WORKQ_NO_SPIN};
  if (attach(name, &options, &mine) != 0) _exit(1);
  for (;;) {
    int rc = workq_get(mine, &item, WORKQ_FOREVER);
    if (rc == -ESHUTDOWN) break;
    if (rc < 0) _exit(2);
    atomic_fetch_add(&shared->got[number], 1);
    if (workq_done(mine, &item) < 0) _exit(3);
  }
  workq_close(mine);
  _exit(0);
}

static int got_in_all(void) {
  int sum = 0;
  for (int i = 0; i < 16; i++) sum += atomic_load(&shared->got[i]);
  return sum;
}

static void await_got(int count, const char *what) {
  int64_t start_ns = clock_monotonic_ns();
  while (got_in_all() < count) {
    ck_assert_msg(clock_monotonic_ns() - start_ns < SOON_NS, "%s", what);
    sched_yield();
  }
}

static void end_workers(const pid_t *pids, int count) {
  ck_assert_int_eq(workq_shutdown(q), 0);
  for (int i = 0; i < count; i++) process_wait_pass(pids[i], "a worker");
}

/* ---- Telling ---- */

START_TEST(an_add_wakes_a_sleeper) {
  pid_t pid = fork_worker(0);
  await_waiting(1);
  ck_assert_int_eq(workq_add(q, "a", 1), 1);
  await_got(1, "the sleeper was not woken");
  end_workers(&pid, 1);
}
END_TEST

START_TEST(one_add_tells_one_sleeper) {
  pid_t pids[3];
  for (int i = 0; i < 3; i++) {
    pids[i] = fork_worker(i);
    await_waiting((unsigned)i + 1);
  }
  for (int i = 0; i < 3; i++) process_stop(pids[i]);
  ck_assert_int_eq(workq_add(q, "a", 1), 1);
  ck_assert_uint_eq(waiting(), 2);
  ck_assert_int_eq(workq_add(q, "a", 1), 0); /* coalesced: tells nobody */
  ck_assert_uint_eq(waiting(), 2);
  ck_assert_int_eq(workq_add(q, "b", 1), 1);
  ck_assert_uint_eq(waiting(), 1);
  for (int i = 0; i < 3; i++) process_resume(pids[i]);
  await_got(2, "a sleeper that was told did not come");
  end_workers(pids, 3);
}
END_TEST

START_TEST(every_way_to_become_ready_tells_a_sleeper) {
  workq_item item;
  int expected = 0;
  ck_assert_int_eq(workq_add(q, "dirty", 5), 1);
  ck_assert_int_eq(workq_get(q, &item, 0), 0);
  ck_assert_int_eq(workq_add(q, "dirty", 5), 1);
  pid_t pid = fork_worker(0);
  await_waiting(1);
  ck_assert_int_eq(workq_done(q, &item), 1);
  await_got(++expected, "done of a dirty key told nobody");
  ck_assert_int_eq(workq_pause(q), 1);
  ck_assert_int_eq(workq_add(q, "paused", 6), 1);
  await_waiting(1);
  ck_assert_int_eq(got_in_all(), expected);
  ck_assert_int_eq(workq_unpause(q), 1);
  await_got(++expected, "unpause told nobody");
  end_workers(&pid, 1);
}
END_TEST

/* ---- Time ---- */

START_TEST(a_delayed_key_wakes_the_leader_when_it_is_due) {
  pid_t pids[2];
  for (int i = 0; i < 2; i++) {
    pids[i] = fork_worker(i);
    await_waiting((unsigned)i + 1);
  }
  int64_t start_ns = clock_monotonic_ns();
  ck_assert_int_eq(workq_add_after(q, "late", 4, 30 * NS_PER_MS), 1);
  await_got(1, "nobody woke for the delayed key");
  ck_assert_int_ge(clock_monotonic_ns() - start_ns, 30 * NS_PER_MS);
  end_workers(pids, 2);
}
END_TEST

START_TEST(an_earlier_key_brings_the_leaders_waking_forward) {
  ck_assert_int_eq(workq_add_after(q, "much later", 10, 1000 * NS_PER_S), 1);
  pid_t pid = fork_worker(0);
  await_waiting(1);
  ck_assert_int_eq(workq_add_after(q, "soon", 4, NS_PER_MS), 1);
  await_got(1, "the leader slept on");
  end_workers(&pid, 1);
}
END_TEST

START_TEST(when_the_leader_takes_a_key_the_next_one_leads) {
  pid_t pids[2];
  for (int i = 0; i < 2; i++) {
    pids[i] = fork_worker(i);
    await_waiting((unsigned)i + 1);
  }
  for (int i = 1; i <= 4; i++) {
    char key[8];
    int len = snprintf(key, sizeof key, "k%d", i);
    ck_assert_int_eq(workq_add_after(q, key, (size_t)len, i * 5 * NS_PER_MS), 1);
  }
  await_got(4, "nobody woke for one of the delayed keys");
  end_workers(pids, 2);
}
END_TEST

START_TEST(a_timeout_ends_the_wait_and_leaves_the_line) {
  workq_item item;
  int64_t start_ns = clock_monotonic_ns();
  ck_assert_int_eq(workq_get(q, &item, 30 * NS_PER_MS), -ETIMEDOUT);
  ck_assert_int_ge(clock_monotonic_ns() - start_ns, 30 * NS_PER_MS);
  ck_assert_uint_eq(waiting(), 0);
  ck_assert_int_eq(workq_get(q, &item, 0), -ETIMEDOUT);
}
END_TEST

static void on_signal(int number) {
  (void)number;
}

START_TEST(a_signal_handler_ends_the_wait_and_leaves_the_line) {
  pid_t pid = process_fork();
  if (pid == 0) {
    struct sigaction action = {.sa_handler = on_signal};
    workq *mine;
    workq_item item;
    sigaction(SIGUSR1, &action, NULL);
    if (attach(name, NULL, &mine) != 0) _exit(1);
    int rc = workq_get(mine, &item, WORKQ_FOREVER);
    workq_close(mine);
    _exit(rc == -EINTR ? 0 : 2);
  }
  await_waiting(1);
  /* It may not sleep yet, or no more, when the signal comes; a later one finds it asleep. */
  while (waiting() == 1) kill(pid, SIGUSR1);
  process_wait_pass(pid, "the interrupted worker");
  ck_assert_uint_eq(waiting(), 0);
}
END_TEST

/* ---- The queue is removed ---- */

/* By workq_unlink(), which takes no lock: without a tick. */
START_TEST(an_unlink_wakes_all_that_sleep) {
  pid_t pids[20];
  for (int i = 0; i < 20; i++) {
    pids[i] = process_fork();
    if (pids[i] > 0) continue;
    workq *mine;
    workq_item item;
    if (attach(name, NULL, &mine) != 0) _exit(1);
    int rc = workq_get(mine, &item, WORKQ_FOREVER);
    workq_close(mine);
    _exit(rc == -EIDRM ? 0 : 2);
  }
  await_waiting(20);
  ck_assert_int_eq(workq_unlink(name), 0);
  for (int i = 0; i < 20; i++) process_wait_pass(pids[i], "the worker of an unlinked queue");
  ck_assert_uint_eq(waiting(), 0);
}
END_TEST

START_TEST(a_flag_that_lies_is_taken_back) {
  for (uint32_t flag = 1; flag <= 3; flag++) {
    atomic_store(&q->control->lock.removed, flag);
    ck_assert_int_ge(workq_add(q, "a", 1), 0);
    ck_assert_uint_eq(atomic_load(&q->control->lock.removed), REMOVED_NOT);
  }
  workq_item item;
  ck_assert_int_eq(workq_get(q, &item, 0), 0);
  ck_assert_int_eq(workq_done(q, &item), 0);
}
END_TEST

/* ---- Death ---- */

START_TEST(a_wake_up_that_died_is_passed_on) {
  pid_t pids[2];
  for (int i = 0; i < 2; i++) {
    pids[i] = fork_worker(i);
    await_waiting((unsigned)i + 1);
  }
  /* The newest is told first; it dies before it can use that. */
  process_stop(pids[1]);
  ck_assert_int_eq(workq_add(q, "a", 1), 1);
  ck_assert_uint_eq(waiting(), 1);
  process_kill(pids[1]);
  await_got(1, "the wake-up died with its worker");
  ck_assert_int_eq(atomic_load(&shared->got[0]), 1);
  end_workers(pids, 1);
}
END_TEST

START_TEST(a_killed_sleeper_costs_one_signal_at_most) {
  pid_t pid = fork_worker(0);
  await_waiting(1);
  process_kill(pid);
  ck_assert_int_eq(workq_add(q, "a", 1), 1);
  /* It is out of the line now, so that no later add sees it. */
  ck_assert(!wait_anyone(q, WAIT_GET));
}
END_TEST

START_TEST(a_killed_leader_is_replaced) {
  pid_t pids[2];
  for (int i = 0; i < 2; i++) {
    pids[i] = fork_worker(i);
    await_waiting((unsigned)i + 1);
  }
  ck_assert_int_eq(workq_add_after(q, "late", 4, 50 * NS_PER_MS), 1);
  process_kill(pids[0]);
  await_got(1, "nobody woke for the delayed key after the leader's death");
  end_workers(pids + 1, 1);
}
END_TEST

START_TEST(the_living_put_the_deads_keys_back_by_themselves) {
  /* A worker that dies with a key in hand, and another that sleeps: nobody calls anything. */
  pid_t dying = process_fork();
  if (dying == 0) {
    workq *mine;
    workq_item item;
    if (attach(name, NULL, &mine) != 0) _exit(1);
    if (workq_add(mine, "a", 1) != 1 || workq_get(mine, &item, 0) != 0) _exit(2);
    atomic_store(&shared->step, 1);
    for (;;) pause();
  }
  while (atomic_load(&shared->step) == 0) sched_yield();
  pid_t pid = fork_worker(0);
  await_waiting(1);
  process_kill(dying);
  await_got(1, "the dead worker's key did not come back");
  end_workers(&pid, 1);
}
END_TEST

/* A get that ends because the lock is not to be had cannot leave the line; it must not stand in the way there. */
START_TEST(who_gave_up_for_the_lock_is_passed_over) {
  atomic_int *step = &shared->step;
  pid_t hasty = process_fork();
  if (hasty == 0) {
    workq *mine;
    workq_item item;
    if (attach(name, NULL, &mine) != 0) _exit(1);
    /* On a busy machine its time may be up before the lock is taken. */
    do {
      if (workq_get(mine, &item, 100 * NS_PER_MS) != -ETIMEDOUT) _exit(2);
    } while (workq_lock_owner(mine) != getppid());
    atomic_store(step, 1);
    while (atomic_load(step) != 2) sched_yield();
    if (workq_get(mine, &item, 0) != -ETIMEDOUT || workq_close(mine) != 0) _exit(3);
    _exit(0);
  }
  for (bool stands = false; !stands;) {
    await_waiting(1);
    ck_assert_int_ge(lock_acquire(q, CLOCK_NEVER), 0);
    stands = wait_anyone(q, WAIT_GET);
    if (!stands) lock_release(q);
  }
  while (atomic_load(step) != 1) sched_yield();
  lock_release(q);
  ck_assert(wait_anyone(q, WAIT_GET)); /* it stands in line, and first of all */
  pid_t pid = fork_worker(0);
  while (q->control->wait.list[WAIT_GET].head != 3) sched_yield();
  ck_assert_int_eq(workq_add_after(q, "late", 4, 10 * NS_PER_MS), 1);
  await_got(1, "nobody led: the delayed key waits for a tick");
  await_waiting(1);
  ck_assert_int_eq(workq_add(q, "a", 1), 1);
  await_got(2, "the wake-up went to who does not sleep");
  atomic_store(step, 2);
  process_wait_pass(hasty, "the hasty worker");
  end_workers(&pid, 1);
}
END_TEST

static void wait_as(workq *hasty, uint32_t kind, int64_t wake_ns, bool again) {
  ck_assert_int_ge(lock_acquire(hasty, CLOCK_NEVER), 0);
  journal_begin(hasty);
  ck_assert_int_eq(wait_enter(hasty, kind, wake_ns, again), 0);
  journal_commit(hasty);
  wait_arm(hasty);
  lock_release(hasty);
}

static void stand_in_line(workq *hasty) {
  wait_as(hasty, WAIT_GET, INT64_MAX, false);
}

/* It may give up while another process is about to bring its waking forward: it must not be forgotten that it deserted. */
START_TEST(who_deserts_while_it_is_told_is_known_for_it) {
  workq *hasty;
  ck_assert_int_eq(attach(name, NULL, &hasty), 0);
  stand_in_line(hasty);
  ck_assert_int_ge(lock_acquire(q, CLOCK_NEVER), 0);
  journal_begin(q);
  ck_assert_int_eq(wait_advance_leader(q, 0), 0);
  journal_commit(q);
  ck_assert_uint_eq(q->wakes.count, 1);
  wait_cancel(hasty);
  wait_publish(q);
  journal_begin(q);
  ck_assert_int_eq(wait_prune(q, WAIT_GET, INT64_MIN), 0);
  journal_commit(q);
  ck_assert_msg(!wait_anyone(q, WAIT_GET), "it stands in line, and leads, as if it slept");
  lock_release(q);
  workq_close(hasty);
}
END_TEST

/*
 * The journal holds each line once, whoever stands in line.  Those of every 32nd slot and that of the lists have the same
 * place among the marks: saved again and again, the deserters of a few lists were more lines than the journal has.
 */
START_TEST(deserters_are_few_lines_of_the_journal) {
  enum { STRIDE = 32, COUNT = 7, HANDLES = COUNT * STRIDE + 1 };
  workq *handles[HANDLES];
  char other[64];
  plain_own(other, sizeof other, "check_wait_c");
  ck_assert_int_eq(workq_create(other, &(workq_options){.capacity = 4, .handles = HANDLES}, &handles[0]), 0);
  for (int i = 1; i < HANDLES; i++) ck_assert_int_eq(workq_open(other, NULL, &handles[i]), 0);
  workq_unlink(other);
  for (int i = 1; i <= COUNT; i++) {
    stand_in_line(handles[i * STRIDE]);
    wait_cancel(handles[i * STRIDE]);
  }
  workq *mine = handles[0];
  ck_assert_int_ge(lock_acquire(mine, CLOCK_NEVER), 0);
  journal_begin(mine);
  ck_assert_int_eq(_i == 0 ? wait_signal(mine, WAIT_GET) : wait_advance_leader(mine, 0), 0);
  ck_assert_uint_le(journal_lines(mine), 2 + 1 + COUNT); /* as ever, the lists, the slots */
  ck_assert_uint_lt(mine->control->wait.list[WAIT_GET].count, COUNT);
  journal_commit(mine);
  lock_release(mine);
  ck_assert_int_eq(workq_check(mine, NULL, NULL), 0);
  for (int i = HANDLES - 1; i >= 0; i--) workq_close(handles[i]);
}
END_TEST

/* A process brings the leader's waking forward and dies before it tells (0), or has told but not woken it (1). */
START_TEST(a_leader_that_was_not_told_is_roused) {
  pid_t pid = fork_worker(0);
  await_waiting(1);
  pid_t dying = process_fork();
  if (dying == 0) {
    workq *mine;
    if (attach(name, NULL, &mine) != 0 || lock_acquire(mine, CLOCK_NEVER) < 0) _exit(1);
    journal_begin(mine);
    if (wait_advance_leader(mine, clock_monotonic_ns()) != 0) _exit(2);
    journal_commit(mine);
    if (_i == 1) wait_publish(mine);
    lock_release(mine);
    _exit(0);
  }
  process_wait_pass(dying, "the dying process");
  ck_assert_int_eq(workq_add_after(q, "late", 4, 10 * NS_PER_MS), 1);
  ck_assert_int_eq(workq_reap(q), 1);
  await_got(1, "the leader sleeps past the delayed key");
  end_workers(&pid, 1);
}
END_TEST

/* Waiters that were taken for stopped come back one after another: each to the place that it had. */
START_TEST(waiters_come_back_by_their_arrival) {
  enum { WAITERS = 4 };
  static const unsigned orders[][WAITERS] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}};
  workq *handles[WAITERS];
  ck_assert_int_ge(lock_acquire(q, CLOCK_NEVER), 0);
  q->control->cold.arrivals = _i % 2 ? UINT32_MAX - 1 : 7; /* the numbers may wrap */
  lock_release(q);
  for (unsigned i = 0; i < WAITERS; i++) {
    ck_assert_int_eq(attach(name, NULL, &handles[i]), 0);
    wait_as(handles[i], WAIT_SPACE, 0, false);
  }
  ck_assert_int_ge(lock_acquire(q, CLOCK_NEVER), 0);
  journal_begin(q);
  ck_assert_int_eq(wait_prune(q, WAIT_SPACE, 1), 0);
  journal_commit(q);
  lock_release(q);
  ck_assert(!wait_anyone(q, WAIT_SPACE));
  for (unsigned i = 0; i < WAITERS; i++) wait_as(handles[orders[_i / 2][i]], WAIT_SPACE, INT64_MAX, true);
  uint32_t number = q->control->wait.list[WAIT_SPACE].tail;
  for (unsigned i = 0; i < WAITERS; i++) {
    ck_assert_uint_eq(number, handles[i]->slot_id + 1);
    number = handles[i]->slot->wait.prev;
  }
  ck_assert_uint_eq(number, 0);
  for (unsigned i = 0; i < WAITERS; i++) workq_close(handles[i]);
}
END_TEST

/* ---- How long a call may take ---- */

static int attempt_in_vain(workq *mine, void *arg, bool slept) {
  (void)mine;
  (void)arg;
  ck_assert_msg(!slept, "it slept for the whole timeout again");
  return -EAGAIN;
}

static int stop_in_vain(workq *mine, void *arg, int result) {
  (void)arg;
  return op_stop_waiting(mine, WAIT_DRAIN, result);
}

/* What a call has waited for the lock is part of its timeout: then it does not sleep for all of it once more. */
START_TEST(a_wait_for_the_lock_is_part_of_the_timeout) {
  struct op_wait wait = {WAIT_DRAIN,      NS_PER_S,     op_relative_deadline_ns(q, NS_PER_S),
                         attempt_in_vain, stop_in_vain, NULL};
  pid_t holder = process_fork();
  if (holder == 0) {
    workq *mine;
    if (attach(name, NULL, &mine) != 0 || lock_acquire(mine, CLOCK_NEVER) < 0) _exit(1);
    atomic_store(&shared->step, 1);
    for (;;) pause();
  }
  while (atomic_load(&shared->step) == 0) sched_yield();
  ck_assert_int_eq(lock_acquire(q, -1), -ETIMEDOUT);
  kill(holder, SIGKILL);
  waitpid(holder, NULL, 0);
  ck_assert_msg(q->waiter.lock_since_ns != 0, "nobody noted that the call waits");
  wait.deadline_ns = op_relative_deadline_ns(q, NS_PER_S);
  ck_assert_int_eq(q->waiter.lock_since_ns, 0); /* the next call begins anew */
  ck_assert_int_eq(op_begin(q, CLOCK_NEVER), 0);
  q->waiter.lock_since_ns = clock_monotonic_ns() - NS_PER_S;
  ck_assert_int_eq(op_wait(q, &wait), -ETIMEDOUT);
}
END_TEST

/* The next oldest leads when the leader is signalled: it has a tick to wake before others take it for stopped. */
START_TEST(a_new_leader_is_not_late_at_once) {
  workq *first, *second;
  ck_assert_int_eq(attach(name, NULL, &first), 0);
  ck_assert_int_eq(attach(name, NULL, &second), 0);
  stand_in_line(first);
  stand_in_line(second);
  ck_assert_int_ge(lock_acquire(q, CLOCK_NEVER), 0);
  int64_t late_ns = clock_add_ns(handle_now_ns(q), -WAIT_LATE_NS);
  journal_begin(q);
  q->control->wait.signals = WAIT_OLDEST_EVERY - 1; /* the oldest is signalled */
  ck_assert_int_eq(wait_signal(q, WAIT_GET), 1);
  ck_assert_uint_eq(q->control->wait.list[WAIT_GET].tail, second->slot_id + 1);
  ck_assert_int_eq(wait_prune(q, WAIT_GET, late_ns), 0);
  ck_assert_msg(wait_anyone(q, WAIT_GET), "the new leader was taken for stopped");
  journal_commit(q);
  lock_release(q);
  workq_close(second);
  workq_close(first);
}
END_TEST

/* ---- Room ---- */

START_TEST(room_is_given_to_who_waits_for_it) {
  char key[2] = "0";
  workq_item item;
  for (; key[0] < '4'; key[0]++) ck_assert_int_eq(workq_add(q, key, 1), 1);
  ck_assert_int_eq(workq_add(q, "x", 1), -ENOSPC);
  pid_t pids[2];
  for (int i = 0; i < 2; i++) {
    if ((pids[i] = process_fork()) > 0) continue;
    workq *mine;
    char own[2] = {(char)('x' + i), 0};
    if (attach(name, NULL, &mine) != 0) _exit(1);
    if (workq_add_wait(mine, own, 1, WORKQ_FOREVER) != 1) _exit(2);
    workq_close(mine);
    _exit(0);
  }
  while (q->control->wait.list[WAIT_SPACE].count != 2) sched_yield();
  for (int i = 0; i < 2; i++) {
    ck_assert_int_eq(workq_get(q, &item, 0), 0);
    ck_assert_int_eq(workq_done(q, &item), 0);
  }
  for (int i = 0; i < 2; i++) process_wait_pass(pids[i], "who waited for room");
  ck_assert_int_eq(workq_len(q), 4);
}
END_TEST

/* ---- Many ---- */

/* Two processes hand one key to and fro over two queues: a lost wake-up would cost a tick of an hour. */
START_TEST(no_wake_up_is_lost_between_two) {
  enum { ROUNDS = 3000 };
  char other[64];
  workq *there;
  workq_item item;
  plain_own(other, sizeof other, "check_wait_b");
  ck_assert_int_eq(workq_create(other, NULL, &there), 0);
  there->header.reap_interval_ns = RARE_NS;
  pid_t pid = process_fork();
  if (pid == 0) {
    for (int i = 0; i < ROUNDS; i++) {
      if (workq_get(q, &item, WORKQ_FOREVER) != 0 || workq_done(q, &item) != 0) _exit(1);
      if (workq_add(there, "pong", 4) != 1) _exit(2);
    }
    workq_close(q);
    workq_close(there);
    _exit(0);
  }
  for (int i = 0; i < ROUNDS; i++) {
    ck_assert_int_eq(workq_add(q, "ping", 4), 1);
    ck_assert_int_eq(workq_get(there, &item, WORKQ_FOREVER), 0);
    ck_assert_int_eq(workq_done(there, &item), 0);
  }
  process_wait_pass(pid, "the other player");
  workq_close(there);
  workq_unlink(other);
}
END_TEST

START_TEST(shutdown_wakes_all) {
  enum { WORKERS = 16 };
  pid_t pids[WORKERS];
  for (int i = 0; i < WORKERS; i++) pids[i] = fork_worker(i);
  await_waiting(WORKERS);
  end_workers(pids, WORKERS);
}
END_TEST

int main(int argc, char **argv) {
  plain_begin(&argc, argv);
  Suite *suite = suite_create("wait");
  TCase *ticking = tcase_create("with ticks");
  tcase_set_timeout(ticking, 900);
  tcase_add_checked_fixture(ticking, setup, teardown);
  tcase_add_test(ticking, one_add_tells_one_sleeper);
  tcase_add_test(ticking, a_wake_up_that_died_is_passed_on);
  tcase_add_test(ticking, a_killed_sleeper_costs_one_signal_at_most);
  tcase_add_test(ticking, a_killed_leader_is_replaced);
  tcase_add_test(ticking, the_living_put_the_deads_keys_back_by_themselves);
  suite_add_tcase(suite, ticking);
  TCase *told = tcase_create("without ticks");
  tcase_set_timeout(told, 900);
  tcase_add_checked_fixture(told, setup_without_tick, teardown);
  tcase_add_test(told, an_unlink_wakes_all_that_sleep);
  tcase_add_test(told, a_flag_that_lies_is_taken_back);
  tcase_add_test(told, an_add_wakes_a_sleeper);
  tcase_add_test(told, every_way_to_become_ready_tells_a_sleeper);
  tcase_add_test(told, a_delayed_key_wakes_the_leader_when_it_is_due);
  tcase_add_test(told, an_earlier_key_brings_the_leaders_waking_forward);
  tcase_add_test(told, when_the_leader_takes_a_key_the_next_one_leads);
  tcase_add_test(told, a_timeout_ends_the_wait_and_leaves_the_line);
  tcase_add_test(told, a_signal_handler_ends_the_wait_and_leaves_the_line);
  tcase_add_test(told, room_is_given_to_who_waits_for_it);
  tcase_add_test(told, no_wake_up_is_lost_between_two);
  tcase_add_test(told, shutdown_wakes_all);
  tcase_add_test(told, who_gave_up_for_the_lock_is_passed_over);
  tcase_add_test(told, who_deserts_while_it_is_told_is_known_for_it);
  tcase_add_loop_test(told, deserters_are_few_lines_of_the_journal, 0, 2);
  tcase_add_loop_test(told, waiters_come_back_by_their_arrival, 0, 6);
  tcase_add_test(told, a_wait_for_the_lock_is_part_of_the_timeout);
  tcase_add_test(told, a_new_leader_is_not_late_at_once);
  tcase_add_loop_test(told, a_leader_that_was_not_told_is_roused, 0, 2);
  suite_add_tcase(suite, told);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
