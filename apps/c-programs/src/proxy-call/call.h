// SPDX-License-Identifier: Apache-2.0
#ifndef BUREAU_CALL_H
#define BUREAU_CALL_H

#include <stdbool.h>
#include <stddef.h>

// Header lines of one request: what the proxy takes is more, what a person types is less.
#define HEADERS_MAX 32
// Bytes of an answer's head, more than the proxy's own bound for upstreams.
#define HEAD_MAX 65536

enum { EXIT_ANSWERED_ERROR = 1, EXIT_USAGE = 2, EXIT_NO_ANSWER = 3 };

struct call {
  const char *socket, *method, *path;
  const char *headers[HEADERS_MAX];
  int header_count;
  const char *data; // NULL: no body; "-" and "@file" are streamed
  bool show_head;
  int seconds; // without a byte
};

// Says why on stderr and ends the process.
__attribute__((noreturn, format(printf, 2, 3))) void fail(int code, const char *format, ...);

// Connects and writes the whole request; returns the socket.
int send_request(const struct call *call);

// Reads the answer, writes it to stdout; returns the exit code.
int answer(const struct call *call, int socket);

#endif
