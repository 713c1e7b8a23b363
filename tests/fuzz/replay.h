/*
 * What each fuzz target tells replay.c of itself.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef REPLAY_H
#define REPLAY_H

/* The name of its directory of inputs. */
extern const char replay_name[];
/* How often each input is to be run, and the number of this time, from 0. */
extern const unsigned replay_shifts;
extern unsigned replay_shift;

#endif
