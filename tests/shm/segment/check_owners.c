/*
 * Queues of other users: who may open what.  This must start as root, for it gives files to others and becomes others.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/fixture.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>

/* Users that own nothing else. */
enum { NOBODY = 65534, STRANGER = 65533 };

static int try_open(uint32_t flags, uint32_t mode) {
  workq_options asked = options;
  workq *handle = NULL;
  asked.flags = flags;
  asked.mode = mode;
  int rc = workq_open(name, &asked, &handle);
  if (rc == 0) ck_assert_int_eq(workq_close(handle), 0);
  else ck_assert_ptr_null(handle);
  return rc;
}

/* A child that is the user from now on. */
static pid_t fork_as(uid_t user) {
  pid_t child = process_fork();
  if (child > 0) return child;
  ck_assert_int_eq(setgroups(0, NULL), 0);
  ck_assert_int_eq(setgid(user), 0);
  ck_assert_int_eq(setuid(user), 0);
  return child;
}

static void give(uid_t user, mode_t mode) {
  ck_assert_int_eq(chown(engine_path(name), user, user), 0);
  ck_assert_int_eq(chmod(engine_path(name), mode), 0);
}

START_TEST(one_that_belongs_to_another_is_eperm_unless_any_owner_will_do) {
  create();
  give(NOBODY, 0600);
  ck_assert_int_eq(try_open(0, 0), -EPERM);
  ck_assert_int_eq(try_open(0, 0666), -EPERM);
  ck_assert_int_eq(try_open(WORKQ_RAW, 0), -EPERM);
  ck_assert_int_eq(workq_open_or_create(name, &options, &(workq *){NULL}), -EPERM);
  ck_assert_int_eq(try_open(WORKQ_ANY_OWNER, 0), 0);
  ck_assert_int_eq(try_open(WORKQ_ANY_OWNER | WORKQ_RAW, 0), 0);
  char line[8];
  ck_assert_int_eq(workq_describe_mismatch(name, line, sizeof line), 0); /* only tells, uses nothing */
}
END_TEST

START_TEST(roots_queue_may_be_opened_by_whom_its_mode_lets) {
  create();
  const struct {
    mode_t file;
    uint32_t flags, asked;
    int rc;
  } cases[] = {{0600, 0, 0, -EACCES},         {0644, 0, 0, -EACCES}, /* to be opened is to be written */
               {0600, WORKQ_RAW, 0, -EACCES}, {0644, WORKQ_RAW, 0, -EPERM}, {0666, WORKQ_RAW, 0666, 0},
               {0666, WORKQ_RAW, 0, -EPERM},  {0666, 0, 0, -EPERM},         {0666, 0, 0666, 0},
               {0660, 0, 0660, -EACCES}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    give(0, cases[i].file);
    pid_t child = fork_as(NOBODY);
    if (child == 0) {
      int rc = try_open(cases[i].flags, cases[i].asked);
      ck_assert_msg(rc == cases[i].rc, "case %zu: %d", i, rc);
      process_done();
    }
    process_join(child);
  }
}
END_TEST

START_TEST(a_strangers_queue_is_eperm_even_where_its_mode_lets) {
  create();
  give(STRANGER, 0666);
  pid_t child = fork_as(NOBODY);
  if (child == 0) {
    workq *own = NULL;
    options.mode = 0666;
    ck_assert_int_eq(workq_open_or_create(name, &options, &own), -EPERM); /* one that was laid there to be found */
    ck_assert_int_eq(workq_create(name, &options, &own), -EEXIST);
    ck_assert_ptr_null(own);
    ck_assert_int_eq(try_open(0, 0666), -EPERM);
    ck_assert_int_eq(try_open(WORKQ_RAW, 0666), -EPERM);
    ck_assert_int_eq(try_open(WORKQ_ANY_OWNER, 0666), 0);
    ck_assert_int_eq(try_open(WORKQ_ANY_OWNER, 0), -EPERM); /* others may write */
    process_done();
  }
  process_join(child);
}
END_TEST

/* What a mode like 0644 would let anybody do: the lock of a reader keeps each newcomer from every slot. */
START_TEST(whoever_may_only_read_can_lock_everyone_out) {
  create();
  ok(workq_close(q));
  q = NULL;
  give(0, 0644);
  pid_t child = fork_as(NOBODY);
  if (child == 0) {
    struct flock all = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    int fd = open(engine_path(name), O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &all), 0);
    shared->steps[0] = 1;
    for (;;) pause();
  }
  await(&shared->steps[0], 1);
  ck_assert_int_eq(try_open(0, 0), -EPERM); /* so the mode is refused */
  ck_assert_int_eq(chmod(engine_path(name), 0600), 0);
  ck_assert_int_eq(try_open(0, 0), -EUSERS); /* that is why */
  process_kill(child);
  ck_assert_int_eq(try_open(0, 0), 0);
}
END_TEST

