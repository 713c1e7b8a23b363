/*
 * Reading what a queue has measured; for the Check programs with a fixture.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MEASURED_H
#define MEASURED_H

#include "fixture.h"

/* What look() has read last. */
extern workq_measures seen;

/* Reads the measures of the test's queue. */
const workq_stats_data *look(void);
/* Takes the next key, whichever it is. */
workq_item next(void);

#endif
