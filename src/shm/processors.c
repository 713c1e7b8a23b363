/*
 * processors.c: how much processor time the calling thread may use.
 *
 * No function fails: a file that cannot be read sets no limit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "processors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROCESSOR 1000u

/* Of /proc/self/cgroup, some ten lines with a path each; a longer text is truncated. */
#define TEXT_SIZE 2048

/* The kernel refuses a mask that is smaller than its own, which has 8192 places at most. */
#define MASK_WORDS (8192 / (8 * sizeof(unsigned long)))

/* Reads a file, as far as it fits.  Returns whether it has content. */
static bool read_text(const char *path, char *text, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  size_t len = 0;
  ssize_t n;
  do {
    n = read(fd, text + len, size - 1 - len);
    if (n > 0) len += (size_t)n;
  } while (n > 0 && len < size - 1);
  close(fd);
  text[len] = '\0';
  return len > 0;
}

uint32_t processors_of_affinity(void) {
  unsigned long mask[MASK_WORDS] = {0};
  uint32_t count = 0;
  if (syscall(SYS_sched_getaffinity, 0, sizeof mask, mask) <= 0) return PROCESSORS_UNLIMITED;
  for (size_t i = 0; i < MASK_WORDS; i++)
    for (unsigned long left = mask[i]; left; left &= left - 1) count++;
  return count * PROCESSOR;
}

/* ---- Quotas ---- */

/* The directory of a control group, with space for a file's name behind it. */
struct group {
  bool is_first_version;
  size_t mount_len; /* length of the mount point's path: the walk up ends there */
  char path[TEXT_SIZE + 128];
};

static bool read_figure(struct group *group, const char *file, char *text, size_t size) {
  size_t len = strlen(group->path);
  snprintf(group->path + len, sizeof group->path - len, "/%s", file);
  bool is_read = read_text(group->path, text, size);
  group->path[len] = '\0';
  return is_read;
}

/* cpu.max: "max 100000" or "50000 100000"; cpu.cfs_quota_us: -1 or 50000. */
static uint32_t quota_of(struct group *group) {
  char quota[64], period[64], *behind;
  if (!read_figure(group, group->is_first_version ? "cpu.cfs_quota_us" : "cpu.max", quota, sizeof quota))
    return PROCESSORS_UNLIMITED;
  long long quota_us = strtoll(quota, &behind, 10), period_us;
  if (quota_us <= 0) return PROCESSORS_UNLIMITED;
  if (group->is_first_version && !read_figure(group, "cpu.cfs_period_us", behind = period, sizeof period))
    return PROCESSORS_UNLIMITED;
  period_us = strtoll(behind, NULL, 10);
  if (period_us <= 0) return PROCESSORS_UNLIMITED;
  double allowed = (double)quota_us / (double)period_us * PROCESSOR;
  return allowed < PROCESSORS_UNLIMITED ? (uint32_t)allowed : PROCESSORS_UNLIMITED;
}

static bool has_controller(const char *list, size_t len, const char *name) {
  size_t name_len = strlen(name);
  for (const char *end = list + len; list < end;) {
    size_t word = 0;
    while (list + word < end && list[word] != ',') word++;
    if (word == name_len && memcmp(list, name, word) == 0) return true;
    list += word + 1;
  }
  return false;
}

/*
 * Finds the group in the lines "number:controllers:path" of /proc/self/cgroup.  The controller is
 * in only one hierarchy: in version 1 if it is named, else in version 2, whose mount point is next
 * to those of version 1 if there are any.
 */
static bool find_group(const char *root, const char *lines, struct group *group) {
  const char *path = NULL, *mount = NULL;
  size_t path_len = 0;
  bool mixed = false;
  for (const char *line = lines; *line; line += strcspn(line, "\n"), line += *line == '\n') {
    const char *list = line + strcspn(line, ":\n");
    if (*list != ':') continue;
    size_t list_len = strcspn(++list, ":\n");
    if (list[list_len] != ':') continue;
    bool is_cpu = has_controller(list, list_len, "cpu");
    if (list_len) mixed = true;
    if (!is_cpu && (list_len || mount)) continue;
    group->is_first_version = is_cpu;
    mount = is_cpu ? "/sys/fs/cgroup/cpu" : "/sys/fs/cgroup";
    path = list + list_len + 1;
    path_len = strcspn(path, "\n");
    if (path_len == 1) path_len = 0; /* "/", the highest group */
    if (is_cpu) break;
  }
  if (!mount) return false;
  if (mixed && !group->is_first_version) mount = "/sys/fs/cgroup/unified";
  size_t limit = sizeof group->path - 64;
  group->mount_len = (size_t)snprintf(group->path, limit, "%s%s", root, mount);
  if (group->mount_len + path_len >= limit) return false;
  memcpy(group->path + group->mount_len, path, path_len);
  group->path[group->mount_len + path_len] = '\0';
  /* Of a group outside of the visible tree ("/../other") only the common ancestors are known. */
  if (strstr(group->path + group->mount_len, "/..")) group->path[group->mount_len] = '\0';
  return true;
}

/*
 * In a container the path may be that of the host, and not exist.  Then the mount point, where the
 * walk up ends, is the container's own group.
 */
uint32_t processors_of_quota(const char *root) {
  char lines[TEXT_SIZE];
  struct group group;
  uint32_t least = PROCESSORS_UNLIMITED;
  snprintf(group.path, sizeof group.path, "%s/proc/self/cgroup", root);
  if (!read_text(group.path, lines, sizeof lines) || !find_group(root, lines, &group)) return least;
  for (;;) {
    uint32_t here = quota_of(&group);
    if (here < least) least = here;
    char *last = strrchr(group.path, '/');
    if (last < group.path + group.mount_len) return least;
    *last = '\0';
  }
}

bool processors_are_several(void) {
  int before = errno;
  bool several = processors_of_affinity() >= 2 * PROCESSOR && processors_of_quota("") >= 2 * PROCESSOR;
  errno = before;
  return several;
}
