/*
 * `workq top`: the pages of all queues, of workers, of items, and the help.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/escape.h"
#include "format.h"
#include "top.h"

/* ---- All queues ---------------------------------------------------------------------------------------------- */

/* Columns behind the name, each right-aligned; the state stands last. */
#define COUNT_WIDTH  8
#define COUNTS       6
#define STATE_WIDTH  11
#define QUEUES_FIXED (COUNTS * COUNT_WIDTH + STATE_WIDTH)

static const char *state_of(const struct top_queue *queue, enum top_style *style) {
  const workq_stats_data *stats = &queue->now.measures.stats;
  *style = queue->error < 0 ? STYLE_BAD : stats->paused != 0 || stats->shut_down != 0 ? STYLE_WARN : STYLE_PLAIN;
  if (queue->error == -ENOENT) return "gone";
  if (queue->error < 0) return workq_strerror(queue->error);
  if (stats->shut_down != 0) return "shut down";
  return stats->paused != 0 ? "paused" : "open";
}

static void put_count(int row, int column, enum top_style style, uint64_t count) {
  char text[TOP_TEXT_SIZE];
  top_put_right(row, column, COUNT_WIDTH, style, "%s", top_count(text, count));
}

static void draw_queue_row(const struct top_queue *queue, int row, int width, bool chosen) {
  const workq_stats_data *stats = &queue->now.measures.stats;
  char text[TOP_TEXT_SIZE];
  enum top_style state_style, style = chosen ? STYLE_CHOSEN : STYLE_PLAIN;
  const char *state = state_of(queue, &state_style);
  if (chosen) top_put(row, 0, top_columns(), STYLE_CHOSEN, "%*s", top_columns(), "");
  top_put_bytes(row, 1, width, style, queue->name, strlen(queue->name));
  int column = 1 + width;
  if (queue->error < 0) {
    top_put(row, column + 2, top_columns() - column - 2, chosen ? style : state_style, "%s", state);
    return;
  }
  put_count(row, column, style, stats->ready);
  put_count(row, column + COUNT_WIDTH, style, stats->processing);
  put_count(row, column + 2 * COUNT_WIDTH, style, stats->delayed);
  put_count(row, column + 3 * COUNT_WIDTH, chosen || stats->buried == 0 ? style : STYLE_BAD, stats->buried);
  top_put_right(row, column + 4 * COUNT_WIDTH, COUNT_WIDTH, style, "%s", top_rate(text, queue->rates.added));
  top_put_right(row, column + 5 * COUNT_WIDTH, COUNT_WIDTH, style, "%s", top_rate(text, queue->rates.done));
  top_put(row, column + 6 * COUNT_WIDTH + 2, STATE_WIDTH - 2, chosen ? style : state_style, "%s", state);
}

void top_draw_queues(struct top *top) {
  static const char *const heads[COUNTS] = {"READY", "AT WORK", "DELAYED", "BURIED", "ADDED/s", "DONE/s"};
  int width = top_columns() - 2 - QUEUES_FIXED;
  int row = TOP_FIRST_ROW + 1;
  top_put(row, 1, width, STYLE_STRONG, "QUEUE");
  for (int i = 0; i < COUNTS; i++)
    top_put_right(row, 1 + width + i * COUNT_WIDTH, COUNT_WIDTH, STYLE_STRONG, "%s", heads[i]);
  top_put(row, 1 + width + COUNTS * COUNT_WIDTH + 2, STATE_WIDTH, STYLE_STRONG, "STATE");
  struct top_place *place = &top->places[PAGE_QUEUES];
  int shown = top_settle(place, top->queue_count, top_rows() - 2);
  for (int i = 0; i < shown; i++)
    draw_queue_row(top->queues[place->first + i], row + 1 + i, width, place->first + i == place->selected);
  if (top->list_error != 0)
    top_put(row + 1, 1, 78, STYLE_BAD, "cannot list the queues: %s", workq_strerror(top->list_error));
  else if (top->queue_count == 0) top_put(row + 1, 1, 78, STYLE_FAINT, "No queues (create one: workq create NAME)");
}

