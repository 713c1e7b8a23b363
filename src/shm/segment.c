/*
 * segment.c: the shared memory object: its geometry, creation, checks at open, growth, and
 * descriptor.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define XXH_INLINE_ALL
#include "segment.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <xxhash.h>

#include "fingerprint.h"
#include "limiter.h"
#include "name.h"
#include "stamp.h"
#include "upgrade.h"

#define SHM_DIR          "/dev/shm"
#define OBJECT_PREFIX    "/workq."
#define TEMPORARY_PREFIX "/workq-unborn."
#define OBJECT_SIZE      (sizeof OBJECT_PREFIX + WORKQ_NAME_MAX)
#define PATH_SIZE        (sizeof SHM_DIR + sizeof OBJECT_PREFIX + WORKQ_NAME_MAX + 32)

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1u
#endif

/*
 * A process that may open the file for reading can take read locks on its bytes, and then no handle
 * can attach: so a user who may not write, and is not trusted with the queue, must not read either.
 * (The owner can give itself what it lacks.)
 */
bool segment_mode_valid(uint32_t mode) {
  uint32_t only_read = (mode & 044) >> 1 & ~mode;
  return !(mode & ~0777u) && !only_read;
}

/* ---- Geometry ---- */

static uint64_t align_up(uint64_t n, uint64_t to) {
  return (n + to - 1) / to * to;
}

int geometry_compute(uint32_t capacity, uint32_t key_max, uint32_t handles, struct geometry *geometry) {
  if (capacity < 1 || capacity > WORKQ_CAPACITY_MAX) return -EINVAL;
  if (key_max < 1 || key_max > WORKQ_KEY_MAX) return -EINVAL;
  if (handles < 1 || handles > WORKQ_HANDLES_MAX) return -EINVAL;
  struct geometry g = {.capacity = capacity, .items_max = capacity + 1, .key_max = key_max, .handles = handles};
  uint32_t buckets = (capacity + BUCKET_LOAD - 1) / BUCKET_LOAD;
  g.buckets_max = buckets < BUCKETS_MIN ? BUCKETS_MIN : buckets;
  g.item_size = (uint32_t)align_up(sizeof(struct item) + key_max, LINE_SIZE);
  g.heap_max = capacity + HEAP_FIRST;
  /* No sum overflows: each term is below 2^42. */
  g.control_off = REGION_ALIGN;
  g.mutexes_off = align_up(g.control_off + sizeof(struct control), REGION_ALIGN);
  g.slots_off = align_up(g.mutexes_off + LOCK_MUTEXES * sizeof(struct lock_mutex), REGION_ALIGN);
  g.journals_off = align_up(g.slots_off + (uint64_t)handles * sizeof(struct slot), REGION_ALIGN);
  g.measures_off = align_up(g.journals_off + (uint64_t)handles * sizeof(struct journal), REGION_ALIGN);
  g.table_off = align_up(g.measures_off + (uint64_t)handles * sizeof(struct measures), REGION_ALIGN);
  g.heap_off = align_up(g.table_off + (uint64_t)g.buckets_max * sizeof(struct bucket), REGION_ALIGN);
  g.items_off = align_up(g.heap_off + (uint64_t)g.heap_max * sizeof(struct heap_entry), REGION_ALIGN);
  g.total_size = align_up(g.items_off + (uint64_t)g.items_max * g.item_size, REGION_ALIGN);
  if (g.total_size > SEGMENT_MAX || g.total_size > SIZE_MAX / 2) return -EINVAL;
  *geometry = g;
  return 0;
}

static uint64_t header_checksum(const struct header *header) {
  return XXH3_64bits(header, offsetof(struct header, checksum));
}

/* A wake-up that was lost with a dead process is made up for within one interval: an endless
 * interval would be a hang. */
static bool interval_valid(int64_t interval_ns) {
  return interval_ns >= NS_PER_MS && interval_ns <= WORKQ_REAP_INTERVAL_MAX;
}

