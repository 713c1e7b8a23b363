/*
 * What `workq serve` changes for a client that has the token: keys are kicked and removed, queues paused
 * and shut down.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/hex.h"
#include "common/output.h"
#include "common/parse.h"
#include "common/say.h"
#include "common/trust.h"
#include "serve.h"

/*
 * How long an action waits for the queue's lock, and how long it searches for keys and changes those
 * that it found; meanwhile nobody else is answered.
 */
#define ACTION_LOCK_NS NS_PER_S
#define FOUND_NS       NS_PER_S

/* Most keys, and bytes of keys, that a request changes; and after how many the clock is read. */
#define FOUND_MAX       10000u
#define FOUND_BYTES_MAX (8u << 20)
#define FOUND_STRETCH   256u

/* What an action may be about. */
enum about { ABOUT_QUEUE, ABOUT_KEY, ABOUT_KEY_OR_ALL };

static const struct action {
  const char *name;
  enum about about;
  int (*change_queue)(workq *q);
  int (*change_key)(workq *q, const void *key, size_t len);
} actions[] = {
    {"kick", ABOUT_KEY_OR_ALL, NULL, workq_kick},    {"remove", ABOUT_KEY, NULL, workq_remove},
    {"pause", ABOUT_QUEUE, workq_pause, NULL},       {"unpause", ABOUT_QUEUE, workq_unpause, NULL},
    {"shutdown", ABOUT_QUEUE, workq_shutdown, NULL}, {"resume", ABOUT_QUEUE, workq_resume, NULL},
};

static const struct action *find(const char *name) {
  for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
    if (strcmp(actions[i].name, name) == 0) return &actions[i];
  return NULL;
}

bool action_exists(const char *action) {
  return find(action) != NULL;
}

/* ---- The body ------------------------------------------------------------------------------------------------ */

/*
 * The key of the body; all: every key; is_found: those that the filter finds, at_most so many of
 * them.  bytes is to be freed: the key's, or what is searched.
 */
struct target {
  unsigned char *bytes;
  size_t len;
  bool all;
  bool is_found;
  struct api_filter filter;
  uint32_t at_most;
};

static bool read_hex(const json_t *value, struct target *target) {
  const char *text = json_string_value(value);
  size_t len = json_string_length(value);
  if ((target->bytes = malloc(len / 2 + 1)) == NULL) return false;
  target->len = len / 2;
  return hex_decode(text, len, target->bytes);
}

static bool read_text(const json_t *value, struct target *target) {
  target->len = json_string_length(value);
  target->bytes = malloc(target->len + 1);
  if (target->bytes == NULL) return false;
  memcpy(target->bytes, json_string_value(value), target->len);
  return true;
}

/* A search, a state, or both: not simply everything. */
static bool read_filter(const json_t *found, struct target *target) {
  const json_t *search = json_object_get(found, "search"), *hex = json_object_get(found, "search_hex");
  const json_t *state = json_object_get(found, "state");
  size_t members = (search != NULL ? 1u : 0u) + (hex != NULL ? 1u : 0u) + (state != NULL ? 1u : 0u);
  if (members == 0 || members != json_object_size(found) || (search != NULL && hex != NULL)) return false;
  if (state != NULL && !(json_is_string(state) && parse_state(json_string_value(state), &target->filter.state)))
    return false;
  if (search != NULL && !(json_is_string(search) && read_text(search, target))) return false;
  if (hex != NULL && !(json_is_string(hex) && read_hex(hex, target))) return false;
  target->filter.search = (const char *)target->bytes;
  target->filter.search_len = target->len;
  return state != NULL || target->len > 0;
}

static bool read_found(const json_t *object, struct target *target) {
  json_int_t at_most = json_integer_value(json_object_get(object, "at_most"));
  target->is_found = true;
  if (json_object_size(object) != 2 || at_most < 1) return false;
  target->at_most = at_most < FOUND_MAX ? (uint32_t)at_most : FOUND_MAX;
  return read_filter(json_object_get(object, "found"), target);
}

/* Whether the object says just what the action needs to know. */
static bool read_target(const json_t *object, enum about about, struct target *target) {
  size_t members = json_object_size(object);
  const json_t *key = json_object_get(object, "key"), *hex = json_object_get(object, "key_hex");
  if (about == ABOUT_QUEUE) return members == 0;
  if (json_object_get(object, "found") != NULL) return read_found(object, target);
  if (members != 1) return false;
  if (json_is_string(key)) return read_text(key, target);
  if (json_is_string(hex)) return read_hex(hex, target);
  target->all = about == ABOUT_KEY_OR_ALL && json_is_true(json_object_get(object, "all"));
  return target->all;
}

static const char *wanted_body(enum about about) {
  if (about == ABOUT_QUEUE) return "the body must be {}";
#define WANTED_FOUND "{\"found\": {\"search\": TEXT, \"state\": STATE}, \"at_most\": NUMBER}"
  return about == ABOUT_KEY
             ? "the body must be {\"key\": TEXT}, {\"key_hex\": BYTES} or " WANTED_FOUND
             : "the body must be {\"key\": TEXT}, {\"key_hex\": BYTES}, {\"all\": true} or " WANTED_FOUND;
}

/* ---- Keys that are found ------------------------------------------------------------------------------------- */

/* Their bytes, one after the other, and how many each has. */
struct found {
  const struct target *target;
  unsigned char *bytes;
  size_t bytes_len, bytes_space;
  uint32_t lens[FOUND_MAX];
  uint32_t count;
  uint32_t visited;
  int64_t end_ns;
  bool is_cut; /* there may be more */
  bool no_memory;
};

