/*
 * The table of the subcommands, with the help for each.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "subcommands.h"

#include <stdio.h>
#include <string.h>

/* A screen of 80 columns and 24 lines has room for each of these, and for the list of all. */

#define HELP_SHARED "  --shared          use it though others own it or may write to it\n"

#define HELP_DURATION "DUR is a duration: 0, 250ms, 5s, 1m30s (units h, m, s, ms, us, ns).\n"

#define HELP_VERBOSE(did) "  -v, --verbose     say how many keys were " did " (as is done on a terminal)\n"

static const struct subcommand commands[] = {
    {"create", cmd_create, "NAME [OPTION...]", "make a queue",
     "  --capacity N      most keys at one time (1048576); takes memory as keys come\n"
     "  --key-max N       longest key, in bytes (256)\n"
     "  --handles N       most workers and other users at one time (128)\n"
     "  --mode OCTAL      permissions of the queue: 0600, 0660, 0606 or 0666 (0600)\n"
     "  --limiter SPEC    how long a failed key waits: default, controller, none, or a\n"
     "                    list, of which the longest delay counts (exp:5ms:1s:2):\n"
     "                    exp:INITIAL:MAX[:FACTOR], fastslow:FAST:SLOW:ATTEMPTS,\n"
     "                    bucket:RATE/s:BURST, maxwait:DUR, jitter:FRACTION\n"
     "  --max-retries N   retries of a key before it is given up; 0: no limit (0)\n"
     "  --give-up WHAT    bury or drop a key that is given up (bury)\n"
     "  --max-crashes N   bury a key at this crash in a row; 0: no limit (5)\n"
     "  --reap-interval DUR\n"
     "                    how often the living look for the dead, 1ms to 1m (100ms)\n"
     "  --no-metrics      measure no times: a little faster, no latencies to be seen\n"
     "  --if-missing      no error if the queue exists with the options given\n" HELP_DURATION},
    {"add", cmd_add, "NAME [OPTION...] [KEY...]", "add keys; without a KEY from standard input, one a line",
     "  -0, --null        keys on standard input end with NUL, not with newline\n"
     "  --priority N      -128 to 127, higher ones first (0)\n"
     "  --after DUR       not before this time from now\n"
     "  --rate-limited    count a failure of the key, and wait as the limiter says\n"
     "  --wait DUR        where the queue is full, wait for space so long for each\n"
     "                    key; or: forever\n" HELP_VERBOSE("added") HELP_SHARED HELP_DURATION},
    {"run", cmd_run, "NAME [OPTION...] -- CMD [ARG...]", "run a command for each key, in several workers",
     "The key takes the place of {} in the ARGs, or else is the last argument.\n"
     "Exit status 0: done; 100: the key is given up; any other: it is retried later.\n"
     "The command finds WORKQ_NAME, WORKQ_KEY, WORKQ_FAILURES (before this run) and\n"
     "WORKQ_WORKER in its environment.\n"
     "SIGINT or SIGTERM: commands in hand are finished; at a second one they are\n"
     "killed, and their keys go back.\n"
     "  -j N, --jobs N    number of workers (1)\n"
     "  --until-empty     end when no key is ready, delayed or being processed\n"
     "  --timeout DUR     end a command that takes longer; that is a failure\n"
     "  -q, --quiet       say nothing about failures, and show no progress\n" HELP_SHARED HELP_DURATION},
    {"watch", cmd_watch, "NAME DIR [OPTION...]", "add a key for each file that changes under a directory",
     "A key is the file's path under DIR.  Files that are there are added, and then\n"
     "each that comes, changes or goes; one that is being written once it is closed.\n"
     "  --settle DUR      add a file when it has not changed for DUR (0)\n"
     "  --include GLOB    only files that match this, or another --include\n"
     "  --exclude GLOB    not files that match this, included or not\n"
     "                    a GLOB is compared with the name of the file and of each\n"
     "                    directory above it; one that has a / with their paths\n"
     "  --priority N      -128 to 127, higher ones first (0)\n"
     "  --resync DUR      list all so often, to find changes that were missed (5s)\n"
     "  --resync-all      ... and add what has not changed, too\n" HELP_SHARED HELP_DURATION},
    {"ls", cmd_ls, "", "list the queues of this machine",
     "Columns: name, keys ready, processing, delayed, buried, handles in use, bytes\n"
     "of memory, state.  In a pipe tabs separate them, and there is no heading.\n"},
    {"dump", cmd_dump, "NAME [--json] [--raw]", "show the queue, its workers and its keys",
     "  --json            one JSON object a line, of type queue, worker or item\n"
     "  --raw             without the lock: for a damaged or stuck queue; may be torn\n" HELP_SHARED},
    {"stats", cmd_stats, "[NAME] [--json | --prometheus]", "show the queue's figures",
     "  --json            as one JSON object\n"
     "  --prometheus      as metrics for Prometheus; without a NAME of all queues\n" HELP_SHARED},
    {"serve", cmd_serve, "[OPTION...]", "show the queues in a browser, and their metrics to Prometheus",
     "  --listen ADDR:PORT  where (127.0.0.1:9180); port 0: any that is free.  Or\n"
     "                    unix:PATH.  systemd's socket is taken without this\n"
     "  --socket-mode MODE  permissions of the socket at PATH (0600)\n"
     "  --prefix PATH     all paths begin with it, for a proxy: /workq\n"
     "  --allow-actions   enable actions (kick, remove, pause, shutdown and so on);\n"
     "                    they require the token\n"
     "  --token-file FILE the token, 16 characters or more; else that in WORKQ_TOKEN\n"
     "  --read-token-file FILE  to read requires this token, or that for actions\n"
     "  --allow-host NAME it may be called by this name, too\n"
     "  --stuck-after DUR mark a queue without progress, or a run, after that (1m)\n"
     "  --shared          show queues of others, and those that others may write to\n"
     "It has /metrics, /healthz and /api/queues, and a page for people at /.\n"
     "Without --read-token-file anyone who can connect can read the keys.\n" HELP_DURATION},
    {"top", cmd_top, "[NAME] [--interval DUR]", "watch the queues, or one of them, on the whole screen",
     "Shows depth by priority, rates, times, workers, items; ? says what its keys do.\n"
     "  --interval DUR    how often it looks (1s)\n" HELP_SHARED HELP_DURATION},
    {"check", cmd_check, "NAME", "verify that the queue is sound, and say what is not", HELP_SHARED},
    {"shutdown", cmd_shutdown, "NAME [--drain [DUR]]", "refuse further keys; workers end when the others are done",
     "  --drain [DUR]     wait until nothing is ready or in hand, at most DUR\n" HELP_SHARED HELP_DURATION},
    {"resume", cmd_resume, "NAME", "open the queue again after shutdown", HELP_SHARED},
    {"pause", cmd_pause, "NAME", "let workers wait; keys can still be added", HELP_SHARED},
    {"unpause", cmd_unpause, "NAME", "end a pause", HELP_SHARED},
    {"remove", cmd_remove, "NAME KEY...", "cancel keys",
     "A key that is being processed: its run goes on, and it does not run again.\n" HELP_VERBOSE("removed")
         HELP_SHARED},
    {"kick", cmd_kick, "NAME {KEY... | --all}", "make buried keys ready again",
     "  --all             all that are buried\n" HELP_VERBOSE("kicked") HELP_SHARED},
    {"save", cmd_save, "NAME FILE", "write the whole queue to a file",
     "FILE gets JSON lines, at one moment, and appears when it is whole; - is\n"
     "standard output.  A damaged queue is saved as far as it can be read, and what\n"
     "was skipped is reported.\n"
     "  --no-replace      a FILE that exists stays as it is, and is an error\n"
     "  --raw             without the lock: for a stuck queue; may be torn\n" HELP_VERBOSE("saved") HELP_SHARED},
    {"load", cmd_load, "NAME FILE", "bring back what save has written",
     "FILE is checked before anything is changed; - is standard input.  The queue is\n"
     "made as it was; if it exists keys are added to it, and none twice.\n"
     "  --once            take the file away, so that it is not loaded again; no error\n"
     "                    if there is none\n" HELP_VERBOSE("loaded") HELP_SHARED},
    {"rm", cmd_rm, "NAME... [--force]", "remove queues",
     "A queue with keys (ready, in flight, delayed or buried) or users is not removed\n"
     "without --force, and the line says what it has.  Its users get an error then.\n"
     "  -f, --force       remove it whatever is in it, and what is damaged or cannot\n"
     "                    be used here\n"},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

const struct subcommand *subcommands_find(const char *name) {
  for (size_t i = 0; i < COMMAND_COUNT; i++)
    if (strcmp(commands[i].name, name) == 0) return &commands[i];
  return NULL;
}

void subcommands_print_all(void) {
  puts("usage: workq COMMAND NAME [OPTION...] [ARGUMENT...]");
  for (size_t i = 0; i < COMMAND_COUNT; i++) printf("  %-9s %s\n", commands[i].name, commands[i].summary);
  puts("workq help COMMAND says more about one, man workq all; workq --version.\n"
       "Exit status: 0 success, 1 error (one line says which), 2 usage error.");
}

void subcommands_print(const struct subcommand *command) {
  printf("usage: workq %s%s%s\n%c%s.\n%s", command->name, *command->arguments == '\0' ? "" : " ", command->arguments,
         command->summary[0] - 'a' + 'A', command->summary + 1, command->help);
}
