/*
 * `workq top`: the page of one queue: figures, rates, times, depth by priority, what is being
 * processed, and two graphs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "top.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ncurses.h>

#include "common/escape.h"
#include "common/parse.h"

/* Columns of the three blocks of figures, the row of their headings, and rows below it. */
#define KEYS_COLUMN    1
#define RATES_COLUMN   24
#define TIMES_COLUMN   51
#define FIGURES_COLUMN 80 /* behind them */
#define FIGURES_ROWS   6

/* From here on the page has its blocks; on a smaller terminal figures stand one after another. */
#define BLOCKS_ROWS    15
#define BLOCKS_COLUMNS 80
/* From here on what is being processed stands on the right of the blocks, else below them. */
#define WIDE_COLUMNS 130

/* ---- Figures ------------------------------------------------------------------------------------------------- */

/* What the queue is, and what its limits are, as `workq create` has made it. */
static void flow_limits(const struct top *top, struct top_flow *flow, int last) {
  const workq_stats_data *stats = &top->queue->now.measures.stats;
  const char *then = stats->give_up == WORKQ_DROP ? "drop" : "bury";
  char limiter[LIMITER_TEXT_SIZE];
  if (stats->max_retries == 0) top_flow_put(flow, last, STYLE_PLAIN, "retries without limit");
  else if (stats->max_retries < 0) top_flow_put(flow, last, STYLE_PLAIN, "no retries: %s", then);
  else
    top_flow_put(flow, last, STYLE_PLAIN, "%d retr%s, then %s", stats->max_retries,
                 stats->max_retries == 1 ? "y" : "ies", then);
  if (stats->max_crashes == WORKQ_NEVER) top_flow_put(flow, last, STYLE_PLAIN, "crashes without limit");
  else
    top_flow_put(flow, last, STYLE_PLAIN, "%d crash%s, then bury", stats->max_crashes,
                 stats->max_crashes == 1 ? "" : "es");
  format_limiter(&top->queue->limiter, limiter);
  top_flow_put(flow, last, STYLE_PLAIN, "limiter %s", limiter);
}

static void flow_summary(const struct top *top, struct top_flow *flow, int last) {
  const workq_stats_data *stats = &top->queue->now.measures.stats;
  char keys[TOP_TEXT_SIZE], committed[TOP_TEXT_SIZE], size[TOP_TEXT_SIZE];
  double share = stats->capacity > 0 ? (double)stats->keys / stats->capacity : 0;
  top_flow_put(flow, last, STYLE_PLAIN, "keys %s of %" PRIu32 " (%.*f%%), of at most %" PRIu32 " bytes",
               top_count(keys, stats->keys), stats->capacity, share > 0 && share < 0.1 ? 1 : 0, 100 * share,
               stats->key_max);
  top_flow_put(flow, last, STYLE_PLAIN, "handles %u of %u", stats->attached, stats->handles);
  top_flow_put(flow, last, STYLE_PLAIN, "memory %s of %s", top_bytes(committed, stats->committed),
               top_bytes(size, stats->size));
}

/* What stops the work, if anything does. */
static void notice_text(const struct top *top, char *text, size_t size) {
  const workq_stats_data *stats = &top->queue->now.measures.stats;
  const struct top_queue *queue = top->queue;
  char time[TOP_TEXT_SIZE];
  int64_t for_ns;
  enum top_trouble trouble = top_trouble(&queue->progress, &queue->now, &for_ns);
  int owner = queue->progress.owner;
  top_time(time, for_ns);
  *text = '\0';
  if (queue->error == -ENOENT) snprintf(text, size, "The queue is gone; this is its last state.");
  else if (queue->error < 0) snprintf(text, size, "The queue cannot be read; this is its last state.");
  else if (trouble == TROUBLE_LOCKED)
    snprintf(text, size, "Locked by process %d for %s: resume it (kill -CONT %d) or kill it.", owner, time, owner);
  else if (stats->paused != 0) snprintf(text, size, "Paused: workers get no keys until it is unpaused (p).");
  else if (trouble == TROUBLE_NO_WORKER) snprintf(text, size, "Keys are ready, but no worker takes them.");
  else if (trouble == TROUBLE_STUCK)
    snprintf(text, size, "Stuck: keys are ready, and none was done for %s (w shows the workers).", time);
  else if (stats->shut_down != 0)
    snprintf(text, size, "Shut down: no keys are added; workers end when they have done what is ready.");
  else if (trouble == TROUBLE_FULL) snprintf(text, size, "The queue is full: no key can be added.");
}

