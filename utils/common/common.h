/*
 * What the subcommands of `workq` share: opening a queue, lines for people, errors, options.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_COMMON_COMMON_H
#define WORKQ_UTILS_COMMON_COMMON_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <workq.h>

/* Exit statuses of every subcommand. */
enum { STATUS_OK = 0, STATUS_ERROR = 1, STATUS_USAGE = 2 };

/* No exit status: somebody else is to say it, or to do otherwise. */
enum { STATUS_DECLINED = -1 };

/* Where the C library keeps named shared memory, and what a queue's object is called there. */
#define SHM_DIRECTORY "/dev/shm"
#define SHM_PREFIX    "workq."

/* How long the command waits for a queue's lock before it names the process that holds it. */
#define LOCK_TIMEOUT_NS INT64_C(5000000000)

/* ---- Lines for people ---------------------------------------------------------------------------------------- */

/* Writes "workq: ...\n" to standard error at once, with bytes that are not printable ASCII shown as \xNN. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether there may be a line without an end on the terminal (a progress line), which say() has to clear. */
void say_over_line(bool is_there);

/* say(), and STATUS_ERROR for the caller to return. */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* say() where somebody asked (verbose) or somebody looks (standard error is a terminal). */
void note(bool verbose, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The bytes as text with backslash escapes, as workq_dump() shows keys; never null; to be freed. */
char *escape(const void *bytes, size_t len);

/* ---- Queues -------------------------------------------------------------------------------------------------- */

/* An option that every subcommand which opens a queue has: --shared. */
#define OPTION_SHARED 0x100
/* clang-format off */
#define LONG_OPTION_SHARED {"shared", no_argument, NULL, OPTION_SHARED}
#define LONG_OPTION_END    {NULL, 0, NULL, 0}
/* clang-format on */

/*
 * Opens the queue for a subcommand; flags as in workq_options, shared as --shared: trust a queue that belongs to, or
 * may be written by, other users.  Returns STATUS_OK, or STATUS_ERROR with the reason said.
 */
int open_queue(const char *name, uint32_t flags, bool shared, workq **out);

/* open_queue(), but where the library says `declined`, this returns STATUS_DECLINED and says nothing. */
int open_queue_unless(const char *name, uint32_t flags, bool shared, int declined, workq **out);

/* Says what a negative result of the library means for this queue and what to do.  q may be null.  STATUS_ERROR. */
int queue_failed(const char *name, const workq *q, int error);

/* ---- Options ------------------------------------------------------------------------------------------------- */

/*
 * getopt_long() that names what is wrong in one line: returns '?' then, and the caller returns STATUS_USAGE.  A
 * subcommand's argv[0] is its own name.  short_options must begin with ':' ("+:" is not supported).
 */
int next_option(int argc, char **argv, const char *short_options, const struct option *long_options);

/* Says what is wrong with the arguments, and where help is.  Returns STATUS_USAGE. */
int usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * The arguments that are no options: at least min, at most max of them, the first of which is the queue's name.
 * Returns STATUS_OK, or STATUS_USAGE with the fault said.  They start at argv[optind].
 */
int expect_arguments(int argc, char **argv, int min, int max);

/*
 * For a subcommand whose only argument is a queue, and whose only option is --shared: opens that queue.  Returns STATUS_OK, or
 * the status to end with.
 */
int open_argument(int argc, char **argv, const char **name, workq **out);

/* ---- Subcommands --------------------------------------------------------------------------------------------- */

/* Each gets its own name as argv[0] and returns an exit status. */
int cmd_add(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_create(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_kick(int argc, char **argv);
int cmd_load(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_pause(int argc, char **argv);
int cmd_remove(int argc, char **argv);
int cmd_resume(int argc, char **argv);
int cmd_rm(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_save(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_shutdown(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_unpause(int argc, char **argv);
int cmd_watch(int argc, char **argv);

#endif