/* In a program that is set-user-id: it acts for its owner, and not for whoever called it. */
START_TEST(whose_a_queue_is_goes_by_the_effective_user) {
  create();
  give(STRANGER, 0666);
  options.mode = 0666;
  const struct {
    uid_t real, effective;
    int rc;
  } cases[] = {{STRANGER, NOBODY, -EPERM}, {NOBODY, STRANGER, 0}, {0, NOBODY, -EPERM}, {STRANGER, 0, -EPERM}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    pid_t child = process_fork();
    if (child == 0) {
      ck_assert_int_eq(setresuid(cases[i].real, cases[i].effective, 0), 0);
      ck_assert_msg(try_open(WORKQ_RAW, 0666) == cases[i].rc, "case %zu", i);
      process_done();
    }
    process_join(child);
  }
}
END_TEST

START_TEST(users_of_a_group_can_share_a_queue) {
  options.mode = 0660;
  create();
  give(0, 0660);
  ck_assert_int_eq(chown(engine_path(name), 0, STRANGER), 0);
  add("a");
  pid_t child = process_fork();
  if (child == 0) {
    ck_assert_int_eq(setgroups(0, NULL), 0);
    ck_assert_int_eq(setgid(STRANGER), 0);
    ck_assert_int_eq(setuid(NOBODY), 0);
    workq *own = open_again();
    take_by(own, "a");
    shared->steps[0] = 1;
    for (;;) pause();
  }
  await(&shared->steps[0], 1);
  process_kill(child);
  ck_assert_int_eq(workq_reap(q), 1); /* also over the border between users */
  ck_assert_int_eq(state_of("a"), WORKQ_STATE_DELAYED);
}
END_TEST

/* ---- Those who need no option ---- */

/* A group of which nobody is a member but by setgroups(). */
enum { TEAM = 65532 };

/* A child that is the user, in the user's own group and in these. */
static pid_t fork_member(uid_t user, size_t count, const gid_t *groups) {
  pid_t child = process_fork();
  if (child > 0) return child;
  ck_assert_int_eq(setgroups(count, groups), 0);
  ck_assert_int_eq(setgid(user), 0);
  ck_assert_int_eq(setuid(user), 0);
  return child;
}

/* What such a child gets that opens the queue without options. */
static void assert_open_by(uid_t user, size_t count, const gid_t *groups, int expected) {
  pid_t child = fork_member(user, count, groups);
  if (child == 0) {
    options = (workq_options){0};
    int rc = try_open(0, 0), raw = try_open(WORKQ_RAW, 0);
    ck_assert_msg(rc == expected, "user %u: %d, not %d", user, rc, expected);
    ck_assert_msg(raw == expected, "user %u, raw: %d, not %d", user, raw, expected);
    process_done();
  }
  process_join(child);
}

START_TEST(an_owner_needs_no_option_for_the_mode_that_the_queue_was_made_with) {
  options.mode = (const uint32_t[]){0660, 0666, 0606, 0620}[_i];
  create();
  give(NOBODY, (mode_t)options.mode);
  assert_open_by(NOBODY, 0, NULL, 0);
  give(NOBODY, 0622); /* somebody has changed it */
  assert_open_by(NOBODY, 0, NULL, -EPERM);
}
END_TEST

START_TEST(a_member_of_its_group_needs_no_option) {
  static const gid_t team[] = {1, 2, TEAM}, others[] = {1, 2};
  options.group = TEAM;
  create(); /* root's, 0660 */
  struct stat file;
  ck_assert_int_eq(stat(engine_path(name), &file), 0);
  ck_assert_uint_eq(file.st_gid, TEAM);
  ck_assert_uint_eq(file.st_mode & 0777, 0660);
  ck_assert_uint_eq(stats().mode, 0660);
  assert_open_by(NOBODY, 3, team, 0);
  assert_open_by(STRANGER, 3, team, 0);
  assert_open_by(NOBODY, 2, others, -EACCES);

  /* Nor where another member owns it. */
  ck_assert_int_eq(chown(engine_path(name), STRANGER, TEAM), 0);
  assert_open_by(STRANGER, 0, NULL, 0);
  assert_open_by(NOBODY, 3, team, 0);
  assert_open_by(TEAM, 0, NULL, 0); /* by the effective group */

  /* Not as it was made: writable for more or fewer. */
  ck_assert_int_eq(chmod(engine_path(name), 0666), 0);
  assert_open_by(NOBODY, 3, team, -EPERM);
  assert_open_by(NOBODY, 2, others, -EPERM);
  ck_assert_int_eq(chmod(engine_path(name), 0600), 0);
  assert_open_by(NOBODY, 3, team, -EACCES);
}
END_TEST

/* Everybody may write: then membership says nothing. */
START_TEST(a_queue_that_all_may_write_is_not_its_groups) {
  static const gid_t team[] = {TEAM};
  options.group = TEAM;
  options.mode = 0666;
  create();
  ck_assert_int_eq(chown(engine_path(name), STRANGER, TEAM), 0);
  assert_open_by(NOBODY, 1, team, -EPERM);
  assert_open_by(STRANGER, 0, NULL, 0);
}
END_TEST

