/*
 * The address at which `workq serve` listens, and the socket there: one of its own, or the one that
 * systemd passes.
 *
 * A socket in the file system stays there when its server is killed.  It is replaced only if nobody
 * listens at it: of servers that start at the same time one goes on.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/parse.h"
#include "serve.h"

/* Connections that may wait to be taken. */
#define BACKLOG 64

/* The first descriptor that systemd passes. */
#define PASSED_FD 3

/* How long a server waits until another one has started: 10 s. */
#define LOCK_TRIES        1000
#define LOCK_TRIES_EACH_S 100

static const char unix_scheme[] = "unix:";

static const struct sockaddr_in *as_v4(const struct sockaddr_storage *address) {
  return (const struct sockaddr_in *)address;
}

static const struct sockaddr_in6 *as_v6(const struct sockaddr_storage *address) {
  return (const struct sockaddr_in6 *)address;
}

static const char *path_of(const struct listener *listener) {
  return ((const struct sockaddr_un *)&listener->address)->sun_path;
}

/* ---- Addresses ----------------------------------------------------------------------------------------------- */

bool listen_parse_ip(const char *text, struct sockaddr_storage *out) {
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
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    host[len - 1] = '\0';
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1;
  }
  struct sockaddr_in *v4 = (struct sockaddr_in *)out;
  v4->sin_family = AF_INET;
  v4->sin_port = htons((uint16_t)port);
  return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &v4->sin_addr) == 1;
}

static const char *parse_path(const char *path, struct listener *out) {
  struct sockaddr_un *address = (struct sockaddr_un *)&out->address;
  size_t len = strlen(path);
  if (len == 0 || path[len - 1] == '/') return "no path of a socket";
  if (len >= sizeof address->sun_path) return "a path that is too long for a socket (107 bytes at most)";
  memset(&out->address, 0, sizeof out->address);
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, path, len + 1);
  out->len = sizeof *address;
  return NULL;
}

const char *listen_parse(const char *text, struct listener *out) {
  if (strncmp(text, unix_scheme, sizeof unix_scheme - 1) == 0) return parse_path(text + sizeof unix_scheme - 1, out);
  if (!listen_parse_ip(text, &out->address)) return "no such address";
  out->len = out->address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
  return NULL;
}

static void print_path(const struct listener *listener, char text[SERVE_ADDRESS_SIZE]) {
  const char *path = path_of(listener);
  size_t len = listener->len > offsetof(struct sockaddr_un, sun_path)
                   ? listener->len - offsetof(struct sockaddr_un, sun_path)
                   : 0;
  bool is_abstract = len > 0 && path[0] == '\0';
  snprintf(text, SERVE_ADDRESS_SIZE, "%s%s%.*s", unix_scheme, is_abstract ? "@" : "", (int)len - is_abstract,
           path + is_abstract);
}

void listen_print(const struct listener *listener, char text[SERVE_ADDRESS_SIZE]) {
  const struct sockaddr_storage *address = &listener->address;
  char host[INET6_ADDRSTRLEN] = "";
  if (address->ss_family == AF_UNIX) {
    print_path(listener, text);
  } else if (address->ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &as_v6(address)->sin6_addr, host, sizeof host);
    snprintf(text, SERVE_ADDRESS_SIZE, "[%s]:%u", host, ntohs(as_v6(address)->sin6_port));
  } else {
    inet_ntop(AF_INET, &as_v4(address)->sin_addr, host, sizeof host);
    snprintf(text, SERVE_ADDRESS_SIZE, "%s:%u", host, ntohs(as_v4(address)->sin_port));
  }
}

bool listen_is_unix(const struct listener *listener) {
  return listener->address.ss_family == AF_UNIX;
}

bool listen_is_loopback(const struct sockaddr_storage *address) {
  if (address->ss_family == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&as_v6(address)->sin6_addr);
  return ntohl(as_v4(address)->sin_addr.s_addr) >> 24 == 127;
}

bool listen_reaches(const struct listener *listener, const struct sockaddr_storage *address) {
  const struct sockaddr_storage *own = &listener->address;
  if (own->ss_family == AF_INET6 && address->ss_family == AF_INET) return listener->takes_v4;
  if (own->ss_family != address->ss_family || own->ss_family == AF_UNIX) return false;
  if (own->ss_family == AF_INET6)
    return IN6_IS_ADDR_UNSPECIFIED(&as_v6(own)->sin6_addr) ||
           IN6_ARE_ADDR_EQUAL(&as_v6(own)->sin6_addr, &as_v6(address)->sin6_addr);
  return as_v4(own)->sin_addr.s_addr == htonl(INADDR_ANY) ||
         as_v4(own)->sin_addr.s_addr == as_v4(address)->sin_addr.s_addr;
}

/* ---- A socket of its own at an address of the network -------------------------------------------------------- */

static int open_ip(struct listener *listener) {
  const int on = 1;
  struct sockaddr *address = (struct sockaddr *)&listener->address;
  setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address->sa_family == AF_INET6) setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bind(listener->fd, address, listener->len) < 0 || listen(listener->fd, BACKLOG) < 0) return -errno;
  return getsockname(listener->fd, address, &listener->len) < 0 ? -errno : 0;
}

/* ---- And in the file system ---------------------------------------------------------------------------------- */

/* 1 if somebody listens at the socket, 0 if nobody does; -errno. */
static int is_in_use(const struct sockaddr_un *address) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  int result = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 1 : -errno;
  close(fd);
  if (result == -ECONNREFUSED) return 0;
  return result == -EAGAIN || result == -EPROTOTYPE ? 1 : result;
}

