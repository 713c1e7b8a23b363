/*
 * Lines for people, on standard error.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "escape.h"
#include "hex.h"

/*
 * Writes all of the line in as few calls as the descriptor allows, so that lines of several
 * processes stay whole.
 */
static void write_line(const char *line, size_t len) {
  while (len > 0) {
    ssize_t written = write(STDERR_FILENO, line, len);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    line += written;
    len -= (size_t)written;
  }
}

static bool line_to_clear;

void say_over_line(bool is_there) {
  line_to_clear = is_there;
}

/*
 * Writes the text as standard error shows it, in at most 4 bytes for each of its own; the place
 * behind it.
 */
static char *put_text(char *end, const char *text) {
  if (escape_is_utf8(STDERR_FILENO)) return escape_restore(end, text);
  for (; *text != '\0'; text++) end = hex_put_printable(end, (unsigned char)*text);
  return end;
}

static void say_list(const char *format, va_list arguments) {
  char *text;
  if (vasprintf(&text, format, arguments) < 0) return;
  const char *begin = line_to_clear && isatty(STDERR_FILENO) ? "\r\033[Kworkq: " : "workq: ";
  char *line = malloc(strlen(begin) + 4 * strlen(text) + 2);
  if (line != NULL) {
    char *end = put_text(stpcpy(line, begin), text);
    *end++ = '\n';
    write_line(line, (size_t)(end - line));
  }
  free(line);
  free(text);
}

void say(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  say_list(format, arguments);
  va_end(arguments);
}

int fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  say_list(format, arguments);
  va_end(arguments);
  return STATUS_ERROR;
}

void note(bool verbose, const char *format, ...) {
  if (!verbose && !isatty(STDERR_FILENO)) return;
  va_list arguments;
  va_start(arguments, format);
  say_list(format, arguments);
  va_end(arguments);
}

void out_of_memory(void) {
  say("out of memory");
  exit(STATUS_ERROR);
}
