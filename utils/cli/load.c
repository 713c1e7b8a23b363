/*
 * `workq load`: brings back what `workq save` wrote.  The whole file is read and checked before
 * anything is changed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "common/clock.h"
#include "common/hex.h"
#include "common/open.h"
#include "common/parse.h"
#include "common/queue_error.h"
#include "common/say.h"
#include "options.h"
#include "savefile.h"
#include "subcommands.h"
#include "whole_file.h"

/* The longest key has 32 KiB, and each byte six characters at most. */
enum { LINE_MAX_BYTES = 256 * 1024 };

struct loader {
  const char *name; /* of the queue */
  const char *path; /* "-": standard input */
  bool once;        /* the file is not to be loaded again */
  bool shared;
  bool verbose;
  FILE *in;
  char *line;
  uint64_t number; /* of the line */
  bool restoring;  /* keys before this line are in the queue by now */
  /* What the file's first line says. */
  workq_options options;
  bool paused;
  bool shut_down;
  char incarnation[32]; /* of the queue that was saved; "" where an older version has saved it */
  int64_t elapsed_ns;   /* since it was saved */
  /* The key of the line. */
  unsigned char key[WORKQ_KEY_MAX];
  workq_info info;
  uint32_t key_max; /* of the queue */
  uint64_t keys;    /* lines that are keys */
};

/* ---- Lines --------------------------------------------------------------------------------------------------- */

static int bad_line(const struct loader *loader, const char *what) {
  if (loader->restoring)
    return fail("'%s', line %" PRIu64 ": %s: the file has changed since it was checked; only what stands before that "
                "line was loaded",
                loader->path, loader->number, what);
  return fail("'%s', line %" PRIu64 ": %s; nothing was changed", loader->path, loader->number, what);
}

/*
 * The next line as an object.  Null at the end of the file, or with *status set and the fault said.
 */
static json_t *next_object(struct loader *loader, int *status) {
  json_error_t error;
  errno = 0;
  loader->number++;
  if (fgets(loader->line, LINE_MAX_BYTES, loader->in) == NULL) {
    if (ferror(loader->in)) *status = fail("cannot read '%s': %s", loader->path, strerror(errno));
    return NULL;
  }
  size_t len = strlen(loader->line);
  json_t *object = len > 0 && loader->line[len - 1] == '\n'
                       ? json_loadb(loader->line, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error)
                       : NULL;
  if (json_is_object(object)) return object;
  json_decref(object);
  *status = bad_line(loader, "not a line of a saved queue, or the file is truncated");
  return NULL;
}

/* An integer between min and max under the name; it must be there. */
static bool read_integer(const json_t *object, const char *name, int64_t min, int64_t max, int64_t *out) {
  const json_t *value = json_object_get(object, name);
  if (!json_is_integer(value)) return false;
  *out = json_integer_value(value);
  return *out >= min && *out <= max;
}

static bool read_count(const json_t *object, const char *name, uint32_t max, uint32_t *out) {
  int64_t value;
  if (!read_integer(object, name, 0, max, &value)) return false;
  *out = (uint32_t)value;
  return true;
}

static bool read_flag(const json_t *object, const char *name, bool *out) {
  const json_t *value = json_object_get(object, name);
  *out = json_is_true(value);
  return json_is_boolean(value);
}

static bool has_type(const json_t *object, const char *type) {
  const char *found = json_string_value(json_object_get(object, "type"));
  return found != NULL && strcmp(found, type) == 0;
}

/* ---- The first line ------------------------------------------------------------------------------------------ */

static bool read_mode(const json_t *object, uint32_t *out) {
  const char *text = json_string_value(json_object_get(object, "mode"));
  if (text == NULL || strlen(text) != 4 || strspn(text, "01234567") != 4) return false;
  *out = (uint32_t)strtoul(text, NULL, 8);
  return *out <= 0777 && *out != 0 && ((*out & 044) >> 1 & ~*out) == 0; /* as in workq_options */
}

/* A file of an older version has none: then it is the default. */
static bool read_crash_forget(const json_t *object, int64_t *out) {
  *out = 0;
  if (json_object_get(object, "crash_forget_ns") == NULL) return true;
  return read_integer(object, "crash_forget_ns", WORKQ_FOREVER, INT64_MAX, out) &&
         (*out == WORKQ_FOREVER || *out >= NS_PER_S);
}

