/*
 * What an informer knows of a directory tree: a node for each file and directory, found by its
 * path, by its watch, and from its directory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_WATCH_TREE_H
#define WORKQ_UTILS_WATCH_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* What tells whether a file has changed. */
struct signature {
  dev_t device;
  ino_t inode;
  mode_t mode;
  uid_t user;
  gid_t group;
  off_t size;
  int64_t written_ns; /* mtime, ns since 1970 */
  int64_t changed_ns; /* ctime, ns since 1970 */
};

struct signature signature_of(const struct stat *status);
bool signature_equal(const struct signature *a, const struct signature *b);

/* A node is in one list at most. */
struct node_list {
  struct node *first, *last;
};

struct node {
  const char *key; /* relative to the root, "" for the root itself; its bytes follow the node */
  struct node *parent, *children, *previous, *next; /* next and previous have the same parent */
  struct node_list *list;
  struct node *before, *after; /* in the list */
  uint64_t listing;            /* number of the last listing that met it */
  bool directory;
  /* Of a directory. */
  bool troubled; /* its trouble was reported */
  int watch;     /* -1: none */
  /* Of a file. */
  bool known;            /* that it goes has to be reported */
  bool first;            /* there at the first listing, not reported yet, not changed since */
  bool young;            /* it had changed shortly before it was reported */
  int64_t due_ns;        /* in a list of files that are waited for: when to check it */
  struct signature seen; /* as reported; of a file that is waited for: as that began */
};

struct tree {
  void *by_key, *by_watch; /* trees of tsearch(3) */
  struct node *root;
};

/* Makes the root's node.  Returns whether there was memory. */
bool tree_open(struct tree *tree);
void tree_close(struct tree *tree);

struct node *tree_find(const struct tree *tree, const char *key);

/* A new node, whose key must be none yet; null without memory. */
struct node *tree_insert(struct tree *tree, struct node *parent, const char *key, bool directory);

/* Frees a node that has no children. */
void tree_discard(struct tree *tree, struct node *node);

/* The node or what it holds that has no children: what has to be discarded first. */
struct node *tree_leaf(struct node *node);

struct node *tree_find_watch(const struct tree *tree, int watch);
/* Returns whether there was memory. */
bool tree_set_watch(struct tree *tree, struct node *node, int watch);
void tree_forget_watch(struct tree *tree, struct node *node);

/* Moves the node to the end of the list, from any list that it is in. */
void node_append(struct node_list *list, struct node *node);
/* Takes the node out of its list, if it is in one. */
void node_unlist(struct node *node);

#endif
