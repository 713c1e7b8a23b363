/*
 * The queue lock: exclusion, the death of its owner, an owner that is only stopped, and a lock that nobody holds.
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/journal.h"
#include "shm/lock.h"
#include "shm/owner.h"
#include "shm/segment.h"
#include "support/plain.h"
#include "support/process.h"
#include "support/random.h"

#define WITHIN_NS (300 * NS_PER_S) /* for ever: the bound is 2 s, on a machine that has nothing else to do */

#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif

/* Between a test and its children. */
struct shared {
  atomic_int step;
  atomic_int inside;
  atomic_int mistakes;
  atomic_uint done;
};

static struct shared *shared;
static workq *q;
static char name[64];

static void setup(void) {
  shared = process_share(sizeof *shared);
  plain_own(name, sizeof name, "check_lock");
  workq_options options = {.capacity = 100, .key_max = 64, .handles = 32};
  ck_assert_int_eq(workq_create(name, &options, &q), 0);
}

static void teardown(void) {
  ck_assert_int_eq(workq_check(q, NULL, NULL), 0);
  workq_close(q);
  workq_unlink(name);
}

static workq *open_here(const workq_options *options) {
  workq *mine;
  ck_assert_int_eq(workq_open(name, options, &mine), 0);
  return mine;
}

static uint64_t losses(void) {
  workq_stats_data stats;
  ck_assert_int_eq(workq_stats(q, &stats), 0);
  return stats.lock_losses;
}

static uint64_t recoveries(void) {
  workq_stats_data stats;
  ck_assert_int_eq(workq_stats(q, &stats), 0);
  return stats.recoveries;
}

static void await(int step) {
  while (atomic_load(&shared->step) < step) sched_yield();
}

static void say(int step) {
  atomic_store(&shared->step, step);
}

static void sleep_for_ever(void) {
  for (;;) pause();
}

/* A child that has taken the lock and changed something in a transaction which it does not end. */
static pid_t fork_holder(void) {
  pid_t pid = process_fork();
  if (pid > 0) {
    await(1);
    return pid;
  }
  workq *mine = open_here(NULL);
  if (lock_acquire(mine, CLOCK_NEVER) != 0) _exit(1);
  journal_begin(mine);
  mine->control->hot.ready += 1000;
  say(1);
  sleep_for_ever();
  _exit(1);
}

static void assert_goes_on(void) {
  workq_item item;
  ck_assert_int_eq(workq_add(q, "goes on", 7), 1);
  ck_assert_int_eq(workq_get(q, &item, 0), 0);
  ck_assert_int_eq(workq_done(q, &item), 0);
  ck_assert_int_eq(workq_check(q, NULL, NULL), 0);
}

/* ---- Exclusion ---- */

START_TEST(one_is_inside_at_a_time) {
  enum { CHILDREN = 4, ROUNDS = 20000 };
  pid_t pids[CHILDREN];
  for (int i = 0; i < CHILDREN; i++) {
    if ((pids[i] = process_fork()) > 0) continue;
    workq *mine = open_here(NULL);
    for (int n = 0; n < ROUNDS; n++) {
      if (lock_acquire(mine, CLOCK_NEVER) < 0) _exit(1);
      if (atomic_exchange(&shared->inside, i + 1) != 0) atomic_fetch_add(&shared->mistakes, 1);
      /* Not one instruction: two inside at a time would lose counts. */
      unsigned seen = atomic_load(&shared->done);
      atomic_store(&shared->done, seen + 1);
      if (atomic_exchange(&shared->inside, 0) != i + 1) atomic_fetch_add(&shared->mistakes, 1);
      lock_release(mine);
    }
    workq_close(mine);
    _exit(0);
  }
  for (int i = 0; i < CHILDREN; i++) process_wait_pass(pids[i], "a locker");
  ck_assert_int_eq(atomic_load(&shared->mistakes), 0);
  ck_assert_uint_eq(atomic_load(&shared->done), CHILDREN * ROUNDS);
}
END_TEST

