/*
 * A file that appears under its name when it is whole.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_CLI_WHOLE_FILE_H
#define WORKQ_UTILS_CLI_WHOLE_FILE_H

#include <stdbool.h>
#include <stdio.h>

struct whole_file {
  FILE *out;
  int folder;      /* that it lies in */
  char *name;      /* in the folder; where the path is a symbolic link, of what that leads to */
  char *temporary; /* a name in the folder; the file has it only while it takes the place of another */
  bool is_named;   /* ... or, on file systems without O_TMPFILE, as long as it is written */
};

/*
 * Makes the file that is to have this path; its mode is 0600.  A process that is killed before it is
 * whole leaves nothing, or a temporary file that the next one to write this path removes.  Returns
 * false with errno; EBUSY: another process is writing it, on a file system without O_TMPFILE.
 */
bool whole_file_open(struct whole_file *file, const char *path);

/*
 * Writes it to the disk, gives it its name and closes it.  A file that had the name is replaced, or
 * without `replaces` EEXIST.  Returns false with errno: a file that had the name is unchanged (or,
 * where the folder could not be written to the disk at the end, replaced).
 */
bool whole_file_commit(struct whole_file *file, bool replaces);

/* Closes it, and leaves all as it was. */
void whole_file_abandon(struct whole_file *file);

/* Makes what happened to names in the path's folder outlast a loss of power.  Returns false with errno. */
bool whole_file_sync_folder(const char *path);

#endif
