/*
 * Parsers for option values: numbers, durations and limiter SPECs; see parse.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* ---- Numbers ------------------------------------------------------------------------------------------------- */

/*
 * Reads the decimal digits at *at and moves behind them.  Returns whether there were any and they
 * fit.
 */
static bool read_digits(const char **at, int64_t *out) {
  const char *start = *at;
  int64_t value = 0;
  for (; **at >= '0' && **at <= '9'; (*at)++)
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, **at - '0', &value)) return false;
  *out = value;
  return *at != start;
}

bool parse_integer(const char *text, int64_t min, int64_t max, int64_t *out) {
  bool negative = *text == '-';
  if (negative) text++;
  int64_t value;
  if (!read_digits(&text, &value) || *text != '\0') return false;
  if (negative) value = -value;
  if (value < min || value > max) return false;
  *out = value;
  return true;
}

/*
 * A decimal fraction between min and max; strtod() alone would take "inf", "nan", "0x1" and leading
 * blanks, too.
 */
static bool read_fraction(const char *text, double min, double max, double *out) {
  if (*text < '0' || *text > '9' || text[strspn(text, "0123456789.e+-")] != '\0') return false;
  char *end;
  double value = strtod(text, &end);
  if (*end != '\0' || !(value >= min && value <= max)) return false;
  *out = value;
  return true;
}

/* ---- States --------------------------------------------------------------------------------------------------- */

bool parse_state(const char *text, int *out) {
  for (int state = WORKQ_STATE_READY; state <= WORKQ_STATE_IDLE; state++) {
    if (strcmp(text, workq_state_name(state)) != 0) continue;
    *out = state;
    return true;
  }
  return false;
}

/* ---- Durations ----------------------------------------------------------------------------------------------- */

static const struct {
  const char *name;
  int64_t ns;
} units[] = {{"h", 3600 * NS_PER_S}, {"m", 60 * NS_PER_S}, {"s", NS_PER_S},
             {"ms", NS_PER_MS},      {"us", NS_PER_US},    {"ns", 1}};

#define UNIT_COUNT (sizeof units / sizeof units[0])

bool parse_duration(const char *text, int64_t *out_ns) {
  if (strcmp(text, "0") == 0) {
    *out_ns = 0;
    return true;
  }
  int64_t total = 0;
  size_t next_unit = 0;
  while (*text != '\0') {
    int64_t number;
    if (!read_digits(&text, &number)) return false;
    size_t len = strspn(text, "hmnsu");
    size_t unit = next_unit;
    while (unit < UNIT_COUNT && (strlen(units[unit].name) != len || strncmp(units[unit].name, text, len) != 0)) unit++;
    if (unit == UNIT_COUNT) return false;
    if (__builtin_mul_overflow(number, units[unit].ns, &number) || __builtin_add_overflow(total, number, &total))
      return false;
    text += len;
    next_unit = unit + 1;
  }
  if (next_unit == 0 || total > WORKQ_DURATION_MAX) return false;
  *out_ns = total;
  return true;
}

void format_duration(int64_t ns, char text[DURATION_TEXT_SIZE]) {
  if (ns <= 0) {
    snprintf(text, DURATION_TEXT_SIZE, "0");
    return;
  }
  size_t used = 0;
  for (size_t unit = 0; unit < UNIT_COUNT; unit++) {
    int64_t count = ns / units[unit].ns;
    ns %= units[unit].ns;
    if (count == 0) continue;
    used += (size_t)snprintf(text + used, DURATION_TEXT_SIZE - used, "%lld%s", (long long)count, units[unit].name);
  }
}

/* ---- Limiters: reading --------------------------------------------------------------------------------------- */

enum { MAX_FIELDS = 4 };

/* One part of a SPEC, "exp:5ms:1s", as its fields. */
struct part {
  char *fields[MAX_FIELDS];
  size_t count;
};

