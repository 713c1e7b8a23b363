/*
 * stamp.h: time stamps, for measuring how long keys wait and are worked on.
 *
 * Stamps are ns on a scale of their own, which all processes of a segment share: if the creator of
 * the segment found the processor's time-stamp counter to be reliable, that counter, converted by a
 * rate in the header; else the handle's clock.  Each call reads one stamp, before it takes the
 * lock; a queue without metrics reads none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_STAMP_H
#define WORKQ_SHM_STAMP_H

#include "handle.h"

/* For the header of a new segment: the counter's rate and one instant on both scales; all 0 if the
 * counter cannot be used. */
void stamp_describe(struct header *header);

/* Once the segment is mapped: chooses the source of this handle's stamps. */
void stamp_start(workq *q);

#ifdef __x86_64__
__extension__ typedef __int128 stamp_wide;
/* Since the scale's base; it fits 64 bits if the scale is valid. */
static inline stamp_wide stamp_passed_ns(const struct tick_scale *scale, uint64_t ticks) {
  return (stamp_wide)(int64_t)(ticks - scale->base) * scale->rate >> 32;
}
static inline int64_t stamp_read_ticks(const struct tick_scale *scale) {
  return scale->base_ns + (int64_t)stamp_passed_ns(scale, __builtin_ia32_rdtsc());
}
#else
static inline int64_t stamp_read_ticks(const struct tick_scale *scale) {
  return scale->base_ns; /* never called: the rate is 0 */
}
#endif

/* The current stamp, in a queue with metrics. */
static inline int64_t stamp_now_ns(workq *q) {
  if (likely(q->stamps == STAMPS_TICKS)) return stamp_read_ticks(&q->header.ticks);
  return q->stamps == STAMPS_CLOCK ? handle_now_ns(q) : q->stamp_ns;
}

/* In a queue without metrics, now and then: makes the handle ask whether its segment has been
 * removed, if the last time is a reap interval ago. */
__attribute__((noinline, cold)) void stamp_read_coarsely(workq *q);

/* Sets the stamp of the operation that begins; it stays 0 in a queue without metrics. */
static inline void stamp_take(workq *q) {
  if (q->stamps != STAMPS_NONE) q->stamp_ns = stamp_now_ns(q);
  else if (unlikely(q->removal.countdown-- == 0)) stamp_read_coarsely(q);
}

#endif