static bool read_limits(const json_t *object, workq_options *options) {
  int64_t max_retries, max_crashes;
  if (!read_integer(object, "max_retries", WORKQ_NEVER, INT32_MAX, &max_retries)) return false;
  if (!read_integer(object, "max_crashes", 0, INT32_MAX, &max_crashes)) return false;
  options->max_retries = (int32_t)max_retries;
  if (!read_crash_forget(object, &options->crash_forget_ns)) return false;
  options->max_crashes = max_crashes == 0 ? WORKQ_NEVER : (int32_t)max_crashes;
  const char *give_up = json_string_value(json_object_get(object, "give_up"));
  if (give_up == NULL || (strcmp(give_up, "bury") != 0 && strcmp(give_up, "drop") != 0)) return false;
  options->give_up = strcmp(give_up, "drop") == 0 ? WORKQ_DROP : WORKQ_BURY;
  const char *limiter = json_string_value(json_object_get(object, "limiter"));
  return limiter != NULL && parse_limiter(limiter, &options->limiter) == NULL;
}

static bool read_metrics(const json_t *object, workq_options *options) {
  bool metrics;
  if (!read_flag(object, "metrics", &metrics)) return false;
  options->no_metrics = !metrics;
  return true;
}

static bool read_sizes(const json_t *object, workq_options *options) {
  return read_count(object, "capacity", WORKQ_CAPACITY_MAX, &options->capacity) &&
         read_count(object, "key_max", WORKQ_KEY_MAX, &options->key_max) &&
         read_count(object, "handles", WORKQ_HANDLES_MAX, &options->handles) &&
         read_integer(object, "reap_interval_ns", NS_PER_MS, WORKQ_REAP_INTERVAL_MAX, &options->reap_interval_ns);
}

static int64_t elapsed_since(int64_t then_ns) {
  int64_t now_ns = clock_wall_ns();
  return now_ns > then_ns ? now_ns - then_ns : 0;
}

static void read_incarnation(struct loader *loader, const json_t *object) {
  const char *text = json_string_value(json_object_get(object, SAVED_INCARNATION_NAME));
  snprintf(loader->incarnation, sizeof loader->incarnation, "%s", text == NULL ? "" : text);
}

static int read_queue(struct loader *loader) {
  int status = STATUS_OK;
  int64_t format, saved_at_ns;
  json_t *object = next_object(loader, &status);
  if (object == NULL) return status == STATUS_OK ? fail("'%s' is empty", loader->path) : status;
  if (!has_type(object, "queue") || !read_integer(object, SAVED_FORMAT_NAME, 1, INT64_MAX, &format))
    status = bad_line(loader, "not written by workq save");
  else if (format != SAVED_FORMAT) status = bad_line(loader, "saved by a newer version of workq");
  else if (!read_integer(object, SAVED_AT_NAME, 0, INT64_MAX, &saved_at_ns) ||
           !read_mode(object, &loader->options.mode) || !read_sizes(object, &loader->options) ||
           !read_limits(object, &loader->options) || !read_metrics(object, &loader->options) ||
           !read_flag(object, "paused", &loader->paused) || !read_flag(object, "shut_down", &loader->shut_down))
    status = bad_line(loader, "a queue option is missing or out of range");
  else loader->elapsed_ns = elapsed_since(saved_at_ns);
  read_incarnation(loader, object);
  json_decref(object);
  return status;
}

/* ---- Keys ---------------------------------------------------------------------------------------------------- */

/* As save writes it, in lower case. */
static bool read_hex(const json_t *value, unsigned char *key, size_t *len) {
  const char *text = json_string_value(value);
  size_t digits = json_string_length(value);
  if (text == NULL || digits / 2 > WORKQ_KEY_MAX || strspn(text, "0123456789abcdef") != digits) return false;
  *len = digits / 2;
  return hex_decode(text, digits, key);
}

static bool read_key(struct loader *loader, const json_t *object) {
  const json_t *value = json_object_get(object, "key");
  loader->info.key = loader->key;
  if (value == NULL) return read_hex(json_object_get(object, "key_hex"), loader->key, &loader->info.key_len);
  loader->info.key_len = json_string_length(value);
  if (!json_is_string(value) || loader->info.key_len > WORKQ_KEY_MAX) return false;
  memcpy(loader->key, json_string_value(value), loader->info.key_len);
  return true;
}

