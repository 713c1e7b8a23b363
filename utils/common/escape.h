/*
 * Bytes as text.
 *
 * In pipes and files it is ASCII: each byte that is not printable stands as an escape, so that the
 * text is the same in every locale, and no two keys look alike.  On a terminal whose characters are
 * UTF-8 such characters are shown as themselves; what would not be seen there, or would change how
 * other text is shown, still stands as escapes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_ESCAPE_H
#define WORKQ_UTILS_COMMON_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/* The bytes as text with backslash escapes, as workq_dump() shows keys; never null; to be freed. */
char *escape(const void *bytes, size_t len);

/*
 * The same, but with utf8 the characters of the program's locale, which must be a UTF-8 one, stand
 * as such.
 */
char *escape_shown(const void *bytes, size_t len, bool utf8);

/*
 * Writes a line that may have escapes in it, as escape() and workq_dump() make them, and any other
 * bytes, with characters as escape_shown() shows them.  That takes at most 4 bytes for each of the
 * line's and a closing NUL, whose place is returned.
 */
char *escape_restore(char *to, const char *line);

/*
 * Whether characters are shown as such there: on a terminal, in a UTF-8 locale, after setlocale().
 */
bool escape_is_utf8(int descriptor);

/*
 * The length in bytes of the first unit of a text that is shown: a character with those that
 * combine with it, or a whole escape; 0 at the end.  *columns is how wide it is.
 */
size_t escape_unit(const char *text, int *columns);

/* How wide a text that is shown is. */
int escape_columns(const char *text);

#endif