START_TEST(the_holder_is_noted_beside_the_mutex) {
  ck_assert_int_eq(lock_acquire(q, CLOCK_NEVER), 0);
  ck_assert_uint_eq(atomic_load(&q->held->holder), q->slot_id + 1);
  lock_release(q);
  ck_assert_uint_eq(atomic_load(&lock_mutex_of(q, 0)->holder), 0);
}
END_TEST

/* ---- Death inside ---- */

START_TEST(the_death_of_the_owner_is_repaired_by_the_next) {
  process_kill(fork_holder());
  ck_assert_int_eq(workq_len(q), 0);
  ck_assert_uint_eq(recoveries(), 1);
  ck_assert_uint_eq(losses(), 0);
  ck_assert_int_eq(workq_reap(q), 1);
  assert_goes_on();
}
END_TEST

START_TEST(a_death_with_nothing_changed_is_no_recovery) {
  pid_t pid = process_fork();
  if (pid == 0) {
    workq *mine = open_here(NULL);
    if (lock_acquire(mine, CLOCK_NEVER) != 0) _exit(1);
    say(1);
    sleep_for_ever();
  }
  await(1);
  process_kill(pid);
  assert_goes_on();
  ck_assert_uint_eq(recoveries(), 0);
}
END_TEST

/* The woken waiter is killed, and the wake-up with it, while a third process barges in: the others must not sleep on. */
START_TEST(killed_waiters_leave_nobody_asleep) {
  enum { ROUNDS = 40, WAITERS = 4 };
  uint64_t seed = random_next(&(uint64_t){(uint64_t)plain_now_ns()});
  for (int round = 0; round < ROUNDS; round++) {
    pid_t pids[WAITERS];
    atomic_store(&shared->step, 0);
    ck_assert_int_ge(lock_acquire(q, CLOCK_NEVER), 0);
    for (int i = 0; i < WAITERS; i++) {
      if ((pids[i] = process_fork()) > 0) continue;
      workq_options options = {.flags = WORKQ_NO_SPIN};
      /* Attached before the lock is taken it could not be; so it waits for the lock in its attach. */
      workq *mine = open_here(&options);
      workq_close(mine);
      _exit(0);
    }
    usleep((useconds_t)random_below(&seed, 3000)); /* chance, not synchronisation: how deep in the lock they are */
    lock_release(q);
    kill(pids[random_below(&seed, WAITERS)], SIGKILL);
    int64_t start_ns = clock_monotonic_ns();
    for (int i = 0; i < WAITERS; i++) process_wait(pids[i]);
    ck_assert_msg(clock_monotonic_ns() - start_ns < WITHIN_NS, "a waiter slept on");
    workq_reap(q);
  }
}
END_TEST

START_TEST(nonsense_in_the_journal_gives_the_segment_up) {
  pid_t pid = fork_holder();
  for (uint32_t i = 0; i < q->geometry.handles; i++)
    if (atomic_load(&q->slots[i].journal.count)) q->journals[i].line[0] = UINT32_MAX;
  process_kill(pid);
  ck_assert_int_eq(workq_add(q, "key", 3), -EUCLEAN);
  ck_assert_int_eq(workq_len(q), -EUCLEAN);
  workq *other = NULL;
  ck_assert_int_eq(workq_open(name, NULL, &other), -EUCLEAN);
  ck_assert_ptr_null(other);
}
END_TEST

/* ---- An owner that is only stopped ---- */

