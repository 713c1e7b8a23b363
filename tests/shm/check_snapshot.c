/*
 * A copy of a queue at one moment, its keys in order, and bringing keys back into the state that was saved of them.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "shm/handle.h"

#include "support/fixture.h"
#include "support/in_lock.h"

/* ---- Words for what a copy shows ---- */

enum { LINE = 128 };

/* "key:state:priority:failures:crashes:due" of each key, parted by spaces. */
struct text {
  char words[64 * LINE];
  size_t len;
};

static int visit_words(void *arg, const workq_info *info) {
  struct text *text = arg;
  text->len +=
      (size_t)snprintf(text->words + text->len, LINE, "%s%.*s:%s:%d:%u:%u:%d", text->len ? " " : "", (int)info->key_len,
                       (const char *)info->key, workq_state_name(info->state), info->priority, info->failures,
                       info->crashes, info->due_in_ns < 0 ? -1 : (int)(info->due_in_ns / S));
  return 0;
}

static struct text words_of(workq *copy) {
  struct text text = {.words = ""};
  ok(workq_iterate_order(copy, visit_words, &text));
  return text;
}

static workq *copy_of(workq *handle) {
  workq *copy = NULL;
  ck_assert_int_eq(workq_snapshot(handle, &copy), 0);
  ck_assert_ptr_nonnull(copy);
  return copy;
}

static void assert_words(workq *handle, const char *expected) {
  workq *copy = copy_of(handle);
  struct text text = words_of(copy);
  ck_assert_str_eq(text.words, expected);
  ck_assert_int_eq(workq_close(copy), 0);
}

/* A key in each state, some of them several. */
static void add_some_in_each_state(void) {
  add("buried1");
  bury("buried1");
  add("buried2");
  bury("buried2");
  add("idle1");
  retry("idle1");
  pass(10 * S);
  finish("idle1");
  add("taken");
  take("taken");
  add("again");
  take("again");
  add("again");
  add("late");
  take("late");
  add_after("late", 5 * S);
  add_after("z3", 3 * S);
  add_after("a9", 9 * S);
  add_after("a3", 3 * S);
  add("first");
  add("second");
  add_priority("high", 7);
  add_priority("low", -7);
}

#define EACH_STATE                                                                                                     \
  "high:ready:7:0:0:-1 first:ready:0:0:0:-1 second:ready:0:0:0:-1 low:ready:-7:0:0:-1 "                                \
  "taken:processing:0:0:0:-1 again:dirty:0:0:0:-1 late:processing:0:0:0:5 "                                            \
  "z3:delayed:0:0:0:3 a3:delayed:0:0:0:3 a9:delayed:0:0:0:9 "                                                          \
  "buried1:buried:0:0:0:-1 buried2:buried:0:0:0:-1 idle1:idle:0:1:0:-1"

/* ---- The copy ---- */

START_TEST(keys_come_in_the_order_of_the_queue) {
  create();
  add_some_in_each_state();
  assert_words(q, EACH_STATE);
}
END_TEST

START_TEST(a_copy_stays_as_it_was) {
  create();
  add_some_in_each_state();
  workq *copy = copy_of(q);
  pass(60 * S);
  while (workq_len(q) > 0) {
    workq_item item;
    ok(workq_get(q, &item, 0));
    ok(workq_complete(q, &item));
  }
  ok(workq_kick(q, NULL, 0));
  ck_assert_str_eq(words_of(copy).words, EACH_STATE);
  workq_stats_data data;
  ok(workq_stats(copy, &data));
  ck_assert_uint_eq(data.ready, 4);
  ck_assert_uint_eq(data.delayed, 4);
  ck_assert_int_eq(data.next_due_in_ns, 3 * S);
  assert_sound(copy);
  ck_assert_int_eq(workq_len(copy), 4);
  ok(workq_close(copy));
}
END_TEST

