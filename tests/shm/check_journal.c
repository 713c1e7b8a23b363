/*
 * The undo journal: whatever an operation has done is undone byte for byte, by its own process and by another one, also
 * if undoing is cut off and begun anew.
 *
 * A transaction that was committed leaves its lines behind in the journal, where only the count says that they are of no
 * use any more.  So each operation runs as in real life, and then its count is set back: that is the state in which it
 * would have died just before its commit.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "shm/journal.h"

#include <stdlib.h>
#include <unistd.h>

#include "shm/operation.h"
#include "shm/table.h"
#include "support/inner.h"
#include "support/process.h"

/* Five levels of the heap, the last of which is not full. */
enum { CAPACITY = 300, KEYS = 400, HANDLES = 4, IN_HAND_MAX = 40, BATCH_MAX = 12 };

/* ---- Single lines ---- */

static workq *q;

static void set_count(workq *of, uint32_t count) {
  atomic_store(&of->slot->journal.count, count);
}

static void open_two(workq **handles) {
  inner_open(&(workq_options){.capacity = 10, .key_max = 40, .handles = 2}, handles, 2);
  q = handles[0];
}

START_TEST(a_line_is_saved_once) {
  q = inner_create(10);
  inner_begin(q);
  uint32_t lines = journal_lines(q);
  journal_save(q, &q->control->cold);
  ck_assert_uint_eq(journal_lines(q), lines + 1);
  journal_save(q, &q->control->cold.buried.tail); /* the same line */
  ck_assert_uint_eq(journal_lines(q), lines + 1);
  journal_save(q, &q->control->wait);
  ck_assert_uint_eq(journal_lines(q), lines + 2);
  journal_save(q, &q->control->cold);
  ck_assert_uint_eq(journal_lines(q), lines + 2);
  inner_end(q, 0);
  ck_assert_uint_eq(journal_lines(q), 0);
}
END_TEST

START_TEST(the_lines_that_all_change_are_saved_from_the_start) {
  q = inner_create(10);
  struct picture *before = inner_take(q);
  inner_begin(q);
  q->control->hot.used = 77;
  q->slot->own.gets = 88;
  inner_end(q, -ECANCELED);
  inner_assert_same(q, before);
  free(before);
}
END_TEST

START_TEST(a_line_saved_twice_is_restored_to_the_first) {
  q = inner_create(10);
  /* Two lines that the marks cannot tell apart: each save of one forgets that the other was saved. */
  struct list *first = &q->control->bands[0].keys;
  struct bucket *second = q->table;
  while (journal_line(q, first) % MARKS != journal_line(q, second) % MARKS) second++;
  ck_assert_int_lt(second - q->table, BUCKETS_MIN);
  struct picture *before = inner_take(q);
  inner_begin(q);
  for (uint32_t i = 1; i < 10; i++) {
    journal_save(q, first);
    first->head = i;
    journal_save(q, second);
    second->chain = 10 * i;
  }
  inner_end(q, -ECANCELED);
  inner_assert_same(q, before);
  free(before);
}
END_TEST

START_TEST(the_number_of_transactions_may_overflow) {
  q = inner_create(10);
  struct picture *before = inner_take(q);
  for (uint32_t number = 0; number < 4; number++) {
    q->transaction.number = number; /* marks of each, which the others must not believe */
    for (uint32_t line = 0; line < MARKS; line++)
      q->transaction.marks[line] = (uint64_t)1 << 32 | (journal_line(q, q->control) + line);
    if (number < 2) q->transaction.number = UINT32_MAX - number;
    inner_begin(q);
    journal_save(q, &q->control->cold);
    q->control->cold.drain_round++;
    inner_end(q, -ECANCELED);
    inner_assert_same(q, before);
  }
  free(before);
}
END_TEST

