/*
 * `workq top`: the pages of all queues, of workers and of items: tables.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/escape.h"
#include "top.h"

/* ---- All queues ---------------------------------------------------------------------------------------------- */

/* So that what does the most harm is seen first, it hides the rest. */
const char *top_state_text(const struct top_queue *queue, char text[TOP_TEXT_SIZE], enum top_style *style) {
  const workq_stats_data *stats = &queue->now.measures.stats;
  char time[TOP_TEXT_SIZE];
  int64_t for_ns;
  enum top_trouble trouble = top_trouble(&queue->progress, &queue->now, &for_ns);
  *style = STYLE_BAD;
  if (queue->error == -ENOENT) return "gone";
  if (queue->error < 0) return workq_strerror(queue->error);
  if (trouble == TROUBLE_LOCKED) {
    snprintf(text, TOP_TEXT_SIZE, "locked %s", top_time(time, for_ns));
    return text;
  }
  *style = STYLE_WARN;
  if (stats->shut_down != 0 && trouble != TROUBLE_STUCK) return "shut down";
  if (stats->paused != 0) return "paused";
  *style = STYLE_BAD;
  if (trouble == TROUBLE_FULL) return "full";
  if (trouble == TROUBLE_NO_WORKER) return "no worker";
  if (trouble == TROUBLE_STUCK) {
    snprintf(text, TOP_TEXT_SIZE, "stuck %s", top_time(time, for_ns));
    return text;
  }
  *style = STYLE_PLAIN;
  return "open";
}

enum {
  QUEUE_NAME,
  QUEUE_READY,
  QUEUE_AT_WORK,
  QUEUE_DELAYED,
  QUEUE_BURIED,
  QUEUE_ADDED,
  QUEUE_DONE,
  QUEUE_LONGEST,
  QUEUE_STATE,
  QUEUE_COLUMNS
};

static void draw_queue_row(const struct top_queue *queue, const struct top_table *table, int row, bool chosen) {
  const workq_stats_data *stats = &queue->now.measures.stats;
  char text[TOP_TEXT_SIZE];
  enum top_style state_style, style = chosen ? STYLE_CHOSEN : STYLE_PLAIN;
  const char *state = top_state_text(queue, text, &state_style);
  if (chosen) top_put_chosen(row);
  top_table_put_bytes(table, QUEUE_NAME, row, style, queue->name, strlen(queue->name));
  if (queue->error < 0) {
    int column = table->cells[QUEUE_NAME].at + table->cells[QUEUE_NAME].width + 2;
    top_put(row, column, top_columns() - column, chosen ? style : state_style, "%s", state);
    return;
  }
  top_table_put(table, QUEUE_STATE, row, chosen ? style : state_style, "%s", state);
  top_table_put(table, QUEUE_READY, row, style, "%s", top_count(text, stats->ready));
  top_table_put(table, QUEUE_AT_WORK, row, style, "%s", top_count(text, stats->processing));
  top_table_put(table, QUEUE_DELAYED, row, style, "%s", top_count(text, stats->delayed));
  top_table_put(table, QUEUE_BURIED, row, chosen || stats->buried == 0 ? style : STYLE_BAD, "%s",
                top_count(text, stats->buried));
  top_table_put(table, QUEUE_ADDED, row, style, "%s", top_rate(text, queue->rates.added));
  top_table_put(table, QUEUE_DONE, row, style, "%s", top_rate(text, queue->rates.done));
  bool is_long = stats->processing > 0 && top_is_long(&queue->now.measures, stats->longest_ns);
  top_table_put(table, QUEUE_LONGEST, row, chosen || !is_long ? style : STYLE_WARN, "%s",
                stats->processing > 0 && stats->metrics != 0 ? top_time(text, stats->longest_ns) : "");
}

/* The columns of the widest name. */
static int widest_name(const struct top *top) {
  int widest = 0;
  for (int i = 0; i < top->queue_count; i++) {
    char *name = top_shown(top->queues[i]->name, strlen(top->queues[i]->name));
    int columns = escape_columns(name);
    if (columns > widest) widest = columns;
    free(name);
  }
  return widest;
}

