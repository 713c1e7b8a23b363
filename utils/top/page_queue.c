/*
 * `workq top`: the page of one queue: figures, rates, times, depth by priority, what is being
 * processed, and two graphs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "top.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ncurses.h>

#include "format.h"

/* Columns of the three blocks of figures. */
#define KEYS_COLUMN  1
#define RATES_COLUMN 24
#define TIMES_COLUMN 51
#define FIGURES_ROW  (TOP_FIRST_ROW + 2)
#define FIGURES_ROWS 6

/* ---- Figures ------------------------------------------------------------------------------------------------- */

static void draw_summary(const struct top *top) {
  const workq_stats_data *stats = &top->queue->now.measures.stats;
  char keys[TOP_TEXT_SIZE], capacity[TOP_TEXT_SIZE], committed[TOP_TEXT_SIZE], size[TOP_TEXT_SIZE];
  double share = stats->capacity > 0 ? (double)stats->keys / stats->capacity : 0;
  top_put(TOP_FIRST_ROW, KEYS_COLUMN, 38, STYLE_PLAIN, "keys %s of %s (%.*f%%)", top_count(keys, stats->keys),
          top_count(capacity, stats->capacity), share > 0 && share < 0.1 ? 1 : 0, 100 * share);
  top_put(TOP_FIRST_ROW, 36, 22, STYLE_PLAIN, "handles %u of %u", stats->attached, stats->handles);
  top_put(TOP_FIRST_ROW, 58, 30, STYLE_PLAIN, "memory %s of %s", top_bytes(committed, stats->committed),
          top_bytes(size, stats->size));
}

/* What stops the work, if anything does. */
static void draw_notice(const struct top *top) {
  const workq_stats_data *stats = &top->queue->now.measures.stats;
  const char *text = "";
  if (top->queue->error == -ENOENT) text = "The queue is gone; this is its last state.";
  else if (top->queue->error < 0) text = "The queue cannot be read; this is its last state.";
  else if (stats->paused != 0) text = "Paused: workers get no keys until it is unpaused (p).";
  else if (stats->shut_down != 0) text = "Shut down: no keys are added; workers end when they have done what is ready.";
  else if (stats->keys >= stats->capacity && stats->idle == 0) text = "The queue is full.";
  else if (stats->ready > 0 && stats->waiting == 0 && stats->processing == 0)
    text = "Keys are ready, but no worker is there.";
  top_put(TOP_FIRST_ROW + 1, KEYS_COLUMN, top_columns() - 2, STYLE_WARN, "%s", text);
}

static void put_keys(int row, const char *label, uint64_t count, enum top_style style) {
  char text[TOP_TEXT_SIZE];
  top_put(FIGURES_ROW + row, KEYS_COLUMN, 11, STYLE_PLAIN, "%s", label);
  top_put_right(FIGURES_ROW + row, KEYS_COLUMN + 12, 8, style, "%s", top_count(text, count));
}

static void draw_keys(const struct top *top) {
  const workq_stats_data *stats = &top->queue->now.measures.stats;
  char text[TOP_TEXT_SIZE];
  top_put(FIGURES_ROW, KEYS_COLUMN, 20, STYLE_STRONG, "KEYS");
  put_keys(1, "ready", stats->ready, STYLE_STRONG);
  put_keys(2, "processing", stats->processing, STYLE_STRONG);
  put_keys(3, "delayed", stats->delayed, STYLE_STRONG);
  top_put(FIGURES_ROW + 4, KEYS_COLUMN, 11, STYLE_PLAIN, "  next due");
  top_put_right(FIGURES_ROW + 4, KEYS_COLUMN + 12, 8, STYLE_PLAIN, "%s", top_time(text, stats->next_due_in_ns));
  put_keys(5, "buried", stats->buried, stats->buried > 0 ? STYLE_BAD : STYLE_STRONG);
  put_keys(6, "idle", stats->idle, STYLE_STRONG);
}

static void put_rate(int row, const char *label, double rate, uint64_t total, enum top_style style) {
  char text[TOP_TEXT_SIZE];
  top_put(FIGURES_ROW + row, RATES_COLUMN, 10, STYLE_PLAIN, "%s", label);
  top_put_right(FIGURES_ROW + row, RATES_COLUMN + 9, 7, style, "%s", top_rate(text, rate));
  top_put_right(FIGURES_ROW + row, RATES_COLUMN + 16, 8, STYLE_PLAIN, "%s", top_count(text, total));
}

