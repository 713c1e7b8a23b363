/*
 * Bytes as text; see escape.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "escape.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "hex.h"
#include "say.h"

/* As many as ncurses keeps in one cell; more are no writing but a tower over other lines. */
#define COMBINING_MAX 4

/* Bytes of the longest character of UTF-8. */
#define CHARACTER_MAX 4

/* ---- Characters ---------------------------------------------------------------------------------------------- */

/*
 * What is not seen, looks like a blank, or changes how the text around it is shown: its order, its
 * form, its width.
 */
static bool is_hidden(wchar_t character) {
  static const struct {
    unsigned first, last;
  } ranges[] = {{0x00a0, 0x00a0}, {0x00ad, 0x00ad}, {0x034f, 0x034f},   {0x061c, 0x061c},   {0x115f, 0x1160},
                {0x1680, 0x1680}, {0x17b4, 0x17b5}, {0x180b, 0x180f},   {0x2000, 0x200f},   {0x2028, 0x202f},
                {0x205f, 0x206f}, {0x3164, 0x3164}, {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
                {0xfff0, 0xfffb}, {0xe000, 0xf8ff}, {0x1d173, 0x1d17a}, {0xe0000, 0x10ffff}};
  unsigned code = (unsigned)character;
  for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
    if (code >= ranges[i].first && code <= ranges[i].last) return true;
  return false;
}

/* The bytes of the character there, if it is one that can be shown; else 0. */
static size_t character_at(const char *at, size_t len, int *columns) {
  wchar_t character;
  mbstate_t state = {0};
  size_t bytes = mbrtowc(&character, at, len, &state);
  if (bytes == 0 || bytes > len) return 0; /* NUL, or no character */
  *columns = wcwidth(character);
  return *columns < 0 || iswprint((wint_t)character) == 0 || is_hidden(character) ? 0 : bytes;
}

/* A text that is being made. */
struct shown {
  char *end;
  bool has_base; /* a character is before, which the next may combine with */
  int combined;
};

static void put_ascii(struct shown *shown, unsigned char byte) {
  shown->end = hex_put_printable(shown->end, byte);
  shown->has_base = byte >= 0x20 && byte < 0x7f;
  shown->combined = 0;
}

static void put_pair(struct shown *shown, char letter) {
  *shown->end++ = '\\';
  *shown->end++ = letter;
  shown->has_base = false;
}

/* Puts the character or the byte that is there; how many bytes that was. */
static size_t put_character(struct shown *shown, const char *at, size_t len) {
  int columns = 0;
  size_t bytes = (unsigned char)*at < 0x80 ? 0 : character_at(at, len, &columns);
  bool combines = columns == 0;
  if (bytes == 0 || (combines && (!shown->has_base || shown->combined == COMBINING_MAX))) {
    put_ascii(shown, (unsigned char)*at);
    return 1;
  }
  shown->end = mempcpy(shown->end, at, bytes);
  shown->combined = combines ? shown->combined + 1 : 0;
  shown->has_base = true;
  return bytes;
}

/* ---- Texts --------------------------------------------------------------------------------------------------- */

static char *new_text(size_t len) {
  char *text = malloc(4 * len + 1);
  if (text == NULL) out_of_memory();
  return text;
}

char *escape_shown(const void *bytes, size_t len, bool utf8) {
  const char *from = bytes;
  char *text = new_text(len);
  struct shown shown = {.end = text};
  for (size_t i = 0; i < len;) {
    size_t used = 1;
    if (from[i] == '\\') put_pair(&shown, '\\');
    else if (from[i] == '\n') put_pair(&shown, 'n');
    else if (utf8) used = put_character(&shown, from + i, len - i);
    else put_ascii(&shown, (unsigned char)from[i]);
    i += used;
  }
  *shown.end = '\0';
  return text;
}

char *escape(const void *bytes, size_t len) {
  return escape_shown(bytes, len, false);
}

/* The byte above ASCII that the text begins with, as itself or as \xNN; -1 for none. */
static int high_byte(const char *text, size_t *len) {
  *len = 1;
  if ((unsigned char)*text >= 0x80) return (unsigned char)*text;
  if (text[0] != '\\' || text[1] != 'x') return -1;
  int byte = hex_get(text + 2);
  *len = 4;
  return byte >= 0x80 ? byte : -1;
}

/*
 * Puts the character, or the one byte, above ASCII that the line begins with; what is behind it.
 */
static const char *put_high_bytes(struct shown *shown, const char *line) {
  char bytes[CHARACTER_MAX];
  size_t count = 0, len, lengths[CHARACTER_MAX];
  const char *at = line;
  for (int byte; count < CHARACTER_MAX && (byte = high_byte(at, &len)) >= 0; at += len) {
    bytes[count] = (char)byte;
    lengths[count++] = len;
  }
  size_t used = put_character(shown, bytes, count);
  for (size_t i = 0; i < used; i++) line += lengths[i];
  return line;
}

char *escape_restore(char *to, const char *line) {
  struct shown shown = {.end = to};
  while (*line != '\0') {
    size_t len;
    if (high_byte(line, &len) >= 0) {
      line = put_high_bytes(&shown, line);
    } else if (line[0] == '\\' && line[1] != '\0' && strchr("\\nx", line[1]) != NULL) {
      put_pair(&shown, line[1]);
      line += 2;
    } else {
      put_ascii(&shown, (unsigned char)*line++);
    }
  }
  *shown.end = '\0';
  return shown.end;
}

bool escape_is_utf8(int descriptor) {
  return isatty(descriptor) && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* ---- Widths -------------------------------------------------------------------------------------------------- */

static size_t escape_at(const char *text) {
  if (text[0] != '\\') return 0;
  if (text[1] == '\\' || text[1] == 'n') return 2;
  return text[1] == 'x' && hex_get(text + 2) >= 0 ? 4 : 0;
}

size_t escape_unit(const char *text, int *columns) {
  *columns = 0;
  if (*text == '\0') return 0;
  size_t len = escape_at(text);
  if (len > 0) {
    *columns = (int)len;
    return len;
  }
  if ((unsigned char)*text >= 0x80) len = character_at(text, strnlen(text, CHARACTER_MAX), columns);
  if (len == 0) {
    /* A byte of ASCII, or one that is no part of a character. */
    len = 1;
    *columns = 1;
  }
  for (int more;;) {
    if ((unsigned char)text[len] < 0x80) return len;
    size_t next = character_at(text + len, strnlen(text + len, CHARACTER_MAX), &more);
    if (next == 0 || more > 0) return len;
    len += next;
  }
}

int escape_columns(const char *text) {
  int columns, sum = 0;
  for (size_t len; (len = escape_unit(text, &columns)) > 0; text += len) sum += columns;
  return sum;
}
