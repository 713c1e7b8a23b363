/*
 * Reading a queue whose file others may cut off: the memory behind it is gone then, and reading it
 * is SIGBUS.  For programs with one thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_SIGBUS_H
#define WORKQ_UTILS_COMMON_SIGBUS_H

#include <workq.h>

/*
 * Once, before the first sigbus_guard().  A SIGBUS anywhere else is a fault of the program: fault
 * is called, or where it is null the signal ends the process as if it were not handled.
 */
void sigbus_prepare(void (*fault)(int number));

/*
 * Returns what read() returned; -EUCLEAN where memory that it read is gone.  Then read() has not
 * come to its end: it must own nothing that arg does not know, and q must be a WORKQ_RAW handle,
 * since another could leave the queue locked.
 */
int sigbus_guard(workq *q, int (*read)(workq *q, void *arg), void *arg);

#endif