static void draw_rates(const struct top *top) {
  const struct sample_rates *rates = &top->queue->rates;
  const workq_stats_data *stats = &top->queue->now.measures.stats;
  top_put(FIGURES_ROW, RATES_COLUMN, 24, STYLE_STRONG, "RATE          /s   total");
  put_rate(1, "added", rates->added, stats->adds, STYLE_STRONG);
  put_rate(2, "coalesced", rates->coalesced, stats->coalesced, STYLE_STRONG);
  put_rate(3, "done", rates->done, stats->dones, STYLE_STRONG);
  put_rate(4, "retried", rates->retried, stats->retries, rates->retried > 0 ? STYLE_WARN : STYLE_STRONG);
  put_rate(5, "given up", rates->gave_up, stats->gave_up, rates->gave_up > 0 ? STYLE_BAD : STYLE_STRONG);
  put_rate(6, "crashed", rates->crashed, stats->crashes, rates->crashed > 0 ? STYLE_BAD : STYLE_STRONG);
}

static void put_times(int row, const char *label, const workq_histogram *before, const workq_histogram *now) {
  struct sample_times times = sample_times_between(before, now);
  char text[TOP_TEXT_SIZE];
  top_put(FIGURES_ROW + row, TIMES_COLUMN, 9, STYLE_PLAIN, "%s", label);
  top_put_right(FIGURES_ROW + row, TIMES_COLUMN + 8, 6, STYLE_STRONG, "%s", top_time(text, times.p50_ns));
  top_put_right(FIGURES_ROW + row, TIMES_COLUMN + 15, 6, STYLE_STRONG, "%s", top_time(text, times.p90_ns));
  top_put_right(FIGURES_ROW + row, TIMES_COLUMN + 22, 6, STYLE_STRONG, "%s", top_time(text, times.p99_ns));
}

static void draw_times(const struct top *top) {
  const workq_measures *now = &top->queue->now.measures;
  const struct sample *begin = top_window_begin(&top->queue->window);
  const workq_measures *before = begin != NULL ? &begin->measures : now;
  char text[TOP_TEXT_SIZE];
  top_put(FIGURES_ROW, TIMES_COLUMN, 28, STYLE_STRONG, "TIME       p50    p90    p99");
  if (now->stats.metrics == 0) {
    top_put(FIGURES_ROW + 1, TIMES_COLUMN, 28, STYLE_PLAIN, "not measured in this queue");
    return;
  }
  put_times(1, "in queue", &before->queue_time, &now->queue_time);
  put_times(2, "at work", &before->work_time, &now->work_time);
  put_times(3, "delayed", &before->delay_time, &now->delay_time);
  top_put(FIGURES_ROW + 4, TIMES_COLUMN, 28, STYLE_FAINT, "  (of the last 5 to 10 s)");
  top_put(FIGURES_ROW + 5, TIMES_COLUMN, 20, STYLE_PLAIN, "longest at work now");
  top_put_right(FIGURES_ROW + 5, TIMES_COLUMN + 20, 8, STYLE_STRONG, "%s", top_time(text, now->stats.longest_ns));
  top_put(FIGURES_ROW + 6, TIMES_COLUMN, 20, STYLE_PLAIN, "sum at work now");
  top_put_right(FIGURES_ROW + 6, TIMES_COLUMN + 20, 8, STYLE_STRONG, "%s", top_time(text, now->stats.unfinished_ns));
}

/* ---- Depth by priority ----------------------------------------------------------------------------------------- */

/* The most keys of one priority, and how many priorities have some. */
static uint32_t deepest(const uint32_t *depth, int *priorities) {
  uint32_t most = 0;
  *priorities = 0;
  for (int i = 0; i < 256; i++) {
    if (depth[i] > 0) ++*priorities;
    if (depth[i] > most) most = depth[i];
  }
  return most;
}

static void draw_depth(const struct top *top, int row, int rows, int width) {
  const uint32_t *depth = top->queue->now.measures.depth;
  int priorities, shown = 0;
  uint32_t most = deepest(depth, &priorities);
  uint64_t others = 0;
  char text[TOP_TEXT_SIZE];
  top_put(row, KEYS_COLUMN, width, STYLE_STRONG, "PRIORITY    KEYS");
  int room = priorities > rows ? rows - 1 : rows;
  for (int i = 255; i >= 0; i--) {
    if (depth[i] == 0) continue;
    if (shown == room) {
      others += depth[i];
      continue;
    }
    shown++;
    top_put_right(row + shown, KEYS_COLUMN, 8, STYLE_PLAIN, "%d", i - 128);
    top_put_right(row + shown, KEYS_COLUMN + 9, 7, STYLE_STRONG, "%s", top_count(text, depth[i]));
    top_put_bar(top, row + shown, KEYS_COLUMN + 18, width - 18, (double)depth[i] / most);
  }
  if (priorities > room)
    top_put(row + rows, KEYS_COLUMN, width, STYLE_FAINT, "%5d more %6s", priorities - room, top_count(text, others));
  if (priorities == 0) top_put(row + 1, KEYS_COLUMN, width, STYLE_FAINT, "no key is ready");
}

