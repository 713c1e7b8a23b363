/*
 * What the system refuses to whoever creates, opens, closes and unlinks.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_failures.h"

#include <sys/stat.h>

static workq *handle;

/* ---- Creating ---- */

static int run_create(void) {
  refusals_arm();
  return refusals_disarm(workq_create(name, &options, &handle));
}

/* There is a whole queue, which others can open, too, or none. */
static void finish_create(int rc) {
  if (rc < 0) {
    /* Another's temporary name, met once, is none of the caller's business. */
    ck_assert(rc != -EEXIST || refusals->mode != REFUSE_ONCE || strcmp(refusals->function, "shm_open") != 0);
    ck_assert_int_eq(access(engine_path(name), F_OK), -1);
    ck_assert_ptr_null(handle);
    return;
  }
  struct stat file;
  ck_assert_int_eq(stat(engine_path(name), &file), 0);
  ck_assert_uint_eq(file.st_mode & 07777, options.mode);
  assert_usable(handle);
  workq *other = open_again();
  assert_usable(other);
  ok(workq_close(other));
  ok(workq_close(handle));
  ok(workq_unlink(name));
  handle = NULL;
}

static const struct scenario creating = {"create", NULL, run_create, 0, finish_create};

START_TEST(create_a_queue) {
  options.handles = 2;
  options.mode = 0620;
  options.group = getegid() ? getegid() : 1; /* root may give it to any */
  refusals->without_proc = _i;               /* by a temporary name */
  ck_assert_uint_gt(refuse_each(&creating), 20);
}
END_TEST

static int run_open_or_create(void) {
  refusals_arm();
  return refusals_disarm(workq_open_or_create(name, &options, &handle));
}

static const struct scenario opening_or_creating = {"open_or_create", NULL, run_open_or_create, 1, finish_create};

START_TEST(open_or_create_one_that_is_not_there) {
  options.handles = 2;
  options.mode = 0620;
  ck_assert_uint_gt(refuse_each(&opening_or_creating), 20);
}
END_TEST

/* ---- Opening ---- */

static int run_open(void) {
  refusals_arm();
  return refusals_disarm(workq_open(name, &options, &handle));
}

static void finish_open(int rc) {
  if (rc == 0) {
    ck_assert_int_eq(workq_len(handle), 1);
    if (!(options.flags & WORKQ_RAW)) assert_usable(handle);
    ok(workq_close(handle));
  } else {
    ck_assert_ptr_null(handle);
  }
  handle = NULL;
  ck_assert_uint_eq(stats().attached, 1);
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_READY);
  assert_usable(q);
}

static const struct scenario opening = {"open", NULL, run_open, 0, finish_open};

START_TEST(open_one_that_is_there) {
  options.handles = 3;
  create();
  add("a");
  options.flags = _i ? WORKQ_RAW : 0;
  ck_assert_uint_gt(refuse_each(&opening), _i ? 10 : 20);
}
END_TEST

static const struct scenario opening_or_not_creating = {"open_or_create", NULL, run_open_or_create, 0, finish_open};

START_TEST(open_or_create_one_that_is_there) {
  options.handles = 3;
  create();
  add("a");
  ck_assert_uint_gt(refuse_each(&opening_or_not_creating), 20);
}
END_TEST

/* The slot that it takes is a dead worker's, whose key goes back. */
static void prepare_open_of_the_dead(void) {
  options.handles = 2;
  create();
  add("a");
  die_with("a");
}

static void finish_open_of_the_dead(int rc) {
  if (rc == 0) ok(workq_close(handle));
  handle = NULL;
  ck_assert_int_ge(workq_reap(q), 0);
  int state = state_of("a"); /* ready, where there was no memory for the delay */
  ck_assert(state == WORKQ_STATE_DELAYED || state == WORKQ_STATE_READY);
  ck_assert_uint_eq(stats().reaped, 1);
  ck_assert_uint_eq(stats().attached, 1);
  assert_usable(q);
  ok(workq_close(q));
  ok(workq_unlink(name));
  q = NULL;
}

static const struct scenario opening_of_the_dead = {"open", prepare_open_of_the_dead, run_open, 0,
                                                    finish_open_of_the_dead};

START_TEST(open_in_the_place_of_the_dead) {
  ck_assert_uint_gt(refuse_each(&opening_of_the_dead), 20);
}
END_TEST

