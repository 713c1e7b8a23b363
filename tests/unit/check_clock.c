/*
 * Reading clocks, and time arithmetic that saturates.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "clock.h"

#include "support/inner.h"

static const int64_t extremes[] = {INT64_MIN, INT64_MIN + 1, INT64_MIN / 2, -NS_PER_S,     -1,       0, 1,
                                   NS_PER_MS, NS_PER_S,      INT64_MAX / 2, INT64_MAX - 1, INT64_MAX};
static const uint32_t extremes_count = sizeof extremes / sizeof *extremes;

static int64_t any_time(void) {
  if (inner_chance(30)) return extremes[inner_below(extremes_count)];
  uint64_t bits = (uint64_t)inner_below(UINT32_MAX) << 32 | inner_below(UINT32_MAX);
  return (int64_t)bits >> inner_below(63);
}

static int64_t clamp(__int128 value) {
  return value > INT64_MAX ? INT64_MAX : value < INT64_MIN ? INT64_MIN : (int64_t)value;
}

START_TEST(a_sum_saturates) {
  ck_assert_int_eq(clock_add_ns(2, 3), 5);
  ck_assert_int_eq(clock_add_ns(INT64_MAX, 1), INT64_MAX);
  ck_assert_int_eq(clock_add_ns(INT64_MIN, -1), INT64_MIN);
  ck_assert_int_eq(clock_add_ns(CLOCK_NEVER, -1), INT64_MAX - 1);
  ck_assert_int_eq(clock_add_ns(INT64_MIN, INT64_MAX), -1);
}
END_TEST

START_TEST(sums_agree_with_wider_arithmetic) {
  for (unsigned i = plain_scaled(200000); i > 0; i--) {
    int64_t a = any_time(), b = any_time();
    ck_assert_int_eq(clock_add_ns(a, b), clamp((__int128)a + b));
  }
}
END_TEST

START_TEST(what_has_passed_agrees_with_wider_arithmetic) {
  ck_assert_int_eq(clock_since_ns(3, 5), 2);
  ck_assert_int_eq(clock_since_ns(5, 3), 0);
  for (unsigned i = plain_scaled(200000); i > 0; i--) {
    int64_t a = any_time(), b = any_time();
    ck_assert_int_eq(clock_since_ns(a, b), b < a ? 0 : clamp((__int128)b - a));
  }
}
END_TEST

START_TEST(a_product_saturates) {
  ck_assert_int_eq(clock_times(7, 6), 42);
  ck_assert_int_eq(clock_times(0, INT64_MAX), 0);
  ck_assert_int_eq(clock_times(INT64_MAX, 1), INT64_MAX);
  ck_assert_int_eq(clock_times(INT64_MAX / 2 + 1, 2), INT64_MAX);
  ck_assert_int_eq(clock_times(WORKQ_DURATION_MAX, INT64_MAX), INT64_MAX);
}
END_TEST

START_TEST(products_of_durations_agree_with_wider_arithmetic) {
  for (unsigned i = plain_scaled(200000); i > 0; i--) {
    int64_t a = any_time() & INT64_MAX, b = any_time() & INT64_MAX;
    ck_assert_int_eq(clock_times(a, b), clamp((__int128)a * b));
  }
}
END_TEST

START_TEST(clocks_never_go_back) {
  int64_t before = clock_monotonic_ns();
  ck_assert_int_gt(before, 0);
  for (int i = 0; i < 1000; i++) {
    int64_t now = clock_monotonic_ns();
    ck_assert_int_ge(now, before);
    before = now;
  }
  ck_assert_int_gt(clock_read(CLOCK_REALTIME), 0);
}
END_TEST

START_TEST(a_timespec_is_always_valid) {
  struct timespec t = clock_timespec(3 * NS_PER_S + 7);
  ck_assert_int_eq(t.tv_sec, 3);
  ck_assert_int_eq(t.tv_nsec, 7);
  for (uint32_t i = 0; i < extremes_count; i++) {
    int64_t ns = extremes[i] < 0 ? 0 : extremes[i];
    t = clock_timespec(extremes[i]);
    ck_assert_int_ge(t.tv_nsec, 0);
    ck_assert_int_lt(t.tv_nsec, NS_PER_S);
    ck_assert_int_eq((int64_t)t.tv_sec * NS_PER_S + t.tv_nsec, ns);
  }
}
END_TEST

int main(int argc, char **argv) {
  Suite *suite = suite_create("clock");
  TCase *arithmetic = inner_case(suite, "arithmetic");
  tcase_add_test(arithmetic, a_sum_saturates);
  tcase_add_test(arithmetic, sums_agree_with_wider_arithmetic);
  tcase_add_test(arithmetic, what_has_passed_agrees_with_wider_arithmetic);
  tcase_add_test(arithmetic, a_product_saturates);
  tcase_add_test(arithmetic, products_of_durations_agree_with_wider_arithmetic);
  tcase_add_test(arithmetic, a_timespec_is_always_valid);
  TCase *clocks = inner_case(suite, "clocks");
  tcase_add_test(clocks, clocks_never_go_back);
  return inner_main(argc, argv, suite);
}
