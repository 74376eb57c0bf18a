// SPDX-License-Identifier: Apache-2.0
#ifndef BUREAU_STARTER_H
#define BUREAU_STARTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// The socket to the relay, which takes over by it; the launcher's to hear and to tell.
#define RELAY 3
#define LAUNCHER 4
#define REPORTS 5
// The unified tree and each controller of version 1.
#define GROUPS_MAX 8
// What one message of a Unix socket can carry (SCM_MAX_FD).
#define DESCRIPTORS_MAX 253
// Of one plan; its command line and options are a part of it.
#define PLAN_MAX (4u * 1024 * 1024)
// File systems of a sandbox that can be full at its end.
#define SCRATCH_PLACES 4

enum { EXIT_NOTHING = 0, EXIT_FAILED = 125, EXIT_NOT_RUN = 127 };

struct message {
  uint32_t number;
  int descriptors[DESCRIPTORS_MAX];
  size_t count;
};

// A part of a plan. Texts each end with a NUL, the last one too.
struct part {
  const char *bytes;
  uint32_t size;
};

// What the launcher wants started (packages/protocol/src/start-plan.ts, which says what each is).
struct plan {
  bool terminal, held;
  // 0: as this process has it.
  uint64_t open_files, file_size, processes;
  struct part line, options, filter, sources, devices, config;
};

// What bubblewrap is started with, and what is kept of it here.
struct stage {
  // Of a terminal: `output` is its master, the others are -1.
  int input, output, error;
  // bubblewrap's words about itself, and what lets the command run.
  int status, gate;
  // bubblewrap's: 0, 1, 2, the options, the filter, `status`, `gate`, mount sources.
  int theirs[DESCRIPTORS_MAX];
  size_t count;
};

// What the relay is given when it takes over.
struct sandbox {
  struct plan plan;
  struct stage stage;
  int log, listener, output_log;
  // The sandbox's first process as the host counts; 0 until bubblewrap has named it.
  pid_t init;
  bool released;
  // On the monotonic clock, milliseconds.
  int64_t released_at;
  // Handles to its file systems, once they stand: at its end they are gone.
  int scratch[SCRATCH_PLACES];
  bool has_scratch;
  // Why the command will never run; empty when nothing speaks against it.
  char failure[512];
  // All that bubblewrap said, and all that the payload put out: see take-over.ts.
  char *said, *records;
  size_t said_size, records_size;
};

// receive.c

// Says why on standard error, which is the relay's log, and ends the process.
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);

// Blocks until the launcher has said something or gone. Ends the process when the relay has.
void await_launcher(void);

// Waits for one message: `magic`, a number, descriptors (at most `most`). Ends the process when the other side has gone, fails for anything else.
void receive(int socket, const char magic[4], size_t most, struct message *message);

// Reads exactly `size` bytes that follow a message.
void receive_bytes(int socket, void *bytes, size_t size);

// clock.c

// The monotonic clock, milliseconds.
int64_t now(void);

// send.c

// Sends `magic`, a number and descriptors; false when the other side has gone.
bool send_message(int socket, const char magic[4], uint32_t number, const int *descriptors, size_t count);

// Sends all of it; false when the other side has gone.
bool send_bytes(int socket, const void *bytes, size_t size);

// Tells the launcher that the sandbox stands (`init`), or (0) that its command runs. Nobody who listens is no failure.
void report(pid_t init);

// birth.c

// Makes the process that will be the sandbox, in its control groups from its first instruction; 0 in it, its pid here.
pid_t born_into(const int *groups, size_t count);

// Becomes `uid` and the group of the same number for good, without any power, and proves it. Ends with the process `parent`: by a signal once that is of
// this uid too (root without CAP_KILL may send it none), before that by the end of the socket to it.
void become(uid_t uid, pid_t parent);

// program.c

// In the new process: takes the program's words and descriptors from `socket`, and becomes it.
__attribute__((noreturn)) void become_program(int socket);

// Has the new process behind `socket` become bubblewrap.
void run_program(int socket, const struct plan *plan, struct stage *stage);

// plan.c

// Reads a plan of `size` bytes from the launcher; its parts live as long as this process.
void receive_plan(uint32_t size, struct plan *plan);

// The next text of `rest`, which is shortened by it; NULL at its end.
const char *next_text(struct part *rest);

// stage.c

// Opens everything but mount sources.
void open_stage(const struct plan *plan, struct stage *stage);

// judge.c

// Opens mount sources, and looks whether devices can be used. False with the reason in `failure` when the sandbox is not to be.
bool open_sources(const struct plan *plan, struct stage *stage, char *failure, size_t room);

// watch.c

// Brings the sandbox to the point where its relay is needed: it runs, or never will.
void watch(struct sandbox *sandbox);

// scratch.c

// Opens a handle to each of the sandbox's own file systems; false when they do not stand (yet).
bool open_scratch(pid_t init, int handles[SCRATCH_PLACES]);

// take-over.c

// Wakes the relay, gives it everything, and returns when it has it. Nothing of it is used here afterwards.
void give_to_relay(struct sandbox *sandbox);

#endif
