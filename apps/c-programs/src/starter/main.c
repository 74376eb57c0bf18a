// SPDX-License-Identifier: Apache-2.0
// bureau-starter: makes a sandbox before its relay has to be awake, with bubblewrap in its control groups from its first instruction.
//
// Started by a relay that waits, with the relay's powers (uid 0, SETUID, SETGID). Descriptor 3 is a socket to it, 4 and 5 are the launcher's.
// On 4 it hears: "BRO1", a uid, the groups' descriptors (LimitedCgroup.openForBirth). Then both processes, this one and the new one, take that uid.
// Only then "BRO1", a length, the relay's log, its listening socket and the payload's output log, and behind it the plan; the new process
// becomes bubblewrap. On 5 it says that the sandbox stands, hears "go" on 4, says that the command runs, and keeps its output, until the launcher
// closes 4, somebody connects, or anything ends. Then it wakes the relay, which takes its uid from this process and everything else
// from descriptor 3, and says so by one byte. This process waits for bubblewrap and ends as it did.
//
// With the argument "rehearsal" there is no first order: the program is started as whoever this is, for a relay that tries itself out.
#include "starter.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

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

// The process that will be bubblewrap; 0 in it.
static pid_t make_process(pid_t relay) {
  pid_t self = getpid();
  struct message who;
  // The relay is warm when this one waits: whatever it says is said behind that (READY_BYTE of packages/process/src/member-order.ts).
  send_bytes(REPORTS, "w", 1);
  await_launcher();
  receive(LAUNCHER, "BRO1", GROUPS_MAX, &who);
  if (who.count == 0) fail("expected the descriptor of a control group, found none");
  if (who.number == 0 || who.number == UINT32_MAX) fail("expected a uid that is not root's");
  pid_t child = born_into(who.descriptors, who.count);
  for (size_t at = 0; at < who.count; at++) close(who.descriptors[at]);
  become(who.number, child == 0 ? self : relay);
  return child;
}

// What the launcher judged; refused, it goes away, and so does this process.
static void receive_sandbox(struct sandbox *sandbox) {
  struct message where;
  await_launcher();
  receive(LAUNCHER, "BRO1", 3, &where);
  if (where.count != 3) fail("expected the descriptors of a log, a socket and an output log, found %zu", where.count);
  sandbox->log = where.descriptors[0];
  sandbox->listener = where.descriptors[1];
  sandbox->output_log = where.descriptors[2];
  if (dup2(sandbox->log, STDERR_FILENO) < 0) fail("cannot say anything: %s", strerror(errno));
  receive_plan(where.number, &sandbox->plan);
  // Whoever connects is told this user from now on, though the relay accepts: before, the kernel names whoever made the socket.
  if (listen(sandbox->listener, SOMAXCONN) != 0) fail("cannot listen: %s", strerror(errno));
}

int main(int count, char **arguments) {
  pid_t relay = getppid();
  // Nobody of its uid may look into it, and no core file may hold it.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  bool rehearsal = count == 2 && strcmp(arguments[1], "rehearsal") == 0;
  if (count != 1 && !rehearsal) fail("expected no argument, or \"rehearsal\"");
  int words[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, words) != 0) fail("cannot make a socket: %s", strerror(errno));
  pid_t child = rehearsal ? fork() : make_process(relay);
  if (child < 0) fail("no new process: %s", strerror(errno));
  close(words[child != 0]);
  if (child == 0) become_program(words[1]);
  // A TERM to all of the relay's group is the relay's to answer: it stops its payload in good order, and this one ends as that does.
  signal(SIGINT, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  static struct sandbox sandbox;
  receive_sandbox(&sandbox);
  open_stage(&sandbox.plan, &sandbox.stage);
  if (open_sources(&sandbox.plan, &sandbox.stage, sandbox.failure, sizeof sandbox.failure)) {
    run_program(words[0], &sandbox.plan, &sandbox.stage);
    watch(&sandbox);
  }
  // Without a word it ends by this.
  close(words[0]);
  // Nothing is heard or reported any more: who waits for a report hears that, while this one waits for the relay's word.
  close(LAUNCHER);
  close(REPORTS);
  give_to_relay(&sandbox);
  close_range(RELAY, ~0u, 0);
  end_like(child);
}
