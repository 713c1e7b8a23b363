/*
 * The address at which `workq serve` listens.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/parse.h"
#include "serve.h"

/* Connections that may wait to be taken. */
#define BACKLOG 64

static struct sockaddr_in *as_v4(struct sockaddr_storage *address) {
  return (struct sockaddr_in *)address;
}

static struct sockaddr_in6 *as_v6(struct sockaddr_storage *address) {
  return (struct sockaddr_in6 *)address;
}

bool listen_parse(const char *text, struct sockaddr_storage *out) {
  char host[INET6_ADDRSTRLEN + 2];
  const char *colon = strrchr(text, ':');
  int64_t port;
  if (colon == NULL || (size_t)(colon - text) >= sizeof host || !parse_integer(colon + 1, 0, 65535, &port))
    return false;
  memcpy(host, text, (size_t)(colon - text));
  host[colon - text] = '\0';
  memset(out, 0, sizeof *out);
  size_t len = strlen(host);
  if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
    host[len - 1] = '\0';
    out->ss_family = AF_INET6;
    as_v6(out)->sin6_port = htons((uint16_t)port);
    return inet_pton(AF_INET6, host + 1, &as_v6(out)->sin6_addr) == 1;
  }
  out->ss_family = AF_INET;
  as_v4(out)->sin_port = htons((uint16_t)port);
  return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &as_v4(out)->sin_addr) == 1;
}

void listen_print(const struct sockaddr_storage *address, char text[SERVE_ADDRESS_SIZE]) {
  struct sockaddr_storage copy = *address;
  char host[INET6_ADDRSTRLEN] = "";
  if (address->ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &as_v6(&copy)->sin6_addr, host, sizeof host);
    snprintf(text, SERVE_ADDRESS_SIZE, "[%s]:%u", host, ntohs(as_v6(&copy)->sin6_port));
  } else {
    inet_ntop(AF_INET, &as_v4(&copy)->sin_addr, host, sizeof host);
    snprintf(text, SERVE_ADDRESS_SIZE, "%s:%u", host, ntohs(as_v4(&copy)->sin_port));
  }
}

bool listen_is_loopback(const struct sockaddr_storage *address) {
  struct sockaddr_storage copy = *address;
  if (address->ss_family == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&as_v6(&copy)->sin6_addr);
  return ntohl(as_v4(&copy)->sin_addr.s_addr) >> 24 == 127;
}

bool listen_reaches(const struct sockaddr_storage *listening, const struct sockaddr_storage *address) {
  struct sockaddr_storage own = *listening, other = *address;
  if (own.ss_family != other.ss_family) return false;
  if (own.ss_family == AF_INET6)
    return IN6_IS_ADDR_UNSPECIFIED(&as_v6(&own)->sin6_addr) ||
           IN6_ARE_ADDR_EQUAL(&as_v6(&own)->sin6_addr, &as_v6(&other)->sin6_addr);
  return as_v4(&own)->sin_addr.s_addr == htonl(INADDR_ANY) ||
         as_v4(&own)->sin_addr.s_addr == as_v4(&other)->sin_addr.s_addr;
}

static int bind_and_listen(int fd, struct sockaddr_storage *address) {
  const int on = 1;
  socklen_t len = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address->ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)address, len) < 0 || listen(fd, BACKLOG) < 0) return -errno;
  return getsockname(fd, (struct sockaddr *)address, &len) < 0 ? -errno : 0;
}

int listen_open(struct sockaddr_storage *address) {
  int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  int result = bind_and_listen(fd, address);
  if (result == 0) return fd;
  close(fd);
  return result;
}
