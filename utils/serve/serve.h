/*
 * `workq serve`: a small HTTP server in one thread, with metrics, an interface in JSON and one
 * page.
 *
 *   serve.c      options, the main loop; unavailable.c where there is no libmicrohttpd
 *   listen.c     the address to listen at, and the socket there
 *   connections  which of them are ended, so that slow clients do not shut others out
 *   auth.c       who may ask, and who may act
 *   http.c       requests and answers; the only file that knows libmicrohttpd
 *   api.c        queues, workers and keys as JSON
 *   actions.c    what changes a queue
 *   history.c    what queues were in the last minutes
 *   peek.c       reading a queue that may vanish, be damaged, or be another user's
 *   page/        the page, put into the program by page/embed.sh
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_UTILS_SERVE_SERVE_H
#define WORKQ_UTILS_SERVE_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <jansson.h>
#include <workq.h>

/* Most names that --allow-host may give. */
#define SERVE_HOSTS_MAX 16u

/* The longest that --prefix may give. */
#define SERVE_PREFIX_MAX 200u

struct listener {
  int fd;
  struct sockaddr_storage address;
  socklen_t len;
  bool is_passed;     /* by systemd */
  bool takes_v4;      /* though its address is one of IPv6 */
  mode_t socket_mode; /* permissions of a socket in the file system */
  struct stat file;   /* which file that is */
};

struct serve {
  bool shared;            /* reads queues of other users, too */
  const char *token;      /* who has it may act; null: nobody may */
  const char *read_token; /* who has it, or the other, may read; null: anyone may */
  const char *hosts[SERVE_HOSTS_MAX];
  unsigned host_count;
  const char *prefix; /* with which each path begins: "", or "/path" */
  int64_t stuck_ns;   /* after which a queue without a done, or a run, is marked */
  struct listener listener;
  struct histories *histories;
};

/* ---- listen.c ------------------------------------------------------------------------------------------------ */

/* Space for an address with its port, or "unix:" and a path, as text. */
#define SERVE_ADDRESS_SIZE 128

/* ADDRESS:PORT, [ADDRESS]:PORT or localhost:PORT.  Returns whether it is one. */
bool listen_parse_ip(const char *text, struct sockaddr_storage *out);

/* The same, or unix:PATH.  Returns null, or what is wrong with it, as a clause for an error line. */
const char *listen_parse(const char *text, struct listener *out);

/* The address with its port, as it stands in a URL; or "unix:PATH". */
void listen_print(const struct listener *listener, char text[SERVE_ADDRESS_SIZE]);

bool listen_is_unix(const struct listener *listener);
bool listen_is_loopback(const struct sockaddr_storage *address);

/* Whether connections to the address come to this socket, whatever the ports. */
bool listen_reaches(const struct listener *listener, const struct sockaddr_storage *address);

/*
 * Listens at listener->address, and puts the port that it has into it.  A socket in the file system
 * at which nobody listens any more is replaced.  Returns 0 or -errno: -EADDRINUSE where somebody
 * listens, -EEXIST where the path is that of something else than a socket.
 */
int listen_open(struct listener *listener);

/*
 * Takes the socket that systemd passes (LISTEN_PID, LISTEN_FDS), and forgets these variables.
 * Returns 1, 0 where it passes none to this process, or -1 with what is wrong in *wrong.
 */
int listen_take_passed(struct listener *listener, const char **wrong);

/* Removes the socket from the file system, if it is still the one that was opened. */
void listen_remove(const struct listener *listener);

/* ---- auth.c -------------------------------------------------------------------------------------------------- */

/*
 * Whether a Host header names this server: a page of somebody else's whose name was made to lead
 * here does not.  value may be null: no such header.
 */
bool auth_host(const struct serve *serve, const char *value);

/* Whether a Host header is what one may be at all: a name or an address, with a port or without. */
bool auth_host_form(const char *value);

/*
 * Whether the request of this Origin header came from a page of this server, or from no page at
 * all.
 */
bool auth_origin(const char *origin, const char *host);

/*
 * Whether an Authorization header (or null) has the token for actions; whether it has one of the
 * tokens that permit to read, where one is needed.  Each takes the same time for each wrong token of
 * the same length.
 */
bool auth_may_act(const struct serve *serve, const char *authorization);
bool auth_may_read(const struct serve *serve, const char *authorization);

/*
 * The token in the file (null: in the environment), to be freed; null if it is invalid: why is
 * said, and in *status.
 */
char *auth_read_token(const char *file, int *status);

/* ---- peek.c -------------------------------------------------------------------------------------------------- */

