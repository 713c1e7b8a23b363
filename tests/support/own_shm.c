/*
 * A /dev/shm of one's own; see own_shm.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "own_shm.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static bool write_text(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t n = write(fd, text, strlen(text));
  close(fd);
  return n == (ssize_t)strlen(text);
}

static bool enter_user_namespace(void) {
  char map[64], gmap[64];
  snprintf(map, sizeof map, "0 %d 1", (int)getuid());
  snprintf(gmap, sizeof gmap, "0 %d 1", (int)getgid());
  return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_text("/proc/self/setgroups", "deny") &&
         write_text("/proc/self/uid_map", map) && write_text("/proc/self/gid_map", gmap);
}

bool own_shm(const char *tmpfs_options) {
  if (unshare(CLONE_NEWNS) != 0 && !enter_user_namespace()) return false;
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return false;
  return mount("tmpfs", "/dev/shm", "tmpfs", 0, tmpfs_options) == 0;
}

void own_shm_alone(void) {
  if (own_shm("mode=1777")) return;
  printf("no /dev/shm of its own (%s): whoever looks at all queues now disturbs this\n", strerror(errno));
}
