/*
 * An informer over a directory tree: see informer.h.
 *
 * Every file and directory that is known has a node, found by its key in a tree, and if it is
 * watched by its watch in another.  All nodes are in one list, too, in which a directory stands
 * before what it holds.  A listing gives its number to the nodes that it meets; what does not have
 * the number afterwards has gone.
 *
 * Events are taken as hints that may be out of date by the time they are read: what they lead to is
 * right for the order in which they come, and the next listing corrects the rest.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "informer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"

#define EVENTS                                                                                                         \
  (IN_CREATE | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF |  \
   IN_EXCL_UNLINK | IN_ONLYDIR)

struct node {
  struct node *previous, *next;
  const char *key; /* relative to the root, "" for the root itself; its bytes follow the node */
  int watch;       /* of a directory; -1: none */
  bool directory;
  bool pending;     /* a directory that shall be listed */
  bool troubled;    /* a directory whose trouble was reported */
  uint64_t listing; /* number of the last listing that met it */
};

struct informer {
  struct informer_options options;
  int fd;
  bool limit_reported; /* that there are no more watches */
  uint64_t listing;
  void *by_key, *by_watch; /* trees of tsearch(3) */
  struct node *root, *last;
  size_t root_len;
  char path[PATH_MAX]; /* the root's path, and behind it a key */
};

/* ---- Nodes --------------------------------------------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b) {
  return strcmp(((const struct node *)a)->key, ((const struct node *)b)->key);
}

static int compare_watches(const void *a, const void *b) {
  int left = ((const struct node *)a)->watch, right = ((const struct node *)b)->watch;
  return (left > right) - (left < right);
}

static struct node *find_key(const struct informer *informer, const char *key) {
  struct node like = {.key = key};
  struct node **found = tfind(&like, &informer->by_key, compare_keys);
  return found ? *found : NULL;
}

static struct node *find_watch(const struct informer *informer, int watch) {
  struct node like = {.watch = watch};
  struct node **found = tfind(&like, &informer->by_watch, compare_watches);
  return found ? *found : NULL;
}

static struct node *insert(struct informer *informer, const char *key, bool directory) {
  size_t size = strlen(key) + 1;
  struct node *node = calloc(1, sizeof *node + size);
  if (!node) return NULL;
  node->key = memcpy(node + 1, key, size);
  node->watch = -1;
  node->directory = directory;
  if (!tsearch(node, &informer->by_key, compare_keys)) {
    free(node);
    return NULL;
  }
  node->previous = informer->last;
  if (informer->last) informer->last->next = node;
  informer->last = node;
  return node;
}

/* For itself where another node has taken it over. */
static void forget_watch(struct informer *informer, struct node *node) {
  tdelete(node, &informer->by_watch, compare_watches);
  node->watch = -1;
}

static void end_watch(struct informer *informer, struct node *node) {
  if (node->watch < 0) return;
  inotify_rm_watch(informer->fd, node->watch);
  forget_watch(informer, node);
}

static void discard(struct informer *informer, struct node *node) {
  end_watch(informer, node);
  tdelete(node, &informer->by_key, compare_keys);
  if (node->previous) node->previous->next = node->next;
  if (node->next) node->next->previous = node->previous;
  if (informer->last == node) informer->last = node->previous;
  free(node);
}

static int tell(const struct informer *informer, const char *key, int kind) {
  return informer->options.changed(informer->options.arg, key, strlen(key), kind);
}

/* Discards the node, telling of it if it is a file.  Returns what changed() returned. */
static int remove_node(struct informer *informer, struct node *node) {
  int result = node->directory ? 0 : tell(informer, node->key, INFORMER_REMOVED);
  discard(informer, node);
  return result;
}

static bool is_below(const struct node *node, const char *directory, size_t len) {
  return strncmp(node->key, directory, len) == 0 && node->key[len] == '/';
}

