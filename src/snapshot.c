/*
 * snapshot.c: a private copy of a queue at one moment, to be read at leisure, and its keys in the order that lists and heap
 * have.
 *
 * The copy is a file without a name, mapped for reading: whatever reads a segment without its lock reads this, too.  Of
 * a damaged segment it shows what can be found: whatever no list leads to is looked for among the records.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "delay.h"
#include "inspect.h"
#include "open.h"
#include "read.h"
#include "ready.h"
#include "segment.h"
#include "table.h"

/* ---- The copy ---- */

static int64_t moment(void *arg) {
  return ((const workq *)arg)->moment_ns;
}

/*
 * Without the lock: memory for the copy, and the segment's pages in this process's tables.  Both take nearly as long as the
 * copying.  What comes meanwhile, or where this fails, is made up for in copy_range().
 */
static int prepare_range(const workq *from, int to, off_t begin, off_t end) {
  (void)posix_fallocate(to, begin, end - begin);
  (void)from;
#ifdef MADV_POPULATE_READ
  (void)madvise(from->base + begin, (size_t)(end - begin), MADV_POPULATE_READ);
#endif
  return 0;
}

/* The kernel reads the mapping for us: memory that is missing there (a file that was cut off) is an error and no signal. */
static int copy_range(const workq *from, int to, off_t begin, off_t end) {
  while (begin < end) {
    ssize_t n = pwrite(to, from->base + begin, (size_t)(end - begin), begin);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EFAULT ? -EUCLEAN : errno == ENOMEM ? -ENOSPC : -errno;
    begin += n;
  }
  return 0;
}

/* What is done with a range of the segment that has data.  Returns 0 or -errno. */
typedef int each_range(const workq *from, int to, off_t begin, off_t end);

/* Holes stay holes. */
static int each_data(const workq *from, int to, each_range *each) {
  off_t size = (off_t)from->geometry.total_size, data = 0;
  int rc = 0;
  while (rc == 0 && data < size && (data = lseek(from->fd, data, SEEK_DATA)) >= 0) {
    off_t hole = lseek(from->fd, data, SEEK_HOLE);
    if (hole < 0) {
      rc = -errno;
      break;
    }
    if (hole > size) hole = size;
    rc = each(from, to, data, hole);
    data = hole;
  }
  if (data < 0 && errno != ENXIO) rc = -errno;
  if (from->fd_mark) (void)lseek(from->fd, from->fd_mark, SEEK_SET); /* the offset says whose the descriptor is */
  return rc;
}

/* A file like the segment's, but empty.  Returns the descriptor or -errno. */
static int make_file(const workq *q) {
  struct stat st;
  int fd = memfd_create("workq-snapshot", MFD_CLOEXEC);
  if (fd < 0) return -errno;
  /* What is wrong with the handle's own file is said under the lock: not before it is known whether the slot is the handle's. */
  mode_t mode = fstat(q->fd, &st) == 0 ? st.st_mode & 0777 : 0;
  if (fchmod(fd, mode) == 0 && ftruncate(fd, (off_t)q->geometry.total_size) == 0) return fd;
  int rc = -errno;
  close(fd);
  return rc;
}

static int make_copy(workq *q, workq *copy) {
  int rc = segment_check_size(q->geometry.total_size);
  if (rc < 0) return rc;
  int fd = make_file(q);
  if (fd < 0) return fd;
  (void)each_data(q, fd, prepare_range);
  rc = look_begin(q);
  if (rc == 0) {
    copy->moment_ns = handle_now_ns(q);
    copy->stamp_ns = q->stamp_ns;
    rc = each_data(q, fd, copy_range);
    look_end(q);
  }
  if (rc < 0) {
    close(fd);
    return rc;
  }
  rc = handle_map(copy, fd);
  if (copy->stamps != STAMPS_NONE) copy->stamps = STAMPS_FIXED;
  return rc;
}