/* ---- Workers ------------------------------------------------------------------------------------------------- */

/* What the worker does; and what it does it with is another column. */
static const char *activity_of(const workq_worker *worker) {
  static const char *const waits[] = {"", "waits", "for room", "drains"};
  if (worker->processing > 0) return "works";
  return worker->waiting < sizeof waits / sizeof waits[0] ? waits[worker->waiting] : "";
}

/* The keys that it has in hand, the oldest first, as far as there is room. */
static void put_keys_of(const struct top *top, const workq_worker *worker, int row, int column, int width) {
  char line[512] = "";
  size_t len = 0;
  uint32_t shown = 0;
  for (uint32_t i = 0; i < top->processing.count && len + 1 < sizeof line; i++) {
    const workq_info *info = &top->processing.items[i].info;
    if (info->pid != worker->pid || info->tid != worker->tid) continue;
    char *text = escape(info->key, info->key_len < sizeof line ? info->key_len : sizeof line);
    int added = snprintf(line + len, sizeof line - len, "%s%s", shown > 0 ? " " : "", text);
    len += added > 0 ? (size_t)added : 0;
    shown++;
    free(text);
  }
  if (worker->processing > 1) top_put(row, column, width, STYLE_PLAIN, "(%u) %s", worker->processing, line);
  else top_put(row, column, width, STYLE_PLAIN, "%s", line);
}

static void draw_worker(const struct top *top, const workq_worker *worker, int row) {
  char text[TOP_TEXT_SIZE];
  top_put_right(row, 1, 8, STYLE_PLAIN, "%d", worker->pid);
  top_put_bytes(row, 11, 15, STYLE_PLAIN, worker->command, strnlen(worker->command, sizeof worker->command));
  top_put(row, 27, 8, worker->processing > 0 ? STYLE_GOOD : STYLE_PLAIN, "%s", activity_of(worker));
  top_put_right(row, 35, 6, STYLE_PLAIN, "%s", top_time(text, worker->age_ns));
  top_put_right(row, 41, 8, STYLE_PLAIN, "%s", top_count(text, worker->dones));
  top_put_right(row, 49, 8, worker->failed > 0 ? STYLE_WARN : STYLE_PLAIN, "%s", top_count(text, worker->failed));
  top_put_right(row, 57, 7, STYLE_PLAIN, "%s", top_time(text, worker->running_ns));
  put_keys_of(top, worker, row, 66, top_columns() - 67);
}

void top_draw_workers(struct top *top) {
  struct top_place *place = &top->places[PAGE_WORKERS];
  int row = TOP_FIRST_ROW + 1;
  int count = (int)top->workers.count, room = top_rows() - 2;
  top_put(row, 1, 78, STYLE_STRONG, "     PID  COMMAND         ACTIVITY   AGE    DONE  FAILED   BUSY  KEYS");
  int most = count > room ? count - room : 0;
  place->first = place->first > most ? most : place->first < 0 ? 0 : place->first;
  for (int i = 0; i < room && place->first + i < count; i++)
    draw_worker(top, &top->workers.workers[place->first + i], row + 1 + i);
  if (count == 0) top_put(row + 1, 1, 78, STYLE_FAINT, "No worker is attached to this queue.");
}

/* ---- Items --------------------------------------------------------------------------------------------------- */

static enum top_style style_of_state(int state) {
  if (state == WORKQ_STATE_BURIED) return STYLE_BAD;
  return state == WORKQ_STATE_PROCESSING || state == WORKQ_STATE_DIRTY ? STYLE_GOOD : STYLE_PLAIN;
}

