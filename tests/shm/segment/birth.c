/*
 * How a segment comes to be: whole or not at all, once, and with the permissions that were asked for.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_segment.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

static mode_t mode_of_file(void) {
  struct stat file;
  ck_assert_int_eq(stat(engine_path(name), &file), 0);
  return file.st_mode & 07777;
}

/* ---- Mode ---- */

static const mode_t umasks[] = {0, 022, 077, 0777};

START_TEST(the_default_mode_is_0600_whatever_the_umask) {
  umask(umasks[_i]);
  create();
  ck_assert_uint_eq(mode_of_file(), 0600);
  ck_assert_uint_eq(stats().mode, 0600);
}
END_TEST

START_TEST(the_mode_asked_for_is_had_whatever_the_umask) {
  umask(umasks[_i]);
  const mode_t modes[] = {0400, 0600, 0660, 0606, 0666, 0620, 0777, 0766};
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    options.mode = modes[i];
    create();
    ck_assert_uint_eq(mode_of_file(), modes[i]);
    ck_assert_int_eq(add("a"), 1);
    ok(workq_close(q));
    ok(workq_unlink(name));
    q = NULL;
  }
}
END_TEST

/* Whoever reads could lock the bytes of the file, and so keep everyone out. */
static const mode_t read_only[] = {0640, 0644, 0604, 0664, 0646, 0444, 0404, 0440, 0642, 0624, 0755, 0654, 0744};
enum { READ_ONLY = sizeof read_only / sizeof *read_only };

START_TEST(a_mode_with_which_some_may_only_read_is_einval) {
  options.mode = read_only[_i];
  ck_assert_int_eq(workq_create(name, &options, &q), -EINVAL);
  ck_assert_int_eq(workq_open_or_create(name, &options, &q), -EINVAL);
  ck_assert_ptr_null(q);
  options.mode = 0;
  ck_assert_int_eq(workq_open(name, &options, &q), -ENOENT);
}
END_TEST

START_TEST(one_that_some_may_only_read_is_eperm_whatever_is_asked_for) {
  create_closed();
  ck_assert_int_eq(chmod(engine_path(name), read_only[_i]), 0);
  const uint32_t asked[] = {0, 0600, 0666, 0777};
  for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
    options.mode = asked[i];
    ck_assert_int_eq(try_open(), -EPERM);
    ck_assert_int_eq(try_open_with(WORKQ_RAW), -EPERM);
    ck_assert_int_eq(try_open_with(WORKQ_ANY_OWNER), -EPERM);
    ck_assert_int_eq(try_open_with(WORKQ_RAW | WORKQ_ANY_OWNER), -EPERM);
    ck_assert_int_eq(workq_open_or_create(name, &options, &q), -EPERM);
  }
  ck_assert_int_eq(chmod(engine_path(name), 0600), 0);
  options.mode = 0;
  assert_whole();
}
END_TEST

START_TEST(one_that_others_may_write_is_eperm_unless_asked_for) {
  const struct {
    mode_t file, asked;
    int rc;
  } cases[] = {{0600, 0, 0},         {0611, 0, 0},    {0660, 0, -EPERM},    {0620, 0, -EPERM}, {0602, 0, -EPERM},
               {0666, 0, -EPERM},    {0660, 0660, 0}, {0660, 0620, 0},      {0660, 0666, 0},   {0606, 0660, -EPERM},
               {0666, 0660, -EPERM}, {0666, 0666, 0}, {0622, 0602, -EPERM}, {0600, 0666, 0}};
  create_closed();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ck_assert_int_eq(chmod(engine_path(name), cases[i].file), 0);
    options.mode = cases[i].asked;
    ck_assert_msg(try_open() == cases[i].rc, "case %zu", i);
    ck_assert_msg(try_open_with(WORKQ_RAW) == cases[i].rc, "case %zu", i);
    ck_assert_msg(try_open_with(WORKQ_ANY_OWNER) == cases[i].rc, "case %zu", i);
  }
  options.mode = 0;
  ck_assert_int_eq(workq_open_or_create(name, &options, &q), 0);
  ok(workq_close(q));
  q = NULL;
  assert_whole();
}
END_TEST

