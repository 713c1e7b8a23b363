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
#include "common/clock.h"
#include "common/escape.h"
#include "common/parse.h"
#include "common/say.h"
#include "common/sigbus.h"
#include "common/signals.h"

/* How long a queue may have ready keys and none done, or a run may take, before it is marked. */
#define STUCK_AFTER_NS (60 * NS_PER_S)

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

static void say_where(const struct serve *serve, const char *address) {
  char *text = escape(address, strlen(address));
  if (!listen_is_unix(&serve->listener)) printf("listening on http://%s%s/\n", text, serve->prefix);
  else if (*serve->prefix == '\0') printf("listening on %s\n", text);
  else printf("listening on %s, paths begin with %s/\n", text, serve->prefix);
  free(text);
  fflush(stdout);
}

/* That it listens is said when all is ready: from then on a signal ends it well. */
static int run_loop(struct serve *serve, const char *address) {
  signal(SIGPIPE, SIG_IGN);
  int signals = signals_open_end(), timer = open_timer();
  struct http *http = signals >= 0 && timer >= 0 ? http_start(serve) : NULL;
  serve->histories = histories_new();
  int status;
  if (http == NULL || serve->histories == NULL) {
    status = fail("cannot start the server: %s", strerror(errno));
  } else {
    say_where(serve, address);
    histories_sample(serve->histories, serve->shared, 0);
    status = loop(serve, http, signals, timer);
  }
  if (http != NULL) http_stop(http);
  histories_free(serve->histories);
  return status;
}

static int unix_failed(const char *address, int error) {
  switch (error) {
  case -EADDRINUSE:
    return fail("cannot listen at %s: another server listens there (end it, or choose another path)", address);
  case -EBUSY:
    return fail("cannot listen at %s: another process has locked its directory (end it, or choose another path)",
                address);
  case -EEXIST:
    return fail("cannot listen at %s: the file exists and is no socket (remove it, or choose another path)", address);
  case -EACCES:
  case -EPERM:
    return fail("cannot listen at %s: permission denied (its directory must be readable and writable for you, and a "
                "socket that is "
                "already there must be yours)",
                address);
  case -ENOENT:
    return fail("cannot listen at %s: its directory does not exist (create it first)", address);
  default:
    return fail("cannot listen at %s: %s", address, strerror(-error));
  }
}

static int listen_failed(const struct serve *serve, const char *address, int error) {
  if (listen_is_unix(&serve->listener)) return unix_failed(address, error);
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

/* Who can connect, and what that means. */
static void warn(const struct serve *serve, const char *address) {
  if (listen_is_unix(&serve->listener) || listen_is_loopback(&serve->listener.address)) return;
  if (serve->read_token == NULL)
    say("serve: anyone who can reach %s can read the queues' keys; connections are not encrypted", address);
  else say("serve: connections to %s are not encrypted: the token and the keys can be read on the way", address);
}

static int serve_queues(struct serve *serve) {
  char address[SERVE_ADDRESS_SIZE];
  listen_print(&serve->listener, address);
  int result = serve->listener.is_passed ? 0 : listen_open(&serve->listener);
  if (result < 0) return listen_failed(serve, address, result);
  listen_print(&serve->listener, address);
  warn(serve, address);
  sigbus_prepare(NULL);
  int status = run_loop(serve, address);
  listen_remove(&serve->listener);
  return status;
}

/* ---- Options ------------------------------------------------------------------------------------------------- */

enum { OPTION_SOCKET_MODE = 1, OPTION_PREFIX, OPTION_READ_TOKEN, OPTION_STUCK_AFTER };

struct request_to_serve {
  struct serve serve;
  bool allow_actions;
  const char *listen_at;
  const char *socket_mode;
  const char *token_file;
  const char *read_token_file;
  char prefix[SERVE_PREFIX_MAX + 1];
};

static int add_host(struct serve *serve, const char *host) {
  if (*host == '\0' || strpbrk(host, "/: ") != NULL)
    return usage_error("serve", "--allow-host takes a name without a port, not '%s'", host);
  if (serve->host_count == SERVE_HOSTS_MAX)
    return usage_error("serve", "--allow-host can be given at most %u times", SERVE_HOSTS_MAX);
  serve->hosts[serve->host_count++] = host;
  return STATUS_OK;
}

/* Whether it is "/NAME", or several of these: what browsers and proxies leave as it is in a path. */
static bool is_prefix(const char *text) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
  while (*text == '/') {
    size_t len = strspn(++text, letters);
    if (len == 0 || (len == 1 && text[0] == '.') || (len == 2 && text[0] == '.' && text[1] == '.')) return false;
    text += len;
  }
  return *text == '\0';
}

static int set_prefix(struct request_to_serve *request, const char *text) {
  size_t len = strlen(text);
  if (len > 1 && text[len - 1] == '/') len--;
  if (len > 0 && len <= SERVE_PREFIX_MAX) {
    memcpy(request->prefix, text, len);
    request->prefix[len] = '\0';
    if (is_prefix(request->prefix)) return STATUS_OK;
  }
  return usage_error("serve", "--prefix takes a path such as /workq, of at most %u letters, digits and -._~/, not '%s'",
                     SERVE_PREFIX_MAX, text);
}

