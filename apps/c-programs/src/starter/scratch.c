// SPDX-License-Identifier: Apache-2.0
#include "starter.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

// Memory file systems of every sandbox, then what is the host's disk: packages/observe/src/scratch-watch.ts has the same.
static const char *const PLACES[SCRATCH_PLACES] = {"tmp", "dev/shm", "home/agent", "workspace"};

// Before bubblewrap has changed its root, this is the host's.
static bool stands(pid_t init) {
  char path[64];
  struct stat inside, outside;
  snprintf(path, sizeof path, "/proc/%d/root/tmp", init);
  return stat(path, &inside) == 0 && stat("/tmp", &outside) == 0 && inside.st_dev != outside.st_dev;
}

bool open_scratch(pid_t init, int handles[SCRATCH_PLACES]) {
  if (!stands(init)) return false;
  for (int at = 0; at < SCRATCH_PLACES; at++) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/root/%s", init, PLACES[at]);
    // A handle that reads nothing and opens nothing. Mount points cannot be moved or replaced from inside.
    handles[at] = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (handles[at] >= 0) continue;
    while (at-- > 0) close(handles[at]);
    return false;
  }
  return true;
}
