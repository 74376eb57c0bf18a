// SPDX-License-Identifier: Apache-2.0
/**
 * Calls that a payload may make whatever their arguments, by what they are for. Modelled on what the container runtimes allow a
 * container without capabilities (moby `profiles/seccomp/default.json` up to Linux 6.13, and containers/common `seccomp.json`); where
 * we differ, and why: docs/adr/0012-seccomp-allow-list.md. A name that an architecture does not have is left out there.
 */

const FILES = `
  read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 close close_range dup dup2 dup3 fcntl flock lseek pipe pipe2
  readahead fadvise64 fallocate truncate ftruncate fsync fdatasync syncfs sync_file_range sendfile copy_file_range splice tee
  stat fstat lstat newfstatat statx access faccessat faccessat2 statfs fstatfs readlink readlinkat getdents getdents64 getcwd chdir fchdir
  rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat mkdir mkdirat rmdir umask chown fchown lchown fchownat
  utime utimes futimesat utimensat
  setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr
  setxattrat getxattrat listxattrat removexattrat
  inotify_init inotify_init1 inotify_add_watch inotify_rm_watch
`;

const WAITING = `
  select pselect6 poll ppoll epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4
  timerfd_create timerfd_settime timerfd_gettime nanosleep clock_nanosleep pause alarm getitimer setitimer timer_create timer_settime
  timer_gettime timer_getoverrun timer_delete time gettimeofday clock_gettime clock_getres restart_syscall
`;

const MEMORY = `
  brk mmap munmap mremap mprotect madvise msync mlock mlock2 mlockall munlock munlockall memfd_create membarrier mseal map_shadow_stack
  pkey_alloc pkey_free pkey_mprotect get_mempolicy
`;

const PROCESSES = `
  fork vfork execve execveat exit exit_group wait4 waitid kill tkill tgkill pidfd_open pidfd_send_signal
  getpid getppid gettid getpgid setpgid getpgrp getsid setsid set_tid_address set_robust_list get_robust_list rseq
  futex futex_waitv futex_wake futex_wait futex_requeue arch_prctl prctl
  rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_tgsigqueueinfo rt_sigsuspend rt_sigreturn sigaltstack
  sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_setparam sched_getscheduler sched_setscheduler sched_getattr sched_setattr
  sched_get_priority_max sched_get_priority_min sched_rr_get_interval getpriority setpriority ioprio_get ioprio_set getcpu
  getrlimit setrlimit prlimit64 getrusage times sysinfo uname getrandom
`;

const IDENTITY = `
  getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups
  capget capset
`;

const SOCKETS = `
  bind listen accept accept4 connect shutdown getsockname getpeername getsockopt setsockopt sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg
`;

/** A process that narrows itself further. */
const NARROWING = 'seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self';

/** Old interfaces with a history of kernel faults and few users, and what tells what other processes have in memory. Not in `strict`. */
const RARELY_NEEDED = `
  io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents
  shmget shmat shmctl shmdt semget semop semtimedop semctl msgget msgsnd msgrcv msgctl
  mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr
  vmsplice remap_file_pages mincore cachestat sync
`;

function names(...texts: readonly string[]): readonly string[] {
  return texts.flatMap((text) => text.trim().split(/\s+/));
}

/** In every profile. */
export const ALLOWED_CALLS: readonly string[] = names(FILES, WAITING, MEMORY, PROCESSES, IDENTITY, SOCKETS, NARROWING);

/** In every profile but `strict`. */
export const RARELY_NEEDED_CALLS: readonly string[] = names(RARELY_NEEDED);
