/*
 * The public API: looking at the queue: states, peek, iteration, counters, dump, check.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_api.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* One key in each state: ready, taken, again, later (processing and delayed), late, dead, idle.  Returns the number. */
static unsigned add_one_in_each_state(void) {
  add("dead");
  bury("dead");
  add("idle");
  add_rate_limited("idle");
  finish("idle");
  add("taken");
  take("taken");
  add("again");
  take("again");
  add_priority("again", 4);
  add_priority("later", 2);
  take("later");
  add_after("later", 3 * S);
  add_after("late", 7 * S);
  add_priority("ready", -1);
  return 7;
}

static const struct {
  const char *key;
  int state;
  int priority;
  int64_t due_in_ns;
  uint32_t failures;
  bool in_hand;
} states[] = {{"ready", WORKQ_STATE_READY, -1, -1, 0, false},    {"taken", WORKQ_STATE_PROCESSING, 0, -1, 0, true},
              {"again", WORKQ_STATE_DIRTY, 4, -1, 0, true},      {"later", WORKQ_STATE_PROCESSING, 0, 3 * S, 0, true},
              {"late", WORKQ_STATE_DELAYED, 0, 7 * S, 0, false}, {"dead", WORKQ_STATE_BURIED, 0, -1, 0, false},
              {"idle", WORKQ_STATE_IDLE, 0, -1, 1, false}};
enum { STATES = sizeof states / sizeof *states };

static void assert_info(const workq_info *info) {
  for (int i = 0; i < STATES; i++) {
    if (!is_key(info->key, info->key_len, states[i].key)) continue;
    ck_assert_msg(info->state == states[i].state, "%s", states[i].key);
    ck_assert_msg(info->priority == states[i].priority, "%s: priority %d", states[i].key, info->priority);
    ck_assert_msg(info->due_in_ns == states[i].due_in_ns, "%s", states[i].key);
    ck_assert_msg(info->failures == states[i].failures, "%s", states[i].key);
    ck_assert_uint_eq(info->crashes, 0);
    ck_assert_int_eq(info->pid, states[i].in_hand ? getpid() : 0);
    ck_assert_int_eq(info->tid, states[i].in_hand ? (int)syscall(SYS_gettid) : 0);
    return;
  }
  ck_abort_msg("an unknown key: %.*s", (int)info->key_len, (const char *)info->key);
}

/* ---- Keys ---- */

START_TEST(state_tells_all_of_a_key) {
  create();
  add_one_in_each_state();
  for (int i = 0; i < STATES; i++) {
    workq_info info;
    ck_assert_int_eq(workq_state(q, states[i].key, strlen(states[i].key), &info), states[i].state);
    assert_info(&info);
    ck_assert_int_eq(workq_state(q, states[i].key, strlen(states[i].key), NULL), states[i].state);
  }
  ck_assert_int_eq(workq_state(q, "unknown", 7, NULL), -ENOENT);
}
END_TEST

START_TEST(state_gives_a_copy_of_the_key) {
  options.capacity = 1;
  create();
  add("a");
  workq_info info = info_of("a");
  finish("a");
  add("b"); /* into the same record */
  info = info_of("b");
  workq *other = open_again();
  ok(workq_remove(other, "b", 1));
  ok(workq_add(other, "c", 1));
  ck_assert(is_key(info.key, info.key_len, "b"));
  ok(workq_close(other));
}
END_TEST

START_TEST(states_have_names) {
  static const char *const names[] = {"ready", "processing", "dirty", "delayed", "buried", "idle"};
  for (int i = 0; i < 6; i++) ck_assert_str_eq(workq_state_name(WORKQ_STATE_READY + i), names[i]);
  ck_assert_str_eq(workq_state_name(0), "unknown");
  ck_assert_str_eq(workq_state_name(7), "unknown");
  ck_assert_str_eq(workq_state_name(-ENOENT), "unknown");
}
END_TEST