START_TEST(more_lines_than_there_are_give_the_segment_up) {
  q = inner_create(10);
  inner_begin(q);
  struct list *first = &q->control->bands[0].keys;
  for (uint32_t i = 0; journal_lines(q) < JOURNAL_LINES; i++) journal_save(q, (unsigned char *)first + i * LINE_SIZE);
  ck_assert_uint_ne(atomic_load(&q->control->lock.settled), LOCK_DAMAGED);
  journal_save(q, &q->control->wait);
  ck_assert_uint_eq(atomic_load(&q->control->lock.settled), LOCK_DAMAGED);
  ck_assert_uint_eq(journal_lines(q), JOURNAL_LINES);
  inner_end(q, -ECANCELED);
  ck_assert_int_eq(workq_len(q), -EUCLEAN);
}
END_TEST

/* ---- Any operation ---- */

enum kind {
  ADD,
  ADD_PRIORITY,
  ADD_AFTER,
  ADD_RATE_LIMITED,
  GET,
  DONE,
  DONE_KEY,
  COMPLETE,
  RETRY,
  GIVE_UP,
  RELEASE,
  CRASH,
  FORGET,
  REMOVE,
  KICK,
  PROMOTE,
  GROW,
  WAIT,
  STOP_WAITING,
  SIGNAL,
  LEAD,
  PAUSE,
  ADD_BATCH,
  DONE_BATCH,
  KINDS
};

static const char *const names[KINDS] = {"add",          "add with a priority",
                                         "add after",    "add rate-limited",
                                         "get",          "done",
                                         "done by key",  "complete",
                                         "retry",        "give up",
                                         "release",      "crash",
                                         "forget",       "remove",
                                         "kick",         "promote",
                                         "grow",         "wait",
                                         "stop waiting", "signal",
                                         "lead",         "pause",
                                         "add batch",    "done batch"};

static workq *handles[HANDLES];
static workq_item in_hand[HANDLES][IN_HAND_MAX];
static uint32_t in_hand_count[HANDLES];

struct counts {
  uint32_t undone, lines; /* lines: at most */
};
static struct counts counts[KINDS];

static workq *another_than(const workq *of) {
  return handles[0] == of ? handles[1] : handles[0];
}

typedef int finisher(workq *, const workq_item *);

static int finish(int h, finisher *how) {
  if (in_hand_count[h] == 0) return 0;
  uint32_t at = inner_below(in_hand_count[h]);
  workq_item item = in_hand[h][at];
  in_hand[h][at] = in_hand[h][--in_hand_count[h]];
  return how(handles[h], &item);
}

static int done_key(workq *of, const workq_item *item) {
  return workq_done_key(of, item->key, item->key_len);
}

/* Another handle finds this one dead, as far as this key is concerned. */
static int crash(workq *of, const workq_item *item) {
  uint32_t index = (uint32_t)(item->ticket >> 32);
  workq *reaper = another_than(of);
  struct slot *dead = &reaper->slots[of->slot_id]; /* where the reaper sees it */
  inner_begin(reaper);
  journal_save(reaper, &dead->own);
  journal_save(reaper, item_at(reaper, index));
  return inner_end(reaper, state_crash(reaper, dead, index, item_at(reaper, index), inner_now_ns));
}

static int get(int h) {
  if (in_hand_count[h] == IN_HAND_MAX) return 0;
  int rc = workq_get(handles[h], &in_hand[h][in_hand_count[h]], 0);
  if (rc == 0) in_hand_count[h]++;
  return rc;
}

static int add_batch(workq *of) {
  static char texts[BATCH_MAX][32];
  workq_key batch[BATCH_MAX];
  uint32_t n = 2 + inner_below(BATCH_MAX - 1);
  for (uint32_t i = 0; i < n; i++) batch[i] = (workq_key){texts[i], inner_key(inner_below(KEYS), texts[i])};
  return workq_add_batch(of, batch, n, NULL, NULL);
}

static int done_batch(int h) {
  uint32_t n = in_hand_count[h] < BATCH_MAX ? in_hand_count[h] : BATCH_MAX;
  if (n == 0) return 0;
  in_hand_count[h] -= n;
  return workq_done_batch(handles[h], &in_hand[h][in_hand_count[h]], n);
}