int segment_describe(const workq_options *options, struct header *header) {
  static const workq_options defaults;
  const workq_options *o = options ? options : &defaults;
  memset(header, 0, sizeof *header);
  memcpy(header->magic, LAYOUT_MAGIC, sizeof header->magic);
  header->layout_version = LAYOUT_VERSION;
  header->header_size = sizeof *header;
  int rc = fingerprint_read(&header->fingerprint);
  if (rc < 0) return rc;
  if (getrandom(&header->seed, sizeof header->seed, 0) != (ssize_t)sizeof header->seed) return -errno;
  header->capacity = o->capacity ? o->capacity : 1u << 20;
  header->key_max = o->key_max ? o->key_max : 256;
  header->handles = o->handles ? o->handles : 128;
  header->mode = o->mode ? o->mode : o->group ? 0660 : 0600;
  header->max_retries = o->max_retries;
  header->max_crashes = o->max_crashes ? o->max_crashes : 5;
  header->give_up = o->give_up;
  header->metrics = !o->no_metrics;
  if (header->metrics) stamp_describe(header);
  header->reap_interval_ns = o->reap_interval_ns ? o->reap_interval_ns : 100 * NS_PER_MS;
  header->limiter = o->limiter;
  if (o->group && (!(header->mode & 020) || o->group == (gid_t)-1)) return -EINVAL;
  if (!segment_mode_valid(header->mode) || header->max_retries < 0 || header->max_crashes < WORKQ_NEVER) return -EINVAL;
  if (header->give_up > WORKQ_DROP || o->no_metrics > 1 || !interval_valid(header->reap_interval_ns)) return -EINVAL;
  rc = limiter_normalize(&header->limiter);
  if (rc < 0) return rc;
  struct geometry geometry;
  rc = geometry_compute(header->capacity, header->key_max, header->handles, &geometry);
  if (rc < 0) return rc;
  header->total_size = geometry.total_size;
  header->checksum = header_checksum(header);
  return 0;
}

/* ---- Creation ---- */

static void object_path(char *path, const char *prefix, const char *name) {
  snprintf(path, PATH_SIZE, "%s%s%s", SHM_DIR, prefix, name);
}

static void object_name(char *object, const char *name) {
  snprintf(object, OBJECT_SIZE, "%s%s", OBJECT_PREFIX, name);
}

static int open_temporary(char *temporary) {
  for (int tries = 0; tries < 100; tries++) {
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) return -errno;
    snprintf(temporary, 64, TEMPORARY_PREFIX "%016llx", (unsigned long long)number);
    int fd = shm_open(temporary, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd >= 0) return fd;
    if (errno != EEXIST) return -errno;
  }
  return -EEXIST;
}

static int open_unborn(char *temporary) {
  temporary[0] = '\0';
  /* Without /proc only a privileged process could give a name to a file that has none. */
  if (access("/proc/self/fd", F_OK) != 0) return open_temporary(temporary);
  int fd = open(SHM_DIR, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) return fd;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL) return -errno;
  return open_temporary(temporary);
}

int segment_check_size(uint64_t size) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < size) return -EFBIG;
  return 0;
}

static int write_header(int fd, const struct header *header) {
  ssize_t n = pwrite(fd, header, sizeof *header, 0);
  if (n == (ssize_t)sizeof *header) return 0;
  return n < 0 ? -errno : -ENOSPC;
}

static int commit_range(int fd, uint64_t offset, uint64_t len) {
  /* A signal that arrives inside makes tmpfs give up and undo; a storm of signals must not keep us
   * here for ever. */
  int rc = EINTR, state;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
  for (int tries = 0; rc == EINTR && tries < 1000; tries++) rc = posix_fallocate(fd, (off_t)offset, (off_t)len);
  pthread_setcancelstate(state, &state);
  /* Treat the limit of a memory control group, or a quota, like a full file system. */
  return rc == EINTR || rc == ENOMEM || rc == EDQUOT ? -ENOSPC : -rc;
}

/* Slots that have memory from the start: so a full /dev/shm never keeps so many handles from attaching. */
#define SLOTS_COMMITTED 16u

/* Allocates the memory of slots `from` and up to `end`: of their journals, and their measures. */
static int commit_slots(int fd, const struct geometry *g, bool metrics, uint32_t from, uint32_t end) {
  uint64_t count = end - from;
  int rc = commit_range(fd, g->journals_off + from * sizeof(struct journal), count * sizeof(struct journal));
  if (rc < 0 || !metrics) return rc;
  return commit_range(fd, g->measures_off + from * sizeof(struct measures), count * sizeof(struct measures));
}