/*
 * Calls read with a handle that costs the queue nothing (WORKQ_RAW), as sigbus_guard(), for which
 * sigbus_prepare() must have been called.  Returns what read returned or an error.
 */
int peek_at(const char *name, bool shared, int (*read)(workq *q, void *arg), void *arg);

/* The figures alone. */
int peek_measure(const char *name, bool shared, workq_measures *measures);

/* Why a queue could not be read. */
const char *peek_error(int error);

/* ---- history.c ----------------------------------------------------------------------------------------------- */

/* Ten minutes, a sample a second. */
#define HISTORY_POINTS 600u

/* Queues beyond these, by name, have no history. */
#define HISTORY_QUEUES 256u

/* What a sample has of each histogram. */
enum { HISTORY_QUEUE_TIME, HISTORY_WORK_TIME, HISTORY_TIMES };

struct history_point {
  bool is_there; /* else nothing could be seen in this second */
  uint32_t ready;
  uint32_t processing;
  uint32_t delayed;
  uint32_t buried;
  float adds;                       /* a second */
  float dones;                      /* a second */
  float retries;                    /* a second */
  int64_t median_ns[HISTORY_TIMES]; /* of what ended in this second; -1 where nothing did */
  int64_t p99_ns[HISTORY_TIMES];
};

struct histories *histories_new(void);
void histories_free(struct histories *histories);

/* Takes a sample of every queue; missed is how many seconds went by without one. */
void histories_sample(struct histories *histories, bool shared, uint64_t missed);

struct history;

/*
 * For how long keys have been ready all the time, the queue was not paused and none was done; 0
 * where that is not so.
 */
int64_t history_stalled_ns(const struct history *history);

/* Null if there is none. */
const struct history *history_find(const struct histories *histories, const char *name);

/* Samples have numbers from 0 on; those from *first up to but without the result are kept. */
uint64_t history_end(const struct history *history, uint64_t *first);
const struct history_point *history_at(const struct history *history, uint64_t number);

/* The times of the last minute or so, up to these measures. */
void history_minute(const struct history *history, const workq_measures *now, workq_histogram out[HISTORY_TIMES]);

/* ---- api.c --------------------------------------------------------------------------------------------------- */

/* Each gives an object for the caller, and the status of HTTP. */
json_t *api_error(unsigned status, const char *reason, unsigned *status_out);
json_t *api_queues(const struct serve *serve, unsigned *status);

/* since: the number of the first sample that is wanted. */
json_t *api_queue(const struct serve *serve, const char *name, uint64_t since, unsigned *status);

/* Which keys are wanted. */
struct api_filter {
  int state;          /* WORKQ_STATE_*; 0: any */
  const char *search; /* bytes that the key must contain; letters of ASCII in whatever case */
  size_t search_len;
  unsigned limit; /* most keys to show */
  bool count;     /* whether all that are found are counted */
};

/* Whether the key is one of those wanted. */
bool api_wants(const struct api_filter *filter, const workq_info *info);

/* Visits the keys in that state (0: in any); others, too, where they are not listed apart. */
int api_visit(workq *q, int state, int (*visit)(void *arg, const workq_info *info), void *arg);

#define API_ITEMS_MAX     1000u
#define API_ITEMS_DEFAULT 100u

json_t *api_items(const struct serve *serve, const char *name, const struct api_filter *filter, unsigned *status);

/* Puts everything for Prometheus into *text, to be freed.  Returns 0 or -errno. */
int api_metrics(const struct serve *serve, char **text, size_t *len);

/* What an error of the library is in HTTP. */
unsigned api_status(int error);

/* ---- actions.c ----------------------------------------------------------------------------------------------- */

/* The longest body of a request: a key of any length, or what is searched, each byte as \u00XX. */
#define ACTION_BODY_MAX ((6u * WORKQ_KEY_MAX) + 1024u)

bool action_exists(const char *action);
json_t *action_run(const struct serve *serve, const char *name, const char *action, const char *body, size_t len,
                   unsigned *status);

/* ---- http.c -------------------------------------------------------------------------------------------------- */

struct http;

/* Takes connections from serve->listener from now on; null with errno. */
struct http *http_start(struct serve *serve);

/* What to wait for before the next http_run(), and how long at most, ms; -1 for ever. */
int http_descriptor(const struct http *http);
int http_timeout_ms(const struct http *http);
void http_run(struct http *http);
void http_stop(struct http *http);

/* ---- The page, as made by page/embed.sh ---------------------------------------------------------------------- */

struct page_file {
  const char *path;
  const char *type;
  const unsigned char *bytes;
  size_t len;
};

extern const struct page_file page_files[];
extern const size_t page_file_count;

#endif