/* Removes the node and all that it holds, which stands after it. */
static int remove_tree(struct informer *informer, struct node *node) {
  int result = 0;
  size_t len = strlen(node->key);
  for (struct node *below = node->next, *next; node->directory && below && result == 0; below = next) {
    next = below->next;
    if (is_below(below, node->key, len)) result = remove_node(informer, below);
  }
  return result == 0 ? remove_node(informer, node) : result;
}

/*
 * Writes the path of a file in a directory, or of the directory itself (name ""), to
 * informer->path; returns its key.
 */
static const char *make_path(struct informer *informer, const struct node *directory, const char *name) {
  bool at_root = directory == informer->root;
  size_t room = sizeof informer->path - informer->root_len;
  int len = snprintf(informer->path + informer->root_len, room, "%s%s%s%s", at_root ? "" : "/", directory->key,
                     *name ? "/" : "", name);
  if (len < 0 || (size_t)len >= room) return NULL;
  return informer->path + informer->root_len + (len > 0);
}

/* ---- Listing ------------------------------------------------------------------------------------------------- */

static void trouble(struct informer *informer, struct node *directory, const char *path, int error) {
  bool reported = directory->troubled || (error == ENOSPC && informer->limit_reported);
  directory->troubled = true;
  if (error == ENOSPC) informer->limit_reported = true;
  if (!reported && informer->options.trouble) informer->options.trouble(informer->options.arg, path, error);
}

/*
 * It is there.  A known file is of this kind; a directory shall be listed.  *out is set, if not
 * null.
 */
static int see(struct informer *informer, const char *key, bool directory, int kind, struct node **out) {
  struct node *node = find_key(informer, key);
  if (node && node->directory != directory) {
    int result = remove_tree(informer, node);
    if (result != 0) return result;
    node = NULL;
  }
  if (!node) {
    kind = INFORMER_ADDED;
    node = insert(informer, key, directory);
    if (!node) return -ENOMEM;
  }
  if (out) *out = node;
  node->listing = informer->listing;
  node->pending = directory;
  return directory ? 0 : tell(informer, node->key, kind);
}

/*
 * The kernel gives the same watch for the same directory: where it was moved, the node of its old
 * place loses it.
 */
static int set_watch(struct informer *informer, struct node *directory, int watch) {
  if (watch == directory->watch) return 0;
  end_watch(informer, directory);
  struct node *other = find_watch(informer, watch);
  if (other) forget_watch(informer, other);
  directory->watch = watch;
  if (tsearch(directory, &informer->by_watch, compare_watches)) return 0;
  directory->watch = -1;
  return -ENOMEM;
}

/* Watches the directory at informer->path.  Returns 0 or a negative errno. */
static int watch_directory(struct informer *informer, struct node *directory) {
  uint32_t events = EVENTS | (directory == informer->root ? 0 : IN_DONT_FOLLOW);
  int watch = inotify_add_watch(informer->fd, informer->path, events);
  if (watch >= 0) return set_watch(informer, directory, watch);
  int error = -errno;
  end_watch(informer, directory);
  return error;
}