static int add_with_priority(workq *of, const char *key, size_t len) {
  static const int priorities[] = {-128, 127, 0, 1, -1, 64};
  workq_add_options options = {.priority = priorities[inner_below(6)], .after_ns = inner_chance(30) ? 5 : 0};
  return workq_add_opts(of, key, len, &options);
}

/* Moves the time on to the earliest delayed key, so that the next call makes it ready. */
static int promote(workq *of) {
  int64_t next_ns = of->control->hot.delayed ? of->heap[HEAP_FIRST].due_ns : 0;
  if (next_ns > inner_now_ns) inner_now_ns = next_ns;
  return workq_len(of);
}

static int grow(workq *of) {
  if (of->control->hot.buckets == of->geometry.buckets_max) return 0;
  ck_assert_int_eq(lock_acquire(of, CLOCK_NEVER), 0);
  int rc = table_grow(of);
  lock_release(of);
  return rc;
}

static int in_line(workq *of, enum kind kind) {
  inner_begin(of);
  uint32_t line = of->slot->wait.kind; /* who waits leaves before it waits for something else */
  if (kind != WAIT || line == WAIT_NONE) line = 1 + inner_below(WAIT_KINDS - 1);
  int64_t wake_ns = slot_leader_wake_ns(of, inner_now_ns) - inner_below(100);
  int rc = kind == WAIT           ? wait_enter(of, line, wake_ns, false)
           : kind == STOP_WAITING ? op_leave_list(of)
           : kind == SIGNAL       ? wait_signal(of, line)
                                  : wait_advance_leader(of, wake_ns);
  return inner_end(of, rc);
}

static int on_key(workq *of, enum kind kind) {
  char key[32];
  size_t len = inner_key(inner_below(KEYS), key);
  switch (kind) {
  case ADD:
    return workq_add(of, key, len);
  case ADD_PRIORITY:
    return add_with_priority(of, key, len);
  case ADD_AFTER:
    return workq_add_after(of, key, len, 1 + inner_below(2000));
  case ADD_RATE_LIMITED:
    return workq_add_rate_limited(of, key, len);
  case FORGET:
    return workq_forget(of, key, len);
  case REMOVE:
    return workq_remove(of, key, len);
  default:
    return workq_kick(of, inner_chance(50) ? key : NULL, len);
  }
}

static int operate(int h, enum kind kind) {
  static finisher *const finishers[KINDS] = {
      [DONE] = workq_done,   [DONE_KEY] = done_key,     [COMPLETE] = workq_complete,
      [RETRY] = workq_retry, [GIVE_UP] = workq_give_up, [RELEASE] = workq_release,
      [CRASH] = crash};
  if (finishers[kind]) return finish(h, finishers[kind]);
  switch (kind) {
  case GET:
    return get(h);
  case PROMOTE:
    return promote(handles[h]);
  case GROW:
    return grow(handles[h]);
  case WAIT:
  case STOP_WAITING:
  case SIGNAL:
  case LEAD:
    return in_line(handles[h], kind);
  case ADD_BATCH:
    return add_batch(handles[h]);
  case DONE_BATCH:
    return done_batch(h);
  case PAUSE:
    return inner_chance(30) ? workq_pause(handles[h]) : workq_unpause(handles[h]);
  default:
    return on_key(handles[h], kind);
  }
}

/* Rolls back the last `whole` lines and a part of the one before, as somebody did who then died. */
static void roll_back_partly(workq *of, uint32_t lines, uint32_t whole) {
  const struct journal *journal = of->journal;
  for (uint32_t i = lines; i-- > lines - whole;)
    memcpy(of->base + (size_t)journal->line[i] * LINE_SIZE, journal->bytes[i], LINE_SIZE);
  if (whole == lines) return;
  uint32_t i = lines - whole - 1;
  memcpy(of->base + (size_t)journal->line[i] * LINE_SIZE, journal->bytes[i], inner_below(LINE_SIZE));
}

