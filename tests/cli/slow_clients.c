/*
 * slow_clients PORT|PATH COUNT send|silent|read TARGET: keeps so many connections to a server of
 * HTTP open that get nowhere: each sends a byte of its request now and then, or none at all, or asks
 * for TARGET and takes the answer slowly.  One that the server ends is made again.  Prints
 * "connected" when all have been there, and the number of those that were ended each time that it
 * grows; ends when its standard input does.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS_MAX 256
#define PAUSE_MS    50

static struct client {
  int fd; /* -1: not connected */
  size_t sent;
} clients[CLIENTS_MAX];

static union {
  struct sockaddr any;
  struct sockaddr_in ip;
  struct sockaddr_un path;
} server;
static socklen_t server_len;
static char request[4096];

static void set_server(const char *where) {
  if (*where == '/') {
    server.path.sun_family = AF_UNIX;
    snprintf(server.path.sun_path, sizeof server.path.sun_path, "%s", where);
    server_len = sizeof server.path;
  } else {
    server.ip.sin_family = AF_INET;
    server.ip.sin_port = htons((in_port_t)strtoul(where, NULL, 10));
    server.ip.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server_len = sizeof server.ip;
  }
}

/* What does not fit into the server's backlog is tried again. */
static void connect_client(struct client *client) {
  const int small = 2048;
  client->sent = 0;
  client->fd = socket(server.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (client->fd < 0) exit(EXIT_FAILURE);
  setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  if (connect(client->fd, &server.any, server_len) == 0 || errno == EINPROGRESS) return;
  close(client->fd);
  client->fd = -1;
}

static void send_byte(struct client *client, size_t bytes) {
  size_t len = strlen(request);
  if (client->sent == len) return;
  if (bytes > len - client->sent) bytes = len - client->sent;
  ssize_t sent = send(client->fd, request + client->sent, bytes, MSG_NOSIGNAL);
  if (sent > 0) client->sent += (size_t)sent;
}

/* Whether the connection goes on; an answer is taken only where one is asked for. */
static int is_alive(struct client *client, int reads) {
  char bytes[512];
  ssize_t got = recv(client->fd, bytes, reads ? sizeof bytes : 1, reads ? 0 : MSG_PEEK);
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == ENOTCONN));
}

int main(int argc, char **argv) {
  if (argc != 5) return EXIT_FAILURE;
  int count = atoi(argv[2]), reads = strcmp(argv[3], "read") == 0, sends = strcmp(argv[3], "send") == 0;
  int said = 0, ended = 0, ended_before = 0;
  if (count < 1 || count > CLIENTS_MAX) return EXIT_FAILURE;
  set_server(argv[1]);
  /* A request that is not read to its end before the test is over. */
  if (reads) snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", argv[4]);
  else snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nX-Long: %03500d", argv[4], 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int i = 0; i < count; i++) clients[i].fd = -1;
  for (;;) {
    int connected = 0;
    for (int i = 0; i < count; i++) {
      struct client *client = &clients[i];
      if (client->fd < 0) connect_client(client);
      if (client->fd < 0) continue;
      if (sends || reads) send_byte(client, sends ? 1 : sizeof request);
      if (is_alive(client, reads)) {
        connected++;
      } else {
        close(client->fd);
        client->fd = -1;
        ended++;
      }
    }
    if (!said && connected == count) said = puts("connected") >= 0;
    if (ended > ended_before) printf("%d\n", ended);
    ended_before = ended;
    fflush(stdout);
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&input, 1, PAUSE_MS) > 0) return EXIT_SUCCESS;
  }
}