/* Returns whether the node is a directory, or -1 if it has gone. */
static int is_directory(DIR *stream, const struct dirent *entry) {
  struct stat status;
  if (entry->d_type != DT_UNKNOWN) return entry->d_type == DT_DIR;
  if (fstatat(dirfd(stream), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0) return -1;
  return S_ISDIR(status.st_mode);
}

/*
 * Sees what the stream holds.  Returns 0 or what stops the listing; *error is set if reading
 * failed.
 */
static int see_all(struct informer *informer, struct node *directory, DIR *stream, int *error) {
  for (;;) {
    errno = 0;
    const struct dirent *entry = readdir(stream);
    if (!entry) {
      if (errno != 0) *error = errno;
      return 0;
    }
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    int is = is_directory(stream, entry);
    if (is < 0) continue;
    const char *key = make_path(informer, directory, entry->d_name);
    if (!key) {
      *error = ENAMETOOLONG;
      continue;
    }
    int result = see(informer, key, is, INFORMER_RESYNCED, NULL);
    if (result != 0) return result;
  }
}

/* It could not be looked into: what was known there counts as being there still. */
static void keep_below(struct informer *informer, const struct node *directory) {
  size_t len = strlen(directory->key);
  for (struct node *node = directory->next; node; node = node->next)
    if (directory == informer->root || is_below(node, directory->key, len)) node->listing = informer->listing;
}

static DIR *open_directory(const struct informer *informer, const struct node *directory) {
  int nofollow = directory == informer->root ? 0 : O_NOFOLLOW;
  int fd = open(informer->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | nofollow);
  if (fd < 0) return NULL;
  DIR *stream = fdopendir(fd);
  if (!stream) close(fd);
  return stream;
}

static bool has_gone(int error) {
  return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

/*
 * Watched first and read then, so that nothing comes in between.  Where a directory has gone
 * meanwhile an event will tell, or the next listing; only of the root nobody else does.
 */
static int list_directory(struct informer *informer, struct node *directory) {
  int result = 0, error = 0;
  directory->pending = false;
  make_path(informer, directory, ""); /* fits: it did as the node came */
  int watched = watch_directory(informer, directory);
  if (watched == -ENOMEM) return watched;
  DIR *stream = open_directory(informer, directory);
  if (stream) {
    result = see_all(informer, directory, stream, &error);
    closedir(stream);
  } else {
    error = errno;
  }
  if (error != 0 && error != ENAMETOOLONG && !has_gone(error)) keep_below(informer, directory);
  if (error == 0) error = -watched;
  if (error == 0) {
    directory->troubled = false;
  } else if (directory == informer->root || !has_gone(error)) {
    make_path(informer, directory, "");
    trouble(informer, directory, informer->path, error);
  }
  return result;
}

/* Lists the pending directories from this one on; those that are found on the way come after it. */
static int list_from(struct informer *informer, struct node *node) {
  for (; node; node = node->next) {
    if (!node->pending) continue;
    int result = list_directory(informer, node);
    if (result != 0) return result;
  }
  return 0;
}

int informer_resync(struct informer *informer) {
  informer->listing++;
  informer->root->listing = informer->listing;
  informer->root->pending = true;
  int result = list_from(informer, informer->root);
  for (struct node *node = informer->root->next, *next; node && result == 0; node = next) {
    next = node->next;
    if (node->listing != informer->listing) result = remove_node(informer, node);
  }
  return result;
}

/* ---- Events -------------------------------------------------------------------------------------------------- */

static int directory_event(struct informer *informer, const char *key, uint32_t what) {
  struct node *node = find_key(informer, key);
  if (what & (IN_DELETE | IN_MOVED_FROM)) return node ? remove_tree(informer, node) : 0;
  if ((what & IN_ATTRIB) && !(node && node->troubled)) return 0;
  int result = see(informer, key, true, 0, &node);
  return result == 0 ? list_from(informer, node) : result;
}

static int file_event(struct informer *informer, const char *key, uint32_t what) {
  if (!(what & (IN_DELETE | IN_MOVED_FROM))) return see(informer, key, false, INFORMER_UPDATED, NULL);
  struct node *node = find_key(informer, key);
  if (node) return remove_tree(informer, node);
  return tell(informer, key, INFORMER_REMOVED); /* came and went between two readings */
}

/* *lost is set where only a new listing can tell what has happened. */
static int take_event(struct informer *informer, const struct inotify_event *event, bool *lost) {
  if (event->mask & IN_Q_OVERFLOW) *lost = true;
  struct node *directory = event->wd < 0 ? NULL : find_watch(informer, event->wd);
  if (!directory) return 0; /* the rest of a watch that was ended */
  if (event->len == 0) {
    /* Of the others the directory above tells. */
    if (directory == informer->root && !(event->mask & IN_ATTRIB)) *lost = true;
    return 0;
  }
  const char *key = make_path(informer, directory, event->name);
  if (!key) {
    trouble(informer, directory, event->name, ENAMETOOLONG);
    return 0;
  }
  return event->mask & IN_ISDIR ? directory_event(informer, key, event->mask) : file_event(informer, key, event->mask);
}

int informer_dispatch(struct informer *informer) {
  union {
    struct inotify_event event;
    char bytes[65536];
  } buffer;
  bool lost = false;
  int result = 0;
  ssize_t n = read(informer->fd, buffer.bytes, sizeof buffer.bytes);
  for (const char *at = buffer.bytes; n > 0 && at < buffer.bytes + n && result == 0;) {
    const struct inotify_event *event = (const struct inotify_event *)(const void *)at;
    result = take_event(informer, event, &lost);
    at += sizeof *event + event->len;
  }
  return result == 0 && lost ? informer_resync(informer) : result;
}

/* ---- As a whole ---------------------------------------------------------------------------------------------- */

/* -1 is for ever; rounded up, so that what it waits for has come. */
static int poll_timeout(int64_t due_ns) {
  if (due_ns < 0) return -1;
  int64_t ms = (due_ns - clock_now_ns() + NS_PER_MS - 1) / NS_PER_MS;
  if (ms < 0) return 0;
  return ms > INT_MAX ? INT_MAX : (int)ms;
}

int informer_run(struct informer *informer, int64_t resync_ns, int stop_fd) {
  int64_t due_ns = 0;
  for (;;) {
    if (due_ns >= 0 && clock_now_ns() >= due_ns) {
      int result = informer_resync(informer);
      if (result != 0) return result;
      due_ns = -1;
      if (resync_ns > 0 && __builtin_add_overflow(clock_now_ns(), resync_ns, &due_ns)) due_ns = -1;
    }
    struct pollfd wait_for[2] = {{.fd = stop_fd, .events = POLLIN}, {.fd = informer->fd, .events = POLLIN}};
    if (poll(wait_for, 2, poll_timeout(due_ns)) < 0) {
      if (errno != EINTR) return -errno;
      continue;
    }
    if (wait_for[0].revents != 0) return 0;
    int result = wait_for[1].revents != 0 ? informer_dispatch(informer) : 0;
    if (result != 0) return result;
  }
}

int informer_fd(const struct informer *informer) {
  return informer->fd;
}

/* The root must be good at first; later it may go and come back. */
static int open_root(struct informer *informer) {
  informer->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (informer->fd < 0) return -errno;
  informer->root = insert(informer, "", true);
  if (!informer->root) return -ENOMEM;
  int result = watch_directory(informer, informer->root);
  if (result < 0) return result;
  DIR *stream = open_directory(informer, informer->root);
  if (!stream) return -errno;
  closedir(stream);
  return 0;
}

int informer_open(const char *dir, const struct informer_options *options, struct informer **out) {
  size_t len = strlen(dir);
  if (len + 1 >= PATH_MAX) return -ENAMETOOLONG;
  struct informer *informer = calloc(1, sizeof *informer);
  if (!informer) return -ENOMEM;
  informer->options = *options;
  informer->root_len = len;
  memcpy(informer->path, dir, len + 1);
  int result = open_root(informer);
  if (result < 0) informer_close(informer);
  else *out = informer;
  return result;
}

void informer_close(struct informer *informer) {
  if (!informer) return;
  for (struct node *node = informer->last, *previous; node; node = previous) {
    previous = node->previous;
    discard(informer, node);
  }
  if (informer->fd >= 0) close(informer->fd);
  free(informer);
}

const char *informer_kind_name(int kind) {
  switch (kind) {
  case INFORMER_ADDED:
    return "add";
  case INFORMER_UPDATED:
    return "update";
  case INFORMER_REMOVED:
    return "delete";
  case INFORMER_RESYNCED:
    return "resync";
  default:
    return "unknown";
  }
}
