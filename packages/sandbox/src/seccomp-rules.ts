// SPDX-License-Identifier: Apache-2.0
import type { Action } from './bpf-program.ts';
import type { CallRules, SeccompProfile } from './seccomp.ts';

const EPERM = 1;
const EINVAL = 22;
const ENOSYS = 38;
const EPROTONOSUPPORT = 93;
const EAFNOSUPPORT = 97;

const ALLOW: Action = { type: 'allow' };
const REFUSE: Action = { type: 'errno', errno: EPERM };
const ABSENT: Action = { type: 'errno', errno: ENOSYS };

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const NAMESPACE_FLAGS = 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x10000000 | 0x20000000 | 0x40000000;
/** CLONE_NEWTIME, in `unshare` only: in `clone` this bit belongs to the signal number. */
const NEW_TIME = 0x80;

/** Terminal requests: TIOCSTI types into a terminal, TIOCLINUX pastes on a console, TIOCCONS takes its output, TIOCSETD loads line disciplines. */
const TERMINAL_REQUESTS: readonly number[] = [0x5412, 0x541c, 0x541d, 0x5423];

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;
/** SOCK_STREAM, SOCK_DGRAM, SOCK_RAW (which needs a capability that nobody here has); others load modules. */
const INTERNET_TYPES: readonly number[] = [1, 2, 3];
const TYPE_MASK = 0xf;
/** Default, ICMP, TCP, UDP, ICMPv6; SCTP, DCCP, SMC and others load modules. */
const INTERNET_PROTOCOLS: readonly number[] = [0, 1, 6, 17, 58];
/** PER_LINUX and "only ask". */
const PERSONALITIES: readonly number[] = [0, 0xffffffff];

/** Calls that a payload has no business with, whatever it runs. */
const REFUSED_CALLS: readonly string[] = [
  // The mount API, old and new.
  ...[
    'mount',
    'umount2',
    'pivot_root',
    'chroot',
    'fsopen',
    'fsmount',
    'fsconfig',
    'fspick',
    'move_mount',
    'open_tree',
    'open_tree_attr',
    'mount_setattr',
  ],
  // Other namespaces, other processes.
  ...['setns', 'ptrace', 'process_vm_readv', 'process_vm_writev', 'pidfd_getfd', 'kcmp'],
  // Kernel programs, tracing, page faults, asynchronous calls that seccomp does not see, hidden memory.
  ...[
    'bpf',
    'perf_event_open',
    'userfaultfd',
    'io_uring_setup',
    'io_uring_enter',
    'io_uring_register',
    'memfd_secret',
    'fanotify_init',
    'lookup_dcookie',
  ],
  // Keyrings are not namespaced.
  ...['keyctl', 'add_key', 'request_key'],
  // Code in the kernel.
  ...['kexec_load', 'kexec_file_load', 'init_module', 'finit_module', 'delete_module', 'create_module', 'query_module', 'get_kernel_syms'],
  // Files by handle go around every mount.
  ...['open_by_handle_at', 'name_to_handle_at'],
  // The host's disks, power, log, time, names, ports.
  ...[
    'quotactl',
    'quotactl_fd',
    'acct',
    'swapon',
    'swapoff',
    'reboot',
    'syslog',
    'settimeofday',
    'clock_settime',
    'clock_adjtime',
    'adjtimex',
  ],
  ...['sethostname', 'setdomainname', 'iopl', 'ioperm', 'vhangup', 'nfsservctl', 'modify_ldt'],
  // Memory placement on other processes' nodes.
  ...['migrate_pages', 'move_pages', 'mbind', 'set_mempolicy', 'set_mempolicy_home_node'],
  // Long dead, kept by kernels.
  ...['_sysctl', 'uselib', 'ustat', 'sysfs', 'afs_syscall', 'vserver', 'security', 'tuxcall', 'getpmsg', 'putpmsg'],
];

/** Calls that are answered as if the kernel were older, so that callers take their other way. */
const ABSENT_CALLS: readonly string[] = [
  // Its flags lie in memory, where no filter can read them; libc falls back to clone.
  'clone3',
  // Mounts by id, of other namespaces too.
  'statmount',
  'listmount',
];

/** Calls that are judged by their arguments. Shared by every profile. */
const ARGUMENT_RULES: readonly CallRules[] = [
  { calls: ['clone'], rules: [{ when: [{ argument: 0, mask: NAMESPACE_FLAGS, notOneOf: [0] }], action: REFUSE }], otherwise: ALLOW },
  {
    calls: ['unshare'],
    rules: [{ when: [{ argument: 0, mask: NAMESPACE_FLAGS | NEW_TIME, notOneOf: [0] }], action: REFUSE }],
    otherwise: ALLOW,
  },
  { calls: ['ioctl'], rules: [{ when: [{ argument: 1, oneOf: TERMINAL_REQUESTS }], action: REFUSE }], otherwise: ALLOW },
  { calls: ['personality'], rules: [{ when: [{ argument: 0, oneOf: PERSONALITIES }], action: ALLOW }], otherwise: REFUSE },
  {
    calls: ['socketpair'],
    rules: [{ when: [{ argument: 0, oneOf: [AF_UNIX] }], action: ALLOW }],
    otherwise: { type: 'errno', errno: EAFNOSUPPORT },
  },
  {
    calls: ['socket'],
    rules: [
      { when: [{ argument: 0, oneOf: [AF_UNIX] }], action: ALLOW },
      {
        when: [
          { argument: 0, oneOf: [AF_NETLINK] },
          { argument: 2, oneOf: [NETLINK_ROUTE] },
        ],
        action: ALLOW,
      },
      { when: [{ argument: 0, notOneOf: [AF_INET, AF_INET6] }], action: { type: 'errno', errno: EAFNOSUPPORT } },
      { when: [{ argument: 1, mask: TYPE_MASK, notOneOf: INTERNET_TYPES }], action: { type: 'errno', errno: EINVAL } },
      { when: [{ argument: 2, oneOf: INTERNET_PROTOCOLS }], action: ALLOW },
    ],
    otherwise: { type: 'errno', errno: EPROTONOSUPPORT },
  },
];

/**
 * What every sandbox gets today: known calls are allowed but for those that no agent needs, unknown numbers answer ENOSYS (so that
 * a newer kernel does not open a door that nobody here has looked at).
 */
export const DENY_LIST_PROFILE: SeccompProfile = {
  name: 'deny-list',
  fallback: ALLOW,
  unknown: ABSENT,
  calls: [{ calls: REFUSED_CALLS, otherwise: REFUSE }, { calls: ABSENT_CALLS, otherwise: ABSENT }, ...ARGUMENT_RULES],
};
