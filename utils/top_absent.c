/*
 * `workq top` where it was built without ncurses.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "common.h"

int cmd_top(int argc, char **argv) {
  (void)argc;
  return fail("%s: this workq was built without ncurses, which a live view needs", argv[0]);
}
