// SPDX-License-Identifier: Apache-2.0
// The command of exec mode.
#include "bridge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void set_variable(const char *name, const char *value) {
  if (setenv(name, value, 1) != 0) fail("cannot set %s: %s", name, strerror(errno));
}

static void set_environment(const struct options *options, const struct sockaddr_storage *bound) {
  char address[64];
  char url[80];
  format_address(bound, address);
  snprintf(url, sizeof url, "http://%s", address);
  set_variable("BUREAU_BRIDGE_URL", url);
  if (!options->proxy_environment) return;
  static const char *const NAMES[] = {"http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"};
  for (size_t at = 0; at < sizeof NAMES / sizeof NAMES[0]; at++) set_variable(NAMES[at], url);
  set_variable("no_proxy", "localhost,127.0.0.1,::1");
  set_variable("NO_PROXY", "localhost,127.0.0.1,::1");
}

pid_t start_command(const struct options *options, const struct sockaddr_storage *bound, const sigset_t *inherited) {
  pid_t pid = fork();
  if (pid < 0) fail("cannot start %.200s: %s", options->command[0], strerror(errno));
  if (pid > 0) return pid;
  set_environment(options, bound);
  signal(SIGPIPE, SIG_DFL);
  sigprocmask(SIG_SETMASK, inherited, NULL);
  execvp(options->command[0], options->command);
  int error = errno;
  fprintf(stderr, "bureau-bridge: %.200s: %s\n", options->command[0], error == ENOENT ? "not found" : strerror(error));
  _exit(error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}

bool reap(pid_t command, int *code) {
  bool has_ended = false;
  for (;;) {
    int status = 0;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return has_ended;
    if (pid != command) continue;
    has_ended = true;
    *code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
}
