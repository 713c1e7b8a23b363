/*
 * What add, get and done of one key cost in one process, as a multiple of the uncontended robust-mutex pair, and what it
 * costs that times are measured, as a multiple of the same without.
 *
 * All are timed in turn, in short batches, and the medians compared: so a machine that drifts, or is busy with
 * something else, moves all.  No test: it passes and fails on no time.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "workq.h"

enum { BATCHES = 3000, ROUNDS = 200, KEYS = 1024, KEY_SIZE = 32 };

struct keys {
  char text[KEYS][KEY_SIZE];
  size_t len[KEYS];
};

static double now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values) {
  qsort(values, BATCHES, sizeof *values, compare);
  return values[BATCHES / 2];
}

static double time_pairs(pthread_mutex_t *mutex) {
  double start_ns = now_ns();
  for (int i = 0; i < ROUNDS; i++) {
    pthread_mutex_lock(mutex);
    pthread_mutex_unlock(mutex);
  }
  return (now_ns() - start_ns) / ROUNDS;
}

static double time_cycles(workq *q, const struct keys *keys, int batch) {
  workq_item item;
  double start_ns = now_ns();
  for (int i = 0; i < ROUNDS; i++) {
    int key = (batch * ROUNDS + i) % KEYS;
    if (workq_add(q, keys->text[key], keys->len[key]) != 1 || workq_get(q, &item, 0) != 0 || workq_done(q, &item) != 0)
      abort();
  }
  return (now_ns() - start_ns) / ROUNDS;
}

static void make_mutex(pthread_mutex_t *mutex) {
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(mutex, &attr);
  pthread_mutexattr_destroy(&attr);
}

static int make_queue(const char *kind, uint32_t no_metrics, workq **q) {
  char name[64];
  workq_options options = {.key_max = 64, .no_metrics = no_metrics};
  snprintf(name, sizeof name, "bench-cycle-%d-%s", (int)getpid(), kind);
  int rc = workq_create(name, &options, q);
  if (rc < 0) fprintf(stderr, "cycle: %s\n", workq_strerror(rc));
  else workq_unlink(name);
  return rc;
}

int main(void) {
  static struct keys keys;
  static double pairs[BATCHES], plain[BATCHES], measured[BATCHES], in_pairs[BATCHES], dearer[BATCHES];
  pthread_mutex_t mutex;
  workq *off, *on;
  if (make_queue("off", 1, &off) < 0 || make_queue("on", 0, &on) < 0) return 1;
  make_mutex(&mutex);
  for (int i = 0; i < KEYS; i++) keys.len[i] = (size_t)snprintf(keys.text[i], KEY_SIZE, "default/configmap-%d", i);
  for (int batch = 0; batch < BATCHES; batch++) {
    pairs[batch] = time_pairs(&mutex);
    plain[batch] = time_cycles(off, &keys, batch);
    measured[batch] = time_cycles(on, &keys, batch);
    in_pairs[batch] = plain[batch] / pairs[batch];
    dearer[batch] = measured[batch] / plain[batch];
  }
  printf("pair             %.1f ns\n", median(pairs));
  printf("cycle/0          %.1f ns, %.2f pairs\n", median(plain), median(in_pairs));
  printf("cycle/0 measured %.1f ns, %.2f times the one without\n", median(measured), median(dearer));
  return workq_close(off) < 0 || workq_close(on) < 0;
}
