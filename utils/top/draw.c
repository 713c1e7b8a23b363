/*
 * `workq top`: drawing.  All text that reaches the screen goes through here, is cut to its room,
 * and is printable ASCII but for the blocks of bars and graphs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ncurses.h>

#include "common/clock.h"
#include "common/escape.h"
#include "common/parse.h"
#include "format.h"
#include "top.h"

/* ---- Text ---------------------------------------------------------------------------------------------------- */

enum { PAIR_GOOD = 1, PAIR_WARN, PAIR_BAD };

static attr_t attributes[STYLE_COUNT] = {[STYLE_HEAD] = A_REVERSE,
                                         [STYLE_STRONG] = A_BOLD,
                                         [STYLE_WARN] = A_BOLD,
                                         [STYLE_BAD] = A_BOLD,
                                         [STYLE_CHOSEN] = A_REVERSE};

void top_draw_start(const struct top *top) {
  if (!top->colours) return;
  start_color();
  use_default_colors();
  init_pair(PAIR_GOOD, COLOR_GREEN, -1);
  init_pair(PAIR_WARN, COLOR_YELLOW, -1);
  init_pair(PAIR_BAD, COLOR_RED, -1);
  attributes[STYLE_GOOD] = COLOR_PAIR(PAIR_GOOD);
  attributes[STYLE_WARN] = A_BOLD | COLOR_PAIR(PAIR_WARN);
  attributes[STYLE_BAD] = A_BOLD | COLOR_PAIR(PAIR_BAD);
  attributes[STYLE_FAINT] = A_DIM;
}

int top_rows(void) {
  return LINES - TOP_FIRST_ROW - 2;
}

int top_columns(void) {
  return COLS;
}

/* Writes a text, cut to the width and to the screen; right: against the right edge. */
static void put(int row, int column, int width, enum top_style style, bool right, const char *text) {
  char cut[512];
  if (width > COLS - column) width = COLS - column;
  top_fit(cut, sizeof cut, text, width);
  int len = (int)strlen(cut);
  attrset((int)attributes[style]);
  mvaddstr(row, right ? column + width - len : column, cut);
  attrset(A_NORMAL);
}

static void put_list(int row, int column, int width, enum top_style style, bool right, const char *format,
                     va_list arguments) {
  char text[512];
  vsnprintf(text, sizeof text, format, arguments);
  put(row, column, width, style, right, text);
}

void top_put(int row, int column, int width, enum top_style style, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  put_list(row, column, width, style, false, format, arguments);
  va_end(arguments);
}

void top_put_right(int row, int column, int width, enum top_style style, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  put_list(row, column, width, style, true, format, arguments);
  va_end(arguments);
}

void top_put_bytes(int row, int column, int width, enum top_style style, const void *bytes, size_t len) {
  /* More bytes than columns are never seen. */
  if (len > 512) len = 512;
  char *text = escape(bytes, len);
  put(row, column, width, style, false, text);
  free(text);
}

void top_put_bar(const struct top *top, int row, int column, int width, double share) {
  static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  int filled = share <= 0 ? 0 : (int)(share * width * 8 + 0.5);
  if (share > 0 && filled == 0) filled = 1;
  if (filled > width * 8) filled = width * 8;
  move(row, column);
  for (int i = 0; i < filled / 8; i++) addstr(top->utf8 ? "█" : "#");
  if (filled % 8 > 0) addstr(top->utf8 ? eighths[filled % 8] : filled % 8 >= 4 || filled < 8 ? "#" : "");
}

int top_settle(struct top_place *place, int rows, int room) {
  if (room < 0) room = 0;
  if (place->selected >= rows) place->selected = rows - 1;
  if (place->selected < 0) place->selected = 0;
  if (place->first > place->selected) place->first = place->selected;
  if (place->first < place->selected - room + 1) place->first = place->selected - room + 1;
  if (place->first > rows - room) place->first = rows > room ? rows - room : 0;
  return rows - place->first < room ? rows - place->first : room;
}

/* ---- The frame ----------------------------------------------------------------------------------------------- */

static const char *const page_names[PAGE_COUNT] = {"queues", "queue", "workers", "items", "help"};

