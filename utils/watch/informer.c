/*
 * An informer over a directory tree: see informer.h.
 *
 * A listing gives its number to the nodes that it meets; what does not have the number when its
 * directory has been read has gone.  A file that is not complete yet is in one of three lists:
 *
 *   settling  it is complete, and is reported when it has not changed for settle_ns
 *   open      it may be being written: it is checked after unclosed_ns, again and again
 *   parked    it is being written: the event of its close will come
 *
 * Events are taken as hints that may be out of date by the time they are read: what counts is the
 * file as it is then.  What they lead to is right for the order in which they come, and the next
 * listing corrects the rest.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "informer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "tree.h"

#define EVENTS                                                                                                         \
  (IN_CREATE | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF |  \
   IN_EXCL_UNLINK | IN_ONLYDIR)

/* How long a file must not have changed where its close was not seen. */
#define UNCLOSED_NS NS_PER_S
/* Of a file that has not changed for so long a listing takes for granted that it is not being written. */
#define SURELY_CLOSED_NS (3600 * NS_PER_S)
#define ROOT_CHECK_NS    NS_PER_S

/* What has drawn attention to a file. */
enum { BY_LISTING, BY_CREATE, BY_CLOSE, BY_ATTRIBUTES };

struct informer {
  struct informer_options options;
  int fd;
  bool limit_reported; /* that there are no more watches */
  bool events_lost;    /* the listing is because of that */
  bool root_gone;
  bool listed; /* as a whole, at least once */
  uint64_t listing;
  struct tree tree;
  struct node_list pending; /* directories that shall be listed */
  struct node_list settling, open, parked;
  int64_t unclosed_ns;   /* UNCLOSED_NS or settle_ns, whichever is longer */
  int64_t root_check_ns; /* when to check it, by CLOCK_MONOTONIC */
  dev_t root_device;
  ino_t root_inode;
  size_t root_len;
  char path[PATH_MAX]; /* the root's path, and behind it a key */
};

/* ---- Telling ------------------------------------------------------------------------------------------------- */

static int64_t now_ns(const struct informer *informer) {
  return informer->options.clock(CLOCK_MONOTONIC);
}

static int64_t later(int64_t at_ns, int64_t by_ns) {
  int64_t due_ns;
  return __builtin_add_overflow(at_ns, by_ns, &due_ns) ? INT64_MAX : due_ns;
}

/* For how long the file has not changed; negative where it has times to come. */
static int64_t age_ns(const struct informer *informer, const struct signature *seen) {
  int64_t age, last = seen->written_ns > seen->changed_ns ? seen->written_ns : seen->changed_ns;
  if (__builtin_sub_overflow(informer->options.clock(CLOCK_REALTIME), last, &age)) return last < 0 ? INT64_MAX : -1;
  return age;
}

static int tell(const struct informer *informer, const struct node *node, int kind) {
  struct informer_change change = {
      .key = node->key, .len = strlen(node->key), .kind = kind, .file_ns = node->seen.changed_ns};
  return informer->options.changed(informer->options.arg, &change);
}

/* The file is complete as it is in node->seen. */
static int tell_seen(struct informer *informer, struct node *node) {
  node_unlist(node);
  node->young = age_ns(informer, &node->seen) < UNCLOSED_NS;
  int result = tell(informer, node, node->first ? INFORMER_LISTED : node->known ? INFORMER_UPDATED : INFORMER_ADDED);
  if (result != 0) {
    node->seen = (struct signature){.mode = 0}; /* differs from whatever a listing finds */
    return result;
  }
  node->known = true;
  node->first = false;
  return 0;
}

static void wait_for(struct informer *informer, struct node *node, struct node_list *list) {
  node_append(list, node);
  if (list == &informer->parked) return;
  node->due_ns =
      later(now_ns(informer), list == &informer->settling ? informer->options.settle_ns : informer->unclosed_ns);
}

/* Discards a node without children, telling of it if it is a file that the caller may know of. */
static int remove_node(struct informer *informer, struct node *node) {
  int result = node->known ? tell(informer, node, INFORMER_REMOVED) : 0;
  if (result != 0) return result; /* the next listing finds out again */
  if (node->watch >= 0) inotify_rm_watch(informer->fd, node->watch);
  tree_discard(&informer->tree, node);
  return 0;
}