START_TEST(peek_shows_what_the_next_get_would_take) {
  create();
  workq_info info;
  ck_assert_int_eq(workq_peek(q, &info), 0);
  add("low");
  add_priority("high", 9);
  for (int i = 0; i < 2; i++) { /* it takes nothing */
    ck_assert_int_eq(workq_peek(q, &info), 1);
    ck_assert(is_key(info.key, info.key_len, "high"));
    ck_assert_int_eq(info.priority, 9);
    ck_assert_int_eq(info.state, WORKQ_STATE_READY);
  }
  ck_assert_int_eq(workq_peek(q, NULL), 1);
  ok(workq_pause(q));
  ck_assert_int_eq(workq_peek(q, &info), 0);
  ok(workq_unpause(q));
  finish("high");
  finish("low");
  ck_assert_int_eq(workq_peek(q, &info), 0);
  add_after("late", S);
  ck_assert_int_eq(workq_peek(q, &info), 0);
  pass(S);
  ck_assert_int_eq(workq_peek(q, &info), 1);
}
END_TEST

START_TEST(len_is_the_number_of_ready_keys) {
  create();
  ck_assert_int_eq(workq_len(q), 0);
  add_one_in_each_state();
  ck_assert_int_eq(workq_len(q), 1);
  add("another");
  ck_assert_int_eq(workq_len(q), 2);
}
END_TEST

/* ---- Iteration ---- */

static int visit_states(void *arg, const workq_info *info) {
  assert_info(info);
  ++*(unsigned *)arg;
  return 0;
}

START_TEST(iterate_visits_every_key) {
  create();
  unsigned visited = 0;
  ck_assert_int_eq(workq_iterate(q, visit_states, &visited), 0);
  ck_assert_uint_eq(visited, 0);
  unsigned keys = add_one_in_each_state();
  ck_assert_int_eq(workq_iterate(q, visit_states, &visited), 0);
  ck_assert_uint_eq(visited, keys);
}
END_TEST

static int stop_at_third(void *arg, const workq_info *info) {
  (void)info;
  return ++*(int *)arg == 3 ? -77 : 0;
}

START_TEST(iterate_stops_where_visit_says_so) {
  create();
  add_one_in_each_state();
  int visited = 0;
  ck_assert_int_eq(workq_iterate(q, stop_at_third, &visited), -77);
  ck_assert_int_eq(visited, 3);
}
END_TEST

enum { MANY = 3000 };
static unsigned char seen[MANY];

/* Also shows that the lock is not held: another handle works meanwhile. */
static int see_and_churn(void *arg, const workq_info *info) {
  workq *other = arg;
  char text[16] = "";
  memcpy(text, info->key, info->key_len < 15 ? info->key_len : 15);
  if (text[0] == 'k') seen[atoi(text + 1)] = 1;
  snprintf(text, sizeof text, "x%d", rand() % 1000);
  ok(workq_add(other, text, strlen(text)));
  ok(workq_remove(other, text, strlen(text)));
  return 0;
}

START_TEST(iterate_sees_a_key_that_stays_whatever_others_do) {
  create();
  char key[16];
  for (int i = 0; i < MANY; i++) {
    snprintf(key, sizeof key, "k%d", i);
    add(key);
  }
  workq *other = open_again();
  ck_assert_int_eq(workq_iterate(q, see_and_churn, other), 0);
  for (int i = 0; i < MANY; i++) ck_assert_msg(seen[i], "key %d was not seen", i);
  ok(workq_close(other));
}
END_TEST

struct workers {
  workq_worker list[8];
  int count;
};

static int note_worker(void *arg, const workq_worker *worker) {
  struct workers *workers = arg;
  ck_assert_int_lt(workers->count, 8);
  workers->list[workers->count++] = *worker;
  return 0;
}

static int stop_at_first(void *arg, const workq_worker *worker) {
  (void)worker;
  ++*(int *)arg;
  return 5;
}