START_TEST(a_copy_outlives_the_queue) {
  create();
  add("a");
  workq *copy = copy_of(q);
  ok(workq_close(q));
  q = NULL;
  ok(workq_unlink(name));
  ck_assert_str_eq(words_of(copy).words, "a:ready:0:0:0:-1");
  workq *second = copy_of(copy);
  ok(workq_close(copy));
  ck_assert_str_eq(words_of(second).words, "a:ready:0:0:0:-1");
  ok(workq_close(second));
}
END_TEST

START_TEST(a_copy_is_for_looking_only) {
  create();
  add("a");
  workq *copy = copy_of(q);
  ck_assert_int_eq(workq_add(copy, "b", 1), -EBADF);
  ck_assert_int_eq(workq_restore(copy, &(workq_info){.key = "b", .key_len = 1, .state = WORKQ_STATE_READY}), -EBADF);
  ck_assert_int_eq(workq_iterate_order(q, visit_words, &(struct text){.words = ""}), -EINVAL);
  ok(workq_close(copy));
}
END_TEST

static int stop_at_second(void *arg, const workq_info *info) {
  (void)info;
  return ++*(int *)arg == 2 ? 42 : 0;
}

START_TEST(a_visit_can_end_it) {
  create();
  add_some_in_each_state();
  workq *copy = copy_of(q);
  int visited = 0;
  ck_assert_int_eq(workq_iterate_order(copy, stop_at_second, &visited), 42);
  ck_assert_int_eq(visited, 2);
  ok(workq_close(copy));
}
END_TEST

START_TEST(the_keys_of_one_state) {
  static const struct {
    int state;
    const char *words;
  } expected[] = {
      {WORKQ_STATE_READY, "high:ready:7:0:0:-1 first:ready:0:0:0:-1 second:ready:0:0:0:-1 low:ready:-7:0:0:-1"},
      {WORKQ_STATE_PROCESSING, "taken:processing:0:0:0:-1 again:dirty:0:0:0:-1 late:processing:0:0:0:5"},
      {WORKQ_STATE_BURIED, "buried1:buried:0:0:0:-1 buried2:buried:0:0:0:-1"},
      {WORKQ_STATE_IDLE, "idle1:idle:0:1:0:-1"},
  };
  create();
  add_some_in_each_state();
  workq *copy = copy_of(q);
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    struct text text = {.words = ""};
    ok(workq_iterate_state(copy, expected[i].state, visit_words, &text));
    ck_assert_str_eq(text.words, expected[i].words);
  }
  struct text delayed = {.words = ""};
  ok(workq_iterate_state(copy, WORKQ_STATE_DELAYED, visit_words, &delayed));
  ck_assert_ptr_nonnull(strstr(delayed.words, "a3:delayed:0:0:0:3"));
  ck_assert_ptr_nonnull(strstr(delayed.words, "a9:delayed:0:0:0:9"));
  ck_assert_int_eq(strncmp(delayed.words, "z3:delayed:0:0:0:3 ", 19), 0);
  int visited = 0;
  ck_assert_int_eq(workq_iterate_state(copy, WORKQ_STATE_READY, stop_at_second, &visited), 42);
  ck_assert_int_eq(visited, 2);
  ck_assert_int_eq(workq_iterate_state(copy, WORKQ_STATE_DIRTY, visit_words, &delayed), -EINVAL);
  ck_assert_int_eq(workq_iterate_state(copy, 0, visit_words, &delayed), -EINVAL);
  ck_assert_int_eq(workq_iterate_state(q, WORKQ_STATE_READY, visit_words, &delayed), -EINVAL);
  ok(workq_close(copy));
}
END_TEST

static int count_visit(void *arg, const workq_info *info) {
  (void)info;
  ++*(unsigned *)arg;
  return 0;
}

