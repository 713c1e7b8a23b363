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

void top_fit(char *out, size_t size, const char *text, int width) {
  static const char mark[] = "..";
  size_t room = width < 0 ? 0 : (size_t)width;
  if (room >= size) room = size - 1;
  size_t len = strnlen(text, room + 1);
  if (len <= room) {
    memcpy(out, text, len);
    out[len] = '\0';
    return;
  }
  memcpy(out, text, room);
  out[room] = '\0';
  if (room > sizeof mark) memcpy(out + room - strlen(mark), mark, strlen(mark));
}

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
