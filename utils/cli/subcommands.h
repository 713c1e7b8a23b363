/*
 * The table of the subcommands, with the help for each.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_CLI_SUBCOMMANDS_H
#define WORKQ_UTILS_CLI_SUBCOMMANDS_H

struct subcommand {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *arguments; /* its usage line, without `workq NAME` */
  const char *summary;   /* one line */
  const char *help;      /* what `workq help NAME` says of it, besides */
};

/* Null where there is none of this name. */
const struct subcommand *subcommands_find(const char *name);

/* Print to standard output: all of them, and one. */
void subcommands_print_all(void);
void subcommands_print(const struct subcommand *command);

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