int segment_build(const struct header *header, int *fd_out, char *temporary) {
  struct geometry geometry;
  int rc = geometry_compute(header->capacity, header->key_max, header->handles, &geometry);
  if (rc == 0) rc = segment_check_size(geometry.total_size);
  if (rc < 0) return rc;
  int fd = open_unborn(temporary);
  if (fd < 0) return fd;
  if (ftruncate(fd, (off_t)geometry.total_size) != 0) rc = -errno;
  if (rc == 0) rc = commit_range(fd, 0, geometry.journals_off);
  uint32_t slots = geometry.handles < SLOTS_COMMITTED ? geometry.handles : SLOTS_COMMITTED;
  if (rc == 0) rc = commit_slots(fd, &geometry, header->metrics, 0, slots);
  if (rc == 0) rc = write_header(fd, header);
  if (rc < 0) {
    segment_discard(temporary);
    close(fd);
    return rc;
  }
  *fd_out = fd;
  return 0;
}

void segment_discard(const char *temporary) {
  if (temporary[0]) shm_unlink(temporary);
}

/* linkat() through /proc needs no privilege; through the descriptor itself it needs one, but no
 * /proc. */
static int link_by_descriptor(int fd, const char *path) {
  char self[64];
  snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
  if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0) return 0;
  if (errno == EEXIST) return -EEXIST;
  int first = errno;
  if (linkat(fd, "", AT_FDCWD, path, AT_EMPTY_PATH) == 0) return 0;
  return errno == EEXIST ? -EEXIST : -first;
}

static int rename_temporary(const char *temporary, const char *path) {
  char from[PATH_SIZE];
  object_path(from, temporary, "");
  /* Unlike link and unlink, this never leaves a file with two names. */
  if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, path, RENAME_NOREPLACE) == 0) return 0;
  int rc = -errno;
  shm_unlink(temporary);
  return rc;
}

int segment_publish(const char *name, int fd, const char *temporary, uint32_t mode, uint32_t group) {
  char path[PATH_SIZE];
  object_path(path, OBJECT_PREFIX, name);
  if ((group && fchown(fd, (uid_t)-1, (gid_t)group) != 0) || fchmod(fd, (mode_t)mode) != 0) {
    int rc = -errno;
    segment_discard(temporary);
    return rc;
  }
  return temporary[0] ? rename_temporary(temporary, path) : link_by_descriptor(fd, path);
}

int segment_list(int (*visit)(void *arg, const char *name), void *arg) {
  const size_t prefix = sizeof OBJECT_PREFIX - 2; /* without the slash */
  DIR *directory = opendir(SHM_DIR);
  if (!directory) return errno == ENOENT ? 0 : -errno;
  int rc = 0;
  while (rc == 0) {
    errno = 0;
    const struct dirent *entry = readdir(directory);
    if (!entry) {
      rc = -errno;
      break;
    }
    if (strncmp(entry->d_name, &OBJECT_PREFIX[1], prefix) == 0 && name_check(entry->d_name + prefix) == 0)
      rc = visit(arg, entry->d_name + prefix);
  }
  closedir(directory);
  return rc;
}

/* ---- Checks at open ---- */

static int check_file(const struct stat *st) {
  if (!S_ISREG(st->st_mode)) return -EUCLEAN;
  if (st->st_nlink == 0) return -ENOENT; /* unlinked just now */
  if (st->st_nlink != 1) return -EUCLEAN;
  if (st->st_size < (off_t)sizeof(struct header)) return -EUCLEAN;
  return 0;
}

/* Is the calling thread in that group?  If that cannot be determined: no. */
static bool is_member(gid_t group) {
  gid_t groups[64], *all = groups;
  bool found = getegid() == group;
  int count = found ? 0 : getgroups(0, NULL);
  if (count > (int)(sizeof groups / sizeof *groups)) all = calloc((size_t)count, sizeof *all);
  if (count > 0 && all) count = getgroups(count, all);
  for (int i = 0; i < count && all && !found; i++) found = all[i] == group;
  if (all != groups) free(all);
  return found;
}

