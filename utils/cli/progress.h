/*
 * A line that tells how far a long subcommand has come: keys done, how fast, how many failed, and
 * where the total is known a bar and the time left.  On a terminal only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_CLI_PROGRESS_H
#define WORKQ_UTILS_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What the line tells. */
struct progress_state {
  uint64_t done;   /* keys, since the beginning */
  uint64_t failed; /* failures, since the beginning */
  double share;    /* of the work that is done, 0 ... 1; negative: not known */
};

/* A line being shown. */
struct progress {
  bool shown;       /* there is a terminal to show it on */
  const char *word; /* what `done` counts: "added" */
  int64_t begun_ns; /* on the monotonic clock */
  int64_t drawn_ns; /* when last */
  bool visible;     /* there is a line to be taken away at the end */
  uint64_t last_done;
  double rate;       /* keys a second, of late */
  pid_t watcher;     /* progress_watch(): the process that draws */
  int watcher_input; /* ... and the pipe whose end ends it */
};

/* Shown is what is to be asked for; there must be a terminal, too. */
void progress_begin(struct progress *progress, const char *word, bool shown);

/* To be called often: draws the line again where that is due. */
void progress_update(struct progress *progress, const struct progress_state *state);

/* Takes the line away. */
void progress_end(struct progress *progress);

/*
 * Shows the progress of the process that works on the queue, from a process of its own, until
 * progress_end().  To be called before the queue is opened, so that no handle is shared with that
 * process.
 */
void progress_watch(struct progress *progress, const char *name, bool shared, bool shown);

/* The line as text, at most width columns (and size bytes with the closing NUL). */
void progress_format(char *text, size_t size, int width, const struct progress *progress,
                     const struct progress_state *state);

#endif
