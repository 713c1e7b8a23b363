/*
 * Scenes in which a victim is killed at every one of its steps, or at some of them, while others sleep; and how long these sleep
 * on when there is something for them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TWO_POINTS_H
#define TWO_POINTS_H

#include "two_operations.h"

/* What came of a point. */
typedef struct {
  unsigned steps;     /* that the victim made of those it was to make: all, where it was to make UINT_MAX */
  bool had_lock;      /* it died with the queue lock */
  bool wake_lost;     /* a sleeper slept on although there was something for it */
  int64_t longest_ns; /* the longest sleep after there was something for the sleeper */
} point_result;

typedef struct scene {
  const char *name;
  point_result (*play)(const struct scene *scene, unsigned steps);
  const victim_operation *operation;
  uint32_t flags; /* of the victim's handle */
  bool barging;   /* a third process takes what the victim was woken for */
} scene;

typedef struct {
  int64_t unit_ns; /* what the longest sleep is counted in */
  unsigned most;   /* more units than that are a failure */
  const char *unit;
} point_bound;

/*
 * Plays each scene at every step (full), or else at some of them, by chance.  A point that lasts longer than the bound is played
 * again before it counts: the machine may have been busy elsewhere.  Prints a line for each scene, and one for all.
 */
void points_play(workq *q, const scene *scenes, size_t count, point_bound bound, bool full, unsigned sample,
                 uint64_t *seed);

/* Lets the victim make its steps and says what it had at their end. */
point_result point_steps(const workq *q, pid_t victim, unsigned steps);
/* Waits until other number i has ended its call, for which there has been something since that moment. */
void point_await(point_result *result, unsigned i, int64_t since_ns);

#endif