/* ---- Once ---- */

enum { RACERS = 8 };

/* Starts the racers at one moment; each gives how often it ended with which result. */
static void race(int (*run)(int racer)) {
  pid_t children[RACERS];
  for (int i = 0; i < RACERS; i++) {
    children[i] = process_fork();
    if (children[i] > 0) continue;
    shared->steps[0]++;
    while (shared->steps[0] < RACERS) sched_yield();
    shared->steps[1 + run(i)]++;
    process_done();
  }
  for (int i = 0; i < RACERS; i++) process_join(children[i]);
}

/* 0: created, 1: it was there. */
static int race_to_create(int racer) {
  workq *own = NULL;
  (void)racer;
  int rc = workq_create(name, &options, &own);
  if (rc == -EEXIST) return 1;
  ck_assert_int_eq(rc, 0);
  ck_assert_int_eq(workq_add(own, "winner", 6), 1);
  ok(workq_close(own));
  return 0;
}

START_TEST(of_many_creators_at_a_time_one_wins) {
  for (unsigned i = 0; i < plain_scaled(50); i++) {
    memset(shared->steps, 0, sizeof shared->steps);
    race(race_to_create);
    ck_assert_int_eq(shared->steps[1], 1);
    ck_assert_int_eq(shared->steps[2], RACERS - 1);
    q = open_again();
    assert_ready("winner");
    assert_sound(q);
    ok(workq_close(q));
    ok(workq_unlink(name));
  }
  q = NULL;
}
END_TEST

/* 0: opened, 1: created. */
static int race_to_open_or_create(int racer) {
  workq *own = NULL;
  char key[2] = {(char)('a' + racer), '\0'};
  int rc = workq_open_or_create(name, &options, &own);
  ck_assert_msg(rc == 0 || rc == 1, "%d", rc);
  ck_assert_int_eq(workq_add(own, key, 1), 1);
  ok(workq_close(own));
  return rc;
}

START_TEST(of_many_in_open_or_create_one_creates_and_all_have_the_same_queue) {
  for (unsigned i = 0; i < plain_scaled(50); i++) {
    memset(shared->steps, 0, sizeof shared->steps);
    race(race_to_open_or_create);
    ck_assert_int_eq(shared->steps[1], RACERS - 1);
    ck_assert_int_eq(shared->steps[2], 1);
    q = open_again();
    ck_assert_int_eq(workq_len(q), RACERS);
    assert_sound(q);
    ok(workq_close(q));
    ok(workq_unlink(name));
  }
  q = NULL;
}
END_TEST

static int race_against_unlink(int racer) {
  for (unsigned i = 0; i < plain_scaled(200); i++) {
    workq *own = NULL;
    int rc = workq_open_or_create(name, &options, &own);
    ck_assert_msg(rc == 0 || rc == 1, "%d", rc);
    rc = workq_add(own, "a", 1);
    ck_assert_msg(rc >= 0 || rc == -EIDRM, "%d", rc); /* another may have unlinked it already */
    ok(workq_close(own));
    if (racer % 2) {
      rc = workq_unlink(name);
      ck_assert_msg(rc == 0 || rc == -ENOENT, "%d", rc);
    }
  }
  return 0;
}

START_TEST(open_or_create_succeeds_whatever_others_unlink) {
  race(race_against_unlink);
  workq_unlink(name);
}
END_TEST

/* ---- Whole or not at all ---- */

/*
 * Other programs, too, may be creating queues at this moment: those of this test are known by a size that no others
 * have.
 */
static off_t own_size;

static void choose_own_size(void) {
  options.capacity = 64u * (1u + (uint32_t)getpid() % 100000u);
  create();
  own_size = (off_t)stats().size;
  ok(workq_close(q));
  ok(workq_unlink(name));
  q = NULL;
}

