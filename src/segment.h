/*
 * segment.h: the shared memory object: its geometry, birth, checks before trust, growth, and locks on its bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SEGMENT_H
#define WORKQ_SEGMENT_H

#include "handle.h"

/* Returns 0 if name may name a queue, else -EINVAL or -ENAMETOOLONG. */
int segment_check_name(const char *name);

/* Where everything lies.  Returns 0, or -EINVAL where a number is out of its range or the whole too large. */
int geometry_compute(uint32_t capacity, uint32_t key_max, uint32_t handles, struct geometry *geometry);

/*
 * Fills *header from the options (null: defaults).  Returns 0, or -EINVAL.
 */
int segment_describe(const workq_options *options, struct header *header);

/*
 * A new segment without a name: *fd has its size, its header written and its fixed parts committed.  Returns 0 or
 * -errno; for -ENOSPC and others nothing is left.  temporary (at least 64 bytes) gets the name under which it exists
 * for the time being where O_TMPFILE is missing, else "".
 */
int segment_build(const struct header *header, int *fd, char *temporary);

/* Gives it its name and mode.  Returns 0, -EEXIST, or another -errno; then a temporary name is gone. */
int segment_publish(const char *name, int fd, const char *temporary, uint32_t mode);

/* Takes a temporary name away, if there is one. */
void segment_discard(const char *temporary);

/* Removes the name.  Returns 0, -ENOENT or -EACCES. */
int segment_unlink(const char *name);

/*
 * Opens the object of that name and checks it: kind, links, owner, mode, size, header.  raw opens it for reading only.
 * reason (of size, which may be 0) gets the words of workq_describe_mismatch for -EPROTONOSUPPORT.
 */
int segment_open(const char *name, const workq_options *options, struct header *header, int *fd, char *reason,
                 size_t size);

/* Maps fd as header describes it and sets the handle's pointers. */
int segment_map(workq *q, int fd, bool writable);
void segment_unmap(workq *q);

/* Makes sure that len bytes at offset have memory.  Returns 0, -ENOSPC or another -errno. */
int segment_commit(int fd, uint64_t offset, uint64_t len);

/*
 * The lock on byte number slot of the file, held by the handle's open file description for its life.
 * segment_byte_lock() returns 0, -EBUSY where another holds it, or another -errno.
 * segment_byte_held() asks about another handle's; it returns 1, 0, or 1 where it cannot be told.
 */
int segment_byte_lock(int fd, uint32_t slot);
void segment_byte_unlock(int fd, uint32_t slot);
int segment_byte_held(int fd, uint32_t slot);

/* A descriptor with an open file description of its own for the same file; for a forked child.  Or -errno. */
int segment_reopen(const workq *q);

/* Was the call refused for a want of descriptors or memory that may pass, and not because there is no way? */
bool segment_is_shortage(int rc);

/* May a file of this size be made?  More than the process's limit would be a signal (SIGXFSZ), which no caller has asked
 * for.  0 or -EFBIG. */
int segment_check_size(uint64_t size);

#endif
