/*
 * segment.h: the shared memory object: its geometry, creation, checks at open, growth, and
 * descriptor.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_SEGMENT_H
#define WORKQ_SHM_SEGMENT_H

#include "handle.h"

/* May a queue have these permissions? */
bool segment_mode_valid(uint32_t mode);

/* Computes the offsets and sizes of all regions.  Returns 0, or -EINVAL if a number is out of range
 * or the total too large. */
int geometry_compute(uint32_t capacity, uint32_t key_max, uint32_t handles, struct geometry *geometry);

/*
 * Fills *header from the options (null: defaults).  Returns 0, or -EINVAL.
 */
int segment_describe(const workq_options *options, struct header *header);

/*
 * Creates a segment without a name: *fd has its size, its header is written and its fixed parts
 * have memory.  Returns 0; or -errno, and nothing is left.  temporary (at least 64 bytes) gets the
 * temporary name under which it exists if O_TMPFILE is missing, else "".
 */
int segment_build(const struct header *header, int *fd, char *temporary);

/* Gives it its name, its mode and, if that is not 0, its group.  Returns 0; -EEXIST or another
 * -errno, and then a temporary name is removed. */
int segment_publish(const char *name, int fd, const char *temporary, uint32_t mode, uint32_t group);

/* Removes a temporary name, if there is one. */
void segment_discard(const char *temporary);

/* Removes the name; marks the segment as removed and wakes its waiters, as far as that needs no lock.  Returns 0, -ENOENT or
 * -EACCES. */
int segment_unlink(const char *name);

/* Visits the names of all existing segments, of any user, until visit does not return 0.  Returns
 * the last result of visit, or -errno. */
int segment_list(int (*visit)(void *arg, const char *name), void *arg);

/*
 * Opens the object of that name and checks it: kind, links, owner, mode, size, header.  WORKQ_RAW
 * opens it for reading only, also if it is of another pid namespace or C library.  reason, if not
 * null (of size, which may be 0), gets the text of workq_describe_mismatch() for -EPROTONOSUPPORT:
 * what prevents an attach.
 */
int segment_open(const char *name, const workq_options *options, struct header *header, int *fd, char *reason,
                 size_t size);

/* Allocates the memory of a slot's journal and measures.  As segment_commit(). */
int segment_commit_slot(const workq *q, uint32_t slot);

/* Maps the handle's file by its header and sets the handle's pointers. */
int segment_map(workq *q, bool writable);
void segment_unmap(workq *q);

/* Allocates memory for len bytes at offset.  Returns 0, -ENOSPC, -EBADFD or another -errno. */
int segment_commit(const workq *q, uint64_t offset, uint64_t len);

/*
 * The handle's descriptor.  It is a number in a table that the whole process shares: a stray
 * close(2) or closefrom(3) may have given that number to another file.  So the handle remembers the
 * file by device and inode, and its own open file description by the offset, which nothing else
 * uses: a random number.
 */

/* From now on fd is the handle's, which closes it.  Returns 0 or -errno; then it is closed. */
int segment_adopt(workq *q, int fd);
/* Marks the open file description, which no other handle shares. */
int segment_mark(workq *q);
/* Does the descriptor still lead to the handle's file, through its own description? */
bool segment_fd_is_own(const workq *q);
/* Has the file lost its name?  Asks the kernel.  Returns 1, 0, or -errno if that cannot be determined: the descriptor leads
 * elsewhere, say. */
int segment_is_removed(const workq *q);
/* Closes the descriptor if it is still the handle's. */
void segment_close(workq *q);

/* Opens the same file again, with an open file description of its own.  Returns the descriptor or
 * -errno; -EBADFD if the handle's descriptor leads elsewhere, and the name, too. */
int segment_reopen(const workq *q);

/* Does the error report a shortage of descriptors or memory that may pass? */
bool segment_is_shortage(int rc);

/* May a file of this size be created?  Beyond the process's limit the kernel would send a signal
 * (SIGXFSZ), which no caller expects.  0 or -EFBIG. */
int segment_check_size(uint64_t size);

#endif
