// SPDX-License-Identifier: Apache-2.0
// bureau-exec [--terminal] DIRECTORY COMMAND [ARGUMENT...]: the first program of every sandbox; it becomes the command.
//
// With --terminal it makes a session of its own, with descriptor 0 as its terminal and itself in front. It goes to DIRECTORY and looks for
// COMMAND on the PATH of its environment, as a shell does: one with "/" is taken as it is, an empty entry of PATH is the directory that it
// stands in, a file that may be executed and is of no format is a script of /bin/sh. Arguments, descriptors and environment are passed on
// as they are but for PWD, where there is one: it names DIRECTORY. Every signal has its default and none is blocked. No heap, no library,
// nothing of the sandbox's root but the command.
//
// What fails is one line on stderr, and an exit code: 125 for what Bureau was asked for and cannot do (DIRECTORY, a terminal), 127 when
// there is no COMMAND of that name, 126 when there is one and it cannot run.
#include "system.h"

#include <asm/ioctls.h>
#include <asm/signal.h>
#include <errno.h>
#include <linux/limits.h>
#include <linux/uio.h>
#include <stdbool.h>
#include <stddef.h>

enum { EXIT_CANNOT_START = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };
// As the kernel counts them, those of real time among them.
enum { SIGNALS = 64 };

// Where a command is looked for in an environment without PATH, as dash has it.
static const char usual_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static size_t length_of(const char *text) {
  size_t length = 0;
  while (text[length] != '\0') length++;
  return length;
}

// What stands behind `start` in `text`, or NULL when it begins otherwise.
static char *behind(char *text, const char *start) {
  while (*start != '\0') {
    if (*text++ != *start++) return NULL;
  }
  return text;
}

// Returns the place behind what was copied.
static char *copy(char *to, const char *from, size_t length) {
  for (size_t at = 0; at < length; at++) to[at] = from[at];
  return to + length;
}

// Ends the process with one line: "bureau: ", `before`, `name`, ": ", `reason`. What would break the line or steer a terminal is a "?".
__attribute__((noreturn)) static void give_up(int code, const char *before, char *name, const char *reason) {
  for (char *at = name; *at != '\0'; at++) {
    if ((unsigned char)*at < ' ' || *at == 127) *at = '?';
  }
  const char *parts[] = {"bureau: ", before, name, ": ", reason, "\n"};
  struct iovec line[sizeof parts / sizeof parts[0]];
  for (size_t at = 0; at < sizeof parts / sizeof parts[0]; at++) {
    line[at].iov_base = (void *)parts[at];
    line[at].iov_len = length_of(parts[at]);
  }
  system_call(__NR_writev, 2, (long)line, sizeof parts / sizeof parts[0], 0); // nobody is left to tell that it cannot be told
  for (;;) system_call(__NR_exit_group, code, 0, 0, 0);
}

// As the C library words them. What execve gives without a fault of the kernel; the others keep their number.
static const char *reason_of(int error, char number[static 12]) {
  if (error == EACCES) return "Permission denied";
  if (error == EPERM) return "Operation not permitted";
  if (error == ENOEXEC) return "Exec format error";
  if (error == E2BIG) return "Argument list too long";
  if (error == ELOOP) return "Too many levels of symbolic links";
  if (error == ENAMETOOLONG) return "File name too long";
  if (error == ETXTBSY) return "Text file busy";
  if (error == ENOMEM) return "Cannot allocate memory";
  if (error == EAGAIN) return "Resource temporarily unavailable";
  if (error == EMFILE) return "Too many open files";
  if (error == EIO) return "Input/output error";
  if (error == ENOTTY) return "Inappropriate ioctl for device";
  if (error == EISDIR) return "Is a directory";
  if (error == EINVAL) return "Invalid argument";
  copy(number, "error ", 6);
  number[6] = (char)('0' + error / 1000 % 10);
  number[7] = (char)('0' + error / 100 % 10);
  number[8] = (char)('0' + error / 10 % 10);
  number[9] = (char)('0' + error % 10);
  number[10] = '\0';
  return number;
}