/* Removes the socket unless somebody listens there. */
static int remove_unused(const struct sockaddr_un *address) {
  struct stat status;
  if (lstat(address->sun_path, &status) < 0) return errno == ENOENT ? 0 : -errno;
  if (!S_ISSOCK(status.st_mode)) return -EEXIST;
  int used = is_in_use(address);
  if (used != 0) return used == 1 ? -EADDRINUSE : used;
  return unlink(address->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

/*
 * Servers that start at the same time take turns, by a lock on the directory: a socket that is bound
 * and does not listen yet looks as if nobody used it.  Returns a descriptor that has the lock, or
 * -errno.
 */
static int lock_directory(const char *path) {
  char directory[sizeof((struct sockaddr_un *)NULL)->sun_path] = ".";
  const char *slash = strrchr(path, '/');
  if (slash == path) slash++;
  if (slash != NULL) snprintf(directory, sizeof directory, "%.*s", (int)(slash - path), path);
  int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  for (unsigned tries = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; tries++) {
    int error = errno == EWOULDBLOCK || errno == EINTR ? EBUSY : errno;
    if (error != EBUSY || tries == LOCK_TRIES) {
      close(fd);
      return -error;
    }
    nanosleep(&(struct timespec){.tv_nsec = NS_PER_S / LOCK_TRIES_EACH_S}, NULL);
  }
  return fd;
}

/* Whether the path still leads to the socket that was bound there. */
static bool is_own_file(const struct listener *listener) {
  struct stat status;
  return lstat(path_of(listener), &status) == 0 && status.st_dev == listener->file.st_dev &&
         status.st_ino == listener->file.st_ino;
}

static int bind_path(struct listener *listener) {
  mode_t mask = umask(0777 & ~listener->socket_mode);
  int result = bind(listener->fd, (struct sockaddr *)&listener->address, listener->len) < 0 ? -errno : 0;
  umask(mask);
  if (result < 0) return result;
  return lstat(path_of(listener), &listener->file) < 0 ? -errno : 0;
}

static int open_path(struct listener *listener) {
  int lock = lock_directory(path_of(listener));
  if (lock < 0) return lock;
  int result = remove_unused((const struct sockaddr_un *)&listener->address);
  if (result == 0) result = bind_path(listener);
  if (result == 0 && listen(listener->fd, BACKLOG) < 0) result = -errno;
  close(lock);
  return result;
}

void listen_remove(const struct listener *listener) {
  if (listen_is_unix(listener) && !listener->is_passed && is_own_file(listener)) unlink(path_of(listener));
}

int listen_open(struct listener *listener) {
  listener->fd = socket(listener->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener->fd < 0) return -errno;
  int result = listen_is_unix(listener) ? open_path(listener) : open_ip(listener);
  if (result == 0) return 0;
  listen_remove(listener);
  close(listener->fd);
  return result;
}

/* ---- The socket that systemd passes -------------------------------------------------------------------------- */

static int socket_option(int fd, int level, int name) {
  int value = 0;
  socklen_t len = sizeof value;
  return getsockopt(fd, level, name, &value, &len) < 0 ? -1 : value;
}

/* What is wrong with the descriptor, or null. */
static const char *check_passed(int fd) {
  int type = socket_option(fd, SOL_SOCKET, SO_TYPE), domain = socket_option(fd, SOL_SOCKET, SO_DOMAIN);
  if (type < 0) return "descriptor 3 is no socket";
  if (type != SOCK_STREAM || (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX))
    return "descriptor 3 is no stream socket of IP or of the file system (set ListenStream=)";
  if (socket_option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1) return "descriptor 3 does not listen (set Accept=no)";
  return NULL;
}

static const char *take(struct listener *listener, const char *count) {
  int64_t passed;
  if (count == NULL || !parse_integer(count, 1, INT32_MAX, &passed)) return "LISTEN_FDS is no number of sockets";
  if (passed != 1) return "more than one is passed (set one ListenStream=)";
  const char *wrong = check_passed(PASSED_FD);
  if (wrong != NULL) return wrong;
  int flags = fcntl(PASSED_FD, F_GETFL);
  if (flags < 0 || fcntl(PASSED_FD, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(PASSED_FD, F_SETFD, FD_CLOEXEC) < 0)
    return "descriptor 3 cannot be used";
  listener->fd = PASSED_FD;
  listener->is_passed = true;
  listener->len = sizeof listener->address;
  memset(&listener->address, 0, sizeof listener->address);
  if (getsockname(PASSED_FD, (struct sockaddr *)&listener->address, &listener->len) < 0)
    return "the address of descriptor 3 cannot be read";
  if (listener->address.ss_family == AF_INET6)
    listener->takes_v4 = IN6_IS_ADDR_UNSPECIFIED(&as_v6(&listener->address)->sin6_addr) &&
                         socket_option(PASSED_FD, IPPROTO_IPV6, IPV6_V6ONLY) == 0;
  return NULL;
}

int listen_take_passed(struct listener *listener, const char **wrong) {
  const char *pid = getenv("LISTEN_PID");
  int64_t number;
  *wrong = NULL;
  if (pid == NULL) return 0;
  if (parse_integer(pid, 1, INT32_MAX, &number) && number == getpid()) *wrong = take(listener, getenv("LISTEN_FDS"));
  else number = 0;
  unsetenv("LISTEN_PID");
  unsetenv("LISTEN_FDS");
  unsetenv("LISTEN_FDNAMES");
  if (*wrong != NULL) return -1;
  return number != 0;
}
