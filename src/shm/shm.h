/*
 * shm.h: the operations of the shared-memory engine, as engine.h has them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_SHM_H
#define WORKQ_SHM_SHM_H

#include "engine.h"

int shmq_create(const char *name, const workq_options *options, workq **out);
int shmq_open(const char *name, const workq_options *options, workq **out);
int shmq_unlink(const char *name);
int shmq_list(int (*visit)(void *arg, const char *name), void *arg);
int shmq_describe_mismatch(const char *name, char *buffer, size_t size);
int shmq_close(workq *q);
int shmq_snapshot(workq *q, workq **out);
int shmq_add(workq *q, const void *key, size_t len, const struct engine_add *how);
int shmq_add_batch(workq *q, const workq_key *keys, size_t n, const struct engine_add *how, size_t *marked);
int shmq_restore(workq *q, const workq_info *info);
int shmq_get(workq *q, workq_item *item, int64_t timeout_ns);
int shmq_get_batch(workq *q, workq_item *items, size_t n, int64_t timeout_ns);
int shmq_next(workq *q, workq_item *item, int64_t timeout_ns);
int shmq_done(workq *q, const workq_item *item);
int shmq_complete(workq *q, const workq_item *item);
int shmq_retry(workq *q, const workq_item *item);
int shmq_give_up(workq *q, const workq_item *item);
int shmq_release(workq *q, const workq_item *item);
int shmq_done_batch(workq *q, const workq_item *items, size_t n);
int shmq_done_key(workq *q, const void *key, size_t len);
int shmq_forget(workq *q, const void *key, size_t len);
int shmq_remove(workq *q, const void *key, size_t len);
int shmq_num_requeues(workq *q, const void *key, size_t len);
int shmq_kick(workq *q, const void *key, size_t len);
int shmq_kick_all(workq *q);
int shmq_state(workq *q, const void *key, size_t len, workq_info *info);
int shmq_shutdown(workq *q);
int shmq_resume(workq *q);
int shmq_shutdown_drain(workq *q, int64_t timeout_ns);
int shmq_shutting_down(workq *q);
int shmq_pause(workq *q);
int shmq_unpause(workq *q);
int shmq_reap(workq *q);
int shmq_expect_exit(workq *q, int pid);
int shmq_lock_owner(const workq *q);
int shmq_len(workq *q);
int shmq_peek(workq *q, workq_info *info);
int shmq_iterate(workq *q, int (*visit)(void *arg, const workq_info *info), void *arg);
int shmq_iterate_order(workq *q, int (*visit)(void *arg, const workq_info *info), void *arg);
int shmq_iterate_state(workq *q, int state, int (*visit)(void *arg, const workq_info *info), void *arg);
int shmq_iterate_workers(workq *q, int (*visit)(void *arg, const workq_worker *worker), void *arg);
int shmq_stats(workq *q, workq_stats_data *stats);
int shmq_measure(workq *q, workq_measures *measures);
int shmq_get_limiter(workq *q, workq_limiter *limiter);
int shmq_check(workq *q, void (*problem)(void *arg, const char *line), void *arg);

#endif