void top_draw_queues(struct top *top) {
  struct top_column columns[QUEUE_COLUMNS] = {[QUEUE_NAME] = {"QUEUE", 12, widest_name(top), 0, true},
                                              [QUEUE_READY] = {"READY", 6, 0, 0, false},
                                              [QUEUE_AT_WORK] = {"AT WORK", 7, 0, 3, false},
                                              [QUEUE_DELAYED] = {"DELAYED", 7, 0, 6, false},
                                              [QUEUE_BURIED] = {"BURIED", 6, 0, 4, false},
                                              [QUEUE_ADDED] = {"ADDED/s", 7, 0, 7, false},
                                              [QUEUE_DONE] = {"DONE/s", 6, 0, 5, false},
                                              [QUEUE_LONGEST] = {"LONGEST", 7, 0, 2, false},
                                              [QUEUE_STATE] = {"STATE", 11, 0, 0, true}};
  struct top_table table;
  int row = TOP_FIRST_ROW;
  top_table_start(&table, columns, QUEUE_COLUMNS, row, 1, top_columns() - 2);
  struct top_place *place = &top->places[PAGE_QUEUES];
  int shown = top_settle(place, top->queue_count, top_rows() - 1);
  for (int i = 0; i < shown; i++)
    draw_queue_row(top->queues[place->first + i], &table, row + 1 + i, place->first + i == place->selected);
  if (top->list_error != 0)
    top_put(row + 1, 1, top_columns() - 2, STYLE_BAD, "cannot list the queues: %s", workq_strerror(top->list_error));
  else if (top->queue_count == 0)
    top_put(row + 1, 1, top_columns() - 2, STYLE_FAINT, "No queues (create one: workq create NAME)");
}

/* ---- Commands ------------------------------------------------------------------------------------------------ */

static char *shown_command(const workq_worker *worker) {
  char command[512];
  return top_shown(command, top_command_of(worker, COMMAND_SHORT, command, sizeof command));
}

int top_command_columns(const workq_worker *worker) {
  char *text = shown_command(worker);
  int columns = escape_columns(text);
  free(text);
  return columns;
}

void top_put_command(const struct top_table *table, int column, int row, enum top_style style,
                     const workq_worker *worker) {
  if (table->cells[column].width == 0) return;
  char *text = shown_command(worker);
  top_table_put(table, column, row, style, "%s", text);
  free(text);
}

/* ---- Workers ------------------------------------------------------------------------------------------------- */

/* What the worker does; and what it does it with is another column. */
static const char *activity_of(const workq_worker *worker) {
  static const char *const waits[] = {"", "waits", "for space", "drains"};
  if (worker->processing > 0) return "works";
  if (top_is_supervisor(worker)) return "supervises";
  return worker->waiting < sizeof waits / sizeof waits[0] ? waits[worker->waiting] : "";
}

/* The keys that it processes, the oldest first, as far as there is space. */
static void put_keys_of(const struct top *top, const struct top_table *table, int column, const workq_worker *worker,
                        int row, enum top_style style) {
  const struct top_cell *cell = &table->cells[column];
  int at = cell->at, end = cell->at + cell->width;
  if (worker->processing > 1) {
    top_put(row, at, end - at, style, "(%u)", worker->processing);
    char count[16];
    at += snprintf(count, sizeof count, "(%u) ", worker->processing);
  }
  for (uint32_t i = 0; i < top->processing.count && at < end; i++) {
    const workq_info *info = &top->processing.items[i].info;
    if (info->pid != worker->pid || info->tid != worker->tid) continue;
    char text[1024];
    top_shorten(text, sizeof text, info->key, info->key_len, end - at);
    top_put(row, at, end - at, style, "%s", text);
    at += escape_columns(text) + 1;
  }
}

enum {
  WORKER_PID,
  WORKER_COMMAND,
  WORKER_ACTIVITY,
  WORKER_AGE,
  WORKER_DONE,
  WORKER_FAILED,
  WORKER_BUSY,
  WORKER_KEYS,
  WORKER_COLUMNS
};

