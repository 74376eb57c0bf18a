// SPDX-License-Identifier: Apache-2.0
// bureau-starter: makes the process that a relay's bubblewrap will be, in the control groups of its sandbox from its first instruction.
//
// Started by a relay that waits, with the relay's powers (uid 0, SETUID, SETGID). Descriptor 3 is a stream socket to it. First message: "BRS1", a
// uid, the groups' descriptors (LimitedCgroup.openForBirth). Then both processes, this one and the new one, take that uid, and only then the new
// one takes a second message, which the relay sends as that uid too: "BRR1", the length of the words, the descriptors that become 0, 1, 2, …;
// behind it the words, each with a NUL. This process waits for the other and ends as it did.
//
// With the argument "rehearsal" there is no first message: the program is started as whoever this is, for a relay that tries itself out.
#include "starter.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const int HEEDED_BY_RELAY[] = {SIGTERM, SIGINT, SIGHUP};

static _Noreturn void end_like(pid_t child) {
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) _exit(EXIT_FAILED);
  if (WIFSIGNALED(status)) {
    signal(WTERMSIG(status), SIG_DFL);
    kill(getpid(), WTERMSIG(status));
  }
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILED);
}

int main(int count, char **arguments) {
  pid_t relay = getppid();
  pid_t self = getpid();
  // The relay reads nothing of it that is not said on CONTROL, and no core file may hold it.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (count == 2 && strcmp(arguments[1], "rehearsal") == 0) {
    pid_t child = fork();
    if (child < 0) fail("no new process: %s", strerror(errno));
    if (child == 0) become_program();
    close(CONTROL);
    end_like(child);
  }
  if (count != 1) fail("expected no argument, or \"rehearsal\"");
  struct message order;
  receive("BRS1", GROUPS_MAX, &order);
  if (order.count == 0) fail("expected the descriptor of a control group, found none");
  if (order.number == 0 || order.number == UINT32_MAX) fail("expected a uid that is not root's");
  pid_t child = born_into(order.descriptors, order.count);
  for (size_t at = 0; at < order.count; at++) close(order.descriptors[at]);
  become(order.number, child == 0 ? self : relay);
  if (child == 0) become_program();
  // A TERM to all of the relay's group is the relay's to answer: it stops its payload in good order, and this one ends as that does.
  for (size_t at = 0; at < sizeof HEEDED_BY_RELAY / sizeof HEEDED_BY_RELAY[0]; at++) signal(HEEDED_BY_RELAY[at], SIG_IGN);
  close(CONTROL);
  end_like(child);
}