int workq_snapshot(workq *q, workq **out) {
  static const workq_options raw = {.flags = WORKQ_RAW};
  if (!out) return -EINVAL;
  workq *copy = handle_make(q->name, &raw);
  if (!copy) return -ENOMEM;
  copy->header = q->header;
  copy->clock = moment;
  copy->clock_arg = copy;
  int rc = make_copy(q, copy);
  if (rc < 0) {
    handle_free(copy);
    return rc;
  }
  *out = copy;
  return 0;
}

/* ---- Its keys in order ---- */

/* A walk through all keys. */
struct tour {
  workq *q;
  int64_t now_ns;
  uint8_t *seen; /* a bit a record */
  int (*visit)(void *arg, const workq_info *info);
  void *arg;
};

/* Of a handle that is only for reading.  Returns 0, -EINVAL or -ENOMEM. */
static int tour_begin(workq *q, int (*visit)(void *arg, const workq_info *info), void *arg, struct tour *tour) {
  if (!visit || !(q->flags & WORKQ_RAW)) return -EINVAL;
  int rc = look_begin(q);
  if (rc < 0) return rc;
  *tour = (struct tour){.q = q, .now_ns = handle_now_ns(q), .visit = visit, .arg = arg};
  tour->seen = calloc(q->geometry.records / 8 + 1, 1);
  if (tour->seen) return 0;
  look_end(q);
  return -ENOMEM;
}

static void tour_end(struct tour *tour) {
  free(tour->seen);
  look_end(tour->q);
}

/* Visits the item of that index, of which item is a copy, once.  Its key must have the hash that is noted, or it is no key. */
static int visit_item(struct tour *tour, uint32_t index, const struct item *item) {
  workq *q = tour->q;
  uint8_t bit = (uint8_t)(1u << index % 8);
  workq_info info;
  if (tour->seen[index / 8] & bit) return 0;
  if (!inspect_item(q, index, item, tour->now_ns, q->key_buffer, &info)) return 0;
  if (info.key_len == 0 || table_hash(q, info.key, info.key_len) != item->hash) return 0;
  tour->seen[index / 8] |= bit;
  return tour->visit(tour->arg, &info);
}

/* Visits the items of a list that have this place; by damage it may lead anywhere, but not for longer than there are records. */
static int visit_list(struct tour *tour, const struct list *list, uint8_t place) {
  workq *q = tour->q;
  int rc = 0;
  uint32_t index = read_u32(&list->head);
  for (uint32_t n = 0; index && n < q->geometry.records && rc == 0; n++) {
    struct item item;
    if (!read_item(q, index, &item)) break;
    if (item.place == place) rc = visit_item(tour, index, &item);
    index = item.next;
  }
  return rc;
}

static int visit_ready(struct tour *tour) {
  int rc = 0;
  for (int priority = INT8_MAX; priority >= INT8_MIN && rc == 0; priority--)
    rc = visit_list(tour, &band_of(tour->q, priority)->keys, PLACE_READY);
  return rc;
}

static int visit_processing(struct tour *tour) {
  int rc = 0;
  for (uint32_t i = 0; i < tour->q->geometry.handles && rc == 0; i++)
    rc = visit_list(tour, &tour->q->slots[i].own.processing, PLACE_PROCESSING);
  return rc;
}

static int by_time(const void *left, const void *right) {
  const struct heap_entry *a = left, *b = right;
  return delay_before(a, b) ? -1 : delay_before(b, a);
}

static int visit_delayed(struct tour *tour) {
  workq *q = tour->q;
  uint32_t count = delay_count(q);
  struct heap_entry *entries = malloc(((size_t)count + 1) * sizeof *entries);
  if (!entries) return -ENOMEM;
  read_lines(entries, q->heap + HEAP_FIRST, count * sizeof *entries);
  qsort(entries, count, sizeof *entries, by_time);
  int rc = 0;
  for (uint32_t i = 0; i < count && rc == 0; i++) {
    struct item item;
    if (read_item(q, entries[i].item, &item) && item.place == PLACE_DELAYED)
      rc = visit_item(tour, entries[i].item, &item);
  }
  free(entries);
  return rc;
}

