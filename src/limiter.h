/*
 * Retry delays: how long a failed key waits.  Pure functions; the caller holds the queue's lock,
 * reads the clock, draws the random number and journals the bucket's line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_LIMITER_H
#define WORKQ_LIMITER_H

#include "workq.h"

/*
 * Puts *limiter into the one form that limiter_when() takes: defaults filled in, fields of kinds
 * that are off zeroed, durations at most WORKQ_DURATION_MAX.  Idempotent.  Returns 0; -EINVAL if a
 * field is out of its range (*limiter is then unchanged).
 */
int limiter_normalize(workq_limiter *limiter);

/*
 * The delay of a key that has failed `failures` times before: 0 ... WORKQ_DURATION_MAX ns.
 *
 * limiter    normalized.
 * bucket_ns  the token bucket of the queue: the time at which it will be full again (0: full from
 * the start).  Takes a
 *            token, and is changed only if the limiter has a bucket.  Any value is safe.
 * random     64 uniform bits, for the jitter.
 */
int64_t limiter_when(const workq_limiter *limiter, uint32_t failures, int64_t now_ns, int64_t *bucket_ns,
                     uint64_t random);

#endif