static bool read_state(const json_t *object, int32_t *out) {
  const char *text = json_string_value(json_object_get(object, "state"));
  return text != NULL && parse_state(text, out);
}

/* When a delayed key is due: time that has gone by since it was saved counts. */
static bool read_due(struct loader *loader, const json_t *object) {
  int64_t due_in_ns;
  loader->info.due_in_ns = -1;
  if (json_object_get(object, "due_in_ns") == NULL) return loader->info.state != WORKQ_STATE_DELAYED;
  if (!read_integer(object, "due_in_ns", 0, WORKQ_DURATION_MAX, &due_in_ns)) return false;
  loader->info.due_in_ns = due_in_ns > loader->elapsed_ns ? due_in_ns - loader->elapsed_ns : 0;
  return true;
}

static int read_item(struct loader *loader, const json_t *object) {
  int64_t priority;
  loader->info = (workq_info){.key = loader->key};
  if (!read_key(loader, object)) return bad_line(loader, "missing or invalid key");
  if (loader->info.key_len == 0) return bad_line(loader, "empty key");
  if (loader->info.key_len > loader->key_max) return bad_line(loader, "the key is longer than the queue allows");
  if (!read_state(object, &loader->info.state) || !read_integer(object, "priority", INT8_MIN, INT8_MAX, &priority) ||
      !read_count(object, "failures", UINT32_MAX, &loader->info.failures) ||
      !read_count(object, "crashes", UINT32_MAX, &loader->info.crashes) || !read_due(loader, object))
    return bad_line(loader, "the key's state is missing or out of range");
  loader->info.priority = (int32_t)priority;
  loader->info.removed = json_is_true(json_object_get(object, "removed"));
  return STATUS_OK;
}

/* Nothing stands behind the end line: what does is no part of what was saved, such as a second file. */
static int read_end(struct loader *loader, const json_t *object) {
  int64_t keys;
  if (!read_integer(object, SAVED_KEYS_NAME, 0, INT64_MAX, &keys) || (uint64_t)keys != loader->keys)
    return bad_line(loader, "keys before this line are missing");
  loader->number++;
  errno = 0;
  if (getc(loader->in) != EOF) return bad_line(loader, "this stands behind the end of a saved queue");
  return ferror(loader->in) ? fail("cannot read '%s': %s", loader->path, strerror(errno)) : STATUS_OK;
}

/* Reads all lines behind the first, and calls use for each key. */
static int each_key(struct loader *loader, int (*use)(struct loader *loader, void *arg), void *arg) {
  int status = STATUS_OK;
  json_t *object;
  for (loader->keys = 0; (object = next_object(loader, &status)) != NULL; json_decref(object)) {
    if (has_type(object, "end")) {
      status = read_end(loader, object);
      json_decref(object);
      return status;
    }
    status = has_type(object, "item") ? read_item(loader, object) : bad_line(loader, "neither a key nor the end");
    if (status == STATUS_OK) status = use(loader, arg);
    loader->keys++;
    if (status == STATUS_OK) continue;
    json_decref(object);
    return status;
  }
  return status == STATUS_OK ? bad_line(loader, "the file is truncated: its last line is missing") : status;
}

static int only_check(struct loader *loader, void *arg) {
  (void)loader;
  (void)arg;
  return STATUS_OK;
}

static int restore_key(struct loader *loader, void *arg) {
  workq *q = arg;
  int result = workq_restore(q, &loader->info);
  if (result >= 0) return STATUS_OK;
  queue_failed(loader->name, q, result);
  return fail("loaded %" PRIu64 " keys of '%s', up to line %" PRIu64
              "; load it again when there is space: existing keys are not loaded twice",
              loader->keys, loader->path, loader->number - 1);
}

/* ---- The file ------------------------------------------------------------------------------------------------ */