START_TEST(a_large_queue_is_copied_whole) {
  char key[16];
  const unsigned keys = plain_scaled(20000);
  create();
  for (unsigned i = 0; i < keys; i++) {
    snprintf(key, sizeof key, "key%u", i);
    if (i % 3) add(key);
    else add_after(key, (1 + i % 7) * S);
  }
  workq *copy = copy_of(q);
  unsigned visited = 0;
  ok(workq_iterate_order(copy, count_visit, &visited));
  ck_assert_uint_eq(visited, keys);
  assert_sound(copy);
  ok(workq_close(copy));
}
END_TEST

/* ---- Of a damaged or stuck queue ---- */

START_TEST(a_stuck_queue_is_copied_without_its_lock) {
  create();
  add("a");
  pid_t child = fork_stopped_inside();
  workq_options raw = options;
  raw.flags = WORKQ_RAW;
  workq *handle;
  ok(workq_open(name, &raw, &handle));
  assert_words(handle, "a:ready:0:0:0:-1");
  ok(workq_close(handle));
  process_resume(child);
  process_join(child);
}
END_TEST

/* All keys are found, whatever list was lost. */
static void assert_all_found(workq *handle, unsigned keys) {
  workq *copy = copy_of(handle);
  unsigned visited = 0;
  ok(workq_iterate_order(copy, count_visit, &visited));
  ck_assert_uint_eq(visited, keys);
  ok(workq_close(copy));
}

START_TEST(keys_that_no_list_leads_to_are_found) {
  create();
  add_some_in_each_state();
  workq_options raw = options;
  raw.flags = WORKQ_RAW;
  workq *handle;
  ok(workq_open(name, &raw, &handle));
  struct control *control = q->control;
  struct control good = *control;
  for (unsigned band = 0; band < BANDS; band++) control->bands[band].keys.head = 0;
  assert_all_found(handle, 13);
  control->hot.delayed = 1u << 31;
  control->cold.buried.head = UINT32_MAX;
  control->cold.idle.head = control->cold.idle.head ? 1 : 0; /* a record of another place */
  assert_all_found(handle, 13);
  struct item *first = item_at(q, good.bands[127].keys.head);
  uint32_t next = first->next;
  control->bands[127].keys.head = good.bands[127].keys.head;
  first->next = good.bands[127].keys.head; /* a circle */
  assert_all_found(handle, 13);
  first->next = next;
  item_key(first)[0] ^= 1; /* no key any more, by its hash */
  assert_all_found(handle, 12);
  item_key(first)[0] ^= 1;
  control->hot = good.hot;
  control->cold = good.cold;
  memcpy(control->bands, good.bands, sizeof good.bands);
  assert_sound(q);
  ok(workq_close(handle));
}
END_TEST

/* A view of a queue that others change: a key that leaves while it is looked at does not lead the view astray. */
static int take_first_away(void *arg, const workq_info *info) {
  unsigned *visited = arg;
  if (++*visited == 1) {
    ck_assert(is_key(info->key, info->key_len, "a"));
    take("a");
    take("b");
  }
  return 0;
}

START_TEST(a_list_that_moves_is_followed) {
  create();
  add("a");
  add("b");
  add("c");
  workq_options raw = options;
  raw.flags = WORKQ_RAW;
  workq *handle;
  unsigned visited = 0;
  ok(workq_open(name, &raw, &handle));
  ok(workq_iterate_state(handle, WORKQ_STATE_READY, take_first_away, &visited));
  ck_assert_uint_eq(visited, 2); /* a and c */
  struct control *control = q->control;
  struct list good = control->cold.buried;
  control->cold.buried = (struct list){.head = control->bands[127].keys.head, .count = UINT32_MAX};
  visited = 0;
  ok(workq_iterate_state(handle, WORKQ_STATE_BURIED, count_visit, &visited));
  control->cold.buried.head = UINT32_MAX;
  ok(workq_iterate_state(handle, WORKQ_STATE_BURIED, count_visit, &visited));
  ck_assert_uint_eq(visited, 0);
  control->cold.buried = good;
  ok(workq_close(handle));
}
END_TEST

static int note_age(void *arg, const workq_info *info) {
  *(int64_t *)arg = info->waiting_ns;
  return 0;
}

