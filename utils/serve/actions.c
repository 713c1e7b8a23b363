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
#include "common/say.h"
#include "common/trust.h"
#include "serve.h"

/* How long an action waits for the queue's lock; meanwhile nobody else is answered. */
#define ACTION_LOCK_NS NS_PER_S

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

/* The key of the body; all: every key.  bytes is to be freed. */
struct target {
  unsigned char *bytes;
  size_t len;
  bool all;
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

/* Whether the object says just what the action needs to know. */
static bool read_target(const json_t *object, enum about about, struct target *target) {
  size_t members = json_object_size(object);
  const json_t *key = json_object_get(object, "key"), *hex = json_object_get(object, "key_hex");
  if (about == ABOUT_QUEUE) return members == 0;
  if (members != 1) return false;
  if (json_is_string(key)) return read_text(key, target);
  if (json_is_string(hex)) return read_hex(hex, target);
  target->all = about == ABOUT_KEY_OR_ALL && json_is_true(json_object_get(object, "all"));
  return target->all;
}

static const char *wanted_body(enum about about) {
  if (about == ABOUT_QUEUE) return "the body must be {}";
  return about == ABOUT_KEY ? "the body must be {\"key\": TEXT} or {\"key_hex\": BYTES}"
                            : "the body must be {\"key\": TEXT}, {\"key_hex\": BYTES} or {\"all\": true}";
}

/* ---- The change ---------------------------------------------------------------------------------------------- */

static int change(const struct serve *serve, const char *name, const struct action *action,
                  const struct target *target) {
  workq_options options = {.lock_timeout_ns = ACTION_LOCK_NS};
  trust_others(&options, serve->shared);
  workq *q;
  int result = workq_open(name, &options, &q);
  if (result < 0) return result;
  if (action->change_queue != NULL) result = action->change_queue(q);
  else if (target->all) result = action->change_key(q, NULL, 0);
  else result = action->change_key(q, target->bytes, target->len);
  workq_close(q);
  return result;
}

static json_t *answer(const char *name, const struct action *action, int result, unsigned *status) {
  if (result == -ETIMEDOUT)
    return api_error(503, "timed out waiting for the queue's lock: it is held by another process", status);
  if (result < 0) return api_error(api_status(result), peek_error(result), status);
  /* What is changed from afar is to be found in a log. */
  say("serve: %s of queue '%s': %d", action->name, name, result);
  json_t *object = output_new("changed");
  output_set_integer(object, "changed", result);
  *status = 200;
  return object;
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
  else reply = answer(name, action, change(serve, name, action, &target), status);
  free(target.bytes);
  json_decref(object);
  return reply;
}
