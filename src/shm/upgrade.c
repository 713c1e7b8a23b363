/*
 * upgrade.c: reading a segment of layout 5; see upgrade.h.
 *
 * What layout 6 changed: the header has crash_forget_ns; an item notes when its key's last crash was, and so counts fewer of
 * them.  All else is as it was, or was 0 where layout 6 has something new.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define XXH_INLINE_ALL
#include "upgrade.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "clock.h"

#if LAYOUT_VERSION == 6

#define OLD_VERSION 5u

struct header_5 {
  char magic[8];
  uint32_t layout_version;
  uint32_t header_size;
  struct fingerprint fingerprint;
  uint64_t seed;
  uint64_t total_size;
  uint32_t capacity;
  uint32_t key_max;
  uint32_t handles;
  uint32_t mode;
  int32_t max_retries;
  int32_t max_crashes;
  uint32_t give_up;
  uint32_t metrics;
  int64_t reap_interval_ns;
  struct tick_scale ticks;
  uint64_t reserved;
  workq_limiter limiter;
  uint64_t checksum;
};

struct item_5 {
  uint32_t next;
  uint32_t prev;
  uint32_t chain;
  uint32_t heap_place;
  uint32_t hash;
  uint16_t key_len;
  uint8_t place;
  uint8_t pending;
  uint32_t failures;
  uint32_t crashes;
  uint32_t ticket;
  uint32_t owner;
  int8_t priority;
  int8_t run_priority;
  uint8_t reserved[2];
  uint32_t prefetch_hint;
  int64_t since_ns;
  int64_t run_ns;
};

_Static_assert(sizeof(struct item_5) == sizeof(struct item), "an item is converted in its place");
_Static_assert(offsetof(struct item_5, since_ns) == 48 && offsetof(struct item_5, ticket) == 32, "as they were");
_Static_assert(sizeof(struct header_5) <= sizeof(struct header), "a header is read as a whole");

/* What crashes have counted for so far; an hour is the default of those that do not say. */
#define CRASH_FORGET_NS (3600 * NS_PER_S)

bool upgrade_can_read(const struct header *header) {
  return memcmp(header->magic, LAYOUT_MAGIC, sizeof header->magic) == 0 && header->layout_version == OLD_VERSION &&
         header->header_size == sizeof(struct header_5);
}

int upgrade_header(struct header *header) {
  struct header_5 old;
  memcpy(&old, header, sizeof old);
  if (old.checksum != XXH3_64bits(&old, offsetof(struct header_5, checksum))) return -EUCLEAN;
  *header = (struct header){.layout_version = old.layout_version,
                            .header_size = sizeof *header,
                            .fingerprint = old.fingerprint,
                            .seed = old.seed,
                            .total_size = old.total_size,
                            .capacity = old.capacity,
                            .key_max = old.key_max,
                            .handles = old.handles,
                            .mode = old.mode,
                            .max_retries = old.max_retries,
                            .max_crashes = old.max_crashes,
                            .give_up = old.give_up,
                            .metrics = old.metrics,
                            .reap_interval_ns = old.reap_interval_ns,
                            .crash_forget_ns = CRASH_FORGET_NS,
                            .ticks = old.ticks,
                            .reserved = old.reserved,
                            .limiter = old.limiter,
                            .checksum = old.checksum};
  memcpy(header->magic, LAYOUT_MAGIC, sizeof header->magic);
  return 0;
}