START_TEST(iterate_workers_visits_every_handle_by_slot) {
  prctl(PR_SET_NAME, "check-look");
  create();
  add("a");
  add("b");
  pid_t child = fork_worker_with("a");
  pass(3 * S);
  struct workers workers = {.count = 0};
  ck_assert_int_eq(workq_iterate_workers(q, note_worker, &workers), 0);
  ck_assert_int_eq(workers.count, 2);
  const workq_worker *mine = &workers.list[0], *childs = &workers.list[1];
  ck_assert_uint_lt(mine->slot, childs->slot);
  ck_assert_int_eq(mine->pid, getpid());
  ck_assert_int_eq(mine->tid, (int)syscall(SYS_gettid));
  ck_assert_uint_eq(mine->self, 1);
  ck_assert_str_eq(mine->command, "check-look");
  ck_assert_int_eq(mine->age_ns, 3 * S);
  ck_assert_uint_eq(mine->adds, 2);
  ck_assert_uint_eq(mine->processing, 0);
  ck_assert_int_eq(childs->pid, child);
  ck_assert_uint_eq(childs->self, 0);
  ck_assert_uint_eq(childs->gets, 1);
  ck_assert_uint_eq(childs->processing, 1);
  ck_assert_uint_eq(childs->waiting, 0);
  int visited = 0;
  ck_assert_int_eq(workq_iterate_workers(q, stop_at_first, &visited), 5);
  ck_assert_int_eq(visited, 1);
  process_kill(child);
  ck_assert_int_eq(workq_reap(q), 1);
}
END_TEST

/* ---- Numbers ---- */

START_TEST(stats_tell_how_the_queue_was_made) {
  options.capacity = 77;
  options.key_max = 33;
  options.handles = 5;
  options.mode = 0660;
  options.max_retries = 9;
  options.max_crashes = 4;
  options.give_up = WORKQ_DROP;
  options.reap_interval_ns = 3 * S;
  create();
  workq_stats_data data = stats();
  ck_assert_str_eq(data.name, name);
  ck_assert_uint_eq(data.capacity, 77);
  ck_assert_uint_eq(data.key_max, 33);
  ck_assert_uint_eq(data.handles, 5);
  ck_assert_uint_eq(data.mode, 0660);
  ck_assert_int_eq(data.max_retries, 9);
  ck_assert_int_eq(data.max_crashes, 4);
  ck_assert_uint_eq(data.give_up, WORKQ_DROP);
  ck_assert_int_eq(data.reap_interval_ns, 3 * S);
}
END_TEST

START_TEST(stats_tell_the_size_of_the_file) {
  create();
  workq_stats_data data = stats();
  struct stat file;
  ck_assert_int_eq(stat(engine_path(name), &file), 0);
  ck_assert_uint_eq(data.size, (uint64_t)file.st_size);
  ck_assert_uint_eq(data.committed, (uint64_t)file.st_blocks * 512);
}
END_TEST

START_TEST(the_defaults_are_those_of_the_header) {
  ok(workq_create(name, NULL, &q));
  workq_stats_data data = stats();
  ck_assert_uint_eq(data.capacity, 1048576);
  ck_assert_uint_eq(data.key_max, 256);
  ck_assert_uint_eq(data.handles, 128);
  ck_assert_uint_eq(data.mode, 0600);
  ck_assert_int_eq(data.max_retries, 0);
  ck_assert_int_eq(data.max_crashes, 5);
  ck_assert_uint_eq(data.give_up, WORKQ_BURY);
  ck_assert_int_eq(data.reap_interval_ns, 100 * MS);
  ck_assert_int_eq(data.next_due_in_ns, -1);
  ck_assert_int_eq(add("a"), 1);
  assert_ready("a");
}
END_TEST

START_TEST(stats_count_the_keys_by_state) {
  create();
  unsigned keys = add_one_in_each_state();
  workq_stats_data data = stats();
  ck_assert_uint_eq(data.ready, 1);
  ck_assert_uint_eq(data.processing, 3);
  ck_assert_uint_eq(data.delayed, 2);
  ck_assert_uint_eq(data.buried, 1);
  ck_assert_uint_eq(data.idle, 1);
  ck_assert_uint_eq(data.keys, keys);
  ck_assert_int_eq(data.next_due_in_ns, 3 * S);
  ck_assert_uint_eq(data.attached, 1);
  ck_assert_uint_eq(data.waiting, 0);
}
END_TEST