static const char *read_exponential(const struct part *part, workq_limiter *out) {
  if (part->count < 3 || !parse_duration(part->fields[1], &out->exp_initial_ns) ||
      !parse_duration(part->fields[2], &out->exp_max_ns))
    return "exp is exp:INITIAL:MAX[:FACTOR], for example exp:5ms:1s:2";
  out->exp_factor = 2;
  if (part->count > 3 && !read_fraction(part->fields[3], 1, 1e9, &out->exp_factor))
    return "exp's FACTOR must be at least 1";
  if (out->exp_initial_ns == 0) return "exp's INITIAL must be longer than 0";
  if (out->exp_max_ns < out->exp_initial_ns) return "exp's MAX must be at least its INITIAL";
  out->kinds |= WORKQ_LIMIT_EXPONENTIAL;
  return NULL;
}

static const char *read_fast_slow(const struct part *part, workq_limiter *out) {
  int64_t attempts;
  if (part->count != 4 || !parse_duration(part->fields[1], &out->fast_ns) ||
      !parse_duration(part->fields[2], &out->slow_ns) || !parse_integer(part->fields[3], 0, UINT32_MAX, &attempts))
    return "fastslow is fastslow:FAST:SLOW:ATTEMPTS, for example fastslow:10ms:1s:3";
  out->fast_attempts = (uint32_t)attempts;
  out->kinds |= WORKQ_LIMIT_FAST_SLOW;
  return NULL;
}

static const char *read_bucket(const struct part *part, workq_limiter *out) {
  static const char form[] = "bucket is bucket:RATE/s:BURST, for example bucket:10/s:100";
  if (part->count != 3) return form;
  char *slash = strchr(part->fields[1], '/');
  int64_t burst;
  if (slash == NULL || strcmp(slash, "/s") != 0 || !parse_integer(part->fields[2], 1, UINT32_MAX, &burst)) return form;
  *slash = '\0';
  if (!read_fraction(part->fields[1], 1e-6, 1e9, &out->bucket_rate))
    return "bucket's RATE must be a number from 0.000001 to 1000000000";
  out->bucket_burst = (uint32_t)burst;
  out->kinds |= WORKQ_LIMIT_BUCKET;
  return NULL;
}

static const char *read_max_wait(const struct part *part, workq_limiter *out) {
  if (part->count != 2 || !parse_duration(part->fields[1], &out->max_wait_ns) || out->max_wait_ns == 0)
    return "maxwait is maxwait:DUR, for example maxwait:30s";
  return NULL;
}

static const char *read_jitter(const struct part *part, workq_limiter *out) {
  if (part->count != 2 || !read_fraction(part->fields[1], 0, 10, &out->jitter))
    return "jitter is jitter:FRACTION, a number from 0 to 10, for example jitter:0.1";
  return NULL;
}

/* Takes the preset's delays; a maxwait or jitter that was given before it stays. */
static void apply_preset(int preset, workq_limiter *out) {
  int64_t max_wait_ns = out->max_wait_ns;
  double jitter = out->jitter;
  workq_limiter_preset(out, preset);
  if (max_wait_ns != 0) out->max_wait_ns = max_wait_ns;
  if (jitter > 0) out->jitter = jitter;
}

static const char *read_preset(const struct part *part, workq_limiter *out) {
  if (part->count != 1) return "default, controller and none do not take values";
  int preset = WORKQ_PRESET_DEFAULT;
  if (strcmp(part->fields[0], "controller") == 0) preset = WORKQ_PRESET_CONTROLLER;
  if (strcmp(part->fields[0], "none") == 0) preset = WORKQ_PRESET_NONE;
  apply_preset(preset, out);
  return NULL;
}

static const struct {
  const char *name;
  const char *(*read)(const struct part *part, workq_limiter *out);
  uint32_t chooses; /* the kinds of delay it switches on; parts that choose the same exclude each other */
} parts[] = {
    {"default", read_preset, WORKQ_LIMIT_EXPONENTIAL | WORKQ_LIMIT_FAST_SLOW | WORKQ_LIMIT_BUCKET},
    {"controller", read_preset, WORKQ_LIMIT_EXPONENTIAL | WORKQ_LIMIT_FAST_SLOW | WORKQ_LIMIT_BUCKET},
    {"none", read_preset, WORKQ_LIMIT_EXPONENTIAL | WORKQ_LIMIT_FAST_SLOW | WORKQ_LIMIT_BUCKET},
    {"exp", read_exponential, WORKQ_LIMIT_EXPONENTIAL},
    {"fastslow", read_fast_slow, WORKQ_LIMIT_FAST_SLOW},
    {"bucket", read_bucket, WORKQ_LIMIT_BUCKET},
    {"maxwait", read_max_wait, 0x100},
    {"jitter", read_jitter, 0x200},
};

