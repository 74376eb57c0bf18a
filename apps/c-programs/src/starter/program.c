// SPDX-License-Identifier: Apache-2.0
#include "starter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The words behind the message as a list that ends with NULL.
static char **receive_words(uint32_t size) {
  if (size == 0 || size > WORDS_MAX) fail("expected 1 to %u bytes of words, found %u", WORDS_MAX, size);
  char *bytes = malloc(size);
  if (bytes == NULL) fail("no memory for %u bytes", size);
  receive_bytes(bytes, size);
  if (bytes[size - 1] != '\0') fail("expected a NUL behind the last word");
  size_t count = 0;
  for (uint32_t at = 0; at < size; at++) count += bytes[at] == '\0';
  char **words = calloc(count + 1, sizeof *words);
  if (words == NULL) fail("no memory for %zu words", count);
  for (size_t at = 0; at < count; at++, bytes += strlen(bytes) + 1) words[at] = bytes;
  return words;
}

// Makes them 0, 1, 2, … and closes everything else, CONTROL too: from here on a failure is told on the program's own standard error.
static void place(const struct message *message) {
  int base = (int)message->count > CONTROL ? (int)message->count : CONTROL + 1;
  int moved[DESCRIPTORS_MAX];
  for (size_t at = 0; at < message->count; at++) {
    moved[at] = fcntl(message->descriptors[at], F_DUPFD_CLOEXEC, base + 1);
    if (moved[at] < 0) fail("too many descriptors: %s", strerror(errno));
  }
  for (size_t at = 0; at < message->count; at++)
    if (dup2(moved[at], (int)at) < 0) fail("cannot place descriptor %zu: %s", at, strerror(errno));
  if (close_range((unsigned)message->count, ~0u, 0) != 0) _exit(EXIT_NOT_RUN);
}

void become_program(void) {
  struct message message;
  receive("BRR1", DESCRIPTORS_MAX, &message);
  if (message.count < 3) fail("expected descriptors for 0, 1 and 2, found %zu", message.count);
  char **words = receive_words(message.number);
  // Of its own, without a terminal: what bubblewrap is told about sessions begins from there.
  setsid();
  if (chdir("/") != 0) fail("cannot go to /: %s", strerror(errno));
  place(&message);
  char *nothing[] = {NULL};
  execve(words[0], words, nothing);
  dprintf(STDERR_FILENO, "bwrap: cannot run %s: %s\n", words[0], strerror(errno));
  _exit(EXIT_NOT_RUN);
}
