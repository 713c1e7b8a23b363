/*
 * Slots: taking one, giving it back, the death of its tenant however it comes, and fork.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/lock.h"
#include "shm/owner.h"
#include "shm/segment.h"
#include "shm/slot.h"
#include "support/plain.h"
#include "support/process.h"

enum { HANDLES = 4 };

static atomic_int *step;
static workq *q;
static char name[64];

/* Nobody looks for the dead unless it is told to.  No queue may be made so: the handles are. */
#define NEVER_NS WORKQ_DURATION_MAX

static int attach(const char *to, const workq_options *options, workq **out) {
  int rc = workq_open(to, options, out);
  if (rc == 0) (*out)->header.reap_interval_ns = NEVER_NS;
  return rc;
}

static void setup(void) {
  step = process_share(sizeof *step);
  plain_own(name, sizeof name, "check_slot");
  workq_options options = {.capacity = 100, .key_max = 64, .handles = HANDLES};
  ck_assert_int_eq(workq_create(name, &options, &q), 0);
  q->header.reap_interval_ns = NEVER_NS;
}

static void teardown(void) {
  ck_assert_int_eq(workq_check(q, NULL, NULL), 0);
  ck_assert_int_eq(workq_close(q), 0);
  workq_unlink(name);
}

static unsigned attached(void) {
  workq_stats_data stats;
  ck_assert_int_eq(workq_stats(q, &stats), 0);
  return stats.attached;
}

static uint64_t crashes(void) {
  workq_stats_data stats;
  ck_assert_int_eq(workq_stats(q, &stats), 0);
  return stats.crashes;
}

static void await(int value) {
  while (atomic_load(step) < value) sched_yield();
}

/* A child that has opened the queue and taken a key, and does nothing more. */
static pid_t fork_tenant(const char *key) {
  int before = atomic_load(step);
  pid_t pid = process_fork();
  if (pid == 0) {
    workq *mine;
    workq_item item;
    if (attach(name, NULL, &mine) != 0) _exit(1);
    if (workq_add(mine, key, strlen(key)) < 0 || workq_get(mine, &item, 0) != 0) _exit(2);
    atomic_fetch_add(step, 1);
    for (;;) pause();
  }
  await(before + 1);
  return pid;
}

START_TEST(a_slot_is_used_again_with_a_new_generation) {
  workq *other;
  ck_assert_int_eq(attach(name, NULL, &other), 0);
  uint32_t id = other->slot_id, generation = other->generation;
  ck_assert_int_eq(workq_close(other), 0);
  ck_assert_uint_eq(attached(), 1);
  ck_assert_int_eq(attach(name, NULL, &other), 0);
  ck_assert_uint_eq(other->slot_id, id);
  ck_assert_uint_ne(other->generation, generation);
  ck_assert_int_eq(workq_close(other), 0);
}
END_TEST

START_TEST(the_living_are_not_reaped) {
  pid_t pid = fork_tenant("a");
  process_stop(pid);
  ck_assert_int_eq(workq_reap(q), 0);
  ck_assert_int_eq(workq_state(q, "a", 1, NULL), WORKQ_STATE_PROCESSING);
  process_kill(pid);
  ck_assert_int_eq(workq_reap(q), 1);
  ck_assert_int_eq(workq_state(q, "a", 1, NULL), WORKQ_STATE_DELAYED);
  ck_assert_uint_eq(crashes(), 1);
  ck_assert_uint_eq(attached(), 1);
  ck_assert_int_eq(workq_reap(q), 0);
}
END_TEST

START_TEST(all_taken_by_the_living_is_an_error) {
  workq *others[HANDLES];
  for (int i = 1; i < HANDLES; i++) ck_assert_int_eq(attach(name, NULL, &others[i]), 0);
  workq *none = NULL;
  ck_assert_int_eq(attach(name, NULL, &none), -EUSERS);
  ck_assert_ptr_null(none);
  for (int i = 1; i < HANDLES; i++) ck_assert_int_eq(workq_close(others[i]), 0);
}
END_TEST

