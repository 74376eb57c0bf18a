// SPDX-License-Identifier: Apache-2.0
import type { SandboxProfile } from '@bureau/protocol';
import type { Action } from './bpf-program.ts';
import type { CallRules, Rule } from './seccomp.ts';

const EPERM = 1;
const EINVAL = 22;
const EPROTONOSUPPORT = 93;
const EAFNOSUPPORT = 97;

const ALLOW: Action = { type: 'allow' };
const REFUSE: Action = { type: 'errno', errno: EPERM };
const NO_FAMILY: Action = { type: 'errno', errno: EAFNOSUPPORT };

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
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
/** Needs a capability that nobody here has; `ping` and its kind tell that better than we could. */
const SOCK_RAW = 3;
const TYPE_MASK = 0xf;
/** Default, ICMP, TCP, UDP, ICMPv6; SCTP, DCCP, SMC and others load modules. */
const INTERNET_PROTOCOLS: readonly number[] = [0, 1, 6, 17, 58];

/** PER_LINUX and "only ask". */
const PERSONALITIES: readonly number[] = [0, 0xffffffff];
/** ADDR_NO_RANDOMIZE, which debuggers ask for. */
const PERSONALITIES_OF_DEBUGGERS: readonly number[] = [...PERSONALITIES, 0x40000];

const TYPE_OF_FILE = 0xf000;
const DEVICES: readonly number[] = [0x2000, 0x6000];
/** S_ISUID and S_ISGID. */
const SET_ID_BITS = 0o6000;
/** O_CREAT and __O_TMPFILE: without them `open` does not look at its mode. */
const CREATES = 0o100 | 0o20000000;

type Position = 0 | 1 | 2 | 3 | 4 | 5;

const setsBits = (mode: Position): Rule => ({ when: [{ argument: mode, mask: SET_ID_BITS, notOneOf: [0] }], action: REFUSE });
const createsWithBits = (flags: Position, mode: Position): Rule => ({
  when: [
    { argument: flags, mask: CREATES, notOneOf: [0] },
    { argument: mode, mask: SET_ID_BITS, notOneOf: [0] },
  ],
  action: REFUSE,
});
/** Devices; 0:0 is no device but overlayfs's "not here", which anybody may make. */
const makesDevice = (mode: Position, device: Position): Rule => ({
  when: [
    { argument: mode, mask: TYPE_OF_FILE, oneOf: DEVICES },
    { argument: device, notOneOf: [0] },
  ],
  action: REFUSE,
});

function socketRules(families: { readonly netlink: boolean; readonly raw: boolean }): readonly Rule[] {
  const types = families.raw ? [SOCK_STREAM, SOCK_DGRAM, SOCK_RAW] : [SOCK_STREAM, SOCK_DGRAM];
  const route: Rule = {
    when: [
      { argument: 0, oneOf: [AF_NETLINK] },
      { argument: 2, oneOf: [NETLINK_ROUTE] },
    ],
    action: ALLOW,
  };
  return [
    { when: [{ argument: 0, oneOf: [AF_UNIX] }], action: ALLOW },
    ...(families.netlink ? [route] : []),
    { when: [{ argument: 0, notOneOf: [AF_INET, AF_INET6] }], action: NO_FAMILY },
    { when: [{ argument: 1, mask: TYPE_MASK, notOneOf: types }], action: { type: 'errno', errno: EINVAL } },
    { when: [{ argument: 2, oneOf: INTERNET_PROTOCOLS }], action: ALLOW },
  ];
}

function socketCalls(families: { readonly netlink: boolean; readonly raw: boolean }): CallRules {
  return { calls: ['socket'], rules: socketRules(families), otherwise: { type: 'errno', errno: EPROTONOSUPPORT } };
}

/** Judged by their arguments alike in every profile. */
const EVERYWHERE: readonly CallRules[] = [
  { calls: ['clone'], rules: [{ when: [{ argument: 0, mask: NAMESPACE_FLAGS, notOneOf: [0] }], action: REFUSE }], otherwise: ALLOW },
  {
    calls: ['unshare'],
    rules: [{ when: [{ argument: 0, mask: NAMESPACE_FLAGS | NEW_TIME, notOneOf: [0] }], action: REFUSE }],
    otherwise: ALLOW,
  },
  { calls: ['ioctl'], rules: [{ when: [{ argument: 1, oneOf: TERMINAL_REQUESTS }], action: REFUSE }], otherwise: ALLOW },
  { calls: ['socketpair'], rules: [{ when: [{ argument: 0, oneOf: [AF_UNIX] }], action: ALLOW }], otherwise: NO_FAMILY },
];

function personality(allowed: readonly number[]): CallRules {
  return { calls: ['personality'], rules: [{ when: [{ argument: 0, oneOf: allowed }], action: ALLOW }], otherwise: REFUSE };
}

/** In `default` and `debug`: files may get any mode, since nothing in a sandbox gains from set-id bits. */
const FILE_MODES: readonly CallRules[] = [
  { calls: ['chmod', 'fchmod', 'fchmodat', 'fchmodat2', 'open', 'openat', 'openat2', 'creat'], otherwise: ALLOW },
  { calls: ['mknod'], rules: [makesDevice(1, 2)], otherwise: ALLOW },
  { calls: ['mknodat'], rules: [makesDevice(2, 3)], otherwise: ALLOW },
];

/** In `strict`: no file with set-id bits, so that none is left for another user of the host. `openat2` has its mode in memory: libc uses `openat`. */
const FILE_MODES_STRICT: readonly CallRules[] = [
  { calls: ['chmod', 'fchmod'], rules: [setsBits(1)], otherwise: ALLOW },
  { calls: ['fchmodat', 'fchmodat2'], rules: [setsBits(2)], otherwise: ALLOW },
  { calls: ['creat'], rules: [setsBits(1)], otherwise: ALLOW },
  { calls: ['open'], rules: [createsWithBits(1, 2)], otherwise: ALLOW },
  { calls: ['openat'], rules: [createsWithBits(2, 3)], otherwise: ALLOW },
  { calls: ['mknod'], rules: [setsBits(1), makesDevice(1, 2)], otherwise: ALLOW },
  { calls: ['mknodat'], rules: [setsBits(2), makesDevice(2, 3)], otherwise: ALLOW },
];

/** PTRACE_ATTACH and PTRACE_SEIZE: without them only a child that asks for it (PTRACE_TRACEME) is traced, and its own children. */
const TAKES_STRANGERS: readonly number[] = [16, 0x4206];

/** The calls of a profile that are judged by their arguments. */
export const ARGUMENT_RULES: Readonly<Record<SandboxProfile, readonly CallRules[]>> = {
  strict: [...EVERYWHERE, ...FILE_MODES_STRICT, socketCalls({ netlink: false, raw: false }), personality(PERSONALITIES)],
  default: [...EVERYWHERE, ...FILE_MODES, socketCalls({ netlink: true, raw: true }), personality(PERSONALITIES)],
  debug: [
    ...EVERYWHERE,
    ...FILE_MODES,
    socketCalls({ netlink: true, raw: true }),
    personality(PERSONALITIES_OF_DEBUGGERS),
    { calls: ['ptrace'], rules: [{ when: [{ argument: 0, oneOf: TAKES_STRANGERS }], action: REFUSE }], otherwise: ALLOW },
    { calls: ['process_vm_readv', 'process_vm_writev'], otherwise: ALLOW },
  ],
};
