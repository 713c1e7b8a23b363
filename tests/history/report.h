/*
 * Telling people of a history that cannot be explained.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef REPORT_H
#define REPORT_H

#include "search.h"

/*
 * Prints the shortest beginning of the history (only: of one key's part of it) that cannot be explained, what could be
 * explained of it, and the state in which that left the queue.
 */
void report_impossible(FILE *out, const history *h, int only);

#endif
