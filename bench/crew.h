/*
 * Processes that do a benchmark's work together.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

#include "bench.h"

enum { BENCH_CREW_MAX = 64 };

typedef struct bench_crew bench_crew;

/* What each of them does; number: from 0. */
typedef void bench_work(bench_crew *crew, void *arg, unsigned number);

/* Starts so many processes.  They die with this one. */
bench_crew *bench_crew_start(unsigned count, bench_work *work, void *arg);

/* In such a process, when it is prepared: sleeps until all are.  Returns the time, ns. */
double bench_crew_ready(bench_crew *crew);

/* Waits until all have ended; ends the program if one of them failed. */
void bench_crew_join(bench_crew *crew);

/* The number'th one's process. */
int bench_crew_pid(const bench_crew *crew, unsigned number);

/* Kills all, and waits for that. */
void bench_crew_kill(bench_crew *crew);

#endif