/* Standard input can be read only once: it is copied to a file that can be read again. */
static FILE *copy_input(void) {
  char buffer[65536];
  size_t got;
  FILE *copy = tmpfile();
  if (copy == NULL) return NULL;
  while ((got = fread(buffer, 1, sizeof buffer, stdin)) > 0) fwrite(buffer, 1, got, copy);
  if (!ferror(stdin) && fflush(copy) == 0 && !ferror(copy)) return copy;
  fclose(copy);
  return NULL;
}

static int open_file(struct loader *loader) {
  bool is_input = strcmp(loader->path, "-") == 0;
  loader->in = is_input ? copy_input() : fopen(loader->path, "re");
  if (loader->in == NULL && errno == ENOENT && loader->once) return STATUS_DECLINED;
  if (loader->in == NULL) return fail("cannot read '%s': %s", loader->path, strerror(errno));
  if (fseeko(loader->in, 0, SEEK_SET) == 0) return STATUS_OK;
  int status = fail("cannot read '%s' twice; pass it on standard input: workq load NAME -", loader->path);
  fclose(loader->in);
  return status;
}

/* Back to the first key. */
static int read_again(struct loader *loader) {
  rewind(loader->in);
  loader->number = 0;
  return read_queue(loader);
}

/* ---- The queue ----------------------------------------------------------------------------------------------- */

/* Opens the queue, or makes it as it was.  *created says which. */
static int open_or_create(struct loader *loader, workq **out, bool *created) {
  workq_options options = loader->options;
  options.lock_timeout_ns = LOCK_TIMEOUT_NS;
  *created = false;
  int status = open_queue_unless(loader->name, 0, loader->shared, -ENOENT, out);
  if (status != STATUS_DECLINED) return status;
  int result = workq_create(loader->name, &options, out);
  *created = result >= 0;
  return result < 0 ? queue_failed(loader->name, NULL, result) : STATUS_OK;
}

/* A queue that load has made gets the state that it had. */
static int set_flags(const struct loader *loader, workq *q) {
  int result = loader->shut_down ? workq_shutdown(q) : 0;
  if (result >= 0 && !loader->paused) result = workq_unpause(q);
  return result < 0 ? queue_failed(loader->name, q, result) : STATUS_OK;
}

/* Loads into the queue what is checked already but for what depends on the queue. */
static int fill(struct loader *loader, workq *q, bool created) {
  workq_stats_data stats;
  int result = workq_stats(q, &stats);
  if (result < 0) return queue_failed(loader->name, q, result);
  loader->key_max = stats.key_max;
  int status = read_again(loader);
  if (status == STATUS_OK && !created) status = each_key(loader, only_check, NULL);
  if (status == STATUS_OK && !created) status = read_again(loader);
  loader->restoring = true;
  if (status == STATUS_OK) status = each_key(loader, restore_key, q);
  return status;
}

/* ---- Once ---------------------------------------------------------------------------------------------------- */

/*
 * A file is loaded once: before anybody works on its keys it gets another name, PATH.loaded, which is
 * never loaded.  So one who is killed has left
 *  - the file under its name: the queue is paused or not there, and is loaded (again: no key twice);
 *  - the file under the other name: all keys are loaded, but the queue may still be paused.
 */
static char *loaded_name(const struct loader *loader) {
  char *name;
  if (asprintf(&name, "%s.loaded", loader->path) < 0) out_of_memory();
  return name;
}

static int cannot_take_away(const struct loader *loader) {
  return fail("cannot take '%s' away, so that it would be loaded again: %s", loader->path, strerror(errno));
}

static int set_aside(const struct loader *loader) {
  char *name = loaded_name(loader);
  bool done = rename(loader->path, name) == 0 && whole_file_sync_folder(loader->path);
  int status = done ? STATUS_OK : cannot_take_away(loader);
  free(name);
  return status;
}

static int take_away(const struct loader *loader) {
  char *name = loaded_name(loader);
  int status = unlink(name) == 0 || errno == ENOENT ? STATUS_OK : cannot_take_away(loader);
  free(name);
  return status;
}

/* Whether the queue is the one that was saved: then it has lived on, and is newer than the file. */
static bool is_older(const struct loader *loader, workq *q) {
  workq_stats_data stats;
  char incarnation[32] = "";
  if (workq_stats(q, &stats) >= 0) snprintf(incarnation, sizeof incarnation, "%016" PRIx64, stats.incarnation);
  return *incarnation != '\0' && strcmp(incarnation, loader->incarnation) == 0;
}

