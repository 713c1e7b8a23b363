/*
 * Figures as short texts for `workq top`: each fits a column, and is read at a glance.  Pure
 * functions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_TOP_FORMAT_H
#define WORKQ_UTILS_TOP_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Space for any of them, with the closing NUL; at most 7 characters are used. */
#define TOP_TEXT_SIZE 48

/* 0 ... 999999 as they are, then 1.23M, 45.6G. */
const char *top_count(char text[TOP_TEXT_SIZE], uint64_t count);

/* A second: 0, 0.25, 3.5, 12345, 1.23M; negative is not known: -. */
const char *top_rate(char text[TOP_TEXT_SIZE], double rate);

/* 850ns, 1.2us, 35ms, 4.5s, 2m05s, 3h07m, 5d04h; negative is not known: -. */
const char *top_time(char text[TOP_TEXT_SIZE], int64_t ns);

/* 512B, 3.5M, 1.2G: units of 1024. */
const char *top_bytes(char text[TOP_TEXT_SIZE], uint64_t bytes);

/* Where a text that is too long is cut. */
enum top_cut { CUT_END, CUT_MIDDLE };

/*
 * Cuts a text that is shown (see escape.h) to so many columns, never inside a character or an
 * escape; where something is left out, "..", or with utf8 an ellipsis, stands in its place if there
 * is space for that.  size is that of out, in bytes.  Returns the columns that it takes.
 */
int top_fit(char *out, size_t size, const char *text, int width, enum top_cut cut, bool utf8);

/* ---- Tables ---------------------------------------------------------------------------------------------------- */

#define TOP_COLUMNS_MAX 12

struct top_column {
  const char *head;
  int width; /* at least so wide */
  int want;  /* up to so wide where there is space, if that is more */
  int rank;  /* of those that may be left out, the highest goes first; 0: always there */
  bool left; /* texts stand at its left edge, else at its right one */
};

/* Where a column is; width 0: it is left out. */
struct top_cell {
  int at, width;
};

/*
 * Places the columns of a table from the column `at` of the screen on, in so much space: leaves out
 * what there is no space for, and shares the rest among those that want it, from left to right.
 */
void top_lay_out(const struct top_column *columns, int count, int at, int space, struct top_cell *cells);

/* ---- Graphs ---------------------------------------------------------------------------------------------------- */

/*
 * How much of a cell of a graph is filled, 0 ... 8: the graph is `rows` cells high, row 0 is the
 * lowest, and max fills it.  What is not 0 shows at least 1 in the lowest.
 */
int top_level(double value, double max, int rows, int row);

/* The character for such a level. */
const char *top_block(int level, bool utf8);

#endif