static void draw_notice(const struct top *top, int row) {
  char text[256];
  enum top_style style;
  char state[TOP_TEXT_SIZE];
  notice_text(top, text, sizeof text);
  top_state_text(top->queue, state, &style);
  top_put(row, KEYS_COLUMN, top_columns() - 2, style == STYLE_BAD ? STYLE_BAD : STYLE_WARN, "%s", text);
}

static void put_keys(int at, int row, const char *label, uint64_t count, enum top_style style) {
  char text[TOP_TEXT_SIZE];
  top_put(at + row, KEYS_COLUMN, 11, STYLE_PLAIN, "%s", label);
  top_put_right(at + row, KEYS_COLUMN + 12, 8, style, "%s", top_count(text, count));
}

static void draw_keys(const struct top *top, int at) {
  const workq_stats_data *stats = &top->queue->now.measures.stats;
  char text[TOP_TEXT_SIZE];
  top_put(at, KEYS_COLUMN, 20, STYLE_STRONG, "KEYS");
  put_keys(at, 1, "ready", stats->ready, STYLE_STRONG);
  put_keys(at, 2, "processing", stats->processing, STYLE_STRONG);
  put_keys(at, 3, "delayed", stats->delayed, STYLE_STRONG);
  top_put(at + 4, KEYS_COLUMN, 11, STYLE_PLAIN, "  next due");
  top_put_right(at + 4, KEYS_COLUMN + 12, 8, STYLE_PLAIN, "%s", top_time(text, stats->next_due_in_ns));
  put_keys(at, 5, "buried", stats->buried, stats->buried > 0 ? STYLE_BAD : STYLE_STRONG);
  put_keys(at, 6, "idle", stats->idle, STYLE_STRONG);
}

static void put_rate(int at, int row, const char *label, double rate, uint64_t total, enum top_style style) {
  char text[TOP_TEXT_SIZE];
  top_put(at + row, RATES_COLUMN, 10, STYLE_PLAIN, "%s", label);
  top_put_right(at + row, RATES_COLUMN + 9, 7, style, "%s", top_rate(text, rate));
  top_put_right(at + row, RATES_COLUMN + 16, 8, STYLE_PLAIN, "%s", top_count(text, total));
}

static void draw_rates(const struct top *top, int at) {
  const struct sample_rates *rates = &top->queue->rates;
  const workq_stats_data *stats = &top->queue->now.measures.stats;
  top_put(at, RATES_COLUMN, 24, STYLE_STRONG, "RATE          /s   total");
  put_rate(at, 1, "added", rates->added, stats->adds, STYLE_STRONG);
  put_rate(at, 2, "coalesced", rates->coalesced, stats->coalesced, STYLE_STRONG);
  put_rate(at, 3, "done", rates->done, stats->dones, STYLE_STRONG);
  put_rate(at, 4, "retried", rates->retried, stats->retries, rates->retried > 0 ? STYLE_WARN : STYLE_STRONG);
  put_rate(at, 5, "given up", rates->gave_up, stats->gave_up, rates->gave_up > 0 ? STYLE_BAD : STYLE_STRONG);
  put_rate(at, 6, "crashed", rates->crashed, stats->crashes, rates->crashed > 0 ? STYLE_BAD : STYLE_STRONG);
}

static void put_times(int at, int row, const char *label, const workq_histogram *before, const workq_histogram *now) {
  struct sample_times times = sample_times_between(before, now);
  char text[TOP_TEXT_SIZE];
  top_put(at + row, TIMES_COLUMN, 9, STYLE_PLAIN, "%s", label);
  top_put_right(at + row, TIMES_COLUMN + 8, 6, STYLE_STRONG, "%s", top_time(text, times.p50_ns));
  top_put_right(at + row, TIMES_COLUMN + 15, 6, STYLE_STRONG, "%s", top_time(text, times.p90_ns));
  top_put_right(at + row, TIMES_COLUMN + 22, 6, STYLE_STRONG, "%s", top_time(text, times.p99_ns));
}

