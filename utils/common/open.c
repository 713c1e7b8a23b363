/*
 * Opening a queue for a subcommand.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "open.h"

#include <errno.h>

#include "queue_error.h"
#include "trust.h"

static int try_open(const char *name, uint32_t flags, bool shared, workq **out) {
  workq_options options = {.flags = flags, .lock_timeout_ns = LOCK_TIMEOUT_NS};
  trust_others(&options, shared);
  return workq_open(name, &options, out);
}

int open_queue(const char *name, uint32_t flags, bool shared, workq **out) {
  int result = try_open(name, flags, shared, out);
  return result < 0 ? queue_failed(name, NULL, result) : STATUS_OK;
}

int open_queue_unless(const char *name, uint32_t flags, bool shared, int declined, workq **out) {
  int result = try_open(name, flags, shared, out);
  if (result == declined) return STATUS_DECLINED;
  return result < 0 ? queue_failed(name, NULL, result) : STATUS_OK;
}

int open_queue_to_read(const char *name, bool shared, int declined, workq **out) {
  int result = try_open(name, 0, shared, out);
  if (result == -EPROTONOSUPPORT) result = try_open(name, WORKQ_RAW, shared, out);
  if (result < 0 && result == declined) return STATUS_DECLINED;
  return result < 0 ? queue_failed(name, NULL, result) : STATUS_OK;
}
