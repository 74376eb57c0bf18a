// SPDX-License-Identifier: Apache-2.0
#include "starter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// When the whole host is out of memory, the kernel takes a payload before anything of the host's (0).
static const char OOM_PREFERENCE[] = "500";

static void prefer_for_oom(void) {
  int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  // EACCES: whoever started the stand has set a higher floor, so it is preferred already.
  if (file < 0 || (write(file, OOM_PREFERENCE, sizeof OOM_PREFERENCE - 1) < 0 && errno != EACCES))
    fail("cannot write /proc/self/oom_score_adj: %s", strerror(errno));
  close(file);
}

pid_t born_into(const int *groups, size_t count) {
  struct clone_args how = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (unsigned)groups[0]};
  pid_t child = (pid_t)syscall(SYS_clone3, &how, sizeof how);
  if (child < 0) fail("cannot make a process in the sandbox's control group: %s", strerror(errno));
  if (child > 0) return child;
  // "0" means the writer, which the kernel moves without waiting for anybody.
  for (size_t at = 1; at < count; at++)
    if (write(groups[at], "0", 1) != 1) fail("cannot enter a control group of version 1: %s", strerror(errno));
  prefer_for_oom();
  return 0;
}

static void drop_capabilities(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2] = {0};
  if (syscall(SYS_capset, &header, none) != 0) fail("cannot give up capabilities: %s", strerror(errno));
}

// What the kernel says, not what was asked for.
static void prove(uid_t uid) {
  uid_t uids[3];
  gid_t gids[3];
  if (getresuid(&uids[0], &uids[1], &uids[2]) != 0 || getresgid(&gids[0], &gids[1], &gids[2]) != 0) fail("cannot tell who this is");
  for (int at = 0; at < 3; at++)
    if (uids[at] != uid || gids[at] != uid) fail("is not uid and gid %u after taking them", uid);
  if (getgroups(0, NULL) != 0) fail("is still in other groups");
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct held[2];
  if (syscall(SYS_capget, &header, held) != 0) fail("cannot tell its capabilities");
  for (int at = 0; at < 2; at++)
    if ((held[at].effective | held[at].permitted | held[at].inheritable) != 0) fail("still has capabilities");
  // To the last that this kernel knows, which may be newer than its headers here.
  for (int capability = 0, bound; (bound = prctl(PR_CAPBSET_READ, capability, 0, 0, 0)) >= 0; capability++)
    if (bound == 1) fail("could gain capability %d", capability);
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) fail("may gain privileges");
  if (setresuid(0, 0, 0) == 0) fail("the way back to uid 0 is open");
}

void become(uid_t uid, pid_t parent) {
  if (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)
    fail("cannot become uid %u: %s", uid, strerror(errno));
  drop_capabilities();
  // A change of uid makes a process dumpable or not by the host's setting, and takes the signal of a parent's death back.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prove(uid);
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) fail("cannot end with its parent: %s", strerror(errno));
  if (getppid() != parent) _exit(EXIT_NOTHING);
}