START_TEST(a_dead_tenants_slot_is_taken_over_and_its_keys_go_back) {
  pid_t pids[HANDLES];
  char key[2] = "0";
  for (int i = 1; i < HANDLES; i++, key[0]++) pids[i] = fork_tenant(key);
  for (int i = 1; i < HANDLES; i++) process_kill(pids[i]);
  workq *other;
  ck_assert_int_eq(attach(name, NULL, &other), 0);
  ck_assert_uint_eq(crashes(), 1);
  ck_assert_int_eq(workq_reap(q), HANDLES - 2);
  ck_assert_uint_eq(crashes(), HANDLES - 1);
  ck_assert_int_eq(workq_close(other), 0);
}
END_TEST

START_TEST(who_died_while_attaching_leaves_a_free_slot) {
  /* The tokens are taken, the slot is not entered yet. */
  pid_t pid = process_fork();
  if (pid == 0) {
    if (life_try(q, 2) != 0) _exit(1);
    atomic_store(step, 1);
    for (;;) pause();
  }
  await(1);
  process_kill(pid);
  ck_assert_int_eq(workq_reap(q), 0);
  workq *others[HANDLES];
  for (int i = 1; i < HANDLES; i++) ck_assert_int_eq(attach(name, NULL, &others[i]), 0);
  ck_assert_uint_eq(attached(), HANDLES);
  for (int i = 1; i < HANDLES; i++) ck_assert_int_eq(workq_close(others[i]), 0);
}
END_TEST

static void *take_and_exec(void *arg) {
  workq *mine;
  workq_item item;
  (void)arg;
  if (attach(name, NULL, &mine) != 0 || workq_add(mine, "a", 1) != 1 || workq_get(mine, &item, 0) != 0) _exit(1);
  atomic_store(step, 1);
  execl("/bin/sleep", "sleep", "1000", (char *)NULL);
  _exit(2);
}

/* Until the new program has the process, and the old one's descriptors are closed. */
static void await_byte(uint32_t slot) {
  while (owner_byte_held(q, slot, atomic_load(&q->slots[slot].owner.generation))) sched_yield();
}

/* The kernel cannot say by the mutex that this tenant has died: only the byte of the file tells. */
START_TEST(a_tenant_whose_mutex_nobody_can_unlock_is_reaped_by_its_byte) {
  pid_t pid = process_fork();
  if (pid == 0) {
    pthread_t thread;
    pthread_create(&thread, NULL, take_and_exec, NULL);
    for (;;) pause();
  }
  await(1);
  await_byte(1);
  ck_assert_int_eq(q->slots[1].attachment.state, SLOT_ATTACHED);
  ck_assert_int_ge(lock_acquire(q, CLOCK_NEVER), 0);
  ck_assert_int_eq(life_try(q, 1), -EBUSY);
  lock_release(q);
  ck_assert_int_eq(workq_reap(q), 1);
  ck_assert_int_eq(workq_state(q, "a", 1, NULL), WORKQ_STATE_DELAYED);
  /* Its slot is good for another. */
  workq *others[HANDLES];
  for (int i = 1; i < HANDLES; i++) ck_assert_int_eq(attach(name, NULL, &others[i]), 0);
  for (int i = 1; i < HANDLES; i++) ck_assert_int_eq(workq_close(others[i]), 0);
  process_kill(pid);
}
END_TEST

START_TEST(an_attach_finds_such_a_slot_by_itself) {
  pid_t pid = process_fork();
  if (pid == 0) {
    pthread_t thread;
    pthread_create(&thread, NULL, take_and_exec, NULL);
    for (;;) pause();
  }
  await(1);
  await_byte(1);
  workq *others[HANDLES];
  for (int i = 1; i < HANDLES; i++) ck_assert_int_eq(attach(name, NULL, &others[i]), 0);
  ck_assert_uint_eq(crashes(), 1);
  for (int i = 1; i < HANDLES; i++) ck_assert_int_eq(workq_close(others[i]), 0);
  process_kill(pid);
}
END_TEST

START_TEST(a_reaped_tenant_that_lives_is_told) {
  workq *other;
  workq_item item;
  ck_assert_int_eq(attach(name, NULL, &other), 0);
  ck_assert_int_eq(workq_add(q, "a", 1), 1);
  ck_assert_int_eq(workq_get(other, &item, 0), 0);
  /* As if its descriptor had been closed behind its back, and its mutex had been lost: taken for dead. */
  ck_assert_int_eq(lock_acquire(q, CLOCK_NEVER), 0);
  other->slot->attachment.generation += 2;
  lock_release(q);
  ck_assert_int_eq(workq_done(other, &item), -ESTALE);
  ck_assert_int_eq(workq_add(other, "b", 1), -ESTALE);
  other->slot->attachment.generation -= 2;
  ck_assert_int_eq(workq_close(other), 0);
}
END_TEST

