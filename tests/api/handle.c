/*
 * The public API: handles: whose they are, threads, fork, closing.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_api.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "support/calls.h"

static int find_self(void *arg, const workq_worker *worker) {
  if (worker->self) *(workq_worker *)arg = *worker;
  return 0;
}

static workq_worker self_of(workq *handle) {
  workq_worker self = {.slot = UINT32_MAX};
  ok(workq_iterate_workers(handle, find_self, &self));
  ck_assert_uint_ne(self.slot, UINT32_MAX);
  return self;
}

/* ---- Slots ---- */

START_TEST(each_handle_has_a_slot_of_its_own) {
  create();
  workq *other = open_again();
  ck_assert_uint_ne(self_of(q).slot, self_of(other).slot);
  ck_assert_uint_eq(stats().attached, 2);
  ok(workq_close(other));
  ck_assert_uint_eq(stats().attached, 1);
}
END_TEST

START_TEST(there_is_no_slot_for_one_handle_too_many) {
  options.handles = 3;
  create();
  workq *second = open_again(), *third = open_again(), *fourth = NULL;
  ck_assert_int_eq(workq_open(name, &options, &fourth), -EUSERS);
  ck_assert_ptr_null(fourth);
  ok(workq_close(second));
  ck_assert_int_eq(workq_open(name, &options, &fourth), 0);
  ok(workq_close(fourth));
  ok(workq_close(third));
}
END_TEST

START_TEST(the_slot_of_a_dead_handle_is_taken_over_and_its_key_goes_back) {
  options.handles = 2;
  create();
  add("a");
  die_with("a");
  workq *other = open_again();
  ck_assert_uint_eq(stats().reaped, 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DELAYED);
  ok(workq_close(other));
}
END_TEST

START_TEST(close_puts_keys_in_hand_back_as_release_does) {
  create();
  workq *other = open_again();
  add("a");
  add("b");
  add("c");
  take_by(other, "a");
  take_by(other, "b");
  add("b");
  ok(workq_close(other));
  ck_assert_int_eq(requeues("a"), 0);
  ck_assert_uint_eq(stats().crashes, 0);
  assert_ready("c a b");
}
END_TEST

START_TEST(close_of_nothing_is_nothing) {
  ck_assert_int_eq(workq_close(NULL), 0);
}
END_TEST

START_TEST(a_segment_outlives_its_handles) {
  create();
  add("a");
  add_after("b", S);
  ok(workq_close(q));
  q = open_again();
  ck_assert_uint_eq(stats().keys, 2);
  pass(S);
  assert_ready("a b");
}
END_TEST

/* What an iteration over the queues has met. */
struct listed {
  unsigned queues, own;
  int result; /* of the visit to the own queue */
};

static int note_listed(void *arg, const char *found) {
  struct listed *listed = arg;
  listed->queues++;
  if (strcmp(found, name) != 0) return 0;
  listed->own++;
  return listed->result;
}

START_TEST(each_queue_is_listed_until_it_is_unlinked) {
  struct listed listed = {0};
  create();
  ck_assert_int_eq(workq_list(note_listed, &listed), 0);
  ck_assert_uint_eq(listed.own, 1);
  listed = (struct listed){.result = 7};
  ck_assert_int_eq(workq_list(note_listed, &listed), 7);
  ok(workq_unlink(name));
  listed = (struct listed){0};
  ck_assert_int_eq(workq_list(note_listed, &listed), 0);
  ck_assert_uint_eq(listed.own, 0);
  ck_assert_int_eq(workq_list(NULL, NULL), -EINVAL);
  ok(workq_close(q));
  create();
}
END_TEST

START_TEST(a_queue_that_is_made_anew_is_another_one) {
  create();
  uint64_t before = stats().incarnation;
  workq *other = open_again();
  workq_stats_data seen;
  ok(workq_stats(other, &seen));
  ck_assert_uint_eq(seen.incarnation, before); /* whoever looks */
  ok(workq_close(other));
  ok(workq_close(q));
  ok(workq_unlink(name));
  create();
  ck_assert_uint_ne(stats().incarnation, before);
}
END_TEST