#define PART_COUNT (sizeof parts / sizeof parts[0])

/* Splits "exp:5ms:1s" in place.  Returns whether it had few enough fields. */
static bool split_part(char *text, struct part *part) {
  part->count = 0;
  for (char *field; (field = strsep(&text, ":")) != NULL;) {
    if (part->count == MAX_FIELDS) return false;
    part->fields[part->count++] = field;
  }
  return true;
}

static const char *read_list(char *list, workq_limiter *out, uint32_t *chosen) {
  for (char *text; (text = strsep(&list, ",")) != NULL;) {
    struct part part;
    if (!split_part(text, &part)) return "a part has too many fields";
    size_t i = 0;
    while (i < PART_COUNT && strcmp(parts[i].name, part.fields[0]) != 0) i++;
    if (i == PART_COUNT)
      return "unknown part (known: default, controller, none, exp, fastslow, bucket, maxwait, jitter)";
    if ((*chosen & parts[i].chooses) != 0) return "two parts cannot be combined";
    *chosen |= parts[i].chooses;
    const char *problem = parts[i].read(&part, out);
    if (problem != NULL) return problem;
  }
  return NULL;
}

const char *parse_limiter(const char *text, workq_limiter *out) {
  workq_limiter limiter = {0};
  char *copy = strdup(text);
  if (copy == NULL) return "out of memory";
  uint32_t chosen = 0;
  const char *problem = read_list(copy, &limiter, &chosen);
  free(copy);
  if (problem != NULL) return problem;
  if (limiter.kinds == 0) apply_preset(WORKQ_PRESET_DEFAULT, &limiter);
  *out = limiter;
  return NULL;
}

/* ---- Limiters: writing --------------------------------------------------------------------------------------- */

/* The shortest text that is read back to the same number. */
static void print_fraction(double value, char text[32]) {
  for (int digits = 6; digits <= 17; digits++) {
    snprintf(text, 32, "%.*g", digits, value);
    if (strtod(text, NULL) == value) return;
  }
}

/* Adds a part, after a comma where it is not the first. */
static void append(char text[LIMITER_TEXT_SIZE], const char *part) {
  size_t used = strlen(text);
  snprintf(text + used, LIMITER_TEXT_SIZE - used, "%s%s", used == 0 ? "" : ",", part);
}

void format_limiter(const workq_limiter *limiter, char text[LIMITER_TEXT_SIZE]) {
  char part[256], first[DURATION_TEXT_SIZE], second[DURATION_TEXT_SIZE], number[32];
  text[0] = '\0';
  if ((limiter->kinds & WORKQ_LIMIT_NONE) != 0) append(text, "none");
  if ((limiter->kinds & WORKQ_LIMIT_EXPONENTIAL) != 0) {
    format_duration(limiter->exp_initial_ns, first);
    format_duration(limiter->exp_max_ns, second);
    print_fraction(limiter->exp_factor, number);
    snprintf(part, sizeof part, "exp:%s:%s:%s", first, second, number);
    append(text, part);
  }
  if ((limiter->kinds & WORKQ_LIMIT_FAST_SLOW) != 0) {
    format_duration(limiter->fast_ns, first);
    format_duration(limiter->slow_ns, second);
    snprintf(part, sizeof part, "fastslow:%s:%s:%u", first, second, limiter->fast_attempts);
    append(text, part);
  }
  if ((limiter->kinds & WORKQ_LIMIT_BUCKET) != 0) {
    print_fraction(limiter->bucket_rate, number);
    snprintf(part, sizeof part, "bucket:%s/s:%u", number, limiter->bucket_burst);
    append(text, part);
  }
  if (limiter->max_wait_ns > 0) {
    format_duration(limiter->max_wait_ns, first);
    snprintf(part, sizeof part, "maxwait:%s", first);
    append(text, part);
  }
  if (limiter->jitter > 0) {
    print_fraction(limiter->jitter, number);
    snprintf(part, sizeof part, "jitter:%s", number);
    append(text, part);
  }
}
