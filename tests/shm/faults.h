/*
 * A queue that has everything, and each way to damage it so that workq_check() must find it, with the words for it.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FAULTS_H
#define FAULTS_H

#include "support/inner.h"

enum { FAULTS_CAPACITY = 1000, FAULTS_SLOTS = 6, FAULTS_LINE = 256 };

/* The handle through which the queue is seen, and one that only reads. */
extern workq *faults_q, *faults_raw;
/* The queue before any damage. */
extern struct picture *faults_sound;

/* Opens and fills the queue; faults_end() repairs it. */
void faults_start(void);
void faults_end(void);
/* One more key, ready. */
void faults_add(uint32_t number);

/* What a damage must make the checker say, and which of them: one that takes the lock, one that only reads. */
struct faults_words {
  char line[FAULTS_LINE];
  bool locking, raw;
};

/* How many ways there are; does one of them. */
int faults_count(void);
const struct faults_words *faults_do(int which);

#endif
