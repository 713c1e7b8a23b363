/*
 * The comparison of the model test, which leaves one look out most of the time; see inside.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "inside.h"

#define workq_iterate inside_iterate

#include "model/compare.c"

#undef workq_iterate

bool inside_iterates;

int inside_iterate(workq *q, int (*visit)(void *arg, const workq_info *info), void *arg) {
  walk *w = arg;
  if (inside_iterates) return workq_iterate(q, visit, arg);
  w->seen = w->t->model.key_count;
  return 0;
}