static void draw_worker(const struct top *top, const struct top_table *table, const workq_worker *worker, int row,
                        bool chosen) {
  char text[TOP_TEXT_SIZE];
  enum top_style style = chosen ? STYLE_CHOSEN : STYLE_PLAIN;
  bool is_long = top_is_long(&top->queue->now.measures, worker->running_ns);
  if (chosen) top_put_chosen(row);
  top_table_put(table, WORKER_PID, row, style, "%d", worker->pid);
  top_put_command(table, WORKER_COMMAND, row, style, worker);
  top_table_put(table, WORKER_ACTIVITY, row, chosen || worker->processing == 0 ? style : STYLE_GOOD, "%s",
                activity_of(worker));
  top_table_put(table, WORKER_AGE, row, style, "%s", top_time(text, worker->age_ns));
  top_table_put(table, WORKER_DONE, row, style, "%s", top_count(text, worker->dones));
  top_table_put(table, WORKER_FAILED, row, chosen || worker->failed == 0 ? style : STYLE_WARN, "%s",
                top_count(text, worker->failed));
  top_table_put(table, WORKER_BUSY, row, chosen || !is_long ? style : STYLE_WARN, "%s",
                top_time(text, worker->running_ns));
  put_keys_of(top, table, WORKER_KEYS, worker, row, style);
}

void top_draw_workers(struct top *top) {
  struct top_place *place = &top->places[PAGE_WORKERS];
  int row = TOP_FIRST_ROW, width = top_columns() - 2;
  int shown = top_settle(place, (int)top->workers.count, top_rows() - 1), widest = 0;
  for (int i = 0; i < shown; i++) {
    int command = top_command_columns(&top->workers.workers[place->first + i]);
    if (command > widest) widest = command;
  }
  if (widest > width / 3) widest = width / 3;
  struct top_column columns[WORKER_COLUMNS] = {
      [WORKER_PID] = {"PID", 7, 0, 3, false},           [WORKER_COMMAND] = {"COMMAND", 8, widest, 0, true},
      [WORKER_ACTIVITY] = {"ACTIVITY", 10, 0, 6, true}, [WORKER_AGE] = {"AGE", 6, 0, 7, false},
      [WORKER_DONE] = {"DONE", 6, 0, 4, false},         [WORKER_FAILED] = {"FAILED", 6, 0, 5, false},
      [WORKER_BUSY] = {"BUSY", 6, 0, 0, false},         [WORKER_KEYS] = {"KEYS", 10, width, 0, true}};
  struct top_table table;
  top_table_start(&table, columns, WORKER_COLUMNS, row, 1, width);
  for (int i = 0; i < shown; i++)
    draw_worker(top, &table, &top->workers.workers[place->first + i], row + 1 + i, place->first + i == place->selected);
  if (top->workers.count == 0) top_put(row + 1, 1, width, STYLE_FAINT, "No worker is attached to this queue.");
}

/* ---- Items --------------------------------------------------------------------------------------------------- */

static enum top_style style_of_state(int state) {
  if (state == WORKQ_STATE_BURIED) return STYLE_BAD;
  return state == WORKQ_STATE_PROCESSING || state == WORKQ_STATE_DIRTY ? STYLE_GOOD : STYLE_PLAIN;
}

enum {
  ITEM_STATE,
  ITEM_PRIORITY,
  ITEM_AGE,
  ITEM_DUE,
  ITEM_FAILED,
  ITEM_CRASHED,
  ITEM_PID,
  ITEM_COMMAND,
  ITEM_KEY,
  ITEM_COLUMNS
};

static void draw_item(const struct top *top, const struct top_table *table, const workq_info *info, int row,
                      bool chosen) {
  char text[TOP_TEXT_SIZE];
  enum top_style style = chosen ? STYLE_CHOSEN : STYLE_PLAIN;
  bool is_long = top_is_long(&top->queue->now.measures, info->running_ns);
  if (chosen) top_put_chosen(row);
  top_table_put(table, ITEM_STATE, row, chosen ? style : style_of_state(info->state), "%s",
                workq_state_name(info->state));
  top_table_put(table, ITEM_PRIORITY, row, style, "%d", info->priority);
  top_table_put(table, ITEM_AGE, row, chosen || !is_long ? style : STYLE_WARN, "%s",
                top_time(text, info->running_ns >= 0 ? info->running_ns : info->waiting_ns));
  top_table_put(table, ITEM_DUE, row, style, "%s", info->due_in_ns >= 0 ? top_time(text, info->due_in_ns) : "");
  top_table_put(table, ITEM_FAILED, row, !chosen && info->failures > 0 ? STYLE_WARN : style, "%u", info->failures);
  top_table_put(table, ITEM_CRASHED, row, !chosen && info->crashes > 0 ? STYLE_WARN : style, "%u", info->crashes);
  const workq_worker *worker = top_worker_of(top, info);
  if (info->pid != 0) top_table_put(table, ITEM_PID, row, style, "%d", info->pid);
  if (worker != NULL) top_put_command(table, ITEM_COMMAND, row, style, worker);
  top_table_put_bytes(table, ITEM_KEY, row, style, info->key, info->key_len);
}