START_TEST(the_name_of_an_unlinked_queue_can_be_another_ones) {
  create();
  workq *first = q;
  ok(workq_add(first, "a", 1));
  ok(workq_unlink(name));
  ck_assert_int_eq(workq_open(name, &options, &q), -ENOENT);
  create();
  ck_assert_int_eq(workq_add(first, "b", 1), -EIDRM);
  ck_assert_int_eq(workq_len(first), 1);
  ck_assert_int_eq(workq_len(q), 0);
  ok(workq_add(q, "b", 1));
  ok(workq_close(first));
}
END_TEST

START_TEST(a_handles_descriptor_is_closed_on_exec) {
  create();
  for (int fd = 3; fd < 64; fd++) {
    int flags = fcntl(fd, F_GETFD);
    char link[64], target[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = flags < 0 ? -1 : readlink(link, target, sizeof target - 1);
    if (len < 0) continue;
    target[len] = '\0';
    if (!engine_is_path(target)) continue;
    ck_assert_int_eq(flags & FD_CLOEXEC, FD_CLOEXEC);
    shared->steps[0]++;
  }
  ck_assert_int_ge(shared->steps[0], 1);
}
END_TEST

/* ---- Threads ---- */

static void *run_all_calls(void *arg) {
  for (size_t i = 0; i < calls_count; i++) {
    if (!calls[i].enters) continue;
    int rc = calls[i].run(arg);
    ck_assert_msg(rc == -ESTALE, "%s from another thread: %d", calls[i].name, rc);
  }
  return NULL;
}

static void in_thread(void *(*run)(void *), void *arg) {
  pthread_t thread;
  ck_assert_int_eq(pthread_create(&thread, NULL, run, arg), 0);
  ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

START_TEST(a_call_from_another_thread_is_stale_and_changes_nothing) {
  create();
  add(CALLS_KEY);
  in_thread(run_all_calls, q);
  ck_assert_int_eq(workq_len(q), 1);
  ck_assert_uint_eq(stats().shut_down + stats().paused, 0);
  assert_ready(CALLS_KEY);
}
END_TEST

static void *close_it(void *arg) {
  ck_assert_int_eq(workq_close(arg), -ESTALE);
  return NULL;
}

START_TEST(close_from_another_thread_is_stale_while_its_own_lives) {
  create();
  in_thread(close_it, q);
  ck_assert_int_eq(add("a"), 1);
}
END_TEST

static void *open_own(void *arg) {
  workq *own = open_again();
  ok(workq_add(own, "from the thread", 15));
  take_by(own, "from the thread");
  *(workq **)arg = own;
  return NULL;
}

START_TEST(another_thread_opens_its_own) {
  create();
  workq *of_thread;
  in_thread(open_own, &of_thread);
  ck_assert_uint_eq(stats().adds, 1);
  ck_assert_int_eq(workq_reap(q), 1);
  ok(workq_close(of_thread));
}
END_TEST

START_TEST(the_keys_of_a_thread_that_ends_without_close_go_back) {
  create();
  workq *of_thread;
  in_thread(open_own, &of_thread);
  ck_assert_int_eq(state_of("from the thread"), WORKQ_STATE_PROCESSING);
  ck_assert_int_eq(workq_reap(q), 1);
  ck_assert_int_eq(state_of("from the thread"), WORKQ_STATE_DELAYED);
  ck_assert_uint_eq(info_of("from the thread").crashes, 1);
  ck_assert_uint_eq(stats().attached, 1);
  ck_assert_int_eq(workq_add(of_thread, "a", 1), -ESTALE);
  ck_assert_int_eq(workq_close(of_thread), 0); /* frees what is left of it */
}
END_TEST

START_TEST(a_handle_of_an_ended_thread_can_be_closed_before_it_is_reaped) {
  create();
  workq *of_thread;
  in_thread(open_own, &of_thread);
  ck_assert_int_eq(workq_close(of_thread), 0);
  ck_assert_int_eq(workq_reap(q), 1);
  ck_assert_int_eq(state_of("from the thread"), WORKQ_STATE_DELAYED);
}
END_TEST

/* ---- Fork ---- */

START_TEST(a_forked_child_has_a_slot_of_its_own) {
  create();
  workq_worker mine = self_of(q);
  ck_assert_int_eq(mine.pid, getpid());
  pid_t child = process_fork();
  if (child == 0) {
    ck_assert_int_eq(add("from the child"), 1);
    workq_worker own = self_of(q);
    ck_assert_uint_ne(own.slot, mine.slot);
    ck_assert_int_eq(own.pid, getpid());
    ck_assert_uint_eq(own.adds, 1);
    ck_assert_uint_eq(stats().attached, 2);
    ok(workq_close(q));
    process_done();
  }
  process_join(child);
  ck_assert_uint_eq(stats().attached, 1);
  ck_assert_uint_eq(self_of(q).slot, mine.slot);
  assert_ready("from the child");
}
END_TEST

/* Here it takes a slot before its parent's. */
START_TEST(a_forked_child_sees_itself_at_once) {
  create();
  workq *other = open_again();
  ok(workq_close(q));
  pid_t child = process_fork();
  if (child == 0) {
    ck_assert_uint_eq(self_of(other).slot, 0);
    ok(workq_close(other));
    process_done();
  }
  process_join(child);
  q = other;
}
END_TEST

START_TEST(keys_in_the_parents_hands_stay_the_parents) {
  create();
  add("a");
  workq_item item = take("a");
  pid_t child = process_fork();
  if (child == 0) {
    ck_assert_int_eq(workq_done(q, &item), -ESTALE);
    ck_assert_int_eq(workq_release(q, &item), -ESTALE);
    ck_assert_int_eq(workq_done_key(q, "a", 1), -ESTALE);
    ck_assert_int_eq(workq_reap(q), 0);
    workq_info info = info_of("a");
    ck_assert_int_eq(info.state, WORKQ_STATE_PROCESSING);
    ck_assert_int_eq(info.pid, getppid());
    ok(workq_close(q));
    process_done();
  }
  process_join(child);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_PROCESSING);
  ck_assert_int_eq(workq_done(q, &item), 0);
}
END_TEST

START_TEST(a_child_that_closes_its_copy_unused_does_not_touch_the_parents) {
  create();
  add("a");
  workq_item item = take("a");
  pid_t child = process_fork();
  if (child == 0) {
    ok(workq_close(q));
    process_done();
  }
  process_join(child);
  ck_assert_int_eq(workq_reap(q), 0);
  ck_assert_uint_eq(stats().attached, 1);
  ck_assert_int_eq(workq_done(q, &item), 0);
}
END_TEST

START_TEST(a_parent_that_dies_is_found_although_a_child_has_its_descriptor) {
  create();
  add("a");
  pid_t parent = process_fork();
  if (parent == 0) {
    workq *own = open_again();
    take_by(own, "a");
    pid_t child = fork();
    if (child == 0) {
      shared->steps[1] = getpid();
      for (;;) pause();
    }
    shared->steps[0] = 1;
    for (;;) pause();
  }
  await(&shared->steps[0], 1);
  await(&shared->steps[1], 1);
  process_kill(parent);
  ck_assert_int_eq(workq_reap(q), 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DELAYED);
  kill(shared->steps[1], SIGKILL);
}
END_TEST

START_TEST(a_child_that_dies_loses_its_own_keys_only) {
  create();
  add("parents");
  add("childs");
  workq_item item = take("parents");
  pid_t child = process_fork();
  if (child == 0) {
    take("childs");
    shared->steps[0] = 1;
    for (;;) pause();
  }
  await(&shared->steps[0], 1);
  process_kill(child);
  ck_assert_int_eq(workq_reap(q), 1);
  ck_assert_int_eq(state_of("childs"), WORKQ_STATE_DELAYED);
  ck_assert_int_eq(workq_done(q, &item), 0);
}
END_TEST

START_TEST(a_childs_child_has_a_slot_of_its_own_too) {
  create();
  pid_t child = process_fork();
  if (child == 0) {
    add("a");
    workq_item item = take("a");
    pid_t grandchild = process_fork();
    if (grandchild == 0) {
      ck_assert_int_eq(workq_done(q, &item), -ESTALE);
      ck_assert_uint_eq(stats().attached, 3);
      ok(workq_close(q));
      process_done();
    }
    process_join(grandchild);
    ck_assert_int_eq(workq_done(q, &item), 0);
    ok(workq_close(q));
    process_done();
  }
  process_join(child);
}
END_TEST

START_TEST(a_child_attaches_to_the_same_segment_though_its_name_is_another_queues_now) {
  create();
  workq *first = q;
  ok(workq_add(first, "of the first", 12));
  ok(workq_unlink(name));
  create();
  pid_t child = process_fork();
  if (child == 0) {
    ck_assert_int_eq(workq_len(first), 1);
    ck_assert_int_eq(workq_len(q), 0);
    ok(workq_close(first));
    ok(workq_close(q));
    process_done();
  }
  process_join(child);
  ok(workq_close(first));
}
END_TEST

START_TEST(a_child_gets_no_slot_where_there_is_none) {
  options.handles = 1;
  create();
  pid_t child = process_fork();
  if (child == 0) {
    ck_assert_int_eq(workq_add(q, "a", 1), -EUSERS);
    ck_assert_int_eq(workq_add(q, "a", 1), -EUSERS);
    ok(workq_close(q));
    process_done();
  }
  process_join(child);
  ck_assert_int_eq(workq_len(q), 0);
}
END_TEST

START_TEST(a_fork_in_another_thread_is_a_fork_all_the_same) {
  create();
  workq *of_thread;
  in_thread(open_own, &of_thread);
  pid_t child = process_fork();
  if (child == 0) {
    ck_assert_int_eq(ok(workq_add(of_thread, "child", 5)), 1);
    ok(workq_close(of_thread));
    ok(workq_close(q));
    process_done();
  }
  process_join(child);
  ck_assert_int_eq(workq_reap(q), 1);
  ok(workq_close(of_thread));
  assert_ready("child");
}
END_TEST

Suite *handle_suite(void) {
  Suite *suite = suite_create("handles");
  TCase *tcase = fixture_case(suite, "slots");
  tcase_add_test(tcase, each_handle_has_a_slot_of_its_own);
  tcase_add_test(tcase, there_is_no_slot_for_one_handle_too_many);
  tcase_add_test(tcase, the_slot_of_a_dead_handle_is_taken_over_and_its_key_goes_back);
  tcase_add_test(tcase, close_puts_keys_in_hand_back_as_release_does);
  tcase_add_test(tcase, close_of_nothing_is_nothing);
  tcase_add_test(tcase, a_segment_outlives_its_handles);
  tcase_add_test(tcase, each_queue_is_listed_until_it_is_unlinked);
  tcase_add_test(tcase, a_queue_that_is_made_anew_is_another_one);

  tcase = fixture_case_with(suite, "the file", ENGINE_FILE);
  tcase_add_test(tcase, the_name_of_an_unlinked_queue_can_be_another_ones);
  tcase_add_test(tcase, a_child_attaches_to_the_same_segment_though_its_name_is_another_queues_now);
  tcase_add_test(tcase, a_handles_descriptor_is_closed_on_exec);

  tcase = fixture_case(suite, "threads");
  tcase_add_test(tcase, a_call_from_another_thread_is_stale_and_changes_nothing);
  tcase_add_test(tcase, close_from_another_thread_is_stale_while_its_own_lives);
  tcase_add_test(tcase, another_thread_opens_its_own);
  tcase_add_test(tcase, the_keys_of_a_thread_that_ends_without_close_go_back);
  tcase_add_test(tcase, a_handle_of_an_ended_thread_can_be_closed_before_it_is_reaped);

  tcase = fixture_case(suite, "fork");
  tcase_add_test(tcase, a_forked_child_has_a_slot_of_its_own);
  tcase_add_test(tcase, a_forked_child_sees_itself_at_once);
  tcase_add_test(tcase, keys_in_the_parents_hands_stay_the_parents);
  tcase_add_test(tcase, a_child_that_closes_its_copy_unused_does_not_touch_the_parents);
  tcase_add_test(tcase, a_parent_that_dies_is_found_although_a_child_has_its_descriptor);
  tcase_add_test(tcase, a_child_that_dies_loses_its_own_keys_only);
  tcase_add_test(tcase, a_childs_child_has_a_slot_of_its_own_too);
  tcase_add_test(tcase, a_child_gets_no_slot_where_there_is_none);
  tcase_add_test(tcase, a_fork_in_another_thread_is_a_fork_all_the_same);
  return suite;
}
