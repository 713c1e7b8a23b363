/*
 * An informer over a directory tree: says which files are there, which have changed and which have
 * gone, so that a queue can be fed with their names.  It uses inotify for speed, and lists the
 * whole tree now and then for certainty: a caller that acts upon the names by looking at the files
 * themselves misses nothing for longer than a resync interval.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_WATCH_INFORMER_H
#define WORKQ_UTILS_WATCH_INFORMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct informer;

enum {
  INFORMER_ADDED = 1, /* first seen, by a listing or by an event */
  INFORMER_UPDATED,   /* written and closed, replaced, or its permissions changed */
  INFORMER_REMOVED,
  INFORMER_RESYNCED /* seen again by a listing; it may have changed or not */
};

/*
 * A file's name relative to the directory, as `namespace/name`, len bytes without NUL; good until
 * the call returns.  Whatever is not a directory is a file: hidden and temporary ones, too, and
 * symbolic links, which are not followed.  The same change may be reported twice.  Returns 0 to go on,
 * anything else to stop.
 */
typedef int (*informer_changed)(void *arg, const char *key, size_t len, int kind);

/*
 * A directory cannot be watched or listed: its path, and why (a positive errno).  Reported once for
 * each, until it works again; that the user's watches are used up (ENOSPC) only for the first.  A
 * directory that cannot be watched is listed at each resync all the same.  The root can be gone,
 * too (ENOENT), and come back.
 */
typedef void (*informer_trouble)(void *arg, const char *path, int error);

struct informer_options {
  informer_changed changed;
  informer_trouble trouble; /* may be null */
  void *arg;                /* given to both */
};

/*
 * Watches the tree below dir.  Nothing is reported yet.
 * Returns 0 and sets *out.
 *  -ENOENT, -ENOTDIR, -EACCES, ...  dir cannot be watched
 *  -ENOSPC  the user's watches are used up (fs.inotify.max_user_watches)
 *  -EMFILE  the user's instances are used up (fs.inotify.max_user_instances), or the process's descriptors
 *  -ENOMEM
 */
int informer_open(const char *dir, const struct informer_options *options, struct informer **out);

/*
 * Lists the tree: tells of every file, ADDED or RESYNCED, and then of those that have gone.  If the
 * directory itself has gone all its files have, until a later listing finds it again.  Returns 0;
 * what changed() returned, if that was not 0; -ENOMEM.
 */
int informer_resync(struct informer *informer);

/*
 * Reads the events that are there, without waiting, and tells of them.  Returns as
 * informer_resync().
 */
int informer_dispatch(struct informer *informer);

/* Becomes readable when there are events. */
int informer_fd(const struct informer *informer);

/*
 * informer_resync(), at once and then every resync_ns (0: only at once), and informer_dispatch()
 * meanwhile, until stop_fd is readable.  Returns 0 then; else as informer_resync().
 */
int informer_run(struct informer *informer, int64_t resync_ns, int stop_fd);

void informer_close(struct informer *informer);

/* The word for an INFORMER_*: "add", "update", "delete", "resync". */
const char *informer_kind_name(int kind);

#endif