/* What is shown of how many, and how it was chosen. */
static void draw_query(const struct top *top, int row) {
  const struct top_query *query = &top->query;
  const workq_stats_data *stats = &top->queue->now.measures.stats;
  char text[TOP_TEXT_SIZE], keys[TOP_TEXT_SIZE];
  struct top_flow flow = {.left = 1, .width = top_columns() - 2, .row = row, .column = 1};
  bool filtered = *query->filter != '\0';
  char filter[4 * sizeof query->filter + 1];
  escape_restore(filter, query->filter);
  top_flow_put(&flow, row, STYLE_PLAIN, "%s keys%s%s%s", query->state == 0 ? "all" : workq_state_name(query->state),
               filtered ? " with '" : "", filtered ? filter : "", filtered ? "'" : "");
  top_flow_put(&flow, row, STYLE_PLAIN, "by %s%s", top_sort_names[query->sort], query->backwards ? ", backwards" : "");
  if (!top->items.all)
    top_flow_put(&flow, row, STYLE_PLAIN, "%u shown; %s of %s keys were read", top->items.count,
                 top_count(text, top->items.read), top_count(keys, stats->keys));
  else if (top->items.matches > top->items.count)
    top_flow_put(&flow, row, STYLE_PLAIN, "%u shown of %s", top->items.count, top_count(text, top->items.matches));
  else top_flow_put(&flow, row, STYLE_PLAIN, "%u shown", top->items.count);
}

/* From so many columns on there is space for all columns of items. */
#define ITEM_WIDE 120

/* Leaves out columns of which no key has a figure, and commands, so that there is space for keys. */
static void leave_out_unused(const struct top *top, struct top_column columns[ITEM_COLUMNS]) {
  bool used[ITEM_COLUMNS] = {[ITEM_STATE] = true, [ITEM_AGE] = true, [ITEM_KEY] = true};
  for (uint32_t i = 0; i < top->items.count; i++) {
    const workq_info *info = &top->items.items[i].info;
    used[ITEM_PRIORITY] |= info->priority != 0;
    used[ITEM_DUE] |= info->due_in_ns >= 0;
    used[ITEM_FAILED] |= info->failures > 0;
    used[ITEM_CRASHED] |= info->crashes > 0;
    used[ITEM_PID] |= info->pid != 0;
  }
  for (int i = 0; i < ITEM_COLUMNS; i++)
    if (!used[i]) columns[i].width = columns[i].want = 0;
}

void top_draw_items(struct top *top) {
  struct top_place *place = &top->places[PAGE_ITEMS];
  int row = TOP_FIRST_ROW + 1, width = top_columns() - 2;
  struct top_column columns[ITEM_COLUMNS] = {
      [ITEM_STATE] = {"STATE", 10, 0, 0, true},   [ITEM_PRIORITY] = {"PRI", 4, 0, 6, false},
      [ITEM_AGE] = {"AGE", 6, 0, 1, false},       [ITEM_DUE] = {"DUE IN", 6, 0, 4, false},
      [ITEM_FAILED] = {"FAILED", 6, 0, 3, false}, [ITEM_CRASHED] = {"CRASHED", 7, 0, 5, false},
      [ITEM_PID] = {"PID", 7, 0, 7, false},       [ITEM_COMMAND] = {"COMMAND", 20, width / 5, 8, true},
      [ITEM_KEY] = {"KEY", 18, width, 0, true}};
  if (width < ITEM_WIDE) leave_out_unused(top, columns);
  struct top_table table;
  draw_query(top, TOP_FIRST_ROW);
  top_table_start(&table, columns, ITEM_COLUMNS, row, 1, width);
  int shown = top_settle(place, (int)top->items.count, top_rows() - 2);
  for (int i = 0; i < shown; i++)
    draw_item(top, &table, &top->items.items[place->first + i].info, row + 1 + i, place->first + i == place->selected);
  if (top->items.count == 0) top_put(row + 1, 1, width, STYLE_FAINT, "No such key.");
}
