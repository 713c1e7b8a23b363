/*
 * `workq serve` where it was built without libmicrohttpd.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/subcommands.h"
#include "common/say.h"

int cmd_serve(int argc, char **argv) {
  (void)argc;
  (void)argv;
  return fail("serve: not available: workq was built without libmicrohttpd");
}