// Inside the sandbox and not around it: bwrap would be in the terminal's first group, die of the first Ctrl-C, and the payload with it.
static void take_terminal(void) {
  char name[] = "descriptor 0", number[12];
  long answer = system_call(__NR_setsid, 0, 0, 0, 0);
  // The last 0: a terminal is never taken from another session. Its foreground group is then the taker's.
  if (answer >= 0) answer = system_call(__NR_ioctl, 0, TIOCSCTTY, 0, 0);
  if (answer < 0) give_up(EXIT_CANNOT_START, "cannot make a session with the terminal of ", name, reason_of((int)-answer, number));
}

// bwrap says in PWD where it stands itself, and that is "/".
static void go_to(char *directory, char **environment) {
  static char variable[sizeof "PWD=" + PATH_MAX];
  if (system_call(__NR_chdir, (long)directory, 0, 0, 0) != 0) {
    give_up(EXIT_CANNOT_START, "cannot start in ", directory, "there is no such directory in the sandbox (field \"directory\" of its spec)");
  }
  copy(copy(variable, "PWD=", 4), directory, length_of(directory)); // below PATH_MAX: the kernel has just taken it
  for (char **at = environment; *at != NULL; at++) {
    if (behind(*at, "PWD=") != NULL) *at = variable;
  }
}

// Whatever the processes around us ignore or block is not the payload's matter. KILL and STOP cannot be set and are as they should be.
static void default_signals(void) {
  static const unsigned long none; // the kernel's set of all signals
  static const unsigned long by_default[4]; // the kernel's sigaction: SIG_DFL, no flags, no restorer, nothing blocked
  for (int number = 1; number <= SIGNALS; number++) system_call(__NR_rt_sigaction, number, (long)by_default, 0, sizeof none);
  system_call(__NR_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, sizeof none);
}

// Becomes `path`; returns why it cannot. `words` are the command's, and the place before them is free.
static int become(char *path, char **words, char **environment) {
  static char shell[] = "/bin/sh";
  int error = (int)-system_call(__NR_execve, (long)path, (long)words, (long)environment, 0);
  if (error != ENOEXEC) return error;
  char *command = words[0];
  words[-1] = shell;
  words[0] = path;
  system_call(__NR_execve, (long)shell, (long)(words - 1), (long)environment, 0);
  words[0] = command;
  return ENOEXEC; // not why there is no shell: nobody asked for one
}

// Becomes the first file on `path` that can be run; returns why there is none. A file that cannot be run hides no later one.
static int search(const char *path, char **words, char **environment) {
  static char candidate[PATH_MAX];
  size_t length = length_of(words[0]);
  int reason = ENOENT;
  for (const char *entry = path;; entry++) {
    size_t size = 0;
    while (entry[size] != ':' && entry[size] != '\0') size++;
    int error = ENAMETOOLONG;
    if (size < PATH_MAX - 1 && length < PATH_MAX - 1 - size) {
      char *name = copy(candidate, entry, size);
      if (size > 0) *name++ = '/';
      copy(name, words[0], length + 1);
      error = become(candidate, words, environment);
    }
    if (error != ENOENT && error != ENOTDIR) reason = error;
    entry += size;
    if (*entry == '\0') return reason;
  }
}

static const char *path_of(char **environment) {
  for (char **at = environment; *at != NULL; at++) {
    const char *path = behind(*at, "PATH=");
    if (path != NULL) return path;
  }
  return usual_path;
}

static bool has_slash(const char *text) {
  while (*text != '\0' && *text != '/') text++;
  return *text == '/';
}

void bureau_exec(long count, char **arguments, char **environment) {
  char usage[] = "bureau-exec [--terminal] DIRECTORY COMMAND [ARGUMENT...]", number[12];
  char *rest = count > 1 ? behind(arguments[1], "--terminal") : NULL;
  bool has_terminal = rest != NULL && *rest == '\0';
  long first = has_terminal ? 2 : 1;
  if (count - first < 2) give_up(EXIT_CANNOT_START, "expected ", usage, "there are fewer arguments");
  if (has_terminal) take_terminal();
  go_to(arguments[first], environment);
  default_signals();
  char **words = arguments + first + 1;
  int error = ENOENT;
  // No program's name begins like this, and a shell would take the word for an option.
  if (words[0][0] != '-') error = has_slash(words[0]) ? become(words[0], words, environment) : search(path_of(environment), words, environment);
  bool is_missing = error == ENOENT || error == ENOTDIR;
  int code = is_missing || error == ELOOP || error == ENAMETOOLONG ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
  give_up(code, "", words[0], is_missing ? "not found" : reason_of(error, number));
}