static void draw_times(const struct top *top, int at) {
  const workq_measures *now = &top->queue->now.measures;
  const struct sample *begin = top_window_begin(&top->queue->window);
  const workq_measures *before = begin != NULL ? &begin->measures : now;
  char text[TOP_TEXT_SIZE];
  top_put(at, TIMES_COLUMN, 28, STYLE_STRONG, "TIME       p50    p90    p99");
  if (now->stats.metrics == 0) {
    top_put(at + 1, TIMES_COLUMN, 28, STYLE_PLAIN, "not measured in this queue");
    return;
  }
  put_times(at, 1, "in queue", &before->queue_time, &now->queue_time);
  put_times(at, 2, "at work", &before->work_time, &now->work_time);
  put_times(at, 3, "delayed", &before->delay_time, &now->delay_time);
  top_put(at + 4, TIMES_COLUMN, 28, STYLE_FAINT, "  (of the last 5 to 10 s)");
  top_put(at + 5, TIMES_COLUMN, 20, STYLE_PLAIN, "longest at work now");
  bool is_long = now->stats.processing > 0 && top_is_long(now, now->stats.longest_ns);
  top_put_right(at + 5, TIMES_COLUMN + 20, 8, is_long ? STYLE_WARN : STYLE_STRONG, "%s",
                top_time(text, now->stats.longest_ns));
  top_put(at + 6, TIMES_COLUMN, 20, STYLE_PLAIN, "sum at work now");
  top_put_right(at + 6, TIMES_COLUMN + 20, 8, STYLE_STRONG, "%s", top_time(text, now->stats.unfinished_ns));
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
  int most_rows = priorities > rows ? rows - 1 : rows;
  for (int i = 255; i >= 0; i--) {
    if (depth[i] == 0) continue;
    if (shown == most_rows) {
      others += depth[i];
      continue;
    }
    shown++;
    top_put_right(row + shown, KEYS_COLUMN, 8, STYLE_PLAIN, "%d", i - 128);
    top_put_right(row + shown, KEYS_COLUMN + 9, 7, STYLE_STRONG, "%s", top_count(text, depth[i]));
    top_put_bar(top, row + shown, KEYS_COLUMN + 18, width - 18, (double)depth[i] / most);
  }
  if (priorities > most_rows)
    top_put(row + rows, KEYS_COLUMN, width, STYLE_FAINT, "%5d more %6s", priorities - most_rows,
            top_count(text, others));
  if (priorities == 0) top_put(row + 1, KEYS_COLUMN, width, STYLE_FAINT, "no key is ready");
}

/* ---- What is being processed ----------------------------------------------------------------------------------- */

enum { WORK_TIME, WORK_PID, WORK_COMMAND, WORK_KEY, WORK_COLUMNS };

static void draw_work_row(const struct top *top, const struct top_table *table, const workq_info *info, int row) {
  char text[TOP_TEXT_SIZE];
  const workq_worker *worker = top_worker_of(top, info);
  top_table_put(table, WORK_TIME, row,
                top_is_long(&top->queue->now.measures, info->running_ns) ? STYLE_WARN : STYLE_STRONG, "%s",
                top_time(text, info->running_ns));
  top_table_put(table, WORK_PID, row, STYLE_PLAIN, "%d", info->pid);
  if (worker != NULL) top_put_command(table, WORK_COMMAND, row, STYLE_PLAIN, worker);
  top_table_put_bytes(table, WORK_KEY, row, STYLE_PLAIN, info->key, info->key_len);
}

