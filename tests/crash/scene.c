/*
 * The stage: a queue in the start state of a scenario, and its bytes; see scene.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scene.h"

#include "shm/journal.h"
#include "shm/lock.h"
#include "shm/slot.h"
#include "shm/wait.h"
#include "support/plain.h"
#include "support/process.h"
#include "support/random.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef FALLOC_FL_KEEP_SIZE
#define FALLOC_FL_KEEP_SIZE  1
#define FALLOC_FL_PUNCH_HOLE 2
#endif

enum { RANGES = 5, PAGE = 4096, ASLEEP = 1 };

/* What parent and children both see. */
typedef struct shared_state {
  int64_t now_ns;
  int told;
} shared_state;

struct range {
  uint64_t off;
  uint64_t len;
};

struct image {
  int64_t now_ns;
  struct workq handle;   /* what the survivor's knows is part of its children's start */
  struct cold_line cold; /* says how much of each region there is */
  unsigned char *bytes;
};

const workq_options scene_options = {.capacity = 64, .key_max = 32, .handles = 6, .flags = WORKQ_NO_SPIN};

uint64_t scene_seed;
workq_item scene_hand[SCENE_HAND];

static shared_state *shared;
static char own_name[64];
static char other_name[64];
static workq *survivor;
static workq *sleeper;
static unsigned owner_deaths;
static bool proc_hidden;

/* ---- In place of the system ----------------------------------------------------------------------------------- */

int __real_pthread_mutex_consistent(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_consistent(pthread_mutex_t *mutex);
ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned flags);
int __real_access(const char *path, int mode);
int __wrap_access(const char *path, int mode);

/* The library calls this after each EOWNERDEAD, and at no other time. */
int __wrap_pthread_mutex_consistent(pthread_mutex_t *mutex) {
  uintptr_t place = (uintptr_t)mutex;
  if (survivor && place >= (uintptr_t)survivor->mutexes && place < (uintptr_t)survivor->slots) owner_deaths++;
  return __real_pthread_mutex_consistent(mutex);
}

/* The same at each run of a scenario: then the victim's way through the code is the same, too. */
ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned flags) {
  uint64_t state = scene_seed;
  unsigned char *bytes = buffer;
  (void)flags;
  for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)random_next(&state);
  return (ssize_t)size;
}

int __wrap_access(const char *path, int mode) {
  if (proc_hidden && strcmp(path, "/proc/self/fd") == 0) {
    errno = ENOENT;
    return -1;
  }
  return __real_access(path, mode);
}

void scene_hide_proc(bool hide) {
  proc_hidden = hide;
}

unsigned scene_owner_deaths(void) {
  return owner_deaths;
}

/* ---- For scenarios -------------------------------------------------------------------------------------------- */

static int64_t read_clock(void *arg) {
  (void)arg;
  return shared->now_ns;
}

void scene_pass_ns(int64_t duration_ns) {
  shared->now_ns += duration_ns;
}

workq_options scene_timed(const workq_options *options) {
  workq_options timed = options ? *options : scene_options;
  timed.clock = read_clock;
  return timed;
}

const char *scene_name(void) {
  return own_name;
}

const char *scene_other_name(void) {
  return other_name;
}

void scene_casualty(void (*last)(workq *q)) {
  pid_t pid = process_fork();
  if (pid == 0) {
    plain_ok(workq_len(survivor), "a casualty's attach");
    if (last) last(survivor);
    raise(SIGKILL);
  }
  int status = process_wait(pid);
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) plain_fail("a casualty ended with status %d", status);
}

void scene_sleeper(uint32_t kind) {
  workq_options options = scene_timed(NULL);
  plain_ok(workq_open(own_name, &options, &sleeper), "the sleeper's workq_open");
  plain_ok(lock_acquire(sleeper, CLOCK_NEVER), "lock_acquire");
  journal_begin(sleeper);
  plain_ok(wait_enter(sleeper, kind, slot_leader_wake_ns(sleeper, shared->now_ns), false), "wait_enter");
  journal_commit(sleeper);
  atomic_store(&sleeper->slot->futex.word, sleeper->generation << 2 | ASLEEP);
  lock_release(sleeper);
}

void scene_tell(int result) {
  shared->told = result;
}

int scene_told(void) {
  return shared->told;
}

/* ---- The queue ------------------------------------------------------------------------------------------------- */

void scene_begin(void) {
  shared = process_share(sizeof *shared);
  plain_own(own_name, sizeof own_name, "crash");
  plain_own(other_name, sizeof other_name, "crash");
}

