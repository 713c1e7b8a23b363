/*
 * The suites of check_api: the rules of the queue, each by its name, through the public header alone.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHECK_API_H
#define CHECK_API_H

#include "support/fixture.h"

Suite *adding_suite(void);
Suite *arguments_suite(void);
Suite *batch_suite(void);
Suite *death_suite(void);
Suite *delay_suite(void);
Suite *error_suite(void);
Suite *finish_suite(void);
Suite *handle_suite(void);
Suite *limiter_suite(void);
Suite *look_suite(void);
Suite *metrics_suite(void);
Suite *removed_suite(void);
Suite *size_suite(void);
Suite *wait_suite(void);
Suite *whole_suite(void);

#endif
