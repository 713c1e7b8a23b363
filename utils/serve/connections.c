/*
 * libmicrohttpd ends a connection that is silent.  But one that sends a byte now and then, or takes
 * its answer a byte at a time, would keep its place as long as it likes.  So what counts here is when
 * a connection last had a request answered: those for which that is longest ago are first in a list.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "connections.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "common/clock.h"

/*
 * How long a connection may be without progress; and where all places are taken.  Each is much more
 * than a request takes whose client is not slow on purpose.
 */
#define SLOW_NS      (60 * NS_PER_S)
#define SLOW_FULL_NS (5 * NS_PER_S)

void connections_init(struct connections *connections) {
  connections->list.before = connections->list.after = &connections->list;
  connections->count = 0;
}

static void unlink_it(struct connection *connection) {
  connection->before->after = connection->after;
  connection->after->before = connection->before;
}

static void link_last(struct connections *connections, struct connection *connection, int64_t now_ns) {
  struct connection *head = &connections->list;
  connection->progress_ns = now_ns;
  connection->before = head->before;
  connection->after = head;
  head->before->after = connection;
  head->before = connection;
}

struct connection *connections_add(struct connections *connections, int fd, int64_t now_ns) {
  struct connection *connection = calloc(1, sizeof *connection);
  if (connection == NULL) return NULL;
  connection->fd = fd;
  link_last(connections, connection, now_ns);
  connections->count++;
  return connection;
}

void connections_remove(struct connections *connections, struct connection *connection) {
  unlink_it(connection);
  connections->count--;
  free(connection);
}

void connections_progress(struct connections *connections, struct connection *connection, int64_t now_ns) {
  unlink_it(connection);
  link_last(connections, connection, now_ns);
}

bool connections_full(const struct connections *connections) {
  return connections->count >= CONNECTIONS_MAX;
}

/* The descriptor is not ours to close: what is shut down is closed by who has it. */
void connections_end_slow(struct connections *connections, int64_t now_ns) {
  int64_t end_ns = now_ns - (connections_full(connections) ? SLOW_FULL_NS : SLOW_NS);
  struct connection *head = &connections->list;
  for (struct connection *one = head->after; one != head && one->progress_ns <= end_ns; one = one->after) {
    if (!one->is_ended) shutdown(one->fd, SHUT_RDWR);
    one->is_ended = true;
  }
}
