/*
 * Handles of one process on one segment without a name: made once, attached and detached in each run.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef HANDLES_H
#define HANDLES_H

#include "shm/handle.h"

enum { HANDLES_MAX = 8 };

extern workq *handles[HANDLES_MAX];
extern bool handles_attached[HANDLES_MAX];

/* Makes n of them, which share one mapping; none is attached. */
void handles_make(const workq_options *options, int n);

int handles_attach(int h);
/* As workq_close(), but that the handle stays for the next time. */
int handles_detach(int h);
int handles_number(const workq *q);

/* Gives up the slot if it has one, whatever the segment says of it. */
void handles_let_go(int h);
/* The same, but so that its thread seems to have died. */
void handles_let_die(int h);

#endif
