/*
 * An informer over a directory tree: says which files are there, which have changed and which have
 * gone, so that a queue can be fed with their names.  It uses inotify for speed, and lists the
 * whole tree now and then for certainty: a caller that acts upon the names by reading the files
 * themselves misses nothing for longer than a resync interval.
 *
 * A regular file is reported once it is complete: when it was closed after writing, or moved into
 * place.  Where neither was seen (a listing found it, its attributes changed, it was linked into
 * place), it is reported when it has not changed for a second and no process has it open for
 * writing.  The latter is known of files that belong to the user (or to a privileged one) only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_WATCH_INFORMER_H
#define WORKQ_UTILS_WATCH_INFORMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct informer;

enum {
  INFORMER_LISTED = 1, /* was there at the first listing */
  INFORMER_ADDED,      /* came later */
  INFORMER_UPDATED,    /* written and closed, replaced, or its attributes changed */
  INFORMER_REMOVED,
  INFORMER_RESYNCED /* a listing found it unchanged */
};

struct informer_change {
  const char *key; /* the file's name relative to the directory, `namespace/name`, ended by NUL */
  size_t len;      /* bytes without NUL */
  int kind;        /* INFORMER_* */
  int64_t file_ns; /* when the file itself was last changed, ns since 1970; 0: not known */
};

/*
 * Everything in *change is good until the call returns.  Whatever is not a directory is a file:
 * hidden ones, too, and symbolic links, which are not followed.  The same change may be reported
 * twice.  Returns 0 to go on, anything else to stop: then the change is reported again later.
 */
typedef int (*informer_changed)(void *arg, const struct informer_change *change);

/*
 * A directory cannot be watched or listed: its path, and why (a positive errno).  Reported once for
 * each, until it works again; that the user's watches are used up (ENOSPC) only for the first.  A
 * directory that cannot be watched is listed at each resync all the same.
 */
typedef void (*informer_trouble)(void *arg, const char *path, int error);

/* Whether this file is to be reported, or this directory read; may be called often for each. */
typedef bool (*informer_wanted)(void *arg, const char *key, bool directory);

struct informer_options {
  informer_changed changed;
  informer_trouble trouble; /* may be null */
  informer_wanted wanted;   /* null: all */
  void *arg;                /* given to all of them */
  int64_t settle_ns;        /* a file is reported when it has not changed for so long; 0: when it is complete */
  int (*tick)(void *arg);   /* called by informer_run() at least every tick_ns; nonzero stops it; may be null */
  int64_t tick_ns;
  int64_t (*clock)(clockid_t clock); /* CLOCK_MONOTONIC and CLOCK_REALTIME, ns; null: the system's */
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
 * Lists the tree: tells of every file (LISTED, ADDED, UPDATED or RESYNCED) that it need not wait
 * for, and of those that have gone.  Returns 0; what changed() returned, if that was not 0;
 *  -ENOENT  the directory has gone; all its files were reported as REMOVED
 *  -ENOMEM
 */
int informer_resync(struct informer *informer);

/*
 * Reads the events that are there, without waiting, and tells of them and of files whose time has
 * come; checks at most once a second that the directory is the same.  Returns as
 * informer_resync().
 */
int informer_dispatch(struct informer *informer);

/* Becomes readable when there are events. */
int informer_fd(const struct informer *informer);

/* When informer_dispatch() shall be called though there are no events, by CLOCK_MONOTONIC, ns. */
int64_t informer_due_ns(const struct informer *informer);

/*
 * informer_resync(), at once and then every resync_ns (0: only at once), and informer_dispatch()
 * meanwhile, until stop_fd is readable.  Returns 0 then; what tick() returned, if that was not 0;
 * else as informer_resync().
 */
int informer_run(struct informer *informer, int64_t resync_ns, int stop_fd);

void informer_close(struct informer *informer);

/* The word for an INFORMER_*: "list", "add", "update", "delete", "resync". */
const char *informer_kind_name(int kind);

#endif