static int skip_older(const struct loader *loader) {
  note(loader->verbose, "queue '%s' has not gone since it was saved: '%s' is not loaded, and removed", loader->name,
       loader->path);
  int status = set_aside(loader);
  return status == STATUS_OK ? take_away(loader) : status;
}

/* Ends what a killed one has left undone. */
static int finish_previous(struct loader *loader) {
  char *path = loaded_name(loader);
  const char *own_path = loader->path;
  loader->path = path;
  int status = open_file(loader);
  if (status == STATUS_OK) {
    workq *q;
    status = read_queue(loader);
    fclose(loader->in);
    loader->number = 0;
    int opened = status != STATUS_OK ? status : open_queue_unless(loader->name, 0, loader->shared, -ENOENT, &q);
    if (opened == STATUS_OK) {
      status = set_flags(loader, q);
      workq_close(q);
    } else if (opened != STATUS_DECLINED) {
      status = opened;
    }
  }
  loader->path = own_path;
  free(path);
  if (status == STATUS_DECLINED) return STATUS_OK;
  return status == STATUS_OK ? take_away(loader) : status;
}

/* -------------------------------------------------------------------------------------------------------------- */

/* The file is open and was checked. */
static int load_into(struct loader *loader, workq *q, bool created) {
  if (loader->once && !created && is_older(loader, q)) return skip_older(loader);
  /* Nobody is to work on a half-loaded queue. */
  bool is_paused = created || loader->once;
  int result = is_paused ? workq_pause(q) : 0;
  int status = result < 0 ? queue_failed(loader->name, q, result) : fill(loader, q, created);
  if (status == STATUS_OK && loader->once) status = set_aside(loader);
  if (status == STATUS_OK && is_paused) status = set_flags(loader, q);
  if (status == STATUS_OK && loader->once) status = take_away(loader);
  if (status == STATUS_OK) note(loader->verbose, "loaded %" PRIu64 " keys", loader->keys);
  else if (is_paused)
    say("queue '%s' stays paused (when everything is loaded: workq unpause '%s')", loader->name, loader->name);
  return status;
}

static int load(struct loader *loader) {
  workq *q;
  bool created;
  int status = read_queue(loader);
  loader->key_max = loader->options.key_max;
  if (status == STATUS_OK) status = each_key(loader, only_check, NULL);
  if (status == STATUS_OK) status = open_or_create(loader, &q, &created);
  if (status != STATUS_OK) return status;
  status = load_into(loader, q, created);
  workq_close(q);
  return status;
}

static int load_file(struct loader *loader) {
  int status = loader->once ? finish_previous(loader) : STATUS_OK;
  if (status == STATUS_OK) status = open_file(loader);
  if (status == STATUS_DECLINED) {
    note(loader->verbose, "there is no '%s': nothing to load", loader->path);
    return STATUS_OK;
  }
  if (status != STATUS_OK) return status;
  status = load(loader);
  fclose(loader->in);
  return status;
}

int cmd_load(int argc, char **argv) {
  static const struct option options[] = {
      {"once", no_argument, NULL, 'o'}, {"verbose", no_argument, NULL, 'v'}, LONG_OPTION_SHARED, LONG_OPTION_END};
  bool once = false, shared = false, verbose = false;
  for (int option; (option = next_option(argc, argv, ":v", options)) != -1;) {
    if (option == 'v') verbose = true;
    else if (option == 'o') once = true;
    else if (option == OPTION_SHARED) shared = true;
    else return STATUS_USAGE;
  }
  if (expect_arguments(argc, argv, 2, 2) != STATUS_OK) return STATUS_USAGE;
  if (once && strcmp(argv[optind + 1], "-") == 0)
    return usage_error(argv[0], "--once takes a file away when it is loaded, and cannot do so with standard input");
  struct loader *loader = calloc(1, sizeof *loader);
  char *line = malloc(LINE_MAX_BYTES);
  if (loader == NULL || line == NULL) return fail("out of memory");
  *loader = (struct loader){
      .name = argv[optind], .path = argv[optind + 1], .once = once, .shared = shared, .verbose = verbose, .line = line};
  int status = load_file(loader);
  free(line);
  free(loader);
  return status;
}
