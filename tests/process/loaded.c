/*
 * The library where a program loads it by dlopen(3), as interpreters and plug-ins do: from the main
 * thread, from threads that began before and after, and in a forked child; and once it is unloaded.
 * This program is not linked with the library.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workq.h"

enum { PASS = 0, FAIL = 1, SKIP = 77 };

#define CALLS(CALL)                                                                                                    \
  CALL(int, create_sized, (const char *, const workq_options *, size_t, workq **))                                     \
  CALL(int, open_sized, (const char *, const workq_options *, size_t, workq **))                                       \
  CALL(int, add, (workq *, const void *, size_t))                                                                      \
  CALL(int, get, (workq *, workq_item *, int64_t))                                                                     \
  CALL(int, complete, (workq *, const workq_item *))                                                                   \
  CALL(int, close, (workq *))                                                                                          \
  CALL(int, unlink, (const char *))

/* What the library has loaded. */
static struct {
#define CALL(result, function, parameters) result(*function) parameters;
  CALLS(CALL)
#undef CALL
} lib;

static char name[64];
static workq *q; /* the main thread's */
static pid_t owner;

static void fail(const char *what, int rc) {
  fprintf(stderr, "FAIL: %s: %d\n", what, rc);
  exit(FAIL);
}

static void ok(int rc, const char *what) {
  if (rc < 0) fail(what, rc);
}

static void unlink_queue(void) {
  if (lib.unlink && getpid() == owner) lib.unlink(name);
}

static void *find(void *library, const char *function) {
  void *found = dlsym(library, function);
  if (found) return found;
  fprintf(stderr, "FAIL: %s\n", dlerror());
  exit(FAIL);
}

/* Space for the variables of threads of such a library is taken from what the C library has set
 * aside: musl sets none aside, glibc little. */
static void expect_no_static_tls(void *library) {
  struct link_map *map;
  if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0) fail("dlinfo", errno);
  for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++)
    if (entry->d_tag == DT_FLAGS && entry->d_un.d_val & DF_STATIC_TLS)
      fail("the library wants its variables of threads in the static block", (int)entry->d_un.d_val);
}

static void *load(void) {
  const char *build = getenv("WORKQ_BUILDDIR");
  char path[4096];
  snprintf(path, sizeof path, "%s/.libs/libworkq.so", build ? build : ".");
  if (access(path, F_OK) != 0) {
    printf("SKIPPED: there is no %s: the build has no shared library\n", path);
    exit(SKIP);
  }
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    fprintf(stderr, "FAIL: %s\n", dlerror());
    exit(FAIL);
  }
#define CALL(result, function, parameters) *(void **)&lib.function = find(library, "workq_" #function);
  CALLS(CALL)
#undef CALL
  return library;
}

/* A key goes through the handle, many times: calls do not mix up handles or threads. */
static void use(workq *handle, const char *key) {
  for (int i = 0; i < 100; i++) {
    workq_item item;
    ok(lib.add(handle, key, strlen(key)), "workq_add");
    ok(lib.get(handle, &item, WORKQ_FOREVER), "workq_get");
    ok(lib.complete(handle, &item), "workq_complete");
  }
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* closed until the library is loaded */

/* With a handle of the main thread's queue, and with a queue of its own, where no other thread takes
 * its keys. */
static void *run_thread(void *key) {
  pthread_mutex_lock(&gate);
  pthread_mutex_unlock(&gate);
  workq *other, *own;
  char own_name[sizeof name + 16];
  static const workq_options options = {.capacity = 100, .handles = 8};
  int rc = lib.add(q, key, 1);
  if (rc != -ESTALE) fail("a call on the main thread's handle", rc);
  ok(lib.open_sized(name, NULL, 0, &other), "workq_open");
  ok(lib.close(other), "workq_close");
  snprintf(own_name, sizeof own_name, "%s-%s", name, (const char *)key);
  ok(lib.create_sized(own_name, &options, sizeof options, &own), "workq_create");
  ok(lib.unlink(own_name), "workq_unlink");
  use(own, key);
  ok(lib.close(own), "workq_close");
  return NULL;
}

static void start(pthread_t *thread, const char *key) {
  int rc = pthread_create(thread, NULL, run_thread, (void *)(uintptr_t)key);
  if (rc != 0) fail("pthread_create", rc);
}

static void expect_child(pid_t child, const char *what) {
  int status;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) fail(what, child);
}

static void use_in_child(void) {
  pid_t child = fork();
  if (child == 0) {
    use(q, "child");
    ok(lib.close(q), "workq_close in a child");
    _exit(PASS);
  }
  expect_child(child, "a forked child that uses its copy");
}

int main(void) {
  pthread_t before, after;
  static const workq_options options = {.capacity = 100, .handles = 8};
  alarm(1800);
  pthread_mutex_lock(&gate);
  start(&before, "before");
  void *library = load();
  expect_no_static_tls(library);
  owner = getpid();
  snprintf(name, sizeof name, "loaded-%d", (int)owner);
  ok(lib.create_sized(name, &options, sizeof options, &q), "workq_create");
  atexit(unlink_queue);
  pthread_mutex_unlock(&gate);
  start(&after, "after");
  use(q, "main");
  pthread_join(before, NULL);
  pthread_join(after, NULL);
  use_in_child();
  use(q, "main");
  ok(lib.close(q), "workq_close");
  ok(lib.unlink(name), "workq_unlink");
  lib.unlink = NULL;
  if (dlclose(library) != 0) fail("dlclose", 0);
  pid_t child = fork();
  if (child == 0) _exit(PASS);
  expect_child(child, "a child once the library is unloaded");
  return PASS;
}
