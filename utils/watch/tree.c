/*
 * What an informer knows of a directory tree: see tree.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tree.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

/* A file may have any time, also one that does not fit. */
static int64_t nanoseconds(const struct timespec *time) {
  int64_t ns;
  if (__builtin_mul_overflow((int64_t)time->tv_sec, NS_PER_S, &ns) || __builtin_add_overflow(ns, time->tv_nsec, &ns))
    return time->tv_sec < 0 ? INT64_MIN : INT64_MAX;
  return ns;
}

struct signature signature_of(const struct stat *status) {
  return (struct signature){
      .device = status->st_dev,
      .inode = status->st_ino,
      .mode = status->st_mode,
      .user = status->st_uid,
      .group = status->st_gid,
      .size = status->st_size,
      .written_ns = nanoseconds(&status->st_mtim),
      .changed_ns = nanoseconds(&status->st_ctim),
  };
}

bool signature_equal(const struct signature *a, const struct signature *b) {
  return a->device == b->device && a->inode == b->inode && a->mode == b->mode && a->user == b->user &&
         a->group == b->group && a->size == b->size && a->written_ns == b->written_ns && a->changed_ns == b->changed_ns;
}

/* ---- Finding ------------------------------------------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b) {
  return strcmp(((const struct node *)a)->key, ((const struct node *)b)->key);
}

static int compare_watches(const void *a, const void *b) {
  int left = ((const struct node *)a)->watch, right = ((const struct node *)b)->watch;
  return (left > right) - (left < right);
}

struct node *tree_find(const struct tree *tree, const char *key) {
  struct node like = {.key = key};
  struct node **found = tfind(&like, &tree->by_key, compare_keys);
  return found ? *found : NULL;
}

struct node *tree_find_watch(const struct tree *tree, int watch) {
  struct node like = {.watch = watch};
  struct node **found = tfind(&like, &tree->by_watch, compare_watches);
  return found ? *found : NULL;
}

bool tree_set_watch(struct tree *tree, struct node *node, int watch) {
  node->watch = watch;
  if (tsearch(node, &tree->by_watch, compare_watches)) return true;
  node->watch = -1;
  return false;
}

void tree_forget_watch(struct tree *tree, struct node *node) {
  if (node->watch < 0) return;
  tdelete(node, &tree->by_watch, compare_watches);
  node->watch = -1;
}

/* ---- Nodes --------------------------------------------------------------------------------------------------- */

struct node *tree_insert(struct tree *tree, struct node *parent, const char *key, bool directory) {
  size_t size = strlen(key) + 1;
  struct node *node = calloc(1, sizeof *node + size);
  if (!node) return NULL;
  node->key = memcpy(node + 1, key, size);
  node->watch = -1;
  node->directory = directory;
  if (!tsearch(node, &tree->by_key, compare_keys)) {
    free(node);
    return NULL;
  }
  node->parent = parent;
  if (!parent) return node;
  node->next = parent->children;
  if (node->next) node->next->previous = node;
  parent->children = node;
  return node;
}

void tree_discard(struct tree *tree, struct node *node) {
  tree_forget_watch(tree, node);
  node_unlist(node);
  tdelete(node, &tree->by_key, compare_keys);
  if (node->previous) node->previous->next = node->next;
  else if (node->parent) node->parent->children = node->next;
  if (node->next) node->next->previous = node->previous;
  free(node);
}

struct node *tree_leaf(struct node *node) {
  while (node->children) node = node->children;
  return node;
}

bool tree_open(struct tree *tree) {
  *tree = (struct tree){.root = NULL};
  tree->root = tree_insert(tree, NULL, "", true);
  return tree->root != NULL;
}

void tree_close(struct tree *tree) {
  for (struct node *node = tree->root; node;) {
    struct node *leaf = tree_leaf(node);
    node = leaf->parent;
    tree_discard(tree, leaf);
  }
  tree->root = NULL;
}

/* ---- Lists --------------------------------------------------------------------------------------------------- */

void node_append(struct node_list *list, struct node *node) {
  node_unlist(node);
  node->list = list;
  node->before = list->last;
  if (list->last) list->last->after = node;
  else list->first = node;
  list->last = node;
}

void node_unlist(struct node *node) {
  struct node_list *list = node->list;
  if (!list) return;
  if (node->before) node->before->after = node->after;
  else list->first = node->after;
  if (node->after) node->after->before = node->before;
  else list->last = node->before;
  node->list = NULL;
  node->before = node->after = NULL;
}