/* One that was private when it was made, and to which somebody has given a group. */
START_TEST(a_queue_that_was_made_private_is_not_its_groups) {
  static const gid_t team[] = {TEAM};
  create();
  ck_assert_int_eq(chown(engine_path(name), STRANGER, TEAM), 0);
  ck_assert_int_eq(chmod(engine_path(name), 0660), 0);
  assert_open_by(NOBODY, 1, team, -EPERM);
  assert_open_by(STRANGER, 0, NULL, -EPERM);
}
END_TEST

START_TEST(a_member_of_many_groups_is_found) {
  static gid_t many[300];
  for (size_t i = 0; i < 299; i++) many[i] = (gid_t)(1000 + i);
  many[299] = TEAM;
  options.group = TEAM;
  create();
  assert_open_by(NOBODY, 300, many, 0);
}
END_TEST

START_TEST(one_cannot_give_a_queue_to_a_group_of_others) {
  static const gid_t team[] = {TEAM};
  options = (workq_options){.group = TEAM};
  for (size_t member = 0; member <= 1; member++) {
    pid_t child = fork_member(NOBODY, member, team);
    if (child == 0) {
      ck_assert_int_eq(workq_create(name, &options, &q), member ? 0 : -EPERM);
      if (member) ok(workq_close(q));
      if (!member) ck_assert_int_eq(access(engine_path(name), F_OK), -1);
      process_done();
    }
    process_join(child);
  }
  assert_open_by(STRANGER, 1, team, 0);
  ok(workq_unlink(name));
}
END_TEST

START_TEST(one_cannot_unlink_anothers_queue) {
  create();
  struct stat shm;
  ck_assert_int_eq(stat("/dev/shm", &shm), 0);
  ck_assert(shm.st_mode & S_ISVTX);
  pid_t child = fork_as(NOBODY);
  if (child == 0) {
    ck_assert_int_eq(workq_unlink(name), -EACCES);
    process_done();
  }
  process_join(child);
  ck_assert_int_eq(add("a"), 1);
}
END_TEST

START_TEST(a_name_that_another_has_taken_is_taken) {
  create();
  give(STRANGER, 0600);
  pid_t child = fork_as(NOBODY);
  if (child == 0) {
    workq *own = NULL;
    ck_assert_int_eq(workq_create(name, &options, &own), -EEXIST);
    ck_assert_int_eq(workq_open_or_create(name, &options, &own), -EACCES);
    ck_assert_ptr_null(own);
    process_done();
  }
  process_join(child);
}
END_TEST

START_TEST(a_child_that_becomes_another_user_cannot_attach) {
  create();
  add("a");
  workq_item item = take("a");
  pid_t child = fork_as(NOBODY);
  if (child == 0) {
    ck_assert_int_eq(workq_add(q, "b", 1), -EACCES);
    ck_assert_int_eq(workq_len(q), -EACCES);
    ok(workq_close(q));
    process_done();
  }
  process_join(child);
  ck_assert_uint_eq(stats().attached, 1);
  ck_assert_int_eq(workq_done(q, &item), 0);
}
END_TEST

static Suite *owner_suite(void) {
  Suite *suite = suite_create("owners");
  TCase *tcase = fixture_case(suite, "owners");
  tcase_add_test(tcase, one_that_belongs_to_another_is_eperm_unless_any_owner_will_do);
  tcase_add_test(tcase, roots_queue_may_be_opened_by_whom_its_mode_lets);
  tcase_add_test(tcase, a_strangers_queue_is_eperm_even_where_its_mode_lets);
  tcase_add_test(tcase, whoever_may_only_read_can_lock_everyone_out);
  tcase_add_test(tcase, whose_a_queue_is_goes_by_the_effective_user);
  tcase_add_test(tcase, users_of_a_group_can_share_a_queue);
  tcase_add_loop_test(tcase, an_owner_needs_no_option_for_the_mode_that_the_queue_was_made_with, 0, 4);
  tcase_add_test(tcase, a_member_of_its_group_needs_no_option);
  tcase_add_test(tcase, a_queue_that_all_may_write_is_not_its_groups);
  tcase_add_test(tcase, a_queue_that_was_made_private_is_not_its_groups);
  tcase_add_test(tcase, a_member_of_many_groups_is_found);
  tcase_add_test(tcase, one_cannot_give_a_queue_to_a_group_of_others);
  tcase_add_test(tcase, one_cannot_unlink_anothers_queue);
  tcase_add_test(tcase, a_name_that_another_has_taken_is_taken);
  tcase_add_test(tcase, a_child_that_becomes_another_user_cannot_attach);
  return suite;
}

int main(void) {
  static suite_maker *const suites[] = {owner_suite};
  if (geteuid() != 0) {
    printf("SKIPPED: only root can become other users\n");
    return 77;
  }
  return fixture_run("check-owners", suites, 1);
}