static void draw_item(const workq_info *info, int row, bool chosen) {
  char text[TOP_TEXT_SIZE];
  enum top_style style = chosen ? STYLE_CHOSEN : STYLE_PLAIN;
  if (chosen) top_put(row, 0, top_columns(), STYLE_CHOSEN, "%*s", top_columns(), "");
  top_put(row, 1, 10, chosen ? style : style_of_state(info->state), "%s", workq_state_name(info->state));
  top_put_right(row, 11, 5, style, "%d", info->priority);
  top_put_right(row, 16, 7, style, "%s", top_time(text, info->running_ns >= 0 ? info->running_ns : info->waiting_ns));
  top_put_right(row, 23, 7, style, "%s", info->due_in_ns >= 0 ? top_time(text, info->due_in_ns) : "");
  top_put_right(row, 30, 6, !chosen && info->failures > 0 ? STYLE_WARN : style, "%u", info->failures);
  top_put_right(row, 36, 8, !chosen && info->crashes > 0 ? STYLE_WARN : style, "%u", info->crashes);
  if (info->pid != 0) top_put_right(row, 44, 9, style, "%d", info->pid);
  top_put_bytes(row, 55, top_columns() - 56, style, info->key, info->key_len);
}

/* What is shown of how many, and how it was chosen. */
static void draw_query(const struct top *top, int row) {
  const struct top_query *query = &top->query;
  const workq_stats_data *stats = &top->queue->now.measures.stats;
  char text[TOP_TEXT_SIZE], keys[TOP_TEXT_SIZE], looked[TOP_TEXT_SIZE], more[64] = "";
  char *filter = escape(query->filter, strlen(query->filter));
  if (!top->items.all)
    snprintf(more, sizeof more, "; looked at %s of %s", top_count(looked, top->items.read),
             top_count(keys, stats->keys));
  top_put(row, 1, top_columns() - 2, STYLE_PLAIN, "%s key%s%s%s%s   by %s%s   %u shown%s",
          query->state == 0 ? "all" : workq_state_name(query->state), "s", *filter == '\0' ? "" : " with '", filter,
          *filter == '\0' ? "" : "'", top_sort_names[query->sort], query->backwards ? ", backwards" : "",
          top->items.count, more);
  if (top->items.all && top->items.matches > top->items.count)
    top_put_right(row, 50, top_columns() - 51, STYLE_PLAIN, "of %s", top_count(text, top->items.matches));
  free(filter);
}

void top_draw_items(struct top *top) {
  struct top_place *place = &top->places[PAGE_ITEMS];
  int row = TOP_FIRST_ROW + 2;
  draw_query(top, TOP_FIRST_ROW);
  top_put(row, 1, 78, STYLE_STRONG, "STATE       PRI    AGE  DUE IN FAILED CRASHED      PID  KEY");
  int shown = top_settle(place, (int)top->items.count, top_rows() - 3);
  for (int i = 0; i < shown; i++)
    draw_item(&top->items.items[place->first + i].info, row + 1 + i, place->first + i == place->selected);
  if (top->items.count == 0) top_put(row + 1, 1, 78, STYLE_FAINT, "No such key.");
}

/* ---- Help ---------------------------------------------------------------------------------------------------- */

void top_draw_help(const struct top *top) {
  static const char *const lines[] = {"Up Down PgUp PgDn Home End   choose, scroll",
                                      "Enter      open the queue that is chosen",
                                      "Esc b      back: to the queue, to the list of queues",
                                      "w i        workers; items (keys)             Tab   the next page",
                                      "/          items whose key has this text     t     of which state",
                                      "s S        sort items by another column; the other way round",
                                      "k K        kick the chosen key; all buried keys of the queue",
                                      "x          remove the chosen key: what is pending for it, or it when buried",
                                      "p          pause the queue, or end its pause",
                                      "Space      look at once                      ^L    redraw the screen",
                                      "? h        this help                         q     end",
                                      "",
                                      "Times are those of the last seconds.  Looking takes neither the queue's lock",
                                      "nor one of its handles; so a figure may be torn now and then."};
  (void)top;
  for (int i = 0; i < (int)(sizeof lines / sizeof lines[0]) && i < top_rows(); i++)
    top_put(TOP_FIRST_ROW + i + (top_rows() > 15 ? 1 : 0), 2, top_columns() - 3, STYLE_PLAIN, "%s", lines[i]);
}