static void assert_back(workq *of, enum kind kind, const struct picture *before, const char *how) {
  const char *difference = inner_difference(of, before);
  if (difference) ck_abort_msg("%s, undone by %s: %s", names[kind], how, difference);
}

/* The transaction of `of`, which saved so many lines, is undone in every way; then it is done again. */
static void assert_undone(workq *of, enum kind kind, uint32_t lines, const struct picture *before, bool thorough) {
  struct picture *after = inner_take(of);
  workq *other = another_than(of);
  set_count(of, lines);
  journal_abort(of);
  assert_back(of, kind, before, "abort");
  ck_assert_uint_eq(journal_lines(of), 0);
  uint32_t first = thorough ? 0 : inner_below(lines + 1), last = thorough ? lines : first;
  for (uint32_t whole = first; whole <= last; whole++) {
    inner_put(of, after);
    set_count(of, lines);
    roll_back_partly(of, lines, whole);
    ck_assert_int_eq(journal_recover(other), (int)lines);
    assert_back(of, kind, before, "recovery");
    ck_assert_int_eq(journal_recover(other), 0);
    assert_back(of, kind, before, "another recovery");
  }
  inner_put(of, after);
  free(after);
}

/* One operation; if it was one transaction, that is undone and done again. */
static void operate_and_undo(enum kind kind, bool thorough) {
  int h = (int)inner_below(HANDLES);
  workq *of = kind == CRASH ? another_than(handles[h]) : handles[h];
  struct picture *before = inner_take(of);
  uint32_t transaction = of->transaction.number;
  inner_count_lines(of);
  int rc = operate(h, kind);
  ck_assert_int_ne(rc, -EUCLEAN);
  if (of->transaction.number == transaction + 1) {
    uint32_t lines = inner_lines(of);
    assert_undone(of, kind, lines, before, thorough);
    counts[kind].undone++;
    if (lines > counts[kind].lines) counts[kind].lines = lines;
  }
  free(before);
}

/* Which operations are likely: phases in which the heap fills, the bands fill, all drains. */
static enum kind any_kind(unsigned i) {
  unsigned phase = i % 6000;
  bool filling = phase >= 3500;
  if (inner_chance(filling ? 20 : 50)) return (enum kind)inner_below(KINDS);
  if (filling) return inner_chance(90) ? ADD_AFTER : RETRY;
  if (phase >= 2000) return inner_chance(60) ? ADD_PRIORITY : GET;
  return inner_chance(30) ? PROMOTE : inner_chance(50) ? GET : inner_chance(80) ? COMPLETE : CRASH;
}

static uint32_t levels_of(uint64_t entries) {
  uint32_t levels = 0;
  for (uint64_t full = 0, width = 1; full < entries; width *= HEAP_ARITY, levels++) full += width;
  return levels;
}

/* The longest way through the heap is two lines a level: an entry and a record. */
static void assert_lines_are_bounded(uint32_t deepest) {
  uint32_t levels = levels_of(deepest), most = 0;
  ck_assert_uint_ge(levels, 4);
  for (int kind = 0; kind < KINDS; kind++) {
    printf("%-20s %5u undone, %2u lines at most\n", names[kind], counts[kind].undone, counts[kind].lines);
    ck_assert_uint_gt(counts[kind].undone, 0);
    bool batch = kind == ADD_BATCH || kind == DONE_BATCH; /* whose keys share a transaction while there is room */
    if (!batch && counts[kind].lines > most) most = counts[kind].lines;
  }
  uint32_t more_levels = levels_of(WORKQ_CAPACITY_MAX) - levels;
  printf("%u lines at most in a heap of %u levels, so %u at most in the largest; there is room for %u\n", most, levels,
         most + 2 * more_levels, JOURNAL_LINES);
  ck_assert_uint_lt(most + 2 * more_levels, JOURNAL_LINES);
}

