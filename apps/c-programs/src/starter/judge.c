// SPDX-License-Identifier: Apache-2.0
#include "starter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// What the launcher judged and holds: opened anew with the payload's uid, and only if it is still that. Then no swap between judgement
// and mount can matter, and nothing is mounted that this uid cannot reach.
static int open_source(const char *path, const char *identity, char *failure, size_t room) {
  struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
  int source = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
  if (source < 0) {
    const char *why = errno == EACCES ? "the payload's user may not pass through a directory above it" : strerrorname_np(errno);
    snprintf(failure, room, "Cannot mount \"%s\", which the launcher admitted: %s", path, why);
    return -1;
  }
  struct stat found;
  char is[64];
  if (fstat(source, &found) != 0) fail("cannot look at a mount source: %s", strerror(errno));
  snprintf(is, sizeof is, "%llu:%llu", (unsigned long long)found.st_dev, (unsigned long long)found.st_ino);
  if (strcmp(is, identity) == 0) return source;
  snprintf(failure, room, "Cannot mount \"%s\": it is not what the launcher admitted a moment ago", path);
  close(source);
  return -1;
}

// This process has the payload's uid and no groups: what it cannot open, the payload could not.
static bool may_use(const char *device, char *failure, size_t room) {
  if (access(device, R_OK | W_OK) == 0) return true;
  struct stat found;
  char is[96] = "is not there";
  if (stat(device, &found) == 0)
    snprintf(is, sizeof is, "has mode %o, owner %u:%u", found.st_mode & 0777, found.st_uid, found.st_gid);
  snprintf(failure, room,
           "Cannot give %s to the payload: it %s, and the payload's user is in no group. Let uid %u open it (a udev rule with MODE=\"0666\", or setfacl)",
           device, is, getuid());
  return false;
}

bool open_sources(const struct plan *plan, struct stage *stage, char *failure, size_t room) {
  if (plan->filter.size == 0) {
    snprintf(failure, room, "Expected a seccomp program, found none; the sandbox would have no filter");
    return false;
  }
  struct part rest = plan->devices;
  for (const char *device; (device = next_text(&rest)) != NULL;)
    if (!may_use(device, failure, room)) return false;
  rest = plan->sources;
  for (const char *path; (path = next_text(&rest)) != NULL;) {
    const char *identity = next_text(&rest);
    if (identity == NULL) fail("expected the identity of the mount source %s", path);
    if (stage->count == DESCRIPTORS_MAX) fail("expected at most %d descriptors for bubblewrap", DESCRIPTORS_MAX);
    int source = open_source(path, identity, failure, room);
    if (source < 0) return false;
    stage->theirs[stage->count++] = source;
  }
  return true;
}
