/*
 * Signals as something to wait for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_SIGNALS_H
#define WORKQ_UTILS_COMMON_SIGNALS_H

/*
 * SIGINT and SIGTERM no longer end the process: they make the descriptor that this returns
 * readable.  -1 with errno.
 */
int signals_open_end(void);

#endif
