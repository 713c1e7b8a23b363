/*
 * What the processes of one `workq run` share, and which of them does what.
 *
 *   supervisor  run.c.  Starts workers, by a pool of the library that it drives itself, and replaces
 *               those that die.  It reads SIGINT, SIGTERM and SIGHUP from a signalfd; one that was
 *               ignored when it started stays ignored.  What it wants of the commands it writes into
 *               `stop`, and wakes the workers by SIGTERM.  It adopts what a dead worker leaves
 *               (PR_SET_CHILD_SUBREAPER): kills it, and waits until it has ended.
 *   worker      attend.c.  Has the key of its command in flight for as long as the command lives,
 *               and ends it: when its time is up, or when the supervisor says so.  It adopts what
 *               the command leaves, too, so that it knows when the last process of the command's
 *               group has ended.  It ignores SIGINT and SIGHUP; SIGTERM wakes it.
 *   command     exec.c.  Leads a session and a process group of its own: what is typed at the
 *               terminal, and a terminal that is closed, reaches the supervisor only, and a command
 *               that opens the terminal gets an error instead of being stopped.  The kernel kills it
 *               when its worker dies (PR_SET_PDEATHSIG), but not after it has become another user.
 *
 * Ctrl-Z (SIGTSTP) stops supervisor and workers where they wait outside the library: elsewhere it is
 * blocked, so that none of them stops with the queue's lock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_CLI_RUN_SHARED_H
#define WORKQ_UTILS_CLI_RUN_SHARED_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

/* What the supervisor wants of the commands. */
enum { STOP_NONE, STOP_FORWARD, STOP_KILL };

/*
 * A command that may be running.  First there is one for each worker, then one for each command
 * that may have outlived its worker.
 */
struct running {
  _Atomic pid_t group;       /* its process group; 0: none */
  _Atomic uint64_t key_hash; /* of its key; no other command is started for such a key */
  atomic_int attached;       /* the worker has got as far as its first key */
  _Atomic uint32_t key_len;  /* 0: the worker has no key; the key is in run_shared.keys */
};

struct run_shared {
  atomic_int stop;        /* STOP_... */
  atomic_int stop_signal; /* for STOP_FORWARD */
  _Atomic uint64_t done, given_up;

  /* Commands cannot be started, which is the machine's fault and not that of a key. */
  _Atomic int64_t failing_since_ns; /* 0: they can */
  atomic_int failing_error;         /* errno */
  atomic_int failing_reported;
  atomic_int failed; /* it has lasted too long */

  atomic_int many_failures_reported;
  unsigned workers; /* entries of `running` that belong to workers */
  unsigned entries; /* all of them */
  uint32_t key_max;
  char *keys; /* key_max bytes for each worker */
  struct running *running;
};

#endif
