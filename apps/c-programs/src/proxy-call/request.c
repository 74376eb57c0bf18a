// SPDX-License-Identifier: Apache-2.0
// The way to the proxy: connect, head, body.
#include "call.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const struct call *call) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(call->socket) >= sizeof address.sun_path) fail(EXIT_USAGE, "expected a socket's path of at most %zu bytes", sizeof address.sun_path - 1);
  strcpy(address.sun_path, call->socket);
  int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) fail(EXIT_NO_ANSWER, "cannot make a socket: %s", strerror(errno));
  struct timeval limit = {.tv_sec = call->seconds};
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) fail(EXIT_NO_ANSWER, "cannot reach the proxy at %s: %s", call->socket, strerror(errno));
  return descriptor;
}

// False when the proxy takes no more: it may have answered already, and says why there.
static bool write_all(int descriptor, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t written = write(descriptor, bytes, length);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes += written;
    length -= (size_t)written;
  }
  return true;
}

static bool write_text(int descriptor, const char *text) { return write_all(descriptor, text, strlen(text)); }

static bool has_type(const struct call *call) {
  for (int at = 0; at < call->header_count; at++) {
    if (strncasecmp(call->headers[at], "content-type:", 13) == 0) return true;
  }
  return false;
}

static void stream_body(int descriptor, int source) {
  char bytes[65536], size[32];
  for (;;) {
    ssize_t length = read(source, bytes, sizeof bytes);
    if (length < 0 && errno == EINTR) continue;
    // Without the last chunk the proxy knows that the body is not whole.
    if (length < 0) fail(EXIT_NO_ANSWER, "cannot read the body: %s", strerror(errno));
    if (length == 0) break;
    snprintf(size, sizeof size, "%zx\r\n", (size_t)length);
    if (!write_text(descriptor, size) || !write_all(descriptor, bytes, (size_t)length) || !write_text(descriptor, "\r\n")) return;
  }
  write_text(descriptor, "0\r\n\r\n");
}

static int open_body(const char *data) {
  if (strcmp(data, "-") == 0) return STDIN_FILENO;
  int source = open(data + 1, O_RDONLY | O_CLOEXEC);
  if (source < 0) fail(EXIT_USAGE, "cannot read %.200s: %s", data + 1, strerror(errno));
  return source;
}

int send_request(const struct call *call) {
  bool streams = call->data != NULL && (strcmp(call->data, "-") == 0 || call->data[0] == '@');
  int source = streams ? open_body(call->data) : -1;
  int descriptor = connect_to(call);
  signal(SIGPIPE, SIG_IGN);
  char line[64];
  bool sent = write_text(descriptor, call->method) && write_text(descriptor, " ") && write_text(descriptor, call->path) &&
              write_text(descriptor, " HTTP/1.1\r\nHost: bureau\r\nConnection: close\r\n");
  for (int at = 0; sent && at < call->header_count; at++) sent = write_text(descriptor, call->headers[at]) && write_text(descriptor, "\r\n");
  if (sent && call->data != NULL && !has_type(call)) sent = write_text(descriptor, "Content-Type: application/json\r\n");
  if (sent && call->data != NULL && !streams) {
    snprintf(line, sizeof line, "Content-Length: %zu\r\n", strlen(call->data));
    sent = write_text(descriptor, line);
  }
  if (sent && streams) sent = write_text(descriptor, "Transfer-Encoding: chunked\r\n");
  if (sent) sent = write_text(descriptor, "\r\n");
  if (sent && streams) stream_body(descriptor, source);
  else if (sent && call->data != NULL) write_text(descriptor, call->data);
  return descriptor;
}