START_TEST(a_stopped_owner_is_waited_for_and_named) {
  workq_options options = {.lock_timeout_ns = 200 * NS_PER_MS};
  workq *hasty = open_here(&options);
  pid_t pid = fork_holder();
  ck_assert_int_eq(workq_lock_owner(hasty), 0);
  ck_assert_int_eq(workq_add(hasty, "key", 3), -ETIMEDOUT);
  ck_assert_int_eq(workq_lock_owner(hasty), pid);
  workq_item item;
  ck_assert_int_eq(workq_get(q, &item, 10 * NS_PER_MS), -ETIMEDOUT);
  ck_assert_int_eq(workq_lock_owner(q), pid);
  process_kill(pid);
  ck_assert_int_eq(workq_add(hasty, "key", 3), 1);
  ck_assert_uint_eq(losses(), 0);
  workq_close(hasty);
}
END_TEST

/* ---- A lock that nobody holds ---- */

/* A thread that takes the lock of the queue of that name, and makes its process another program. */
static void *hold_and_exec(void *arg) {
  workq *mine;
  if (workq_open(arg, NULL, &mine) != 0) _exit(1);
  if (lock_acquire(mine, CLOCK_NEVER) != 0) _exit(1);
  journal_begin(mine);
  mine->control->hot.ready += 1000;
  say(1);
  execl("/bin/sleep", "sleep", "1000", (char *)NULL);
  _exit(1);
}

/* Somebody between taking the mutex and noting it: looks like nobody, and must find out. */
static void *take_mutex_unnoted(void *arg) {
  workq *mine = open_here(NULL);
  struct lock_mutex *m = lock_mutex_of(mine, 0);
  (void)arg;
  pthread_mutex_lock(&m->mutex);
  say(1);
  await(2); /* stopped here for so long that the lock was abandoned */
  atomic_store(&m->holder, mine->slot_id + 1);
  bool passed = atomic_load(&mine->control->lock.epoch) == 0;
  atomic_store(&m->holder, 0);
  pthread_mutex_unlock(&m->mutex);
  int rc = lock_acquire(mine, CLOCK_NEVER);
  if (rc >= 0) lock_release(mine);
  workq_close(mine);
  return passed || rc < 0 ? "wrong" : NULL;
}

START_TEST(who_took_the_mutex_but_did_not_note_it_finds_the_new_epoch) {
  pthread_t thread;
  void *wrong;
  pthread_create(&thread, NULL, take_mutex_unnoted, NULL);
  await(1);
  int64_t start_ns = clock_monotonic_ns();
  assert_goes_on();
  ck_assert_msg(clock_monotonic_ns() - start_ns < WITHIN_NS, "waited too long for a lock that nobody noted");
  say(2);
  pthread_join(thread, &wrong);
  ck_assert_ptr_null(wrong);
  ck_assert_uint_eq(losses(), 1);
}
END_TEST

static void *hold_while_abandoned(void *arg) {
  workq *mine = open_here(NULL);
  (void)arg;
  if (lock_acquire(mine, CLOCK_NEVER) != 0) return "no lock";
  atomic_store(&shared->inside, 1);
  say(1);
  await(2);
  /* The main thread is in lock_acquire() of the new epoch now, or about to be. */
  for (int i = 0; i < 100; i++) {
    struct timespec pause_for = clock_timespec(NS_PER_MS);
    nanosleep(&pause_for, NULL);
    if (atomic_load(&shared->inside) != 1) return "two inside";
  }
  atomic_store(&shared->inside, 0);
  lock_release(mine);
  workq_close(mine);
  return NULL;
}

START_TEST(who_is_inside_the_old_epoch_is_waited_for) {
  pthread_t thread;
  void *wrong;
  pthread_create(&thread, NULL, hold_while_abandoned, NULL);
  await(1);
  atomic_store(&q->control->lock.epoch, 1); /* somebody took it for lost, wrongly */
  say(2);
  int rc = lock_acquire(q, CLOCK_NEVER);
  ck_assert_int_eq(atomic_exchange(&shared->inside, 2), 0);
  lock_release(q);
  ck_assert_int_ge(rc, 0);
  pthread_join(thread, &wrong);
  ck_assert_msg(!wrong, "%s", (const char *)wrong);
  ck_assert_uint_eq(losses(), 1);
  assert_goes_on();
}
END_TEST

