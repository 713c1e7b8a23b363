/*
 * boost.interprocess' message_queue: a bounded ring in shared memory.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <cstdio>
#include <exception>
#include <memory>

#include <unistd.h>

#include <boost/interprocess/ipc/message_queue.hpp>

extern "C" {
#include "peer.h"

const char *const bench_who = "boost";
const size_t peer_keys = 200000;
}

using boost::interprocess::create_only;
using boost::interprocess::message_queue;

struct peer {
  std::unique_ptr<message_queue> queue;
};

/* The name is gone at once: a forked child has the mapping. */
peer *peer_open(size_t keys) {
  static unsigned number;
  char name[64];
  std::snprintf(name, sizeof name, "bench%u-%d", number++, static_cast<int>(getpid()));
  try {
    std::unique_ptr<message_queue> queue(new message_queue(create_only, name, keys, BENCH_KEY_SIZE));
    message_queue::remove(name);
    return new peer{std::move(queue)};
  } catch (const std::exception &error) {
    bench_die("message_queue: %s", error.what());
  }
}

void peer_close(peer *p) {
  delete p;
}

void peer_join(peer *) {}

void peer_add(peer *p, const bench_key *key) {
  p->queue->send(key->text, key->len + 1, 0);
}

void peer_get(peer *p, bench_key *key) {
  message_queue::size_type size;
  unsigned priority;
  p->queue->receive(key->text, sizeof key->text, size, priority);
  key->len = size - 1;
}

void peer_done(peer *, const bench_key *) {}

const bench_case bench_cases[] = {PEER_CYCLE("cycle/0", 0, peer_set),
                                  PEER_CYCLE("depth/1k", 1000, peer_set),
                                  PEER_CYCLE("depth/10k", 10000, peer_set),
                                  PEER_CYCLE("cycle/100k", 100000, peer_set),
                                  PEER_CYCLE("cycle/1m", 1000000, peer_set),
                                  PEER_PAIR(true),
                                  PEER_FAN,
                                  PEER_PINGPONG(true),
                                  {}};
