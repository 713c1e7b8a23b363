/*
 * The names that only a saved queue has, besides those of `dump --json`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_CLI_SAVEFILE_H
#define WORKQ_UTILS_CLI_SAVEFILE_H

#define SAVED_FORMAT 1 /* raised when older programs could not read it any more */

#define SAVED_FORMAT_NAME      "format"
#define SAVED_AT_NAME          "saved_at_ns" /* of the wall clock, since 1970 */
#define SAVED_INCARNATION_NAME "incarnation" /* of the queue, 16 hexadecimal digits */
#define SAVED_KEYS_NAME        "keys"

#endif