/* Each counter, as one step after another changes it. */
START_TEST(stats_count_what_happened) {
  options.max_retries = 1;
  options.capacity = 3;
  create();
  add("a");
  add("a");
  add_after("b", S);
  add_rate_limited("b");
  workq_stats_data data = stats();
  ck_assert_uint_eq(data.adds, 3); /* the third brought b forward */
  ck_assert_uint_eq(data.coalesced, 1);
  ck_assert_uint_eq(data.retries, 1);
  retry("a");
  pass(S);
  finish("b");
  workq_item item = take("a");
  ck_assert_int_eq(workq_retry(q, &item), 0);
  data = stats();
  ck_assert_uint_eq(data.gets, 3);
  ck_assert_uint_eq(data.dones, 3);
  ck_assert_uint_eq(data.retries, 2);
  ck_assert_uint_eq(data.gave_up, 1);
  add("c");
  add("d"); /* b was idle and had to go */
  data = stats();
  ck_assert_uint_eq(data.evictions, 1);
  ck_assert_uint_eq(data.adds, 5);
  die_with("c");
  ck_assert_int_eq(workq_reap(q), 1);
  data = stats();
  ck_assert_uint_eq(data.crashes, 1);
  ck_assert_uint_eq(data.crash_buried, 0);
  ck_assert_uint_eq(data.reaped, 1);
  ck_assert_uint_eq(data.recoveries, 0);
  ck_assert_uint_eq(data.lock_losses, 0);
  ck_assert_uint_eq(data.gets, 4); /* the dead one's with them */
}
END_TEST

START_TEST(the_counters_of_closed_handles_stay) {
  create();
  workq *other = open_again();
  ok(workq_add(other, "a", 1));
  ok(workq_add(other, "a", 1));
  workq_item item = take_by(other, "a");
  ok(workq_retry(other, &item));
  ok(workq_close(other));
  workq_stats_data data = stats();
  ck_assert_uint_eq(data.adds, 1);
  ck_assert_uint_eq(data.coalesced, 1);
  ck_assert_uint_eq(data.gets, 1);
  ck_assert_uint_eq(data.dones, 1);
  ck_assert_uint_eq(data.retries, 1);
}
END_TEST

/* ---- Dump and check ---- */

START_TEST(dump_shows_keys_unambiguously) {
  create();
  ok(workq_add(q, "nul\0nl\nbs\\\x7f\xff", 12));
  ok(workq_add(q, "nul\\x00nl", 9));
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  ck_assert_ptr_nonnull(out);
  ck_assert_int_eq(workq_dump(q, out), 0);
  fclose(out);
  ck_assert_ptr_nonnull(strstr(text, "key nul\\x00nl\\nbs\\\\\\x7f\\xff\n"));
  ck_assert_ptr_nonnull(strstr(text, "key nul\\\\x00nl\n"));
  ck_assert_ptr_nonnull(strstr(text, name));
  free(text);
}
END_TEST

static const workq_limiter limiters[] = {
    {.kinds = WORKQ_LIMIT_NONE},
    {.kinds = WORKQ_LIMIT_EXPONENTIAL, .exp_initial_ns = S, .exp_max_ns = 2 * S},
    {.kinds = WORKQ_LIMIT_FAST_SLOW, .fast_attempts = 3, .fast_ns = MS, .slow_ns = S},
    {.kinds = WORKQ_LIMIT_BUCKET, .bucket_rate = 2.5, .bucket_burst = 77, .max_wait_ns = S}};
static const char *const limiter_words[] = {"none, ", "exponential from 1s to 2s by 2, ",
                                            "3 times 0.001s and then 1s, ",
                                            "2.5 a second with a burst of 77, at most 1s, "};

