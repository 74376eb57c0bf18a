// SPDX-License-Identifier: Apache-2.0
#include "starter.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum { TERMINAL = 1, HELD = 2 };

// Takes the next `size` bytes of `rest`.
static const char *take(struct part *rest, uint32_t size) {
  if (size > rest->size) fail("expected %u bytes more of a plan, found %u", size, rest->size);
  const char *bytes = rest->bytes;
  rest->bytes += size;
  rest->size -= size;
  return bytes;
}

static uint32_t take_number(struct part *rest) {
  uint32_t number;
  memcpy(&number, take(rest, sizeof number), sizeof number);
  return ntohl(number);
}

static uint64_t take_large(struct part *rest) {
  uint64_t number;
  memcpy(&number, take(rest, sizeof number), sizeof number);
  return be64toh(number);
}

static struct part take_part(struct part *rest) {
  uint32_t size = take_number(rest);
  return (struct part){take(rest, size), size};
}

static struct part take_texts(struct part *rest, const char *what) {
  struct part part = take_part(rest);
  if (part.size > 0 && part.bytes[part.size - 1] != '\0') fail("expected a NUL behind the last of a plan's %s", what);
  return part;
}

void receive_plan(uint32_t size, struct plan *plan) {
  if (size == 0 || size > PLAN_MAX) fail("expected a plan of 1 to %u bytes, found %u", PLAN_MAX, size);
  char *bytes = malloc(size);
  if (bytes == NULL) fail("no memory for a plan of %u bytes", size);
  receive_bytes(LAUNCHER, bytes, size);
  struct part rest = {bytes, size};
  uint32_t flags = take_number(&rest);
  plan->terminal = (flags & TERMINAL) != 0;
  plan->held = (flags & HELD) != 0;
  plan->open_files = take_large(&rest);
  plan->file_size = take_large(&rest);
  plan->processes = take_large(&rest);
  plan->line = take_texts(&rest, "words");
  plan->options = take_texts(&rest, "options");
  plan->filter = take_part(&rest);
  plan->sources = take_texts(&rest, "mount sources");
  plan->devices = take_texts(&rest, "devices");
  plan->config = take_part(&rest);
  if (rest.size != 0) fail("expected the end of a plan, found %u bytes more", rest.size);
  if (plan->line.size == 0) fail("expected a command line in a plan, found none");
}

const char *next_text(struct part *rest) {
  if (rest->size == 0) return NULL;
  const char *text = rest->bytes;
  uint32_t size = (uint32_t)strlen(text) + 1;
  rest->bytes += size;
  rest->size -= size;
  return text;
}