START_TEST(a_view_tells_ages_as_of_now) {
  create();
  add("a");
  workq_options raw = options;
  raw.flags = WORKQ_RAW;
  workq *handle;
  ok(workq_open(name, &raw, &handle));
  for (int i = 1; i <= 2; i++) {
    int64_t order_ns = -1, state_ns = -1;
    pass(S);
    ok(workq_iterate_order(handle, note_age, &order_ns));
    ok(workq_iterate_state(handle, WORKQ_STATE_READY, note_age, &state_ns));
    ck_assert_int_eq(order_ns, i * S);
    ck_assert_int_eq(state_ns, i * S);
  }
  ok(workq_close(handle));
}
END_TEST

/* A list whose end leads to its head, and that claims to be endless. */
START_TEST(a_view_of_a_circle_ends) {
  options.capacity = 10;
  create();
  add("a");
  workq_options raw = options;
  raw.flags = WORKQ_RAW;
  workq *handle;
  ok(workq_open(name, &raw, &handle));
  struct list *list = &q->control->bands[127].keys;
  struct list good = *list;
  for (unsigned i = 0; i < BANDS; i++) q->control->bands[i].keys = (struct list){good.head, good.head, UINT32_MAX};
  item_at(q, good.head)->next = good.head;
  unsigned visited = 0;
  ok(workq_iterate_state(handle, WORKQ_STATE_READY, count_visit, &visited));
  ck_assert_uint_eq(visited, 1);
  item_at(q, good.head)->next = 0;
  for (unsigned i = 0; i < BANDS; i++) q->control->bands[i].keys = (struct list){0};
  *list = good;
  ok(workq_close(handle));
}
END_TEST

/* ---- Restoring ---- */

static int restore_one(void *arg, const workq_info *info) {
  int rc = workq_restore(arg, info);
  return rc < 0 ? rc : 0;
}

/* Another queue, with the keys of this one. */
static workq *restored(char *other_name) {
  workq *other, *copy = copy_of(q);
  fixture_name(other_name);
  ok(workq_create(other_name, &options, &other));
  ok(workq_iterate_order(copy, restore_one, other));
  ok(workq_close(copy));
  return other;
}

static void drop(workq *other, const char *other_name) {
  assert_sound(other);
  ok(workq_close(other));
  ok(workq_unlink(other_name));
}

#define RESTORED                                                                                                       \
  "high:ready:7:0:0:-1 first:ready:0:0:0:-1 second:ready:0:0:0:-1 taken:ready:0:0:0:-1 again:ready:0:0:0:-1 "          \
  "late:ready:0:0:0:-1 low:ready:-7:0:0:-1 "                                                                           \
  "z3:delayed:0:0:0:3 a3:delayed:0:0:0:3 a9:delayed:0:0:0:9 "                                                          \
  "buried1:buried:0:0:0:-1 buried2:buried:0:0:0:-1 idle1:idle:0:1:0:-1"

START_TEST(a_queue_is_restored_and_what_was_in_hand_is_ready) {
  char other_name[sizeof name];
  create();
  add_some_in_each_state();
  workq *other = restored(other_name);
  assert_words(other, RESTORED);
  /* Again: no change. */
  workq *copy = copy_of(q);
  ok(workq_iterate_order(copy, restore_one, other));
  ok(workq_close(copy));
  assert_words(other, RESTORED);
  drop(other, other_name);
}
END_TEST

static workq_info info_with(int state, int priority, uint32_t failures, uint32_t crashes) {
  return (workq_info){.key = "k",
                      .key_len = 1,
                      .state = state,
                      .priority = priority,
                      .failures = failures,
                      .crashes = crashes,
                      .due_in_ns = state == WORKQ_STATE_DELAYED ? 4 * S : -1};
}

static int restore(int state, int priority, uint32_t failures, uint32_t crashes) {
  workq_info info = info_with(state, priority, failures, crashes);
  return workq_restore(q, &info);
}