/* ---- Fork ---- */

START_TEST(a_forked_child_has_a_slot_and_a_byte_of_its_own) {
  workq_item item;
  ck_assert_int_eq(workq_add(q, "parents", 7), 1);
  ck_assert_int_eq(workq_get(q, &item, 0), 0);
  uint32_t parents_slot = q->slot_id;
  pid_t pid = process_fork();
  if (pid == 0) {
    if (workq_done(q, &item) != -ESTALE) _exit(1); /* the parent's */
    if (q->slot_id == parents_slot ||
        !owner_byte_held(q, parents_slot, atomic_load(&q->slots[parents_slot].owner.generation)))
      _exit(2);
    if (workq_add(q, "childs", 6) != 1 || workq_get(q, &item, 0) != 0) _exit(3);
    atomic_store(step, 1);
    await(2);
    if (workq_done(q, &item) != 0 || workq_close(q) != 0) _exit(4);
    _exit(0);
  }
  await(1);
  ck_assert_uint_eq(attached(), 2);
  ck_assert_int_eq(workq_reap(q), 0);
  ck_assert_int_eq(workq_state(q, "childs", 6, NULL), WORKQ_STATE_PROCESSING);
  atomic_store(step, 2);
  process_wait_pass(pid, "the child");
  ck_assert_uint_eq(attached(), 1);
  ck_assert_int_eq(workq_done(q, &item), 0);
}
END_TEST

START_TEST(a_child_that_closes_without_a_call_leaves_the_parents_slot_alone) {
  pid_t pid = process_fork();
  if (pid == 0) _exit(workq_close(q) == 0 ? 0 : 1);
  process_wait_pass(pid, "the child");
  ck_assert_uint_eq(attached(), 1);
  ck_assert_int_eq(workq_add(q, "a", 1), 1);
}
END_TEST

START_TEST(a_parents_death_shows_though_its_child_used_the_handle) {
  pid_t parent = process_fork();
  if (parent == 0) {
    workq *mine;
    workq_item item;
    if (attach(name, NULL, &mine) != 0 || workq_add(mine, "a", 1) != 1 || workq_get(mine, &item, 0) != 0) _exit(1);
    if (fork() == 0) {
      if (workq_len(mine) < 0) _exit(1); /* attaches, and gives the parent's description back */
      atomic_store(step, 1);
      await(2);
      _exit(0);
    }
    for (;;) pause();
  }
  await(1);
  uint32_t parents_slot = 1;
  ck_assert_int_eq(owner_byte_held(q, parents_slot, atomic_load(&q->slots[parents_slot].owner.generation)), 1);
  process_kill(parent);
  ck_assert_int_eq(owner_byte_held(q, parents_slot, atomic_load(&q->slots[parents_slot].owner.generation)), 0);
  ck_assert_int_eq(workq_reap(q), 1);
  atomic_store(step, 2);
}
END_TEST

int main(int argc, char **argv) {
  plain_begin(&argc, argv);
  Suite *suite = suite_create("slot");
  TCase *tests = tcase_create("slot");
  tcase_set_timeout(tests, 900);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, a_slot_is_used_again_with_a_new_generation);
  tcase_add_test(tests, the_living_are_not_reaped);
  tcase_add_test(tests, all_taken_by_the_living_is_an_error);
  tcase_add_test(tests, a_dead_tenants_slot_is_taken_over_and_its_keys_go_back);
  tcase_add_test(tests, who_died_while_attaching_leaves_a_free_slot);
  tcase_add_test(tests, a_tenant_whose_mutex_nobody_can_unlock_is_reaped_by_its_byte);
  tcase_add_test(tests, an_attach_finds_such_a_slot_by_itself);
  tcase_add_test(tests, a_reaped_tenant_that_lives_is_told);
  tcase_add_test(tests, a_forked_child_has_a_slot_and_a_byte_of_its_own);
  tcase_add_test(tests, a_child_that_closes_without_a_call_leaves_the_parents_slot_alone);
  tcase_add_test(tests, a_parents_death_shows_though_its_child_used_the_handle);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
