/*
 * Signals as something to wait for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_SIGNALS_H
#define WORKQ_UTILS_COMMON_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/*
 * SIGINT and SIGTERM no longer end the process: they make the descriptor that this returns
 * readable.  -1 with errno.
 */
int signals_open_end(void);

/*
 * The same for those of SIGINT, SIGTERM and SIGHUP that are not ignored, and for SIGCHLD.  One that
 * was ignored when the process was started stays so: that of a background job, or of nohup(1).
 */
int signals_open_stop(void);

/*
 * Blocks SIGTSTP (Ctrl-Z): the process is not stopped with a lock that others wait for.  A wait with
 * the mask of signals_while_waiting(), which is the present one but for SIGTSTP, lets it through.
 */
void signals_hold_terminal_stop(void);
void signals_while_waiting(sigset_t *mask);

/* Ends the process by this signal, as if it had not been caught; by its exit status where that cannot be. */
_Noreturn void signals_die_of(int signal);

#endif
