// SPDX-License-Identifier: Apache-2.0
#include "starter.h"
#include "patience.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

// Between two looks for the sandbox's own file systems after the command was released; bubblewrap mounts them in 5 ms.
#define LOOK_MILLISECONDS 20
// Both of bubblewrap's lines; more is none of them.
#define SAID_MAX 4096
// Output that waits for the relay; a payload that is louder gets it at once.
#define RECORDS_MAX (64u * 1024)
#define PIECE_MAX (16u * 1024)

enum { NOT_LOGGED = 0x80 };

static volatile sig_atomic_t told_to_end;

static void hear_end(int signal) {
  (void)signal;
  told_to_end = 1;
}

__attribute__((format(printf, 2, 3))) static bool never_runs(struct sandbox *sandbox, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(sandbox->failure, sizeof sandbox->failure, format, arguments);
  va_end(arguments);
  return false;
}

// A limit that is already lower stays. False when the process has ended.
static bool lower(pid_t process, int which, uint64_t value) {
  struct rlimit limit;
  bool is_there = prlimit(process, (__rlimit_resource_t)which, NULL, &limit) == 0;
  if (is_there && value < limit.rlim_max) limit.rlim_max = value;
  limit.rlim_cur = limit.rlim_max;
  if (is_there && prlimit(process, (__rlimit_resource_t)which, &limit, NULL) == 0) return true;
  if (errno != ESRCH) fail("cannot hold a sandbox to its limits: %s", strerror(errno));
  return false;
}

// Before the payload is one: bubblewrap's first process stands still, and everything inside inherits from it. False when it has ended.
static bool hold_to_limits(pid_t process, const struct plan *plan) {
  return lower(process, RLIMIT_CORE, 0) && (plan->open_files == 0 || lower(process, RLIMIT_NOFILE, plan->open_files)) &&
         (plan->file_size == 0 || lower(process, RLIMIT_FSIZE, plan->file_size)) &&
         (plan->processes == 0 || lower(process, RLIMIT_NPROC, plan->processes));
}

// bubblewrap's first line names its child: { "child-pid": 123, … }.
static pid_t child_of(const char *said) {
  static const char KEY[] = "\"child-pid\":";
  const char *end = strchr(said, '\n');
  const char *key = strstr(said, KEY);
  if (end == NULL || key == NULL || key > end) return 0;
  long pid = strtol(key + sizeof KEY - 1, NULL, 10);
  return pid > 1 && pid < INT32_MAX ? (pid_t)pid : 0;
}

// False when bubblewrap has ended, or says more than it has to say.
static bool hear_bubblewrap(struct sandbox *sandbox) {
  if (sandbox->said_size == SAID_MAX)
    return sandbox->released ? false : never_runs(sandbox, "bwrap said more than %d bytes about its sandbox before its command ran", SAID_MAX);
  ssize_t more = read(sandbox->stage.status, sandbox->said + sandbox->said_size, SAID_MAX - sandbox->said_size);
  if (more < 0) return errno == EINTR || errno == EAGAIN;
  if (more == 0) return false;
  sandbox->said_size += (size_t)more;
  sandbox->said[sandbox->said_size] = '\0';
  if (sandbox->init != 0) return true;
  sandbox->init = child_of(sandbox->said);
  if (sandbox->init == 0) return true;
  // One that has ended since is told by the end of bubblewrap's words.
  if (hold_to_limits(sandbox->init, &sandbox->plan)) report(sandbox->init);
  return true;
}

// False when the command is not to run, or is the relay's to let run.
static bool hear_launcher(struct sandbox *sandbox, bool *listening) {
  char word;
  ssize_t size = read(LAUNCHER, &word, 1);
  if (size < 0) return errno == EINTR || errno == EAGAIN ? true : never_runs(sandbox, "Cannot hear the launcher: %s", strerror(errno));
  if (size == 0) {
    *listening = false;
    return sandbox->released ? false : never_runs(sandbox, "The launcher went away before it said \"go\"; the command was not run");
  }
  if (sandbox->released) return true; // it has nothing more to say
  if (word != 'g' || sandbox->init == 0) return never_runs(sandbox, "Expected the launcher to say \"go\", found another word; the command was not run");
  if (sandbox->plan.held) return false;
  if (write(sandbox->stage.gate, "g", 1) != 1) return never_runs(sandbox, "Cannot let the command run: %s", strerror(errno));
  close(sandbox->stage.gate);
  sandbox->released = true;
  sandbox->released_at = now();
  report(0);
  return true;
}

// To the log as it comes, so that it is there whatever becomes of the relay. What cannot be written is told by the record.
static bool log_whole(int log, const char *bytes, size_t size) {
  for (size_t written = 0; written < size;) {
    ssize_t more = write(log, bytes + written, size - written);
    if (more < 0 && errno == EINTR) continue;
    if (more <= 0) return false;
    written += (size_t)more;
  }
  return true;
}

