// SPDX-License-Identifier: Apache-2.0
// bureau-bridge: TCP on loopback inside a sandbox to the proxy's Unix socket, alone or around one command.
#include "bridge.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

int64_t now_milliseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("bureau-bridge: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(EXIT_BRIDGE);
}

static const int PASSED_ON[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

static int open_signals(bool has_command, sigset_t *inherited) {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGCHLD);
  sigaddset(&mask, SIGINT);
  sigaddset(&mask, SIGTERM);
  for (size_t at = 0; has_command && at < sizeof PASSED_ON / sizeof PASSED_ON[0]; at++) sigaddset(&mask, PASSED_ON[at]);
  sigprocmask(SIG_BLOCK, &mask, inherited);
  signal(SIGPIPE, SIG_IGN);
  int fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd < 0) fail("cannot wait for signals: %s", strerror(errno));
  return fd;
}

struct command {
  pid_t pid; // 0 without one
  bool has_ended;
  int code;
};

// True when the bridge itself is to end.
static bool handle_signals(int fd, struct command *command) {
  struct signalfd_siginfo info;
  bool stop = false;
  while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
    if (info.ssi_signo == SIGCHLD) {
      if (reap(command->pid, &command->code)) command->has_ended = true;
    } else if (command->pid == 0) {
      command->code = 128 + (int)info.ssi_signo;
      stop = true;
    } else if (info.ssi_code != SI_KERNEL && !command->has_ended) {
      // What the terminal sends reaches the command by itself; a second INT would mean "now" to many programs.
      kill(command->pid, (int)info.ssi_signo);
    }
  }
  return stop || command->has_ended;
}

// One look at everything that is ready within `timeout`; false when it is over.
static bool turn(struct set *set, struct end *signals, struct command *command, int timeout, bool *moved) {
  struct epoll_event events[128];
  int count = epoll_wait(set->epoll, events, 128, timeout);
  if (count < 0 && errno != EINTR) fail("cannot wait for connections: %s", strerror(errno));
  bool over = false;
  *moved = false;
  for (int at = 0; at < count; at++) {
    struct end *end = events[at].data.ptr;
    if (end == signals) {
      over = handle_signals(signals->fd, command) || over;
    } else {
      *moved = true;
      if (end->source == SOURCE_LISTENER) accept_clients(set);
      else handle_end(set, end, events[at].events);
    }
  }
  if (set->timed > 0) look_at_timed(set, now_milliseconds());
  free_dead(set);
  return !over;
}

int main(int argc, char **argv) {
  struct options options;
  parse_options(argc, argv, &options);
  sigset_t inherited;
  struct sockaddr_storage bound;
  struct set set = {.proxy_path = options.socket, .accepting = true};
  set.listener = (struct end){.source = SOURCE_LISTENER, .fd = listen_tcp(&options, &bound)};
  probe_proxy(options.socket);
  struct end signals = {.source = SOURCE_SIGNAL, .fd = open_signals(options.command != NULL, &inherited)};
  set.epoll = epoll_create1(EPOLL_CLOEXEC);
  if (set.epoll < 0) fail("cannot make an epoll set: %s", strerror(errno));
  watch(&set, &set.listener, EPOLLIN);
  watch(&set, &signals, EPOLLIN);

  if (!options.quiet && options.command == NULL) {
    char text[64];
    format_address(&bound, text);
    fprintf(stderr, "bureau-bridge: listening on %s, for %s\n", text, options.socket);
  }
  struct command command = {.pid = options.command == NULL ? 0 : start_command(&options, &bound, &inherited)};
  bool moved = false;
  while (turn(&set, &signals, &command, set.timed > 0 ? RETRY_MILLISECONDS : -1, &moved)) continue;
  // What the command sent right before it ended is in the kernel's buffers: it still goes on its way.
  int64_t until = now_milliseconds() + EXIT_DRAIN_MILLISECONDS;
  do turn(&set, &signals, &command, 0, &moved);
  while (moved && now_milliseconds() < until);
  return command.code;
}
