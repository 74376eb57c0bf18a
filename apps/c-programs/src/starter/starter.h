// SPDX-License-Identifier: Apache-2.0
#ifndef BUREAU_STARTER_H
#define BUREAU_STARTER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// The socket to the relay, and where it is told why nothing was started.
#define CONTROL 3
// The unified tree and each controller of version 1.
#define GROUPS_MAX 8
// What one message of a Unix socket can carry (SCM_MAX_FD).
#define DESCRIPTORS_MAX 253
// Of all words together; Linux takes no more than 2 MiB either.
#define WORDS_MAX (2u * 1024 * 1024)

enum { EXIT_NOTHING = 0, EXIT_FAILED = 125, EXIT_NOT_RUN = 127 };

struct message {
  uint32_t number;
  int descriptors[DESCRIPTORS_MAX];
  size_t count;
};

// Says why on CONTROL and ends the process.
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);

// Waits for one message: `magic`, a number, descriptors (at most `most`). Ends the process when the relay has gone, fails for anything else.
void receive(const char magic[4], size_t most, struct message *message);

// Reads exactly `size` bytes that follow a message.
void receive_bytes(void *bytes, size_t size);

// Makes the process that will be the sandbox, in its control groups from its first instruction; 0 in it, its pid here.
pid_t born_into(const int *groups, size_t count);

// Becomes `uid` and the group of the same number for good, without any power, and proves it. Ends with the process `parent`: by a signal once that is of
// this uid too (root without CAP_KILL may send it none), before that by the end of CONTROL.
void become(uid_t uid, pid_t parent);

// In the new process: takes the program's words and descriptors from the relay, and becomes it.
__attribute__((noreturn)) void become_program(void);

#endif