/* What nothing led to: there is none in a sound segment. */
static int visit_lost(struct tour *tour) {
  workq *q = tour->q;
  int rc = 0;
  for (uint32_t index = 1; index <= q->geometry.records && rc == 0; index++) {
    struct item item;
    if (!read_item(q, index, &item)) break;
    rc = visit_item(tour, index, &item);
  }
  return rc;
}

int workq_iterate_order(workq *q, int (*visit)(void *arg, const workq_info *info), void *arg) {
  struct tour tour;
  int rc = tour_begin(q, visit, arg, &tour);
  if (rc < 0) return rc;
  rc = visit_ready(&tour);
  if (rc == 0) rc = visit_processing(&tour);
  if (rc == 0) rc = visit_delayed(&tour);
  if (rc == 0) rc = visit_list(&tour, &q->control->cold.buried, PLACE_BURIED);
  if (rc == 0) rc = visit_list(&tour, &q->control->cold.idle, PLACE_IDLE);
  if (rc == 0) rc = visit_lost(&tour);
  tour_end(&tour);
  return rc;
}

/* ---- Its keys in one state ---- */

/* How often a list is begun again whose key has gone elsewhere while it was looked at. */
#define LIST_TRIES 4

/*
 * As visit_list(), for a queue that others change: a key that has left may lead to any other list, so the walk begins again
 * there, and passes what it has visited.
 */
static int visit_moving_list(struct tour *tour, const struct list *list, uint8_t place) {
  workq *q = tour->q;
  int rc = 0;
  bool moved = true;
  for (int i = 0; i < LIST_TRIES && moved && rc == 0; i++) {
    moved = false;
    uint32_t index = read_u32(&list->head), count = read_u32(&list->count);
    uint32_t most = count < q->geometry.records ? count : q->geometry.records;
    for (uint32_t left = most; index && left > 0 && !moved && rc == 0; left--) {
      struct item item;
      if (!read_item(q, index, &item)) return 0;
      moved = item.place != place;
      if (!moved) rc = visit_item(tour, index, &item);
      index = item.next;
    }
  }
  return rc;
}

static int visit_moving_ready(struct tour *tour) {
  int rc = 0;
  for (int priority = INT8_MAX; priority >= INT8_MIN && rc == 0; priority--)
    rc = visit_moving_list(tour, &band_of(tour->q, priority)->keys, PLACE_READY);
  return rc;
}

static int visit_moving_processing(struct tour *tour) {
  int rc = 0;
  for (uint32_t i = 0; i < tour->q->geometry.handles && rc == 0; i++)
    if (read_u32(&tour->q->slots[i].who.state) == SLOT_ATTACHED)
      rc = visit_moving_list(tour, &tour->q->slots[i].own.processing, PLACE_PROCESSING);
  return rc;
}

static int visit_heap(struct tour *tour) {
  workq *q = tour->q;
  int rc = 0;
  uint32_t count = delay_count(q);
  for (uint32_t i = 0; i < count && rc == 0; i++) {
    uint32_t index = read_u32(&q->heap[HEAP_FIRST + i].item);
    struct item item;
    if (read_item(q, index, &item) && item.place == PLACE_DELAYED) rc = visit_item(tour, index, &item);
  }
  return rc;
}

static int visit_state(struct tour *tour, int state) {
  switch (state) {
  case WORKQ_STATE_READY:
    return visit_moving_ready(tour);
  case WORKQ_STATE_PROCESSING:
    return visit_moving_processing(tour);
  case WORKQ_STATE_DELAYED:
    return visit_heap(tour);
  case WORKQ_STATE_BURIED:
    return visit_moving_list(tour, &tour->q->control->cold.buried, PLACE_BURIED);
  case WORKQ_STATE_IDLE:
    return visit_moving_list(tour, &tour->q->control->cold.idle, PLACE_IDLE);
  default:
    return -EINVAL;
  }
}

int workq_iterate_state(workq *q, int state, int (*visit)(void *arg, const workq_info *info), void *arg) {
  struct tour tour;
  int rc = tour_begin(q, visit, arg, &tour);
  if (rc < 0) return rc;
  rc = visit_state(&tour, state);
  tour_end(&tour);
  return rc;
}
