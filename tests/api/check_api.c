/*
 * The public API: every rule of the queue, by name.  Each suite is in the file <suite>.c.
 *
 * Time is the tests' own (workq_options.clock): no test waits for a delay to pass.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "check_api.h"

int main(void) {
  engine_choose();
  static suite_maker *const suites[] = {adding_suite,  arguments_suite, batch_suite,  death_suite,   delay_suite,
                                        error_suite,   finish_suite,    handle_suite, limiter_suite, look_suite,
                                        metrics_suite, removed_suite,   size_suite,   wait_suite,    whole_suite};
  return fixture_run("check-api", suites, sizeof suites / sizeof *suites);
}