START_TEST(a_key_that_was_removed_during_its_run_is_not_restored) {
  create();
  workq_info info = info_with(WORKQ_STATE_PROCESSING, 0, 0, 0);
  info.due_in_ns = -1;
  info.removed = 1;
  ck_assert_int_eq(workq_restore(q, &info), 0);
  ck_assert_int_eq(state_of("k"), -ENOENT);
  info.due_in_ns = 5 * S; /* it was added after the remove */
  ck_assert_int_eq(workq_restore(q, &info), 1);
  ck_assert_int_eq(state_of("k"), WORKQ_STATE_DELAYED);
  info.state = WORKQ_STATE_DIRTY;
  ck_assert_int_eq(workq_restore(q, &info), 1);
  ck_assert_int_eq(state_of("k"), WORKQ_STATE_READY);
  info.removed = 2;
  ck_assert_int_eq(workq_restore(q, &info), -EINVAL);
}
END_TEST

START_TEST(a_known_key_is_merged) {
  create();
  ck_assert_int_eq(restore(WORKQ_STATE_IDLE, 0, 3, 1), 1);
  assert_words(q, "k:idle:0:3:1:-1");
  ck_assert_int_eq(restore(WORKQ_STATE_IDLE, 0, 2, 2), 0);
  assert_words(q, "k:idle:0:3:2:-1");
  ck_assert_int_eq(restore(WORKQ_STATE_DELAYED, 2, 0, 0), 1);
  assert_words(q, "k:delayed:2:3:2:4");
  ck_assert_int_eq(restore(WORKQ_STATE_BURIED, 9, 0, 0), 0);
  assert_words(q, "k:delayed:2:3:2:4");
  ck_assert_int_eq(restore(WORKQ_STATE_DIRTY, -3, 0, 0), 1);
  assert_words(q, "k:ready:2:3:2:-1");
  ck_assert_int_eq(restore(WORKQ_STATE_READY, 5, 0, 0), 0);
  assert_words(q, "k:ready:5:3:2:-1");
  workq_item item = take("k");
  ck_assert_int_eq(restore(WORKQ_STATE_PROCESSING, 0, 0, 0), 1);
  assert_words(q, "k:dirty:0:3:2:-1");
  ck_assert_int_eq(workq_give_up(q, &item), 1); /* it is pending */
  item = take("k");
  ok(workq_give_up(q, &item));
  ck_assert_int_eq(state_of("k"), WORKQ_STATE_BURIED);
  ck_assert_int_eq(restore(WORKQ_STATE_BURIED, 0, 0, 0), 0);
  assert_words(q, "k:buried:0:3:2:-1");
  ck_assert_int_eq(restore(WORKQ_STATE_READY, 0, 0, 0), 1); /* as an add */
  assert_words(q, "k:ready:0:3:2:-1");
  assert_sound(q);
}
END_TEST

START_TEST(an_idle_key_can_be_buried) {
  create();
  ck_assert_int_eq(restore(WORKQ_STATE_IDLE, 0, 3, 1), 1);
  ck_assert_int_eq(restore(WORKQ_STATE_BURIED, 6, 1, 5), 1);
  assert_words(q, "k:buried:6:3:5:-1");
  assert_sound(q);
}
END_TEST

START_TEST(a_key_that_is_nothing_leaves_nothing) {
  create();
  ck_assert_int_eq(restore(WORKQ_STATE_IDLE, 0, 0, 0), 0);
  ck_assert_int_eq(state_of("k"), -ENOENT);
  ck_assert_uint_eq(stats().keys, 0);
  ck_assert_int_eq(restore(WORKQ_STATE_DELAYED, 0, 0, 0), 1);
  workq_info due = info_with(WORKQ_STATE_DELAYED, 0, 0, 0);
  due.due_in_ns = 0;
  ck_assert_int_eq(workq_restore(q, &due), 1);
  assert_ready("k");
}
END_TEST