/* Temporary files of creators that failed or were killed. */
static unsigned count_unborn(bool remove) {
  unsigned count = 0;
  DIR *shm = opendir("/dev/shm");
  ck_assert_ptr_nonnull(shm);
  for (struct dirent *entry; (entry = readdir(shm)) != NULL;) {
    struct stat file;
    if (strncmp(entry->d_name, "workq-unborn.", 13) != 0) continue;
    if (fstatat(dirfd(shm), entry->d_name, &file, AT_SYMLINK_NOFOLLOW) != 0) continue;
    /* A creator may be killed before its file has a size. */
    if (file.st_size != own_size && !(remove && file.st_size == 0)) continue;
    count++;
    if (remove) unlinkat(dirfd(shm), entry->d_name, 0);
  }
  closedir(shm);
  return count;
}

static int64_t real_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * S + now.tv_nsec;
}

/* Kills a creator after a random time.  Returns whether there is a segment, which then is a whole one. */
static bool kill_a_creator(uint64_t *random, int64_t longest_ns) {
  pid_t child = process_fork();
  if (child == 0) {
    workq *own;
    shared->steps[0] = 1;
    ok(workq_create(name, &options, &own));
    for (;;) pause();
  }
  await(&shared->steps[0], 1);
  shared->steps[0] = 0;
  int64_t end_ns = real_now_ns() + (int64_t)random_below(random, (uint64_t)longest_ns);
  while (real_now_ns() < end_ns) continue;
  process_kill(child);
  int rc = workq_open(name, &options, &q);
  if (rc == -ENOENT) return false;
  ck_assert_int_eq(rc, 0);
  ck_assert_uint_le(stats().reaped, 1);
  ck_assert_int_ge(workq_reap(q), 0);
  ck_assert_uint_eq(stats().attached, 1);
  ck_assert_int_eq(add("a"), 1);
  assert_ready("a");
  assert_sound(q);
  ok(workq_close(q));
  ok(workq_unlink(name));
  return true;
}

/* Half of the creators shall get to the end: the time given is adapted to that. */
static void kill_creators(unsigned kills) {
  uint64_t random = random_seed(NULL);
  int64_t longest_ns = MS;
  unsigned born = 0;
  for (unsigned i = 0; i < kills; i++) {
    if (kill_a_creator(&random, longest_ns)) {
      born++;
      longest_ns = longest_ns * 9 / 10 + 1;
    } else {
      longest_ns = longest_ns * 10 / 9 + 10;
    }
  }
  q = NULL;
  printf("creators killed: %u, after the birth: %u\n", kills, born);
}

START_TEST(a_killed_creator_leaves_a_whole_segment_or_none) {
  kill_creators(plain_scaled(300));
}
END_TEST

START_TEST(a_creator_that_fails_leaves_nothing) {
  choose_own_size();
  create();
  workq *second = NULL;
  for (int i = 0; i < 10; i++) ck_assert_int_eq(workq_create(name, &options, &second), -EEXIST);
  ck_assert_uint_eq(count_unborn(false), 0);
}
END_TEST

/* Beyond the limit there would be a signal, SIGXFSZ.  The limit concerns Check's own files, too: no assertion in between. */
START_TEST(a_file_size_limit_below_the_segments_size_is_efbig) {
  choose_own_size();
  const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
  for (int less = 0; less < 2; less++) {
    struct rlimit limit = {(rlim_t)(own_size - less), RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &limit);
    int rc = workq_create(name, &options, &q);
    setrlimit(RLIMIT_FSIZE, &unlimited);
    ck_assert_int_eq(rc, less ? -EFBIG : 0);
    ck_assert_uint_eq(count_unborn(false), 0);
    if (less) continue;
    ok(workq_close(q));
    ok(workq_unlink(name));
    q = NULL;
  }
}
END_TEST

/* ---- Where the file system has no files without names ---- */

