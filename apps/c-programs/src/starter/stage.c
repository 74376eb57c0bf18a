// SPDX-License-Identifier: Apache-2.0
#include "starter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

// Of a terminal that nobody has sized yet.
static const struct winsize FIRST_SIZE = {.ws_row = 24, .ws_col = 80};

static void give(struct stage *stage, int descriptor) {
  stage->theirs[stage->count++] = descriptor;
}

static void open_pipe(int ends[2]) {
  if (pipe2(ends, O_CLOEXEC) != 0) fail("cannot make a pipe: %s", strerror(errno));
}

// What we read of the payload's must never make us wait.
static int never_waiting(int descriptor) {
  if (fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) != 0) fail("cannot read without waiting: %s", strerror(errno));
  return descriptor;
}

static void open_terminal(struct stage *stage) {
  int locked = 0;
  int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0 || ioctl(master, TIOCSPTLCK, &locked) != 0 || ioctl(master, TIOCSWINSZ, &FIRST_SIZE) != 0)
    fail("cannot make a terminal: %s; check that /dev/pts is mounted and has one left", strerror(errno));
  // By its master and not by a name, which could mean another one where /dev/pts is mounted twice.
  int payload_end = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (payload_end < 0) fail("cannot open the terminal that was just made: %s", strerror(errno));
  stage->input = stage->error = -1;
  stage->output = never_waiting(master);
  for (int each = 0; each < 3; each++) give(stage, payload_end);
}

// Real pipes: programs open /dev/stdout by name.
static void open_pipes(struct stage *stage) {
  int input[2], output[2], error[2];
  open_pipe(input);
  open_pipe(output);
  open_pipe(error);
  stage->input = input[1];
  stage->output = never_waiting(output[0]);
  stage->error = never_waiting(error[0]);
  give(stage, input[0]);
  give(stage, output[1]);
  give(stage, error[1]);
}

// A file in memory with these bytes: unlike a pipe it holds all of them before anybody reads.
static int file_of(const char *name, struct part content) {
  int file = memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  // Before Linux 6.3 there is no such flag.
  if (file < 0 && errno == EINVAL) file = memfd_create(name, MFD_CLOEXEC);
  if (file < 0) fail("cannot make a file in memory: %s", strerror(errno));
  for (uint32_t written = 0; written < content.size;) {
    ssize_t more = write(file, content.bytes + written, content.size - written);
    if (more < 0) fail("cannot write a file in memory: %s", strerror(errno));
    written += (uint32_t)more;
  }
  if (lseek(file, 0, SEEK_SET) != 0) fail("cannot go back in a file in memory: %s", strerror(errno));
  return file;
}

// bubblewrap goes on at the end of file too, so our death would release it, perhaps with half of its options read: hence it gets an end
// of the pipe that is itself a writer, and an end of file never comes.
static void open_gate(struct stage *stage) {
  int ends[2];
  open_pipe(ends);
  char name[32];
  snprintf(name, sizeof name, "/proc/self/fd/%d", ends[0]);
  int wait = open(name, O_RDWR | O_CLOEXEC);
  if (wait < 0) fail("cannot open a pipe again: %s", strerror(errno));
  close(ends[0]);
  stage->gate = ends[1];
  give(stage, wait);
}

void open_stage(const struct plan *plan, struct stage *stage) {
  if (plan->terminal) open_terminal(stage);
  else open_pipes(stage);
  give(stage, file_of("options", plan->options));
  give(stage, file_of("filter", plan->filter));
  int status[2];
  open_pipe(status);
  stage->status = never_waiting(status[0]);
  give(stage, status[1]);
  open_gate(stage);
}
