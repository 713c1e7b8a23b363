/*
 * Peers that are servers.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "peer.h"

const char *peer_socket(const char *variable) {
  const char *path = getenv(variable);
  if (!path || !*path) bench_skip("%s names no socket of a server (bench/run starts one)", variable);
  return path;
}
