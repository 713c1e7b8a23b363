/*
 * Which connections `workq serve` ends: at a time that the test says, with sockets that nobody reads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "serve/connections.h"

#define S NS_PER_S

static struct connections connections;

/* The server's end of each, and the client's. */
static struct connection *all[CONNECTIONS_MAX];
static int clients[CONNECTIONS_MAX];

static void begin(void) {
  connections_init(&connections);
}

static void add(unsigned number, int64_t now_ns) {
  int pair[2];
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  clients[number] = pair[1];
  all[number] = connections_add(&connections, pair[0], now_ns);
  ck_assert_ptr_nonnull(all[number]);
}

/* As when libmicrohttpd has seen that it was ended, or that the client has gone. */
static void drop(unsigned number) {
  close(all[number]->fd);
  close(clients[number]);
  connections_remove(&connections, all[number]);
  all[number] = NULL;
}

static bool is_ended(unsigned number) {
  struct pollfd client = {.fd = clients[number], .events = POLLRDHUP};
  return poll(&client, 1, 0) == 1;
}

START_TEST(slow_ones_are_ended_after_a_minute) {
  begin();
  add(0, 0);
  add(1, 10 * S);
  connections_end_slow(&connections, 60 * S - 1);
  ck_assert(!is_ended(0) && !is_ended(1));
  connections_end_slow(&connections, 60 * S);
  ck_assert(is_ended(0) && !is_ended(1));
  /* It is still there until its descriptor is closed, and is not ended twice. */
  connections_end_slow(&connections, 61 * S);
  ck_assert_uint_eq(connections.count, 2);
  drop(0);
  connections_end_slow(&connections, 70 * S);
  ck_assert(is_ended(1));
  drop(1);
  ck_assert_uint_eq(connections.count, 0);
  connections_end_slow(&connections, 1000 * S);
}
END_TEST

START_TEST(an_answered_request_is_progress) {
  begin();
  for (unsigned i = 0; i < 3; i++) add(i, 0);
  connections_progress(&connections, all[0], 50 * S);
  connections_progress(&connections, all[2], 59 * S);
  connections_end_slow(&connections, 60 * S);
  ck_assert(!is_ended(0) && is_ended(1) && !is_ended(2));
  connections_end_slow(&connections, 110 * S);
  ck_assert(is_ended(0) && !is_ended(2));
  for (unsigned i = 0; i < 3; i++) drop(i);
}
END_TEST

START_TEST(where_all_places_are_taken_it_is_sooner) {
  begin();
  for (unsigned i = 0; i + 1 < CONNECTIONS_MAX; i++) add(i, i < 10 ? 0 : 3 * S);
  ck_assert(!connections_full(&connections));
  connections_end_slow(&connections, 7 * S);
  for (unsigned i = 0; i + 1 < CONNECTIONS_MAX; i++) ck_assert(!is_ended(i));
  add(CONNECTIONS_MAX - 1, 7 * S);
  ck_assert(connections_full(&connections));
  connections_progress(&connections, all[4], 6 * S);
  connections_end_slow(&connections, 7 * S);
  for (unsigned i = 0; i < CONNECTIONS_MAX; i++) ck_assert_msg(is_ended(i) == (i < 10 && i != 4), "connection %u", i);
  drop(0);
  ck_assert(!connections_full(&connections));
  for (unsigned i = 1; i < CONNECTIONS_MAX; i++) drop(i);
}
END_TEST

/* Nobody who has just come is ended, however many come. */
START_TEST(new_ones_stay) {
  begin();
  for (unsigned i = 0; i < CONNECTIONS_MAX; i++) add(i, S);
  connections_end_slow(&connections, 5 * S);
  for (unsigned i = 0; i < CONNECTIONS_MAX; i++) ck_assert(!is_ended(i));
  connections_end_slow(&connections, 6 * S);
  for (unsigned i = 0; i < CONNECTIONS_MAX; i++) ck_assert(is_ended(i));
  for (unsigned i = 0; i < CONNECTIONS_MAX; i++) drop(i);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("serve");
  TCase *slow = tcase_create("slow clients");
  tcase_add_test(slow, slow_ones_are_ended_after_a_minute);
  tcase_add_test(slow, an_answered_request_is_progress);
  tcase_add_test(slow, where_all_places_are_taken_it_is_sooner);
  tcase_add_test(slow, new_ones_stay);
  suite_add_tcase(suite, slow);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
