/*
 * name.h: the names of queues.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_NAME_H
#define WORKQ_NAME_H

/* May a queue have this name?  0, -EINVAL or -ENAMETOOLONG. */
int name_check(const char *name);

#endif