/* May this file be opened by the options alone, whatever is in it? */
static bool options_allow(const struct stat *st, const workq_options *options) {
  uint32_t mode = options && options->mode ? options->mode : 0600;
  bool any = options && options->flags & WORKQ_ANY_OWNER;
  if (st->st_mode & 022 & ~mode) return false;
  return any || st->st_uid == geteuid() || st->st_uid == 0;
}

/* May it be opened if it still has the permissions that it was made with?  Its owner has decided about these; a member of its
 * group trusts the others. */
static bool owner_allows(const struct stat *st) {
  if (st->st_uid == geteuid()) return true;
  return st->st_mode & 020 && !(st->st_mode & 02) && is_member(st->st_gid);
}

static bool is_of_this_layout(const struct header *header) {
  return memcmp(header->magic, LAYOUT_MAGIC, sizeof header->magic) == 0 && header->layout_version == LAYOUT_VERSION &&
         header->header_size == sizeof *header;
}

/* looking: for a handle that only reads. */
static int check_fingerprint(const struct header *header, bool looking, char *reason, size_t size) {
  struct fingerprint here;
  int rc = fingerprint_read(&here);
  if (rc < 0) return rc;
  if (looking && fingerprint_may_read(&header->fingerprint, &here)) return 0;
  return fingerprint_differs(&header->fingerprint, &here, reason, size) ? -EPROTONOSUPPORT : 0;
}

/* Checks what says how the rest is to be read; converts the header of an older layout, for a handle that only reads. */
static int check_versions(struct header *header, bool looking, char *reason, size_t size) {
  if (memcmp(header->magic, LAYOUT_MAGIC, sizeof header->magic) != 0) return -EUCLEAN;
  if (looking && upgrade_can_read(header)) {
    int rc = upgrade_header(header);
    return rc < 0 ? rc : check_fingerprint(header, looking, reason, size);
  }
  if (!is_of_this_layout(header)) {
    if (size)
      snprintf(reason, size, "the layout version is %u (header %u bytes) there and %u (%zu) here",
               header->layout_version, header->header_size, LAYOUT_VERSION, sizeof *header);
    return -EPROTONOSUPPORT;
  }
  int rc = check_fingerprint(header, looking, reason, size);
  return rc == 0 && header->checksum != header_checksum(header) ? -EUCLEAN : rc;
}

static int check_header(const struct header *header, off_t file_size, char *reason, size_t size) {
  if (header->reserved || header->fingerprint.reserved) {
    if (size) snprintf(reason, size, "there are options there that are unknown here");
    return -EPROTONOSUPPORT;
  }
  struct geometry geometry;
  if (geometry_compute(header->capacity, header->key_max, header->handles, &geometry) < 0) return -EUCLEAN;
  if (header->total_size != geometry.total_size || (uint64_t)file_size != geometry.total_size) return -EUCLEAN;
  if (header->max_retries < 0 || header->max_crashes < WORKQ_NEVER || header->give_up > WORKQ_DROP) return -EUCLEAN;
  if (header->metrics > 1) return -EUCLEAN;
  if (!interval_valid(header->reap_interval_ns)) return -EUCLEAN;
  workq_limiter limiter = header->limiter;
  return limiter_normalize(&limiter) < 0 ? -EUCLEAN : 0;
}

static int open_object(const char *name, bool raw) {
  char object[OBJECT_SIZE];
  object_name(object, name);
  /* O_NONBLOCK: a FIFO under this name must not hang the open.  shm_open adds O_NOFOLLOW and
   * O_CLOEXEC. */
  int fd = shm_open(object, (raw ? O_RDONLY : O_RDWR) | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC, 0);
  if (fd >= 0) return fd;
  switch (errno) {
  case ELOOP:  /* a symbolic link */
  case EISDIR: /* a directory; glibc's shm_open says EINVAL: the name was checked */
  case EINVAL:
  case ENXIO: /* a socket, or a FIFO or device that no process serves */
  case ENODEV:
    return -EUCLEAN;
  default:
    return -errno;
  }
}

/* Replaces *fd, of an older layout, by a private copy of this one. */
static int convert(struct header *header, int *fd) {
  struct geometry geometry;
  int rc = geometry_compute(header->capacity, header->key_max, header->handles, &geometry);
  if (rc == 0) rc = segment_check_size(geometry.total_size);
  return rc < 0 ? rc : upgrade_copy(header, &geometry, fd);
}

