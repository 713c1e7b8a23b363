/*
 * Who may ask `workq serve`, and who may act.
 *
 * Anyone who can connect may read, or who has a token where one is set for that.  But a browser
 * connects for any page that it shows: so the Host header must name this server (a page whose name
 * was made to lead here has another; behind a socket in the file system stands a proxy that such a
 * page can reach, so that it is no exception), and nothing says that pages of others may read the
 * answers.  To act takes a token that no browser sends by itself.  Tokens are taken from the
 * Authorization header only, never from a URL, which ends up in logs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cli/options.h"
#include "common/parse.h"
#include "common/say.h"
#include "serve.h"

#define TOKEN_MIN 16u
#define TOKEN_MAX 1024u

/* Space for a name of the longest that DNS has. */
#define HOST_SIZE 256u

/* ---- Host and Origin ----------------------------------------------------------------------------------------- */

#define DIGITS  "0123456789"
#define HEX     DIGITS "abcdefABCDEF"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* ":80", or nothing. */
static bool is_port(const char *text) {
  int64_t port;
  if (*text == '\0') return true;
  return *text == ':' && text[1 + strspn(text + 1, DIGITS)] == '\0' && parse_integer(text + 1, 0, 65535, &port);
}

/*
 * Cuts the port off, and the brackets of an address of IPv6.  What is not just one host, with a
 * port or without, is refused: a proxy may have read another name in it.
 */
static bool host_of(const char *value, char host[HOST_SIZE]) {
  bool brackets = *value == '[';
  const char *begin = value + brackets;
  size_t len = strspn(begin, brackets ? HEX ":." : LETTERS DIGITS "-._");
  if (len == 0 || len >= HOST_SIZE || (brackets && begin[len] != ']')) return false;
  if (!is_port(begin + len + brackets)) return false;
  memcpy(host, begin, len);
  host[len] = '\0';
  return true;
}

bool auth_host_form(const char *value) {
  char host[HOST_SIZE];
  return host_of(value, host);
}

/* An address in figures is what the browser has connected to; no name was made to lead here. */
static bool is_own_address(const struct serve *serve, const char *host) {
  char text[HOST_SIZE + sizeof "[]:0"];
  struct sockaddr_storage address;
  snprintf(text, sizeof text, strchr(host, ':') != NULL ? "[%s]:0" : "%s:0", host);
  if (!listen_parse_ip(text, &address)) return false;
  return listen_is_loopback(&address) || listen_reaches(&serve->listener, &address);
}

bool auth_host(const struct serve *serve, const char *value) {
  char host[HOST_SIZE];
  if (value == NULL || !host_of(value, host)) return false;
  for (unsigned i = 0; i < serve->host_count; i++)
    if (strcasecmp(host, serve->hosts[i]) == 0) return true;
  return strcasecmp(host, "localhost") == 0 || is_own_address(serve, host);
}

bool auth_origin(const char *origin, const char *host) {
  if (origin == NULL) return true;
  const char *slashes = strstr(origin, "://");
  return slashes != NULL && strcasecmp(slashes + 3, host) == 0;
}

/* ---- The token ----------------------------------------------------------------------------------------------- */

/* What an Authorization header gives as a token; "" where it gives none. */
static const char *given_token(const char *authorization) {
  static const char scheme[] = "Bearer ";
  if (authorization == NULL || strncasecmp(authorization, scheme, sizeof scheme - 1) != 0) return "";
  return authorization + sizeof scheme - 1;
}

static bool is_token(const char *token, const char *given) {
  if (token == NULL) return false;
  size_t given_len = strlen(given), len = strlen(token);
  volatile unsigned char difference = given_len != len;
  for (size_t i = 0; i < len; i++) difference |= (unsigned char)(token[i] ^ given[given_len == len ? i : 0]);
  return difference == 0;
}

bool auth_may_act(const struct serve *serve, const char *authorization) {
  return is_token(serve->token, given_token(authorization));
}

bool auth_may_read(const struct serve *serve, const char *authorization) {
  if (serve->read_token == NULL) return true;
  const char *given = given_token(authorization);
  bool reader = is_token(serve->read_token, given), actor = is_token(serve->token, given);
  return reader | actor;
}

static char *refuse_token(int *status, int why) {
  *status = why;
  return NULL;
}

/* The first line, of which no more is read than a token may have; -1 if it cannot be read. */
static ssize_t read_first_line(const char *file, char **line) {
  FILE *in = fopen(file, "re");
  if (in == NULL) return -1;
  char *bytes = malloc(TOKEN_MAX + 3);
  ssize_t len = bytes != NULL ? 0 : -1;
  for (int byte; len >= 0 && len < (ssize_t)TOKEN_MAX + 2 && (byte = getc(in)) != EOF && byte != '\n';)
    bytes[len++] = (char)byte;
  if (ferror(in)) len = -1;
  int error = errno;
  fclose(in);
  errno = error;
  while (len > 0 && bytes[len - 1] == '\r') len--;
  *line = bytes;
  return len;
}

/* Anyone who can read the token can use it. */
static void warn_of_readers(const char *file) {
  struct stat status;
  if (stat(file, &status) == 0 && (status.st_mode & 077) != 0)
    say("serve: other users may use the token file '%s' (fix: chmod 600 '%s')", file, file);
}

char *auth_read_token(const char *file, int *status) {
  char *token = NULL;
  ssize_t len;
  if (file != NULL) {
    len = read_first_line(file, &token);
    if (len < 0) fail("cannot read the token file '%s': %s", file, strerror(errno));
  } else {
    const char *given = getenv("WORKQ_TOKEN");
    if (given == NULL)
      usage_error("serve", "--allow-actions requires a token: --token-file FILE, or WORKQ_TOKEN in the environment");
    token = given == NULL ? NULL : strdup(given);
    len = token == NULL ? -1 : (ssize_t)strlen(token);
    unsetenv("WORKQ_TOKEN");
  }
  if (len < 0) {
    free(token);
    return refuse_token(status, file != NULL ? STATUS_ERROR : STATUS_USAGE);
  }
  bool good = (size_t)len >= TOKEN_MIN && (size_t)len <= TOKEN_MAX;
  for (ssize_t i = 0; i < len && good; i++) good = token[i] > ' ' && token[i] < 0x7f;
  if (good) {
    if (file != NULL) warn_of_readers(file);
    token[len] = '\0';
    return token;
  }
  free(token);
  return refuse_token(
      status, usage_error("serve", "invalid token in %s: it must have %u to %u printable characters and no space",
                          file != NULL ? file : "WORKQ_TOKEN", TOKEN_MIN, TOKEN_MAX));
}