static const char *const help_lines[PAGE_COUNT] = {
    [PAGE_QUEUES] = " Enter open   Up/Down choose   p pause   K kick all   ? help   q quit",
    [PAGE_QUEUE] = " w workers   i items   p pause   K kick all   Esc back   ? help   q quit",
    [PAGE_WORKERS] = " Esc queue   i items   Up/Down scroll   p pause   ? help   q quit",
    [PAGE_ITEMS] = " / filter   s sort   t state   k kick   x remove   Esc queue   ? help   q quit",
    [PAGE_HELP] = " any key: back"};

/* What is to be known of the queue before its figures. */
static void state_text(const struct top_queue *queue, char *text, size_t size) {
  char time[TOP_TEXT_SIZE];
  int64_t now_ns = clock_now_ns();
  const workq_stats_data *stats = &queue->now.measures.stats;
  if (queue->error == -ENOENT && !queue->known) snprintf(text, size, "does not exist; waiting for it");
  else if (queue->error == -ENOENT)
    snprintf(text, size, "GONE for %s; waiting for it", top_time(time, now_ns - queue->lost_ns));
  else if (queue->error < 0) snprintf(text, size, "ERROR: %s", workq_strerror(queue->error));
  else if (stats->shut_down != 0) snprintf(text, size, "SHUT DOWN");
  else if (stats->paused != 0) snprintf(text, size, "PAUSED");
  else snprintf(text, size, "%s", queue->renewed ? "created again" : "open");
}

static void draw_head(const struct top *top) {
  char clock[16], every[DURATION_TEXT_SIZE], text[256] = "";
  time_t now = time(NULL);
  struct tm parts;
  strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&now, &parts));
  top_put(0, 0, COLS, STYLE_HEAD, "%*s", COLS, "");
  if (top->queue == NULL) {
    top_put(0, 1, COLS - 1, STYLE_HEAD, "workq top   %d queue%s", top->queue_count, top->queue_count == 1 ? "" : "s");
  } else {
    state_text(top->queue, text, sizeof text);
    int room = COLS - 37 - (int)strlen(text);
    char *name = escape(top->queue->name, strlen(top->queue->name));
    char cut[512];
    top_fit(cut, sizeof cut, name, room < 12 ? 12 : room);
    free(name);
    top_put(0, 1, COLS - 24, STYLE_HEAD, "%s   %s   %s", page_names[top->page], cut, text);
  }
  format_duration(top->interval_ns, every);
  top_put_right(0, COLS - 23, 22, STYLE_HEAD, "every %s  %s", every, clock);
}

static void draw_foot(const struct top *top) {
  char text[600] = "";
  if (top->question != ASK_NOTHING) {
    top_question_text(top, text, sizeof text);
    top_put(LINES - 2, 1, COLS - 1, STYLE_WARN, "%s", text);
  } else if (*top->message != '\0') {
    top_put(LINES - 2, 1, COLS - 1, STYLE_STRONG, "%s", top->message);
  }
  top_put(LINES - 1, 0, COLS, STYLE_HEAD, "%-*s", COLS, help_lines[top->page]);
  if (top->question == ASK_FILTER) move(LINES - 2, 1 + (int)strlen(text));
}

static void draw_too_small(void) {
  attrset(A_NORMAL);
  mvprintw(0, 0, "%.*s", COLS > 0 ? COLS : 0, "workq top: the terminal is too small");
  if (LINES > 1) mvprintw(1, 0, "it has %dx%d, needed: %dx%d", COLS, LINES, TOP_COLUMNS_MIN, TOP_ROWS_MIN);
}

static void draw_page(struct top *top) {
  switch (top->page) {
  case PAGE_QUEUES:
    top_draw_queues(top);
    break;
  case PAGE_QUEUE:
    top_draw_queue(top);
    break;
  case PAGE_WORKERS:
    top_draw_workers(top);
    break;
  case PAGE_ITEMS:
    top_draw_items(top);
    break;
  default:
    top_draw_help(top);
  }
}

void top_draw(struct top *top) {
  erase();
  if (LINES < TOP_ROWS_MIN || COLS < TOP_COLUMNS_MIN) {
    draw_too_small();
  } else {
    draw_page(top);
    draw_head(top);
    draw_foot(top);
  }
  curs_set(top->question == ASK_FILTER ? 1 : 0);
  refresh();
}