int segment_open(const char *name, const workq_options *options, struct header *header, int *fd_out, char *reason,
                 size_t size) {
  bool raw = options && options->flags & WORKQ_RAW, looking = raw && !reason;
  int fd = open_object(name, raw);
  if (fd < 0) return fd;
  struct stat st;
  int rc = fstat(fd, &st) == 0 ? check_file(&st) : -errno;
  bool allowed = rc == 0 && options_allow(&st, options);
  if (rc == 0 && !allowed && !owner_allows(&st)) rc = -EPERM;
  if (rc == 0) {
    ssize_t n = pread(fd, header, sizeof *header, 0);
    rc = n == (ssize_t)sizeof *header ? check_versions(header, looking, reason, size) : n < 0 ? -errno : -EUCLEAN;
  }
  if (rc == 0) rc = check_header(header, st.st_size, reason, size);
  if (rc == 0 && !allowed && header->mode != (st.st_mode & 0777)) rc = -EPERM;
  /* Last: if the file is not a queue at all, the error must say that, and not that its mode is
   * wrong. */
  if (rc == 0 && !segment_mode_valid(st.st_mode & 0777)) rc = -EPERM;
  if (rc == 0 && header->layout_version != LAYOUT_VERSION) rc = convert(header, &fd);
  if (rc < 0) {
    close(fd);
    return rc;
  }
  *fd_out = fd;
  return 0;
}

/* ---- Removal ---- */

/* Wakes all that sleep, so that they see the flag.  The kernel reads no memory for that, so a file that is cut off meanwhile
 * does no harm. */
static void wake_everyone(int fd, const struct geometry *g) {
  size_t len = g->journals_off - g->slots_off;
  const struct slot *slots = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, (off_t)g->slots_off);
  if (slots == MAP_FAILED) return;
  for (uint32_t i = 0; i < g->handles; i++) syscall(SYS_futex, &slots[i].futex.word, FUTEX_WAKE, 1, NULL, NULL, 0);
  munmap((void *)(uintptr_t)slots, len);
}

/*
 * The file has lost its name: sets the flag and wakes those that sleep, so that they notice at once.  Writes through the
 * descriptor, and not through a mapping: the file may be another user's, who could cut it off.  Whatever fails is made up for
 * by the handles themselves, within a reap interval.
 */
static void announce_removal(int fd) {
  const off_t place = (off_t)(REGION_ALIGN + offsetof(struct control, lock.removed));
  const uint32_t flag = REMOVED_UNLINKED;
  struct header header;
  struct geometry geometry;
  struct stat st;
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink != 0) return;
  if (pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header || !is_of_this_layout(&header)) return;
  if (header.checksum != header_checksum(&header) || check_header(&header, st.st_size, NULL, 0) < 0) return;
  if (segment_check_size(header.total_size) < 0) return;
  if (geometry_compute(header.capacity, header.key_max, header.handles, &geometry) < 0) return;
  if (pwrite(fd, &flag, sizeof flag, place) == (ssize_t)sizeof flag) wake_everyone(fd, &geometry);
}

int segment_unlink(const char *name) {
  char object[OBJECT_SIZE];
  object_name(object, name);
  int fd = open_object(name, false);
  int rc = shm_unlink(object) == 0 ? 0 : -errno;
  if (rc == 0 && fd >= 0) announce_removal(fd);
  if (fd >= 0) close(fd);
  return rc;
}

int segment_is_removed(const workq *q) {
  struct stat st;
  if (fstat(q->file.fd, &st) != 0) return -errno;
  if (st.st_dev != q->file.device || st.st_ino != q->file.inode) return -EBADFD;
  return st.st_nlink == 0;
}

/* ---- Mapping and growth ---- */

static void set_regions(workq *q) {
  const struct geometry *g = &q->geometry;
  struct cold_line *cold = &q->control->cold;
  q->regions.items = (struct region){0, g->item_size, g->items_max, &cold->items_committed, q->items};
  q->regions.buckets =
      (struct region){0, sizeof(struct bucket), g->buckets_max, &cold->buckets_committed, (unsigned char *)q->table};
  q->regions.heap =
      (struct region){0, sizeof(struct heap_entry), g->heap_max, &cold->heap_committed, (unsigned char *)q->heap};
}

