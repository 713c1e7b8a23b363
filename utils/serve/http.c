/*
 * Requests to `workq serve` and their answers, by libmicrohttpd, without a thread of its own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <microhttpd.h>

#include "common/clock.h"
#include "common/hex.h"
#include "common/parse.h"
#include "connections.h"
#include "serve.h"

/*
 * Seconds that a connection may be silent, and bytes that its request may have without the body.
 */
#define SILENCE_S   10u
#define REQUEST_MAX (16u << 10)

struct http {
  const struct serve *serve;
  struct MHD_Daemon *daemon;
  int descriptor;
  struct connections connections;
};

/* A request whose body comes in pieces. */
struct request {
  char *body;
  size_t len;
};

/* What is asked for, decoded. */
struct call {
  const struct serve *serve;
  const struct http *http;
  struct MHD_Connection *connection;
  const char *method;
  const struct request *request;
};

/* ---- Answers ------------------------------------------------------------------------------------------------- */

static const char *const headers[][2] = {
    {"Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                                "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cache-Control", "no-store"},
};

/* extra is a header of this answer alone, its name and its value; or null. */
static enum MHD_Result send_bytes(const struct call *call, unsigned status, const char *type, const void *bytes,
                                  size_t len, enum MHD_ResponseMemoryMode mode, const char *const *extra) {
  struct MHD_Response *response = MHD_create_response_from_buffer(len, (void *)(uintptr_t)bytes, mode);
  if (response == NULL) {
    if (mode == MHD_RESPMEM_MUST_FREE) free((void *)(uintptr_t)bytes);
    return MHD_NO;
  }
  for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
    MHD_add_response_header(response, headers[i][0], headers[i][1]);
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
  if (extra != NULL) MHD_add_response_header(response, extra[0], extra[1]);
  /* Who has been answered makes way for those who wait. */
  if (connections_full(&call->http->connections))
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
  enum MHD_Result result = MHD_queue_response(call->connection, status, response);
  MHD_destroy_response(response);
  return result;
}

/* Lets go of the object. */
static enum MHD_Result send_json_with(const struct call *call, unsigned status, json_t *object,
                                      const char *const *extra) {
  char *text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
  json_decref(object);
  if (text == NULL) return MHD_NO;
  size_t len = strlen(text);
  text[len] = '\n'; /* in place of the NUL */
  return send_bytes(call, status, "application/json", text, len + 1, MHD_RESPMEM_MUST_FREE, extra);
}

static enum MHD_Result send_json(const struct call *call, unsigned status, json_t *object) {
  return send_json_with(call, status, object, NULL);
}

static enum MHD_Result refuse(const struct call *call, unsigned status, const char *reason) {
  json_t *object = api_error(status, reason, &status);
  return send_json(call, status, object);
}

static enum MHD_Result not_found(const struct call *call) {
  return refuse(call, MHD_HTTP_NOT_FOUND, "not found");
}

/* ---- What URLs say ------------------------------------------------------------------------------------------- */

/* libmicrohttpd would take a NUL for the end, and wrong escapes for text. */
static size_t leave_escaped(void *arg, struct MHD_Connection *connection, char *text) {
  (void)arg;
  (void)connection;
  return strlen(text);
}

/*
 * Decodes %XX.  Returns the bytes, to be freed, with a NUL behind them; null where they are wrong.
 */
static char *decode(const char *text, size_t text_len, size_t *len) {
  char *bytes = malloc(text_len + 1), *end = bytes;
  for (size_t i = 0; i < text_len && bytes != NULL; i++) {
    if (text[i] != '%') {
      *end++ = text[i];
      continue;
    }
    int byte = i + 2 < text_len ? hex_get(text + i + 1) : -1;
    if (byte < 0) {
      free(bytes);
      return NULL;
    }
    *end++ = (char)byte;
    i += 2;
  }
  if (bytes == NULL) return NULL;
  *end = '\0';
  *len = (size_t)(end - bytes);
  return bytes;
}

/* The arguments of a request about a queue. */
struct arguments {
  struct api_filter filter;
  uint64_t since;
  char *search; /* to be freed */
  const char *wrong;
};

static bool read_state(const char *value, int *state) {
  if (strcmp(value, "all") == 0 || *value == '\0') {
    *state = 0;
    return true;
  }
  return parse_state(value, state);
}

/* Takes value over. */
static const char *read_item_argument(struct arguments *arguments, const char *name, char *value, size_t len) {
  int64_t number;
  if (strcmp(name, "search") == 0) {
    free(arguments->search);
    arguments->filter.search = arguments->search = value;
    arguments->filter.search_len = len;
    return NULL;
  }
  const char *wrong = NULL;
  if (strcmp(name, "state") == 0) {
    if (!read_state(value, &arguments->filter.state))
      wrong = "state must be one of all, ready, processing, dirty, delayed, buried, idle";
  } else if (strcmp(name, "limit") == 0) {
    if (parse_integer(value, 1, API_ITEMS_MAX, &number)) arguments->filter.limit = (unsigned)number;
    else wrong = "limit must be a number from 1 to 1000";
  } else if (strcmp(name, "count") == 0) {
    arguments->filter.count = strcmp(value, "true") == 0;
    if (!arguments->filter.count) wrong = "count must be true";
  } else {
    wrong = "unknown argument (known: state, search, limit, count)";
  }
  free(value);
  return wrong;
}

static enum MHD_Result on_item_argument(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                        const char *text, size_t text_len) {
  (void)kind;
  (void)name_len;
  struct arguments *arguments = arg;
  size_t len;
  char *value = decode(text == NULL ? "" : text, text_len, &len);
  arguments->wrong =
      value == NULL ? "invalid percent-encoding in query string" : read_item_argument(arguments, name, value, len);
  return arguments->wrong == NULL ? MHD_YES : MHD_NO;
}

static enum MHD_Result on_queue_argument(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                         const char *text, size_t text_len) {
  (void)kind;
  (void)name_len;
  (void)text_len;
  struct arguments *arguments = arg;
  int64_t number = 0;
  if (strcmp(name, "since") != 0) arguments->wrong = "unknown argument (known: since)";
  else if (text == NULL || !parse_integer(text, 0, INT64_MAX, &number)) arguments->wrong = "since must be a number";
  arguments->since = (uint64_t)number;
  return arguments->wrong == NULL ? MHD_YES : MHD_NO;
}

/* ---- What there is ------------------------------------------------------------------------------------------- */

/* Whether the method is the one that the path has: POST or else GET, with which HEAD comes. */
static bool has_method(const struct call *call, bool post) {
  if (post) return strcmp(call->method, MHD_HTTP_METHOD_POST) == 0;
  return strcmp(call->method, MHD_HTTP_METHOD_GET) == 0 || strcmp(call->method, MHD_HTTP_METHOD_HEAD) == 0;
}

static enum MHD_Result wrong_method(const struct call *call, bool post) {
  const char *allow[] = {MHD_HTTP_HEADER_ALLOW, post ? "POST" : "GET, HEAD"};
  unsigned status;
  json_t *object = api_error(MHD_HTTP_METHOD_NOT_ALLOWED, "method not allowed", &status);
  return send_json_with(call, status, object, allow);
}

static const char *header_of(const struct call *call, const char *name) {
  return MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result answer_items(const struct call *call, const char *name) {
  struct arguments arguments = {.filter = {.limit = API_ITEMS_DEFAULT}};
  MHD_get_connection_values_n(call->connection, MHD_GET_ARGUMENT_KIND, on_item_argument, &arguments);
  enum MHD_Result result;
  if (arguments.wrong != NULL) {
    result = refuse(call, MHD_HTTP_BAD_REQUEST, arguments.wrong);
  } else {
    unsigned status;
    json_t *object = api_items(call->serve, name, &arguments.filter, &status);
    result = send_json(call, status, object);
  }
  free(arguments.search);
  return result;
}

static enum MHD_Result answer_queue(const struct call *call, const char *name) {
  struct arguments arguments = {0};
  MHD_get_connection_values_n(call->connection, MHD_GET_ARGUMENT_KIND, on_queue_argument, &arguments);
  if (arguments.wrong != NULL) return refuse(call, MHD_HTTP_BAD_REQUEST, arguments.wrong);
  unsigned status;
  json_t *object = api_queue(call->serve, name, arguments.since, &status);
  return send_json(call, status, object);
}

static bool is_json(const char *type) {
  static const char json[] = "application/json";
  return type != NULL && strncasecmp(type, json, sizeof json - 1) == 0 && strchr("; \t", type[sizeof json - 1]) != NULL;
}

static enum MHD_Result unauthorized(const struct call *call, const char *reason) {
  static const char *const challenge[] = {MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"workq\""};
  unsigned status;
  json_t *object = api_error(MHD_HTTP_UNAUTHORIZED, reason, &status);
  return send_json_with(call, status, object, challenge);
}

static enum MHD_Result answer_action(const struct call *call, const char *name, const char *action) {
  const char *site = header_of(call, "Sec-Fetch-Site");
  unsigned status;
  if (call->serve->token == NULL)
    return refuse(call, MHD_HTTP_FORBIDDEN, "actions are disabled (to enable: workq serve --allow-actions)");
  if (!auth_origin(header_of(call, MHD_HTTP_HEADER_ORIGIN), header_of(call, MHD_HTTP_HEADER_HOST)) ||
      (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0))
    return refuse(call, MHD_HTTP_FORBIDDEN, "the request comes from a page of another site");
  if (!auth_may_act(call->serve, header_of(call, MHD_HTTP_HEADER_AUTHORIZATION)))
    return unauthorized(call, call->serve->read_token == NULL ? "missing or invalid token"
                                                              : "this token does not permit actions, only to read");
  if (!is_json(header_of(call, MHD_HTTP_HEADER_CONTENT_TYPE)))
    return refuse(call, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "the body must be application/json");
  json_t *object = action_run(call->serve, name, action, call->request->body == NULL ? "" : call->request->body,
                              call->request->len, &status);
  return send_json(call, status, object);
}

/*
 * /api/queues/NAME and what is below; name is decoded, below is what stands behind the next slash,
 * or null.
 */
static enum MHD_Result answer_about_queue(const struct call *call, const char *name, const char *below) {
  bool post = below != NULL && action_exists(below);
  if (!post && below != NULL && strcmp(below, "items") != 0) return not_found(call);
  if (!has_method(call, post)) return wrong_method(call, post);
  if (post) return answer_action(call, name, below);
  return below != NULL ? answer_items(call, name) : answer_queue(call, name);
}

static enum MHD_Result answer_below_queues(const struct call *call, const char *path) {
  const char *slash = strchr(path, '/');
  size_t len, escaped_len = slash != NULL ? (size_t)(slash - path) : strlen(path);
  char *name = decode(path, escaped_len, &len);
  enum MHD_Result result;
  if (name == NULL || len == 0 || strlen(name) != len)
    result = refuse(call, MHD_HTTP_BAD_REQUEST, "invalid percent-encoding in queue name");
  else result = answer_about_queue(call, name, slash != NULL ? slash + 1 : NULL);
  free(name);
  return result;
}

static enum MHD_Result answer_metrics(const struct call *call) {
  char *text;
  size_t len;
  int result = api_metrics(call->serve, &text, &len);
  if (result < 0) return refuse(call, MHD_HTTP_SERVICE_UNAVAILABLE, workq_strerror(result));
  return send_bytes(call, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", text, len, MHD_RESPMEM_MUST_FREE,
                    NULL);
}

static enum MHD_Result answer_health(const struct call *call) {
  return send_bytes(call, MHD_HTTP_OK, "text/plain; charset=utf-8", "ok\n", 3, MHD_RESPMEM_PERSISTENT, NULL);
}

static enum MHD_Result answer_queues(const struct call *call) {
  unsigned status;
  json_t *object = api_queues(call->serve, &status);
  return send_json(call, status, object);
}

/* What tells nothing about queues is for everyone: the page must be there to ask for the token. */
static bool is_public(const char *path) {
  if (strcmp(path, "/healthz") == 0) return true;
  for (size_t i = 0; i < page_file_count; i++)
    if (strcmp(path, page_files[i].path) == 0) return true;
  return false;
}

static enum MHD_Result answer_path(const struct call *call, const char *path) {
  if (!is_public(path) && !auth_may_read(call->serve, header_of(call, MHD_HTTP_HEADER_AUTHORIZATION)))
    return unauthorized(call, "missing or invalid token");
  static const char below_queues[] = "/api/queues/";
  static const struct {
    const char *path;
    enum MHD_Result (*answer)(const struct call *call);
  } single[] = {{"/metrics", answer_metrics}, {"/healthz", answer_health}, {"/api/queues", answer_queues}};
  if (strncmp(path, below_queues, sizeof below_queues - 1) == 0)
    return answer_below_queues(call, path + sizeof below_queues - 1);
  for (size_t i = 0; i < sizeof single / sizeof single[0]; i++)
    if (strcmp(path, single[i].path) == 0)
      return has_method(call, false) ? single[i].answer(call) : wrong_method(call, false);
  for (size_t i = 0; i < page_file_count; i++) {
    const struct page_file *file = &page_files[i];
    if (strcmp(path, file->path) != 0) continue;
    if (!has_method(call, false)) return wrong_method(call, false);
    return send_bytes(call, MHD_HTTP_OK, file->type, file->bytes, file->len, MHD_RESPMEM_PERSISTENT, NULL);
  }
  return not_found(call);
}

/* ---- What may be there once ---------------------------------------------------------------------------------- */

/* Of what is there twice this server and a proxy before it could each take another one. */
static const char *const single_headers[] = {MHD_HTTP_HEADER_HOST,
                                             MHD_HTTP_HEADER_ORIGIN,
                                             MHD_HTTP_HEADER_AUTHORIZATION,
                                             MHD_HTTP_HEADER_CONTENT_TYPE,
                                             MHD_HTTP_HEADER_CONTENT_LENGTH,
                                             MHD_HTTP_HEADER_TRANSFER_ENCODING,
                                             "Sec-Fetch-Site"};
#define SINGLE_HEADERS (sizeof single_headers / sizeof single_headers[0])

struct heads {
  unsigned seen[SINGLE_HEADERS];
  const char *wrong; /* why the request is refused, or null */
};

static enum MHD_Result on_head(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_len, const char *text,
                               size_t text_len) {
  (void)kind;
  (void)name_len;
  struct heads *heads = arg;
  for (size_t i = 0; i < SINGLE_HEADERS; i++) {
    if (strcasecmp(name, single_headers[i]) != 0) continue;
    if (heads->seen[i]++ != 0) heads->wrong = "duplicate header";
    if (text != NULL && strlen(text) != text_len) heads->wrong = "NUL byte in a header";
  }
  return heads->wrong == NULL ? MHD_YES : MHD_NO;
}

/*
 * What stands behind the authority in "http://host/path", as a proxy is asked; the path itself
 * where it is no more than that.  Null if it is asked for another host than that of the Host
 * header, or there is no path.
 */
static const char *path_of(const struct call *call, const char *target) {
  static const char scheme[] = "http://";
  const char *host = header_of(call, MHD_HTTP_HEADER_HOST);
  if (*target == '/') return target;
  if (strncasecmp(target, scheme, sizeof scheme - 1) != 0 || host == NULL) return NULL;
  const char *authority = target + sizeof scheme - 1;
  size_t len = strcspn(authority, "/");
  if (len != strlen(host) || strncasecmp(authority, host, len) != 0) return NULL;
  return authority[len] == '/' ? authority + len : "/";
}

/* Why the request is refused whatever it asks for, or null. */
static const char *wrong_request(const struct call *call, const char *target) {
  struct heads heads = {0};
  MHD_get_connection_values_n(call->connection, MHD_HEADER_KIND, on_head, &heads);
  if (heads.wrong != NULL) return heads.wrong;
  const char *host = header_of(call, MHD_HTTP_HEADER_HOST);
  if (host != NULL && !auth_host_form(host)) return "invalid Host header: not a host with or without a port";
  if (path_of(call, target) == NULL)
    return "invalid request target: neither a path nor a URL of the Host header's host";
  return NULL;
}

/* From the prefix alone, and from what is above it, to the page. */
static enum MHD_Result redirect(const struct call *call) {
  char page[SERVE_PREFIX_MAX + 2];
  snprintf(page, sizeof page, "%s/", call->serve->prefix);
  const char *location[] = {MHD_HTTP_HEADER_LOCATION, page};
  if (!has_method(call, false)) return wrong_method(call, false);
  return send_bytes(call, MHD_HTTP_FOUND, "text/plain; charset=utf-8", "", 0, MHD_RESPMEM_PERSISTENT, location);
}

static enum MHD_Result answer(const struct call *call, const char *target) {
  if (!auth_host(call->serve, header_of(call, MHD_HTTP_HEADER_HOST)))
    return refuse(call, MHD_HTTP_FORBIDDEN,
                  "the Host header does not name this server (see: workq help serve, --allow-host)");
  const char *path = path_of(call, target), *prefix = call->serve->prefix;
  size_t len = strlen(prefix);
  if (len > 0 && (strcmp(path, "/") == 0 || strcmp(path, prefix) == 0)) return redirect(call);
  if (strncmp(path, prefix, len) != 0 || path[len] != '/') return not_found(call);
  return answer_path(call, path + len);
}

/* ---- Requests ------------------------------------------------------------------------------------------------ */

/* Whether the body fits; what does not is no request of ours, and its connection is closed. */
static bool take_body(struct request *request, const char *bytes, size_t len) {
  if (len > ACTION_BODY_MAX - request->len) return false;
  char *body = realloc(request->body, request->len + len);
  if (body == NULL) return false;
  memcpy(body + request->len, bytes, len);
  request->body = body;
  request->len += len;
  return true;
}

static enum MHD_Result begin_request(const struct call *call, const char *target, void **state) {
  const char *wrong = wrong_request(call, target);
  if (wrong != NULL) return refuse(call, MHD_HTTP_BAD_REQUEST, wrong);
  const char *announced = header_of(call, MHD_HTTP_HEADER_CONTENT_LENGTH);
  int64_t len;
  if (announced != NULL && !parse_integer(announced, 0, ACTION_BODY_MAX, &len))
    return refuse(call, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too long");
  *state = calloc(1, sizeof(struct request));
  return *state != NULL ? MHD_YES : MHD_NO;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *bytes, size_t *len, void **state) {
  (void)version;
  const struct http *http = arg;
  struct request *request = *state;
  struct call call = {
      .serve = http->serve, .http = http, .connection = connection, .method = method, .request = request};
  if (request == NULL) return begin_request(&call, url, state);
  if (*len == 0) return answer(&call, url);
  size_t piece = *len;
  *len = 0;
  return take_body(request, bytes, piece) ? MHD_YES : MHD_NO;
}

/* What connections.c keeps about the connection; null where there was no memory for it. */
static struct connection *kept_about(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info != NULL ? info->socket_context : NULL;
}

static void on_end(void *arg, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code) {
  struct http *http = arg;
  struct connection *kept = kept_about(connection);
  if (kept != NULL && code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
    connections_progress(&http->connections, kept, clock_now_ns());
  struct request *request = *state;
  if (request == NULL) return;
  free(request->body);
  free(request);
  *state = NULL;
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **kept,
                          enum MHD_ConnectionNotificationCode code) {
  struct http *http = arg;
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *kept = info != NULL ? connections_add(&http->connections, info->connect_fd, clock_now_ns()) : NULL;
  } else if (*kept != NULL) {
    connections_remove(&http->connections, *kept);
    *kept = NULL;
  }
}

/* ---- The daemon ---------------------------------------------------------------------------------------------- */

struct http *http_start(struct serve *serve) {
  struct http *http = calloc(1, sizeof *http);
  if (http == NULL) return NULL;
  http->serve = serve;
  connections_init(&http->connections);
  http->daemon =
      MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, http, MHD_OPTION_LISTEN_SOCKET, serve->listener.fd,
                       MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, SILENCE_S,
                       MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_MAX, MHD_OPTION_NOTIFY_COMPLETED, on_end,
                       http, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_UNESCAPE_CALLBACK,
                       leave_escaped, NULL, MHD_OPTION_END);
  const union MHD_DaemonInfo *info =
      http->daemon == NULL ? NULL : MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
  if (info != NULL) {
    http->descriptor = info->epoll_fd;
    return http;
  }
  if (http->daemon != NULL) MHD_stop_daemon(http->daemon);
  free(http);
  return NULL;
}

int http_descriptor(const struct http *http) {
  return http->descriptor;
}

int http_timeout_ms(const struct http *http) {
  MHD_UNSIGNED_LONG_LONG timeout_ms;
  if (MHD_get_timeout(http->daemon, &timeout_ms) != MHD_YES) return -1;
  return timeout_ms < 60000 ? (int)timeout_ms : 60000;
}

void http_run(struct http *http) {
  MHD_run(http->daemon);
  connections_end_slow(&http->connections, clock_now_ns());
}

void http_stop(struct http *http) {
  MHD_stop_daemon(http->daemon);
  free(http);
}
