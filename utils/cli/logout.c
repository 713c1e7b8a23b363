/*
 * Whether a user's shared memory is removed when he has logged out: systemd-logind's RemoveIPC.
 *
 * What logind does (user_finalize() in its logind-user.c, logind.conf(5)): when the last session of
 * a user has ended it removes all IPC objects that are his, shared memory among them, unless
 * RemoveIPC is off or his uid is a system user's (root's is).  A user who lingers has not ended.
 * Only its configuration can be read, not what it has loaded: a change needs a restart of logind to
 * be true.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "logout.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/say.h"

enum { SYSTEM_UID_MAX = 999 /* where login.defs does not say otherwise, as in logind */ };

/* Of these the earlier ones count more: as in systemd. */
static const char *const config_folders[] = {"/etc/systemd", "/run/systemd", "/usr/local/lib/systemd",
                                             "/usr/lib/systemd"};

#define FOLDER_COUNT (sizeof config_folders / sizeof config_folders[0])

/* To be freed. */
static char *join(const char *root, const char *folder, const char *name) {
  char *path;
  if (asprintf(&path, "%s%s%s", root, folder, name) < 0) out_of_memory();
  return path;
}

static bool exists(const char *root, const char *folder, const char *name) {
  char *path = join(root, folder, name);
  bool there = access(path, F_OK) == 0;
  free(path);
  return there;
}

static FILE *open_in(const char *root, const char *folder, const char *name) {
  char *path = join(root, folder, name);
  FILE *file = fopen(path, "re");
  free(path);
  return file;
}

/* Without the white space around it; changes it. */
static char *trim(char *text) {
  while (isspace((unsigned char)*text)) text++;
  size_t len = strlen(text);
  while (len > 0 && isspace((unsigned char)text[len - 1])) len--;
  text[len] = '\0';
  return text;
}

/* ---- The last uid of system users ---------------------------------------------------------------------------- */

static uid_t system_uid_max(const char *root) {
  uintmax_t max = SYSTEM_UID_MAX, value;
  char *line = NULL;
  size_t size = 0;
  FILE *file = open_in(root, "/etc/login.defs", "");
  if (file == NULL) return SYSTEM_UID_MAX;
  while (getline(&line, &size, file) >= 0)
    if (sscanf(line, " SYS_UID_MAX %ju", &value) == 1 && value < UINT32_MAX) max = value;
  free(line);
  fclose(file);
  return (uid_t)max;
}

/* ---- RemoveIPC ----------------------------------------------------------------------------------------------- */

/* What systemd takes for a boolean; anything else it does not heed. */
static void read_boolean(const char *text, bool *out) {
  static const char *const yes[] = {"1", "yes", "y", "true", "t", "on"}, *const no[] = {"0",     "no", "n",
                                                                                        "false", "f",  "off"};
  for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
    if (strcasecmp(text, yes[i]) == 0) *out = true;
    if (strcasecmp(text, no[i]) == 0) *out = false;
  }
}

/* The value of RemoveIPC in such a line, null where it has none. */
static const char *value_in(char *line) {
  char *equals = strchr(line, '=');
  if (equals == NULL) return NULL;
  *equals = '\0';
  return strcmp(trim(line), "RemoveIPC") == 0 ? trim(equals + 1) : NULL;
}

/*
 * Reads a file of the configuration.  In the main file a line that is commented out shows what was
 * compiled in; distributions differ in that.
 */
static void read_config(FILE *file, bool is_main, bool *out) {
  bool in_section = false, is_set = false;
  char *line = NULL;
  size_t size = 0;
  while (getline(&line, &size, file) >= 0) {
    char *text = trim(line);
    if (*text == '[') in_section = strcmp(text, "[Login]") == 0;
    if (!in_section) continue;
    bool is_comment = *text == '#' || *text == ';';
    if (is_comment && (!is_main || is_set)) continue;
    const char *value = value_in(text + is_comment);
    if (value == NULL) continue;
    read_boolean(value, out);
    is_set = is_set || !is_comment;
  }
  free(line);
}

static void read_main_file(const char *root, bool *out) {
  for (size_t i = 0; i < FOLDER_COUNT; i++) {
    FILE *file = open_in(root, config_folders[i], "/logind.conf");
    if (file == NULL) continue;
    read_config(file, true, out);
    fclose(file);
    return;
  }
}

static int is_config(const struct dirent *entry) {
  size_t len = strlen(entry->d_name);
  return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0;
}

/* Names of files with settings that come on top, sorted. */
struct drop_ins {
  char **names;
  size_t count;
};

static int by_name(const void *left, const void *right) {
  return strcmp(*(char *const *)left, *(char *const *)right);
}

static void collect_drop_ins(const char *root, const char *folder, struct drop_ins *out) {
  struct dirent **entries;
  char *path = join(root, folder, "/logind.conf.d");
  int count = scandir(path, &entries, is_config, NULL);
  free(path);
  if (count < 0) return;
  char **names = realloc(out->names, (out->count + (size_t)count + 1) * sizeof *names);
  if (names == NULL) out_of_memory();
  out->names = names;
  for (int i = 0; i < count; i++) {
    names[out->count++] = join("", "", entries[i]->d_name);
    free(entries[i]);
  }
  free(entries);
}

/* Of files of the same name only the first counts, and may be empty. */
static void read_drop_in(const char *root, const char *name, bool *out) {
  for (size_t i = 0; i < FOLDER_COUNT; i++) {
    char *folder = join(config_folders[i], "/logind.conf.d/", "");
    FILE *file = open_in(root, folder, name);
    free(folder);
    if (file == NULL) continue;
    read_config(file, false, out);
    fclose(file);
    return;
  }
}

static void read_drop_ins(const char *root, bool *out) {
  struct drop_ins all = {0};
  for (size_t i = 0; i < FOLDER_COUNT; i++) collect_drop_ins(root, config_folders[i], &all);
  if (all.count > 0) qsort(all.names, all.count, sizeof *all.names, by_name);
  for (size_t i = 0; i < all.count; i++) {
    if (i == 0 || strcmp(all.names[i - 1], all.names[i]) != 0) read_drop_in(root, all.names[i], out);
  }
  for (size_t i = 0; i < all.count; i++) free(all.names[i]);
  free(all.names);
}

/* -------------------------------------------------------------------------------------------------------------- */

bool logout_removes(const char *root, uid_t uid, const char *name) {
  bool removes = true;
  if (!exists(root, "/run/systemd/seats", "") || uid <= system_uid_max(root)) return false;
  if (name != NULL && exists(root, "/var/lib/systemd/linger/", name)) return false;
  read_main_file(root, &removes);
  read_drop_ins(root, &removes);
  return removes;
}