static void draw_processing(const struct top *top, int row, int rows, int column, int width) {
  const struct top_items *items = &top->processing;
  if (rows < 1) return;
  int shown = items->count > (uint32_t)rows ? rows - 1 : (int)items->count, widest = 0;
  for (int i = 0; i < shown; i++) {
    const workq_worker *worker = top_worker_of(top, &items->items[i].info);
    int command = worker != NULL ? top_command_columns(worker) : 0;
    if (command > widest) widest = command;
  }
  const struct top_column columns[WORK_COLUMNS] = {
      [WORK_TIME] = {"AT WORK", 7, 0, 0, false},
      [WORK_PID] = {"PID", 7, 0, 2, false},
      [WORK_COMMAND] = {"COMMAND", 8, widest < width / 3 ? widest : width / 3, 1, true},
      [WORK_KEY] = {"KEY", 10, width, 0, true},
  };
  struct top_table table;
  top_table_start(&table, columns, WORK_COLUMNS, row, column, width);
  for (int i = 0; i < shown; i++) draw_work_row(top, &table, &items->items[i].info, row + 1 + i);
  uint32_t more = items->count - (uint32_t)shown;
  if (more > 0)
    top_put(row + rows, column, width, STYLE_FAINT, "%u%s more: w shows the workers", more, items->all ? "" : "+");
  if (items->count == 0) top_put(row + 1, column, width, STYLE_FAINT, "no key is being processed");
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
  top_put_right(row, column, width, STYLE_PLAIN, "last %s, most %s",
                top_time(span, top_history_span_ns(history, width)),
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

/*
 * On a small terminal: the figures one after another, and below them what is being processed.
 */
static void draw_small(const struct top *top) {
  const workq_stats_data *stats = &top->queue->now.measures.stats;
  const struct sample_rates *rates = &top->queue->rates;
  int last = TOP_FIRST_ROW + top_rows() - 1;
  char text[256], figure[TOP_TEXT_SIZE], other[TOP_TEXT_SIZE];
  struct top_flow flow = {.left = 1, .width = top_columns() - 2, .row = TOP_FIRST_ROW, .column = 1};
  notice_text(top, text, sizeof text);
  if (*text != '\0') draw_notice(top, flow.row++);
  top_flow_put(&flow, last, STYLE_STRONG, "ready %s", top_count(figure, stats->ready));
  top_flow_put(&flow, last, STYLE_STRONG, "at work %s", top_count(figure, stats->processing));
  top_flow_put(&flow, last, STYLE_PLAIN, "delayed %s", top_count(figure, stats->delayed));
  top_flow_put(&flow, last, stats->buried > 0 ? STYLE_BAD : STYLE_PLAIN, "buried %s", top_count(figure, stats->buried));
  top_flow_put(&flow, last, STYLE_PLAIN, "added %s/s", top_rate(figure, rates->added));
  top_flow_put(&flow, last, STYLE_PLAIN, "done %s/s", top_rate(figure, rates->done));
  top_flow_put(&flow, last, rates->retried > 0 ? STYLE_WARN : STYLE_PLAIN, "retried %s/s",
               top_rate(figure, rates->retried));
  top_flow_put(&flow, last, STYLE_PLAIN, "handles %u of %u", stats->attached, stats->handles);
  top_flow_put(&flow, last, STYLE_PLAIN, "keys %s of %s", top_count(figure, stats->keys),
               top_count(other, stats->capacity));
  if (flow.row + 4 < last) {
    top_flow_put(&flow, last, STYLE_PLAIN, "at most %" PRIu32 " bytes", stats->key_max);
    flow_limits(top, &flow, last);
  }
  draw_processing(top, flow.row + 1, last - flow.row - 1, 1, top_columns() - 2);
}

/* Rows of the graphs, without their heading, of those below the figures; 0 where there is no space. */
static int graph_rows(int rows) {
  return rows < 8 ? 0 : rows / 3;
}

static void draw_blocks(const struct top *top) {
  int columns = top_columns(), last = TOP_FIRST_ROW + top_rows() - 1;
  struct top_flow flow = {.left = 1, .width = columns - 2, .row = TOP_FIRST_ROW, .column = 1};
  flow_summary(top, &flow, last);
  flow_limits(top, &flow, last);
  int figures = flow.row + 2, lists = figures + FIGURES_ROWS + 2;
  int graph = graph_rows(last - lists + 1);
  int lists_last = graph > 0 ? last - graph - 2 : last;
  bool wide = columns >= WIDE_COLUMNS;
  draw_notice(top, flow.row + 1);
  draw_keys(top, figures);
  draw_rates(top, figures);
  draw_times(top, figures);
  int left = wide ? FIGURES_COLUMN - 5 : 28 + (columns - 80) / 3;
  int right = wide ? FIGURES_COLUMN + 3 : KEYS_COLUMN + left + 3;
  draw_depth(top, lists, lists_last - lists, left);
  int list = wide ? figures : lists;
  draw_processing(top, list, lists_last - list, right, columns - right - 1);
  if (graph == 0) return;
  int half = (columns - 5) / 2;
  draw_graph(top, last - graph, graph, 1, half, true);
  draw_graph(top, last - graph, graph, 1 + half + 3, half, false);
}

void top_draw_queue(struct top *top) {
  if (!top->queue->known) return;
  if (top_rows() < BLOCKS_ROWS || top_columns() < BLOCKS_COLUMNS) draw_small(top);
  else draw_blocks(top);
}
