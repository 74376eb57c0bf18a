// SPDX-License-Identifier: Apache-2.0
#include "starter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RELEASED = 1, HAS_SCRATCH = 2 };
enum { PARTS = 5, MOST = 8 + SCRATCH_PLACES };

// The parts of packages/observe/src/take-over.ts, each behind its length.
static bool give_parts(const struct part parts[PARTS]) {
  for (int at = 0; at < PARTS; at++) {
    uint32_t size = htonl(parts[at].size);
    if (!send_bytes(RELAY, &size, sizeof size) || !send_bytes(RELAY, parts[at].bytes, parts[at].size)) return false;
  }
  return true;
}

// From its word on the relay is of this user, and its death ends this process by a signal. One that dies before that, with all of it read or not, is
// still root without CAP_KILL, which may send none.
static bool relay_has_taken(void) {
  char word;
  ssize_t size;
  do size = read(RELAY, &word, 1);
  while (size < 0 && errno == EINTR);
  return size == 1;
}

void give_to_relay(struct sandbox *sandbox) {
  const struct stage *stage = &sandbox->stage;
  int descriptors[MOST] = {sandbox->log, sandbox->listener, sandbox->output_log, stage->status, stage->output};
  size_t count = 5;
  if (!sandbox->plan.terminal) {
    descriptors[count++] = stage->input;
    descriptors[count++] = stage->error;
  }
  if (!sandbox->released) descriptors[count++] = stage->gate;
  for (int at = 0; sandbox->has_scratch && at < SCRATCH_PLACES; at++) descriptors[count++] = sandbox->scratch[at];
  uint32_t flags = (sandbox->released ? RELEASED : 0) | (sandbox->has_scratch ? HAS_SCRATCH : 0);
  uint32_t runs_since = sandbox->released ? (uint32_t)(now() - sandbox->released_at) : 0;
  uint32_t head[] = {htonl(flags), htonl((uint32_t)sandbox->init), htonl(runs_since)};
  const struct part parts[PARTS] = {
    {(const char *)head, sizeof head},
    {sandbox->said, (uint32_t)sandbox->said_size},
    {sandbox->records, (uint32_t)sandbox->records_size},
    {sandbox->failure, (uint32_t)strlen(sandbox->failure)},
    sandbox->plan.config,
  };
  // The first byte has nothing in it: the relay is root when it takes it, and takes nothing else before it is this user too.
  if (!send_bytes(RELAY, "w", 1) || !send_message(RELAY, "BRT1", PARTS, descriptors, count) || !give_parts(parts) || !relay_has_taken())
    fail("the relay has gone before it took over");
}
