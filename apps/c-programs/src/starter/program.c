// SPDX-License-Identifier: Apache-2.0
#include "starter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The words behind the message as a list that ends with NULL.
static char **receive_words(int socket, uint32_t size) {
  if (size == 0 || size > PLAN_MAX) fail("expected 1 to %u bytes of words, found %u", PLAN_MAX, size);
  char *bytes = malloc(size);
  if (bytes == NULL) fail("no memory for %u bytes", size);
  receive_bytes(socket, bytes, size);
  size_t count = 0;
  for (uint32_t at = 0; at < size; at++) count += bytes[at] == '\0';
  char **words = calloc(count + 1, sizeof *words);
  if (words == NULL) fail("no memory for %zu words", count);
  struct part rest = {bytes, size};
  for (size_t at = 0; at < count; at++) words[at] = (char *)(uintptr_t)next_text(&rest);
  return words;
}

// Makes them 0, 1, 2, … and closes everything else: from here on a failure is told on the program's own standard error.
static void place(const struct message *message) {
  int moved[DESCRIPTORS_MAX];
  for (size_t at = 0; at < message->count; at++) {
    moved[at] = fcntl(message->descriptors[at], F_DUPFD_CLOEXEC, (int)message->count + 1);
    if (moved[at] < 0) fail("too many descriptors: %s", strerror(errno));
  }
  for (size_t at = 0; at < message->count; at++)
    if (dup2(moved[at], (int)at) < 0) fail("cannot place descriptor %zu: %s", at, strerror(errno));
  if (close_range((unsigned)message->count, ~0u, 0) != 0) _exit(EXIT_NOT_RUN);
}

void become_program(int socket) {
  // Neither launcher nor relay has a word for it.
  for (int each = RELAY; each <= REPORTS; each++) close(each);
  struct message message;
  receive(socket, "BRR1", DESCRIPTORS_MAX, &message);
  char **words = receive_words(socket, message.number);
  // Of its own, without a terminal: what bubblewrap is told about sessions begins from there.
  setsid();
  if (chdir("/") != 0) fail("cannot go to /: %s", strerror(errno));
  place(&message);
  char *nothing[] = {NULL};
  execve(words[0], words, nothing);
  dprintf(STDERR_FILENO, "bwrap: cannot run %s: %s\n", words[0], strerror(errno));
  _exit(EXIT_NOT_RUN);
}

void run_program(int socket, const struct plan *plan, struct stage *stage) {
  if (!send_message(socket, "BRR1", plan->line.size, stage->theirs, stage->count) || !send_bytes(socket, plan->line.bytes, plan->line.size))
    fail("the process that was to be bubblewrap has gone");
  // A terminal's end is there three times.
  for (size_t at = plan->terminal ? 2 : 0; at < stage->count; at++) close(stage->theirs[at]);
}