/* Removes the node and all that it holds. */
static int remove_tree(struct informer *informer, struct node *node) {
  for (;;) {
    struct node *leaf = tree_leaf(node);
    bool last = leaf == node;
    int result = remove_node(informer, leaf);
    if (result != 0 || last) return result;
  }
}

/* Writes the root's path and a key to informer->path.  It fits: it did as the node came. */
static void make_key_path(struct informer *informer, const struct node *node) {
  snprintf(informer->path + informer->root_len, sizeof informer->path - informer->root_len, "%s%s",
           *node->key ? "/" : "", node->key);
}

/* Writes the path of a file in a directory to informer->path; returns its key, or null where it is too long. */
static const char *make_path(struct informer *informer, const struct node *directory, const char *name) {
  size_t space = sizeof informer->path - informer->root_len;
  int len =
      snprintf(informer->path + informer->root_len, space, "/%s%s%s", directory->key, *directory->key ? "/" : "", name);
  return len < 0 || (size_t)len >= space ? NULL : informer->path + informer->root_len + 1;
}

/* ---- Files --------------------------------------------------------------------------------------------------- */

/*
 * Whether a process has the file at informer->path open for writing: then there can be no lease for
 * reading.  Who opens it for writing during these microseconds waits for their end.  False where it
 * cannot be known.  The signal that tells of a broken lease shall not end the process.
 */