static int set_stuck_after(struct serve *serve, const char *text) {
  if (parse_duration(text, &serve->stuck_ns) && serve->stuck_ns > 0) return STATUS_OK;
  return usage_error("serve", "--stuck-after takes a duration above 0 such as 5m, not '%s'", text);
}

static int read_option(int option, struct request_to_serve *request) {
  switch (option) {
  case 'l':
    request->listen_at = optarg;
    return STATUS_OK;
  case OPTION_SOCKET_MODE:
    request->socket_mode = optarg;
    return STATUS_OK;
  case OPTION_PREFIX:
    return set_prefix(request, optarg);
  case 'a':
    request->allow_actions = true;
    return STATUS_OK;
  case 't':
    request->token_file = optarg;
    return STATUS_OK;
  case OPTION_READ_TOKEN:
    request->read_token_file = optarg;
    return STATUS_OK;
  case 'h':
    return add_host(&request->serve, optarg);
  case OPTION_STUCK_AFTER:
    return set_stuck_after(&request->serve, optarg);
  case OPTION_SHARED:
    request->serve.shared = true;
    return STATUS_OK;
  default:
    return STATUS_USAGE;
  }
}

/* ---- Where, and with which tokens ---------------------------------------------------------------------------- */

/* The permissions of a socket in the file system; only the user's own where none are given. */
static int set_socket_mode(struct request_to_serve *request) {
  struct listener *listener = &request->serve.listener;
  listener->socket_mode = 0600;
  if (request->socket_mode == NULL) return STATUS_OK;
  if (request->listen_at == NULL || !listen_is_unix(listener))
    return usage_error("serve", "--socket-mode requires --listen unix:PATH");
  char *end;
  unsigned long mode = strtoul(request->socket_mode, &end, 8);
  if (strspn(request->socket_mode, "01234567") == 0 || *end != '\0' || mode > 0777 || (mode & 0600) != 0600)
    return usage_error("serve", "--socket-mode takes an octal number from 0600 to 0777, not '%s'",
                       request->socket_mode);
  listener->socket_mode = (mode_t)mode;
  return STATUS_OK;
}

static int set_listener(struct request_to_serve *request) {
  struct listener *listener = &request->serve.listener;
  const char *wrong;
  int passed = listen_take_passed(listener, &wrong);
  if (passed < 0) return fail("serve: the socket from systemd cannot be used: %s", wrong);
  if (passed > 0 && request->listen_at != NULL)
    return usage_error("serve", "a socket comes from systemd: leave --listen out, or remove the .socket unit");
  if (passed > 0) return set_socket_mode(request);
  wrong = listen_parse(request->listen_at != NULL ? request->listen_at : "127.0.0.1:9180", listener);
  if (wrong != NULL)
    return usage_error(
        "serve", "--listen takes an address such as 127.0.0.1:9180, [::1]:9180 or unix:/run/workq.sock, not '%s': %s",
        request->listen_at, wrong);
  return set_socket_mode(request);
}

static void free_token(const char *token) {
  free((void *)(uintptr_t)token);
}

/* Both tokens; what is read is to be freed whatever is returned. */
static int set_tokens(struct request_to_serve *request) {
  struct serve *serve = &request->serve;
  int status;
  if (request->token_file != NULL && !request->allow_actions)
    return usage_error("serve", "--token-file requires --allow-actions");
  if (request->allow_actions && (serve->token = auth_read_token(request->token_file, &status)) == NULL) return status;
  if (request->read_token_file == NULL) return STATUS_OK;
  if ((serve->read_token = auth_read_token(request->read_token_file, &status)) == NULL) return status;
  if (serve->token != NULL && strcmp(serve->token, serve->read_token) == 0)
    return usage_error("serve", "the token to read must not be the one for actions");
  return STATUS_OK;
}

int cmd_serve(int argc, char **argv) {
  static const struct option options[] = {{"listen", required_argument, NULL, 'l'},
                                          {"socket-mode", required_argument, NULL, OPTION_SOCKET_MODE},
                                          {"prefix", required_argument, NULL, OPTION_PREFIX},
                                          {"allow-actions", no_argument, NULL, 'a'},
                                          {"token-file", required_argument, NULL, 't'},
                                          {"read-token-file", required_argument, NULL, OPTION_READ_TOKEN},
                                          {"allow-host", required_argument, NULL, 'h'},
                                          {"stuck-after", required_argument, NULL, OPTION_STUCK_AFTER},
                                          LONG_OPTION_SHARED,
                                          LONG_OPTION_END};
  struct request_to_serve request = {.serve.stuck_ns = STUCK_AFTER_NS};
  request.serve.prefix = request.prefix;
  for (int option; (option = next_option(argc, argv, ":", options)) != -1;)
    if (read_option(option, &request) != STATUS_OK) return STATUS_USAGE;
  if (expect_arguments(argc, argv, 0, 0) != STATUS_OK) return STATUS_USAGE;
  int status = set_listener(&request);
  if (status == STATUS_OK) status = set_tokens(&request);
  if (status == STATUS_OK) status = serve_queues(&request.serve);
  free_token(request.serve.token);
  free_token(request.serve.read_token);
  return status;
}
