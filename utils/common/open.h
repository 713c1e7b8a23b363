/*
 * Opening a queue for a subcommand.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_OPEN_H
#define WORKQ_UTILS_COMMON_OPEN_H

#include <stdbool.h>
#include <stdint.h>

#include <workq.h>

#include "clock.h"
#include "status.h"

/* How long the command waits for a queue's lock before it names the process that holds it. */
#define LOCK_TIMEOUT_NS (5 * NS_PER_S)

/*
 * Opens the queue for a subcommand; flags as in workq_options, shared as --shared: trust a queue
 * that belongs to, or may be written by, other users.  Returns STATUS_OK, or STATUS_ERROR with the
 * reason said.
 */
int open_queue(const char *name, uint32_t flags, bool shared, workq **out);

/*
 * open_queue(), but where the library says `declined`, this returns STATUS_DECLINED and says
 * nothing.
 */
int open_queue_unless(const char *name, uint32_t flags, bool shared, int declined, workq **out);

/*
 * For a subcommand that only reads: opens the queue, or by WORKQ_RAW if nobody can attach to it from
 * here: an older version made it, say.  Where the library says `declined`, this returns
 * STATUS_DECLINED and says nothing.
 */
int open_queue_to_read(const char *name, bool shared, int declined, workq **out);

#endif
