/*
 * Words for writing scenarios down: one key each.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef KEYS_H
#define KEYS_H

#include "scene.h"

enum { KEYS_DEEP = 30 }; /* delayed keys that make a heap of three levels */

void keys_add(workq *q, const char *key);
void keys_add_at(workq *q, const char *key, int priority);
void keys_delay(workq *q, const char *key, int64_t delay_ns);
/* Keys "k0" ... of priority 0. */
void keys_add_many(workq *q, unsigned count);
/* Keys "d0" ... "d29", due in 1000, 2000, ... ns, not in this order. */
void keys_delay_many(workq *q);
/* Key "iN" for N below count: done, with a failure counted. */
void keys_idle(workq *q, unsigned count);
/* Adds the key and buries it. */
void keys_bury(workq *q, const char *key);
/* Gets so many keys into scene_hand. */
void keys_take(workq *q, unsigned count);
/* So many keys in one line of the table; with the names that keys_crowd_name() gives. */
void keys_crowd(workq *q, unsigned count);
const char *keys_crowd_name(const workq *q, unsigned number);

/* Results as the operation's. */
int keys_try_add(workq *q, const char *key);
int keys_try_delay(workq *q, const char *key, int64_t delay_ns);
int keys_try_add_at(workq *q, const char *key, int priority, int64_t after_ns);
size_t keys_length(const char *key);

#endif
