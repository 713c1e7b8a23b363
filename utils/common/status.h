/*
 * Exit statuses of the subcommands, which most functions return as well.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_STATUS_H
#define WORKQ_UTILS_COMMON_STATUS_H

enum { STATUS_OK = 0, STATUS_ERROR = 1, STATUS_USAGE = 2, STATUS_GIVEN_UP = 3 };

/* No exit status: somebody else is to say it, or to do otherwise. */
enum { STATUS_DECLINED = -1 };

#endif