/* From now on open(O_TMPFILE) gives EOPNOTSUPP in this process and its children.  False if that cannot be had. */
static bool forbid_nameless_files(void) {
  static struct sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_TMPFILE & ~O_DIRECTORY, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog filter = {.len = sizeof program / sizeof *program, .filter = program};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0) {
    int fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    ck_assert_int_eq(fd, -1);
    ck_assert_int_eq(errno, EOPNOTSUPP);
    return true;
  }
  printf("SKIPPED: a birth by a temporary name: seccomp is not permitted\n");
  return false;
}

START_TEST(by_a_temporary_name_mode_and_errors_are_the_same) {
  choose_own_size();
  if (!forbid_nameless_files()) return;
  umask(0777);
  options.mode = 0660;
  create();
  ck_assert_uint_eq(mode_of_file(), 0660);
  ck_assert_uint_eq(count_unborn(false), 0);
  workq *second = NULL;
  for (int i = 0; i < 10; i++) ck_assert_int_eq(workq_create(name, &options, &second), -EEXIST);
  ck_assert_ptr_null(second);
  ck_assert_uint_eq(count_unborn(false), 0);
  ck_assert_int_eq(add("a"), 1);
  pid_t child = process_fork();
  if (child == 0) {
    take("a");
    ok(workq_close(q));
    process_done();
  }
  process_join(child);
  assert_ready("a");
}
END_TEST

START_TEST(by_a_temporary_name_one_of_many_creators_wins) {
  choose_own_size();
  if (!forbid_nameless_files()) return;
  for (unsigned i = 0; i < plain_scaled(20); i++) {
    memset(shared->steps, 0, sizeof shared->steps);
    race(race_to_create);
    ck_assert_int_eq(shared->steps[1], 1);
    q = open_again();
    assert_ready("winner");
    ok(workq_close(q));
    ok(workq_unlink(name));
  }
  q = NULL;
  ck_assert_uint_eq(count_unborn(false), 0);
}
END_TEST

START_TEST(by_a_temporary_name_a_killed_creator_leaves_nothing_that_can_be_opened) {
  choose_own_size();
  if (!forbid_nameless_files()) return;
  kill_creators(plain_scaled(200));
  printf("left by them, under names that no call of the library opens: %u\n", count_unborn(true));
}
END_TEST

Suite *birth_suite(void) {
  Suite *suite = suite_create("birth");
  TCase *tcase = fixture_case(suite, "mode");
  tcase_add_loop_test(tcase, the_default_mode_is_0600_whatever_the_umask, 0, (int)(sizeof umasks / sizeof *umasks));
  tcase_add_loop_test(tcase, the_mode_asked_for_is_had_whatever_the_umask, 0, (int)(sizeof umasks / sizeof *umasks));
  tcase_add_loop_test(tcase, a_mode_with_which_some_may_only_read_is_einval, 0, READ_ONLY);
  tcase_add_loop_test(tcase, one_that_some_may_only_read_is_eperm_whatever_is_asked_for, 0, READ_ONLY);
  tcase_add_test(tcase, one_that_others_may_write_is_eperm_unless_asked_for);

  tcase = fixture_case(suite, "once");
  tcase_add_test(tcase, of_many_creators_at_a_time_one_wins);
  tcase_add_test(tcase, of_many_in_open_or_create_one_creates_and_all_have_the_same_queue);
  tcase_add_test(tcase, open_or_create_succeeds_whatever_others_unlink);

  tcase = fixture_case(suite, "whole");
  tcase_add_test(tcase, a_killed_creator_leaves_a_whole_segment_or_none);
  tcase_add_test(tcase, a_creator_that_fails_leaves_nothing);
  tcase_add_test(tcase, a_file_size_limit_below_the_segments_size_is_efbig);

  tcase = fixture_case(suite, "by a temporary name");
  tcase_add_test(tcase, by_a_temporary_name_mode_and_errors_are_the_same);
  tcase_add_test(tcase, by_a_temporary_name_one_of_many_creators_wins);
  tcase_add_test(tcase, by_a_temporary_name_a_killed_creator_leaves_nothing_that_can_be_opened);
  return suite;
}
