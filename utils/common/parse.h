/*
 * Parsers for option values: numbers, durations (`1m30s`) and limiter SPECs
 * (`exp:5ms:1s:2,jitter:0.1`).  All parsing is strict: a text is used whole or refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_PARSE_H
#define WORKQ_UTILS_COMMON_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include <workq.h>

/* Room for any duration or limiter as text, with the closing NUL. */
#define DURATION_TEXT_SIZE 64
#define LIMITER_TEXT_SIZE  512

/* A decimal integer between min and max, both included.  Returns whether it is one. */
bool parse_integer(const char *text, int64_t min, int64_t max, int64_t *out);

/*
 * A duration: `0`, or numbers with units h, m, s, ms, us, ns, the larger first and each once;
 * `1m30s`.  Returns whether it is one; *out_ns is 0 ... WORKQ_DURATION_MAX.
 */
bool parse_duration(const char *text, int64_t *out_ns);

/* The name of a state, as workq_state_name() gives it.  Returns whether it is one. */
bool parse_state(const char *text, int *out);

/* The duration as text that parse_duration() reads back to the same value. */
void format_duration(int64_t ns, char text[DURATION_TEXT_SIZE]);

/*
 * A limiter: `default`, `controller`, `none`, or a list of exp:INITIAL:MAX[:FACTOR],
 * fastslow:FAST:SLOW:ATTEMPTS, bucket:RATE/s:BURST, and with any of these maxwait:DUR and
 * jitter:FRACTION.  Returns null, or what is wrong with it, as a clause for an error line.
 */
const char *parse_limiter(const char *text, workq_limiter *out);

/* The limiter as text that parse_limiter() reads back to the same values. */
void format_limiter(const workq_limiter *limiter, char text[LIMITER_TEXT_SIZE]);

#endif
