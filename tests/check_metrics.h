/*
 * What the tests of measuring share.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHECK_METRICS_H
#define CHECK_METRICS_H

#include "fixture.h"

/* What look() has seen last. */
extern workq_measures seen;

/* Looks at the queue. */
const workq_stats_data *look(void);
/* Takes the next key, whichever it is. */
workq_item next(void);

Suite *metrics_text_suite(void);

#endif