static bool is_being_written(const struct informer *informer) {
  int fd = open(informer->path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return errno == EWOULDBLOCK;
  bool written = fcntl(fd, F_SETSIG, SIGURG) == 0 && fcntl(fd, F_SETLEASE, F_RDLCK) < 0 && errno == EAGAIN;
  close(fd);
  return written;
}

/* Of a file that is being written: its close will be an event, unless it was opened by another name. */
static void wait_for_close(struct informer *informer, struct node *node, const struct stat *status) {
  bool watched = node->parent->watch >= 0 && status->st_nlink == 1;
  wait_for(informer, node, watched ? &informer->parked : &informer->open);
}

static int see_listed(struct informer *informer, struct node *node, const struct stat *status) {
  struct signature found = signature_of(status);
  if (node->list == &informer->parked) wait_for(informer, node, &informer->open);
  if (node->list) return 0;
  bool unsure = informer->events_lost && node->young;
  if (node->known && !node->first && !unsure && signature_equal(&found, &node->seen))
    return tell(informer, node, INFORMER_RESYNCED);
  node->seen = found;
  int64_t age = age_ns(informer, &found);
  bool regular = S_ISREG(status->st_mode);
  int64_t quiet_ns = regular ? informer->unclosed_ns : informer->options.settle_ns;
  if (quiet_ns > 0 && age < quiet_ns) wait_for(informer, node, regular ? &informer->open : &informer->settling);
  else if (regular && age < SURELY_CLOSED_NS && is_being_written(informer)) wait_for_close(informer, node, status);
  else return tell_seen(informer, node);
  return 0;
}

static int see_changed(struct informer *informer, struct node *node, const struct stat *status, int by) {
  struct signature found = signature_of(status);
  bool complete = by == BY_CLOSE || !S_ISREG(status->st_mode);
  /* A listing was faster than the event. */
  if (by == BY_CREATE && node->known && !node->list && signature_equal(&found, &node->seen)) return 0;
  node->seen = found;
  node->first = false;
  if (complete && informer->options.settle_ns == 0) return tell_seen(informer, node);
  complete = complete || node->list == &informer->settling;
  wait_for(informer, node, complete ? &informer->settling : &informer->open);
  return 0;
}

/* The file is checked as it is now; where it has gone an event will tell, or the next listing. */
static int check_waiting(struct informer *informer, struct node *node) {
  struct stat status;
  struct node_list *list = node->list;
  node_unlist(node);
  make_key_path(informer, node);
  if (lstat(informer->path, &status) < 0 || S_ISDIR(status.st_mode)) return 0;
  struct signature found = signature_of(&status);
  if (!signature_equal(&found, &node->seen)) {
    node->seen = found;
    node->first = false;
    wait_for(informer, node, list);
  } else if (S_ISREG(status.st_mode) && is_being_written(informer)) {
    wait_for_close(informer, node, &status);
  } else {
    return tell_seen(informer, node);
  }
  return 0;
}

/* Those whose time has come as the call began. */
static int check_list(struct informer *informer, const struct node_list *list, int64_t now) {
  int result = 0;
  while (result == 0 && list->first && list->first->due_ns <= now) result = check_waiting(informer, list->first);
  return result;
}

/* ---- Listing ------------------------------------------------------------------------------------------------- */

static void trouble(struct informer *informer, struct node *directory, const char *path, int error) {
  bool reported = directory->troubled || (error == ENOSPC && informer->limit_reported);
  directory->troubled = true;
  if (error == ENOSPC) informer->limit_reported = true;
  if (!reported && informer->options.trouble) informer->options.trouble(informer->options.arg, path, error);
}

/*
 * It is there, at informer->path, of which the key is the end.  A directory shall be listed; a file
 * is reported, or waited for.
 */
static int see(struct informer *informer, struct node *parent, const char *key, const struct stat *status, int by) {
  bool directory = S_ISDIR(status->st_mode);
  if (informer->options.wanted && !informer->options.wanted(informer->options.arg, key, directory)) return 0;
  struct node *node = tree_find(&informer->tree, key);
  if (node && node->directory != directory) {
    int result = remove_tree(informer, node);
    if (result != 0) return result;
    node = NULL;
  }
  if (!node) {
    node = tree_insert(&informer->tree, parent, key, directory);
    if (!node) return -ENOMEM;
    node->known = node->first = !directory && by == BY_LISTING && !informer->listed;
  }
  node->listing = informer->listing;
  if (!directory)
    return by == BY_LISTING ? see_listed(informer, node, status) : see_changed(informer, node, status, by);
  node_append(&informer->pending, node);
  return 0;
}

/*
 * The kernel gives the same watch for the same directory: where it was moved, the node of its old
 * place loses it.
 */
static int set_watch(struct informer *informer, struct node *directory, int watch) {
  if (watch == directory->watch) return 0;
  if (directory->watch >= 0) inotify_rm_watch(informer->fd, directory->watch);
  tree_forget_watch(&informer->tree, directory);
  struct node *other = tree_find_watch(&informer->tree, watch);
  if (other) tree_forget_watch(&informer->tree, other);
  return tree_set_watch(&informer->tree, directory, watch) ? 0 : -ENOMEM;
}

/* Watches the directory at informer->path.  Returns 0 or a negative errno. */
static int watch_directory(struct informer *informer, struct node *directory) {
  uint32_t events = EVENTS | (directory == informer->tree.root ? 0 : IN_DONT_FOLLOW);
  int watch = inotify_add_watch(informer->fd, informer->path, events);
  if (watch >= 0) return set_watch(informer, directory, watch);
  int error = -errno;
  if (directory->watch >= 0) inotify_rm_watch(informer->fd, directory->watch);
  tree_forget_watch(&informer->tree, directory);
  return error;
}

/*
 * What is known of an entry: of a directory only that it is one, and of a file in a directory that
 * may be read but not searched only that it is there.  Returns whether it is there.
 */
static bool stat_entry(DIR *stream, const struct dirent *entry, struct stat *status) {
  *status = (struct stat){.st_mode = entry->d_type == DT_DIR ? S_IFDIR : 0};
  if (entry->d_type == DT_DIR || fstatat(dirfd(stream), entry->d_name, status, AT_SYMLINK_NOFOLLOW) == 0) return true;
  return errno != ENOENT && entry->d_type != DT_UNKNOWN;
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
    struct stat status;
    if (!stat_entry(stream, entry, &status)) continue;
    const char *key = make_path(informer, directory, entry->d_name);
    if (!key) {
      *error = ENAMETOOLONG;
      continue;
    }
    int result = see(informer, directory, key, &status, BY_LISTING);
    if (result != 0) return result;
  }
}

/* Removes what the listing that has just read the directory did not meet there. */
static int sweep(struct informer *informer, struct node *directory) {
  int result = 0;
  for (struct node *node = directory->children, *next; node && result == 0; node = next) {
    next = node->next;
    if (node->listing != informer->listing) result = remove_tree(informer, node);
  }
  return result;
}

static DIR *open_directory(const struct informer *informer, const struct node *directory) {
  int nofollow = directory == informer->tree.root ? 0 : O_NOFOLLOW;
  int fd = open(informer->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | nofollow);
  if (fd < 0) return NULL;
  DIR *stream = fdopendir(fd);
  if (!stream) close(fd);
  return stream;
}

