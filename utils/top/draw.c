/*
 * `workq top`: drawing.  All text that reaches the screen goes through here and is cut to its
 * space.  It is printable ASCII, but in a locale whose characters are UTF-8.
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
#include "top.h"

/* ---- Text ---------------------------------------------------------------------------------------------------- */

enum { PAIR_GOOD = 1, PAIR_WARN, PAIR_BAD };

static attr_t attributes[STYLE_COUNT] = {[STYLE_HEAD] = A_REVERSE,
                                         [STYLE_STRONG] = A_BOLD,
                                         [STYLE_WARN] = A_BOLD,
                                         [STYLE_BAD] = A_BOLD,
                                         [STYLE_CHOSEN] = A_REVERSE};

static bool utf8;

void top_draw_start(const struct top *top) {
  utf8 = top->utf8;
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

/* A row of the widest terminal, of characters that others combine with. */
#define ROW_BYTES 4096

char *top_shown(const void *bytes, size_t len) {
  return escape_shown(bytes, len, utf8);
}

void top_shorten(char *out, size_t size, const void *bytes, size_t len, int width) {
  char ends[2 * ROW_BYTES];
  /* What is in the middle of so many bytes is never seen. */
  if (len > sizeof ends) {
    memcpy(ends, bytes, ROW_BYTES);
    memcpy(ends + ROW_BYTES, (const char *)bytes + len - ROW_BYTES, ROW_BYTES);
    bytes = ends;
    len = sizeof ends;
  }
  char *text = top_shown(bytes, len);
  top_fit(out, size, text, width, CUT_MIDDLE, utf8);
  free(text);
}

/* Writes a text, cut to the width and to the screen; right: against the right edge. */
static void put(int row, int column, int width, enum top_style style, bool right, const char *text) {
  char cut[ROW_BYTES];
  if (width > COLS - column) width = COLS - column;
  int columns = top_fit(cut, sizeof cut, text, width, CUT_END, utf8);
  attrset((int)attributes[style]);
  mvaddstr(row, right ? column + width - columns : column, cut);
  attrset(A_NORMAL);
}

static void put_list(int row, int column, int width, enum top_style style, bool right, const char *format,
                     va_list arguments) {
  char text[ROW_BYTES];
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
  char text[ROW_BYTES];
  if (width > COLS - column) width = COLS - column;
  top_shorten(text, sizeof text, bytes, len, width);
  put(row, column, width, style, false, text);
}

void top_flow_put(struct top_flow *flow, int last, enum top_style style, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  int columns = escape_columns(text);
  if (flow->column > flow->left && flow->column + columns > flow->left + flow->width) {
    flow->row++;
    flow->column = flow->left;
  }
  if (flow->row > last) return;
  put(flow->row, flow->column, flow->left + flow->width - flow->column, style, false, text);
  flow->column += columns + 3;
}

/* ---- Tables -------------------------------------------------------------------------------------------------- */

void top_table_start(struct top_table *table, const struct top_column *columns, int count, int row, int at, int space) {
  table->columns = columns;
  table->count = count;
  top_lay_out(columns, count, at, space, table->cells);
  for (int i = 0; i < count; i++) top_table_put(table, i, row, STYLE_STRONG, "%s", columns[i].head);
}

void top_table_put(const struct top_table *table, int column, int row, enum top_style style, const char *format, ...) {
  const struct top_cell *cell = &table->cells[column];
  if (cell->width == 0) return;
  va_list arguments;
  va_start(arguments, format);
  put_list(row, cell->at, cell->width, style, !table->columns[column].left, format, arguments);
  va_end(arguments);
}

void top_table_put_bytes(const struct top_table *table, int column, int row, enum top_style style, const void *bytes,
                         size_t len) {
  const struct top_cell *cell = &table->cells[column];
  if (cell->width > 0) top_put_bytes(row, cell->at, cell->width, style, bytes, len);
}

void top_put_chosen(int row) {
  top_put(row, 0, COLS, STYLE_CHOSEN, "%*s", COLS, "");
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

int top_settle(struct top_place *place, int rows, int space) {
  if (space < 0) space = 0;
  if (place->selected >= rows) place->selected = rows - 1;
  if (place->selected < 0) place->selected = 0;
  if (place->first > place->selected) place->first = place->selected;
  if (place->first < place->selected - space + 1) place->first = place->selected - space + 1;
  if (place->first > rows - space) place->first = rows > space ? rows - space : 0;
  return rows - place->first < space ? rows - place->first : space;
}

/* ---- The frame ----------------------------------------------------------------------------------------------- */

static const char *const page_names[PAGE_COUNT] = {"queues", "queue", "workers", "items", "worker", "item", "help"};

/* What the page's keys do, each between tabs; the last two are there on every terminal. */
static const char *const help_lines[PAGE_COUNT] = {
    [PAGE_QUEUES] = "Enter open\tUp/Down choose\tp pause\tK kick all\t? help\tq quit",
    [PAGE_QUEUE] = "w workers\ti items\tp pause\tK kick all\tEsc back\t? help\tq quit",
    [PAGE_WORKERS] = "Enter whole\tEsc queue\ti items\tp pause\t? help\tq quit",
    [PAGE_ITEMS] = "Enter whole\t/ filter\ts sort\tt state\tk kick\tx remove\t? help\tq quit",
    [PAGE_WORKER] = "Esc workers\tUp/Down scroll\tp pause\t? help\tq quit",
    [PAGE_ITEM] = "Esc items\tk kick\tx remove\tUp/Down scroll\t? help\tq quit",
    [PAGE_HELP] = "Up/Down scroll\tany other key: back"};

/* Keys for which there is no space are left out, from the right, but not the last two. */
static void help_text(const char *keys, int width, char *text, size_t size) {
  char copy[256], *words[16], *rest = NULL;
  int count = 0, columns = 1;
  snprintf(copy, sizeof copy, "%s", keys);
  for (char *word = strtok_r(copy, "\t", &rest); word != NULL && count < 16; word = strtok_r(NULL, "\t", &rest)) {
    words[count++] = word;
    columns += (int)strlen(word) + 2;
  }
  while (columns > width && count > 2) {
    columns -= (int)strlen(words[count - 3]) + 2;
    words[count - 3] = words[count - 2];
    words[count - 2] = words[count - 1];
    count--;
  }
  const char *gap = columns + count <= width ? "   " : "  ";
  size_t len = 0;
  for (int i = 0; i < count && len < size; i++)
    len += (size_t)snprintf(text + len, size - len, "%s%s", i == 0 ? " " : gap, words[i]);
}

/* What is to be known of the queue before its figures. */
static void state_text(const struct top_queue *queue, char *text, size_t size) {
  char time[TOP_TEXT_SIZE];
  enum top_style style;
  const workq_stats_data *stats = &queue->now.measures.stats;
  if (queue->error == -ENOENT && !queue->known) snprintf(text, size, "does not exist; waiting for it");
  else if (queue->error == -ENOENT)
    snprintf(text, size, "GONE for %s; waiting for it", top_time(time, clock_now_ns() - queue->lost_ns));
  else if (queue->error < 0) snprintf(text, size, "ERROR: %s", workq_strerror(queue->error));
  else if (stats->shut_down != 0) snprintf(text, size, "SHUT DOWN");
  else if (stats->paused != 0) snprintf(text, size, "PAUSED");
  else snprintf(text, size, "%s", queue->renewed ? "created again" : top_state_text(queue, time, &style));
}

/* Columns at the right end of the head line: every 1s  12:34:56. */
#define CLOCK_WIDTH 22

static void draw_head(const struct top *top) {
  char clock[16], every[DURATION_TEXT_SIZE], state[256] = "", cut[ROW_BYTES];
  time_t now = time(NULL);
  struct tm parts;
  strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&now, &parts));
  top_put(0, 0, COLS, STYLE_HEAD, "%*s", COLS, "");
  /* On a narrow terminal the clock is not worth its place. */
  int width = COLS - 2 - (COLS >= 60 ? CLOCK_WIDTH + 1 : 0);
  if (top->queue == NULL) {
    top_put(0, 1, width, STYLE_HEAD, "workq top   %d queue%s", top->queue_count, top->queue_count == 1 ? "" : "s");
  } else {
    const char *page = page_names[top->page];
    state_text(top->queue, state, sizeof state);
    int space = width - (int)strlen(page) - escape_columns(state) - 6;
    top_shorten(cut, sizeof cut, top->queue->name, strlen(top->queue->name), space < 12 ? 12 : space);
    top_put(0, 1, width, STYLE_HEAD, "%s   %s   %s", page, cut, state);
  }
  format_duration(top->interval_ns, every);
  if (COLS >= 60) top_put_right(0, COLS - 1 - CLOCK_WIDTH, CLOCK_WIDTH, STYLE_HEAD, "every %s  %s", every, clock);
}

static void draw_foot(const struct top *top) {
  char text[1024] = "", help[256];
  if (top->question != ASK_NOTHING) {
    top_question_text(top, text, sizeof text);
    top_put(LINES - 2, 1, COLS - 1, STYLE_WARN, "%s", text);
  } else if (*top->message != '\0') {
    top_put(LINES - 2, 1, COLS - 1, STYLE_STRONG, "%s", top->message);
  }
  help_text(help_lines[top->page], COLS, help, sizeof help);
  top_put(LINES - 1, 0, COLS, STYLE_HEAD, "%-*s", COLS, help);
  if (top->question == ASK_FILTER) move(LINES - 2, 1 + escape_columns(text));
}

static void draw_too_small(void) {
  attrset(A_NORMAL);
  top_put(0, 0, COLS, STYLE_PLAIN, "workq top: the terminal is too small");
  if (LINES > 1)
    top_put(1, 0, COLS, STYLE_PLAIN, "it has %dx%d, needed: %dx%d", COLS, LINES, TOP_COLUMNS_MIN, TOP_ROWS_MIN);
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
  case PAGE_WORKER:
    top_draw_worker(top);
    break;
  case PAGE_ITEM:
    top_draw_item(top);
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
