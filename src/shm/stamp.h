/*
 * stamp.h: time stamps, of which the times are made that keys wait and are worked on.
 *
 * Stamps are ns on a scale of their own, which all processes of a segment share: where the segment's maker found the
 * processor's time-stamp counter to be good, that counter, by a rate which stands in the header; else the handle's clock.
 * A stamp is read before the lock is taken, once a call, and costs nothing where nothing is measured.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_STAMP_H
#define WORKQ_SHM_STAMP_H

#include "handle.h"

/* For the header of a new segment: the counter's rate and a moment on both scales; all 0 where it cannot be used. */
void stamp_describe(struct header *header);

/* Once the segment is mapped: chooses where the stamps of this handle come from. */
void stamp_start(workq *q);

#ifdef __x86_64__
__extension__ typedef __int128 stamp_wide;
/* Since the scale's moment; it fits 64 bits where the scale is good. */
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

/* Now, for stamps: where anything is measured. */
static inline int64_t stamp_now_ns(workq *q) {
  if (likely(q->stamps == STAMPS_TICKS)) return stamp_read_ticks(&q->header.ticks);
  return q->stamps == STAMPS_CLOCK ? handle_now_ns(q) : q->stamp_ns;
}

/* Sets the time of what this handle does next; it stays 0 where nothing is measured. */
static inline void stamp_take(workq *q) {
  if (q->stamps != STAMPS_NONE) q->stamp_ns = stamp_now_ns(q);
}

#endif