/* A crash of which the time is not known counts as one just now. */
static void convert_item(void *line, int64_t now_ns) {
  struct item_5 old;
  memcpy(&old, line, sizeof old);
  struct item item = {.next = old.next,
                      .prev = old.prev,
                      .chain = old.chain,
                      .heap_place = old.heap_place,
                      .hash = old.hash,
                      .key_len = old.key_len,
                      .place = old.place,
                      .pending = old.pending,
                      .failures = old.failures,
                      .ticket = old.ticket,
                      .owner = old.owner <= WORKQ_HANDLES_MAX ? (uint16_t)old.owner : 0,
                      .priority = old.priority,
                      .run_priority = old.run_priority,
                      .crashes = old.crashes < CRASHES_MAX ? (uint16_t)old.crashes : CRASHES_MAX,
                      .crash_time = crash_time(now_ns),
                      .prefetch_hint = old.prefetch_hint,
                      .since_ns = old.since_ns,
                      .run_ns = old.run_ns};
  memcpy(line, &item, sizeof item);
}

/* Converts the items whose lines begin in these bytes, which stood at `at` in the file. */
static void convert_items(const struct geometry *g, unsigned char *bytes, uint64_t at, size_t len, int64_t now_ns) {
  uint64_t end = at + len;
  uint64_t first = at > g->items_off ? (at - g->items_off + g->item_size - 1) / g->item_size : 0;
  for (uint64_t i = first; i < g->items_max; i++) {
    uint64_t place = g->items_off + i * g->item_size;
    if (place + LINE_SIZE > end) break;
    convert_item(bytes + (place - at), now_ns);
  }
}

#define CHUNK (64u << 10) /* of whole lines, and where it begins is the beginning of one */

static int copy_range(const struct geometry *g, int from, int to, off_t at, off_t end, int64_t now_ns) {
  LINE_ALIGNED unsigned char bytes[CHUNK];
  while (at < end) {
    size_t want = end - at < (off_t)CHUNK ? (size_t)(end - at) : CHUNK;
    ssize_t n = pread(from, bytes, want, at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    if (n % (ssize_t)LINE_SIZE != 0 || n == 0) return -EUCLEAN; /* the file was cut off */
    convert_items(g, bytes, (uint64_t)at, (size_t)n, now_ns);
    for (ssize_t done = 0, m; done < n; done += m) {
      m = pwrite(to, bytes + done, (size_t)(n - done), at + done);
      if (m < 0 && errno == EINTR) m = 0;
      else if (m < 0) return errno == ENOMEM ? -ENOSPC : -errno;
    }
    at += n;
  }
  return 0;
}

/* Copies the parts that have data: holes stay holes. */
static int copy_data(const struct geometry *g, int from, int to) {
  off_t size = (off_t)g->total_size, data = 0;
  int64_t now_ns = clock_monotonic_ns();
  int rc = 0;
  while (rc == 0 && data < size && (data = lseek(from, data, SEEK_DATA)) >= 0) {
    off_t hole = lseek(from, data, SEEK_HOLE);
    if (hole < 0) return -errno;
    if (hole > size) hole = size;
    rc = copy_range(g, from, to, data, hole, now_ns);
    data = hole;
  }
  return data < 0 && errno != ENXIO ? -errno : rc;
}

int upgrade_copy(struct header *header, const struct geometry *geometry, int *fd) {
  struct stat st;
  if (fstat(*fd, &st) != 0) return -errno;
  int copy = memfd_create("workq-older", MFD_CLOEXEC);
  if (copy < 0) return -errno;
  int rc = fchmod(copy, st.st_mode & 0777) == 0 && ftruncate(copy, (off_t)geometry->total_size) == 0 ? 0 : -errno;
  if (rc == 0) rc = copy_data(geometry, *fd, copy);
  close(rc == 0 ? *fd : copy);
  if (rc < 0) return rc;
  *fd = copy;
  header->layout_version = LAYOUT_VERSION;
  return 0;
}

#else /* there is no older layout that this one could read */

bool upgrade_can_read(const struct header *header) {
  (void)header;
  return false;
}

int upgrade_header(struct header *header) {
  (void)header;
  return -EUCLEAN;
}

int upgrade_copy(struct header *header, const struct geometry *geometry, int *fd) {
  (void)header;
  (void)geometry;
  (void)fd;
  return -EPROTONOSUPPORT;
}

#endif