static bool keep(struct found *found, const workq_info *info) {
  if (found->bytes_len + info->key_len > found->bytes_space) {
    size_t space = 2 * found->bytes_space + info->key_len;
    unsigned char *bytes = realloc(found->bytes, space);
    if (bytes == NULL) return false;
    found->bytes = bytes;
    found->bytes_space = space;
  }
  memcpy(found->bytes + found->bytes_len, info->key, info->key_len);
  found->bytes_len += info->key_len;
  found->lens[found->count++] = (uint32_t)info->key_len;
  return true;
}

static int visit_found(void *arg, const workq_info *info) {
  struct found *found = arg;
  found->is_cut = found->count == found->target->at_most || found->bytes_len > FOUND_BYTES_MAX ||
                  (++found->visited % FOUND_STRETCH == 0 && clock_now_ns() > found->end_ns);
  if (found->is_cut) return 1;
  if (!api_wants(&found->target->filter, info)) return 0;
  found->no_memory = !keep(found, info);
  return found->no_memory ? 1 : 0;
}

static int find_keys(workq *q, void *arg) {
  struct found *found = arg;
  return api_visit(q, found->target->filter.state, visit_found, found);
}

/* What became of an action: how many keys it changed, before an error as well. */
struct outcome {
  int error; /* 0 or -errno */
  uint32_t changed;
  uint32_t found;
  bool more; /* keys may be left that it would change */
};

static void change_found(workq *q, const struct action *action, const struct found *found, struct outcome *outcome) {
  const unsigned char *key = found->bytes;
  int64_t end_ns = clock_now_ns() + FOUND_NS;
  outcome->more = found->is_cut;
  for (; outcome->found < found->count; outcome->found++) {
    if (outcome->found % FOUND_STRETCH == FOUND_STRETCH - 1 && clock_now_ns() > end_ns) {
      outcome->more = true;
      return;
    }
    int result = action->change_key(q, key, found->lens[outcome->found]);
    if (result < 0) {
      outcome->error = result;
      return;
    }
    outcome->changed += (uint32_t)result;
    key += found->lens[outcome->found];
  }
}

/* ---- The change ---------------------------------------------------------------------------------------------- */

static int open_queue(const struct serve *serve, const char *name, workq **q) {
  workq_options options = {.lock_timeout_ns = ACTION_LOCK_NS};
  trust_others(&options, serve->shared);
  return workq_open(name, &options, q);
}

static struct outcome change(const struct serve *serve, const char *name, const struct action *action,
                             const struct target *target) {
  struct outcome outcome = {0};
  workq *q;
  int result = open_queue(serve, name, &q);
  if (result >= 0) {
    if (action->change_queue != NULL) result = action->change_queue(q);
    else if (target->all) result = action->change_key(q, NULL, 0);
    else result = action->change_key(q, target->bytes, target->len);
    workq_close(q);
  }
  if (result < 0) outcome.error = result;
  else outcome.changed = (uint32_t)result;
  return outcome;
}

/* The keys are found first, without the lock, and then changed one by one. */
static struct outcome find_and_change(const struct serve *serve, const char *name, const struct action *action,
                                      const struct target *target) {
  struct outcome outcome = {0};
  struct found *found = calloc(1, sizeof *found);
  workq *q;
  if (found == NULL) return (struct outcome){.error = -ENOMEM};
  found->target = target;
  found->end_ns = clock_now_ns() + FOUND_NS;
  outcome.error = peek_at(name, serve->shared, find_keys, found);
  if (found->no_memory) outcome.error = -ENOMEM;
  if (outcome.error >= 0) outcome.error = open_queue(serve, name, &q);
  if (outcome.error >= 0) {
    change_found(q, action, found, &outcome);
    workq_close(q);
  }
  free(found->bytes);
  free(found);
  return outcome;
}

/* What is changed from afar is to be found in a log. */
static void report(const char *name, const struct action *action, const struct outcome *outcome) {
  if (outcome->error == 0 || outcome->changed > 0)
    say("serve: %s of queue '%s': %u", action->name, name, outcome->changed);
}

static json_t *failed(const struct outcome *outcome, unsigned *status) {
  const char *reason = outcome->error == -ETIMEDOUT
                           ? "timed out waiting for the queue's lock: it is held by another process"
                           : peek_error(outcome->error);
  json_t *object = api_error(outcome->error == -ETIMEDOUT ? 503 : api_status(outcome->error), reason, status);
  output_set_integer(object, "changed", outcome->changed);
  return object;
}

static json_t *answer(const char *name, const struct action *action, const struct target *target,
                      const struct outcome *outcome, unsigned *status) {
  report(name, action, outcome);
  if (outcome->error < 0) return failed(outcome, status);
  json_t *object = output_new("changed");
  output_set_integer(object, "changed", outcome->changed);
  if (target->is_found) {
    output_set_integer(object, "found", outcome->found);
    output_set(object, "more", json_boolean(outcome->more));
  }
  *status = 200;
  return object;
}

static json_t *run(const struct serve *serve, const char *name, const struct action *action,
                   const struct target *target, unsigned *status) {
  struct outcome outcome =
      target->is_found ? find_and_change(serve, name, action, target) : change(serve, name, action, target);
  return answer(name, action, target, &outcome, status);
}

json_t *action_run(const struct serve *serve, const char *name, const char *action_name, const char *body, size_t len,
                   unsigned *status) {
  const struct action *action = find(action_name);
  json_error_t error;
  json_t *object = json_loadb(body, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
  struct target target = {0};
  json_t *reply;
  if (!json_is_object(object)) reply = api_error(400, "the body is not a JSON object", status);
  else if (!read_target(object, action->about, &target)) reply = api_error(400, wanted_body(action->about), status);
  else reply = run(serve, name, action, &target, status);
  free(target.bytes);
  json_decref(object);
  return reply;
}