START_TEST(dump_shows_the_limiter) {
  options.limiter = limiters[_i];
  create();
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  ck_assert_ptr_nonnull(out);
  ck_assert_int_eq(workq_dump(q, out), 0);
  fclose(out);
  ck_assert_ptr_nonnull(strstr(text, limiter_words[_i]));
  free(text);
}
END_TEST

/* Keys and names may be longer; all else is wrapped. */
START_TEST(dump_fits_eighty_columns) {
  options.limiter = (workq_limiter){.kinds = WORKQ_LIMIT_EXPONENTIAL | WORKQ_LIMIT_FAST_SLOW | WORKQ_LIMIT_BUCKET,
                                    .exp_initial_ns = 123456789 * MS,
                                    .exp_max_ns = 987654321 * MS,
                                    .exp_factor = 1.23456,
                                    .fast_attempts = 1234567,
                                    .fast_ns = 1234567 * MS,
                                    .slow_ns = 7654321 * MS,
                                    .bucket_rate = 123456.7,
                                    .bucket_burst = 1234567,
                                    .max_wait_ns = 1234567 * S};
  create();
  char key[63];
  memset(key, 'k', sizeof key);
  ok(workq_add(q, key, sizeof key));
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  ck_assert_ptr_nonnull(out);
  ck_assert_int_eq(workq_dump(q, out), 0);
  fclose(out);
  for (const char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
    ck_assert_msg(end - line < 80 || strncmp(line, "queue ", 6) == 0, "%.*s", (int)(end - line), line);
  ck_assert_ptr_nonnull(strstr(text, "0 workers reaped"));
  ck_assert_ptr_nonnull(strstr(text, "1 add, 0 coalesced"));
  free(text);
}
END_TEST

START_TEST(dump_into_a_full_device_is_eio) {
  create();
  add("a");
  FILE *full = fopen("/dev/full", "w");
  ck_assert_ptr_nonnull(full);
  ck_assert_int_eq(workq_dump(q, full), -EIO);
  fclose(full);
}
END_TEST

START_TEST(check_finds_nothing_in_a_sound_segment) {
  create();
  ck_assert_int_eq(workq_check(q, NULL, NULL), 0);
  add_one_in_each_state();
  ck_assert_int_eq(workq_check(q, NULL, NULL), 0);
}
END_TEST

Suite *look_suite(void) {
  Suite *suite = suite_create("looking");
  TCase *tcase = fixture_case(suite, "one key");
  tcase_add_test(tcase, state_tells_all_of_a_key);
  tcase_add_test(tcase, state_gives_a_copy_of_the_key);
  tcase_add_test(tcase, states_have_names);
  tcase_add_test(tcase, peek_shows_what_the_next_get_would_take);
  tcase_add_test(tcase, len_is_the_number_of_ready_keys);

  tcase = fixture_case(suite, "iteration");
  tcase_add_test(tcase, iterate_visits_every_key);
  tcase_add_test(tcase, iterate_stops_where_visit_says_so);
  tcase_add_test(tcase, iterate_sees_a_key_that_stays_whatever_others_do);
  tcase_add_test(tcase, iterate_workers_visits_every_handle_by_slot);

  tcase = fixture_case(suite, "numbers");
  tcase_add_test(tcase, stats_tell_how_the_queue_was_made);
  tcase_add_test(tcase, the_defaults_are_those_of_the_header);
  tcase_add_test(tcase, stats_count_the_keys_by_state);
  tcase_add_test(tcase, stats_count_what_happened);
  tcase_add_test(tcase, the_counters_of_closed_handles_stay);

  tcase = fixture_case_with(suite, "numbers of the file", ENGINE_FILE);
  tcase_add_test(tcase, stats_tell_the_size_of_the_file);

  tcase = fixture_case(suite, "dump and check");
  tcase_add_test(tcase, dump_shows_keys_unambiguously);
  tcase_add_loop_test(tcase, dump_shows_the_limiter, 0, 4);
  tcase_add_test(tcase, dump_fits_eighty_columns);
  tcase_add_test(tcase, dump_into_a_full_device_is_eio);
  tcase_add_test(tcase, check_finds_nothing_in_a_sound_segment);
  return suite;
}
