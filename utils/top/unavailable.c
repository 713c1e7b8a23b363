/*
 * `workq top` where it was built without ncurses.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "common/say.h"
#include "top.h"

int top_run(struct top *top) {
  (void)top;
  return fail("top: not available: workq was built without ncurses");
}