/* Its number stands at a mutex that was abandoned; the slot has another tenant, who lives but is inside nothing. */
START_TEST(a_dead_tenants_note_does_not_count_for_its_successor) {
  workq *successor;
  for (uint32_t i = 0; i < LOCK_MUTEXES; i++) atomic_store(&q->mutexes[i].holder, i == 0 ? 0 : 2);
  successor = open_here(NULL);
  ck_assert_uint_eq(successor->slot_id, 1);
  for (uint32_t i = 0; i < LOCK_MUTEXES; i++) ck_assert_uint_eq(atomic_load(&q->mutexes[i].holder), 0);
  atomic_store(&q->control->lock.epoch, 1);
  assert_goes_on();
  workq_close(successor);
}
END_TEST

/* The same while it happens: the slot's only successor attaches as the waiters find out that the lock is lost. */
START_TEST(a_successor_may_attach_while_the_lock_is_being_repaired) {
  for (int round = 0; round < 10; round++) {
    char small[80];
    workq *mine, *successor;
    snprintf(small, sizeof small, "%s-%d", name, round);
    workq_options options = {.capacity = 4, .key_max = 64, .handles = 2, .lock_timeout_ns = 10 * NS_PER_S};
    ck_assert_int_eq(workq_create(small, &options, &mine), 0);
    atomic_store(&shared->step, 0);
    pid_t pid = process_fork();
    if (pid == 0) {
      pthread_t thread;
      pthread_create(&thread, NULL, hold_and_exec, small);
      sleep_for_ever();
    }
    await(1);
    while (owner_byte_held(mine, 1, atomic_load(&mine->slots[1].owner.generation))) sched_yield();
    pid_t waiter = process_fork();
    if (waiter == 0) {
      struct timespec moment = clock_timespec((48 + 3 * round) * NS_PER_MS); /* chance, around the end of a slice */
      nanosleep(&moment, NULL);
      workq_close(mine); /* the child's copy */
      _exit(workq_open(small, &options, &successor) == 0 ? 0 : 1);
    }
    ck_assert_int_ge(workq_len(mine), 0);
    process_wait_pass(waiter, "the successor");
    process_kill(pid);
    workq_close(mine);
    workq_unlink(small);
  }
}
END_TEST

START_TEST(spare_mutexes_do_not_run_out) {
  for (uint32_t epoch = 1; epoch <= 3 * LOCK_MUTEXES; epoch++) {
    atomic_store(&q->control->lock.epoch, epoch);
    assert_goes_on();
  }
  ck_assert_uint_eq(losses(), 3 * LOCK_MUTEXES);
}
END_TEST

/* Spares are made anew before they are used again, but not one that somebody may have by now who abandoned this epoch. */
START_TEST(the_next_mutex_is_left_alone) {
  const uint32_t epoch = 2 * LOCK_MUTEXES;
  struct lock_mutex *next = lock_mutex_of(q, epoch + 1);
  ck_assert_int_eq(pthread_mutex_lock(&next->mutex), 0);
  atomic_store(&q->control->lock.epoch, epoch);
  assert_goes_on();
  ck_assert_uint_eq(losses(), 1);
  ck_assert_int_eq(pthread_mutex_trylock(&next->mutex), EBUSY);
  ck_assert_int_eq(pthread_mutex_unlock(&next->mutex), 0);
}
END_TEST

/* Returns false where the kernel does not have process_mrelease(2). */
static bool kill_and_release(pid_t pid) {
  int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  kill(pid, SIGKILL);
  long rc = pidfd < 0 ? -1 : syscall(SYS_process_mrelease, pidfd, 0);
  bool known = pidfd >= 0 && !(rc != 0 && errno == ENOSYS);
  if (pidfd >= 0) close(pidfd);
  return known;
}