/* ---- What is being processed ----------------------------------------------------------------------------------- */

static void draw_processing(const struct top *top, int row, int rows, int column) {
  const struct top_items *items = &top->processing;
  char text[TOP_TEXT_SIZE];
  top_put(row, column, 80, STYLE_STRONG, "AT WORK      PID  COMMAND     KEY");
  int room = items->count > (uint32_t)rows ? rows - 1 : (int)items->count;
  for (int i = 0; i < room; i++) {
    const workq_info *info = &items->items[i].info;
    const char *command = top_command_of(top, info->pid);
    int at = row + 1 + i;
    top_put_right(at, column, 7, STYLE_STRONG, "%s", top_time(text, info->running_ns));
    top_put_right(at, column + 8, 8, STYLE_PLAIN, "%d", info->pid);
    top_put_bytes(at, column + 18, 11, STYLE_PLAIN, command, strnlen(command, sizeof((workq_worker *)0)->command));
    top_put_bytes(at, column + 30, top_columns() - column - 31, STYLE_PLAIN, info->key, info->key_len);
  }
  uint32_t more = items->count - (uint32_t)room;
  if (more > 0)
    top_put(row + rows, column, 60, STYLE_FAINT, "%u%s more: w shows the workers", more, items->all ? "" : "+");
  if (items->count == 0) top_put(row + 1, column, 60, STYLE_FAINT, "no key is being processed");
}

/* ---- Graphs -------------------------------------------------------------------------------------------------- */

static double value_of(const struct top_point *point, bool depth) {
  return depth ? point->depth : point->done;
}

static double highest(const struct top_history *history, int columns, bool depth) {
  double most = 0;
  for (int age = 0; age < columns; age++) {
    const struct top_point *point = top_history_at(history, age);
    if (point != NULL && value_of(point, depth) > most) most = value_of(point, depth);
  }
  return most;
}

/*
 * One graph: a line with its name and what the highest column stands for, and below it `rows` rows.
 */
static void draw_graph(const struct top *top, int row, int rows, int column, int width, bool depth) {
  const struct top_history *history = &top->queue->history;
  double most = highest(history, width, depth);
  char text[TOP_TEXT_SIZE], span[TOP_TEXT_SIZE];
  top_put(row, column, width, STYLE_STRONG, "%s", depth ? "READY" : "DONE A SECOND");
  top_put_right(row, column, width, STYLE_PLAIN, "last %s, most %s", top_time(span, width * history->step_ns),
                depth ? top_count(text, (uint64_t)most) : top_rate(text, most));
  for (int age = 0; age < width; age++) {
    const struct top_point *point = top_history_at(history, age);
    if (point == NULL) continue;
    for (int i = 0; i < rows; i++) {
      int level = top_level(value_of(point, depth), most, rows, i);
      mvaddstr(row + rows - i, column + width - 1 - age, level == 0 && i == 0 ? "_" : top_block(level, top->utf8));
    }
  }
}

/* ---- The page ------------------------------------------------------------------------------------------------ */

/* Rows of the graphs, without their heading; 0 where there is no room. */
static int graph_rows(int rows) {
  return rows < 18 ? 0 : (rows - FIGURES_ROWS - 3) * 2 / 5;
}

void top_draw_queue(struct top *top) {
  if (!top->queue->known) return;
  int rows = top_rows(), columns = top_columns();
  int graph = graph_rows(rows);
  int lists_row = FIGURES_ROW + FIGURES_ROWS + 2;
  int last_row = TOP_FIRST_ROW + rows - 1;
  int lists_rows = last_row - lists_row - (graph > 0 ? graph + 2 : 0);
  int left = 30 + (columns - 80) / 3;
  int half = (columns - 5) / 2;
  draw_summary(top);
  draw_notice(top);
  draw_keys(top);
  draw_rates(top);
  draw_times(top);
  draw_depth(top, lists_row, lists_rows, left);
  draw_processing(top, lists_row, lists_rows, KEYS_COLUMN + left + 3);
  if (graph == 0) return;
  draw_graph(top, last_row - graph, graph, 1, half, true);
  draw_graph(top, last_row - graph, graph, 1 + half + 3, half, false);
}
