/*
 * Which connections of `workq serve` are ended, so that slow clients do not shut others out.  The
 * caller says what time it is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_SERVE_CONNECTIONS_H
#define WORKQ_UTILS_SERVE_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Connections at a time; further ones wait in the kernel. */
#define CONNECTIONS_MAX 64u

struct connection {
  struct connection *before, *after; /* a list, by the time of progress */
  int fd;
  bool is_ended;
  int64_t progress_ns; /* when it was opened, or its last request was answered */
};

struct connections {
  struct connection list; /* its head */
  unsigned count;
};

void connections_init(struct connections *connections);

/* A connection is there, or is gone.  Returns null if there is no memory. */
struct connection *connections_add(struct connections *connections, int fd, int64_t now_ns);
void connections_remove(struct connections *connections, struct connection *connection);

/* A request was answered, and the answer has been sent. */
void connections_progress(struct connections *connections, struct connection *connection, int64_t now_ns);

/* Whether further connections wait. */
bool connections_full(const struct connections *connections);

/*
 * Ends those that have been without progress for too long: others wait where all places are taken,
 * and then that is much sooner.  To be called when all that had arrived was read.
 */
void connections_end_slow(struct connections *connections, int64_t now_ns);

#endif