/* Between the open and the look at what was opened: then there is no such queue. */
START_TEST(one_that_is_unlinked_while_it_is_opened) {
  char object[sizeof name + 16];
  snprintf(object, sizeof object, "/workq.%s", name);
  refusals_plan(UINT32_MAX, 0, REFUSE_ONCE);
  for (int or_create = 0; or_create < 2; or_create++) {
    workq *first;
    ok(workq_create(name, &options, &first));
    refusals->unlinked = object;
    ck_assert_int_eq(or_create ? run_open_or_create() : run_open(), or_create ? 1 : -ENOENT);
    ck_assert_ptr_null(refusals->unlinked);
    ok(workq_close(first));
  }
  ok(workq_close(handle));
  ok(workq_unlink(name));
  handle = NULL;
}
END_TEST

static int run_describe(void) {
  char line[256];
  refusals_arm();
  return refusals_disarm(workq_describe_mismatch(name, line, sizeof line));
}

static void finish_nothing(int rc) {
  (void)rc;
}

static const struct scenario describing = {"describe_mismatch", NULL, run_describe, 0, finish_nothing};

START_TEST(describe_mismatch) {
  create();
  ck_assert_uint_gt(refuse_each(&describing), 5);
}
END_TEST

/* ---- Closing and unlinking ---- */

static void prepare_close(void) {
  ok(workq_add(q, "a", 1));
  handle = open_again();
  take_by(handle, "a");
}

static int run_close(void) {
  refusals_arm();
  return refusals_disarm(workq_close(handle));
}

/* Whatever was refused: the key is not in the hands of one that is gone. */
static void finish_close(int rc) {
  ck_assert_int_eq(rc, 0);
  (void)workq_reap(q);
  workq_item item = take("a");
  ck_assert_int_eq(workq_complete(q, &item), 0);
  ck_assert_uint_eq(stats().attached, 1);
  assert_usable(q);
}

static const struct scenario closing = {"close", prepare_close, run_close, 0, finish_close};

START_TEST(close_with_a_key_in_hand) {
  create();
  ck_assert_uint_gt(refuse_each(&closing), 2);
}
END_TEST

static void prepare_unlink(void) {
  create();
}

static int run_unlink(void) {
  refusals_arm();
  return refusals_disarm(workq_unlink(name));
}

static void finish_unlink(int rc) {
  ck_assert_int_eq(access(engine_path(name), F_OK), rc == 0 ? -1 : 0);
  if (rc < 0) {
    assert_usable(q);
    ok(workq_unlink(name));
  }
  /* Also if its handles could not be told. */
  pass(S);
  ck_assert_int_eq(workq_add(q, "a", 1), -EIDRM);
  ok(workq_close(q));
  q = NULL;
}

static const struct scenario unlinking = {"unlink", prepare_unlink, run_unlink, 0, finish_unlink};

START_TEST(unlink_while_it_is_used) {
  ck_assert_uint_gt(refuse_each(&unlinking), 4);
}
END_TEST

/* ---- The list of queues ---- */

static bool listed;

static int find_own(void *arg, const char *found) {
  (void)arg;
  listed = listed || strcmp(found, name) == 0;
  return 0;
}

static int run_list(void) {
  listed = false;
  refusals_arm();
  return refusals_disarm(workq_list(find_own, NULL));
}

static void finish_list(int rc) {
  ck_assert(rc < 0 || listed);
  assert_usable(q);
}

static const struct scenario listing = {"list", NULL, run_list, 0, finish_list};

START_TEST(list_the_queues) {
  create();
  ck_assert_uint_gt(refuse_each(&listing), 2);
}
END_TEST

Suite *handles_suite(void) {
  Suite *suite = suite_create("handles");
  TCase *tcase = failures_case(suite, "each call of");
  tcase_add_loop_test(tcase, create_a_queue, 0, 2);
  tcase_add_test(tcase, open_or_create_one_that_is_not_there);
  tcase_add_loop_test(tcase, open_one_that_is_there, 0, 2);
  tcase_add_test(tcase, open_or_create_one_that_is_there);
  tcase_add_test(tcase, open_in_the_place_of_the_dead);
  tcase_add_test(tcase, one_that_is_unlinked_while_it_is_opened);
  tcase_add_test(tcase, describe_mismatch);
  tcase_add_test(tcase, close_with_a_key_in_hand);
  tcase_add_test(tcase, unlink_while_it_is_used);
  tcase_add_test(tcase, list_the_queues);
  return suite;
}