static void open_all(uint32_t give_up) {
  workq_options options = {.capacity = CAPACITY,
                           .key_max = 40,
                           .handles = HANDLES + 1,
                           .max_retries = 3,
                           .max_crashes = 2,
                           .give_up = give_up,
                           .reap_interval_ns = WORKQ_DURATION_MAX,
                           .limiter = {.kinds = WORKQ_LIMIT_EXPONENTIAL | WORKQ_LIMIT_BUCKET,
                                       .exp_initial_ns = 100,
                                       .exp_max_ns = 1000,
                                       .bucket_rate = 1e7,
                                       .bucket_burst = 3,
                                       .jitter = 0.5}};
  inner_open(&options, handles, HANDLES);
  memset(in_hand_count, 0, sizeof in_hand_count);
}

START_TEST(every_operation_is_undone_byte_for_byte) {
  uint32_t deepest = 0;
  for (uint32_t give_up = WORKQ_BURY; give_up <= WORKQ_DROP; give_up++) {
    open_all(give_up);
    for (unsigned i = plain_scaled(6000); i > 0; i--) {
      if (inner_chance(20)) inner_now_ns += inner_below(100);
      operate_and_undo(any_kind(i), i % 16 == 0);
      if (i % 16 == 0) inner_assert_sound(handles[0]);
      if (handles[0]->control->hot.delayed > deepest) deepest = handles[0]->control->hot.delayed;
    }
  }
  if (plain_scaled(100) >= 100) assert_lines_are_bounded(deepest);
}
END_TEST

/* ---- Death inside ---- */

/* A child takes the lock, begins a transaction, does something to the segment and dies. */
static void die_inside(void (*change)(workq *of)) {
  pid_t pid = process_fork();
  if (pid == 0) {
    /* Its first call attaches it. */
    if (workq_len(q) < 0 || lock_acquire(q, CLOCK_NEVER) != 0) _exit(1);
    journal_begin(q);
    change(q);
    _exit(0);
  }
  ck_assert_int_eq(process_wait(pid), 0);
}

static void start_with_keys(void) {
  inner_open(&(workq_options){.capacity = 10, .key_max = 40, .handles = 4}, &q, 1);
  workq_item item;
  ck_assert_int_eq(workq_add(q, "a", 1), 1);
  ck_assert_int_eq(workq_add(q, "b", 1), 1);
  ck_assert_int_eq(workq_get(q, &item, 0), 0);
}

static void mark_a_new_key(workq *of) {
  uint32_t index = inner_record(of, 1);
  if (state_add(of, index, item_at(of, index), inner_now_ns + 5, 7) != 1) _exit(2);
}

static uint64_t recoveries(void) {
  workq_stats_data stats;
  ck_assert_int_eq(workq_stats(q, &stats), 0);
  return stats.recoveries;
}

START_TEST(what_a_dead_process_has_begun_is_undone_by_the_next) {
  start_with_keys();
  /* The child attaches in the parent's sight, so what it leaves is more than its transaction. */
  die_inside(mark_a_new_key);
  ck_assert_int_ne(atomic_load(&q->slots[1].journal.count), 0);
  ck_assert_uint_eq(q->control->hot.used, 3);
  ck_assert_int_eq(workq_len(q), 1);
  ck_assert_uint_eq(q->control->hot.used, 2);
  ck_assert_uint_eq(q->control->hot.delayed, 0);
  ck_assert_int_eq(atomic_load(&q->slots[1].journal.count), 0);
  ck_assert_uint_eq(recoveries(), 1);
  inner_assert_sound(q);
  ck_assert_int_eq(workq_reap(q), 1);
  inner_assert_sound(q);
}
END_TEST

static void nothing_more(workq *of) {
  (void)of;
}