/* A holder without memory of its own to find its mutexes by. */
START_TEST(the_owners_memory_is_reaped_before_its_exit) {
  struct sched_param idle = {0};
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  uint64_t before = losses();
  for (int tries = 0; tries < 1000 && losses() == before; tries++) {
    atomic_store(&shared->step, 0);
    pid_t pid = fork_holder();
    /* The victim gets the processor only when nobody else wants it. */
    sched_setscheduler(pid, SCHED_IDLE, &idle);
    sched_setaffinity(pid, sizeof one, &one);
    sched_setaffinity(0, sizeof one, &one);
    bool known = kill_and_release(pid);
    int64_t start_ns = clock_monotonic_ns();
    assert_goes_on();
    ck_assert_msg(clock_monotonic_ns() - start_ns < WITHIN_NS, "the queue stood still");
    process_wait(pid);
    if (!known) {
      fprintf(stderr, "SKIP: this kernel has no process_mrelease\n");
      return;
    }
  }
  ck_assert_int_ge(workq_reap(q), 0);
  ck_assert_msg(losses() > before, "in none of 1000 tries the lock was left held by nobody: the test tests nothing");
  assert_goes_on();
}
END_TEST

START_TEST(another_thread_of_the_owner_becomes_another_program) {
  pid_t pid = process_fork();
  if (pid == 0) {
    pthread_t thread;
    pthread_create(&thread, NULL, hold_and_exec, name);
    sleep_for_ever();
  }
  await(1);
  /* Not before the new program runs: until then the owner may still be alive. */
  char path[64], target[64] = "";
  snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
  while (!strstr(target, "sleep") && !strstr(target, "coreutils") && !strstr(target, "busybox")) {
    ssize_t n = readlink(path, target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    sched_yield();
  }
  int64_t start_ns = clock_monotonic_ns();
  ck_assert_int_eq(workq_len(q), 0);
  ck_assert_msg(clock_monotonic_ns() - start_ns < WITHIN_NS, "the queue stood still");
  ck_assert_uint_eq(losses(), 1);
  ck_assert_uint_eq(recoveries(), 1);
  /* Its slot, too, is held by nobody. */
  ck_assert_int_eq(workq_reap(q), 1);
  assert_goes_on();
  process_kill(pid);
}
END_TEST

int main(int argc, char **argv) {
  plain_begin(&argc, argv);
  Suite *suite = suite_create("lock");
  TCase *tests = tcase_create("lock");
  tcase_set_timeout(tests, 900);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, one_is_inside_at_a_time);
  tcase_add_test(tests, the_holder_is_noted_beside_the_mutex);
  tcase_add_test(tests, the_death_of_the_owner_is_repaired_by_the_next);
  tcase_add_test(tests, a_death_with_nothing_changed_is_no_recovery);
  tcase_add_test(tests, killed_waiters_leave_nobody_asleep);
  tcase_add_test(tests, a_stopped_owner_is_waited_for_and_named);
  tcase_add_test(tests, who_took_the_mutex_but_did_not_note_it_finds_the_new_epoch);
  tcase_add_test(tests, who_is_inside_the_old_epoch_is_waited_for);
  tcase_add_test(tests, a_dead_tenants_note_does_not_count_for_its_successor);
  tcase_add_test(tests, a_successor_may_attach_while_the_lock_is_being_repaired);
  tcase_add_test(tests, spare_mutexes_do_not_run_out);
  tcase_add_test(tests, the_next_mutex_is_left_alone);
  tcase_add_test(tests, the_owners_memory_is_reaped_before_its_exit);
  tcase_add_test(tests, another_thread_of_the_owner_becomes_another_program);
  suite_add_tcase(suite, tests);
  TCase *damage = tcase_create("damage");
  tcase_add_checked_fixture(damage, setup, NULL);
  tcase_add_test(damage, nonsense_in_the_journal_gives_the_segment_up);
  suite_add_tcase(suite, damage);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