START_TEST(what_cannot_be_is_refused_and_changes_nothing) {
  options.capacity = 1;
  options.key_max = 8;
  create();
  workq_info info = info_with(WORKQ_STATE_READY, 0, 0, 0);
  for (int state = -1; state <= 7; state += 8) {
    info.state = state;
    ck_assert_int_eq(workq_restore(q, &info), -EINVAL);
  }
  info.state = 0;
  ck_assert_int_eq(workq_restore(q, &info), -EINVAL);
  ck_assert_int_eq(restore(WORKQ_STATE_READY, 128, 0, 0), -EINVAL);
  ck_assert_int_eq(restore(WORKQ_STATE_READY, -129, 0, 0), -EINVAL);
  info = info_with(WORKQ_STATE_READY, 0, 0, 0);
  info.key = "too long a key";
  info.key_len = 14;
  ck_assert_int_eq(workq_restore(q, &info), -EMSGSIZE);
  info.key_len = 0;
  ck_assert_int_eq(workq_restore(q, &info), -EINVAL);
  ck_assert_uint_eq(stats().keys, 0);
  add("a");
  ck_assert_int_eq(restore(WORKQ_STATE_READY, 0, 0, 0), -ENOSPC);
  ck_assert_int_eq(restore(WORKQ_STATE_BURIED, 0, 0, 0), -ENOSPC);
  ok(workq_shutdown(q));
  ck_assert_int_eq(restore(WORKQ_STATE_READY, 0, 0, 0), -ESHUTDOWN);
  assert_sound(q);
}
END_TEST

START_TEST(a_restored_key_wakes_a_worker) {
  create();
  pid_t child = process_fork();
  if (child == 0) {
    workq_item item;
    ck_assert_int_eq(workq_get(q, &item, WORKQ_FOREVER), 0);
    ck_assert(is_key(item.key, item.key_len, "k"));
    ok(workq_done(q, &item));
    ok(workq_close(q));
    process_done();
  }
  await_waiting(1, 1);
  ck_assert_int_eq(restore(WORKQ_STATE_READY, 0, 0, 0), 1);
  process_join(child);
}
END_TEST

static Suite *snapshot_suite(void) {
  Suite *suite = suite_create("snapshot");
  TCase *copy = fixture_case(suite, "copy");
  tcase_add_test(copy, keys_come_in_the_order_of_the_queue);
  tcase_add_test(copy, a_copy_stays_as_it_was);
  tcase_add_test(copy, a_copy_outlives_the_queue);
  tcase_add_test(copy, a_copy_is_for_looking_only);
  tcase_add_test(copy, a_visit_can_end_it);
  tcase_add_test(copy, the_keys_of_one_state);
  tcase_add_test(copy, a_large_queue_is_copied_whole);
  TCase *damaged = fixture_case(suite, "damaged");
  tcase_add_test(damaged, a_stuck_queue_is_copied_without_its_lock);
  tcase_add_test(damaged, keys_that_no_list_leads_to_are_found);
  tcase_add_test(damaged, a_list_that_moves_is_followed);
  tcase_add_test(damaged, a_view_tells_ages_as_of_now);
  tcase_add_test(damaged, a_view_of_a_circle_ends);
  TCase *restoring = fixture_case(suite, "restore");
  tcase_add_test(restoring, a_queue_is_restored_and_what_was_in_hand_is_ready);
  tcase_add_test(restoring, a_known_key_is_merged);
  tcase_add_test(restoring, a_key_that_was_removed_during_its_run_is_not_restored);
  tcase_add_test(restoring, an_idle_key_can_be_buried);
  tcase_add_test(restoring, a_key_that_is_nothing_leaves_nothing);
  tcase_add_test(restoring, what_cannot_be_is_refused_and_changes_nothing);
  tcase_add_test(restoring, a_restored_key_wakes_a_worker);
  return suite;
}

int main(void) {
  static suite_maker *const suites[] = {snapshot_suite};
  return fixture_run("check-snapshot", suites, 1);
}
