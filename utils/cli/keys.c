/*
 * Keys that stand on the command line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "keys.h"

#include <stdlib.h>
#include <string.h>

#include "common/escape.h"
#include "common/queue_error.h"
#include "common/say.h"

static int too_long(const char *name, const char *key, uint32_t key_max, const char *did) {
  char *text = escape(key, strlen(key));
  int status =
      fail("key '%s': longer than the key limit of queue '%s', %u bytes; nothing was %s", text, name, key_max, did);
  free(text);
  return status;
}

int check_keys(const char *name, workq *q, char *const *keys, const char *did) {
  workq_stats_data stats;
  int result = workq_stats(q, &stats);
  if (result < 0) return queue_failed(name, q, result);
  for (size_t i = 0; keys[i] != NULL; i++) {
    size_t len = strlen(keys[i]);
    if (len == 0) return fail("key %zu is empty (an unset shell variable?); nothing was %s", i + 1, did);
    if (len > stats.key_max) return too_long(name, keys[i], stats.key_max, did);
  }
  return STATUS_OK;
}
