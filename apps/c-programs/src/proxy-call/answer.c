// SPDX-License-Identifier: Apache-2.0
// The way back: head, and a body that ends by its length, by its last chunk, or with the connection.
#include "call.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct reader {
  int socket;
  char bytes[HEAD_MAX + 1];
  size_t start, length; // what was read and is not used yet: bytes[start, length)
};

// Reads more behind what is there; false at the end.
static bool fill(struct reader *reader) {
  if (reader->start > 0) {
    memmove(reader->bytes, reader->bytes + reader->start, reader->length - reader->start);
    reader->length -= reader->start;
    reader->start = 0;
  }
  if (reader->length == HEAD_MAX) fail(EXIT_NO_ANSWER, "expected a shorter line or head in the answer");
  for (;;) {
    ssize_t got = read(reader->socket, reader->bytes + reader->length, HEAD_MAX - reader->length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) fail(EXIT_NO_ANSWER, "nothing came for too long (-t)");
    if (got <= 0) return false;
    reader->length += (size_t)got;
    return true;
  }
}

static void broken(void) { fail(EXIT_NO_ANSWER, "the connection ended before the whole answer had come"); }

static void put(const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t written = write(STDOUT_FILENO, bytes, length);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail(EXIT_NO_ANSWER, "cannot write the answer: %s", strerror(errno));
    bytes += written;
    length -= (size_t)written;
  }
}

// Passes `length` bytes on; UINT64_MAX: until the end.
static void pass(struct reader *reader, uint64_t length) {
  while (length > 0) {
    size_t there = reader->length - reader->start;
    if (there == 0) {
      if (fill(reader)) continue;
      if (length == UINT64_MAX) return;
      broken();
    }
    size_t part = there < length ? there : (size_t)length;
    put(reader->bytes + reader->start, part);
    reader->start += part;
    if (length != UINT64_MAX) length -= part;
  }
}

// The next line without its end, as a string that lives until the next call.
static char *next_line(struct reader *reader) {
  size_t seen = 0;
  for (;;) {
    char *end = memchr(reader->bytes + reader->start + seen, '\n', reader->length - reader->start - seen);
    if (end == NULL) {
      seen = reader->length - reader->start;
      if (!fill(reader)) broken();
      continue;
    }
    char *line = reader->bytes + reader->start;
    reader->start = (size_t)(end - reader->bytes) + 1;
    if (end > line && end[-1] == '\r') end--;
    *end = '\0';
    return line;
  }
}

static uint64_t number(const char *text, int base) {
  char *end;
  errno = 0;
  uint64_t value = strtoull(text, &end, base);
  bool is_digit = base == 16 ? strchr("0123456789abcdefABCDEF", *text) != NULL && *text != '\0' : *text >= '0' && *text <= '9';
  if (!is_digit || errno != 0 || (*end != '\0' && *end != ';' && *end != ' ')) fail(EXIT_NO_ANSWER, "expected a length in the answer, found something else");
  return value;
}

static void pass_chunks(struct reader *reader) {
  for (;;) {
    uint64_t length = number(next_line(reader), 16);
    if (length == 0) break;
    pass(reader, length);
    if (*next_line(reader) != '\0') broken();
  }
  while (*next_line(reader) != '\0') {
  }
}

int answer(const struct call *call, int socket) {
  static struct reader reader;
  reader.socket = socket;
  int status;
  bool is_chunked;
  uint64_t length;
  do {
    char *line = next_line(&reader);
    if (strncmp(line, "HTTP/1.1 ", 9) != 0 || strlen(line) < 12) fail(EXIT_NO_ANSWER, "expected an HTTP/1.1 answer, found something else");
    status = atoi(line + 9);
    bool shown = call->show_head && status >= 200;
    if (shown) put(line, strlen(line)), put("\n", 1);
    is_chunked = false;
    length = UINT64_MAX;
    while (*(line = next_line(&reader)) != '\0') {
      if (shown) put(line, strlen(line)), put("\n", 1);
      const char *value = strchr(line, ':');
      if (value == NULL) continue;
      value += 1 + strspn(value + 1, " \t");
      if (strncasecmp(line, "content-length:", 15) == 0) length = number(value, 10);
      if (strncasecmp(line, "transfer-encoding:", 18) == 0) is_chunked = strcasecmp(value, "chunked") == 0;
    }
    if (shown) put("\n", 1);
  } while (status >= 100 && status < 200);
  bool is_empty = strcmp(call->method, "HEAD") == 0 || status == 204 || status == 304;
  if (!is_empty && is_chunked) pass_chunks(&reader);
  else if (!is_empty) pass(&reader, length);
  return status < 400 ? 0 : EXIT_ANSWERED_ERROR;
}
