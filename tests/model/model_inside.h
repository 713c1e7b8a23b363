/*
 * What the reference model's own files share.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_INSIDE_H
#define MODEL_INSIDE_H

#include "model.h"

/* -EINVAL or -EMSGSIZE for a key's length, else 0. */
int model_check_key(const model *m, size_t len);
/* The key is unknown from now on. */
void model_free(model *m, model_key *k);
/* Its pending run is now; it takes the last place in order. */
void model_become_ready(model *m, model_key *k);
/* Time in delay_ns from now. */
int64_t model_later(const model *m, int64_t delay_ns);
/* A run in delay_ns joins what is pending; returns 1 if the key is newly marked or its run comes earlier. */
int model_schedule(model *m, model_key *k, int64_t delay_ns, int priority);
/* True if a is handed out before b. */
bool model_before(const model *m, const model_key *a, const model_key *b);
/* The next to be handed out, or null. */
model_key *model_head(const model *m);

#endif
