/*
 * segment.h: the shared memory object: its geometry, birth, checks before trust, growth, and locks on its bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_SEGMENT_H
#define WORKQ_SHM_SEGMENT_H

#include "handle.h"

/* May a queue have these permissions? */
bool segment_mode_valid(uint32_t mode);

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

/* Visits the names of the segments that there are, of whoever, until visit does not return 0.  Returns what it returned last, or
 * -errno. */
int segment_list(int (*visit)(void *arg, const char *name), void *arg);

/*
 * Opens the object of that name and checks it: kind, links, owner, mode, size, header.  raw opens it for reading only.
 * reason (of size, which may be 0) gets the words of workq_describe_mismatch for -EPROTONOSUPPORT.
 */
int segment_open(const char *name, const workq_options *options, struct header *header, int *fd, char *reason,
                 size_t size);

/* Maps fd, which the handle has adopted, as header describes it and sets the handle's pointers. */
int segment_map(workq *q, bool writable);
void segment_unmap(workq *q);

/* Makes sure that len bytes at offset have memory.  Returns 0, -ENOSPC, -EBADFD or another -errno. */
int segment_commit(const workq *q, uint64_t offset, uint64_t len);

/*
 * The handle's descriptor.  It is a number in a table that the whole process shares: a stray close(2) or closefrom(3) may
 * have given that number to another file.  So the handle remembers the file by device and inode, and its own open file
 * description by the offset, which nothing else uses: a random number.
 */

/* From now on fd is the handle's, which closes it.  Returns 0 or -errno; then it is closed. */
int segment_adopt(workq *q, int fd);
/* The description that fd was opened with is the handle's alone: marks it. */
int segment_mark(workq *q);
/* Does the descriptor still lead to the handle's file, by its own description? */
bool segment_fd_is_own(const workq *q);
/* Closes the descriptor if it is still the handle's. */
void segment_close(workq *q);

/* A descriptor with an open file description of its own for the same file.  Or -errno; -EBADFD where the handle's descriptor
 * leads elsewhere, and the name, too. */
int segment_reopen(const workq *q);

/* Was the call refused for a want of descriptors or memory that may pass, and not because there is no way? */
bool segment_is_shortage(int rc);

/* May a file of this size be made?  More than the process's limit would be a signal (SIGXFSZ), which no caller has asked
 * for.  0 or -EFBIG. */
int segment_check_size(uint64_t size);

#endif
