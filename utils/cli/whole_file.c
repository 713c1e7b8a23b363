/*
 * A file that appears under its name when it is whole.
 *
 * It is written without a name (O_TMPFILE), so that a process that is killed leaves none.  No system call
 * lets such a file replace another: for that it gets a temporary name and is renamed.  A process that
 * is killed between these two leaves a whole file of that name, which the next one takes away.
 *
 * Where there is no O_TMPFILE it is written under the temporary name, with a lock (flock), which tells
 * a file that is being written from one that a dead process has left.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 100 /* more than others could disturb but on purpose */ };

static void release(struct whole_file *file) {
  int error = errno;
  if (file->out != NULL) fclose(file->out);
  if (file->folder >= 0) close(file->folder);
  free(file->name);
  free(file->temporary);
  *file = (struct whole_file){.folder = -1};
  errno = error;
}

/* Splits the path, following a symbolic link, into folder and name. */
static bool find_place(struct whole_file *file, const char *path) {
  char *target = realpath(path, NULL);
  if (target == NULL) target = strdup(path);
  if (target == NULL) return false;
  char *slash = strrchr(target, '/');
  file->name = strdup(slash == NULL ? target : slash + 1);
  if (slash != NULL) slash[slash == target] = '\0';
  if (file->name != NULL && asprintf(&file->temporary, ".%s.workq-save", file->name) < 0) file->temporary = NULL;
  const char *folder = slash == NULL ? "." : target;
  file->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file->folder < 0 && errno == EACCES) file->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
  int error = errno;
  free(target);
  errno = error;
  return file->folder >= 0 && file->name != NULL && file->temporary != NULL;
}

/* ---- With a temporary name all the time ---------------------------------------------------------------------- */

/* Whether the open file is the one that has the temporary name. */
static bool has_temporary_name(const struct whole_file *file, int fd) {
  struct stat open_one, named;
  return fstat(fd, &open_one) == 0 && fstatat(file->folder, file->temporary, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev;
}

/* Takes away what a dead process has left.  Returns false with errno: EBUSY if it is alive. */
static bool remove_stale(const struct whole_file *file) {
  int fd = openat(file->folder, file->temporary, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT;
  bool removed = false;
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) errno = EBUSY;
  } else {
    removed = !has_temporary_name(file, fd) || unlinkat(file->folder, file->temporary, 0) == 0;
  }
  int error = errno;
  close(fd);
  errno = error;
  return removed;
}

static int open_named(struct whole_file *file) {
  for (int i = 0; i < TRIES; i++) {
    int fd = openat(file->folder, file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST) return -1;
    if (fd < 0 && !remove_stale(file)) return -1;
    if (fd < 0) continue;
    /* Another may have found it before it was locked, and taken it for a stale one. */
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && has_temporary_name(file, fd)) {
      file->is_named = true;
      return fd;
    }
    close(fd);
  }
  errno = EBUSY;
  return -1;
}

/* ---- Without a name ------------------------------------------------------------------------------------------ */

/* A file gets its first name by way of /proc. */
static int open_unnamed(const struct whole_file *file) {
  if (access("/proc/self/fd", X_OK) != 0) {
    errno = EOPNOTSUPP;
    return -1;
  }
  return openat(file->folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
}

static bool give_name(const struct whole_file *file, const char *name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fileno(file->out));
  return linkat(AT_FDCWD, path, file->folder, name, AT_SYMLINK_FOLLOW) == 0;
}

/* Puts the file in the place of that which has its name.  Others that do so at the same time may take
 * its temporary name away, or find it. */
static bool replace(const struct whole_file *file) {
  for (int i = 0; i < TRIES; i++) {
    if (!give_name(file, file->temporary)) {
      if (errno != EEXIST || (unlinkat(file->folder, file->temporary, 0) != 0 && errno != ENOENT)) return false;
      continue;
    }
    if (renameat(file->folder, file->temporary, file->folder, file->name) == 0) return true;
    if (errno == ENOENT) continue;
    int error = errno;
    unlinkat(file->folder, file->temporary, 0);
    errno = error;
    return false;
  }
  return false;
}

static bool publish_unnamed(const struct whole_file *file, bool replaces) {
  /* What a killed process has left. */
  if (unlinkat(file->folder, file->temporary, 0) != 0 && errno != ENOENT) return false;
  if (give_name(file, file->name)) return true;
  return errno == EEXIST && replaces && replace(file);
}

/* -------------------------------------------------------------------------------------------------------------- */

bool whole_file_open(struct whole_file *file, const char *path) {
  *file = (struct whole_file){.folder = -1};
  if (!find_place(file, path)) {
    release(file);
    return false;
  }
  int fd = open_unnamed(file);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) fd = open_named(file);
  if (fd >= 0) file->out = fdopen(fd, "w");
  if (file->out != NULL) return true;
  int error = errno;
  if (fd >= 0) close(fd);
  if (file->is_named) unlinkat(file->folder, file->temporary, 0);
  errno = error;
  release(file);
  return false;
}

/* A folder that may not be read cannot be synced, nor can one of some file systems: then that is so. */
static bool sync_folder(int folder) {
  return fsync(folder) == 0 || errno == EBADF || errno == EINVAL;
}

static bool publish(const struct whole_file *file, bool replaces) {
  if (!file->is_named) return publish_unnamed(file, replaces);
  if (!replaces)
    return linkat(file->folder, file->temporary, file->folder, file->name, 0) == 0 &&
           unlinkat(file->folder, file->temporary, 0) == 0;
  return renameat(file->folder, file->temporary, file->folder, file->name) == 0;
}

bool whole_file_commit(struct whole_file *file, bool replaces) {
  errno = 0;
  bool whole =
      fflush(file->out) == 0 && ferror(file->out) == 0 && fsync(fileno(file->out)) == 0 && publish(file, replaces);
  if (!whole) {
    whole_file_abandon(file);
    return false;
  }
  bool lasts = sync_folder(file->folder);
  release(file);
  return lasts;
}

void whole_file_abandon(struct whole_file *file) {
  int error = errno;
  if (file->is_named) unlinkat(file->folder, file->temporary, 0);
  errno = error;
  release(file);
}

bool whole_file_sync_folder(const char *path) {
  struct whole_file file = {.folder = -1};
  bool lasts = find_place(&file, path) && sync_folder(file.folder);
  release(&file);
  return lasts;
}
