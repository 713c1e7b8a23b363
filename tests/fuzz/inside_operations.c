/*
 * The operations of the model test, with other ways to open, close and note; see inside.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "inside.h"

#define workq_open       inside_open
#define workq_close      inside_close
#define model_add_batch  inside_add_batch
#define model_get_batch  inside_get_batch
#define model_done_batch inside_done_batch
#define model_kick       inside_kick
#define model_close      inside_close_model

#include "model/operations.c"

/* Deaths come otherwise here. */
void trial_crash_process(trial *t) {
  (void)t;
}

void trial_crash_thread(trial *t) {
  (void)t;
}
