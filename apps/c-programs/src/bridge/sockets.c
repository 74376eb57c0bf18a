// SPDX-License-Identifier: Apache-2.0
// The two kinds of socket: where clients come in, and the way to the proxy.
#include "bridge.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int listen_tcp(const struct options *options, struct sockaddr_storage *bound) {
  char text[64];
  format_address(&options->listen, text);
  int fd = socket(options->listen.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int on = 1;
  socklen_t length = sizeof *bound;
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(fd, (const struct sockaddr *)&options->listen, options->listen_length) != 0 || listen(fd, BACKLOG) != 0 ||
      getsockname(fd, (struct sockaddr *)bound, &length) != 0) {
    fail("cannot listen on %s: %s%s", text, strerror(errno), errno == EADDRINUSE ? "; choose another port with --listen" : "");
  }
  return fd;
}

int connect_proxy(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  memcpy(address.sun_path, path, strlen(path) + 1); // options.c has measured it
  if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

bool is_passing(int error) {
  return error == EAGAIN || error == ECONNREFUSED || error == ENOENT || error == EINTR || error == EMFILE || error == ENFILE ||
         error == ENOBUFS || error == ENOMEM;
}

void probe_proxy(const char *path) {
  int64_t until = now_milliseconds() + CONNECT_MILLISECONDS;
  for (;;) {
    int fd = connect_proxy(path);
    if (fd >= 0) {
      close(fd);
      return;
    }
    if (!is_passing(errno) || now_milliseconds() >= until) {
      fail("expected the proxy to answer at %s, found: %s; is this a sandbox of Bureau? (--socket names another path)", path, strerror(errno));
    }
    poll(NULL, 0, RETRY_MILLISECONDS);
  }
}
