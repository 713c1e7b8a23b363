/*
 * Figures as short texts for `workq top`; see format.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/escape.h"

/* Three digits, and no more places behind the point than that leaves. */
static void print_three(char text[TOP_TEXT_SIZE], double value, const char *unit) {
  int places = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  snprintf(text, TOP_TEXT_SIZE, "%.*f%s", places, value, unit);
}

/* Divided by the step until it has at most three digits before the point. */
static void print_scaled(char text[TOP_TEXT_SIZE], double value, double step, const char *const *units) {
  while (value >= 999.5 && units[1] != NULL) {
    value /= step;
    units++;
  }
  print_three(text, value, *units);
}

static const char *const large_units[] = {"k", "M", "G", "T", "P", "E", NULL};

const char *top_count(char text[TOP_TEXT_SIZE], uint64_t count) {
  if (count < 1000000) snprintf(text, TOP_TEXT_SIZE, "%" PRIu64, count);
  else print_scaled(text, (double)count / 1000, 1000, large_units);
  return text;
}

const char *top_rate(char text[TOP_TEXT_SIZE], double rate) {
  if (rate < 0) return strcpy(text, "-");
  if (rate >= 99999.5) print_scaled(text, rate / 1000, 1000, large_units);
  else if (rate >= 99.95 || rate < 0.005) snprintf(text, TOP_TEXT_SIZE, "%.0f", rate);
  else print_three(text, rate, "");
  return text;
}

/* "2m05s": two units that follow each other. */
static void print_two(char text[TOP_TEXT_SIZE], int64_t value, int64_t step, const char *units) {
  snprintf(text, TOP_TEXT_SIZE, "%" PRId64 "%c%02" PRId64 "%c", value / step, units[0], value % step, units[1]);
}

const char *top_time(char text[TOP_TEXT_SIZE], int64_t ns) {
  static const char *const units[] = {"us", "ms", "s", NULL};
  if (ns < 0) return strcpy(text, "-");
  if (ns == 0) return strcpy(text, "0");
  if (ns < NS_PER_US) snprintf(text, TOP_TEXT_SIZE, "%" PRId64 "ns", ns);
  else if (ns < 60 * NS_PER_S - NS_PER_MS) print_scaled(text, (double)ns / (double)NS_PER_US, 1000, units);
  else {
    int64_t seconds = (ns + NS_PER_S / 2) / NS_PER_S;
    if (seconds < 3600) print_two(text, seconds, 60, "ms");
    else if (seconds < 86400) print_two(text, seconds / 60, 60, "hm");
    else if (seconds < 86400 * 100) print_two(text, seconds / 3600, 24, "dh");
    else snprintf(text, TOP_TEXT_SIZE, "%" PRId64 "d", seconds / 86400);
  }
  return text;
}

const char *top_bytes(char text[TOP_TEXT_SIZE], uint64_t bytes) {
  static const char *const units[] = {"K", "M", "G", "T", "P", NULL};
  if (bytes < 1000) snprintf(text, TOP_TEXT_SIZE, "%" PRIu64 "B", bytes);
  else print_scaled(text, (double)bytes / 1024, 1024, units);
  return text;
}

/* The bytes of the units that a text begins with, as far as they fit in so many columns and bytes. */
static size_t head_that_fits(const char *text, int width, size_t size, int *columns) {
  size_t bytes = 0;
  int wide;
  *columns = 0;
  for (size_t len; (len = escape_unit(text + bytes, &wide)) > 0; bytes += len, *columns += wide)
    if (*columns + wide > width || bytes + len > size) break;
  return bytes;
}

/* The end of the text that fits in so many columns and bytes. */
static const char *tail_that_fits(const char *text, int width, size_t size, int *columns) {
  size_t len = strlen(text);
  int wide;
  *columns = escape_columns(text);
  while (*columns > width || len > size) {
    size_t unit = escape_unit(text, &wide);
    text += unit;
    len -= unit;
    *columns -= wide;
  }
  return text;
}

int top_fit(char *out, size_t size, const char *text, int width, enum top_cut cut, bool utf8) {
  const char *mark = utf8 ? "…" : "..";
  int mark_columns = utf8 ? 1 : 2, columns, tail_columns = 0;
  size_t space = size - 1, marked = strlen(mark);
  if (width < 0) width = 0;
  size_t len = head_that_fits(text, width, space, &columns);
  const char *tail = "";
  if (text[len] == '\0') {
    mark = "";
  } else if (width < mark_columns + 2 || space < marked + 2) {
    mark = ""; /* what is left would be less than the mark */
  } else {
    int left = width - mark_columns;
    size_t bytes = space - marked;
    int tail_width = cut == CUT_MIDDLE ? left / 2 : 0;
    if (tail_width > 0) tail = tail_that_fits(text, tail_width, bytes / 2, &tail_columns);
    len = head_that_fits(text, left - tail_columns, bytes - strlen(tail), &columns);
    columns += mark_columns + tail_columns;
  }
  char *end = mempcpy(out, text, len);
  strcpy(stpcpy(end, mark), tail);
  return columns;
}

/* ---- Tables ---------------------------------------------------------------------------------------------------- */

/* Between a column and the one before it. */
static int gap_of(const struct top_column *column) {
  return column->left ? 2 : 1;
}

/* The space that the columns take which are not left out. */
static int space_of(const struct top_column *columns, int count, const struct top_cell *cells) {
  int space = 0;
  bool first = true;
  for (int i = 0; i < count; i++) {
    if (cells[i].width == 0) continue;
    space += cells[i].width + (first ? 0 : gap_of(&columns[i]));
    first = false;
  }
  return space;
}

/* Leaves out the column that is needed least.  Returns whether there is one. */
static bool leave_one_out(const struct top_column *columns, int count, struct top_cell *cells) {
  int last = -1;
  for (int i = 0; i < count; i++)
    if (cells[i].width > 0 && columns[i].rank > (last < 0 ? 0 : columns[last].rank)) last = i;
  if (last >= 0) cells[last].width = 0;
  return last >= 0;
}

void top_lay_out(const struct top_column *columns, int count, int at, int space, struct top_cell *cells) {
  for (int i = 0; i < count; i++) cells[i] = (struct top_cell){.width = columns[i].width};
  while (space_of(columns, count, cells) > space && leave_one_out(columns, count, cells)) continue;
  int rest = space - space_of(columns, count, cells);
  int end = at + space;
  bool first = true;
  for (int i = 0; i < count; i++) {
    if (cells[i].width == 0) continue;
    int more = columns[i].want - columns[i].width;
    if (more > rest) more = rest;
    if (more > 0) {
      cells[i].width += more;
      rest -= more;
    }
    cells[i].at = at + (first ? 0 : gap_of(&columns[i]));
    at = cells[i].at + cells[i].width;
    first = false;
    /* Where even the columns that are always there do not fit, the last are cut. */
    if (at > end) cells[i].width = end > cells[i].at ? end - cells[i].at : 0;
  }
}

/* ---- Graphs ---------------------------------------------------------------------------------------------------- */

int top_level(double value, double max, int rows, int row) {
  if (max <= 0 || value <= 0) return 0;
  if (value > max) value = max;
  int eighths = (int)(value / max * rows * 8 + 0.5);
  if (eighths == 0) eighths = 1;
  eighths -= row * 8;
  return eighths < 0 ? 0 : eighths > 8 ? 8 : eighths;
}

const char *top_block(int level, bool utf8) {
  static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  static const char *const letters[] = {" ", ".", ".", ".", ":", ":", ":", "#", "#"};
  return utf8 ? blocks[level] : letters[level];
}