static bool has_gone(int error) {
  return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

static void note_root(struct informer *informer, DIR *stream, int error) {
  struct stat status;
  informer->root_gone = !stream && has_gone(error);
  if (!stream || fstat(dirfd(stream), &status) < 0) return;
  informer->root_device = status.st_dev;
  informer->root_inode = status.st_ino;
}

/*
 * Watched first and read then, so that nothing comes in between.  Where it could not be read, what
 * was known there counts as being there still, unless the directory has gone; of that an event of
 * the directory above will tell, too, or the next listing.
 */
static int list_directory(struct informer *informer, struct node *directory) {
  int result = 0, error = 0;
  bool is_root = directory == informer->tree.root;
  make_key_path(informer, directory);
  int watched = watch_directory(informer, directory);
  if (watched == -ENOMEM) return watched;
  DIR *stream = open_directory(informer, directory);
  if (!stream) error = errno;
  if (is_root) note_root(informer, stream, error);
  if (stream) {
    result = see_all(informer, directory, stream, &error);
    closedir(stream);
  }
  if (result == 0 && (error == 0 || error == ENAMETOOLONG || has_gone(error))) result = sweep(informer, directory);
  if (error == 0) error = -watched;
  if (error == 0) {
    directory->troubled = false;
  } else if (!has_gone(error)) {
    make_key_path(informer, directory);
    trouble(informer, directory, informer->path, error);
  }
  return result;
}

/* Lists the pending directories, and those that are found on the way. */
static int list_pending(struct informer *informer) {
  int result = 0;
  while (result == 0 && informer->pending.first) {
    struct node *directory = informer->pending.first;
    node_unlist(directory);
    result = list_directory(informer, directory);
  }
  return result;
}

int informer_resync(struct informer *informer) {
  struct node *root = informer->tree.root;
  informer->root_check_ns = later(now_ns(informer), ROOT_CHECK_NS);
  informer->listing++;
  root->listing = informer->listing;
  node_append(&informer->pending, root);
  int result = list_pending(informer);
  informer->events_lost = false;
  if (result == 0) informer->listed = true;
  return result == 0 && informer->root_gone ? -ENOENT : result;
}

/* ---- Events -------------------------------------------------------------------------------------------------- */

/* The file or directory at informer->path, as it is now. */
static int entry_event(struct informer *informer, struct node *directory, const char *key, uint32_t what) {
  struct stat status;
  struct node *node = tree_find(&informer->tree, key);
  bool is_directory = what & IN_ISDIR;
  if (what & (IN_DELETE | IN_MOVED_FROM)) return node ? remove_tree(informer, node) : 0;
  if (is_directory && (what & IN_ATTRIB) && !(node && node->troubled)) return 0;
  /* What has become another thing meanwhile has further events. */
  if (lstat(informer->path, &status) < 0) {
    if (errno == ENOENT || errno == ENOTDIR) return 0;
    status = (struct stat){.st_mode = is_directory ? S_IFDIR : 0};
  }
  if (S_ISDIR(status.st_mode) != is_directory) return 0;
  int by = what & IN_CREATE ? BY_CREATE : what & IN_ATTRIB ? BY_ATTRIBUTES : BY_CLOSE;
  int result = see(informer, directory, key, &status, by);
  return result == 0 ? list_pending(informer) : result;
}

/* *lost is set where only a new listing can tell what has happened. */
static int take_event(struct informer *informer, const struct inotify_event *event, bool *lost) {
  if (event->mask & IN_Q_OVERFLOW) *lost = informer->events_lost = true;
  struct node *directory = event->wd < 0 ? NULL : tree_find_watch(&informer->tree, event->wd);
  if (!directory) return 0; /* the rest of a watch that was ended */
  if (event->mask & IN_IGNORED) tree_forget_watch(&informer->tree, directory);
  if (event->len == 0) {
    /* Of the others the directory above tells. */
    if (directory == informer->tree.root && !(event->mask & IN_ATTRIB)) *lost = true;
    return 0;
  }
  const char *key = make_path(informer, directory, event->name);
  if (!key) {
    trouble(informer, directory, event->name, ENAMETOOLONG);
    return 0;
  }
  return entry_event(informer, directory, key, event->mask);
}

/*
 * Of the root's own end there is no event while a process has it as its working directory, and of a
 * move of a directory above there is none.
 */
static bool root_has_changed(struct informer *informer, int64_t now) {
  struct stat status;
  if (now < informer->root_check_ns) return false;
  informer->root_check_ns = later(now, ROOT_CHECK_NS);
  make_key_path(informer, informer->tree.root);
  if (stat(informer->path, &status) < 0) return has_gone(errno) && !informer->root_gone;
  return status.st_dev != informer->root_device || status.st_ino != informer->root_inode;
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
  int64_t now = now_ns(informer);
  if (result == 0 && (lost || root_has_changed(informer, now))) result = informer_resync(informer);
  if (result == 0) result = check_list(informer, &informer->settling, now);
  if (result == 0) result = check_list(informer, &informer->open, now);
  return result;
}

/* ---- As a whole ---------------------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b) {
  return a < b ? a : b;
}

int64_t informer_due_ns(const struct informer *informer) {
  int64_t due_ns = informer->root_check_ns;
  if (informer->settling.first) due_ns = earlier(due_ns, informer->settling.first->due_ns);
  if (informer->open.first) due_ns = earlier(due_ns, informer->open.first->due_ns);
  return due_ns;
}

/* Rounded up, so that what it waits for has come. */
static int poll_timeout(const struct informer *informer, int64_t due_ns) {
  int64_t left_ns = due_ns - now_ns(informer);
  if (left_ns <= 0) return 0;
  int64_t ms = left_ns / NS_PER_MS + (left_ns % NS_PER_MS != 0);
  return ms > INT_MAX ? INT_MAX : (int)ms;
}

int informer_run(struct informer *informer, int64_t resync_ns, int stop_fd) {
  int64_t resync_due_ns = 0, tick_due_ns = informer->options.tick ? now_ns(informer) : INT64_MAX;
  for (;;) {
    int result = 0;
    if (now_ns(informer) >= resync_due_ns) {
      result = informer_resync(informer);
      resync_due_ns = resync_ns > 0 ? later(now_ns(informer), resync_ns) : INT64_MAX;
    }
    if (result == 0 && now_ns(informer) >= tick_due_ns) {
      result = informer->options.tick(informer->options.arg);
      tick_due_ns = later(now_ns(informer), informer->options.tick_ns);
    }
    if (result != 0) return result;
    struct pollfd wait_for[2] = {{.fd = stop_fd, .events = POLLIN}, {.fd = informer->fd, .events = POLLIN}};
    int64_t due_ns = earlier(informer_due_ns(informer), earlier(resync_due_ns, tick_due_ns));
    if (poll(wait_for, 2, poll_timeout(informer, due_ns)) < 0) {
      if (errno != EINTR) return -errno;
      continue;
    }
    if (wait_for[0].revents != 0) return 0;
    result = informer_dispatch(informer);
    if (result != 0) return result;
  }
}

int informer_fd(const struct informer *informer) {
  return informer->fd;
}

/* The root must be good at first. */
static int open_root(struct informer *informer) {
  informer->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (informer->fd < 0) return -errno;
  if (!tree_open(&informer->tree)) return -ENOMEM;
  int result = watch_directory(informer, informer->tree.root);
  if (result < 0) return result;
  DIR *stream = open_directory(informer, informer->tree.root);
  if (!stream) return -errno;
  note_root(informer, stream, 0);
  closedir(stream);
  return 0;
}

int informer_open(const char *dir, const struct informer_options *options, struct informer **out) {
  size_t len = strlen(dir);
  if (len + 1 >= PATH_MAX) return -ENAMETOOLONG;
  struct informer *informer = calloc(1, sizeof *informer);
  if (!informer) return -ENOMEM;
  informer->options = *options;
  if (!informer->options.clock) informer->options.clock = clock_read_ns;
  informer->unclosed_ns = options->settle_ns > UNCLOSED_NS ? options->settle_ns : UNCLOSED_NS;
  informer->root_len = len;
  memcpy(informer->path, dir, len + 1);
  int result = open_root(informer);
  if (result < 0) informer_close(informer);
  else *out = informer;
  return result;
}

void informer_close(struct informer *informer) {
  if (!informer) return;
  tree_close(&informer->tree);
  if (informer->fd >= 0) close(informer->fd);
  free(informer);
}

const char *informer_kind_name(int kind) {
  switch (kind) {
  case INFORMER_LISTED:
    return "list";
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