// False when there is a reason not to read on; a stream that has ended is looked at no more.
static bool take_output(struct sandbox *sandbox, struct pollfd *source, uint8_t from) {
  char *record = sandbox->records + sandbox->records_size;
  char *bytes = record + 1 + sizeof(uint32_t);
  ssize_t size = read(source->fd, bytes, PIECE_MAX);
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (size <= 0) { // a terminal ends with EIO
    source->fd = -1;
    return true;
  }
  bool logged = log_whole(sandbox->output_log, bytes, (size_t)size);
  record[0] = (char)(logged ? from : from | NOT_LOGGED);
  uint32_t length = htonl((uint32_t)size);
  memcpy(record + 1, &length, sizeof length);
  sandbox->records_size += 1 + sizeof length + (size_t)size;
  bool is_full = sandbox->records_size >= RECORDS_MAX;
  // Before "go" only bubblewrap speaks, and nobody but this process can let the command run: no turn of the relay's yet.
  if (!sandbox->released) return is_full ? never_runs(sandbox, "bwrap put out more than %u bytes before its command ran", RECORDS_MAX) : true;
  return logged && !is_full;
}

enum { FROM_LAUNCHER, FROM_RELAY, STATUS, OUTPUT, ERROR, LISTENER, SOURCES };

// False when it is the relay's turn.
static bool go_on(struct sandbox *sandbox, struct pollfd sources[SOURCES]) {
  if (sources[FROM_RELAY].revents != 0) _exit(EXIT_NOTHING);
  bool more = true, listening = true;
  if (sources[OUTPUT].revents != 0) more &= take_output(sandbox, &sources[OUTPUT], 0);
  if (sources[ERROR].revents != 0) more &= take_output(sandbox, &sources[ERROR], 1);
  if (sources[STATUS].revents != 0) more &= hear_bubblewrap(sandbox);
  if (more && sources[FROM_LAUNCHER].revents != 0) more &= hear_launcher(sandbox, &listening);
  if (!listening) sources[FROM_LAUNCHER].fd = -1;
  // Somebody wants to be served. Before "go" there is nothing to serve.
  if (sandbox->released && sources[LISTENER].revents != 0) more = false;
  if (told_to_end && !sandbox->released) never_runs(sandbox, "The sandbox was stopped before its command ran");
  return more && !told_to_end;
}

static int64_t patience(const struct sandbox *sandbox) {
  return sandbox->released ? RUN_MILLISECONDS : sandbox->init != 0 ? GO_MILLISECONDS : START_MILLISECONDS;
}

static void say_late(struct sandbox *sandbox) {
  if (sandbox->released) return;
  if (sandbox->init == 0) never_runs(sandbox, "bwrap made no sandbox within %d ms", START_MILLISECONDS);
  else never_runs(sandbox, "Expected the launcher to say \"go\" within %d ms, found nothing; the command was not run", GO_MILLISECONDS);
}

// TERM is taken while it waits and at no other moment.
void watch(struct sandbox *sandbox) {
  sandbox->said = malloc(SAID_MAX + 1);
  sandbox->records = malloc(RECORDS_MAX + 2 * (1 + sizeof(uint32_t) + PIECE_MAX));
  if (sandbox->said == NULL || sandbox->records == NULL) fail("no memory to watch a sandbox");
  struct sigaction end = {.sa_handler = hear_end};
  sigset_t term, before, heeded;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  sigprocmask(SIG_BLOCK, &term, &before);
  heeded = before;
  sigdelset(&heeded, SIGTERM);
  sigaction(SIGTERM, &end, NULL);
  const struct stage *stage = &sandbox->stage;
  struct pollfd sources[SOURCES] = {
    [FROM_LAUNCHER] = {LAUNCHER, POLLIN, 0}, [FROM_RELAY] = {RELAY, 0, 0},          [STATUS] = {stage->status, POLLIN, 0},
    [OUTPUT] = {stage->output, POLLIN, 0},   [ERROR] = {stage->error, POLLIN, 0}, [LISTENER] = {sandbox->listener, POLLIN, 0},
  };
  for (int64_t since = now(), look = since;;) {
    bool released = sandbox->released, named = sandbox->init != 0;
    int64_t left = since + patience(sandbox) - now();
    if (left <= 0) {
      say_late(sandbox);
      break;
    }
    // Before "go" a listener with somebody in its queue is always ready.
    sources[LISTENER].fd = released ? sandbox->listener : -1;
    if (released && !sandbox->has_scratch && left > LOOK_MILLISECONDS) left = LOOK_MILLISECONDS;
    struct timespec time = {left / 1000, (left % 1000) * 1000000};
    int ready = ppoll(sources, SOURCES, &time, &heeded);
    if (ready < 0 && errno != EINTR) fail("cannot wait for the sandbox: %s", strerror(errno));
    if (ready < 0)
      for (int each = 0; each < SOURCES; each++) sources[each].revents = 0;
    if (released && !sandbox->has_scratch && now() >= look) {
      sandbox->has_scratch = open_scratch(sandbox->init, sandbox->scratch);
      look = now() + LOOK_MILLISECONDS;
    }
    if (!go_on(sandbox, sources)) break;
    if (released == sandbox->released && named == (sandbox->init != 0)) continue;
    since = now();
    look = since + LOOK_MILLISECONDS;
  }
  // From here on the relay's.
  signal(SIGTERM, SIG_IGN);
  sigprocmask(SIG_SETMASK, &before, NULL);
}
