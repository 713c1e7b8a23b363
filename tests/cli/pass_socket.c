/*
 * pass_socket KIND COMMAND...: runs the command with a descriptor 3 as systemd passes one.  KIND:
 *
 *   ip, ip6       a listening socket at a port of the loopback address; ip6 at [::], which takes
 *                 connections of IPv4, too
 *   PATH          a listening socket in the file system
 *   connection    a stream socket that does not listen; datagram; file; none; two; nonsense
 *   other         a good one, but for another process
 *
 * Prints the port first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PASSED_FD 3

static int listen_at(const void *address, socklen_t len) {
  const struct sockaddr *any = address;
  struct sockaddr_in6 bound;
  socklen_t bound_len = sizeof bound;
  int off = 0, fd = socket(any->sa_family, SOCK_STREAM, 0);
  if (any->sa_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (fd < 0 || bind(fd, any, len) < 0 || listen(fd, 8) < 0) {
    perror("pass_socket");
    exit(77);
  }
  if (any->sa_family != AF_UNIX && getsockname(fd, (struct sockaddr *)&bound, &bound_len) == 0)
    printf("%u\n", ntohs(bound.sin6_port)); /* where that of IPv4 is, too */
  fflush(stdout);
  return fd;
}

static int make(const char *kind) {
  struct sockaddr_in ip = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6};
  struct sockaddr_un path = {.sun_family = AF_UNIX};
  if (*kind == '/') {
    snprintf(path.sun_path, sizeof path.sun_path, "%s", kind);
    return listen_at(&path, sizeof path);
  }
  if (strcmp(kind, "ip6") == 0) return listen_at(&ip6, sizeof ip6);
  if (strcmp(kind, "connection") == 0) return socket(AF_INET, SOCK_STREAM, 0);
  if (strcmp(kind, "datagram") == 0) return socket(AF_INET, SOCK_DGRAM, 0);
  if (strcmp(kind, "file") == 0) return open("/dev/null", O_RDWR);
  if (strcmp(kind, "none") == 0) return -1;
  return listen_at(&ip, sizeof ip);
}

int main(int argc, char **argv) {
  char pid[32];
  if (argc < 3) return EXIT_FAILURE;
  int fd = make(argv[1]);
  if (fd >= 0 && fd != PASSED_FD) {
    dup2(fd, PASSED_FD);
    close(fd);
  }
  if (fd < 0) close(PASSED_FD);
  snprintf(pid, sizeof pid, "%d", strcmp(argv[1], "other") == 0 ? 1 : (int)getpid());
  setenv("LISTEN_PID", pid, 1);
  setenv("LISTEN_FDS", strcmp(argv[1], "two") == 0 ? "2" : strcmp(argv[1], "nonsense") == 0 ? "x" : "1", 1);
  setenv("LISTEN_FDNAMES", "test", 1);
  execvp(argv[2], argv + 2);
  perror("pass_socket");
  return EXIT_FAILURE;
}