int segment_map(workq *q, bool writable) {
  const struct header *h = &q->header;
  int rc = geometry_compute(h->capacity, h->key_max, h->handles, &q->geometry);
  if (rc < 0) return rc;
  const struct geometry *g = &q->geometry;
  void *base = mmap(NULL, g->total_size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED | MAP_NORESERVE,
                    q->file.fd, 0);
  if (base == MAP_FAILED) return -errno;
  q->base = base;
  q->size = g->total_size;
  q->control = (void *)(q->base + g->control_off);
  q->mutexes = (void *)(q->base + g->mutexes_off);
  q->slots = (void *)(q->base + g->slots_off);
  q->journals = (void *)(q->base + g->journals_off);
  q->measures = (void *)(q->base + g->measures_off);
  q->table = (void *)(q->base + g->table_off);
  q->heap = (void *)(q->base + g->heap_off);
  q->items = q->base + g->items_off;
  set_regions(q);
  /* The fixed parts of a file that was truncated and extended again may be missing. */
  return memory_is_backed(q->base, g->journals_off) ? 0 : -EUCLEAN;
}

void segment_unmap(workq *q) {
  if (q->base) munmap(q->base, q->size);
  q->base = NULL;
}

int segment_commit(const workq *q, uint64_t offset, uint64_t len) {
  return segment_fd_is_own(q) ? commit_range(q->file.fd, offset, len) : -EBADFD;
}

int segment_commit_slot(const workq *q, uint32_t slot) {
  if (!segment_fd_is_own(q)) return -EBADFD;
  return commit_slots(q->file.fd, &q->geometry, q->header.metrics, slot, slot + 1);
}

/* ---- The descriptor ---- */

int segment_adopt(workq *q, int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0) {
    int rc = -errno;
    close(fd);
    return rc;
  }
  q->file.fd = fd;
  q->file.device = st.st_dev;
  q->file.inode = st.st_ino;
  q->file.mark = 0;
  return 0;
}

int segment_mark(workq *q) {
  uint64_t random;
  if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) return -errno;
  off_t mark = (off_t)(random >> 2 | 1);
  if (lseek(q->file.fd, mark, SEEK_SET) != mark) return -errno;
  q->file.mark = mark;
  return 0;
}

/* Is it the handle's file?  If that cannot be determined: yes. */
static bool is_same_file(const workq *q, int fd) {
  struct stat st;
  if (fstat(fd, &st) != 0) return errno != EBADF;
  return st.st_dev == q->file.device && st.st_ino == q->file.inode;
}

bool segment_fd_is_own(const workq *q) {
  int saved = errno;
  bool own = q->file.fd >= 0 && is_same_file(q, q->file.fd) &&
             (!q->file.mark || lseek(q->file.fd, 0, SEEK_CUR) == q->file.mark);
  errno = saved;
  return own;
}

void segment_close(workq *q) {
  if (segment_fd_is_own(q)) close(q->file.fd);
  q->file.fd = -1;
}

bool segment_is_shortage(int rc) {
  return rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM || rc == -EINTR;
}

static int open_same_file(const workq *q, const char *path, int flags) {
  int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | flags);
  if (fd < 0) return -errno;
  if (is_same_file(q, fd)) return fd;
  close(fd);
  return -EBADFD;
}

int segment_reopen(const workq *q) {
  char path[PATH_SIZE];
  bool own = q->file.fd >= 0 && is_same_file(q, q->file.fd);
  int fd = -EBADFD;
  if (own) {
    snprintf(path, sizeof path, "/proc/self/fd/%d", q->file.fd);
    fd = open_same_file(q, path, 0);
    if (fd >= 0 || segment_is_shortage(fd)) return fd;
  }
  object_path(path, OBJECT_PREFIX, q->name);
  int named = open_same_file(q, path, O_NOFOLLOW);
  if (named >= 0 || segment_is_shortage(named)) return named;
  return !own ? -EBADFD : named == -EBADFD ? -ESTALE : named;
}