START_TEST(a_death_before_the_first_change_is_no_harm) {
  start_with_keys();
  die_inside(nothing_more);
  ck_assert_int_eq(workq_len(q), 1);
  ck_assert_uint_eq(recoveries(), 1);
  inner_assert_sound(q);
}
END_TEST

/* ---- Nonsense ---- */

static void assert_nonsense(workq *other) {
  struct picture *before = inner_take(q);
  ck_assert_int_eq(journal_recover(other), -EUCLEAN);
  inner_assert_same(q, before);
  free(before);
}

START_TEST(too_many_lines_are_nonsense) {
  workq *two[2];
  open_two(two);
  static const uint32_t wild[] = {JOURNAL_LINES + 1, 1000, INT32_MAX, UINT32_MAX};
  for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
    set_count(q, wild[i]);
    assert_nonsense(two[1]);
  }
  set_count(q, 0);
}
END_TEST

START_TEST(lines_outside_are_nonsense) {
  workq *two[2];
  open_two(two);
  uint32_t end = (uint32_t)(q->size / LINE_SIZE), control = (uint32_t)(q->geometry.control_off / LINE_SIZE);
  /* A transaction changes none of those with a mutex in it either: it would get any bytes. */
  const uint32_t wild[] = {0,
                           1,
                           control - 1,
                           control,
                           journal_line(q, q->mutexes),
                           journal_line(q, &q->mutexes[LOCK_MUTEXES - 1]),
                           journal_line(q, &q->slots[0].life),
                           journal_line(q, &q->slots[1].life),
                           journal_line(q, q->journals),
                           end,
                           end + 1,
                           INT32_MAX,
                           UINT32_MAX};
  for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
    q->journal->line[0] = wild[i];
    set_count(q, 1);
    assert_nonsense(two[1]);
  }
  memcpy(q->journal->bytes[0], &q->control->hot, LINE_SIZE);
  q->journal->line[0] = journal_line(q, &q->control->hot);
  ck_assert_int_eq(journal_recover(two[1]), 1);
}
END_TEST

static void write_nonsense(workq *of) {
  set_count(of, JOURNAL_LINES + 1);
}

START_TEST(a_segment_that_cannot_be_rolled_back_is_given_up) {
  start_with_keys();
  die_inside(write_nonsense);
  for (int i = 0; i < 3; i++) ck_assert_int_eq(workq_len(q), -EUCLEAN);
  workq_item item;
  ck_assert_int_eq(workq_add(q, "c", 1), -EUCLEAN);
  ck_assert_int_eq(workq_get(q, &item, WORKQ_FOREVER), -EUCLEAN);
  ck_assert_int_eq(workq_check(q, NULL, NULL), -EUCLEAN);
  ck_assert_uint_eq(atomic_load(&q->control->lock.settled), LOCK_DAMAGED);
}
END_TEST

int main(int argc, char **argv) {
  Suite *suite = suite_create("journal");
  TCase *lines = inner_case(suite, "lines");
  tcase_add_test(lines, a_line_is_saved_once);
  tcase_add_test(lines, the_lines_that_all_change_are_saved_from_the_start);
  tcase_add_test(lines, a_line_saved_twice_is_restored_to_the_first);
  tcase_add_test(lines, the_number_of_transactions_may_overflow);
  tcase_add_test(lines, more_lines_than_there_are_give_the_segment_up);
  TCase *operations = inner_case(suite, "operations");
  tcase_add_test(operations, every_operation_is_undone_byte_for_byte);
  TCase *death = inner_case(suite, "death");
  tcase_add_test(death, what_a_dead_process_has_begun_is_undone_by_the_next);
  tcase_add_test(death, a_death_before_the_first_change_is_no_harm);
  TCase *nonsense = inner_case(suite, "nonsense");
  tcase_add_test(nonsense, too_many_lines_are_nonsense);
  tcase_add_test(nonsense, lines_outside_are_nonsense);
  tcase_add_test(nonsense, a_segment_that_cannot_be_rolled_back_is_given_up);
  return inner_main(argc, argv, suite);
}
