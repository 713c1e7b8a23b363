/*
 * snapshot.c: a private copy of a queue at one instant.
 *
 * The copy is a file without a name, mapped for reading: all functions that read a segment without
 * its lock can read it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inspect.h"
#include "open.h"
#include "segment.h"
#include "shm.h"

static int64_t snapshot_clock(void *arg) {
  return ((const workq *)arg)->snapshot_ns;
}

/*
 * Without the lock: allocates memory for the copy, and maps the segment's pages into this process.
 * Both take nearly as long as the copying.  If this fails, or the segment grows meanwhile,
 * copy_range() makes up for it.
 */
static int prepare_range(const workq *from, int to, off_t begin, off_t end) {
  (void)posix_fallocate(to, begin, end - begin);
  (void)from;
#ifdef MADV_POPULATE_READ
  (void)madvise(from->base + begin, (size_t)(end - begin), MADV_POPULATE_READ);
#endif
  return 0;
}

/* The kernel reads the mapping: missing memory (of a file that was truncated) is an error and not a
 * signal. */
static int copy_range(const workq *from, int to, off_t begin, off_t end) {
  while (begin < end) {
    ssize_t n = pwrite(to, from->base + begin, (size_t)(end - begin), begin);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EFAULT ? -EUCLEAN : errno == ENOMEM ? -ENOSPC : -errno;
    begin += n;
  }
  return 0;
}

/* Processes a range of the segment that has data.  Returns 0 or -errno. */
typedef int each_range(const workq *from, int to, off_t begin, off_t end);

/* Calls each for all ranges that have data: holes stay holes. */
static int each_data(const workq *from, int to, each_range *each) {
  off_t size = (off_t)from->geometry.total_size, data = 0;
  int rc = 0;
  while (rc == 0 && data < size && (data = lseek(from->file.fd, data, SEEK_DATA)) >= 0) {
    off_t hole = lseek(from->file.fd, data, SEEK_HOLE);
    if (hole < 0) {
      rc = -errno;
      break;
    }
    if (hole > size) hole = size;
    rc = each(from, to, data, hole);
    data = hole;
  }
  if (data < 0 && errno != ENXIO) rc = -errno;
  /* The offset marks the description as the handle's. */
  if (from->file.mark) (void)lseek(from->file.fd, from->file.mark, SEEK_SET);
  return rc;
}

/* Creates a file of the segment's size and mode, but empty.  Returns the descriptor or -errno. */
static int make_file(const workq *q) {
  struct stat st;
  int fd = memfd_create("workq-snapshot", MFD_CLOEXEC);
  if (fd < 0) return -errno;
  /* Errors of the handle's own file are reported under the lock: only then it is known whether the
   * slot is still the handle's. */
  mode_t mode = fstat(q->file.fd, &st) == 0 ? st.st_mode & 0777 : 0;
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
  rc = read_begin(q);
  if (rc == 0) {
    copy->snapshot_ns = handle_now_ns(q);
    copy->stamp_ns = q->stamp_ns;
    rc = each_data(q, fd, copy_range);
    read_end(q);
  }
  if (rc < 0) {
    close(fd);
    return rc;
  }
  rc = handle_map(copy, fd);
  if (copy->stamps != STAMPS_NONE) copy->stamps = STAMPS_FIXED;
  return rc;
}

int shmq_snapshot(workq *q, workq **out) {
  static const workq_options raw = {.flags = WORKQ_RAW};
  workq *copy = handle_make(q->name, &raw);
  if (!copy) return -ENOMEM;
  copy->header = q->header;
  copy->clock = snapshot_clock;
  copy->clock_arg = copy;
  int rc = make_copy(q, copy);
  if (rc < 0) {
    handle_free(copy);
    return rc;
  }
  *out = copy;
  return 0;
}