workq *scene_set(const scenario *s) {
  workq_options options = scene_timed(s->options);
  shared->now_ns = SCENE_START_NS;
  memset(scene_hand, 0, sizeof scene_hand);
  plain_ok(workq_create(own_name, &options, &survivor), "workq_create");
  if (s->set) s->set(survivor);
  plain_check(survivor, s->state);
  return survivor;
}

void scene_strike(void) {
  if (sleeper) workq_close(sleeper);
  workq_close(survivor);
  survivor = sleeper = NULL;
  plain_ok(workq_unlink(own_name), "workq_unlink");
}

uint32_t scene_own_handles(void) {
  return sleeper ? 2 : 1;
}

/* ---- Its bytes ------------------------------------------------------------------------------------------------- */

static void find_ranges(const workq *q, const struct cold_line *cold, struct range r[RANGES]) {
  const struct geometry *g = &q->geometry;
  r[0] = (struct range){g->control_off, g->journals_off - g->control_off};
  r[1] = (struct range){g->journals_off, g->table_off - g->journals_off};
  r[2] = (struct range){g->table_off, (uint64_t)cold->buckets_committed * sizeof(struct bucket)};
  r[3] = (struct range){g->heap_off, (uint64_t)cold->heap_committed * sizeof(struct heap_entry)};
  r[4] = (struct range){g->items_off, (uint64_t)cold->items_committed * g->item_size};
}

struct image *scene_take(void) {
  struct image *image = malloc(sizeof *image);
  struct range r[RANGES];
  size_t size = 0;
  if (!image) plain_fail("no memory for an image");
  image->now_ns = shared->now_ns;
  image->handle = *survivor;
  image->cold = survivor->control->cold;
  find_ranges(survivor, &image->cold, r);
  for (int i = 0; i < RANGES; i++) size += r[i].len;
  unsigned char *to = image->bytes = malloc(size);
  if (!to) plain_fail("no memory for an image");
  for (int i = 0; i < RANGES; to += r[i].len, i++) memcpy(to, survivor->base + r[i].off, r[i].len);
  return image;
}

void scene_drop(struct image *image) {
  if (image) free(image->bytes);
  free(image);
}

/* Takes the memory behind a region's part in use away, so that it must be asked for again. */
static void punch(const struct range *r, uint64_t end) {
  uint64_t from = (r->off + r->len + PAGE - 1) / PAGE * PAGE;
  if (from < end)
    (void)fallocate(survivor->file.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(end - from));
}

void scene_put(const struct image *image) {
  const struct geometry *g = &survivor->geometry;
  const unsigned char *from = image->bytes;
  struct range r[RANGES];
  find_ranges(survivor, &image->cold, r);
  shared->now_ns = image->now_ns;
  void *shadow = survivor->shadow; /* of the journal's check, which may have moved it */
  *survivor = image->handle;
  survivor->shadow = shadow;
  for (int i = 0; i < RANGES; from += r[i].len, i++) memcpy(survivor->base + r[i].off, from, r[i].len);
  punch(&r[2], g->heap_off);
  punch(&r[3], g->items_off);
  punch(&r[4], g->total_size);
}

void scene_put_around(const struct image *image, uint32_t slot) {
  struct slot *s = &survivor->slots[slot];
  unsigned char life[sizeof s->life], who[sizeof s->attachment];
  memcpy(life, &s->life, sizeof life);
  memcpy(who, &s->attachment, sizeof who);
  scene_put(image);
  memcpy(&s->life, life, sizeof life);
  memcpy(&s->attachment, who, sizeof who);
}

/* ---- Files ----------------------------------------------------------------------------------------------------- */

unsigned scene_left_files(void) {
  char own[80], other[80], unborn[80], path[400];
  uint64_t number;
  unsigned count = 0;
  (void)__wrap_getrandom(&number, sizeof number, 0);
  snprintf(unborn, sizeof unborn, "workq-unborn.%016llx", (unsigned long long)number);
  snprintf(own, sizeof own, "workq.%s", own_name);
  snprintf(other, sizeof other, "workq.%s", other_name);
  DIR *shm = opendir("/dev/shm");
  if (!shm) plain_fail("opendir: %s", strerror(errno));
  for (struct dirent *entry; (entry = readdir(shm)) != NULL;) {
    bool mine = strcmp(entry->d_name, unborn) == 0 || strcmp(entry->d_name, other) == 0 ||
                (!survivor && strcmp(entry->d_name, own) == 0);
    if (!mine) continue;
    snprintf(path, sizeof path, "/dev/shm/%s", entry->d_name);
    unlink(path);
    count++;
  }
  closedir(shm);
  return count;
}
