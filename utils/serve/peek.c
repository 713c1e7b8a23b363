/*
 * `workq serve` reads queues, which may vanish, be damaged, or be another user's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>

#include "common/sigbus.h"
#include "common/trust.h"
#include "serve.h"

int peek_at(const char *name, bool shared, int (*read)(workq *q, void *arg), void *arg) {
  workq_options options = {.flags = WORKQ_RAW};
  trust_others(&options, shared);
  workq *q;
  int result = workq_open(name, &options, &q);
  if (result < 0) return result;
  result = sigbus_guard(q, read, arg);
  workq_close(q);
  return result;
}

static int measure(workq *q, void *arg) {
  return workq_measure(q, arg);
}

int peek_measure(const char *name, bool shared, workq_measures *measures) {
  return peek_at(name, shared, measure, measures);
}

const char *peek_error(int error) {
  switch (error) {
  case -EPERM:
    return "belongs to another user, or others may write to it, or may only read it (see: workq help serve, --shared)";
  case -EUCLEAN:
    return "damaged, or not a queue";
  default:
    return workq_strerror(error);
  }
}
