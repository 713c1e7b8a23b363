/*
 * The table of the subcommands, with the help for each.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "commands.h"

#include <stdio.h>
#include <string.h>

#include "common.h"

#define HELP_SHARED "  --shared            use it although it belongs to another user, or others may write to it\n"

#define HELP_DURATION "DUR is a duration: 0, 250ms, 5s, 1m30s (units h, m, s, ms, us, ns).\n"

static const struct subcommand commands[] = {
    {"create", cmd_create, "NAME [OPTION...]", "make a queue",
     "  --capacity N        most keys at one time (1048576); memory is taken as keys come\n"
     "  --key-max N         longest key, in bytes (256)\n"
     "  --handles N         most workers and other users at one time (128)\n"
     "  --mode OCTAL        permissions of the segment, whatever the umask (0600)\n"
     "  --limiter SPEC      how long a failed key waits: default, controller, none, or a list of\n"
     "                      exp:INITIAL:MAX[:FACTOR], fastslow:FAST:SLOW:ATTEMPTS, bucket:RATE/s:BURST,\n"
     "                      maxwait:DUR, jitter:FRACTION; the longest of its delays counts (exp:5ms:1s:2)\n"
     "  --max-retries N     retries of a key before it is given up; 0: no limit (0)\n"
     "  --give-up WHAT      bury or drop a key that is given up (bury)\n"
     "  --max-crashes N     crashes in a row that a key survives before it is buried; 0: no limit (5)\n"
     "  --reap-interval DUR how often the living look for the dead (100ms)\n"
     "  --no-metrics        do not measure how long keys wait and are worked on\n"
     "  --if-missing        it is no error if the queue exists; its own options stay\n" HELP_DURATION},
    {"add", cmd_add, "NAME [OPTION...] [KEY...]", "add keys; without a KEY those on standard input, one a line",
     "  -0, --null          keys on standard input are separated by NUL, not by newline\n"
     "  --priority N        -128 to 127, higher ones first (0)\n"
     "  --after DUR         not before this time from now\n"
     "  --rate-limited      count a failure of the key, and wait for the limiter's delay\n"
     "  --wait DUR          where the queue is full, wait for room so long for each key; or: forever\n"
     "  -v, --verbose       say how many keys were added (as is done on a terminal)\n" HELP_SHARED HELP_DURATION},
    {"run", cmd_run, "NAME [OPTION...] -- CMD [ARG...]", "run a command for each key, in several workers",
     "The key takes the place of {} in the ARGs; where there is none, it is the last argument.\n"
     "The command's exit status 0: done; 100: the key is given up; any other: it is retried later.\n"
     "It finds WORKQ_NAME, WORKQ_KEY, WORKQ_FAILURES and WORKQ_WORKER in its environment.\n"
     "SIGINT or SIGTERM: the commands in hand are finished; a second one kills them, and their keys go back.\n"
     "  -j N, --jobs N      number of workers (1)\n"
     "  --until-empty       end when no key is ready, delayed or being processed\n"
     "  --timeout DUR       end a command that takes longer; that is a failure\n"
     "  -q, --quiet         say nothing about failures, and show no progress\n" HELP_SHARED HELP_DURATION},
    {"watch", cmd_watch, "NAME DIR [--resync DUR]", "add a key for each file that changes under a directory",
     "A key is the file's path under DIR.  Files are added when they come, change or go, and all of them again\n"
     "every DUR (5s), so that a missed change is seen at last.\n"
     "  --resync DUR        how often all are added again\n" HELP_SHARED HELP_DURATION},
    {"ls", cmd_ls, "", "list the queues of this machine",
     "Columns: name, keys ready, processing, delayed, buried, handles in use, bytes of memory, state.\n"
     "In a pipe they are separated by tabs, without a heading.\n"},
    {"dump", cmd_dump, "NAME [--json] [--raw]", "show the queue, its workers and its keys",
     "  --json              one JSON object a line, with \"type\" queue, worker or item\n"
     "  --raw               without the queue's lock: for a damaged or stuck queue; may be torn\n" HELP_SHARED},
    {"stats", cmd_stats, "NAME [--json | --prometheus]", "show the queue's figures",
     "  --json              as one JSON object\n"
     "  --prometheus        as metrics in the text format of Prometheus; without a NAME those of all "
     "queues\n" HELP_SHARED},
    {"check", cmd_check, "NAME", "verify that the queue is sound, and say what is not", HELP_SHARED},
    {"shutdown", cmd_shutdown, "NAME [--drain [DUR]]", "refuse further keys; workers end when the others are done",
     "  --drain [DUR]       wait until nothing is ready or being processed, at most DUR\n" HELP_SHARED HELP_DURATION},
    {"resume", cmd_resume, "NAME", "open the queue again after shutdown", HELP_SHARED},
    {"pause", cmd_pause, "NAME", "let workers wait; keys can still be added", HELP_SHARED},
    {"unpause", cmd_unpause, "NAME", "end a pause", HELP_SHARED},
    {"remove", cmd_remove, "NAME KEY...", "cancel keys",
     "A key that is being processed is finished, and does not run again.\n"
     "  -v, --verbose       say how many keys were removed (as is done on a terminal)\n" HELP_SHARED},
    {"kick", cmd_kick, "NAME [KEY...]", "make buried keys ready again; without a KEY all of them",
     "  -v, --verbose       say how many keys were kicked (as is done on a terminal)\n" HELP_SHARED},
    {"save", cmd_save, "NAME FILE", "write the whole queue to a file",
     "FILE gets JSON lines, at one moment, and appears when it is whole; - is standard output.\n"
     "A damaged queue is saved as far as it can be read, and what is left out is said.\n"
     "  --raw               without the queue's lock: for a stuck queue; may be torn\n"
     "  -v, --verbose       say how many keys were saved (as is done on a terminal)\n" HELP_SHARED},
    {"load", cmd_load, "NAME FILE", "bring back what save has written",
     "FILE is read and checked before anything is changed; - is standard input.\n"
     "The queue is made as it was, unless it exists; then keys are added to it, and none twice.\n"
     "  -v, --verbose       say how many keys were loaded (as is done on a terminal)\n" HELP_SHARED},
    {"rm", cmd_rm, "NAME", "remove the queue",
     "Those who use it can go on; its memory is given back when the last one ends.\n"},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

const struct subcommand *commands_find(const char *name) {
  for (size_t i = 0; i < COMMAND_COUNT; i++)
    if (strcmp(commands[i].name, name) == 0) return &commands[i];
  return NULL;
}

void commands_print_all(void) {
  puts("usage: workq COMMAND NAME [OPTION...] [ARGUMENT...]\n"
       "A work queue of keys in shared memory.\n");
  for (size_t i = 0; i < COMMAND_COUNT; i++) printf("  %-9s %s\n", commands[i].name, commands[i].summary);
  puts("\nworkq help COMMAND says more about one; workq --version which this is; man workq all.\n"
       "Exit status: 0 well, 1 an error (one line says which), 2 wrong usage.");
}

void commands_print(const struct subcommand *command) {
  printf("usage: workq %s%s%s\n%c%s.\n%s", command->name, *command->arguments == '\0' ? "" : " ", command->arguments,
         command->summary[0] - 'a' + 'A', command->summary + 1, command->help);
}
