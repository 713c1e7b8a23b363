/*
 * `workq serve`: the options, and the loop that answers requests and takes a sample of each queue
 * once a second.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/subcommands.h"
#include "common/say.h"
#include "common/sigbus.h"
#include "common/signals.h"

/* ---- The loop ------------------------------------------------------------------------------------------------ */

/* What the loop waits for. */
enum { WAIT_SIGNAL, WAIT_SECOND, WAIT_HTTP, WAIT_COUNT };

static int open_timer(void) {
  struct itimerspec each_second = {.it_interval.tv_sec = 1, .it_value.tv_sec = 1};
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (fd >= 0) timerfd_settime(fd, 0, &each_second, NULL);
  return fd;
}

static void sample(const struct serve *serve, int timer) {
  uint64_t seconds;
  if (read(timer, &seconds, sizeof seconds) != sizeof seconds) return;
  histories_sample(serve->histories, serve->shared, seconds - 1);
}

static int loop(const struct serve *serve, struct http *http, int signals, int timer) {
  struct pollfd wait_for[WAIT_COUNT] = {[WAIT_SIGNAL] = {.fd = signals, .events = POLLIN},
                                        [WAIT_SECOND] = {.fd = timer, .events = POLLIN},
                                        [WAIT_HTTP] = {.fd = http_descriptor(http), .events = POLLIN}};
  for (;;) {
    if (poll(wait_for, WAIT_COUNT, http_timeout_ms(http)) < 0 && errno != EINTR)
      return fail("poll: %s", strerror(errno));
    if (wait_for[WAIT_SIGNAL].revents != 0) return STATUS_OK;
    if (wait_for[WAIT_SECOND].revents != 0) sample(serve, timer);
    http_run(http);
  }
}

/* ---- Starting ------------------------------------------------------------------------------------------------ */

/* That it listens is said when all is ready: from then on a signal ends it well. */
static int run_loop(struct serve *serve, int listener, const char *address) {
  signal(SIGPIPE, SIG_IGN);
  int signals = signals_open_end(), timer = open_timer();
  struct http *http = signals >= 0 && timer >= 0 ? http_start(serve, listener) : NULL;
  serve->histories = histories_new();
  int status;
  if (http == NULL || serve->histories == NULL) {
    status = fail("cannot start the server: %s", strerror(errno));
  } else {
    printf("listening on http://%s/\n", address);
    fflush(stdout);
    histories_sample(serve->histories, serve->shared, 0);
    status = loop(serve, http, signals, timer);
  }
  if (http != NULL) http_stop(http);
  histories_free(serve->histories);
  return status;
}

static int listen_failed(const char *address, int error) {
  switch (error) {
  case -EADDRINUSE:
    return fail("cannot listen at %s: address already in use (choose another port: --listen ADDRESS:PORT)", address);
  case -EACCES:
    return fail("cannot listen at %s: permission denied: ports below 1024 require root", address);
  case -EADDRNOTAVAIL:
    return fail("cannot listen at %s: this machine does not have that address", address);
  default:
    return fail("cannot listen at %s: %s", address, strerror(-error));
  }
}

static int serve_queues(struct serve *serve) {
  char address[SERVE_ADDRESS_SIZE];
  listen_print(&serve->address, address);
  int listener = listen_open(&serve->address);
  if (listener < 0) return listen_failed(address, listener);
  listen_print(&serve->address, address);
  if (!listen_is_loopback(&serve->address))
    say("serve: anyone who can reach %s can read the queues' keys; connections are not encrypted", address);
  sigbus_prepare(NULL);
  return run_loop(serve, listener, address);
}

/* ---- Options ------------------------------------------------------------------------------------------------- */

struct request_to_serve {
  struct serve serve;
  bool allow_actions;
  const char *token_file;
};

static int add_host(struct serve *serve, const char *host) {
  if (*host == '\0' || strpbrk(host, "/: ") != NULL)
    return usage_error("serve", "--allow-host takes a name without a port, not '%s'", host);
  if (serve->host_count == SERVE_HOSTS_MAX)
    return usage_error("serve", "--allow-host can be given at most %u times", SERVE_HOSTS_MAX);
  serve->hosts[serve->host_count++] = host;
  return STATUS_OK;
}

static int read_option(int option, struct request_to_serve *request) {
  switch (option) {
  case 'l':
    if (listen_parse(optarg, &request->serve.address)) return STATUS_OK;
    return usage_error("serve", "--listen takes an address such as 127.0.0.1:9180 or [::1]:9180, not '%s'", optarg);
  case 'a':
    request->allow_actions = true;
    return STATUS_OK;
  case 't':
    request->token_file = optarg;
    return STATUS_OK;
  case 'h':
    return add_host(&request->serve, optarg);
  case OPTION_SHARED:
    request->serve.shared = true;
    return STATUS_OK;
  default:
    return STATUS_USAGE;
  }
}

int cmd_serve(int argc, char **argv) {
  static const struct option options[] = {{"listen", required_argument, NULL, 'l'},
                                          {"allow-actions", no_argument, NULL, 'a'},
                                          {"token-file", required_argument, NULL, 't'},
                                          {"allow-host", required_argument, NULL, 'h'},
                                          LONG_OPTION_SHARED,
                                          LONG_OPTION_END};
  struct request_to_serve request = {0};
  char *token = NULL;
  int status;
  listen_parse("127.0.0.1:9180", &request.serve.address);
  for (int option; (option = next_option(argc, argv, ":", options)) != -1;)
    if (read_option(option, &request) != STATUS_OK) return STATUS_USAGE;
  if (expect_arguments(argc, argv, 0, 0) != STATUS_OK) return STATUS_USAGE;
  if (request.token_file != NULL && !request.allow_actions)
    return usage_error("serve", "--token-file requires --allow-actions");
  if (request.allow_actions && (token = auth_read_token(request.token_file, &status)) == NULL) return status;
  request.serve.token = token;
  status = serve_queues(&request.serve);
  free(token);
  return status;
}
