/*
 * What victims do.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TWO_OPERATIONS_H
#define TWO_OPERATIONS_H

#include "two_others.h"

/* The key of the victim; others' keys come after it. */
enum { VICTIMS_KEY = 0 };

extern const victim_operation operation_add, operation_delay, operation_len, operation_get, operation_done,
    operation_retry, operation_reap, operation_wait;

#endif
